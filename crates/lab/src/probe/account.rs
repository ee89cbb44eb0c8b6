//! From the numbers that arrived to what was lost.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Packet;

/// What became of one flow.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Which, in words.
    pub flow: String,
    /// Packets sent.
    pub sent: u32,
    /// Of these, how many never arrived.
    pub lost: u32,
    /// The longest time without a packet that arrived, by the times of sending, in milliseconds; 0 where nothing was lost.
    pub longest_outage_ms: f64,
    /// When the first lost packet was sent, in milliseconds since the probe began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_lost_at_ms: Option<f64>,
    /// Packets that arrived more than once.
    pub duplicates: u32,
    /// Packets that arrived after one that was sent later.
    pub reordered: u32,
}

/// Accounts for a flow: `sent` are the times of sending in order of numbers, `arrived` the packets in order of arrival.
pub(super) fn account(flow: String, sent: &[Duration], arrived: &[Packet]) -> Report {
    let mut is_there = vec![false; sent.len()];
    let (mut duplicates, mut reordered, mut highest) = (0, 0, None);
    for packet in arrived {
        let Some(seen) = is_there.get_mut(packet.number as usize) else { continue };
        if *seen {
            duplicates += 1;
            continue;
        }
        *seen = true;
        if highest.is_some_and(|highest| packet.number < highest) {
            reordered += 1;
        }
        highest = highest.max(Some(packet.number));
    }
    let lost = is_there.iter().filter(|seen| !**seen).count() as u32;
    let mut longest = Duration::ZERO;
    let mut last_there = None;
    let mut is_out = false;
    for (seen, at) in is_there.iter().zip(sent) {
        if *seen {
            if is_out {
                longest = longest.max(at.saturating_sub(last_there.unwrap_or_default()));
            }
            last_there = Some(*at);
        }
        is_out = !seen;
    }
    if let (true, Some(end)) = (is_out, sent.last()) {
        longest = longest.max(end.saturating_sub(last_there.unwrap_or_default()));
    }
    let first_lost = is_there.iter().zip(sent).find(|(seen, _)| !**seen);
    Report {
        flow,
        sent: sent.len() as u32,
        lost,
        longest_outage_ms: milliseconds(longest),
        first_lost_at_ms: first_lost.map(|(_, at)| milliseconds(*at)),
        duplicates,
        reordered,
    }
}

/// To a tenth.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} sent, {} lost", self.flow, self.sent, self.lost)?;
        if let Some(at) = self.first_lost_at_ms {
            write!(f, " from {at:.0} ms on, out for {:.1} ms at the longest", self.longest_outage_ms)?;
        }
        write!(f, ", {} twice, {} out of order", self.duplicates, self.reordered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(numbers: &[u32]) -> Report {
        let sent: Vec<Duration> = (0..10).map(Duration::from_millis).collect();
        let arrived: Vec<Packet> =
            numbers.iter().map(|number| Packet { flow: 0, number: *number, sent_ns: 0 }).collect();
        account("f".into(), &sent, &arrived)
    }

    #[test]
    fn nothing_lost() {
        let report = report(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((report.lost, report.longest_outage_ms, report.duplicates, report.reordered), (0, 0.0, 0, 0));
    }

    #[test]
    fn the_longest_outage_is_from_the_last_before_to_the_first_after() {
        let report = report(&[0, 1, 3, 7, 8, 9]);
        assert_eq!((report.lost, report.longest_outage_ms), (4, 4.0));
        assert_eq!(report.first_lost_at_ms, Some(2.0));
    }

    #[test]
    fn an_outage_that_did_not_end_counts_to_the_end() {
        assert_eq!(report(&[0, 1, 2]).longest_outage_ms, 7.0);
        let nothing = report(&[]);
        assert_eq!((nothing.lost, nothing.longest_outage_ms), (10, 9.0));
    }

    #[test]
    fn twice_and_out_of_order_are_told_apart() {
        let report = report(&[0, 2, 1, 1, 3, 4, 5, 6, 7, 8, 9, 99]);
        assert_eq!((report.lost, report.duplicates, report.reordered), (0, 1, 1));
    }
}

//! How long a session waits before it tries again, and whether it refuses the peer meanwhile.

use std::time::Duration;

use causeway_edge_types::Moment;

use crate::engine::Context;

/// Why a session waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Nobody is at fault: the network, a peer that is not there yet, a collision.
    Retry,
    /// The peer sent a NOTIFICATION. It may come back whenever it likes.
    PeerRefused,
    /// What the peer sent can't be right; it is refused for a while so that it does not spin.
    WeRefused,
    /// More prefixes than agreed: refused for longer, since a person has to act.
    TooManyPrefixes,
    /// BFD has lost the peer. We wait for BFD to find it again; if the peer connects, the path is there.
    BfdDown,
}

/// A session that lived this long was a good one: the next pause is a short one again.
const GOOD_SESSION: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Default)]
pub(super) struct Pauses {
    /// How many pauses there were since the last good session.
    count: u32,
    refuse_until: Option<Moment>,
}

impl Pauses {
    pub(super) fn forget(&mut self) {
        *self = Pauses::default();
    }

    /// Whether the peer's connections are refused.
    pub(super) fn refuses(&self, now: Moment) -> bool {
        self.refuse_until.is_some_and(|until| now < until)
    }

    /// A session that began at `since` is over.
    pub(super) fn note_length(&mut self, now: Moment, since: Option<Moment>) {
        if since.is_some_and(|since| now.since(since) >= GOOD_SESSION) {
            self.count = 0;
        }
    }

    /// Begins a pause and says when it ends.
    pub(super) fn begin(&mut self, cx: &mut Context, pause: Pause) -> Moment {
        let doubled = |first: Duration, most: Duration| (first * (1 << self.count.min(8))).min(most);
        let length = match pause {
            // The first attempt after a good session is nearly at once: a peer that restarts is met early.
            Pause::Retry if self.count == 0 => Duration::from_millis(100),
            Pause::Retry => (Duration::from_millis(500) * (1 << self.count.min(4))).min(Duration::from_secs(4)),
            Pause::PeerRefused => doubled(Duration::from_secs(1), Duration::from_secs(16)),
            Pause::WeRefused => doubled(Duration::from_secs(1), Duration::from_secs(60)),
            Pause::TooManyPrefixes => doubled(Duration::from_secs(5), Duration::from_secs(300)),
            Pause::BfdDown => Duration::from_secs(10),
        };
        self.count = self.count.saturating_add(1);
        let ends = cx.now + cx.random.jitter(length);
        let refuses = matches!(pause, Pause::WeRefused | Pause::TooManyPrefixes);
        // A pause that is on is never cut short by another that begins in it.
        self.refuse_until = self.refuse_until.filter(|until| *until > ends).or(refuses.then_some(ends));
        self.refuse_until.filter(|until| *until > ends).unwrap_or(ends)
    }
}

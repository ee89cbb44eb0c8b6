//! A packet each millisecond, both ways, and what became of them.
//!
//! ```text
//!   sender thread in one namespace ── UDP: magic, flow, number, time ──▶ receiver thread in the other
//! ```
//!
//! An outage is measured by the times at which packets were sent: from the last one that arrived before it to the first
//! one after it. So a receiver that the machine keeps waiting can't be taken for a network that loses.

mod account;
mod arguments;
mod flight;
mod path;

pub use account::Report;
pub use arguments::{Arguments, flows};
pub use flight::{Endpoint, Flow, Probe};
pub use path::{capture, crossing, find_crossing, tags};

/// The length of a probe's payload: magic, flow, number, time of sending.
pub const LENGTH: usize = 24;
const MAGIC: [u8; 8] = *b"cwyprobe";

/// What is in a probe packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Which flow.
    pub flow: u32,
    /// Its number in the flow, from 0.
    pub number: u32,
    /// When it was sent, nanoseconds since the probe began.
    pub sent_ns: u64,
}

impl Packet {
    /// As bytes.
    pub fn encode(self) -> [u8; LENGTH] {
        let mut out = [0; LENGTH];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&self.flow.to_be_bytes());
        out[12..16].copy_from_slice(&self.number.to_be_bytes());
        out[16..].copy_from_slice(&self.sent_ns.to_be_bytes());
        out
    }

    /// From a payload, where it is one of ours.
    pub fn decode(payload: &[u8]) -> Option<Packet> {
        if payload.len() != LENGTH || payload[..8] != MAGIC {
            return None;
        }
        let word = |at: usize| u32::from_be_bytes([payload[at], payload[at + 1], payload[at + 2], payload[at + 3]]);
        let sent_ns = u64::from(word(16)) << 32 | u64::from(word(20));
        Some(Packet { flow: word(8), number: word(12), sent_ns })
    }

    /// Somewhere in a frame.
    pub fn find(frame: &[u8]) -> Option<Packet> {
        let at = frame.windows(MAGIC.len()).position(|window| window == MAGIC)?;
        Packet::decode(frame.get(at..at + LENGTH)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_read_as_it_was_written_also_inside_a_frame() {
        let packet = Packet { flow: 7, number: 0x0102_0304, sent_ns: 0x0102_0304_0506_0708 };
        assert_eq!(Packet::decode(&packet.encode()), Some(packet));
        let mut frame = vec![0x81, 0, 0, 5, b'c', b'w', b'y'];
        frame.extend(packet.encode());
        frame.extend([0; 3]);
        assert_eq!(Packet::find(&frame), Some(packet));
        assert_eq!(Packet::find(&frame[..20]), None);
        assert_eq!(Packet::decode(&[0; LENGTH]), None);
    }

    #[test]
    fn tags_are_read_outermost_first() {
        let mut frame = vec![0; 12];
        frame.extend([0x81, 0x00, 0x20, 0x05, 0x81, 0x00, 0x00, 0x64, 0x08, 0x00]);
        assert_eq!(tags(&frame), [5, 100]);
        assert_eq!(tags(&frame[..14]), Vec::<u16>::new());
        assert_eq!(tags(&[]), Vec::<u16>::new());
    }
}

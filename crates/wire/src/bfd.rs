//! BFD control packets (RFC 5880 section 4.1), and the checks of section 6.8.6 that a packet can fail by itself. Those
//! that need the session (its discriminator, its TTL) are the engine's.
//!
//! ```text
//!   0                   1                   2                   3
//!   |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//!   |                       My Discriminator                        |
//!   |                      Your Discriminator                       |
//!   |                    Desired Min TX Interval                    |
//!   |                   Required Min RX Interval                    |
//!   |                 Required Min Echo RX Interval                 |
//! ```

use causeway_edge_types::BfdState;

use crate::reader::Reader;

/// Bytes of a control packet without authentication.
pub const CONTROL_PACKET_BYTES: usize = 24;

const VERSION: u8 = 1;
const DIAGNOSTIC_MASK: u8 = 0x1f;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// A control packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPacket {
    /// Why the sender's state last changed, 5 bits; numbers that nobody has given a meaning are let through.
    pub diagnostic: u8,
    /// The sender's state.
    pub state: BfdState,
    /// P: the sender wants an answer with `is_final`.
    pub is_poll: bool,
    /// F: this is such an answer.
    pub is_final: bool,
    /// C: the sender's BFD goes on while its control plane is away.
    pub is_control_plane_independent: bool,
    /// D: the sender wants no periodic packets while both are up.
    pub is_demand: bool,
    /// How many of the sender's packets may be lost in a row, one more and it is gone; not zero.
    pub detect_mult: u8,
    /// The sender's number for the session; not zero.
    pub my_discriminator: u32,
    /// Our number for the session, 0 while the sender does not know it.
    pub your_discriminator: u32,
    /// The sender wants to send no more often than this, in microseconds.
    pub desired_min_tx_us: u32,
    /// The sender can receive no more often than this, in microseconds; 0 wants no periodic packets at all.
    pub required_min_rx_us: u32,
    /// The same for echo packets, 0 wants none.
    pub required_min_echo_rx_us: u32,
}

/// Why a packet is dropped (RFC 5880 section 6.8.6). BFD has no error messages: it is only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PacketError {
    #[error("a version other than 1")]
    Version,
    #[error("a length that is too short, or more than the packet has")]
    Length,
    #[error("a detection multiplier of zero")]
    DetectMult,
    #[error("the multipoint bit")]
    Multipoint,
    #[error("a discriminator of zero")]
    MyDiscriminator,
    #[error("no discriminator of ours in a session that is past Down")]
    YourDiscriminator,
    #[error("authentication, which was not agreed on")]
    Authentication,
}

impl ControlPacket {
    /// Reads a UDP payload. What follows the packet's own length is passed over.
    pub fn decode(bytes: &[u8]) -> Result<ControlPacket, PacketError> {
        let mut reader = Reader::new(bytes);
        let (Some([first, second, detect_mult, length]), Some(words)) = (reader.array::<4>(), reader.array::<20>())
        else {
            return Err(PacketError::Length);
        };
        let mut words = words.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word));
        let mut word = || words.next().unwrap_or_default();
        let packet = ControlPacket {
            diagnostic: first & DIAGNOSTIC_MASK,
            state: state_of(second >> 6),
            is_poll: second & POLL != 0,
            is_final: second & FINAL != 0,
            is_control_plane_independent: second & CONTROL_PLANE_INDEPENDENT != 0,
            is_demand: second & DEMAND != 0,
            detect_mult,
            my_discriminator: word(),
            your_discriminator: word(),
            desired_min_tx_us: word(),
            required_min_rx_us: word(),
            required_min_echo_rx_us: word(),
        };
        // In the RFC's order.
        if first >> 5 != VERSION {
            return Err(PacketError::Version);
        }
        let length = usize::from(length);
        let least = CONTROL_PACKET_BYTES + if second & AUTHENTICATION != 0 { 2 } else { 0 };
        if length < least || length > bytes.len() {
            return Err(PacketError::Length);
        }
        if detect_mult == 0 {
            return Err(PacketError::DetectMult);
        }
        if second & MULTIPOINT != 0 {
            return Err(PacketError::Multipoint);
        }
        if packet.my_discriminator == 0 {
            return Err(PacketError::MyDiscriminator);
        }
        if packet.your_discriminator == 0 && !matches!(packet.state, BfdState::Down | BfdState::AdminDown) {
            return Err(PacketError::YourDiscriminator);
        }
        if second & AUTHENTICATION != 0 {
            return Err(PacketError::Authentication);
        }
        Ok(packet)
    }

    /// The UDP payload.
    pub fn encode(&self) -> [u8; CONTROL_PACKET_BYTES] {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let flags = flag(self.is_poll, POLL)
            | flag(self.is_final, FINAL)
            | flag(self.is_control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.is_demand, DEMAND);
        let mut bytes = [0; CONTROL_PACKET_BYTES];
        let (head, words) = bytes.split_at_mut(4);
        head.copy_from_slice(&[
            VERSION << 5 | self.diagnostic & DIAGNOSTIC_MASK,
            number_of(self.state) << 6 | flags,
            self.detect_mult,
            // CONTROL_PACKET_BYTES, which fits.
            24,
        ]);
        let values = [
            self.my_discriminator,
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        ];
        for (word, value) in words.as_chunks_mut::<4>().0.iter_mut().zip(values) {
            *word = value.to_be_bytes();
        }
        bytes
    }
}

fn state_of(number: u8) -> BfdState {
    match number & 3 {
        0 => BfdState::AdminDown,
        1 => BfdState::Down,
        2 => BfdState::Init,
        _ => BfdState::Up,
    }
}

fn number_of(state: BfdState) -> u8 {
    match state {
        BfdState::AdminDown => 0,
        BfdState::Down => 1,
        BfdState::Init => 2,
        BfdState::Up => 3,
    }
}

//! BFD control packets: the RFC's layout, every check that a packet can fail by itself, and no byte that harms.

use causeway_edge_types::BfdState;
use causeway_wire::bfd::{ControlPacket, PacketError};
use proptest::prelude::*;

/// Up, diagnostic 6, P and C, multiplier 3, 300 ms, as a capture shows it.
const BYTES: [u8; 24] = [
    0x26, 0xe8, 0x03, 0x18, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x00, 0x04, 0x93, 0xe0, 0x00, 0x0f, 0x42,
    0x40, 0x00, 0x00, 0x00, 0x00,
];

#[test]
fn the_layout_is_the_rfc_s() {
    let packet = ControlPacket {
        diagnostic: 6,
        state: BfdState::Up,
        is_poll: true,
        is_final: false,
        is_control_plane_independent: true,
        is_demand: false,
        detect_mult: 3,
        my_discriminator: 0x1122_3344,
        your_discriminator: 0x5566_7788,
        desired_min_tx_us: 300_000,
        required_min_rx_us: 1_000_000,
        required_min_echo_rx_us: 0,
    };
    assert_eq!(packet.encode(), BYTES);
    assert_eq!(ControlPacket::decode(&BYTES), Ok(packet));
    assert_eq!(ControlPacket::decode(&[&BYTES[..], &[0; 9]].concat()), Ok(packet), "what follows is passed over");
}

#[test]
fn every_check_of_the_rfc_drops_the_packet() {
    let changed = |at: usize, value: u8| {
        let mut bytes = BYTES.to_vec();
        bytes[at] = value;
        bytes
    };
    let zeroed = |at: usize| [&BYTES[..at], &[0; 4], &BYTES[at + 4..]].concat();
    let authenticated = |length: u8, more: usize| {
        let mut bytes = [&BYTES[..], &vec![1; more]].concat();
        bytes[1] |= 0x04;
        bytes[3] = length;
        bytes
    };
    let cases = [
        (changed(0, 0x06), PacketError::Version),
        (changed(0, 0x46), PacketError::Version),
        (changed(3, 23), PacketError::Length),
        (changed(3, 0), PacketError::Length),
        (changed(3, 25), PacketError::Length),
        (changed(3, 255), PacketError::Length),
        (BYTES[..23].to_vec(), PacketError::Length),
        (vec![], PacketError::Length),
        (changed(2, 0), PacketError::DetectMult),
        (changed(1, 0xe9), PacketError::Multipoint),
        (zeroed(4), PacketError::MyDiscriminator),
        (zeroed(8), PacketError::YourDiscriminator),
        (authenticated(24, 0), PacketError::Length),
        (authenticated(25, 1), PacketError::Length),
        (authenticated(26, 2), PacketError::Authentication),
        (authenticated(52, 28), PacketError::Authentication),
    ];
    for (bytes, error) in cases {
        assert_eq!(ControlPacket::decode(&bytes), Err(error), "{bytes:02x?}");
    }
    for (state, is_fine) in [(0x00, true), (0x40, true), (0x80, false), (0xc0, false)] {
        let mut bytes = zeroed(8);
        bytes[1] = state;
        assert_eq!(ControlPacket::decode(&bytes).is_ok(), is_fine, "no discriminator of ours in state {state:#x}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_as_the_same(mut bytes in any::<[u8; 24]>(), length in 0..=30u8) {
        bytes[1] &= 0xfa;
        bytes[3] = length;
        bytes[0] = 0x20 | bytes[0] & 0x1f;
        if let Ok(packet) = ControlPacket::decode(&bytes) {
            prop_assert_eq!(packet.encode(), bytes);
        } else {
            prop_assert!(length != 24 || bytes[2] == 0 || bytes[4..8] == [0; 4] || bytes[8..12] == [0; 4]);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = ControlPacket::decode(&bytes);
    }
}

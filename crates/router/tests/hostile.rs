//! Whatever a peer sends, the engine stands, other peers' sessions stay, and their routes stay.

mod rig;
mod world;

use causeway_edge_types::{BgpState, EdgeConfig, Family, PeerId, Side};
use causeway_router::Input;
use causeway_wire::bgp;
use proptest::prelude::*;

use self::rig::{Manners, OPTIONS, Rig, path};
use self::world::build::*;

fn config() -> (EdgeConfig, [PeerId; 2]) {
    let ids = [peer_id(1, "198.51.100.2"), peer_id(2, "198.51.100.6")];
    let mut config = edge("edge", 1);
    config.attachments = vec![attachment(1, 1, &["198.51.100.1/30"]), attachment(2, 1, &["198.51.100.5/30"])];
    config.vrfs = vec![vrf(1, 64496)];
    config.vrfs[0].peers =
        vec![peer(ids[0], "198.51.100.1", 64500, Side::Access), peer(ids[1], "198.51.100.5", 64501, Side::Access)];
    config.vrfs[0].peers[0].import.max_prefixes = 50;
    (config, ids)
}

/// What a peer says in a session's life, as one stream.
fn honest_stream(id: PeerId) -> Vec<u8> {
    let mut stream = bgp::encode_open(&Manners::of(64500).open(Family::Ipv4));
    stream.extend(bgp::encode_keepalive());
    let prefixes: Vec<_> = (100..130).map(numbered).collect();
    stream.extend(bgp::pack_announcements(&path(id, &[64500, 64502]), &prefixes, &OPTIONS).unwrap().flatten());
    stream.extend(bgp::pack_withdrawals(&prefixes[..10], &OPTIONS).flatten());
    stream.extend(bgp::encode_route_refresh(Family::Ipv4, 0));
    stream.extend(bgp::encode_end_of_rib(Family::Ipv4));
    stream.extend(bgp::encode_keepalive());
    stream
}

#[derive(Clone, Debug)]
enum Spoil {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, usize),
}

fn any_spoil() -> impl Strategy<Value = Spoil> {
    let at = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Spoil::Set(at, byte)),
        1 => (at(), 1usize..40).prop_map(|(at, length)| Spoil::Cut(at, length)),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Spoil::Insert(at, bytes)),
        1 => (at(), 1usize..80).prop_map(|(at, length)| Spoil::Repeat(at, length)),
    ]
}

fn spoil(stream: &mut Vec<u8>, spoils: &[Spoil]) {
    for spoil in spoils {
        if stream.is_empty() {
            return;
        }
        match spoil {
            Spoil::Set(at, byte) => *at.get_mut(stream.as_mut_slice()) = *byte,
            Spoil::Cut(at, length) => {
                let from = at.index(stream.len());
                let to = (from + length).min(stream.len());
                stream.drain(from..to);
            }
            Spoil::Insert(at, bytes) => {
                let from = at.index(stream.len());
                stream.splice(from..from, bytes.iter().copied());
            }
            Spoil::Repeat(at, length) => {
                let from = at.index(stream.len());
                let again = stream[from..(from + length).min(stream.len())].to_vec();
                stream.splice(from..from, again);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]
    #[test]
    fn a_spoilt_stream_hurts_nobody_else(
        spoils in prop::collection::vec(any_spoil(), 0..6),
        chunk in 1usize..200,
    ) {
        let (config, ids) = config();
        let mut rig = Rig::new(config);
        rig.establish(ids[1], &Manners { hold_time_s: 0, ..Manners::of(64501) });
        rig.announce(ids[1], &[numbered(0), numbered(100)], &path(ids[1], &[64501]));
        rig.work();
        let mut stream = honest_stream(ids[0]);
        spoil(&mut stream, &spoils);
        let transport = rig.accept(ids[0]);
        for bytes in stream.chunks(chunk) {
            rig.say(transport, bytes);
        }
        rig.work();
        let established = rig.state(ids[0]) == BgpState::Established;
        prop_assert!(!spoils.is_empty() || established);
        prop_assert!(rig.status(ids[0]).prefixes_accepted <= 50);
        rig.give(Input::Closed { transport, reason: "gone".to_owned() });
        rig.work();
        prop_assert_eq!(rig.state(ids[1]), BgpState::Established);
        prop_assert_eq!(rig.held.routes.len(), 2);
        prop_assert_eq!(rig.held.next_hops(1, numbered(0)), [ids[1].address]);
        prop_assert_eq!(rig.held.next_hops(1, numbered(100)), [ids[1].address]);
    }
}

//! A failure is first a flip of groups, the same with one prefix behind it and with ten thousand; the rest follows in
//! small steps.

mod rig;
mod world;

use std::time::Duration;

use causeway_edge_types::{BfdState, BgpState, EdgeConfig, PeerId, Side, VrfId};
use causeway_router::{BfdDiagnostic, BfdInput, Event, FibChange, Input, Output, RouteTarget};
use causeway_wire::bgp::{Message, cease, code};
use ipnet::IpNet;

use self::rig::{Manners, Rig, path};
use self::world::build::*;

/// Two customers' routers on two ports, and a gateway whose path goes through them.
fn two_ways() -> (EdgeConfig, [PeerId; 3]) {
    let ids = [peer_id(1, "198.51.100.2"), peer_id(2, "198.51.100.6"), peer_id(3, "203.0.113.2")];
    let mut config = edge("edge", 1);
    config.attachments = vec![
        attachment(1, 1, &["198.51.100.1/30"]),
        attachment(2, 1, &["198.51.100.5/30"]),
        attachment(3, 1, &["203.0.113.1/30"]),
    ];
    config.vrfs = vec![vrf(1, 64496)];
    config.vrfs[0].peers = vec![
        peer(ids[0], "198.51.100.1", 64500, Side::Access),
        peer(ids[1], "198.51.100.5", 64500, Side::Access),
        peer(ids[2], "203.0.113.1", 64510, Side::Fabric),
    ];
    for peer in &mut config.vrfs[0].peers {
        peer.bfd = Some(BFD);
    }
    config.vrfs[0].peers[2].path_beyond = vec![ids[0], ids[1]];
    (config, ids)
}

fn up_with(prefixes: &[IpNet]) -> (Rig, [PeerId; 3]) {
    let (config, ids) = two_ways();
    let mut rig = Rig::new(config);
    for id in &ids[..2] {
        rig.establish(*id, &Manners::of(64500));
        rig.announce(*id, prefixes, &path(*id, &[64500]));
        rig.end_of_rib(*id);
    }
    rig.establish(ids[2], &Manners::of(64510));
    for id in ids {
        rig.bfd(id, BfdState::Up, BfdDiagnostic::None);
    }
    rig.work();
    assert_eq!(rig.held.routes.len(), prefixes.len());
    assert_eq!(rig.held.groups.len(), 1, "all prefixes share a group");
    rig.take_outputs();
    (rig, ids)
}

/// What comes out at once when the first peer fails in some way.
fn at_once(prefixes: u32, fail: impl FnOnce(&mut Rig, PeerId)) -> (Vec<Output>, Rig, [PeerId; 3]) {
    let prefixes: Vec<IpNet> = (0..prefixes).map(numbered).collect();
    let (mut rig, ids) = up_with(&prefixes);
    fail(&mut rig, ids[0]);
    (rig.take_outputs(), rig, ids)
}

fn fib(outputs: &[Output]) -> Vec<&FibChange> {
    outputs.iter().filter_map(|output| if let Output::Fib(change) = output { Some(change) } else { None }).collect()
}

#[test]
fn a_failure_is_one_flip_before_anything_else_with_any_number_of_prefixes() {
    type Fail = fn(&mut Rig, PeerId);
    let fails: [(&str, Fail); 5] = [
        ("link", |rig, _| rig.link("p1", false)),
        ("bfd", |rig, id| rig.bfd(id, BfdState::Down, BfdDiagnostic::None)),
        ("transport", |rig, id| rig.lose(id)),
        // The NOTIFICATION that ends the session comes after the flip.
        ("no BGP", |rig, id| rig.say(rig.transports[&id], b"GET / HTTP/1.1\r\n\r\n")),
        ("concatenated path", |rig, id| rig.bfd(id, BfdState::Up, BfdDiagnostic::ConcatenatedPathDown)),
    ];
    for (what, fail) in fails {
        let (one, ..) = at_once(1, fail);
        let (many, mut rig, ids) = at_once(10_000, fail);
        assert_eq!(fib(&one).len(), 1, "{what}");
        assert_eq!(fib(&many).len(), 1, "{what}");
        assert!(
            matches!(&many[0], Output::Fib(FibChange::Group { buckets, .. })
            if buckets.iter().all(|hop| hop.address == ids[1].address)),
            "{what}: {:?}",
            many[0]
        );
        // The rest comes when the driver has had time to apply the flip, and in steps.
        let mut widest = 0;
        while rig.router.poll_timeout().is_some_and(|at| at <= rig.now) {
            rig.router.handle_timeout(rig.now);
            let mut step = 0;
            while let Some(output) = rig.router.poll_output() {
                if let Output::Fib(change) = output {
                    rig.held.apply(&change);
                    step += 1;
                }
            }
            widest = widest.max(step);
        }
        assert!(widest <= 258, "{what}: {widest} changes in one step");
        assert_eq!(rig.held.next_hops(1, numbered(9_999)), [ids[1].address], "{what}");
        assert_eq!(rig.held.groups.len(), 1, "{what}");
    }
}

#[test]
fn when_the_last_next_hop_dies_the_group_is_empty_and_the_far_end_is_told() {
    let (mut rig, ids) = up_with(&[numbered(0)]);
    rig.link("p1", false);
    assert_eq!(rig.diagnostics(), []);
    rig.link("p2", false);
    assert_eq!(rig.diagnostics(), [(ids[2], BfdDiagnostic::ConcatenatedPathDown)]);
    let outputs = rig.take_outputs();
    let flips: Vec<_> = fib(&outputs).into_iter().cloned().collect();
    assert!(matches!(&flips[1], FibChange::Group { buckets, .. } if buckets.is_empty()), "{flips:?}");
    rig.work();
    assert!(rig.held.routes.is_empty() && rig.held.groups.is_empty());
    let told: Vec<_> = rig.hear_updates(ids[2]).into_iter().filter(|update| !update.withdrawn.is_empty()).collect();
    assert_eq!(told.len(), 1, "the gateway hears of the withdrawal");
    // And back.
    rig.link("p1", true);
    rig.establish(ids[0], &Manners::of(64500));
    assert_eq!(rig.diagnostics(), [(ids[2], BfdDiagnostic::None)]);
}

#[test]
fn several_ports_behind_one_cut_flip_before_any_session_closes() {
    let (mut config, ids) = two_ways();
    // Both customers' attachments on one port, by their tags.
    for (attachment, tag) in config.attachments.iter_mut().take(2).zip([10, 20]) {
        attachment.encapsulation = causeway_edge_types::Encapsulation::Port {
            port: "p1".into(),
            tags: causeway_edge_types::Tags { s_tag: None, c_tag: Some(tag) },
        };
    }
    let mut rig = Rig::new(config);
    for (id, index) in ids[..2].iter().zip(0..) {
        rig.establish(*id, &Manners::of(64500));
        rig.announce(*id, &[numbered(index)], &path(*id, &[64500]));
        rig.work();
    }
    rig.take_outputs();
    rig.link("p1", false);
    let outputs = rig.take_outputs();
    let first_close = outputs.iter().position(|o| matches!(o, Output::Close(_))).unwrap();
    let last_flip = outputs.iter().rposition(|o| matches!(o, Output::Fib(_))).unwrap();
    assert!(last_flip < first_close, "{outputs:?}");
    assert_eq!(fib(&outputs).len(), 2);
    assert_eq!(rig.state(ids[0]), BgpState::Idle);
}

#[test]
fn bfd_that_loses_a_peer_ends_the_session_with_cease_10_and_bfd_that_never_saw_it_does_not() {
    let (config, ids) = two_ways();
    let mut rig = Rig::new(config);
    let transport = rig.establish(ids[0], &Manners::of(64500));
    rig.bfd(ids[0], BfdState::Down, BfdDiagnostic::None);
    rig.bfd(ids[0], BfdState::Init, BfdDiagnostic::None);
    assert_eq!(rig.state(ids[0]), BgpState::Established);
    rig.bfd(ids[0], BfdState::Up, BfdDiagnostic::None);
    rig.hear(transport);
    rig.bfd(ids[0], BfdState::Down, BfdDiagnostic::None);
    let notification = rig.hear_notification(transport).unwrap();
    assert_eq!((notification.code, notification.subcode), (code::CEASE, cease::BFD_DOWN));
    assert_eq!(rig.state(ids[0]), BgpState::Active);
    // It tries again as soon as BFD finds the peer, not before.
    rig.connects.clear();
    rig.pass(Duration::from_secs(6));
    assert!(rig.connects.iter().any(|(_, peer)| *peer == ids[1]), "another peer, whom BFD has never seen, is tried");
    assert!(rig.connects.iter().all(|(_, peer)| *peer != ids[0]));
    rig.bfd(ids[0], BfdState::Up, BfdDiagnostic::None);
    assert_eq!(rig.connects.last().unwrap().1, ids[0]);
}

#[test]
fn a_peer_that_switches_bfd_off_has_not_failed() {
    let (mut rig, ids) = up_with(&[numbered(0)]);
    rig.bfd(ids[0], BfdState::Down, BfdDiagnostic::AdministrativelyDown);
    assert_eq!(rig.state(ids[0]), BgpState::Established);
    assert_eq!(fib(&rig.outputs).len(), 0);
}

#[test]
fn a_session_without_a_path_beyond_stays_up_and_is_used_again_when_it_has_one() {
    let (mut rig, ids) = up_with(&[numbered(0)]);
    rig.bfd(ids[0], BfdState::Up, BfdDiagnostic::ConcatenatedPathDown);
    rig.work();
    assert_eq!(rig.state(ids[0]), BgpState::Established);
    assert_eq!(rig.held.next_hops(1, numbered(0)), [ids[1].address]);
    rig.bfd(ids[0], BfdState::Up, BfdDiagnostic::None);
    rig.work();
    assert_eq!(rig.held.next_hops(1, numbered(0)), [ids[0].address, ids[1].address]);
}

#[test]
fn a_less_preferred_path_takes_over_when_the_preferred_peers_have_no_path_beyond() {
    let (config, ids) = two_ways();
    let mut rig = Rig::new(config);
    for (id, asns) in [(ids[0], &[64500][..]), (ids[1], &[64500, 64501][..])] {
        rig.establish(id, &Manners::of(64500));
        rig.announce(id, &[numbered(0)], &path(id, asns));
        rig.bfd(id, BfdState::Up, BfdDiagnostic::None);
    }
    rig.work();
    assert_eq!(rig.held.next_hops(1, numbered(0)), [ids[0].address]);
    rig.bfd(ids[0], BfdState::Up, BfdDiagnostic::ConcatenatedPathDown);
    rig.work();
    assert_eq!(rig.held.next_hops(1, numbered(0)), [ids[1].address]);
    rig.bfd(ids[0], BfdState::Up, BfdDiagnostic::None);
    rig.work();
    assert_eq!(rig.held.next_hops(1, numbered(0)), [ids[0].address]);
}

#[test]
fn over_the_route_limit_a_route_is_not_forwarded_and_gets_its_place_when_there_is_one() {
    let (mut config, ids) = two_ways();
    config.vrfs[0].route_limit = 2;
    let mut rig = Rig::new(config.clone());
    rig.establish(ids[0], &Manners::of(64500));
    rig.announce(ids[0], &[numbered(0), numbered(1), numbered(2)], &path(ids[0], &[64500]));
    rig.work();
    assert_eq!(rig.held.routes.len(), 2);
    assert!(rig.events.iter().any(|event| matches!(event, Event::Note { text, .. } if text.contains("not forwarded"))));
    assert!(rig.router.loc_rib(VrfId(1)).any(|route| route.prefix == numbered(2) && route.is_over_limit));
    rig.withdraw(ids[0], &[numbered(0)]);
    rig.work();
    assert!(rig.held.routes.contains_key(&(VrfId(1), numbered(2))));
    config.vrfs[0].route_limit = 1;
    rig.configure(config);
    assert_eq!(rig.held.routes.len(), 1);
}

#[test]
fn a_place_under_the_route_limit_is_not_lost_when_one_that_waits_for_it_goes_too() {
    let (mut config, ids) = two_ways();
    config.vrfs[0].route_limit = 2;
    let mut rig = Rig::new(config.clone());
    rig.establish(ids[0], &Manners::of(64500));
    let prefixes: Vec<IpNet> = (0..5).map(numbered).collect();
    rig.announce(ids[0], &prefixes, &path(ids[0], &[64500]));
    rig.work();
    // In one message go one that has a place and the first of those that wait.
    rig.withdraw(ids[0], &[numbered(0), numbered(2)]);
    rig.work();
    let held: Vec<IpNet> = rig.held.routes.keys().map(|(_, prefix)| *prefix).collect();
    assert_eq!(held, [numbered(1), numbered(3)]);
    config.vrfs[0].route_limit = 3;
    rig.configure(config);
    assert_eq!(rig.held.routes.len(), 3);
}

#[test]
fn bfd_begins_anew_with_a_peer_that_moves_to_another_vrf() {
    let (mut rig, ids) = up_with(&[numbered(0)]);
    let (mut config, _) = two_ways();
    config.attachments[0].vrf = VrfId(2);
    let mut moved = vrf(2, 64496);
    moved.peers = vec![config.vrfs[0].peers.remove(0)];
    config.vrfs.push(moved);
    rig.configure(config);
    let sessions = rig.outputs.iter().filter_map(|output| match output {
        Output::Bfd(BfdInput::Sessions(sessions)) => Some(sessions.iter().any(|session| session.peer == ids[0])),
        _ => None,
    });
    assert_eq!(sessions.collect::<Vec<_>>(), [false, true], "the one that was up is not taken for the new one");
}

#[test]
fn hosts_on_link_are_forwarded_to_directly_whatever_peers_tell() {
    let (mut config, ids) = two_ways();
    config.attachments[2].on_link = vec![numbered(0)];
    let mut rig = Rig::new(config.clone());
    rig.establish(ids[0], &Manners::of(64500));
    rig.announce(ids[0], &[numbered(0)], &path(ids[0], &[64500]));
    rig.work();
    assert_eq!(rig.held.routes[&(VrfId(1), numbered(0))], RouteTarget::OnLink(rig::at(3)));
    config.attachments[2].on_link.clear();
    rig.configure(config);
    assert_eq!(rig.held.next_hops(1, numbered(0)), [ids[0].address]);
}

#[test]
fn a_transport_that_takes_no_bytes_holds_back_updates_and_nothing_else() {
    let (mut rig, ids) = up_with(&[numbered(0)]);
    let slow = rig.transports[&ids[2]];
    rig.give(Input::Queued { transport: slow, bytes: 1 << 20 });
    rig.hear(slow);
    rig.withdraw(ids[0], &[numbered(0)]);
    rig.withdraw(ids[1], &[numbered(0)]);
    rig.announce(ids[0], &[numbered(1)], &path(ids[0], &[64500]));
    rig.work();
    assert_eq!(rig.held.routes.len(), 1, "forwarding does not wait for a slow peer");
    assert!(!rig.hear(slow).iter().any(|message| matches!(message, Message::Update(_))));
    rig.give(Input::Queued { transport: slow, bytes: 0 });
    rig.work();
    let updates = rig.hear_updates(ids[2]);
    assert!(updates.iter().any(|update| update.withdrawn == [numbered(0)]));
    assert!(updates.iter().any(|update| update.announced == [numbered(1)]));
}

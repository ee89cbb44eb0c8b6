//! The state machine from outside: what is answered to what, which connection stays, what a configuration changes.

mod rig;
mod world;

use std::net::Ipv4Addr;
use std::time::Duration;

use causeway_edge_types::{BgpState, EdgeConfig, Family, PeerId, Secret, Side};
use causeway_router::{Event, FibChange, Input, Output, TransportId};
use causeway_wire::bgp::{self, Capability, Message, Notification, cease, code};

use self::rig::{Manners, OPTIONS, Rig, path};
use self::world::build::*;

const S: Duration = Duration::from_secs(1);

fn one_peer() -> (EdgeConfig, PeerId) {
    let id = peer_id(1, "198.51.100.2");
    let mut config = edge("edge", 1);
    config.attachments = vec![attachment(1, 1, &["198.51.100.1/30", "2001:db8::1/126"])];
    config.vrfs = vec![vrf(1, 64496)];
    config.vrfs[0].originate = vec![prefix("203.0.113.0/24")];
    config.vrfs[0].peers = vec![peer(id, "198.51.100.1", 64500, Side::Access)];
    (config, id)
}

fn refusal(rig: &mut Rig, transport: TransportId) -> (u8, u8) {
    let notification = rig.hear_notification(transport).expect("a NOTIFICATION");
    assert!(rig.closed.contains(&transport), "and the connection is closed");
    (notification.code, notification.subcode)
}

#[test]
fn an_open_that_can_not_be_is_refused_with_its_code() {
    let good = Manners::of(64500);
    let unspoken = |m: &mut bgp::Open| m.capabilities = vec![Capability::MultiProtocol(Family::Ipv6)];
    type Spoil = Box<dyn Fn(&mut bgp::Open)>;
    let cases: Vec<(&str, Spoil, (u8, u8))> = vec![
        ("another AS", Box::new(|open| open.asn = causeway_edge_types::Asn(64501)), (2, 2)),
        ("hold time 2", Box::new(|open| open.hold_time_s = 2), (2, 6)),
        ("identifier 0", Box::new(|open| open.router_id = Ipv4Addr::UNSPECIFIED), (2, 3)),
        ("another family only", Box::new(unspoken), (2, 7)),
    ];
    for (what, spoil, expected) in cases {
        let (config, id) = one_peer();
        let mut rig = Rig::new(config);
        let transport = rig.accept(id);
        let mut open = good.open(Family::Ipv4);
        spoil(&mut open);
        if what == "another AS" {
            open.capabilities.retain(|c| !matches!(c, Capability::FourOctetAsn(_)));
        }
        rig.say(transport, &bgp::encode_open(&open));
        assert_eq!(refusal(&mut rig, transport), expected, "{what}");
        assert_eq!(rig.state(id), BgpState::Idle, "{what}: the peer is refused for a while");
        let again = rig.accept(id);
        assert!(rig.closed.contains(&again), "{what}");
        rig.pass(2 * S);
        rig.establish(id, &good);
    }
}

#[test]
fn a_message_out_of_turn_is_an_error_of_the_state_machine() {
    let update = bgp::encode_end_of_rib(Family::Ipv4);
    let refresh = bgp::encode_route_refresh(Family::Ipv4, 0);
    let open = bgp::encode_open(&Manners::of(64500).open(Family::Ipv4));
    let keepalive = bgp::encode_keepalive();
    let cases: [(&[&[u8]], u8); 7] = [
        (&[&keepalive], 1),
        (&[&update], 1),
        (&[&refresh], 1),
        (&[&open, &open], 2),
        (&[&open, &update], 2),
        (&[&open, &refresh], 2),
        (&[&open, &keepalive, &open], 3),
    ];
    for (messages, subcode) in cases {
        let (config, id) = one_peer();
        let mut rig = Rig::new(config);
        let transport = rig.accept(id);
        rig.say(transport, &messages.concat());
        assert_eq!(refusal(&mut rig, transport), (code::FINITE_STATE_MACHINE, subcode), "{messages:?}");
    }
}

#[test]
fn bytes_that_are_no_message_end_the_session_with_the_codecs_verdict() {
    let (config, id) = one_peer();
    let mut rig = Rig::new(config);
    let transport = rig.establish(id, &Manners::of(64500));
    rig.say(transport, b"GET / HTTP/1.1\r\n\r\n  ");
    assert_eq!(refusal(&mut rig, transport), (code::MESSAGE_HEADER, 1));
    assert!(rig.events.iter().any(|event| matches!(event, Event::SessionDown { .. })));
}

#[test]
fn an_attribute_that_is_malformed_withdraws_and_the_session_stays() {
    let (config, id) = one_peer();
    let mut rig = Rig::new(config);
    let transport = rig.establish(id, &Manners::of(64500));
    rig.announce(id, &[numbered(0), numbered(1)], &path(id, &[64500]));
    rig.work();
    let message = bgp::pack_announcements(&path(id, &[64500]), &[numbered(0)], &OPTIONS).unwrap().next().unwrap();
    let mut message = message;
    // ORIGIN, the first attribute: flags, code, length, value.
    let origin = message.windows(3).position(|w| w == [0x40, 1, 1]).unwrap();
    message[origin + 3] = 9;
    rig.say(transport, &message);
    rig.work();
    assert_eq!(rig.state(id), BgpState::Established);
    assert_eq!(rig.held.routes.len(), 1);
    assert!(rig.events.iter().any(|event| matches!(event, Event::Note { text, .. } if text.contains("attribute 1"))));
}

#[test]
fn the_lower_hold_time_counts_and_a_third_of_it_passes_between_keepalives() {
    let (mut config, id) = one_peer();
    config.vrfs[0].peers[0].hold_time_s = 180;
    let mut rig = Rig::new(config);
    let transport = rig.establish(id, &Manners { hold_time_s: 9, ..Manners::of(64500) });
    assert!(rig.events.contains(&Event::SessionUp { peer: id, hold_time_s: 9 }));
    rig.hear(transport);
    let mut kept = 0;
    for _ in 0..30 {
        rig.pass(S);
        rig.say(transport, &bgp::encode_keepalive());
        kept += rig.hear(transport).iter().filter(|m| **m == Message::Keepalive).count();
    }
    assert!((10..=14).contains(&kept), "{kept} keepalives in 30 s");
    rig.pass(9 * S);
    assert_eq!(refusal(&mut rig, transport), (code::HOLD_TIMER_EXPIRED, 0));
}

#[test]
fn the_first_attempt_is_at_once_and_the_next_ones_soon() {
    let (config, id) = one_peer();
    let mut rig = Rig::new(config);
    assert_eq!(rig.connects.len(), 1);
    assert_eq!(rig.state(id), BgpState::Connect);
    for attempt in 1..6 {
        let (transport, _) = rig.connects[attempt - 1];
        rig.give(Input::Closed { transport, reason: "refused".into() });
        assert_eq!(rig.state(id), BgpState::Active);
        rig.pass(4 * S + Duration::from_millis(1));
        assert!(rig.connects.len() > attempt, "attempt {attempt}");
        rig.connects.truncate(attempt + 1);
    }
    assert!(rig.connects.iter().all(|(transport, _)| transport.0 % 2 == 1), "ours are odd");
}

#[test]
fn an_attempt_that_hangs_is_given_up_and_made_anew() {
    let (config, _) = one_peer();
    let mut rig = Rig::new(config);
    let (first, _) = rig.connects[0];
    rig.pass(6 * S);
    assert!(rig.closed.contains(&first));
    assert!(rig.connects.len() > 1);
    // What the driver still says about it is not heard.
    rig.give(Input::Connected(first));
    assert_eq!(rig.hear(first), []);
}

#[test]
fn a_passive_session_waits() {
    let (mut config, id) = one_peer();
    config.vrfs[0].peers[0].passive = true;
    let mut rig = Rig::new(config.clone());
    rig.pass(20 * S);
    assert_eq!(rig.connects, []);
    assert_eq!(rig.state(id), BgpState::Active);
    config.vrfs[0].peers[0].passive = false;
    rig.configure(config);
    assert_eq!(rig.connects.len(), 1);
    rig.establish(id, &Manners::of(64500));
}

/// Both connections have our OPEN; the peer's OPEN comes on one of them.
#[test]
fn of_two_connections_the_one_made_by_the_higher_identifier_stays() {
    // Ours is 192.0.2.1.
    for (router_id, ours_stays) in [(Ipv4Addr::new(10, 0, 0, 1), true), (Ipv4Addr::new(203, 0, 113, 1), false)] {
        for open_on_ours in [false, true] {
            let (config, id) = one_peer();
            let mut rig = Rig::new(config);
            let (ours, _) = rig.connects[0];
            rig.give(Input::Connected(ours));
            let theirs = rig.accept(id);
            let manners = Manners { router_id, ..Manners::of(64500) };
            let open = bgp::encode_open(&manners.open(Family::Ipv4));
            rig.say(if open_on_ours { ours } else { theirs }, &open);
            let (kept, gone) = if ours_stays { (ours, theirs) } else { (theirs, ours) };
            assert_eq!(refusal(&mut rig, gone), (code::CEASE, cease::COLLISION_RESOLUTION), "{router_id}");
            if open_on_ours != ours_stays {
                rig.say(kept, &open);
            }
            rig.say(kept, &bgp::encode_keepalive());
            assert_eq!(rig.state(id), BgpState::Established);
            assert!(!rig.closed.contains(&kept));
        }
    }
}

#[test]
fn a_second_connection_to_an_established_session_is_refused_unless_the_peer_restarts() {
    let restarter = Manners { restart: Some((20, false, false, true)), ..Manners::of(64500) };
    for (manners, is_taken) in [(Manners::of(64500), false), (restarter, true)] {
        let (config, id) = one_peer();
        let mut rig = Rig::new(config);
        let first = rig.establish(id, &manners);
        // Right after the session came up, it is the other half of a collision.
        let late = rig.accept(id);
        rig.say(late, &bgp::encode_open(&manners.open(Family::Ipv4)));
        assert_eq!(refusal(&mut rig, late), (code::CEASE, cease::COLLISION_RESOLUTION));
        assert_eq!(rig.state(id), BgpState::Established);
        rig.pass(3 * S);
        let second = rig.accept(id);
        rig.say(second, &bgp::encode_open(&manners.open(Family::Ipv4)));
        assert_eq!(rig.closed.contains(&first), is_taken);
        assert_eq!(rig.closed.contains(&second), !is_taken);
        if !is_taken {
            assert_eq!(refusal(&mut rig, second), (code::CEASE, cease::COLLISION_RESOLUTION));
            assert_eq!(rig.state(id), BgpState::Established);
        }
    }
}

#[test]
fn a_stranger_is_sent_away() {
    let (config, _) = one_peer();
    let mut rig = Rig::new(config);
    let stranger = rig.accept(peer_id(1, "198.51.100.3"));
    assert!(rig.closed.contains(&stranger));
}

#[test]
fn one_prefix_too_many_ends_the_session_and_it_comes_back_when_there_are_fewer() {
    let (mut config, id) = one_peer();
    config.vrfs[0].peers[0].import.max_prefixes = 2;
    let mut rig = Rig::new(config);
    let transport = rig.establish(id, &Manners::of(64500));
    let three = [numbered(0), numbered(1), numbered(2)];
    rig.announce(id, &three[..2], &path(id, &[64500]));
    assert!(rig.events.contains(&Event::Note { peer: id, text: "2 of at most 2 prefixes".into() }));
    // The same prefix again is not one more.
    rig.announce(id, &three[..2], &path(id, &[64500, 64501]));
    rig.work();
    assert_eq!(rig.held.routes.len(), 2);
    rig.hear(transport);
    rig.announce(id, &three[2..], &path(id, &[64500]));
    let notification = rig.hear_notification(transport).unwrap();
    let expected =
        Notification { code: code::CEASE, subcode: cease::MAXIMUM_PREFIXES, data: vec![0, 1, 1, 0, 0, 0, 2] };
    assert_eq!(notification, expected);
    rig.work();
    assert!(rig.held.routes.is_empty());
    assert_eq!(rig.status(id).last_error, "more than 2 prefixes");
    // Held down for a while, longer the second time.
    assert_eq!(rig.state(id), BgpState::Idle);
    let refused = rig.accept(id);
    assert!(rig.closed.contains(&refused));
    rig.pass(6 * S);
    rig.establish(id, &Manners::of(64500));
    rig.announce(id, &three, &path(id, &[64500]));
    assert_eq!(rig.state(id), BgpState::Idle);
    rig.pass(6 * S);
    assert_eq!(rig.state(id), BgpState::Idle);
    rig.pass(6 * S);
    rig.establish(id, &Manners::of(64500));
    rig.announce(id, &three[..1], &path(id, &[64500]));
    rig.work();
    assert_eq!(rig.held.routes.len(), 1);
}

#[test]
fn a_final_cease_to_a_peer_that_would_keep_our_routes_is_a_hard_reset() {
    let (mut config, id) = one_peer();
    let mut rig = Rig::new(config.clone());
    let transport = rig.establish(id, &Manners { restart: Some((20, false, true, true)), ..Manners::of(64500) });
    rig.hear(transport);
    config.vrfs[0].peers.clear();
    rig.configure(config);
    let notification = rig.hear_notification(transport).unwrap();
    assert_eq!((notification.code, notification.subcode), (code::CEASE, cease::HARD_RESET));
    assert_eq!(notification.data, [code::CEASE, cease::PEER_DECONFIGURED]);
}

#[test]
fn a_refresh_is_answered_with_everything_and_its_end() {
    let (config, id) = one_peer();
    let mut rig = Rig::new(config);
    let transport = rig.establish(id, &Manners::of(64500));
    assert_eq!(rig.hear_updates(id).len(), 2);
    rig.say(transport, &bgp::encode_route_refresh(Family::Ipv4, 0));
    rig.work();
    let updates = rig.hear_updates(id);
    assert_eq!(updates[0].announced, [prefix("203.0.113.0/24")]);
    assert_eq!(updates[1].end_of_rib, Some(Family::Ipv4));
    // One for a family that was not agreed on, and a marker of RFC 7313, are let pass.
    rig.say(transport, &bgp::encode_route_refresh(Family::Ipv6, 0));
    rig.say(transport, &bgp::encode_route_refresh(Family::Ipv4, 1));
    rig.work();
    assert_eq!(rig.hear_updates(id), []);
    assert_eq!(rig.state(id), BgpState::Established);
}

/// Three peers; what a change of one does to the others is nothing.
fn three_peers() -> (Rig, EdgeConfig, [PeerId; 3]) {
    let ids = [peer_id(1, "198.51.100.2"), peer_id(2, "198.51.100.6"), peer_id(3, "198.51.100.10")];
    let mut config = edge("edge", 1);
    let own = ["198.51.100.1", "198.51.100.5", "198.51.100.9"];
    config.vrfs = vec![vrf(1, 64496)];
    for ((id, own), index) in ids.into_iter().zip(own).zip(1..) {
        config.attachments.push(attachment(index, 1, &[&format!("{own}/30")]));
        config.vrfs[0].peers.push(peer(id, own, 64500, Side::Access));
    }
    let mut rig = Rig::new(config.clone());
    for (id, index) in ids.into_iter().zip(0..) {
        rig.establish(id, &Manners::of(64500));
        rig.announce(id, &[numbered(index)], &path(id, &[64500, 64600 + index]));
        rig.work();
    }
    for id in ids {
        rig.hear_updates(id);
    }
    rig.take_outputs();
    (rig, config, ids)
}

#[test]
fn the_same_configuration_again_does_nothing() {
    let (mut rig, mut config, _) = three_peers();
    config.generation += 1;
    let generation = config.generation;
    rig.configure(config);
    assert!(rig.take_outputs().is_empty());
    assert_eq!(rig.events.last(), Some(&Event::Configured { generation }));
}

#[test]
fn a_changed_session_is_reset_and_its_neighbours_are_not_disturbed() {
    type Change = fn(&mut EdgeConfig);
    let changes: [(&str, Change); 3] = [
        ("hold time", |config| config.vrfs[0].peers[0].hold_time_s = 30),
        ("key", |config| config.vrfs[0].peers[0].md5_key = Some(Secret::new("k"))),
        ("AS number", |config| config.vrfs[0].peers[0].remote_asn = causeway_edge_types::Asn(64501)),
    ];
    for (what, change) in changes {
        let (mut rig, mut config, ids) = three_peers();
        change(&mut config);
        rig.configure(config);
        let notification = rig.hear_notification(rig.transports[&ids[0]]).unwrap();
        assert_eq!((notification.code, notification.subcode), (code::CEASE, cease::CONFIGURATION_CHANGE), "{what}");
        assert_eq!(rig.connects.last().unwrap().1, ids[0], "{what}: it tries again at once");
        assert_eq!(rig.held.next_hops(1, numbered(0)), Vec::<std::net::IpAddr>::new(), "{what}");
        for id in &ids[1..] {
            assert_eq!(rig.state(*id), BgpState::Established, "{what}");
            let updates = rig.hear_updates(*id);
            assert!(updates.iter().all(|update| update.withdrawn == [numbered(0)]), "{what}: {updates:?}");
            assert_eq!(updates.len(), 1, "{what}");
        }
    }
}

#[test]
fn a_changed_export_policy_tells_the_difference_and_resets_nothing() {
    let (mut rig, mut config, ids) = three_peers();
    config.vrfs[0].peers[0].export.prepend = 8;
    rig.configure(config.clone());
    let updates = rig.hear_updates(ids[0]);
    let told: usize = updates.iter().map(|update| update.announced.len()).sum();
    assert_eq!(told, 2);
    let lengths = updates.iter().filter_map(|update| update.attributes.as_ref()).map(|a| a.as_path.length());
    assert_eq!(lengths.collect::<Vec<_>>(), [11, 11]);
    config.vrfs[0].peers[0].export.learned_from = vec![Side::Fabric];
    rig.configure(config);
    let withdrawn: usize = rig.hear_updates(ids[0]).iter().map(|update| update.withdrawn.len()).sum();
    assert_eq!(withdrawn, 2);
    for id in &ids[1..] {
        assert_eq!(rig.hear_updates(*id), []);
    }
    assert!(!rig.events.iter().any(|event| matches!(event, Event::SessionDown { .. })));
}

#[test]
fn a_changed_import_policy_judges_anew_what_was_told_long_ago() {
    let (mut rig, mut config, ids) = three_peers();
    config.vrfs[0].peers[1].import.refuse_overlap = vec![prefix("10.0.0.0/8")];
    rig.configure(config.clone());
    assert!(rig.held.next_hops(1, numbered(1)).is_empty());
    let status = rig.status(ids[1]);
    assert_eq!((status.prefixes_accepted, status.prefixes_filtered), (0, 1));
    config.vrfs[0].peers[1].import.refuse_overlap.clear();
    rig.configure(config.clone());
    assert_eq!(rig.held.next_hops(1, numbered(1)), [ids[1].address]);
    assert!(!rig.events.iter().any(|event| matches!(event, Event::SessionDown { .. })));
    config.vrfs[0].peers[1].import.max_prefixes = 0;
    rig.configure(config);
    assert_eq!(rig.state(ids[1]), BgpState::Idle, "fewer than it has told");
}

#[test]
fn a_weight_outweighs_a_short_path() {
    let (mut rig, mut config, ids) = three_peers();
    rig.announce(ids[0], &[numbered(9)], &path(ids[0], &[64500]));
    rig.announce(ids[1], &[numbered(9)], &path(ids[1], &[64500, 64501, 64502]));
    rig.work();
    assert_eq!(rig.held.next_hops(1, numbered(9)), [ids[0].address]);
    config.vrfs[0].peers[1].import.weight = 10;
    rig.configure(config);
    assert_eq!(rig.held.next_hops(1, numbered(9)), [ids[1].address]);
    let route = rig.router.route_statuses().find(|route| route.prefix == numbered(9)).unwrap();
    assert_eq!((route.learned_from, route.weight), (Some(ids[1]), 10));
}

#[test]
fn a_removed_peer_is_told_so_and_its_routes_go() {
    let (mut rig, mut config, ids) = three_peers();
    config.vrfs[0].peers.remove(0);
    config.attachments.remove(0);
    rig.configure(config);
    let notification = rig.hear_notification(rig.transports[&ids[0]]).unwrap();
    assert_eq!((notification.code, notification.subcode), (code::CEASE, cease::PEER_DECONFIGURED));
    assert!(rig.held.next_hops(1, numbered(0)).is_empty());
    assert_eq!(rig.held.routes.len(), 2);
    let first = rig.take_outputs().into_iter().find(|output| matches!(output, Output::Fib(_) | Output::Send { .. }));
    assert!(matches!(first, Some(Output::Fib(FibChange::Group { .. }))), "{first:?}");
}

#[test]
fn a_removed_vrf_leaves_nothing_behind() {
    let (mut rig, mut config, _) = three_peers();
    config.vrfs.clear();
    config.attachments.clear();
    rig.configure(config);
    assert!(rig.held.routes.is_empty() && rig.held.groups.is_empty());
    assert_eq!(rig.router.peer_statuses(rig.now), []);
    assert_eq!(rig.router.poll_timeout(), None);
}

#[test]
fn a_peer_that_takes_no_bytes_for_long_is_given_up() {
    let (config, id) = one_peer();
    let mut rig = Rig::new(config);
    let transport = rig.establish(id, &Manners::of(64500));
    rig.give(Input::Queued { transport, bytes: 500 });
    for _ in 0..59 {
        rig.pass(8 * S);
        rig.say(transport, &bgp::encode_keepalive());
        // It does not count that we queue more.
        rig.give(Input::Queued { transport, bytes: 600 });
    }
    assert_eq!(rig.state(id), BgpState::Established);
    rig.pass(8 * S);
    rig.say(transport, &bgp::encode_keepalive());
    rig.pass(S);
    assert!(rig.closed.contains(&transport));
    assert!(rig.status(id).last_error.contains("takes no bytes"));
}

#[test]
fn a_failed_attempt_is_told_until_the_session_has_been_up() {
    let (config, id) = one_peer();
    let mut rig = Rig::new(config);
    let (transport, _) = rig.connects[0];
    rig.give(Input::Closed { transport, reason: "connection refused".into() });
    assert_eq!(rig.status(id).last_error, "connection refused");
    rig.establish(id, &Manners::of(64500));
    assert_eq!(rig.status(id).last_error, "");
    rig.lose(id);
    assert_eq!(rig.status(id).last_error, "reset");
    let (transport, _) = *rig.connects.last().unwrap();
    rig.give(Input::Closed { transport, reason: "connection refused".into() });
    assert_eq!(rig.status(id).last_error, "reset");
}

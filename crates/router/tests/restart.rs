//! Graceful restart (RFC 4724, RFC 8538), as the one who helps and as the one who restarts.

mod rig;
mod world;

use std::time::Duration;

use causeway_edge_types::{BfdState, BgpState, EdgeConfig, Moment, PeerId, Side, VrfId};
use causeway_router::{BfdDiagnostic, FibChange, Input, Output, Router};
use causeway_wire::bgp::{self, Capability, Message, Notification, Open, cease, code};

use self::rig::{Manners, Rig, path};
use self::world::build::*;

const S: Duration = Duration::from_secs(1);

fn restarter(has_restarted: bool, covers_notification: bool, preserved: bool) -> Manners {
    Manners { restart: Some((20, has_restarted, covers_notification, preserved)), ..Manners::of(64500) }
}

fn config() -> (EdgeConfig, [PeerId; 2]) {
    let ids = [peer_id(1, "198.51.100.2"), peer_id(2, "2001:db8::2")];
    let mut config = edge("edge", 1);
    config.attachments = vec![attachment(1, 1, &["198.51.100.1/30"]), attachment(2, 1, &["2001:db8::1/126"])];
    config.vrfs = vec![vrf(1, 64496)];
    config.vrfs[0].originate = vec![prefix("203.0.113.0/24"), prefix("2001:db8:ffff::/48")];
    config.vrfs[0].peers =
        vec![peer(ids[0], "198.51.100.1", 64500, Side::Access), peer(ids[1], "2001:db8::1", 64501, Side::Access)];
    config.vrfs[0].peers[0].bfd = Some(BFD);
    (config, ids)
}

/// A session with two prefixes from a peer with these manners.
fn told_two(manners: &Manners) -> (Rig, PeerId) {
    let (config, ids) = config();
    let mut rig = Rig::new(config);
    rig.establish(ids[0], manners);
    rig.announce(ids[0], &[numbered(0), numbered(1)], &path(ids[0], &[64500]));
    rig.end_of_rib(ids[0]);
    assert_eq!(rig.held.routes.len(), 2);
    rig.take_outputs();
    (rig, ids[0])
}

#[test]
fn a_helper_forwards_on_and_sweeps_what_was_not_told_again() {
    let (mut rig, id) = told_two(&restarter(false, false, true));
    rig.bfd(id, BfdState::Up, BfdDiagnostic::None);
    rig.lose(id);
    rig.work();
    // BFD goes with the process of the restarting peer.
    rig.bfd(id, BfdState::Down, BfdDiagnostic::None);
    rig.work();
    assert_eq!(rig.take_fib(), [], "nothing changes while the peer restarts");
    assert!(rig.router.adj_in(id).all(|path| path.is_stale));
    rig.pass(5 * S);
    rig.establish(id, &restarter(true, false, true));
    rig.announce(id, &[numbered(1)], &path(id, &[64500]));
    rig.work();
    assert_eq!(rig.take_fib(), []);
    rig.end_of_rib(id);
    assert_eq!(rig.take_fib(), [FibChange::RouteRemoved { vrf: VrfId(1), prefix: numbered(0) }]);
    assert_eq!(rig.status(id).prefixes_accepted, 1);
    rig.pass(200 * S);
    assert_ne!(rig.state(id), BgpState::Established, "the hold timer is on");
}

#[test]
fn what_is_kept_goes_when_the_restart_time_is_over() {
    let (mut rig, id) = told_two(&restarter(false, false, true));
    rig.lose(id);
    rig.pass(19 * S);
    assert_eq!(rig.held.routes.len(), 2);
    rig.take_outputs();
    rig.pass(2 * S);
    let changes = rig.take_fib();
    assert!(matches!(&changes[0], FibChange::Group { buckets, .. } if buckets.is_empty()), "{changes:?}");
    assert!(rig.held.routes.is_empty() && rig.held.groups.is_empty());
}

#[test]
fn what_is_kept_goes_when_the_peer_has_not_kept_forwarding() {
    let (mut rig, id) = told_two(&restarter(false, false, true));
    rig.lose(id);
    rig.establish(id, &restarter(true, false, false));
    assert!(rig.held.routes.is_empty());
}

#[test]
fn what_is_kept_goes_when_the_link_goes() {
    let (mut rig, id) = told_two(&restarter(false, false, true));
    rig.lose(id);
    rig.link("p1", false);
    assert!(matches!(&rig.take_fib()[..], [FibChange::Group { buckets, .. }] if buckets.is_empty()));
    rig.work();
    assert!(rig.held.routes.is_empty());
}

#[test]
fn nothing_is_kept_of_a_peer_without_the_capability_or_that_lists_no_family() {
    let (mut rig, id) = told_two(&Manners::of(64500));
    rig.lose(id);
    rig.work();
    assert!(rig.held.routes.is_empty());
}

#[test]
fn a_notification_keeps_routes_only_with_the_n_bit_and_only_if_it_is_none_that_means_it() {
    let cases = [
        (false, code::CEASE, cease::ADMINISTRATIVE_RESET, false),
        (true, code::CEASE, cease::ADMINISTRATIVE_RESET, true),
        (true, code::HOLD_TIMER_EXPIRED, 0, true),
        (true, code::CEASE, cease::HARD_RESET, false),
        (true, code::CEASE, cease::ADMINISTRATIVE_SHUTDOWN, false),
    ];
    for (covers, code, subcode, is_kept) in cases {
        let (mut rig, id) = told_two(&restarter(false, covers, true));
        let transport = rig.transports[&id];
        rig.say(transport, &bgp::encode_notification(&Notification::new(code, subcode)));
        rig.work();
        assert_eq!(rig.held.routes.len(), if is_kept { 2 } else { 0 }, "N {covers}, {code}/{subcode}");
    }
}

#[test]
fn our_hold_timer_keeps_routes_with_the_n_bit() {
    for covers in [false, true] {
        let (mut rig, id) = told_two(&restarter(false, covers, true));
        rig.pass(10 * S);
        assert_eq!(rig.held.routes.len(), if covers { 2 } else { 0 }, "N {covers}");
        let notification = rig.hear_notification(rig.transports[&id]).unwrap();
        assert_eq!(notification.code, code::HOLD_TIMER_EXPIRED);
    }
}

fn our_open(rig: &mut Rig, id: PeerId) -> (Open, bool, bool) {
    let transport = rig.accept(id);
    let heard = rig.hear(transport);
    let [Message::Open(open)] = &heard[..] else { panic!("{heard:?}") };
    let bits = open.capabilities.iter().find_map(|capability| match capability {
        Capability::GracefulRestart { has_restarted, families, .. } => Some((*has_restarted, families[0].1)),
        _ => None,
    });
    let (has_restarted, preserved) = bits.unwrap();
    (open.clone(), has_restarted, preserved)
}

#[test]
fn a_restarted_router_chooses_when_all_have_told_and_then_the_leftovers_go() {
    let (config, ids) = config();
    let mut rig = Rig::with(Router::new_restarting(1), config);
    let (_, has_restarted, preserved) = our_open(&mut rig, ids[0]);
    assert!(has_restarted && preserved);
    for (id, asn) in ids.into_iter().zip([64500, 64501]) {
        rig.establish(id, &Manners { asn, ..restarter(false, false, true) });
    }
    rig.announce(ids[0], &[numbered(0)], &path(ids[0], &[64500]));
    rig.end_of_rib(ids[0]);
    rig.announce(ids[1], &[prefix("2001:db8:1::/48")], &path(ids[1], &[64501]));
    rig.work();
    assert_eq!(rig.take_fib(), [], "one has not told all");
    assert_eq!(rig.hear_updates(ids[0]), [], "and peers are told nothing before");
    rig.end_of_rib(ids[1]);
    let changes = rig.take_fib();
    assert_eq!(changes.iter().filter(|change| matches!(change, FibChange::Route { .. })).count(), 2);
    assert_eq!(changes.last(), Some(&FibChange::VrfComplete(VrfId(1))));
    assert_eq!(rig.held.complete, [VrfId(1)], "once");
    let updates = rig.hear_updates(ids[0]);
    assert_eq!(updates[0].announced, [prefix("203.0.113.0/24")]);
    assert_eq!(updates.last().unwrap().end_of_rib, Some(causeway_edge_types::Family::Ipv4));
    // From now on it has not restarted any more, and its forwarding outlives a session.
    rig.lose(ids[0]);
    let (_, has_restarted, preserved) = our_open(&mut rig, ids[0]);
    assert!(!has_restarted && preserved);
}

#[test]
fn a_restarted_router_waits_no_longer_than_its_peers_do() {
    let (config, ids) = config();
    let mut rig = Rig::with(Router::new_restarting(1), config);
    rig.establish(ids[0], &restarter(false, false, true));
    rig.announce(ids[0], &[numbered(0)], &path(ids[0], &[64500]));
    let transport = rig.transports[&ids[0]];
    for _ in 0..7 {
        rig.pass(4 * S);
        rig.say(transport, &bgp::encode_keepalive());
    }
    assert_eq!(rig.take_fib(), []);
    rig.pass(3 * S);
    assert_eq!(rig.held.complete, [VrfId(1)]);
    assert_eq!(rig.held.routes.len(), 1);
}

#[test]
fn a_restarted_router_does_not_wait_for_one_that_has_restarted_too_or_that_marks_no_end() {
    let (config, ids) = config();
    let mut rig = Rig::with(Router::new_restarting(1), config);
    rig.establish(ids[0], &restarter(true, false, true));
    rig.establish(ids[1], &Manners::of(64501));
    assert_eq!(rig.held.complete, []);
    rig.pass(4 * S);
    assert_eq!(rig.held.complete, [VrfId(1)]);
}

#[test]
fn a_restarted_router_does_not_wait_for_whom_no_link_reaches() {
    let (config, ids) = config();
    let mut router = Router::new_restarting(1);
    router.handle_input(Moment::from_millis(1), Input::Link { port: "p2".into(), is_up: false });
    let mut rig = Rig::with(router, config);
    rig.establish(ids[0], &restarter(false, false, true));
    rig.work();
    assert_eq!(rig.held.complete, []);
    rig.end_of_rib(ids[0]);
    assert_eq!(rig.held.complete, [VrfId(1)]);
}

#[test]
fn a_router_with_nothing_to_adopt_defers_nothing_and_says_so() {
    let (config, ids) = config();
    let mut rig = Rig::new(config);
    let (_, has_restarted, preserved) = our_open(&mut rig, ids[0]);
    assert!(!has_restarted && !preserved);
    rig.establish(ids[0], &restarter(false, false, true));
    let updates = rig.hear_updates(ids[0]);
    assert_eq!(updates.len(), 2, "its table and its end: {updates:?}");
    assert_eq!(rig.held.complete, []);
}

#[test]
fn while_it_defers_it_does_not_say_that_there_is_no_path_beyond() {
    let (mut config, ids) = config();
    config.vrfs[0].peers[0].path_beyond = vec![ids[1]];
    let mut fresh = Rig::new(config.clone());
    fresh.work();
    assert_eq!(fresh.diagnostics(), [(ids[0], BfdDiagnostic::ConcatenatedPathDown)]);
    let sessions = fresh.outputs.iter().position(|output| matches!(output, Output::Bfd(_))).unwrap();
    assert!(matches!(&fresh.outputs[sessions], Output::Bfd(causeway_router::BfdInput::Sessions(_))));
    let mut rig = Rig::with(Router::new_restarting(1), config);
    assert_eq!(rig.diagnostics(), []);
    rig.pass(40 * S);
    assert_eq!(rig.diagnostics(), [(ids[0], BfdDiagnostic::ConcatenatedPathDown)]);
}

#[test]
fn bfd_of_a_restarted_peer_may_end_once_more_after_the_session_is_back() {
    let (mut rig, id) = told_two(&restarter(false, false, true));
    rig.bfd(id, BfdState::Up, BfdDiagnostic::None);
    rig.lose(id);
    rig.establish(id, &restarter(true, false, true));
    rig.announce(id, &[numbered(0), numbered(1)], &path(id, &[64500]));
    rig.end_of_rib(id);
    // Only now is the silence of the earlier process noticed.
    rig.bfd(id, BfdState::Down, BfdDiagnostic::None);
    assert_eq!(rig.state(id), BgpState::Established);
    rig.bfd(id, BfdState::Up, BfdDiagnostic::None);
    rig.bfd(id, BfdState::Down, BfdDiagnostic::None);
    assert_ne!(rig.state(id), BgpState::Established, "the second time it is the peer itself");
}

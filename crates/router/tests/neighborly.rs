//! All peers share one thread: what one of them sends must not keep the others waiting. These tests read the clock, since
//! time is what they are about; the bounds are many times what it takes.
#![allow(clippy::disallowed_methods, reason = "how long an input takes is what is tested")]

mod rig;
mod world;

use std::time::{Duration, Instant};

use causeway_edge_types::{Family, Side};
use causeway_router::Event;
use causeway_wire::bgp::{self, Message};
use ipnet::IpNet;

use self::rig::{Manners, Rig};
use self::world::build::*;

#[test]
fn a_thousand_requests_for_the_table_cost_what_one_costs() {
    const PREFIXES: u32 = 10_000;
    let id = peer_id(1, "198.51.100.2");
    let mut config = edge("edge", 1);
    config.attachments = vec![attachment(1, 1, &["198.51.100.1/30"])];
    config.vrfs = vec![vrf(1, 64496)];
    config.vrfs[0].originate = (0..PREFIXES).map(numbered).collect();
    config.vrfs[0].peers = vec![peer(id, "198.51.100.1", 64500, Side::Access)];
    let mut rig = Rig::new(config);
    let transport = rig.establish(id, &Manners::of(64500));
    let table = |rig: &mut Rig| -> Vec<IpNet> { rig.hear_updates(id).into_iter().flat_map(|u| u.announced).collect() };
    assert_eq!(table(&mut rig).len(), PREFIXES as usize);

    // As many as a driver reads at once.
    let refresh = bgp::encode_route_refresh(Family::Ipv4, 0);
    let start = Instant::now();
    rig.say(transport, &refresh.repeat(64 * 1024 / refresh.len()));
    let took = start.elapsed();
    assert!(took < Duration::from_millis(200), "{took:?}");
    rig.work();
    assert_eq!(table(&mut rig).len(), PREFIXES as usize, "it is told again, once");
    rig.say(transport, &refresh);
    rig.work();
    let heard = rig.hear(transport);
    let is_end = |message: &Message| matches!(message, Message::Update(update) if update.end_of_rib.is_some());
    assert!(heard.last().is_some_and(is_end), "and where the table ends");
}

#[test]
fn a_peer_that_sends_nonsense_for_ever_fills_no_log() {
    let ids = [peer_id(1, "198.51.100.2"), peer_id(2, "198.51.100.6")];
    let mut config = edge("edge", 1);
    config.attachments = vec![attachment(1, 1, &["198.51.100.1/30"]), attachment(2, 1, &["198.51.100.5/30"])];
    config.vrfs = vec![vrf(1, 64496)];
    config.vrfs[0].peers =
        vec![peer(ids[0], "198.51.100.1", 64500, Side::Access), peer(ids[1], "198.51.100.5", 64501, Side::Access)];
    let mut rig = Rig::new(config);
    let transports = [rig.establish(ids[0], &Manners::of(64500)), rig.establish(ids[1], &Manners::of(64501))];
    // Each of them is worth a line.
    let nonsense = bgp::encode_route_refresh(Family::Ipv6, 0);
    let notes = |rig: &Rig| rig.events.iter().filter(|event| matches!(event, Event::Note { .. })).count();
    let before = notes(&rig);
    rig.say(transports[0], &nonsense.repeat(2000));
    assert!((10..100).contains(&(notes(&rig) - before)), "{}", notes(&rig) - before);
    let before = notes(&rig);
    rig.say(transports[1], &nonsense);
    assert_eq!(notes(&rig), before + 1, "another's line is not lost");
    rig.pass(Duration::from_secs(61));
    let before = notes(&rig);
    rig.accept(peer_id(1, "198.51.100.3"));
    assert_eq!(notes(&rig), before + 1, "and after a while there is a line again");
}

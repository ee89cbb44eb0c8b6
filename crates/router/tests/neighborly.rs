//! All peers share one thread: what one of them sends must not keep the others waiting. These tests read the clock, since
//! time is what they are about; the bounds are many times what it takes.
#![allow(clippy::disallowed_methods, reason = "how long an input takes is what is tested")]

mod rig;
mod world;

use std::time::{Duration, Instant};

use causeway_edge_types::{Family, Side};
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

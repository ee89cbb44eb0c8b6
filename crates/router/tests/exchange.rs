//! Two routers and more: sessions come up, routes go through, and every end of a cable knows what the other one told.

mod world;

use std::time::Duration;

use causeway_edge_types::{BgpState, PeerId, Side};
use causeway_router::Event;

use self::world::World;
use self::world::build::*;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// Two routers on one cable, IPv4 and IPv6, each originating a prefix of each family.
fn pair(seed: u64) -> (World, [PeerId; 4]) {
    let mut world = World::new(seed);
    let ids =
        [peer_id(1, "198.51.100.2"), peer_id(7, "198.51.100.1"), peer_id(1, "2001:db8::2"), peer_id(7, "2001:db8::1")];
    let mut one = edge("one", 1);
    one.attachments = vec![attachment(1, 1, &["198.51.100.1/30", "2001:db8::1/126"])];
    one.vrfs = vec![vrf(1, 64496)];
    one.vrfs[0].originate = vec![prefix("10.1.0.0/16"), prefix("2001:db8:1::/48")];
    one.vrfs[0].peers =
        vec![peer(ids[0], "198.51.100.1", 64497, Side::Access), peer(ids[2], "2001:db8::1", 64497, Side::Access)];
    let mut two = edge("two", 2);
    two.attachments = vec![attachment(7, 3, &["198.51.100.2/30", "2001:db8::2/126"])];
    two.vrfs = vec![vrf(3, 64497)];
    two.vrfs[0].originate = vec![prefix("10.2.0.0/16"), prefix("2001:db8:2::/48")];
    two.vrfs[0].peers =
        vec![peer(ids[1], "198.51.100.2", 64496, Side::Access), peer(ids[3], "2001:db8::2", 64496, Side::Access)];
    let (one, two) = (world.add(one), world.add(two));
    world.cable((one, ids[0]), (two, ids[1]), MS);
    world.cable((one, ids[2]), (two, ids[3]), MS);
    (world, ids)
}

fn all_established(world: &World) -> bool {
    (0..world.nodes.len())
        .all(|node| world.router(node).peer_statuses(world.now).iter().all(|p| p.state == BgpState::Established))
}

#[test]
fn two_routers_come_up_and_tell_each_other_their_prefixes() {
    let (mut world, ids) = pair(1);
    world.boot(0, false);
    world.boot(1, false);
    world.run_until(S, "all sessions up", all_established);
    world.run(S);
    world.assert_views_agree();
    let heard: Vec<_> = world.router(0).adj_in(ids[0]).collect();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].prefix, prefix("10.2.0.0/16"));
    assert_eq!(heard[0].attributes.as_path.to_string(), "64497");
    let routes: Vec<_> = world.router(0).route_statuses().map(|route| route.prefix).collect();
    assert_eq!(routes, ["10.1.0.0/16", "10.2.0.0/16", "2001:db8:1::/48", "2001:db8:2::/48"].map(prefix));
}

#[test]
fn when_both_connect_at_once_one_connection_stays_and_the_session_does_not_flap() {
    for seed in 0..50 {
        let (mut world, _) = pair(seed);
        for cable in &mut world.cables {
            cable.delay = Duration::from_micros(world.dice.below(300_000));
        }
        world.boot(0, false);
        let lead = world.dice.below(700_000);
        world.run(Duration::from_micros(lead));
        world.boot(1, false);
        world.run_until(8 * S, &format!("all sessions up, seed {seed}"), all_established);
        world.run(20 * S);
        assert!(all_established(&world), "seed {seed}");
        for node in &world.nodes {
            let ups = node.events.iter().filter(|event| matches!(event, Event::SessionUp { .. })).count();
            assert_eq!(ups, 2, "seed {seed}: {:?}", node.events);
        }
        world.assert_views_agree();
    }
}

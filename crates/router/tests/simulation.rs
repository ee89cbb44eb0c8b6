//! A customer, two edges and a gateway through bad days drawn from a seed: transports reset, cables cut silently or with
//! loss of carrier, processes killed and started again, policies changed. When it is quiet again, everybody knows what
//! everybody told, and packets go both ways over both edges.
//!
//! ```text
//!            ┌── edge 1 ──┐
//!   customer ┤            ├ gateway
//!            └── edge 2 ──┘
//! ```

mod rig;
mod world;

use std::time::Duration;

use causeway_edge_types::{BgpState, EdgeConfig, PeerId, Side, VrfId};
use causeway_router::{Event, FibChange, RouteTarget};

use self::rig::Held;
use self::world::World;
use self::world::build::*;

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

const CUSTOMER: usize = 0;
const GATEWAY: usize = 3;
/// Prefixes that the customer has: more than one step of work.
const CUSTOMER_PREFIXES: u32 = 2500;
const GATEWAY_PREFIX: &str = "172.16.0.0/16";

/// A router with two neighbours: on attachment 1 and 2, whose far ends have these AS numbers and sides.
fn two_armed(name: &str, last: u8, asn: u32, arms: [(&str, &str, u32, Side); 2]) -> (EdgeConfig, [PeerId; 2]) {
    let mut config = edge(name, last);
    config.vrfs = vec![vrf(1, asn)];
    let ids = [peer_id(1, arms[0].1), peer_id(2, arms[1].1)];
    for ((own, _, remote_asn, side), (id, number)) in arms.into_iter().zip(ids.into_iter().zip(1..)) {
        config.attachments.push(attachment(number, 1, &[&format!("{own}/30")]));
        config.vrfs[0].peers.push(peer(id, own, remote_asn, side));
    }
    (config, ids)
}

fn network(seed: u64) -> World {
    let mut world = World::new(seed);
    let (mut customer, c) = two_armed(
        "customer",
        1,
        64500,
        [("10.255.0.2", "10.255.0.1", 64496, Side::Access), ("10.255.0.6", "10.255.0.5", 64496, Side::Access)],
    );
    customer.vrfs[0].originate = (0..CUSTOMER_PREFIXES).map(numbered).collect();
    let (edge_one, one) = two_armed(
        "edge-1",
        2,
        64496,
        [("10.255.0.1", "10.255.0.2", 64500, Side::Access), ("10.255.0.9", "10.255.0.10", 64510, Side::Fabric)],
    );
    let (edge_two, two) = two_armed(
        "edge-2",
        3,
        64496,
        [("10.255.0.5", "10.255.0.6", 64500, Side::Access), ("10.255.0.13", "10.255.0.14", 64510, Side::Fabric)],
    );
    let (mut gateway, g) = two_armed(
        "gateway",
        4,
        64510,
        [("10.255.0.10", "10.255.0.9", 64496, Side::Fabric), ("10.255.0.14", "10.255.0.13", 64496, Side::Fabric)],
    );
    gateway.vrfs[0].originate = vec![prefix(GATEWAY_PREFIX)];
    for config in [customer, edge_one, edge_two, gateway] {
        world.add(config);
    }
    for (one, other) in
        [((0, c[0]), (1, one[0])), ((0, c[1]), (2, two[0])), ((1, one[1]), (3, g[0])), ((2, two[1]), (3, g[1]))]
    {
        let delay = Duration::from_micros(100 + world.dice.below(20_000));
        world.cable(one, other, delay);
    }
    world
}

fn boot_all(world: &mut World) {
    for node in 0..4 {
        world.boot(node, false);
    }
}

fn is_established(world: &World, node: usize) -> bool {
    world.router(node).peer_statuses(world.now).iter().all(|peer| peer.state == BgpState::Established)
}

/// Something bad, and what ends it.
fn misfortune(world: &mut World, adopts: &mut [bool; 4]) -> String {
    let cable = world.dice.below(4) as usize;
    let node = world.dice.below(4) as usize;
    let time = Duration::from_millis(world.dice.below(15_000));
    match world.dice.below(6) {
        0 => {
            world.reset(cable);
            format!("cable {cable} reset")
        }
        1 => {
            world.cut(cable);
            world.run(time);
            world.heal(cable);
            format!("cable {cable} silently cut for {time:?}")
        }
        2 => {
            let ends = world.cables[cable].ends;
            let port = |end: (usize, PeerId)| format!("p{}", end.1.attachment);
            world.cut(cable);
            ends.iter().for_each(|end| world.link(end.0, &port(*end), false));
            world.run(time);
            world.heal(cable);
            ends.iter().for_each(|end| world.link(end.0, &port(*end), true));
            format!("cable {cable} without carrier for {time:?}")
        }
        3 | 4 => {
            world.kill(node);
            world.run(time / 10);
            adopts[node] = world.dice.below(2) == 0;
            world.boot(node, adopts[node]);
            format!("node {node} killed, back after {:?}, adopts: {}", time / 10, adopts[node])
        }
        _ => {
            let mut config = EdgeConfig::clone(&world.nodes[node].config);
            config.generation += 1;
            config.vrfs[0].peers[0].export.prepend = world.dice.below(3) as u8;
            config.vrfs[0].peers[1].hold_time_s = 9 + world.dice.below(3) as u16;
            world.configure(node, config);
            format!("node {node} configured anew")
        }
    }
}

/// What the data plane would hold; every change must be safe where it stands.
fn held(world: &World, node: usize) -> Held {
    let mut held = Held::default();
    for change in &world.nodes[node].fib {
        held.apply(change);
    }
    held
}

fn assert_all_is_well(world: &World, adopts: &[bool; 4]) {
    for (node, adopts) in adopts.iter().enumerate() {
        assert!(is_established(world, node), "node {node}: {:?}", world.router(node).peer_statuses(world.now));
        assert_eq!(held(world, node).complete.len(), usize::from(*adopts), "node {node}");
    }
    world.assert_views_agree();
    let customer = held(world, CUSTOMER);
    let gateway = held(world, GATEWAY);
    assert_eq!(gateway.routes.len(), CUSTOMER_PREFIXES as usize);
    // A path that is prepended on one side is longer there, and then packets take the other. The first peer of each
    // configuration is the one whose prepending changes: the edges' customer, and edge 1 for the two others.
    let prepend = |node: usize| world.nodes[node].config.vrfs[0].peers[0].export.prepend;
    let toward_gateway = customer.next_hops(1, prefix(GATEWAY_PREFIX)).len();
    assert_eq!(toward_gateway, if prepend(1) + prepend(GATEWAY) == prepend(2) { 2 } else { 1 });
    let is_even = prepend(CUSTOMER) == 0;
    for index in [0, CUSTOMER_PREFIXES - 1] {
        assert_eq!(gateway.next_hops(1, numbered(index)).len(), if is_even { 2 } else { 1 });
    }
    for edge in [1, 2] {
        assert_eq!(held(world, edge).routes.len(), CUSTOMER_PREFIXES as usize + 1);
    }
}

#[test]
fn whatever_happens_when_it_is_quiet_again_everybody_knows_what_everybody_told() {
    // More of them on request: CAUSEWAY_SIMULATION_SEEDS=200.
    let seeds = std::env::var("CAUSEWAY_SIMULATION_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(12);
    for seed in 0..seeds {
        let mut world = network(seed);
        let mut adopts = [false; 4];
        boot_all(&mut world);
        let mut story = Vec::new();
        for _ in 0..6 {
            let pause = Duration::from_millis(world.dice.below(6_000));
            world.run(pause);
            let (when, what) = (world.now, misfortune(&mut world, &mut adopts));
            story.push(format!("{when:?}: {what}"));
        }
        // Hold timers, restart timers and pauses are over by then.
        world.run(180 * S);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_all_is_well(&world, &adopts)));
        assert!(outcome.is_ok(), "seed {seed}: {story:#?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut world = network(3);
        boot_all(&mut world);
        world.run(5 * S);
        misfortune(&mut world, &mut [false; 4]);
        world.run(60 * S);
        world.nodes.into_iter().map(|node| (node.fib, node.events)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn the_loss_of_a_link_moves_packets_without_touching_a_prefix_and_back() {
    let mut world = network(1);
    boot_all(&mut world);
    world.run(30 * S);
    world.nodes[GATEWAY].fib.clear();
    world.cut(2);
    world.link(GATEWAY, "p1", false);
    let changes = &world.nodes[GATEWAY].fib;
    assert!(matches!(&changes[..], [FibChange::Group { .. }]), "one change in the same turn: {changes:?}");
    world.link(1, "p2", false);
    world.run(10 * S);
    world.heal(2);
    world.link(GATEWAY, "p1", true);
    world.link(1, "p2", true);
    world.run(60 * S);
    world.assert_views_agree();
    assert!(is_established(&world, GATEWAY));
}

#[test]
fn an_edge_that_is_killed_and_adopts_disturbs_nobodys_forwarding() {
    for seed in 0..10 {
        let mut world = network(seed);
        boot_all(&mut world);
        world.run(30 * S);
        let before = held(&world, 1).routes.len();
        for node in [CUSTOMER, 2, GATEWAY] {
            world.nodes[node].fib.clear();
        }
        world.kill(1);
        let away = Duration::from_millis(world.dice.below(9_000));
        world.run(away);
        world.boot(1, true);
        world.run(60 * S);
        for node in [CUSTOMER, 2, GATEWAY] {
            assert_eq!(world.nodes[node].fib, [], "seed {seed}: node {node} changed its forwarding");
        }
        let held = held(&world, 1);
        assert_eq!(held.routes.len(), before, "seed {seed}");
        assert_eq!(held.complete, [VrfId(1)], "seed {seed}");
        let complete = world.nodes[1].fib.iter().position(|change| matches!(change, FibChange::VrfComplete(_)));
        let last_route = world.nodes[1].fib.iter().rposition(|change| matches!(change, FibChange::Route { .. }));
        assert!(last_route < complete, "seed {seed}: every route is given before the sweep");
        assert!(held.routes.values().all(|target| matches!(target, RouteTarget::Group(_))));
        world.assert_views_agree();
        let downs = |node: usize| {
            world.nodes[node].events.iter().filter(|event| matches!(event, Event::SessionDown { .. })).count()
        };
        assert_eq!((downs(CUSTOMER), downs(2), downs(GATEWAY)), (1, 0, 1), "seed {seed}");
    }
}

#[test]
fn sessions_are_up_within_a_few_round_trips_of_the_second_start() {
    let mut world = network(5);
    for cable in &mut world.cables {
        cable.delay = MS;
    }
    boot_all(&mut world);
    world.run_until(100 * MS, "all up", |world| (0..4).all(|node| is_established(world, node)));
}

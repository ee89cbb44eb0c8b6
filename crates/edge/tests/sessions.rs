//! Sessions with a real BIRD: Established, with and without a key, BFD, routes both ways, restarts. The data plane only
//! remembers what it is asked; a bridge carries the control packets.

mod support;

use std::fs;

use causeway_edge_types::{BfdConfig, BfdState, BgpState, EdgeConfig, Secret};
use causeway_router::{FibChange, RouteTarget};
use support::bench::{Edge, SOON, Wire, bird_config, config};
use support::bird::{Bird, has_bird};
use support::{can_make_namespaces, run, wait_for};

fn can_run() -> bool {
    can_make_namespaces() && has_bird()
}

fn give(edge_data: &std::path::Path, config: &EdgeConfig) {
    fs::write(edge_data.join("given.json"), serde_json::to_vec(config).unwrap()).unwrap();
}

fn started(wire: &Wire, data: &std::path::Path, config: &EdgeConfig) -> Edge {
    give(data, config);
    let edge = Edge::start(Edge::options(wire, data.to_owned()));
    wire.join();
    edge
}

fn are_up(bird: &Bird) -> bool {
    bird.is_established("edge4") && bird.is_established("edge6")
}

#[test]
fn sessions_come_up_in_both_families_and_routes_pass_both_ways() {
    if !can_run() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    let edge = started(&wire, data.path(), &config(1));
    let bird = Bird::start(&wire.customer, &bird_config(""));
    let explain = || format!("{}\n{:#?}", bird.explain(), edge.status());
    wait_for("both sessions", SOON, || are_up(&bird), explain);

    let routes = || bird.ask("show route protocol edge4") + &bird.ask("show route protocol edge6");
    let are_told = || routes().contains("198.51.100.0/24") && routes().contains("2001:db8:51::/48");
    wait_for("routes at the customer's", SOON, are_told, explain);
    let are_learned = || {
        let has = |wanted: &str| {
            edge.asked.fib().iter().any(|change| {
                matches!(change, FibChange::Route { prefix, target: RouteTarget::Group(_), .. }
                    if prefix.to_string() == wanted)
            })
        };
        has("203.0.113.0/24") && has("2001:db8:113::/48")
    };
    wait_for("routes in the data plane", SOON, are_learned, explain);
    let is_reported = || {
        edge.status().is_some_and(|status| {
            status.observed_generation == 1
                && status.problems.is_empty()
                && status.peers.len() == 2
                && status.peers.iter().all(|p| p.state == BgpState::Established && p.prefixes_accepted == 1)
                && status.neighbors.len() >= 2
                && status.ports.len() == 1
                && status.ports[0].is_up
        })
    };
    wait_for("it all in the status", SOON, is_reported, explain);

    // A link that reports down takes the sessions' routes away at once.
    run(&format!("ip -n {} link set c0 down", wire.customer));
    let is_reported = || edge.status().is_some_and(|status| !status.ports[0].is_up);
    wait_for("the port's fall in the status", SOON, is_reported, explain);
}

#[test]
fn a_key_lets_in_who_has_it_and_nobody_else() {
    if !can_run() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    let mut keyed = config(1);
    for peer in &mut keyed.vrfs[0].peers {
        peer.md5_key = Some(Secret::new("the right key"));
    }
    let edge = started(&wire, data.path(), &keyed);
    let bird = Bird::start(&wire.customer, &bird_config("password \"a wrong key\";"));
    let explain = || format!("{}\n{:#?}", bird.explain(), edge.status());
    // It has tried and been turned away by the kernel, in both namespaces.
    let failures = |namespace: &str| {
        let text = run(&format!("nsenter --net=/run/netns/{namespace} cat /proc/net/netstat"));
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let column = lines[0].iter().position(|name| *name == "TCPMD5Failure").expect("the kernel counts it");
        lines[1][column].parse::<u64>().unwrap()
    };
    let host = format!("{}-a7", wire.edge);
    wait_for("a refused segment", SOON, || failures(&host) + failures(&wire.customer) > 0, explain);
    assert!(!bird.is_established("edge4") && !bird.is_established("edge6"));

    bird.reconfigure(&bird_config("password \"the right key\";"));
    wait_for("both sessions", SOON, || are_up(&bird), explain);
    let text = fs::read_to_string(edge.options.status_file.as_ref().unwrap()).unwrap();
    assert!(!text.contains("the right key"));
}

#[test]
fn bfd_comes_up_and_notices_a_silent_failure() {
    if !can_run() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    let mut with_bfd = config(1);
    for peer in &mut with_bfd.vrfs[0].peers {
        peer.bfd = Some(BfdConfig { min_tx_ms: 100, min_rx_ms: 100, detect_mult: 3 });
    }
    let edge = started(&wire, data.path(), &with_bfd);
    let bird = Bird::start(&wire.customer, &bird_config("bfd on;"));
    let explain = || format!("{}\n{:#?}", bird.explain(), edge.status());
    wait_for("both sessions", SOON, || are_up(&bird), explain);
    let has_bfd =
        |state: BfdState| edge.status().is_some_and(|status| status.peers.iter().all(|peer| peer.bfd == Some(state)));
    wait_for(
        "BFD",
        SOON,
        || has_bfd(BfdState::Up) && bird.ask("show bfd sessions").matches(" Up ").count() == 2,
        explain,
    );

    // The carrier stays, nothing passes.
    run(&format!("ip -n {} link set p0 nomaster", wire.edge));
    let start = std::time::Instant::now();
    let is_moved = || {
        edge.asked.fib().iter().any(|change| matches!(change, FibChange::Group { buckets, .. } if buckets.is_empty()))
    };
    wait_for("the flip", SOON, is_moved, explain);
    let took = start.elapsed();
    assert!(took < std::time::Duration::from_millis(1000), "{took:?}, three times 100 ms were agreed");
    wait_for("its fall at the customer's", SOON, || !bird.is_established("edge4"), explain);

    run(&format!("ip -n {} link set p0 master br0", wire.edge));
    wait_for("both sessions again", SOON, || are_up(&bird) && has_bfd(BfdState::Up), explain);
}

#[test]
fn without_control_it_goes_on_with_what_is_on_disk() {
    if !can_run() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    let mut edge = started(&wire, data.path(), &config(5));
    let bird = Bird::start(&wire.customer, &bird_config("graceful restart on;"));
    wait_for("both sessions", SOON, || are_up(&bird), || bird.explain());
    edge.stop().unwrap();
    let explain = || format!("{}\n{}", bird.explain(), bird.ask("show route all"));
    wait_for("the end of the sessions", SOON, || !bird.is_established("edge4"), explain);
    assert!(bird.ask("show route protocol edge4").contains("198.51.100.0/24"), "kept: {}", explain());

    // Nobody gives a configuration now, and an older one is refused.
    give(data.path(), &config(4));
    let edge = Edge::start(Edge::options(&wire, data.path().to_owned()));
    wait_for("both sessions again", SOON, || are_up(&bird), explain);
    let is_refused = || {
        edge.status().is_some_and(|status| {
            status.observed_generation == 5 && status.problems.iter().any(|problem| problem.code == "OldGeneration")
        })
    };
    wait_for("the refusal in the status", SOON, is_refused, || format!("{:#?}", edge.status()));
}

#[test]
fn what_is_configured_no_more_is_gone_and_teardown_leaves_nothing() {
    if !can_run() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    let mut edge = started(&wire, data.path(), &config(1));
    let bird = Bird::start(&wire.customer, &bird_config(""));
    wait_for("both sessions", SOON, || are_up(&bird), || bird.explain());
    edge.stop().unwrap();
    let there = || run(&format!("ip -n {} -br link", wire.edge)).contains("hx7");
    assert!(there(), "ending leaves the host interface");
    causeway_edge::teardown_with(&edge.options, |_| Ok(())).unwrap();
    assert!(!there());
    let left = causeway_edge::netns::list_named().unwrap();
    assert!(!left.iter().any(|name| name.starts_with(&format!("{}-a", wire.edge))), "{left:?}");
}

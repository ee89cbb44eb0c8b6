//! What is missing when a configuration comes is taken up when it is there; and what a customer's router can cause in
//! the kernel stays with that customer.

mod support;

use causeway_edge::dataplane::Asked;
use causeway_edge::netlink::{KernelEvents, Topic};
use causeway_edge::netns::Namespace;
use causeway_edge::sysctl;
use support::bench::{Edge, SOON, Wire, config};
use support::{Prefix, can_make_namespaces, run, wait_for};

/// Runs `act` on a thread of its own inside a named namespace.
fn inside<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            Namespace::open_named(name).unwrap().unwrap().enter_for_good().unwrap();
            act()
        });
        thread.join().unwrap()
    })
}

fn is_applied(edge: &Edge) -> bool {
    edge.status().is_some_and(|status| status.observed_generation == 1)
}

#[test]
fn only_neighbours_on_the_link_are_taken_up() {
    if !can_make_namespaces() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    std::fs::write(data.path().join("given.json"), serde_json::to_vec(&config(1)).unwrap()).unwrap();
    let edge = Edge::start(Edge::options(&wire, data.path().to_owned()));
    let explain = || format!("{:#?}", edge.status());
    wait_for("the configuration", SOON, || is_applied(&edge), explain);
    let space = format!("{}-a7", wire.edge);
    // As an ARP request does that names any sender it likes; then one that is of use, so that both were told.
    for address in ["10.99.0.1", "2001:db8:99::1", "192.0.2.2"] {
        run(&format!("ip -n {space} neigh replace {address} lladdr 02:00:00:00:00:09 dev host"));
    }
    let told = || -> Vec<String> {
        let asked = edge.asked.0.lock().unwrap();
        let told = asked.asked.iter().filter_map(|asked| match asked {
            Asked::Neighbor { address, mac: Some(_), .. } => Some(address.to_string()),
            _ => None,
        });
        told.collect()
    };
    wait_for("the neighbour", SOON, || told().contains(&"192.0.2.2".to_owned()), explain);
    assert!(!told().iter().any(|address| address.contains("99")), "{:?}", told());
}

#[test]
fn a_flood_of_events_is_read_in_parts() {
    if !can_make_namespaces() {
        return;
    }
    let prefix = Prefix::new();
    let space = prefix.namespace("flood");
    run(&format!("ip -n {space} link add d0 type veth peer name d0x"));
    run(&format!("ip -n {space} link set d0 up"));
    let mut events = inside(&space, || KernelEvents::open(&[Topic::Neighbors]).unwrap());
    events.drain();
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: String = (1..=100).map(|n| format!("neigh add 10.0.0.{n} lladdr 02:00:00:00:00:09 dev d0\n")).collect();
    std::fs::write(file.path(), lines).unwrap();
    run(&format!("ip -n {space} -batch {}", file.path().display()));
    let (first, has_more) = events.take(30);
    assert!(first.len() <= 30 && has_more, "{} {has_more}", first.len());
    let mut all = first.len();
    let mut parts = 1;
    loop {
        let (part, has_more) = events.take(30);
        all += part.len();
        parts += 1;
        if !has_more {
            break;
        }
    }
    assert!(all >= 100 && parts >= 4, "{all} events in {parts} parts");
}

#[test]
fn the_machine_has_room_for_the_neighbours_of_many_attachments() {
    if !can_make_namespaces() {
        return;
    }
    sysctl::make_room_for_neighbors();
    for family in ["ipv4", "ipv6"] {
        // Only the machine's first network namespace has it.
        let Ok(text) = std::fs::read_to_string(format!("/proc/sys/net/{family}/neigh/default/gc_thresh3")) else {
            eprintln!("SKIPPED: not in the machine's own network namespace");
            return;
        };
        assert!(text.trim().parse::<u32>().unwrap() >= 65_536, "{family}: {text}");
    }
}

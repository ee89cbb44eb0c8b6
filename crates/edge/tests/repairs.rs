//! What is missing when a configuration comes is taken up when it is there; and what a customer's router can cause in
//! the kernel stays with that customer.

mod support;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use causeway_edge::dataplane::Asked;
use causeway_edge::netlink::{KernelEvents, Topic};
use causeway_edge::netns::Namespace;
use causeway_edge::sysctl;
use causeway_edge_types::{Attachment, AttachmentId, Encapsulation, PortName, Vni};
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
fn a_host_interface_that_can_be_made_only_later_is_listened_on() {
    if !can_make_namespaces() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    let mut given = config(1);
    given.vrfs[0].peers.iter_mut().for_each(|peer| peer.passive = true);
    std::fs::write(data.path().join("given.json"), serde_json::to_vec(&given).unwrap()).unwrap();
    // A directory is where the namespace should be.
    let name = format!("{}-a7", wire.edge);
    let in_the_way = causeway_edge::netns::named_path(&name);
    std::fs::create_dir(&in_the_way).unwrap();
    let edge = Edge::start(Edge::options(&wire, data.path().to_owned()));
    let explain = || format!("{:#?}", edge.status());
    let is_stuck = || edge.status().is_some_and(|status| status.problems.iter().any(|p| p.code == "HostInterface"));
    wait_for("the problem", SOON, is_stuck, explain);
    std::fs::remove_dir(&in_the_way).unwrap();
    let is_listening = || {
        let Ok(Some(namespace)) = Namespace::open_named(&name) else { return false };
        std::thread::scope(|scope| {
            let connect = || {
                namespace.enter_for_good().unwrap();
                let to = SocketAddr::from(([192, 0, 2, 1], 179));
                TcpStream::connect_timeout(&to, Duration::from_millis(200)).is_ok()
            };
            scope.spawn(connect).join().unwrap()
        })
    };
    wait_for("the listener", SOON, is_listening, explain);
}

#[test]
fn an_interface_becomes_a_fabric_port_when_the_tunnel_end_point_gets_its_address() {
    if !can_make_namespaces() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    run(&format!("ip -n {} link add f0 type veth peer name f0x", wire.edge));
    for link in ["f0", "f0x"] {
        run(&format!("ip -n {} link set {link} up", wire.edge));
    }
    let mut given = config(1);
    given.vtep = Some("198.51.100.1".parse().unwrap());
    given.attachments.push(Attachment {
        id: AttachmentId(9),
        encapsulation: Encapsulation::Vxlan {
            vni: Vni(500),
            local: "198.51.100.1".parse().unwrap(),
            remote: "198.51.100.2".parse().unwrap(),
        },
        addresses: vec!["203.0.113.1/30".parse().unwrap()],
        ..given.attachments[0].clone()
    });
    std::fs::write(data.path().join("given.json"), serde_json::to_vec(&given).unwrap()).unwrap();
    let edge = Edge::start(Edge::options(&wire, data.path().to_owned()));
    let explain = || format!("{:#?}", edge.status());
    wait_for("the configuration", SOON, || is_applied(&edge), explain);
    let is_driven = || {
        let asked = edge.asked.0.lock().unwrap();
        let last = asked.asked.iter().rev().find_map(|asked| match asked {
            Asked::Configure { ports, .. } => Some(ports.clone()),
            _ => None,
        });
        last.is_some_and(|ports| ports.iter().any(|port| port.name == PortName("f0".into()) && port.is_fabric))
    };
    assert!(!is_driven());
    run(&format!("ip -n {} addr add 198.51.100.1/24 dev f0", wire.edge));
    wait_for("the fabric port", SOON, is_driven, explain);
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

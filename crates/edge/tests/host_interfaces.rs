//! Host interfaces in real namespaces: made, adopted after a restart, changed in place, removed without a trace.

mod support;

use std::time::{Duration, Instant};

use causeway_edge::attachments::Hosts;
use causeway_edge::netlink::{KernelEvent, KernelEvents, Netlink, Topic};
use causeway_edge::netns::{Namespace, list_named};
use causeway_edge_types::{Attachment, AttachmentId, Encapsulation, Tags, VrfId};
use support::{Prefix, can_make_namespaces, run, wait_for};

fn attachment(id: u32, addresses: &[&str], on_link: &[&str]) -> Attachment {
    Attachment {
        id: AttachmentId(id),
        vrf: VrfId(1),
        encapsulation: Encapsulation::Port { port: "p0".into(), tags: Tags { s_tag: None, c_tag: Some(id as u16) } },
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        on_link: on_link.iter().map(|a| a.parse().unwrap()).collect(),
        mtu: 1500,
        label: String::new(),
    }
}

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

#[test]
fn made_adopted_changed_and_removed() {
    if !can_make_namespaces() {
        return;
    }
    let prefix = Prefix::new();
    let edge = prefix.namespace("e1");
    // The same addresses twice: two customers that never meet.
    let wanted = vec![
        attachment(7, &["192.0.2.1/30", "2001:db8::1/126"], &[]),
        attachment(8, &["192.0.2.1/30"], &["198.51.100.0/24", "2001:db8:1::/64"]),
    ];
    let namespace_a7 = format!("{edge}-a7");
    let identity = || Namespace::open_named(&namespace_a7).unwrap().unwrap().identity().unwrap();

    inside(&edge, || {
        let mut hosts = Hosts::open("e1", &edge).unwrap();
        assert_eq!(hosts.bring_up(&wanted), []);
        assert_eq!(hosts.iter().count(), 2);
    });
    let (before, mac) = (identity(), run(&format!("ip -n {namespace_a7} -br link show host")));
    let addresses = run(&format!("ip -n {namespace_a7} -br addr show host"));
    assert!(addresses.contains("192.0.2.1/30") && addresses.contains("2001:db8::1/126"), "{addresses}");
    assert!(!run(&format!("ip -n {namespace_a7} addr show host")).contains("tentative"));
    let routes = run(&format!("ip -n {edge}-a8 route")) + &run(&format!("ip -n {edge}-a8 -6 route"));
    assert!(routes.contains("198.51.100.0/24 dev host") && routes.contains("2001:db8:1::/64 dev host"), "{routes}");

    // Another process: it finds everything, and changes only what changed.
    let mut changed = wanted.clone();
    changed[1] = attachment(8, &["192.0.2.5/30"], &["198.51.100.0/24"]);
    inside(&edge, || {
        let mut hosts = Hosts::open("e1", &edge).unwrap();
        assert_eq!(hosts.bring_up(&changed), []);
    });
    assert_eq!(identity(), before, "adopted, not made anew");
    assert_eq!(run(&format!("ip -n {namespace_a7} -br link show host")), mac);
    let addresses = run(&format!("ip -n {edge}-a8 -br addr show host"));
    assert!(addresses.contains("192.0.2.5/30") && !addresses.contains("192.0.2.1/30"), "{addresses}");
    assert!(!run(&format!("ip -n {edge}-a8 -6 route")).contains("2001:db8:1::/64"));

    // The number goes to another place: nothing of the one before is left in it.
    let mut moved = changed.clone();
    moved[0].encapsulation = Encapsulation::Port { port: "p1".into(), tags: Tags::default() };
    inside(&edge, || {
        let mut hosts = Hosts::open("e1", &edge).unwrap();
        assert_eq!(hosts.bring_up(&changed), []);
        let old = Namespace::open_named(&namespace_a7).unwrap().unwrap();
        assert_eq!(hosts.bring_up(&moved), []);
        assert_ne!(identity(), old.identity().unwrap(), "made anew");
        assert_eq!(hosts.iter().count(), 2);
    });

    // The pair is torn by somebody: it is made anew.
    run(&format!("ip -n {edge} link del hx7"));
    inside(&edge, || {
        let mut hosts = Hosts::open("e1", &edge).unwrap();
        assert_eq!(hosts.bring_up(&changed), []);
    });
    assert!(run(&format!("ip -n {namespace_a7} -br addr show host")).contains("192.0.2.1/30"));

    inside(&edge, || {
        let mut hosts = Hosts::open("e1", &edge).unwrap();
        assert_eq!(hosts.remove_others(&changed[..1]), []);
    });
    assert!(!run(&format!("ip -n {edge} -br link")).contains("hx8"));
    inside(&edge, || {
        let mut hosts = Hosts::open("e1", &edge).unwrap();
        assert_eq!(hosts.remove_others(&[]), []);
    });
    assert!(!run(&format!("ip -n {edge} -br link")).contains("hx"));
    let left = list_named().unwrap().into_iter().filter(|name| name.starts_with(&format!("{edge}-a"))).count();
    assert_eq!(left, 0);
}

#[test]
fn a_port_that_loses_its_carrier_is_told_at_once() {
    if !can_make_namespaces() {
        return;
    }
    let prefix = Prefix::new();
    let (edge, far) = (prefix.namespace("e1"), prefix.namespace("far"));
    run(&format!("ip link add p0 netns {edge} type veth peer name c0 netns {far}"));
    run(&format!("ip -n {edge} link set p0 up"));
    run(&format!("ip -n {far} link set c0 up"));
    let (mut events, mut netlink) =
        inside(&edge, || (KernelEvents::open(&[Topic::Links]).unwrap(), Netlink::open().unwrap()));
    wait_for("carrier", Duration::from_secs(3), || netlink.link("p0").unwrap().unwrap().is_up, String::new);
    events.drain();
    let start = Instant::now();
    inside(&far, || {
        let mut far = Netlink::open().unwrap();
        let link = far.link("c0").unwrap().unwrap();
        far.delete_link(link.index).unwrap();
    });
    let mut took = None;
    wait_for(
        "the event",
        Duration::from_secs(3),
        || {
            let is_told = events.drain().iter().any(|event| match event {
                KernelEvent::Link(link) | KernelEvent::LinkGone(link) => link.name == "p0" && !link.is_up,
                _ => false,
            });
            took = took.or(is_told.then(|| start.elapsed()));
            is_told
        },
        String::new,
    );
    eprintln!("carrier loss told after {took:?}");
}

#[test]
fn a_neighbor_is_resolved_when_asked_for() {
    if !can_make_namespaces() {
        return;
    }
    let prefix = Prefix::new();
    let (edge, far) = (prefix.namespace("e1"), prefix.namespace("far"));
    run(&format!("ip link add p0 netns {edge} type veth peer name c0 netns {far}"));
    run(&format!("ip -n {edge} link set p0 up"));
    run(&format!("ip -n {far} link set c0 up"));
    run(&format!("ip -n {edge} addr add 192.0.2.1/30 dev p0"));
    run(&format!("ip -n {far} addr add 192.0.2.2/30 dev c0"));
    let (mut events, mut netlink) =
        inside(&edge, || (KernelEvents::open(&[Topic::Neighbors]).unwrap(), Netlink::open().unwrap()));
    let index = netlink.link("p0").unwrap().unwrap().index;
    let peer = "192.0.2.2".parse().unwrap();
    assert_eq!(netlink.lookup(peer).unwrap().map(|hop| (hop.index, hop.neighbor)), Some((index, peer)));
    assert_eq!(netlink.lookup("203.0.113.1".parse().unwrap()).unwrap(), None);
    netlink.probe_neighbor(index, peer).unwrap();
    wait_for(
        "the neighbour",
        Duration::from_secs(5),
        || {
            events.drain().iter().any(|event| match event {
                KernelEvent::Neighbor(neighbor) => neighbor.address == peer && neighbor.mac.is_some(),
                _ => false,
            })
        },
        || run(&format!("ip -n {edge} neigh")),
    );
}

//! How a data plane begins, changes and ends: what is missing is named, one bad part fails alone, and nothing is left.

mod nodes;

use std::path::Path;

use causeway_edge::dataplane::layout::{AttachmentEntry, ROUTE_GROUP, ROUTE_LOCAL, bytes_of, from_bytes};
use causeway_edge::dataplane::{DEFAULT_ROOT, Dataplane, HostAttachment, Options, Port, XdpDataplane, unpin_all};
use causeway_edge_types::{AttachmentId, Encapsulation, Tags, VrfId};
use causeway_router::{FibChange, GroupId, RouteTarget};
use libbpf_rs::{MapCore, MapFlags};
use nodes::bench::{Bench, XDP_DROP, XDP_REDIRECT, from_customer, group, host_mac, ip, route};
use nodes::packets::{datagram, ethernet};
use nodes::{Node, TestEdge, can_run};

#[test]
fn without_privileges_the_error_names_what_is_missing() {
    if !can_run() {
        return;
    }
    let edge = TestEdge::new("plain");
    let (id, options) = (edge.id.clone(), edge.options());
    let error = std::thread::spawn(move || {
        // The system call, since the library's function would take the privileges from every thread.
        // SAFETY: it takes numbers only.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, -1, 65534, -1) }, 0);
        XdpDataplane::open(&id, &options).err().map(|error| format!("{error:#}"))
    });
    let error = error.join().expect("the thread").expect("it can't be opened");
    for word in ["CAP_NET_ADMIN", "CAP_SYS_ADMIN", "root"] {
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_driver_without_xdp_gets_it_in_the_stack_and_another_s_program_stays() {
    if !can_run() {
        return;
    }
    let node = Node::new();
    node.sh("ip link add p0 type veth peer name p0x; ip link set p0 up; ip link set p0x up");
    let (edge, other) = (TestEdge::new("modes"), TestEdge::new("other"));
    let (p0, mac) = node.interface("p0");
    let ids = (edge.id.clone(), other.id.clone(), edge.options());
    node.run(move || {
        let port = |name: &str, ifindex| Port { name: name.into(), ifindex, mac, is_fabric: false };
        let ports = [port("lo", 1), port("p0", p0)];
        let mut first = XdpDataplane::open(&ids.0, &ids.2).expect("it opens");
        first.configure(&ports, &[], &[]).expect("both take a program");
        assert_eq!(first.port_mode(&"lo".into()), "generic");
        assert_eq!(first.port_mode(&"p0".into()), "native");
        assert_eq!(first.port_mode(&"p9".into()), "none");

        let mut second = XdpDataplane::open(&ids.1, &ids.2).expect("it opens");
        let error = second.configure(&ports[1..], &[], &[]).expect_err("the port is taken").to_string();
        assert!(error.contains("another XDP program"), "{error}");
        assert_eq!(second.port_mode(&"p0".into()), "none");
        assert_eq!(first.port_mode(&"p0".into()), "native");
    });
}

#[test]
fn one_bad_part_fails_alone() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("alone");
    let error = bench.with(|dataplane, ports, mut attachments, cross| {
        attachments[1].attachment.encapsulation =
            Encapsulation::Port { port: "p7".into(), tags: Tags { s_tag: Some(1), c_tag: Some(1) } };
        Ok(dataplane.configure(&ports, &attachments, &cross).expect_err("no such port").to_string())
    });
    assert!(error.contains("attachment 2") && error.contains("p7"), "{error}");
    let packet = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, &[0; 40]);
    assert_eq!(bench.put(bench.p0, false, &from_customer(1, &packet)).action, XDP_REDIRECT);
    // The second customer had an attachment here before; it is gone at once, and is no one else's.
    let verdict = bench.put(bench.p0, false, &from_customer(2, &packet));
    assert_eq!((verdict.action, verdict.reason.as_deref()), (XDP_DROP, Some("unknown_tags")));
}

#[test]
fn changes_that_make_no_sense_are_refused_and_the_others_done() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("nonsense");
    let error = bench.with(|dataplane, _, _, _| {
        let short = FibChange::Group { group: GroupId(900), buckets: vec![] };
        let FibChange::Group { buckets, .. } = group(1, 1, "192.0.2.2") else { unreachable!() };
        let changes = [
            route(1, "198.18.0.0/24", RouteTarget::Group(GroupId(999))),
            FibChange::Group { group: GroupId(901), buckets: buckets[..3].to_vec() },
            short,
            route(1, "198.18.1.0/24", RouteTarget::Group(GroupId(101))),
            FibChange::RouteRemoved { vrf: VrfId(1), prefix: "198.18.2.0/24".parse()? },
            FibChange::RouteRemoved { vrf: VrfId(99), prefix: "198.18.2.0/24".parse()? },
            FibChange::GroupRemoved(GroupId(77)),
            FibChange::VrfComplete(VrfId(99)),
        ];
        Ok(dataplane.apply(&changes).expect_err("two of them are wrong").to_string())
    });
    assert!(error.contains("group 999") && error.contains("3 buckets"), "{error}");
    let routes = bench.with(|dataplane, _, _, _| dataplane.routes(VrfId(1)));
    let has = |prefix: &str| routes.iter().any(|(there, _)| there.to_string() == prefix);
    assert!(has("198.18.1.0/24") && !has("198.18.0.0/24"));
}

#[test]
fn how_a_far_end_is_reached_is_said_once_and_holds_for_a_tunnel_that_comes_later() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("back");
    let packet = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, &[0; 40]);
    // The only tunnel to it can't be made for a while.
    bench.with(|dataplane, ports, mut attachments, cross| {
        attachments.retain(|one| one.attachment.id != AttachmentId(3));
        dataplane.configure(&ports, &attachments, &cross)
    });
    bench.with(|dataplane, ports, attachments, cross| dataplane.configure(&ports, &attachments, &cross));
    bench.fill_neighbors();
    let verdict = bench.put(bench.p0, false, &from_customer(1, &packet));
    assert_eq!((verdict.action, verdict.reason), (XDP_REDIRECT, None));
}

#[test]
fn a_vrf_that_is_full_says_so_and_keeps_what_it_has() {
    if !can_run() {
        return;
    }
    let node = Node::new();
    node.sh("ip link add hx1 type veth peer name host; ip link set hx1 up; ip link add p0 type veth peer name p0x");
    let edge = TestEdge::new("full");
    let (id, options) = (edge.id.clone(), Options { routes_per_vrf: 10, ..edge.options() });
    let attachment = attachment_on_p0(node.interface("hx1").0);
    let (p0, mac) = node.interface("p0");
    node.run(move || {
        let mut dataplane = XdpDataplane::open(&id, &options).expect("it opens");
        let ports = [Port { name: "p0".into(), ifindex: p0, mac, is_fabric: false }];
        dataplane.configure(&ports, &[attachment], &[]).expect("configured");
        let mut changes = vec![group(1, 1, "192.0.2.2")];
        changes.extend((0..20).map(|index| route(1, &format!("10.0.{index}.0/24"), RouteTarget::Group(GroupId(1)))));
        let error = dataplane.apply(&changes).expect_err("twenty are too many").to_string();
        assert!(error.contains("no more than 10 routes"), "{error}");
        // One of the ten is the edge's own address.
        assert_eq!(dataplane.routes(VrfId(1)).expect("readable").len(), 10);
    });
}

fn attachment_on_p0(host_ifindex: u32) -> HostAttachment {
    HostAttachment {
        attachment: causeway_edge_types::Attachment {
            id: AttachmentId(1),
            vrf: VrfId(1),
            encapsulation: Encapsulation::Port { port: "p0".into(), tags: Tags::default() },
            addresses: vec!["192.0.2.1/30".parse().expect("a subnet")],
            on_link: vec![],
            mtu: 1500,
            label: String::new(),
        },
        host_ifindex,
        host_mac: host_mac(1),
    }
}

#[test]
fn the_edge_s_own_address_wins_over_a_route_to_it_and_gives_it_back() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("own");
    let kind_at = |bench: &mut Bench, prefix: &'static str| {
        let routes = bench.with(|dataplane, _, _, _| dataplane.routes(VrfId(1)));
        routes.into_iter().find(|(there, _)| there.to_string() == prefix).map(|(_, entry)| entry.kind)
    };
    assert_eq!(kind_at(&mut bench, "192.0.2.1/32"), Some(ROUTE_LOCAL));
    // A peer tells a route to our own address, and one to what will be ours in a moment.
    bench.with(|dataplane, ports, mut attachments, cross| {
        dataplane.apply(&[
            route(1, "192.0.2.1/32", RouteTarget::Group(GroupId(103))),
            route(1, "192.0.2.5/32", RouteTarget::Group(GroupId(103))),
        ])?;
        attachments[0].attachment.addresses.push("192.0.2.5/30".parse()?);
        dataplane.configure(&ports, &attachments, &cross)
    });
    assert_eq!(kind_at(&mut bench, "192.0.2.1/32"), Some(ROUTE_LOCAL));
    assert_eq!(kind_at(&mut bench, "192.0.2.5/32"), Some(ROUTE_LOCAL));
    // The addresses go, the peer's routes are still there; then they go as well.
    bench.with(|dataplane, ports, mut attachments, cross| {
        attachments[0].attachment.addresses.clear();
        dataplane.configure(&ports, &attachments, &cross)
    });
    assert_eq!(kind_at(&mut bench, "192.0.2.1/32"), Some(ROUTE_GROUP));
    assert_eq!(kind_at(&mut bench, "192.0.2.5/32"), Some(ROUTE_GROUP));
    bench.with(|dataplane, _, _, _| {
        dataplane.apply(&[FibChange::RouteRemoved { vrf: VrfId(1), prefix: "192.0.2.1/32".parse()? }])
    });
    assert_eq!(kind_at(&mut bench, "192.0.2.1/32"), None);
}

#[test]
fn what_is_taken_away_leaves_nothing_for_those_who_come_after() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("gone");
    let packet = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, &[0; 40]);
    assert_eq!(bench.put(bench.p0, false, &from_customer(2, &packet)).action, XDP_REDIRECT);
    let usage = bench.with(|dataplane, ports, mut attachments, cross| {
        attachments.retain(|attachment| attachment.attachment.vrf != VrfId(2));
        dataplane.configure(&ports, &attachments, &cross)?;
        Ok(dataplane.usage())
    });
    assert_eq!((usage.attachments, usage.neighbors), (5, 4), "two attachments and their neighbours are gone");
    // Another customer gets the same number, VRF and tags: nothing of the first one's is there, not even the counters.
    bench.with(|dataplane, ports, attachments, cross| dataplane.configure(&ports, &attachments, &cross));
    assert_eq!(
        bench.counters(2),
        causeway_edge_types::AttachmentCounters { attachment: AttachmentId(2), ..Default::default() }
    );
    let verdict = bench.put(bench.p0, false, &from_customer(2, &packet));
    assert_eq!(verdict.reason.as_deref(), Some("no_route"));
}

#[test]
fn nothing_is_left_after_unpinning_and_tables_of_another_shape_are_not_adopted() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("unpin");
    let directory = Path::new(DEFAULT_ROOT).join(&bench.edge.id.0);
    assert!(directory.join("v1/links").join(bench.p0.to_string()).exists(), "the link is pinned");
    let foreign = directory.join("v999");
    std::fs::create_dir(&foreign).expect("a directory of another layout");

    bench.dataplane = None;
    bench.open();
    assert!(bench.dataplane.as_ref().expect("open").is_adopted());
    assert!(!foreign.exists(), "pins of another layout are removed");
    bench.with(|dataplane, ports, attachments, cross| dataplane.configure(&ports, &attachments, &cross));

    bench.dataplane = None;
    let (id, options) = (bench.edge.id.clone(), Options { max_attachments: 128, ..bench.edge.options() });
    let larger = bench.node.run(move || XdpDataplane::open(&id, &options)).expect("it opens");
    assert!(!larger.is_adopted());
    assert_eq!(larger.usage().attachments, 0);
    drop(larger);

    bench.open();
    bench.with(|dataplane, ports, attachments, cross| dataplane.configure(&ports, &attachments, &cross));
    bench.dataplane = None;
    assert!(bench.node.sh("ip link show p0").contains("xdp"), "the program outlives the process");
    unpin_all(Path::new(DEFAULT_ROOT), &bench.edge.id).expect("everything can be removed");
    assert!(!directory.exists());
    assert!(!bench.node.sh("ip link show p0").contains("xdp"));
    unpin_all(Path::new(DEFAULT_ROOT), &bench.edge.id).expect("nothing to remove is no error");
}

#[test]
fn a_new_host_interface_takes_over_from_one_that_vanished() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("vanish");
    bench.dataplane = None;
    bench.node.sh("ip link del hx1; ip link add hx1 type veth peer name hx1x; ip link set hx1 up; ip link set hx1x up");
    bench.hosts[0] = bench.node.interface("hx1").0;
    bench.open();
    bench.with(|dataplane, ports, attachments, cross| dataplane.configure(&ports, &attachments, &cross));
    let arp = ethernet([0xff; 6], nodes::bench::CUSTOMER, &[100, 10], 0x0806, &[0; 28]);
    assert_eq!(bench.put(bench.p0, false, &arp).action, XDP_REDIRECT);
    let frame = ethernet(nodes::bench::CUSTOMER, host_mac(1), &[], 0x0806, &[0; 28]);
    assert_eq!(bench.put(bench.hosts[0], true, &frame).action, XDP_REDIRECT);
    let links = Path::new(DEFAULT_ROOT).join(&bench.edge.id.0).join("v1/links");
    assert_eq!(std::fs::read_dir(links).expect("readable").count(), 8, "three ports and five host interfaces");
}

#[test]
fn a_number_that_passes_to_another_attachment_takes_no_frames_along() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("number");
    let packet = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, &[0; 40]);
    let tunnelled = ethernet(host_mac(3), nodes::bench::GATEWAY, &[], 0x0800, &packet);
    let tunnelled = bench.tunnel_in(3).wrap(&tunnelled);
    let crossed = ethernet(host_mac(1), nodes::bench::CUSTOMER, &[7], 0x0800, &packet);
    let own = ethernet(nodes::bench::CUSTOMER, host_mac(1), &[], 0x0806, &[0; 28]);
    let (p0, f0, hx1) = (bench.p0, bench.f0, bench.hosts[0]);
    // The tables as they are in the middle of such a change: the number's entry is new, the ways in are still the old.
    type Case<'a> = (u32, u32, bool, &'a [u8], &'a str, fn(&mut AttachmentEntry));
    let cases: [Case<'_>; 6] = [
        (1, p0, false, &from_customer(1, &packet), "unknown_tags", |entry| entry.c_tag = 11),
        (1, p0, false, &from_customer(1, &packet), "unknown_tags", |entry| entry.port_ifindex += 1),
        (10, p0, false, &crossed, "unknown_tags", |entry| entry.vni = 8),
        (3, f0, false, &tunnelled, "unknown_tunnel", |entry| entry.vni += 1),
        (3, f0, false, &tunnelled, "unknown_tunnel", |entry| entry.remote[15] += 1),
        (1, hx1, true, &own, "next_hop_down", |entry| entry.host_ifindex += 1),
    ];
    for (id, ifindex, is_host, frame, reason, change) in cases {
        let before = bench.put(ifindex, is_host, frame);
        assert!(before.reason.as_deref().is_none_or(|other| other == "no_route"), "{:?}", before.reason);
        let poke = move |table: libbpf_rs::MapHandle, entry: AttachmentEntry| {
            table.update(&id.to_ne_bytes(), bytes_of(&entry), MapFlags::ANY)
        };
        let old = bench.with(move |dataplane, _, _, _| {
            let table = dataplane.loaded().table("attachments")?;
            let bytes = table.lookup(&id.to_ne_bytes(), MapFlags::ANY)?.expect("an array has every index");
            let old: AttachmentEntry = from_bytes(&bytes).expect("an entry");
            let mut new = old;
            change(&mut new);
            poke(table, new)?;
            Ok(old)
        });
        let verdict = bench.put(ifindex, is_host, frame);
        assert_eq!((verdict.action, verdict.reason.as_deref()), (XDP_DROP, Some(reason)), "attachment {id}");
        bench.with(move |dataplane, _, _, _| Ok(poke(dataplane.loaded().table("attachments")?, old)?));
    }
}

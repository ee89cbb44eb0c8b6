//! Packet in, verdict and packet out, byte for byte, by BPF_PROG_TEST_RUN: the program alone, without a second machine.
//!
//! ```text
//!   p0 ── tags 100.10 ── attachment 1, VRF 1      f0 ── VNI 5001 ── attachment 3, VRF 1
//!      ── tags 100.20 ── attachment 2, VRF 2         ── VNI 5002 ── attachment 4, VRF 2 (IPv6 underlay)
//!      ── no tags     ── attachment 5, VRF 3 with a network on its link
//!   p0 ── tag 7       ── cross-connect 10/11 ── p1 ── tags 200.7
//! ```
//! VRFs 1 and 2 have the same prefixes and the same addresses, and lead elsewhere.

mod nodes;

use std::net::IpAddr;
use std::os::fd::AsRawFd;

use causeway_edge::dataplane::{Dataplane, HostAttachment, Port, UnderlayHop, XdpDataplane, flow_seed};
use causeway_edge_types::{Attachment, AttachmentId, CrossConnect, Encapsulation, TaggedPort, Tags, Vni, VrfId};
use causeway_router::{FibChange, GROUP_BUCKETS, GroupId, NextHop, RouteTarget};
use nodes::packets::{Mac, Outer, datagram, ethernet, flow_hash, ipv4, kind_of, one_hop_on, tunnel_port, udp};
use nodes::{Node, TestEdge, can_run};

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;

const CUSTOMER: Mac = [2, 0, 0, 0, 0, 0xaa];
const OTHER_CUSTOMER: Mac = [2, 0, 0, 0, 0, 0xbb];
const GATEWAY: Mac = [2, 0, 0, 0, 0, 0xcc];
const OTHER_GATEWAY: Mac = [2, 0, 0, 0, 0, 0xdd];
const HOST: Mac = [2, 0, 0, 0, 0, 0xee];
const SPINE: Mac = [2, 0, 0, 0, 0, 0xf0];
const BROADCAST: Mac = [0xff; 6];

/// The kernel's end of an attachment's host interface.
fn host_mac(attachment: u32) -> Mac {
    [2, 0, 0, 0, 1, attachment as u8]
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

struct Bench {
    node: Node,
    edge: TestEdge,
    dataplane: Option<XdpDataplane>,
    p0: u32,
    p1: u32,
    f0: u32,
    f0_mac: Mac,
    hosts: Vec<u32>,
}

struct Verdict {
    action: u32,
    packet: Vec<u8>,
    reason: Option<String>,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let node = Node::new();
        for port in ["p0", "p1", "f0", "hx1", "hx2", "hx3", "hx4", "hx5"] {
            node.sh(&format!(
                "ip link add {port} type veth peer name {port}x && ip link set {port} up && ip link set {port}x up"
            ));
        }
        let hosts = (1..=5).map(|id| node.interface(&format!("hx{id}")).0).collect();
        let (f0, f0_mac) = node.interface("f0");
        let (p0, p1) = (node.interface("p0").0, node.interface("p1").0);
        let mut bench = Bench { node, edge: TestEdge::new(name), dataplane: None, p0, p1, f0, f0_mac, hosts };
        bench.open();
        bench.with(|dataplane, ports, attachments, cross| dataplane.configure(&ports, &attachments, &cross));
        bench.fill();
        bench
    }

    fn open(&mut self) {
        let (id, options) = (self.edge.id.clone(), self.edge.options());
        self.dataplane = Some(self.node.run(move || XdpDataplane::open(&id, &options)).expect("the data plane opens"));
    }

    /// Runs something with the data plane in the namespace.
    fn with<T: Send + 'static>(
        &mut self,
        task: impl FnOnce(&mut XdpDataplane, Vec<Port>, Vec<HostAttachment>, Vec<CrossConnect>) -> anyhow::Result<T>
        + Send
        + 'static,
    ) -> T {
        let mut dataplane = self.dataplane.take().expect("open");
        let (ports, attachments, cross) = (self.ports(), self.attachments(), cross_connects());
        let (dataplane, result) = self.node.run(move || {
            let result = task(&mut dataplane, ports, attachments, cross);
            (dataplane, result)
        });
        self.dataplane = Some(dataplane);
        result.expect("the data plane does what it is asked")
    }

    fn ports(&self) -> Vec<Port> {
        let port = |name: &str, ifindex, is_fabric| Port { name: name.into(), ifindex, mac: self.f0_mac, is_fabric };
        vec![port("p0", self.p0, false), port("p1", self.p1, false), port("f0", self.f0, true)]
    }

    fn attachments(&self) -> Vec<HostAttachment> {
        let on_port = |s_tag, c_tag| Encapsulation::Port { port: "p0".into(), tags: Tags { s_tag, c_tag } };
        let tunnel = |vni, local: &str, remote: &str| Encapsulation::Vxlan {
            vni: Vni(vni),
            local: ip(local),
            remote: ip(remote),
        };
        let attachment = |id: u32, vrf, encapsulation, addresses: &[&str]| HostAttachment {
            attachment: Attachment {
                id: AttachmentId(id),
                vrf: VrfId(vrf),
                encapsulation,
                addresses: addresses.iter().map(|text| text.parse().expect("a subnet")).collect(),
                on_link: vec![],
                mtu: 1400,
                label: String::new(),
            },
            host_ifindex: self.hosts[id as usize - 1],
            host_mac: host_mac(id),
        };
        vec![
            attachment(1, 1, on_port(Some(100), Some(10)), &["192.0.2.1/30", "2001:db8:1::1/126"]),
            attachment(2, 2, on_port(Some(100), Some(20)), &["192.0.2.1/30", "2001:db8:1::1/126"]),
            attachment(3, 1, tunnel(5001, "10.0.0.1", "10.0.0.2"), &["192.0.2.9/30"]),
            attachment(4, 2, tunnel(5002, "fd00::1", "fd00::2"), &["192.0.2.9/30"]),
            attachment(5, 3, on_port(None, None), &["198.51.100.1/24", "2001:db8:5::1/64"]),
        ]
    }

    fn fill(&mut self) {
        let (f0, f0_mac) = (self.f0, self.f0_mac);
        self.with(move |dataplane, _, _, _| {
            let mac = |id, address: &str, mac| (AttachmentId(id), ip(address), mac);
            for (attachment, address, mac) in [
                mac(1, "192.0.2.2", CUSTOMER),
                mac(2, "192.0.2.2", OTHER_CUSTOMER),
                mac(3, "192.0.2.10", GATEWAY),
                mac(4, "192.0.2.10", OTHER_GATEWAY),
                mac(5, "198.51.100.7", HOST),
                mac(5, "2001:db8:5::7", HOST),
            ] {
                dataplane.set_neighbor(attachment, address, Some(mac))?;
            }
            let hop = UnderlayHop { ifindex: f0, source_mac: f0_mac, destination_mac: SPINE };
            dataplane.set_underlay(ip("10.0.0.2"), Some(hop))?;
            dataplane.set_underlay(ip("fd00::2"), Some(hop))?;
            dataplane.apply(&routes())
        });
    }

    /// Puts a frame in on an interface and sees what the program does with it.
    fn put(&mut self, ifindex: u32, is_host: bool, frame: &[u8]) -> Verdict {
        let before = self.drops();
        let frame = frame.to_vec();
        let (action, packet) = self.with(move |dataplane, _, _, _| {
            let loaded = dataplane.loaded();
            let program = if is_host { loaded.host_program()? } else { loaded.port_program()? };
            // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex
            let mut context = Vec::new();
            for word in [0, frame.len() as u32, 0, ifindex, 0, 0] {
                context.extend(word.to_ne_bytes());
            }
            let mut out = vec![0; 4096];
            let mut options = libbpf_sys::bpf_test_run_opts {
                sz: size_of::<libbpf_sys::bpf_test_run_opts>() as _,
                data_in: frame.as_ptr().cast(),
                data_size_in: frame.len() as u32,
                data_out: out.as_mut_ptr().cast(),
                data_size_out: out.len() as u32,
                ctx_in: context.as_mut_ptr().cast(),
                ctx_size_in: context.len() as u32,
                repeat: 1,
                ..Default::default()
            };
            use std::os::fd::AsFd;
            // SAFETY: every buffer is as long as we say and lives until the call returns.
            let result = unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_fd().as_raw_fd(), &mut options) };
            anyhow::ensure!(result == 0, "BPF_PROG_TEST_RUN: {}", std::io::Error::last_os_error());
            out.truncate(options.data_size_out as usize);
            Ok((options.retval, out))
        });
        let reason = self.drops().into_iter().zip(before).find(|(now, then)| now.1 != then.1).map(|(now, _)| now.0);
        Verdict { action, packet, reason }
    }

    fn drops(&mut self) -> Vec<(String, u64)> {
        let (_, drops) = self.with(|dataplane, _, _, _| dataplane.counters());
        drops.into_iter().map(|drop| (drop.reason, drop.packets)).collect()
    }

    fn counters(&mut self, attachment: u32) -> causeway_edge_types::AttachmentCounters {
        let (counters, _) = self.with(|dataplane, _, _, _| dataplane.counters());
        counters.into_iter().find(|one| one.attachment == AttachmentId(attachment)).expect("it is configured")
    }

    #[track_caller]
    fn expect_out(&mut self, ifindex: u32, frame: &[u8], expected: &[u8]) {
        let verdict = self.put(ifindex, false, frame);
        assert_eq!(verdict.reason, None, "it was dropped");
        assert_eq!(verdict.action, XDP_REDIRECT);
        assert_eq!(hex(&verdict.packet), hex(expected));
    }

    #[track_caller]
    fn expect_drop(&mut self, ifindex: u32, frame: &[u8], reason: &str) {
        let verdict = self.put(ifindex, false, frame);
        assert_eq!(verdict.reason.as_deref(), Some(reason));
        assert_eq!(verdict.action, XDP_DROP);
        assert_eq!(hex(&verdict.packet), hex(frame), "a dropped frame is not touched");
    }

    /// The tunnel of attachment 3 (IPv4) or 4 (IPv6), as it leaves.
    fn tunnel_out(&self, attachment: u32, packet: &[u8]) -> Outer {
        let (source, destination, vni) = match attachment {
            3 => (ip("10.0.0.1"), ip("10.0.0.2"), 5001),
            _ => (ip("fd00::1"), ip("fd00::2"), 5002),
        };
        let source_port = tunnel_port(flow_hash(flow_seed(&self.edge.id), packet));
        Outer { destination_mac: SPINE, source_mac: self.f0_mac, source, destination, vni, source_port }
    }

    fn tunnel_in(&self, attachment: u32) -> Outer {
        let out = self.tunnel_out(attachment, &datagram(ip("192.0.2.2"), ip("192.0.2.1"), 1, &[]));
        Outer {
            destination_mac: self.f0_mac,
            source_mac: SPINE,
            source: out.destination,
            destination: out.source,
            source_port: 55555,
            ..out
        }
    }
}

fn cross_connects() -> Vec<CrossConnect> {
    let side = |port: &str, s_tag, c_tag| TaggedPort { port: port.into(), tags: Tags { s_tag, c_tag } };
    vec![CrossConnect {
        id: AttachmentId(10),
        reverse_id: AttachmentId(11),
        access: side("p0", None, Some(7)),
        uplink: side("p1", Some(200), Some(7)),
        label: String::new(),
    }]
}

fn group(id: u32, attachment: u32, address: &str) -> FibChange {
    let hop = NextHop { attachment: AttachmentId(attachment), address: ip(address) };
    FibChange::Group { group: GroupId(id), buckets: vec![hop; GROUP_BUCKETS] }
}

fn route(vrf: u32, prefix: &str, target: RouteTarget) -> FibChange {
    FibChange::Route { vrf: VrfId(vrf), prefix: prefix.parse().expect("a prefix"), target }
}

fn routes() -> Vec<FibChange> {
    let mut changes = vec![
        group(101, 1, "192.0.2.2"),
        group(102, 2, "192.0.2.2"),
        group(103, 3, "192.0.2.10"),
        group(104, 4, "192.0.2.10"),
        FibChange::Group { group: GroupId(105), buckets: vec![] },
        group(106, 1, "192.0.2.99"),
    ];
    for (vrf, customer, cloud) in [(1, 101, 103), (2, 102, 104)] {
        changes.push(route(vrf, "203.0.113.0/24", RouteTarget::Group(GroupId(customer))));
        changes.push(route(vrf, "2001:db8:aaaa::/48", RouteTarget::Group(GroupId(customer))));
        changes.push(route(vrf, "10.20.0.0/16", RouteTarget::Group(GroupId(cloud))));
        changes.push(route(vrf, "2001:db8:cccc::/48", RouteTarget::Group(GroupId(cloud))));
    }
    changes.extend([
        route(1, "10.20.9.0/24", RouteTarget::Group(GroupId(105))),
        route(1, "10.20.8.0/24", RouteTarget::Group(GroupId(106))),
        route(1, "10.20.7.0/24", RouteTarget::OnLink(AttachmentId(5))),
        route(3, "198.51.100.0/24", RouteTarget::OnLink(AttachmentId(5))),
        route(3, "2001:db8:5::/64", RouteTarget::OnLink(AttachmentId(5))),
    ]);
    changes
}

/// A frame from the customer of attachment 1 or 2.
fn from_customer(attachment: u32, packet: &[u8]) -> Vec<u8> {
    let (mac, c_tag) = if attachment == 1 { (CUSTOMER, 10) } else { (OTHER_CUSTOMER, 20) };
    ethernet(host_mac(attachment), mac, &[100, c_tag], kind_of(packet), packet)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

const PAYLOAD: &[u8] = b"a payload that is long enough for any Ethernet";

#[test]
fn tagged_frames_go_into_the_tunnel_of_their_own_vrf() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("into");
    let v4 = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, PAYLOAD);
    let v6 = datagram(ip("2001:db8:aaaa::5"), ip("2001:db8:cccc::1"), 64, PAYLOAD);
    for packet in [&v4, &v6] {
        for (attachment, tunnel, gateway) in [(1, 3, GATEWAY), (2, 4, OTHER_GATEWAY)] {
            let inner = ethernet(gateway, host_mac(tunnel), &[], kind_of(packet), &one_hop_on(packet));
            let expected = bench.tunnel_out(tunnel, packet).wrap(&inner);
            bench.expect_out(bench.p0, &from_customer(attachment, packet), &expected);
        }
    }
    let bytes = (v4.len() + v6.len()) as u64;
    for (attachment, is_in) in [(1, true), (2, true), (3, false), (4, false)] {
        let counters = bench.counters(attachment);
        let (seen, none) = if is_in {
            ((counters.packets_in, counters.bytes_in), (counters.packets_out, counters.bytes_out))
        } else {
            ((counters.packets_out, counters.bytes_out), (counters.packets_in, counters.bytes_in))
        };
        assert_eq!((seen, none), ((2, bytes), (0, 0)), "attachment {attachment}");
    }
}

#[test]
fn tunnelled_frames_leave_by_the_port_of_their_own_vrf() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("outof");
    let v4 = datagram(ip("10.20.1.1"), ip("203.0.113.5"), 64, PAYLOAD);
    let v6 = datagram(ip("2001:db8:cccc::1"), ip("2001:db8:aaaa::5"), 2, PAYLOAD);
    for packet in [&v4, &v6] {
        for (tunnel, attachment, customer, c_tag) in [(3, 1, CUSTOMER, 10), (4, 2, OTHER_CUSTOMER, 20)] {
            let inner = ethernet(host_mac(tunnel), GATEWAY, &[], kind_of(packet), packet);
            let expected =
                ethernet(customer, host_mac(attachment), &[100, c_tag], kind_of(packet), &one_hop_on(packet));
            bench.expect_out(bench.f0, &bench.tunnel_in(tunnel).wrap(&inner), &expected);
        }
    }
}

#[test]
fn what_is_for_the_edge_goes_to_the_host_interface_without_tags() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("host");
    let arp = [0u8; 28];
    for destination in [BROADCAST, host_mac(1)] {
        let frame = ethernet(destination, CUSTOMER, &[100, 10], 0x0806, &arp);
        bench.expect_out(bench.p0, &frame, &ethernet(destination, CUSTOMER, &[], 0x0806, &arp));
    }
    // A TTL of 1 is enough to reach the edge itself, as BGP's packets have it.
    for (source, own) in [("192.0.2.2", "192.0.2.1"), ("2001:db8:1::2", "2001:db8:1::1")] {
        let packet = datagram(ip(source), ip(own), 1, PAYLOAD);
        let expected = ethernet(host_mac(1), CUSTOMER, &[], kind_of(&packet), &packet);
        bench.expect_out(bench.p0, &from_customer(1, &packet), &expected);
    }
    let solicitation = datagram(ip("fe80::2"), ip("ff02::1:ff00:1"), 255, PAYLOAD);
    let group_mac = [0x33, 0x33, 0xff, 0, 0, 1];
    let frame = ethernet(group_mac, CUSTOMER, &[100, 10], 0x86dd, &solicitation);
    bench.expect_out(bench.p0, &frame, &ethernet(group_mac, CUSTOMER, &[], 0x86dd, &solicitation));
    let link_local = datagram(ip("fe80::2"), ip("fe80::1"), 255, PAYLOAD);
    bench.expect_out(
        bench.p0,
        &from_customer(1, &link_local),
        &ethernet(host_mac(1), CUSTOMER, &[], 0x86dd, &link_local),
    );
    let through_tunnel = datagram(ip("192.0.2.10"), ip("192.0.2.9"), 1, PAYLOAD);
    let inner = ethernet(host_mac(3), GATEWAY, &[], 0x0800, &through_tunnel);
    bench.expect_out(bench.f0, &bench.tunnel_in(3).wrap(&inner), &inner);
    assert_eq!(bench.counters(1).packets_to_host, 6);
    assert_eq!(bench.counters(1).packets_in, 0, "they are counted apart");
}

#[test]
fn the_kernel_s_own_frames_get_tags_or_tunnel() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("kernel");
    let packet = datagram(ip("192.0.2.1"), ip("192.0.2.2"), 1, PAYLOAD);
    let frame = ethernet(CUSTOMER, host_mac(1), &[], 0x0800, &packet);
    let verdict = bench.put(bench.hosts[0], true, &frame);
    assert_eq!(verdict.action, XDP_REDIRECT, "{:?}", verdict.reason);
    assert_eq!(hex(&verdict.packet), hex(&ethernet(CUSTOMER, host_mac(1), &[100, 10], 0x0800, &packet)));

    for tunnel in [3, 4] {
        let frame = ethernet(BROADCAST, host_mac(tunnel), &[], 0x0806, &[0; 28]);
        let verdict = bench.put(bench.hosts[tunnel as usize - 1], true, &frame);
        assert_eq!(verdict.action, XDP_REDIRECT, "{:?}", verdict.reason);
        // The flow's port and DSCP CS6 are the only differences from a customer's packet; take the port as it came.
        let mut expected = bench.tunnel_out(tunnel, &packet).wrap(&frame);
        let (service, port) = if tunnel == 3 { (15, 34) } else { (14, 54) };
        expected[port..port + 2].copy_from_slice(&verdict.packet[port..port + 2]);
        if tunnel == 3 {
            expected[service] = 0xc0;
            expected[24..26].fill(0);
            let sum = nodes::packets::checksum(&expected[14..34]).to_be_bytes();
            expected[24..26].copy_from_slice(&sum);
        } else {
            expected[service] = 0x6c;
        }
        assert_eq!(hex(&verdict.packet), hex(&expected));
    }
    assert_eq!(bench.counters(1).packets_out, 0, "they are no customer's packets");
}

#[test]
fn cross_connects_exchange_tags_both_ways_and_keep_the_priority() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("cross");
    let packet = datagram(ip("192.0.2.2"), ip("192.0.2.1"), 1, PAYLOAD);
    let with_priority = |tag: u16| 0xa000 | tag;
    let access = ethernet(HOST, CUSTOMER, &[with_priority(7)], 0x0800, &packet);
    let uplink = ethernet(HOST, CUSTOMER, &[with_priority(200), with_priority(7)], 0x0800, &packet);
    bench.expect_out(bench.p0, &access, &uplink);
    bench.expect_out(bench.p1, &uplink, &access);
    // Whatever is inside, IP or not.
    let odd = ethernet(BROADCAST, CUSTOMER, &[7], 0x88cc, PAYLOAD);
    bench.expect_out(bench.p0, &odd, &ethernet(BROADCAST, CUSTOMER, &[200, 7], 0x88cc, PAYLOAD));
    // An outer tag of 0x88a8 is understood as well.
    let mut service = uplink.clone();
    service[12..14].copy_from_slice(&[0x88, 0xa8]);
    bench.expect_out(bench.p1, &service, &access);
    let (there, back) = (bench.counters(10), bench.counters(11));
    assert_eq!((there.packets_in, there.packets_out), (2, 2));
    assert_eq!((back.packets_in, back.packets_out), (2, 2));
    assert_eq!(back.bytes_in, 2 * packet.len() as u64);
}

#[test]
fn hosts_on_the_link_are_reached_by_their_own_address_or_by_the_kernel_s_help() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("link");
    let from = |packet: &[u8]| ethernet(host_mac(5), SPINE, &[], kind_of(packet), packet);
    for (source, known) in [("198.51.100.9", "198.51.100.7"), ("2001:db8:5::9", "2001:db8:5::7")] {
        let packet = datagram(ip(source), ip(known), 64, PAYLOAD);
        let expected = ethernet(HOST, host_mac(5), &[], kind_of(&packet), &one_hop_on(&packet));
        bench.expect_out(bench.p0, &from(&packet), &expected);
    }
    // Nobody knows this one: the kernel gets it as it came, TTL and all, to resolve and to forward.
    let packet = datagram(ip("198.51.100.9"), ip("198.51.100.8"), 64, PAYLOAD);
    bench.expect_out(bench.p0, &from(&packet), &from(&packet));
    assert_eq!(bench.counters(5).packets_to_host, 1, "it is counted where it is resolved");
    assert_eq!((bench.counters(5).packets_in, bench.counters(5).packets_out), (2, 2));
}

#[test]
fn what_can_t_be_forwarded_is_dropped_and_counted_by_reason() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("drops");
    let (p0, f0) = (bench.p0, bench.f0);
    let to = |destination: &str, ttl| datagram(ip("203.0.113.5"), ip(destination), ttl, PAYLOAD);
    let good = to("10.20.1.1", 64);

    let tags = |tags: &[u16]| ethernet(host_mac(1), CUSTOMER, tags, 0x0800, &good);
    for unknown in [&[100, 30][..], &[101, 10], &[100], &[10], &[10, 100], &[0, 10], &[100, 0]] {
        bench.expect_drop(p0, &tags(unknown), "unknown_tags");
    }
    bench.expect_drop(bench.p1, &tags(&[]), "unknown_tags");
    bench.expect_drop(f0, &tags(&[100, 10]), "unknown_tags");

    bench.expect_drop(p0, &from_customer(1, &to("198.51.100.77", 64)), "no_route");
    bench.expect_drop(p0, &from_customer(1, &to("10.20.1.1", 1)), "ttl_expired");
    bench.expect_drop(p0, &from_customer(1, &to("10.20.9.1", 64)), "next_hop_down");
    bench.expect_drop(p0, &from_customer(1, &to("10.20.8.1", 64)), "neighbor_unknown");
    bench.expect_drop(p0, &from_customer(1, &to("10.20.7.1", 64)), "wrong_vrf");
    bench.expect_drop(p0, &from_customer(1, &to("192.0.2.9", 64)), "foreign_address");
    for nowhere in ["224.0.0.5", "255.255.255.255", "127.0.0.1", "0.0.0.1"] {
        bench.expect_drop(p0, &from_customer(1, &to(nowhere, 64)), "not_unicast");
    }
    for nobody in ["127.0.0.1", "0.0.0.0", "224.0.0.1"] {
        let packet = datagram(ip(nobody), ip("10.20.1.1"), 64, PAYLOAD);
        bench.expect_drop(p0, &from_customer(1, &packet), "bad_source");
    }
    for nobody in ["fe80::5", "::", "::1", "ff02::1"] {
        let packet = datagram(ip(nobody), ip("2001:db8:cccc::1"), 64, PAYLOAD);
        bench.expect_drop(p0, &from_customer(1, &packet), "bad_source");
    }
    let packet = datagram(ip("2001:db8:aaaa::5"), ip("ff05::1"), 64, PAYLOAD);
    bench.expect_drop(p0, &from_customer(1, &packet), "not_unicast");
    bench.expect_drop(p0, &ethernet(CUSTOMER, CUSTOMER, &[100, 10], 0x0800, &good), "wrong_mac");
    bench.expect_drop(p0, &ethernet(BROADCAST, CUSTOMER, &[100, 10], 0x0800, &good), "not_unicast");
    bench.expect_drop(p0, &ethernet(host_mac(1), CUSTOMER, &[100, 10], 0x8847, &good), "not_ip");

    // Exactly as large as the way out carries, and one byte more.
    let fits = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, &[0; 1400 - 28]);
    assert_eq!(bench.put(p0, false, &from_customer(1, &fits)).action, XDP_REDIRECT);
    let too_big = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, &[0; 1401 - 28]);
    bench.expect_drop(p0, &from_customer(1, &too_big), "too_big");

    let damage = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        from_customer(1, &packet)
    };
    bench.expect_drop(p0, &damage(0, 0x44), "malformed"); // a header of 16 bytes
    bench.expect_drop(p0, &damage(0, 0x65), "malformed"); // version 6 in an IPv4 frame
    bench.expect_drop(p0, &damage(2, 0x40), "malformed"); // longer than the frame
    let mut cut = from_customer(1, &good);
    cut.truncate(22 + 19);
    bench.expect_drop(p0, &cut, "malformed");

    let inner = ethernet(host_mac(3), GATEWAY, &[], 0x0800, &datagram(ip("10.20.1.1"), ip("203.0.113.5"), 64, PAYLOAD));
    let tunnel = bench.tunnel_in(3);
    bench.expect_drop(f0, &Outer { vni: 5003, ..tunnel }.wrap(&inner), "unknown_tunnel");
    bench.expect_drop(f0, &Outer { vni: 5002, ..tunnel }.wrap(&inner), "unknown_tunnel");
    bench.expect_drop(f0, &Outer { source: ip("10.0.0.3"), ..tunnel }.wrap(&inner), "unknown_tunnel");
    bench.expect_drop(f0, &Outer { destination: ip("10.0.0.9"), ..tunnel }.wrap(&inner), "unknown_tunnel");
    let mut stranger = inner.clone();
    stranger[5] = 0x77;
    bench.expect_drop(f0, &tunnel.wrap(&stranger), "wrong_mac");
    let tagged = ethernet(host_mac(3), GATEWAY, &[5], 0x0800, &good);
    bench.expect_drop(f0, &tunnel.wrap(&tagged), "unknown_tags");
    bench.with(|dataplane, _, _, _| dataplane.set_underlay(ip("10.0.0.2"), None));
    let verdict = bench.put(p0, false, &from_customer(1, &good));
    assert_eq!(verdict.reason.as_deref(), Some("no_underlay"));
}

#[test]
fn the_fabric_s_own_packets_are_the_kernel_s_and_no_other_port_s_are() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("fabric");
    let own = [
        ethernet(BROADCAST, SPINE, &[], 0x0806, &[0; 28]),
        ethernet(bench.f0_mac, SPINE, &[], 0x0800, &datagram(ip("10.0.0.2"), ip("10.0.0.1"), 64, PAYLOAD)),
        ethernet(bench.f0_mac, SPINE, &[], 0x86dd, &datagram(ip("fd00::2"), ip("fd00::1"), 64, PAYLOAD)),
        ethernet(
            bench.f0_mac,
            SPINE,
            &[],
            0x0800,
            &ipv4("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap(), 9, 1, PAYLOAD),
        ),
        ethernet([1, 0x80, 0xc2, 0, 0, 0xe], SPINE, &[], 0x88cc, PAYLOAD),
    ];
    for frame in own {
        assert_eq!(bench.put(bench.f0, false, &frame).action, XDP_PASS);
        bench.expect_drop(bench.p1, &frame, "unknown_tags");
    }
    let cut = ethernet(
        bench.f0_mac,
        SPINE,
        &[],
        0x0800,
        &ipv4("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap(), 9, 17, &udp(1, 4789, &[8, 0, 0, 0])),
    );
    bench.expect_drop(bench.f0, &cut, "malformed");
}

#[test]
fn flows_spread_over_buckets_and_fragments_stay_together() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("spread");
    bench.with(|dataplane, _, _, _| {
        let hop = |attachment, address: &str| NextHop { attachment: AttachmentId(attachment), address: ip(address) };
        let (one, other) = (hop(1, "192.0.2.2"), hop(3, "192.0.2.10"));
        let buckets = (0..GROUP_BUCKETS).map(|bucket| if bucket % 2 == 0 { one } else { other }).collect();
        dataplane.apply(&[FibChange::Group { group: GroupId(103), buckets }])
    });
    let seed = flow_seed(&bench.edge.id);
    let mut seen = [0, 0];
    for port in 0..40u16 {
        let inner = udp(1000 + port, 443, PAYLOAD);
        let mut packet = ipv4("203.0.113.5".parse().unwrap(), "10.20.1.1".parse().unwrap(), 64, 17, &inner);
        if port >= 38 {
            packet[6] = 0x20; // the first of several fragments: its ports must not count
        }
        let hash = flow_hash(seed, &packet);
        let expected = if hash.is_multiple_of(2) {
            ethernet(CUSTOMER, host_mac(1), &[100, 10], 0x0800, &one_hop_on(&packet))
        } else {
            let inner = ethernet(GATEWAY, host_mac(3), &[], 0x0800, &one_hop_on(&packet));
            bench.tunnel_out(3, &packet).wrap(&inner)
        };
        seen[hash as usize % 2] += 1;
        if port >= 38 {
            packet[10..12].fill(0);
            let sum = nodes::packets::checksum(&packet[..20]).to_be_bytes();
            packet[10..12].copy_from_slice(&sum);
            let expected_inner = one_hop_on(&packet);
            let verdict = bench.put(bench.p0, false, &from_customer(1, &packet));
            assert!(verdict.packet.ends_with(&expected_inner));
            continue;
        }
        bench.expect_out(bench.p0, &from_customer(1, &packet), &expected);
    }
    assert!(seen[0] > 5 && seen[1] > 5, "one of two next hops has nearly everything: {seen:?}");
}

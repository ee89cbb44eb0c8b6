//! One edge whose program is run by hand, with everything that a frame can meet.
//!
//! ```text
//!   p0 ── tags 100.10 ── attachment 1, VRF 1      f0 ── VNI 5001 ── attachment 3, VRF 1
//!      ── tags 100.20 ── attachment 2, VRF 2         ── VNI 5002 ── attachment 4, VRF 2 (IPv6 underlay)
//!      ── no tags     ── attachment 5, VRF 3 with a network on its link
//!   p0 ── tag 7       ── cross-connect 10/11 ── p1 ── tags 200.7
//! ```
//! VRFs 1 and 2 have the same prefixes and the same addresses, and lead elsewhere.
#![allow(dead_code)]

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use causeway_edge::dataplane::{Dataplane, HostAttachment, Port, UnderlayHop, XdpDataplane, flow_seed};
use causeway_edge_types::{
    Attachment, AttachmentCounters, AttachmentId, CrossConnect, Encapsulation, TaggedPort, Tags, Vni, VrfId,
};
use causeway_router::{FibChange, GROUP_BUCKETS, GroupId, NextHop, RouteTarget};

use super::packets::{Mac, Outer, datagram, ethernet, flow_hash, kind_of, tunnel_port};
use super::{Node, TestEdge};

pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
pub const XDP_REDIRECT: u32 = 4;

pub const CUSTOMER: Mac = [2, 0, 0, 0, 0, 0xaa];
pub const OTHER_CUSTOMER: Mac = [2, 0, 0, 0, 0, 0xbb];
pub const GATEWAY: Mac = [2, 0, 0, 0, 0, 0xcc];
pub const OTHER_GATEWAY: Mac = [2, 0, 0, 0, 0, 0xdd];
pub const HOST: Mac = [2, 0, 0, 0, 0, 0xee];
pub const SPINE: Mac = [2, 0, 0, 0, 0, 0xf0];
pub const BROADCAST: Mac = [0xff; 6];

/// The kernel's end of an attachment's host interface.
pub fn host_mac(attachment: u32) -> Mac {
    [2, 0, 0, 0, 1, attachment as u8]
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub struct Bench {
    pub node: Node,
    pub edge: TestEdge,
    pub dataplane: Option<XdpDataplane>,
    pub p0: u32,
    pub p1: u32,
    pub f0: u32,
    pub f0_mac: Mac,
    pub hosts: Vec<u32>,
}

pub struct Verdict {
    pub action: u32,
    pub packet: Vec<u8>,
    pub reason: Option<String>,
}

impl Bench {
    pub fn new(name: &str) -> Bench {
        let node = Node::new();
        // Or the kernel's own chatter on the ports would be counted among the frames that are put in.
        node.sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
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

    pub fn open(&mut self) {
        let (id, options) = (self.edge.id.clone(), self.edge.options());
        self.dataplane = Some(self.node.run(move || XdpDataplane::open(&id, &options)).expect("the data plane opens"));
    }

    /// Runs something with the data plane in the namespace.
    pub fn with<T: Send + 'static>(
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

    pub fn ports(&self) -> Vec<Port> {
        let port = |name: &str, ifindex, is_fabric| Port { name: name.into(), ifindex, mac: self.f0_mac, is_fabric };
        vec![port("p0", self.p0, false), port("p1", self.p1, false), port("f0", self.f0, true)]
    }

    pub fn attachments(&self) -> Vec<HostAttachment> {
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

    pub fn fill(&mut self) {
        let (f0, f0_mac) = (self.f0, self.f0_mac);
        self.with(move |dataplane, _, _, _| {
            for (attachment, address, mac) in neighbors() {
                dataplane.set_neighbor(attachment, address, Some(mac))?;
            }
            let hop = UnderlayHop { ifindex: f0, source_mac: f0_mac, destination_mac: SPINE };
            dataplane.set_underlay(ip("10.0.0.2"), Some(hop))?;
            dataplane.set_underlay(ip("fd00::2"), Some(hop))?;
            dataplane.apply(&routes())
        });
    }

    /// An attachment that comes back hears of its neighbours again.
    pub fn fill_neighbors(&mut self) {
        self.with(|dataplane, _, _, _| {
            neighbors().into_iter().try_for_each(|(id, address, mac)| dataplane.set_neighbor(id, address, Some(mac)))
        });
    }

    /// Puts a frame in on an interface and sees what the program does with it.
    pub fn put(&mut self, ifindex: u32, is_host: bool, frame: &[u8]) -> Verdict {
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
            // SAFETY: every buffer is as long as we say and lives until the call returns.
            let result = unsafe { libbpf_sys::bpf_prog_test_run_opts(program.as_fd().as_raw_fd(), &mut options) };
            anyhow::ensure!(result == 0, "BPF_PROG_TEST_RUN: {}", std::io::Error::last_os_error());
            out.truncate(options.data_size_out as usize);
            Ok((options.retval, out))
        });
        let reason = self.drops().into_iter().zip(before).find(|(now, then)| now.1 != then.1).map(|(now, _)| now.0);
        Verdict { action, packet, reason }
    }

    pub fn drops(&mut self) -> Vec<(String, u64)> {
        let (_, drops) = self.with(|dataplane, _, _, _| dataplane.counters());
        drops.into_iter().map(|drop| (drop.reason, drop.packets)).collect()
    }

    pub fn counters(&mut self, attachment: u32) -> AttachmentCounters {
        let (counters, _) = self.with(|dataplane, _, _, _| dataplane.counters());
        counters.into_iter().find(|one| one.attachment == AttachmentId(attachment)).expect("it is configured")
    }

    #[track_caller]
    pub fn expect_out(&mut self, ifindex: u32, frame: &[u8], expected: &[u8]) {
        let verdict = self.put(ifindex, false, frame);
        assert_eq!(verdict.reason, None, "it was dropped");
        assert_eq!(verdict.action, XDP_REDIRECT);
        assert_eq!(hex(&verdict.packet), hex(expected));
    }

    #[track_caller]
    pub fn expect_drop(&mut self, ifindex: u32, frame: &[u8], reason: &str) {
        let verdict = self.put(ifindex, false, frame);
        assert_eq!(verdict.reason.as_deref(), Some(reason));
        assert_eq!(verdict.action, XDP_DROP);
        assert_eq!(hex(&verdict.packet), hex(frame), "a dropped frame is not touched");
    }

    /// The tunnel of attachment 3 (IPv4) or 4 (IPv6), as it leaves.
    pub fn tunnel_out(&self, attachment: u32, packet: &[u8]) -> Outer {
        let (source, destination, vni) = match attachment {
            3 => (ip("10.0.0.1"), ip("10.0.0.2"), 5001),
            _ => (ip("fd00::1"), ip("fd00::2"), 5002),
        };
        let source_port = tunnel_port(flow_hash(flow_seed(&self.edge.id), packet));
        Outer { destination_mac: SPINE, source_mac: self.f0_mac, source, destination, vni, source_port }
    }

    pub fn tunnel_in(&self, attachment: u32) -> Outer {
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

/// Who is known where.
pub fn neighbors() -> Vec<(AttachmentId, IpAddr, Mac)> {
    let on = |id, address: &str, mac| (AttachmentId(id), ip(address), mac);
    vec![
        on(1, "192.0.2.2", CUSTOMER),
        on(2, "192.0.2.2", OTHER_CUSTOMER),
        on(3, "192.0.2.10", GATEWAY),
        on(4, "192.0.2.10", OTHER_GATEWAY),
        on(5, "198.51.100.7", HOST),
        on(5, "2001:db8:5::7", HOST),
    ]
}

pub fn cross_connects() -> Vec<CrossConnect> {
    let side = |port: &str, s_tag, c_tag| TaggedPort { port: port.into(), tags: Tags { s_tag, c_tag } };
    vec![CrossConnect {
        id: AttachmentId(10),
        reverse_id: AttachmentId(11),
        access: side("p0", None, Some(7)),
        uplink: side("p1", Some(200), Some(7)),
        label: String::new(),
    }]
}

pub fn group(id: u32, attachment: u32, address: &str) -> FibChange {
    let hop = NextHop { attachment: AttachmentId(attachment), address: ip(address) };
    FibChange::Group { group: GroupId(id), buckets: vec![hop; GROUP_BUCKETS] }
}

pub fn route(vrf: u32, prefix: &str, target: RouteTarget) -> FibChange {
    FibChange::Route { vrf: VrfId(vrf), prefix: prefix.parse().expect("a prefix"), target }
}

pub fn routes() -> Vec<FibChange> {
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
pub fn from_customer(attachment: u32, packet: &[u8]) -> Vec<u8> {
    let (mac, c_tag) = if attachment == 1 { (CUSTOMER, 10) } else { (OTHER_CUSTOMER, 20) };
    ethernet(host_mac(attachment), mac, &[100, c_tag], kind_of(packet), packet)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

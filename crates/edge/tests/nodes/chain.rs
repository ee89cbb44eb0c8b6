//! A whole chain of real interfaces, each box a namespace:
//!
//! ```text
//! customer c0 ── a0 provider u0 ── p0 edge f0 ── f1 gateway n0 ── h0 host
//! 192.0.2.1   no tags      100.10      VNI 5001       no tags     198.51.100.10
//! ```
//! Provider, edge and gateway are data planes; customer and host are the kernel's stack, and so are the attachments'
//! host interfaces.
#![allow(dead_code)]

use std::net::IpAddr;

use causeway_edge::dataplane::{Dataplane, HostAttachment, Port, UnderlayHop, XdpDataplane};
use causeway_edge_types::{Attachment, AttachmentId, CrossConnect, Encapsulation, TaggedPort, Tags, Vni, VrfId};
use causeway_router::{FibChange, GROUP_BUCKETS, GroupId, NextHop, RouteTarget};

use super::{Node, TestEdge};

pub const ACCESS: AttachmentId = AttachmentId(1);
pub const TUNNEL: AttachmentId = AttachmentId(2);
pub const NETWORK: AttachmentId = AttachmentId(3);
pub const VRF: VrfId = VrfId(1);

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A box with a data plane.
pub struct Router {
    pub node: Node,
    pub edge: TestEdge,
    pub dataplane: Option<XdpDataplane>,
    pub ports: Vec<Port>,
    pub attachments: Vec<HostAttachment>,
    pub cross_connects: Vec<CrossConnect>,
    /// The namespace of each attachment, in order.
    pub hosts: Vec<Node>,
}

impl Router {
    fn new(name: &str) -> Router {
        let node = Node::new();
        // What the kernel says on a port by itself (router solicitations and the like) would be counted as dropped at
        // the next box.
        node.sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
        Router {
            node,
            edge: TestEdge::new(name),
            dataplane: None,
            ports: vec![],
            attachments: vec![],
            cross_connects: vec![],
            hosts: vec![],
        }
    }

    fn port(&mut self, name: &str, is_fabric: bool) {
        let (ifindex, mac) = self.node.interface(name);
        self.ports.push(Port { name: name.into(), ifindex, mac, is_fabric });
    }

    fn attach(&mut self, id: AttachmentId, encapsulation: Encapsulation, addresses: &[&str]) {
        let host = Node::new();
        let hx = format!("hx{id}");
        self.node.link(&hx, &host, "host");
        for address in addresses {
            host.sh(&format!("ip address add {address} dev host {}", if address.contains(':') { "nodad" } else { "" }));
        }
        host.sh("echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
        host.sh("for f in all default host; do echo 0 > /proc/sys/net/ipv4/conf/$f/rp_filter; echo 0 > /proc/sys/net/ipv4/conf/$f/send_redirects; done");
        self.attachments.push(HostAttachment {
            attachment: Attachment {
                id,
                vrf: VRF,
                encapsulation,
                addresses: addresses.iter().map(|text| text.parse().expect("a subnet")).collect(),
                on_link: vec![],
                mtu: 1500,
                label: String::new(),
            },
            host_ifindex: self.node.interface(&hx).0,
            host_mac: host.interface("host").1,
        });
        self.hosts.push(host);
    }

    /// Opens and configures the data plane.
    pub fn start(&mut self) {
        let (id, options) = (self.edge.id.clone(), self.edge.options());
        let (ports, attachments, cross) = (self.ports.clone(), self.attachments.clone(), self.cross_connects.clone());
        let opened = self.node.run(move || {
            let mut dataplane = XdpDataplane::open(&id, &options)?;
            dataplane.configure(&ports, &attachments, &cross)?;
            anyhow::Ok(dataplane)
        });
        self.dataplane = Some(opened.expect("the data plane opens and is configured"));
        for port in &self.ports {
            let mode = self.dataplane.as_ref().expect("open").port_mode(&port.name);
            assert_eq!(mode, "native", "port {}", port.name);
        }
    }

    /// The process is gone, what it has pinned is not.
    pub fn kill(&mut self) {
        self.dataplane = None;
    }

    /// Takes the program off every interface, without forgetting anything else.
    pub fn detach(&mut self) {
        self.configure(false);
    }

    /// Puts it back.
    pub fn reattach(&mut self) {
        self.configure(true);
    }

    fn configure(&mut self, has_ports: bool) {
        let mut dataplane = self.dataplane.take().expect("open");
        let (ports, attachments, cross) = (self.ports.clone(), self.attachments.clone(), self.cross_connects.clone());
        let (dataplane, result) = self.node.run(move || {
            let result =
                if has_ports { dataplane.configure(&ports, &attachments, &cross) } else { dataplane.detach_all() };
            (dataplane, result)
        });
        self.dataplane = Some(dataplane);
        result.expect("the data plane is configured");
    }

    pub fn apply(&mut self, changes: &[FibChange]) {
        self.dataplane.as_mut().expect("open").apply(changes).expect("the changes can be applied");
    }

    pub fn neighbor(&mut self, attachment: AttachmentId, address: &str, mac: Option<[u8; 6]>) {
        let dataplane = self.dataplane.as_mut().expect("open");
        dataplane.set_neighbor(attachment, ip(address), mac).expect("the neighbour can be set");
    }

    fn underlay(&mut self, port: &str, remote: &str, destination_mac: [u8; 6]) {
        let (ifindex, source_mac) = self.node.interface(port);
        let hop = UnderlayHop { ifindex, source_mac, destination_mac };
        self.dataplane.as_mut().expect("open").set_underlay(ip(remote), Some(hop)).expect("the underlay can be set");
    }

    pub fn counters(&self, attachment: AttachmentId) -> causeway_edge_types::AttachmentCounters {
        let (counters, _) = self.dataplane.as_ref().expect("open").counters().expect("counters");
        counters.into_iter().find(|one| one.attachment == attachment).expect("it is configured")
    }

    /// The drops there were, to say in a failed test.
    pub fn drops(&self) -> String {
        let Some(dataplane) = &self.dataplane else { return "no process".to_owned() };
        let (_, drops) = dataplane.counters().expect("counters");
        let seen: Vec<String> = drops
            .iter()
            .filter(|drop| drop.packets > 0)
            .map(|drop| format!("{} {}", drop.packets, drop.reason))
            .collect();
        format!("[{}]", seen.join(", "))
    }
}

pub fn group(id: u32, attachment: AttachmentId, address: &str) -> FibChange {
    let hop = NextHop { attachment, address: ip(address) };
    FibChange::Group { group: GroupId(id), buckets: vec![hop; GROUP_BUCKETS] }
}

pub fn route(prefix: &str, target: RouteTarget) -> FibChange {
    FibChange::Route { vrf: VRF, prefix: prefix.parse().expect("a prefix"), target }
}

/// What the edge forwards, with its router's numbers of groups from `first` on.
pub fn edge_routes(first: u32) -> Vec<FibChange> {
    vec![
        group(first, ACCESS, "169.254.10.2"),
        group(first + 1, TUNNEL, "169.254.20.2"),
        route("192.0.2.0/24", RouteTarget::Group(GroupId(first))),
        route("2001:db8:aaaa::/48", RouteTarget::Group(GroupId(first))),
        route("198.51.100.0/24", RouteTarget::Group(GroupId(first + 1))),
        route("2001:db8:5::/64", RouteTarget::Group(GroupId(first + 1))),
    ]
}

/// The whole chain, up and forwarding.
pub struct Chain {
    pub customer: Node,
    pub provider: Router,
    pub edge: Router,
    pub gateway: Router,
    pub host: Node,
}

impl Chain {
    /// `vteps`: the tunnel's two ends.
    pub fn new(name: &str, vteps: [&str; 2]) -> Chain {
        let (customer, host) = (Node::new(), Node::new());
        let mut provider = Router::new(&format!("{name}-p"));
        let mut edge = Router::new(&format!("{name}-e"));
        let mut gateway = Router::new(&format!("{name}-g"));
        customer.link("c0", &provider.node, "a0");
        provider.node.link("u0", &edge.node, "p0");
        edge.node.link("f0", &gateway.node, "f1");
        gateway.node.link("n0", &host, "h0");

        customer
            .sh("ip link set c0 mtu 1500; ip address add 169.254.10.2/30 dev c0; ip address add 192.0.2.1/32 dev lo");
        customer.sh("ip address add 2001:db8:10::2/126 dev c0 nodad; ip address add 2001:db8:aaaa::1/128 dev lo nodad");
        customer.sh("ip route add default via 169.254.10.1 src 192.0.2.1");
        customer.sh("ip route add default via 2001:db8:10::1 src 2001:db8:aaaa::1");
        host.sh(
            "ip link set h0 mtu 1500; ip address add 198.51.100.10/24 dev h0; ip route add default via 198.51.100.1",
        );
        host.sh("ip address add 2001:db8:5::10/64 dev h0 nodad; ip route add default via 2001:db8:5::1");

        let side = |port: &str, s_tag, c_tag| TaggedPort { port: port.into(), tags: Tags { s_tag, c_tag } };
        provider.port("a0", false);
        provider.port("u0", false);
        provider.cross_connects.push(CrossConnect {
            id: AttachmentId(1),
            reverse_id: AttachmentId(2),
            access: side("a0", None, None),
            uplink: side("u0", Some(100), Some(10)),
            label: String::new(),
        });

        let on_port = |port: &str, s_tag, c_tag| Encapsulation::Port { port: port.into(), tags: Tags { s_tag, c_tag } };
        let tunnel = |local, remote| Encapsulation::Vxlan { vni: Vni(5001), local: ip(local), remote: ip(remote) };
        edge.port("p0", false);
        edge.port("f0", true);
        edge.attach(ACCESS, on_port("p0", Some(100), Some(10)), &["169.254.10.1/30", "2001:db8:10::1/126"]);
        edge.attach(TUNNEL, tunnel(vteps[0], vteps[1]), &["169.254.20.1/30", "2001:db8:20::1/126"]);
        gateway.port("f1", true);
        gateway.port("n0", false);
        gateway.attach(TUNNEL, tunnel(vteps[1], vteps[0]), &["169.254.20.2/30", "2001:db8:20::2/126"]);
        gateway.attach(NETWORK, on_port("n0", None, None), &["198.51.100.1/24", "2001:db8:5::1/64"]);
        for router in [&mut provider, &mut edge, &mut gateway] {
            router.start();
        }
        let mut chain = Chain { customer, provider, edge, gateway, host };
        chain.fill_edge(vteps[1], 7);
        let (f0, edge_tunnel) = (chain.edge.node.interface("f0").1, chain.edge.attachments[1].host_mac);
        chain.gateway.underlay("f1", vteps[0], f0);
        chain.gateway.neighbor(TUNNEL, "169.254.20.1", Some(edge_tunnel));
        chain.gateway.apply(&[
            group(1, TUNNEL, "169.254.20.1"),
            route("192.0.2.0/24", RouteTarget::Group(GroupId(1))),
            route("2001:db8:aaaa::/48", RouteTarget::Group(GroupId(1))),
            route("198.51.100.0/24", RouteTarget::OnLink(NETWORK)),
            route("2001:db8:5::/64", RouteTarget::OnLink(NETWORK)),
            FibChange::VrfComplete(VRF),
        ]);
        chain
    }

    /// Tells the edge its neighbours and routes, as a new process does; `VrfComplete` is the caller's.
    pub fn fill_edge(&mut self, remote: &str, first_group: u32) {
        let customer = self.customer.interface("c0").1;
        let (f1, gateway_tunnel) = (self.gateway.node.interface("f1").1, self.gateway.attachments[0].host_mac);
        self.edge.underlay("f0", remote, f1);
        self.edge.neighbor(ACCESS, "169.254.10.2", Some(customer));
        self.edge.neighbor(TUNNEL, "169.254.20.2", Some(gateway_tunnel));
        self.edge.apply(&edge_routes(first_group));
    }

    /// Everybody's drops, to say in a failed test.
    pub fn drops(&self) -> String {
        let [provider, edge, gateway] = [&self.provider, &self.edge, &self.gateway].map(Router::drops);
        format!("dropped at provider {provider}, edge {edge}, gateway {gateway}")
    }
}

//! Which interfaces the data plane drives, and where tunnels leave: read off the configuration and the kernel's tables.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use causeway_edge_types::{Attachment, EdgeConfig, Encapsulation, PortName, Tags, Vni};
use ipnet::IpNet;

use crate::dataplane::{Port, UnderlayHop};
use crate::netlink::{Link, Neighbor, RouteLookup};

/// The ports that the configuration names.
pub fn named_ports(config: &EdgeConfig) -> BTreeSet<PortName> {
    let of_attachments = config.attachments.iter().filter_map(|attachment| match &attachment.encapsulation {
        Encapsulation::Port { port, .. } => Some(port.clone()),
        Encapsulation::Vxlan { .. } => None,
    });
    let of_crosses = config.cross_connects.iter().flat_map(|cross| [&cross.access.port, &cross.uplink.port]).cloned();
    of_attachments.chain(of_crosses).collect()
}

/// The far ends of the configuration's tunnels.
pub fn tunnel_remotes(config: &EdgeConfig) -> BTreeSet<IpAddr> {
    config
        .attachments
        .iter()
        .filter_map(|attachment| match &attachment.encapsulation {
            Encapsulation::Vxlan { remote, .. } => Some(*remote),
            Encapsulation::Port { .. } => None,
        })
        .collect()
}

/// The ports to drive: those that are named and exist, and the fabric's: where the tunnel end point's address is, and
/// where routes to the far ends lead.
pub fn ports_to_drive(
    config: &EdgeConfig,
    links: &BTreeMap<u32, Link>,
    addresses: &BTreeSet<(u32, IpNet)>,
    routes: &BTreeMap<IpAddr, RouteLookup>,
) -> Vec<Port> {
    let named = named_ports(config);
    let mut fabric: BTreeSet<u32> = routes.values().map(|route| route.index).collect();
    if let Some(vtep) = config.vtep {
        fabric.extend(addresses.iter().filter(|(_, net)| net.addr() == vtep).map(|(index, _)| *index));
    }
    links
        .values()
        .filter(|link| !link.is_loopback)
        .filter_map(|link| {
            let name = PortName(link.name.clone());
            let is_fabric = fabric.contains(&link.index);
            (is_fabric || named.contains(&name)).then_some(Port { name, ifindex: link.index, mac: link.mac, is_fabric })
        })
        .collect()
}

/// What an attachment's packets are told from others' by: no two attachments may have the same at one time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The port and the tags.
    Tagged(PortName, Tags),
    /// The network identifier and the far end.
    Tunnel(Vni, IpAddr),
}

/// The place of an attachment.
pub fn place(attachment: &Attachment) -> Place {
    match &attachment.encapsulation {
        Encapsulation::Port { port, tags } => Place::Tagged(port.clone(), *tags),
        Encapsulation::Vxlan { vni, remote, .. } => Place::Tunnel(*vni, *remote),
    }
}

/// How each tunnel's far end is reached now, as the kernel's routes, links and neighbours say; and whom to ask for, so
/// that the others will be.
pub fn underlay(
    remotes: &BTreeSet<IpAddr>,
    routes: &BTreeMap<IpAddr, RouteLookup>,
    links: &BTreeMap<u32, Link>,
    neighbors: &BTreeMap<(u32, IpAddr), Neighbor>,
) -> (BTreeMap<IpAddr, Option<UnderlayHop>>, Vec<RouteLookup>) {
    let mut unresolved = Vec::new();
    let mut hop = |remote: &IpAddr| {
        let route = routes.get(remote)?;
        let link = links.get(&route.index).filter(|link| !link.is_loopback)?;
        match neighbors.get(&(route.index, route.neighbor)).and_then(|neighbor| neighbor.mac) {
            Some(mac) => Some(UnderlayHop { ifindex: link.index, source_mac: link.mac, destination_mac: mac }),
            None => {
                unresolved.push(*route);
                None
            }
        }
    };
    let hops = remotes.iter().map(|remote| (*remote, hop(remote))).collect();
    (hops, unresolved)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use causeway_edge_types::{AttachmentId, VrfId};

    use super::*;

    fn link(index: u32, name: &str) -> (u32, Link) {
        let mac = [2, 0, 0, 0, 0, index as u8];
        let is_loopback = name == "lo";
        (index, Link { index, name: name.into(), mac, mtu: 1500, is_up: true, is_loopback, peer_index: None })
    }

    fn attachment(id: u32, encapsulation: Encapsulation) -> Attachment {
        let (id, vrf) = (AttachmentId(id), VrfId(1));
        Attachment { id, vrf, encapsulation, addresses: vec![], on_link: vec![], mtu: 1500, label: String::new() }
    }

    fn config() -> EdgeConfig {
        let vtep: IpAddr = "198.51.100.1".parse().unwrap();
        let mut config = EdgeConfig::empty("e1".into(), Ipv4Addr::new(192, 0, 2, 1));
        config.vtep = Some(vtep);
        config.attachments = vec![
            attachment(1, Encapsulation::Port { port: "access0".into(), tags: Tags::default() }),
            attachment(2, Encapsulation::Port { port: "missing".into(), tags: Tags::default() }),
            attachment(3, Encapsulation::Vxlan { vni: Vni(7), local: vtep, remote: "203.0.113.9".parse().unwrap() }),
        ];
        config
    }

    #[test]
    fn named_ports_and_the_fabric_are_driven_and_nothing_else() {
        let links = BTreeMap::from([
            link(1, "lo"),
            link(2, "access0"),
            link(3, "fabric0"),
            link(4, "other"),
            link(5, "fabric1"),
        ]);
        let addresses = BTreeSet::from([(3, "198.51.100.1/24".parse().unwrap()), (1, "127.0.0.1/8".parse().unwrap())]);
        let remote: IpAddr = "203.0.113.9".parse().unwrap();
        let routes = BTreeMap::from([(remote, RouteLookup { index: 5, neighbor: remote })]);
        let ports = ports_to_drive(&config(), &links, &addresses, &routes);
        let names: Vec<(&str, bool)> = ports.iter().map(|port| (port.name.0.as_str(), port.is_fabric)).collect();
        assert_eq!(names, [("access0", false), ("fabric0", true), ("fabric1", true)]);
    }

    #[test]
    fn a_far_end_is_reached_through_its_gateway_once_that_is_resolved() {
        let remote: IpAddr = "203.0.113.9".parse().unwrap();
        let gateway: IpAddr = "198.51.100.254".parse().unwrap();
        let remotes = tunnel_remotes(&config());
        let links = BTreeMap::from([link(3, "fabric0")]);
        let routes = BTreeMap::from([(remote, RouteLookup { index: 3, neighbor: gateway })]);
        let mut neighbors = BTreeMap::new();
        let (hops, unresolved) = underlay(&remotes, &routes, &links, &neighbors);
        assert_eq!((hops[&remote], unresolved.as_slice()), (None, &[routes[&remote]][..]));

        let mac = [2, 9, 9, 9, 9, 9];
        neighbors.insert((3, gateway), Neighbor { index: 3, address: gateway, mac: Some(mac), is_stale: true });
        let (hops, unresolved) = underlay(&remotes, &routes, &links, &neighbors);
        let hop = UnderlayHop { ifindex: 3, source_mac: links[&3].mac, destination_mac: mac };
        assert_eq!((hops[&remote], unresolved), (Some(hop), vec![]));

        let (hops, unresolved) = underlay(&remotes, &BTreeMap::new(), &links, &neighbors);
        assert_eq!((hops[&remote], unresolved), (None, vec![]), "no route leads there");
    }
}

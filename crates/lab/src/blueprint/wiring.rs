//! The drawing, line by line.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Blueprint, Bridge, Cable, End, Node, Pair, Role, Strand, names};
use crate::topology::{Customer, Topology};

/// Of the ports that customers' packets arrive on without tags.
const ACCESS_MTU: u16 = 1500;
/// Of what carries two tags or a tunnel around a customer's packet.
const TRUNK_MTU: u16 = 1700;

pub(super) fn blueprint(topology: &Topology) -> Blueprint {
    let mut out = Blueprint::default();
    out.add_node("provider", Role::Provider, None);
    out.add_node("fabric", Role::Fabric, None);
    let mut fabric_ports = Vec::new();
    for strand in Strand::BOTH {
        let edge = names::edge(strand);
        let node = out.add_node(&edge, Role::Edge, None);
        node.addresses.push((names::FABRIC.to_owned(), on_fabric(names::edge_vtep(strand).into())));
        out.switch_port("fabric", &edge, names::FABRIC, TRUNK_MTU);
        fabric_ports.push(edge.clone());
        let cable = format!("up-{}", strand.word());
        out.spliced(
            &cable,
            Some(strand),
            &names::uplink(strand),
            End { node: edge, ifname: names::TRUNK.into() },
            TRUNK_MTU,
        );
    }
    for (index, customer) in topology.customers.iter().enumerate() {
        premises(&mut out, topology, index, customer);
        fabric_ports.extend(cloud(&mut out, index, customer));
    }
    out.bridges.push(Bridge { node: "fabric".into(), ifname: "br0".into(), ports: fabric_ports, mtu: TRUNK_MTU });
    out
}

/// Site and access lines.
fn premises(out: &mut Blueprint, topology: &Topology, index: usize, customer: &Customer) {
    let (host, ce) = (customer.node(index, "host"), customer.node(index, "ce"));
    let node = out.add_node(&host, Role::Host, Some(index));
    node.addresses.extend(customer.site.host_addresses().map(|address| (names::ETH.to_owned(), address)));
    node.gateways.extend(customer.site.router_addresses().map(|address| address.addr()));
    let mut addresses: Vec<(String, IpNet)> =
        customer.site.router_addresses().map(|address| (names::LAN.to_owned(), address)).into();
    for strand in Strand::BOTH {
        let ends = customer.peering.ends(strand.index(), topology.deployment.endpoint_order);
        addresses.extend(ends.map(|(_, ours)| (names::wan(strand), ours)));
    }
    out.add_node(&ce, Role::Ce, Some(index)).addresses = addresses;
    out.pair((&host, names::ETH), (&ce, names::LAN), ACCESS_MTU);
    for strand in Strand::BOTH {
        let number = if index == 0 { String::new() } else { (index + 1).to_string() };
        let cable = format!("acc{number}-{}", strand.word());
        let far = End { node: ce.clone(), ifname: names::wan(strand) };
        out.spliced(&cable, Some(strand), &names::access(index, strand), far, ACCESS_MTU);
    }
}

/// A virtual network's machine, its gateway's two instances and the segment between; the ports on the fabric.
fn cloud(out: &mut Blueprint, index: usize, customer: &Customer) -> Vec<String> {
    let (vm, segment) = (customer.node(index, "vm"), customer.node(index, "net"));
    out.add_node(&segment, Role::Segment, Some(index));
    let node = out.add_node(&vm, Role::Vm, Some(index));
    node.addresses.extend(customer.network.host_addresses().map(|address| (names::ETH.to_owned(), address)));
    node.gateways
        .extend([0, 1].map(|instance| customer.network.instance_addresses(instance)).concat().iter().map(IpNet::addr));
    out.switch_port(&segment, &vm, names::ETH, ACCESS_MTU);
    let mut ports = vec![vm];
    let mut on_the_fabric = Vec::new();
    for instance in [0, 1] {
        let gateway = names::gateway(index, &customer.name, instance);
        let node = out.add_node(&gateway, Role::Gateway, Some(index));
        let vtep = names::gateway_vtep(index, instance).into();
        node.addresses.push((names::FABRIC.to_owned(), on_fabric(vtep)));
        out.switch_port("fabric", &gateway, names::FABRIC, TRUNK_MTU);
        out.switch_port(&segment, &gateway, names::NETWORK, ACCESS_MTU);
        on_the_fabric.push(gateway.clone());
        ports.push(gateway);
    }
    out.bridges.push(Bridge { node: segment, ifname: "br0".into(), ports, mtu: ACCESS_MTU });
    on_the_fabric
}

fn on_fabric(vtep: IpAddr) -> IpNet {
    IpNet::new_assert(vtep, 24)
}

impl Blueprint {
    fn add_node(&mut self, name: &str, role: Role, customer: Option<usize>) -> &mut Node {
        self.nodes.push(Node { name: name.to_owned(), role, customer, addresses: vec![], gateways: vec![] });
        let last = self.nodes.len() - 1;
        &mut self.nodes[last]
    }

    fn pair(&mut self, a: (&str, &str), b: (&str, &str), mtu: u16) {
        let end = |(node, ifname): (&str, &str)| End { node: node.to_owned(), ifname: ifname.to_owned() };
        self.pairs.push(Pair { a: end(a), b: end(b), mtu });
    }

    /// `node:ifname` in a port of `switch`, which is named by the node; the bridge itself is the caller's.
    fn switch_port(&mut self, switch: &str, node: &str, ifname: &str, mtu: u16) {
        self.pair((node, ifname), (switch, node), mtu);
        self.cables.push(Cable {
            name: format!("{node}-{}", if switch == "fabric" { "fabric" } else { "net" }),
            strand: None,
            node: switch.to_owned(),
            handles: vec![node.to_owned()],
        });
    }

    /// `far` and the provider's `port`, by two pairs and a bridge of two ports between them.
    fn spliced(&mut self, cable: &str, strand: Option<Strand>, port: &str, far: End, mtu: u16) {
        let near = format!("{port}-br");
        self.pair((&far.node, &far.ifname), ("provider", cable), mtu);
        self.pair(("provider", port), ("provider", &near), mtu);
        let handles = vec![cable.to_owned(), near];
        let bridge = Bridge { node: "provider".into(), ifname: format!("br-{port}"), ports: handles.clone(), mtu };
        self.bridges.push(bridge);
        self.cables.push(Cable { name: cable.to_owned(), strand, node: "provider".into(), handles });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::topology::TWO_CUSTOMERS;

    /// As many customers as a lab may have, with the longest names.
    fn many(count: usize) -> Topology {
        let customers: String = (0..count).map(|n| format!("[[customer]]\nname = \"customer{n:02}\"\n")).collect();
        Topology::parse(&customers).expect("good")
    }

    #[test]
    fn every_end_is_a_node_and_every_name_fits_and_is_unique() {
        for topology in [Topology::parse(TWO_CUSTOMERS).expect("good"), many(50)] {
            let blueprint = Blueprint::of(&topology);
            let mut seen = BTreeSet::new();
            let ends = blueprint.pairs.iter().flat_map(|pair| [pair.a.clone(), pair.b.clone()]);
            let bridges =
                blueprint.bridges.iter().map(|bridge| End { node: bridge.node.clone(), ifname: bridge.ifname.clone() });
            for end in ends.chain(bridges) {
                assert!(blueprint.node(&end.node).is_some(), "{end:?} is on no node");
                assert!(end.ifname.len() <= 15, "{end:?} is too long for the kernel");
                assert!(seen.insert((end.node.clone(), end.ifname.clone())), "{end:?} is there twice");
            }
            for bridge in &blueprint.bridges {
                for port in &bridge.ports {
                    assert!(seen.contains(&(bridge.node.clone(), port.clone())), "{port} of {bridge:?} is nowhere");
                }
            }
            for node in &blueprint.nodes {
                let names = blueprint.interfaces(&node.name);
                for (ifname, _) in &node.addresses {
                    assert!(names.iter().any(|(name, _)| name == ifname), "{ifname} of {} is nowhere", node.name);
                }
            }
        }
    }

    #[test]
    fn a_strand_is_its_access_lines_and_its_uplink() {
        let blueprint = Blueprint::of(&Topology::parse(TWO_CUSTOMERS).expect("good"));
        let names: Vec<&str> = blueprint.cables_of("secondary").iter().map(|cable| cable.name.as_str()).collect();
        assert_eq!(names, ["up-secondary", "acc-secondary", "acc2-secondary"]);
        assert_eq!(blueprint.cables_of("gw0-fabric").len(), 1);
        assert!(blueprint.cables_of("nothing").is_empty());
    }
}

//! What has to be on the machine for a topology: nodes, cables, addresses. Pure: the machine is told, not asked.
//!
//! ```text
//!   host ── ce ══ access ══ provider ══ up-primary ═══ edge1 ─┐         ┌─ gw0 ─┐
//!              ══ access ══ (cross-    ══ up-secondary ═ edge2 ─┤ fabric  ├─ gw1 ─┤ net ── vm
//!                            connect)                         └─────────┘       (the virtual network's segment)
//! ```
//!
//! Each node is a network namespace. A cable drawn double is two veth pairs joined by a bridge in the provider's
//! namespace: frames that XDP redirects are seen by no tcpdump, those that cross the bridge are; and a cable must be able
//! to lose frames while both its ends see a carrier.

mod wiring;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::topology::{Customer, Topology};

/// Names the namespaces of a lab: `cw-<lab>-<node>`.
pub fn namespace(lab: &str, node: &str) -> String {
    format!("cw-{lab}-{node}")
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A machine on a customer's premises.
    Host,
    /// A customer's router.
    Ce,
    /// The provider's cross-connect.
    Provider,
    /// An edge.
    Edge,
    /// The switch between edges and gateways.
    Fabric,
    /// An instance of a virtual network's gateway.
    Gateway,
    /// The segment that a virtual network's machines and gateway are on.
    Segment,
    /// A machine in a virtual network.
    Vm,
}

/// One namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its short name (`edge1`).
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Whose it is; none for what all share.
    pub customer: Option<usize>,
    /// Addresses of its interfaces.
    pub addresses: Vec<(String, IpNet)>,
    /// Its default routes.
    pub gateways: Vec<IpAddr>,
}

/// One end of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The node.
    pub node: String,
    /// The interface there.
    pub ifname: String,
}

/// Two interfaces with a wire between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// One end.
    pub a: End,
    /// The other.
    pub b: End,
    /// Of both.
    pub mtu: u16,
}

/// A bridge and its ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// The node that it is in.
    pub node: String,
    /// The interface.
    pub ifname: String,
    /// The ports.
    pub ports: Vec<String>,
    /// Of the bridge.
    pub mtu: u16,
}

/// The two strands of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strand {
    /// The primary link's.
    Primary,
    /// The secondary link's.
    Secondary,
}

impl Strand {
    /// Both, in order.
    pub const BOTH: [Strand; 2] = [Strand::Primary, Strand::Secondary];

    /// Its name in commands.
    pub fn word(self) -> &'static str {
        match self {
            Strand::Primary => "primary",
            Strand::Secondary => "secondary",
        }
    }

    /// 0 for primary, 1 for secondary.
    pub fn index(self) -> usize {
        match self {
            Strand::Primary => 0,
            Strand::Secondary => 1,
        }
    }
}

/// Something that can be cut: bridge ports which lose their carrier, or stop passing frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cable {
    /// Its name, also that of the interface to capture on.
    pub name: String,
    /// The strand that it belongs to.
    pub strand: Option<Strand>,
    /// The node that its bridge ports are in.
    pub node: String,
    /// The bridge ports.
    pub handles: Vec<String>,
}

/// Everything that is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blueprint {
    /// Namespaces.
    pub nodes: Vec<Node>,
    /// Wires.
    pub pairs: Vec<Pair>,
    /// Bridges.
    pub bridges: Vec<Bridge>,
    /// What can be cut.
    pub cables: Vec<Cable>,
}

/// Interfaces and addresses that more than one part must know.
pub mod names {
    use super::*;

    /// An edge's port toward the provider.
    pub const TRUNK: &str = "trunk0";
    /// An edge's or a gateway's port on the fabric.
    pub const FABRIC: &str = "fabric0";
    /// A gateway's port toward the virtual network's machines.
    pub const NETWORK: &str = "net0";
    /// A machine's port.
    pub const ETH: &str = "eth0";
    /// A customer's router's port toward the host.
    pub const LAN: &str = "lan0";

    /// The edge of a strand.
    pub fn edge(strand: Strand) -> String {
        format!("edge{}", strand.index() + 1)
    }

    /// A customer's router's port of a strand.
    pub fn wan(strand: Strand) -> String {
        format!("wan{}", strand.index())
    }

    /// The cross-connect's port toward an edge.
    pub fn uplink(strand: Strand) -> String {
        format!("uplink{}", strand.index() + 1)
    }

    /// The cross-connect's port toward a customer.
    pub fn access(customer: usize, strand: Strand) -> String {
        format!("access{}", 2 * customer + strand.index() + 1)
    }

    /// A customer's node: the first customer's have short names.
    pub fn of(customer: usize, name: &str, kind: &str) -> String {
        if customer == 0 { kind.to_owned() } else { format!("{name}-{kind}") }
    }

    /// A gateway instance.
    pub fn gateway(customer: usize, name: &str, instance: u8) -> String {
        of(customer, name, &format!("gw{instance}"))
    }

    /// An edge's tunnel end point, also its BGP identifier.
    pub fn edge_vtep(strand: Strand) -> Ipv4Addr {
        Ipv4Addr::new(100, 64, 0, strand.index() as u8 + 1)
    }

    /// A gateway instance's tunnel end point, also its BGP identifier.
    pub fn gateway_vtep(customer: usize, instance: u8) -> Ipv4Addr {
        Ipv4Addr::new(100, 64, 0, 10 + 2 * customer as u8 + instance)
    }
}

impl Blueprint {
    /// The blueprint of a topology.
    pub fn of(topology: &Topology) -> Blueprint {
        wiring::blueprint(topology)
    }

    /// A node by its short name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The interfaces of a node, in order.
    pub fn interfaces(&self, node: &str) -> Vec<(&str, u16)> {
        let ends = self.pairs.iter().flat_map(|pair| [(&pair.a, pair.mtu), (&pair.b, pair.mtu)]);
        ends.filter(|(end, _)| end.node == node).map(|(end, mtu)| (end.ifname.as_str(), mtu)).collect()
    }

    /// The cables that a word names: `primary` and `secondary` are whole strands.
    pub fn cables_of(&self, word: &str) -> Vec<&Cable> {
        let strand = Strand::BOTH.into_iter().find(|strand| strand.word() == word);
        self.cables.iter().filter(|cable| cable.name == word || (strand.is_some() && cable.strand == strand)).collect()
    }

    /// Everything that `cut` and `heal` take.
    pub fn link_words(&self) -> Vec<&str> {
        let mut words: Vec<&str> = Strand::BOTH.into_iter().map(Strand::word).collect();
        words.extend(self.cables.iter().map(|cable| cable.name.as_str()));
        words
    }
}

impl Customer {
    /// The name of one of this customer's nodes.
    pub fn node(&self, index: usize, kind: &str) -> String {
        names::of(index, &self.name, kind)
    }
}

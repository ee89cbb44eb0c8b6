//! What a lab is made of, as a TOML file says it.
//!
//! ```text
//!   text ──▶ read (fields and their rules, every problem with its line) ──▶ Topology ──▶ blueprint
//! ```
//!
//! Everything may be left out and is then as in the built-in file. A file with one problem or many makes nothing: all of
//! them are told, each with line, field, value and rule.

mod read;
pub(crate) mod rules;

use std::fmt;

use causeway_edge_types::Secret;
use causeway_model::{Deployment, EndpointOrder};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The built-in topology.
pub const DEFAULT: &str = include_str!("default.toml");
/// A built-in topology with two customers who use the same addresses.
pub const TWO_CUSTOMERS: &str = include_str!("two-customers.toml");

/// A lab's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Settings of the deployment.
    pub deployment: Deployment,
    /// The location's name.
    pub location: String,
    /// The provider.
    pub provider: Provider,
    /// The customers, at least one.
    pub customers: Vec<Customer>,
}

/// The provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// What it offers, in Mbit/s.
    pub bandwidths_mbps: Vec<u32>,
}

/// One customer with one site, one circuit and one virtual network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Its name: a word.
    pub name: String,
    /// Its premises.
    pub site: Site,
    /// What it orders.
    pub circuit: CircuitOrder,
    /// Its private peering.
    pub peering: PeeringOrder,
    /// Its virtual network.
    pub network: Network,
}

/// Premises: a host and a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// What runs on the router.
    pub router: RouterKind,
    /// Its AS number.
    pub asn: u32,
    /// The site's prefix.
    pub ipv4: Ipv4Net,
    /// The site's prefix.
    pub ipv6: Ipv6Net,
    /// How many further IPv4 prefixes its router announces, for nothing but their number: /32s from 10.128.0.0 on.
    pub more_prefixes: u32,
}

/// The routing daemons that a site's router may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterKind {
    /// BIRD 2.
    Bird,
    /// FRRouting.
    Frr,
}

/// A circuit as it is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitOrder {
    /// Mbit/s.
    pub bandwidth_mbps: u32,
    /// SKU tier.
    pub tier: String,
    /// SKU family.
    pub family: String,
}

/// A private peering as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeeringOrder {
    /// The C-tag.
    pub vlan_id: u16,
    /// IPv4 subnets: the primary link's, the secondary link's.
    pub ipv4: [Ipv4Net; 2],
    /// IPv6 subnets: the primary link's, the secondary link's.
    pub ipv6: [Ipv6Net; 2],
    /// TCP MD5 key.
    pub shared_key: Option<Secret>,
}

/// A virtual network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Address space.
    pub ipv4: Ipv4Net,
    /// Address space.
    pub ipv6: Ipv6Net,
}

/// Something wrong in a topology file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopologyProblem {
    /// The line, from 1.
    pub line: usize,
    /// The field, with its table (`customer.peering.vlan_id`).
    pub field: String,
    /// The value as it stands there; empty where there is none.
    pub value: String,
    /// The rule that it breaks.
    pub rule: String,
}

impl fmt::Display for TopologyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.field.as_str(), self.value.as_str()) {
            ("", "") => write!(f, "line {}: {}", self.line, self.rule),
            (field, "") => write!(f, "line {}: {field}: {}", self.line, self.rule),
            (field, value) => write!(f, "line {}: {field} = {value}: {}", self.line, self.rule),
        }
    }
}

impl Topology {
    /// Reads a topology, or tells everything that is wrong in it.
    pub fn parse(text: &str) -> Result<Topology, Vec<TopologyProblem>> {
        read::topology(text)
    }
}

impl Site {
    /// The router's addresses toward the host.
    pub fn router_addresses(&self) -> [IpNet; 2] {
        [nth(self.ipv4.into(), 1), nth(self.ipv6.into(), 1)]
    }

    /// The host's addresses.
    pub fn host_addresses(&self) -> [IpNet; 2] {
        [nth(self.ipv4.into(), 10), nth(self.ipv6.into(), 10)]
    }
}

impl PeeringOrder {
    /// The ends of a link's subnets, `(cloud, customer)`, IPv4 and IPv6. `link` is 0 for primary, 1 for secondary.
    pub fn ends(&self, link: usize, order: EndpointOrder) -> [(IpNet, IpNet); 2] {
        [IpNet::from(self.ipv4[link]), IpNet::from(self.ipv6[link])].map(|subnet| match order {
            EndpointOrder::CloudFirst => (nth(subnet, 1), nth(subnet, 2)),
            EndpointOrder::CustomerFirst => (nth(subnet, 2), nth(subnet, 1)),
        })
    }
}

impl Network {
    /// The subnet of the hosts: the first /24 and the first /64 of the address space.
    pub fn host_subnets(&self) -> [IpNet; 2] {
        [narrow(self.ipv4.into(), 24, 0), narrow(self.ipv6.into(), 64, 0)]
    }

    /// The subnet of the gateway: the last /27 and the last /64.
    pub fn gateway_subnets(&self) -> [IpNet; 2] {
        [narrow(self.ipv4.into(), 27, u128::MAX), narrow(self.ipv6.into(), 64, u128::MAX)]
    }

    /// The host's addresses: the first that a subnet gives to a machine, with the whole address space on its link.
    pub fn host_addresses(&self) -> [IpNet; 2] {
        let [four, six] = self.host_subnets().map(|subnet| nth(subnet, 4).addr());
        [IpNet::new_assert(four, self.ipv4.prefix_len()), IpNet::new_assert(six, self.ipv6.prefix_len())]
    }

    /// The addresses of a gateway instance on the network's segment, as the planner gives them.
    pub fn instance_addresses(&self, instance: u8) -> [IpNet; 2] {
        self.gateway_subnets().map(|subnet| nth(subnet, 4 + u32::from(instance)))
    }
}

/// The `n`-th address of a subnet, with the subnet's length.
pub(crate) fn nth(subnet: IpNet, n: u32) -> IpNet {
    match subnet {
        IpNet::V4(net) => {
            let address = u32::from(net.network()).wrapping_add(n);
            IpNet::V4(Ipv4Net::new_assert(address.into(), net.prefix_len()))
        }
        IpNet::V6(net) => {
            let address = u128::from(net.network()).wrapping_add(n.into());
            IpNet::V6(Ipv6Net::new_assert(address.into(), net.prefix_len()))
        }
    }
}

/// The first (`fill` 0) or the last (`fill` all ones) subnet of length `length` in `space`; `space` itself where it is
/// no larger.
fn narrow(space: IpNet, length: u8, fill: u128) -> IpNet {
    let length = length.max(space.prefix_len());
    match space {
        IpNet::V4(net) => {
            let address = u32::from(net.network()) | (u32::from(net.hostmask()) & fill as u32);
            IpNet::V4(Ipv4Net::new_assert(address.into(), length).trunc())
        }
        IpNet::V6(net) => {
            let address = u128::from(net.network()) | (u128::from(net.hostmask()) & fill);
            IpNet::V6(Ipv6Net::new_assert(address.into(), length).trunc())
        }
    }
}

#[cfg(test)]
mod tests;

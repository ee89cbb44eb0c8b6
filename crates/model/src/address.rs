//! Addresses of a peering's links: which subnets may be used, and which end of each is whose.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use causeway_edge_types::Secret;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::limits::SHARED_KEY_LENGTH_MAX;
use crate::{EndpointOrder, Link, LinkSubnets, Peering};

/// IPv4 addresses inside the tunnels between edges and gateways. Nothing of a customer's may overlap with it.
pub const TUNNEL_IPV4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 128, 0), 17);
/// IPv6 addresses inside the tunnels between edges and gateways. Nothing of a customer's may overlap with it.
pub const TUNNEL_IPV6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfdc5, 0x7e4a, 0x91d2, 0, 0, 0, 0, 0), 48);

/// The two ends of one link's subnet, each with the subnet's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkEnds {
    /// Our end.
    pub cloud: IpNet,
    /// The customer's end.
    pub customer: IpNet,
}

impl LinkEnds {
    /// The ends of `subnet`: its first two usable addresses. None when it is no /30 and no /126.
    pub fn of(subnet: IpNet, order: EndpointOrder) -> Option<LinkEnds> {
        let end = |offset: u32| -> Option<IpNet> {
            match subnet {
                IpNet::V4(net) if net.prefix_len() == 30 => {
                    let address = Ipv4Addr::from(u32::from(net.network()) + offset);
                    IpNet::new(IpAddr::V4(address), 30).ok()
                }
                IpNet::V6(net) if net.prefix_len() == 126 => {
                    let address = Ipv6Addr::from(u128::from(net.network()) + u128::from(offset));
                    IpNet::new(IpAddr::V6(address), 126).ok()
                }
                _ => None,
            }
        };
        let (first, second) = (end(1)?, end(2)?);
        Some(match order {
            EndpointOrder::CloudFirst => LinkEnds { cloud: first, customer: second },
            EndpointOrder::CustomerFirst => LinkEnds { cloud: second, customer: first },
        })
    }
}

impl<N: Copy> LinkSubnets<N> {
    /// The subnet of one link.
    pub fn of(&self, link: Link) -> N {
        match link {
            Link::Primary => self.primary,
            Link::Secondary => self.secondary,
        }
    }
}

impl LinkSubnets<Ipv4Net> {
    /// The two /30s of a /29: the first is the primary link's (fact 32). None for any other length.
    pub fn from_29(block: Ipv4Net) -> Option<LinkSubnets<Ipv4Net>> {
        if block.prefix_len() != 29 {
            return None;
        }
        let mut halves = block.subnets(30).ok()?;
        Some(LinkSubnets { primary: halves.next()?, secondary: halves.next()? })
    }
}

impl LinkSubnets<Ipv6Net> {
    /// The two /126s of a /125: the first is the primary link's (fact 32). None for any other length.
    pub fn from_125(block: Ipv6Net) -> Option<LinkSubnets<Ipv6Net>> {
        if block.prefix_len() != 125 {
            return None;
        }
        let mut halves = block.subnets(126).ok()?;
        Some(LinkSubnets { primary: halves.next()?, secondary: halves.next()? })
    }
}

impl Peering {
    /// The subnets of one link, IPv4 first.
    pub fn subnets(&self, link: Link) -> Vec<IpNet> {
        let ipv4 = self.ipv4.map(|subnets| IpNet::V4(subnets.of(link)));
        let ipv6 = self.ipv6.map(|subnets| IpNet::V6(subnets.of(link)));
        ipv4.into_iter().chain(ipv6).collect()
    }

    /// The ends of one link, IPv4 first. A subnet of a wrong length has none.
    pub fn ends(&self, link: Link) -> Vec<LinkEnds> {
        self.subnets(link).into_iter().filter_map(|subnet| LinkEnds::of(subnet, self.endpoint_order)).collect()
    }
}

impl Link {
    /// Both, primary first.
    pub const BOTH: [Link; 2] = [Link::Primary, Link::Secondary];

    /// 0 for primary, 1 for secondary.
    pub fn index(self) -> u32 {
        match self {
            Link::Primary => 0,
            Link::Secondary => 1,
        }
    }
}

/// Whether two prefixes have an address in common.
pub fn overlaps(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// A peering's MD5 key, checked: 1 to 25 characters, letters and digits only (fact 45). The message never holds the key.
pub fn shared_key(key: &str) -> Result<Secret, String> {
    let length = key.chars().count();
    if length == 0 || length > SHARED_KEY_LENGTH_MAX {
        return Err(format!(
            "sharedKey has {length} characters; an MD5 key has 1 to {SHARED_KEY_LENGTH_MAX} letters and digits"
        ));
    }
    if !key.chars().all(|character| character.is_ascii_alphanumeric()) {
        return Err(format!(
            "sharedKey has characters that are no letters or digits; an MD5 key has 1 to {SHARED_KEY_LENGTH_MAX} letters \
             and digits"
        ));
    }
    Ok(Secret::new(key))
}

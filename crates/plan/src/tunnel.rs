//! Addresses inside the tunnels between edges and gateway instances. They are derived and never allocated:
//!
//! ```text
//!   index = VNI * 4 + (0 primary, 1 secondary) * 2 + instance
//!   IPv4  = the /30  number (index mod 8192) of 169.254.128.0/17
//!   IPv6  = the /126 number  index           of fdc5:7e4a:91d2::/48
//! ```
//!
//! The edge has the first usable address, the gateway the second. 8192 /30s are 2048 gateway connections; beyond them
//! the IPv4 subnets come round again, and the allocation of VNIs sees to it that no two connections of one circuit or of
//! one gateway get the same ([`TUNNEL_IPV4_CONNECTIONS`]), so that within a VRF they differ always.

use std::net::{Ipv4Addr, Ipv6Addr};

use causeway_model::{EndpointOrder, Link, LinkEnds, TUNNEL_IPV4, TUNNEL_IPV6};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// VNIs that are equal modulo this have the same IPv4 subnets in their tunnels.
pub(crate) const TUNNEL_IPV4_CONNECTIONS: u32 = 2_048;

/// The two ends of one tunnel in each family, edge and gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TunnelEnds {
    pub edge: IpNet,
    pub gateway: IpNet,
}

/// IPv4 and IPv6 ends of the tunnel of `vni` between the edge of `link` and the gateway's `instance`.
pub(crate) fn ends(vni: u32, link: Link, instance: u8) -> [TunnelEnds; 2] {
    let index = u128::from(vni) * 4 + u128::from(link.index()) * 2 + u128::from(instance & 1);
    let low = (index % u128::from(TUNNEL_IPV4_CONNECTIONS * 4)) as u32;
    let ipv4 = Ipv4Addr::from(u32::from(TUNNEL_IPV4.network()) + low * 4);
    let ipv6 = Ipv6Addr::from(u128::from(TUNNEL_IPV6.network()) + index * 4);
    [IpNet::V4(Ipv4Net::new_assert(ipv4, 30)), IpNet::V6(Ipv6Net::new_assert(ipv6, 126))].map(|subnet| {
        // Both lengths are those that have ends, so the alternative never comes about.
        let ends = LinkEnds::of(subnet, EndpointOrder::CloudFirst);
        ends.map_or(TunnelEnds { edge: subnet, gateway: subnet }, |ends| TunnelEnds {
            edge: ends.cloud,
            gateway: ends.customer,
        })
    })
}

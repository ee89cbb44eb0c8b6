//! Routes: prefixes on a link, and where the kernel would send a packet.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Already, Netlink};

/// What the kernel's table says about one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteLookup {
    /// The link to leave by.
    pub index: u32,
    /// The neighbour to send to: the gateway, or the destination itself.
    pub neighbor: IpAddr,
}

impl Netlink {
    /// The prefixes that we have put on a link (protocol `static`), in both families.
    pub fn on_link_routes(&mut self, index: u32) -> io::Result<BTreeSet<IpNet>> {
        let mut out = BTreeSet::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            for answer in self.dump(RouteNetlinkMessage::GetRoute(message))? {
                let RouteNetlinkMessage::NewRoute(route) = answer else { continue };
                if route.header.protocol != RouteProtocol::Static {
                    continue;
                }
                let leaves_by = route.attributes.iter().find_map(|attribute| match attribute {
                    RouteAttribute::Oif(index) => Some(*index),
                    _ => None,
                });
                if leaves_by != Some(index) {
                    continue;
                }
                let destination = route.attributes.iter().find_map(|attribute| match attribute {
                    RouteAttribute::Destination(address) => ip_address(address),
                    _ => None,
                });
                let prefix = destination.and_then(|to| IpNet::new(to, route.header.destination_prefix_length).ok());
                out.extend(prefix);
            }
        }
        Ok(out)
    }

    /// Says that the hosts of a prefix are neighbours on a link.
    pub fn add_on_link_route(&mut self, index: u32, prefix: IpNet) -> io::Result<()> {
        let message = on_link_message(index, prefix);
        self.request(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_REPLACE).or_already(libc::EEXIST)
    }

    /// Says that they are not.
    pub fn remove_on_link_route(&mut self, index: u32, prefix: IpNet) -> io::Result<()> {
        let message = on_link_message(index, prefix);
        self.request(RouteNetlinkMessage::DelRoute(message), 0).or_already(libc::ESRCH)
    }

    /// Where a packet to this destination would go; nowhere, if no route leads there.
    pub fn lookup(&mut self, destination: IpAddr) -> io::Result<Option<RouteLookup>> {
        let mut message = RouteMessage::default();
        message.header.address_family = family_of(destination);
        message.header.destination_prefix_length = if destination.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RouteAttribute::Destination(destination.into()));
        let answers = match self.request(RouteNetlinkMessage::GetRoute(message), 0) {
            Ok(answers) => answers,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Ok(answers.iter().find_map(|answer| {
            let RouteNetlinkMessage::NewRoute(route) = answer else { return None };
            if route.header.kind != RouteType::Unicast {
                return None;
            }
            let mut index = None;
            let mut neighbor = destination;
            for attribute in &route.attributes {
                match attribute {
                    RouteAttribute::Oif(oif) => index = Some(*oif),
                    RouteAttribute::Gateway(gateway) => neighbor = ip_address(gateway)?,
                    _ => {}
                }
            }
            Some(RouteLookup { index: index?, neighbor })
        }))
    }
}

fn on_link_message(index: u32, prefix: IpNet) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family_of(prefix.addr());
    message.header.destination_prefix_length = prefix.prefix_len();
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = if prefix.addr().is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Destination(prefix.network().into()), RouteAttribute::Oif(index)];
    message
}

fn family_of(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn ip_address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

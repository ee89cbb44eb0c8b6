//! Addresses of links.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Already, Netlink};

impl Netlink {
    /// Every address of the namespace with the index of its link, link-local IPv6 ones left out: the kernel gives and
    /// takes those itself.
    pub fn addresses(&mut self) -> io::Result<BTreeSet<(u32, IpNet)>> {
        let answers = self.dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))?;
        let mut out = BTreeSet::new();
        for answer in answers {
            let RouteNetlinkMessage::NewAddress(message) = answer else { continue };
            // On a link with a peer address, `Address` is the peer and `Local` is ours.
            let local = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            });
            let address = local.or_else(|| {
                message.attributes.iter().find_map(|attribute| match attribute {
                    AddressAttribute::Address(address) => Some(*address),
                    _ => None,
                })
            });
            let Some(address) = address else { continue };
            if is_link_local(address) {
                continue;
            }
            if let Ok(network) = IpNet::new(address, message.header.prefix_len) {
                out.insert((message.header.index, network));
            }
        }
        Ok(out)
    }

    /// Gives a link an address. An IPv6 one is usable at once: duplicate address detection is switched off for it.
    pub fn add_address(&mut self, index: u32, address: IpNet) -> io::Result<()> {
        let message = address_message(index, address);
        self.request(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL).or_already(libc::EEXIST)
    }

    /// Takes an address from a link.
    pub fn remove_address(&mut self, index: u32, address: IpNet) -> io::Result<()> {
        let message = address_message(index, address);
        self.request(RouteNetlinkMessage::DelAddress(message), 0).or_already(libc::EADDRNOTAVAIL)
    }
}

fn address_message(index: u32, address: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.prefix_len();
    message.header.family = if address.addr().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.flags = AddressHeaderFlags::Nodad;
    message.attributes = vec![
        AddressAttribute::Local(address.addr()),
        AddressAttribute::Address(address.addr()),
        AddressAttribute::Flags(AddressFlags::Nodad),
    ];
    message
}

/// An address of the link itself (fe80::/10).
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80)
}

//! Neighbours: what the kernel has learned by ARP and ND, and the way to make it ask.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Already, Netlink};

/// A neighbour as the kernel shows it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor {
    /// The link it is on.
    pub index: u32,
    /// Its IP address.
    pub address: IpAddr,
    /// Its MAC address, where it is known and good for sending to.
    pub mac: Option<[u8; 6]>,
    /// The kernel would ask again before it uses it.
    pub is_stale: bool,
}

impl Neighbor {
    pub(super) fn from_message(message: &NeighbourMessage, is_gone: bool) -> Option<Neighbor> {
        let mut address = None;
        let mut mac = None;
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(IpAddr::V4(*v4)),
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => address = Some(IpAddr::V6(*v6)),
                NeighbourAttribute::LinkLayerAddress(bytes) => mac = <[u8; 6]>::try_from(bytes.as_slice()).ok(),
                _ => {}
            }
        }
        // NOARP entries are broadcast and multicast addresses, no neighbours.
        let is_usable = matches!(
            message.header.state,
            NeighbourState::Reachable
                | NeighbourState::Stale
                | NeighbourState::Delay
                | NeighbourState::Probe
                | NeighbourState::Permanent
        );
        let address = address.filter(|address| !address.is_multicast())?;
        Some(Neighbor {
            index: message.header.ifindex,
            address,
            mac: mac.filter(|_| is_usable && !is_gone),
            is_stale: message.header.state == NeighbourState::Stale,
        })
    }
}

impl Netlink {
    /// Every neighbour of the namespace.
    pub fn neighbors(&mut self) -> io::Result<Vec<Neighbor>> {
        let answers = self.dump(RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()))?;
        let neighbors = answers.iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewNeighbour(message) => Neighbor::from_message(message, false),
            _ => None,
        });
        Ok(neighbors.collect())
    }

    /// Makes the kernel resolve a neighbour, as if a packet were to be sent to it; the answer comes as an event.
    pub fn probe_neighbor(&mut self, index: u32, address: IpAddr) -> io::Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = index;
        message.header.state = NeighbourState::None;
        message.header.flags = NeighbourFlags::Use;
        let destination = match address {
            IpAddr::V4(v4) => {
                message.header.family = AddressFamily::Inet;
                NeighbourAddress::Inet(v4)
            }
            IpAddr::V6(v6) => {
                message.header.family = AddressFamily::Inet6;
                NeighbourAddress::Inet6(v6)
            }
        };
        message.attributes.push(NeighbourAttribute::Destination(destination));
        self.request(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE).or_already(libc::EEXIST)
    }
}

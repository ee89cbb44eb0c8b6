//! What an edge should do with a frame, said slowly in plain Rust over the very configuration that the data plane is
//! given. It shares nothing with the program but the RFCs and the hash.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::IpAddr;

use causeway_edge::dataplane::{HostAttachment, Port, UnderlayHop};
use causeway_edge_types::{AttachmentId, CrossConnect, Encapsulation, TaggedPort, Tags, VrfId};
use causeway_router::{FibChange, GROUP_BUCKETS, GroupId, NextHop, RouteTarget};
use ipnet::IpNet;

use super::packets::{Mac, Outer, ethernet, flow_hash, one_hop_on, tunnel_port};

#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    Dropped(&'static str),
    Kernel,
    Sent(Vec<u8>),
}

use Fate::{Dropped, Kernel, Sent};

pub struct Reference {
    pub seed: u32,
    pub ports: Vec<Port>,
    pub attachments: Vec<HostAttachment>,
    pub cross_connects: Vec<CrossConnect>,
    pub groups: BTreeMap<GroupId, Vec<NextHop>>,
    pub routes: Vec<(VrfId, IpNet, RouteTarget)>,
    pub neighbors: BTreeMap<(AttachmentId, IpAddr), Mac>,
    pub underlay: BTreeMap<IpAddr, UnderlayHop>,
}

/// The parts of an IP packet that a router looks at.
struct Packet {
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    length: usize,
}

fn be16(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

impl Reference {
    pub fn apply(&mut self, changes: &[FibChange]) {
        for change in changes {
            match change {
                FibChange::Group { group, buckets } => drop(self.groups.insert(*group, buckets.clone())),
                FibChange::Route { vrf, prefix, target } => self.routes.push((*vrf, *prefix, *target)),
                _ => panic!("the reference only grows"),
            }
        }
    }

    pub fn fate(&self, ifindex: u32, frame: &[u8]) -> Fate {
        let port = self.ports.iter().find(|port| port.ifindex == ifindex).expect("a port");
        let mut at = 12;
        let mut tags: Vec<u16> = Vec::new();
        while tags.len() < 2 && matches!(be16(&frame[at..]), 0x8100 | 0x88a8) {
            if frame.len() < at + 6 {
                return Dropped("malformed");
            }
            tags.push(be16(&frame[at + 2..]) as u16);
            if tags.last().is_some_and(|tag| tag & 0xfff == 0) {
                return Dropped("unknown_tags");
            }
            at += 4;
        }
        let kind = be16(&frame[at..]) as u16;
        let payload = &frame[at + 2..];
        if tags.is_empty() && port.is_fabric {
            return self.untunnel(frame);
        }
        let ids: Vec<u16> = tags.iter().map(|tag| tag & 0xfff).collect();
        let seen = match ids[..] {
            [] => Tags { s_tag: None, c_tag: None },
            [c_tag] => Tags { s_tag: None, c_tag: Some(c_tag) },
            _ => Tags { s_tag: Some(ids[0]), c_tag: Some(ids[1]) },
        };
        let here = TaggedPort { port: port.name.clone(), tags: seen };
        let other = self.cross_connects.iter().find_map(|cross| match &here {
            here if *here == cross.access => Some(&cross.uplink),
            here if *here == cross.uplink => Some(&cross.access),
            _ => None,
        });
        let (destination, source) = (mac(&frame[0..]), mac(&frame[6..]));
        if let Some(other) = other {
            let priority = tags.first().map_or(0, |tag| tag & 0xf000);
            let out: Vec<u16> =
                [other.tags.s_tag, other.tags.c_tag].into_iter().flatten().map(|tag| tag | priority).collect();
            return Sent(ethernet(destination, source, &out, kind, payload));
        }
        let attachment = self.attachments.iter().find(|host| match &host.attachment.encapsulation {
            Encapsulation::Port { port, tags } => TaggedPort { port: port.clone(), tags: *tags } == here,
            Encapsulation::Vxlan { .. } => false,
        });
        match attachment {
            Some(attachment) => self.route(attachment, destination, source, kind, payload),
            None => Dropped("unknown_tags"),
        }
    }

    fn untunnel(&self, frame: &[u8]) -> Fate {
        let packet = &frame[14..];
        let (source, destination, udp) = match be16(&frame[12..]) {
            0x0800 if packet.len() < 20 => return Dropped("malformed"),
            0x0800 if packet[0] != 0x45 || packet[9] != 17 || be16(&packet[6..]) & 0x3fff != 0 => return Kernel,
            0x0800 => (address(&packet[12..16]), address(&packet[16..20]), &packet[20..]),
            0x86dd if packet.len() < 40 => return Dropped("malformed"),
            0x86dd if packet[6] != 17 => return Kernel,
            0x86dd => (address(&packet[8..24]), address(&packet[24..40]), &packet[40..]),
            _ => return Kernel,
        };
        if udp.len() < 8 {
            return Dropped("malformed");
        }
        if be16(&udp[2..]) != 4789 {
            return Kernel;
        }
        if udp.len() < 8 + 8 + 14 || udp[8] & 8 == 0 {
            return Dropped("malformed");
        }
        let seen_vni = u32::from_be_bytes([0, udp[12], udp[13], udp[14]]);
        let attachment = self.attachments.iter().find(|host| match host.attachment.encapsulation {
            Encapsulation::Vxlan { vni, local, remote } => (vni.0, local, remote) == (seen_vni, destination, source),
            Encapsulation::Port { .. } => false,
        });
        let Some(attachment) = attachment else { return Dropped("unknown_tunnel") };
        let inner = &udp[16..];
        let kind = be16(&inner[12..]) as u16;
        if matches!(kind, 0x8100 | 0x88a8) {
            return Dropped("unknown_tags");
        }
        self.route(attachment, mac(&inner[0..]), mac(&inner[6..]), kind, &inner[14..])
    }

    fn route(&self, on: &HostAttachment, destination: Mac, source: Mac, kind: u16, bytes: &[u8]) -> Fate {
        let is_group = destination[0] & 1 == 1;
        if !is_group && destination != on.host_mac {
            return Dropped("wrong_mac");
        }
        let to_host = |destination: Mac| Sent(ethernet(destination, source, &[], kind, bytes));
        let packet = match kind {
            0x0806 => return to_host(destination),
            0x0800 if is_group => return Dropped("not_unicast"),
            0x0800 => parse4(bytes),
            0x86dd => parse6(bytes),
            _ => return Dropped("not_ip"),
        };
        let Some(packet) = packet else { return Dropped("malformed") };
        if let IpAddr::V6(to) = packet.destination
            && (to.is_unicast_link_local() || to.octets()[0] == 0xff && to.octets()[1] & 15 == 2)
        {
            return to_host(destination);
        }
        if !is_forwardable(packet.destination) {
            return Dropped("not_unicast");
        }
        let is_link_local_source = matches!(packet.source, IpAddr::V6(from) if from.is_unicast_link_local());
        if !is_forwardable(packet.source) {
            return Dropped("bad_source");
        }

        let vrf = on.attachment.vrf;
        let own = self
            .attachments
            .iter()
            .filter(|host| host.attachment.vrf == vrf)
            .find(|host| host.attachment.addresses.iter().any(|own| own.addr() == packet.destination));
        if let Some(own) = own {
            return if own == on { to_host(on.host_mac) } else { Dropped("foreign_address") };
        }
        if is_link_local_source {
            return Dropped("bad_source");
        }
        let best = self
            .routes
            .iter()
            .filter(|(of, prefix, _)| *of == vrf && prefix.contains(&packet.destination))
            .max_by_key(|(_, prefix, _)| prefix.prefix_len());
        let Some((_, _, target)) = best else { return Dropped("no_route") };
        if packet.ttl <= 1 {
            return Dropped("ttl_expired");
        }
        let hash = flow_hash(self.seed, bytes);
        let by_id = |id| self.attachments.iter().find(|host| host.attachment.id == id).expect("configured");
        let (out, mac) = match target {
            RouteTarget::OnLink(id) => {
                let out = by_id(*id);
                match self.neighbors.get(&(*id, packet.destination)) {
                    Some(mac) => (out, *mac),
                    None if out.attachment.vrf != vrf => return Dropped("wrong_vrf"),
                    None => return Sent(ethernet(out.host_mac, source, &[], kind, bytes)),
                }
            }
            RouteTarget::Group(group) => {
                let buckets = &self.groups[group];
                let Some(hop) = buckets.get(hash as usize % GROUP_BUCKETS) else { return Dropped("next_hop_down") };
                let Some(mac) = self.neighbors.get(&(hop.attachment, hop.address)) else {
                    return Dropped("neighbor_unknown");
                };
                (by_id(hop.attachment), *mac)
            }
        };
        if is_group {
            return Dropped("not_unicast");
        }
        if out.attachment.vrf != vrf {
            return Dropped("wrong_vrf");
        }
        if packet.length > usize::from(out.attachment.mtu) {
            return Dropped("too_big");
        }
        let port_tags = |tags: &Tags| [tags.s_tag, tags.c_tag].into_iter().flatten().collect::<Vec<u16>>();
        let onward = one_hop_on(bytes);
        match &out.attachment.encapsulation {
            Encapsulation::Port { tags, .. } => Sent(ethernet(mac, out.host_mac, &port_tags(tags), kind, &onward)),
            Encapsulation::Vxlan { vni, local, remote } => {
                let Some(hop) = self.underlay.get(remote) else { return Dropped("no_underlay") };
                let outer = Outer {
                    destination_mac: hop.destination_mac,
                    source_mac: hop.source_mac,
                    source: *local,
                    destination: *remote,
                    vni: vni.0,
                    source_port: tunnel_port(hash),
                };
                let service = if kind == 0x0800 { bytes[1] } else { bytes[0] << 4 | bytes[1] >> 4 } & 0xfc;
                Sent(outer.wrap_with(service, &ethernet(mac, out.host_mac, &[], kind, &onward)))
            }
        }
    }
}

fn mac(bytes: &[u8]) -> Mac {
    bytes[..6].try_into().expect("six bytes")
}

fn address(bytes: &[u8]) -> IpAddr {
    match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).expect("four bytes")),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).expect("sixteen bytes")),
    }
}

fn parse4(bytes: &[u8]) -> Option<Packet> {
    if bytes.len() < 20 || bytes[0] >> 4 != 4 {
        return None;
    }
    let (header, length) = (usize::from(bytes[0] & 15) * 4, be16(&bytes[2..]));
    if header < 20 || length < header || length > bytes.len() {
        return None;
    }
    Some(Packet { source: address(&bytes[12..16]), destination: address(&bytes[16..20]), ttl: bytes[8], length })
}

fn parse6(bytes: &[u8]) -> Option<Packet> {
    if bytes.len() < 40 || bytes[0] >> 4 != 6 || 40 + be16(&bytes[4..]) > bytes.len() {
        return None;
    }
    let length = 40 + be16(&bytes[4..]);
    Some(Packet { source: address(&bytes[8..24]), destination: address(&bytes[24..40]), ttl: bytes[7], length })
}

/// Neither multicast, broadcast, loopback nor "this network"; for IPv6, nothing of ::/96 either, where loopback and the
/// unspecified address are.
fn is_forwardable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !matches!(v4.octets()[0], 0 | 127 | 224..),
        IpAddr::V6(v6) => !v6.is_multicast() && v6.octets()[..12] != [0; 12],
    }
}

//! Packets written by hand, independently of the program: what goes in and what must come out.
#![allow(dead_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub type Mac = [u8; 6];

pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An Ethernet frame with 0x8100 tags, outermost first.
pub fn ethernet(destination: Mac, source: Mac, tags: &[u16], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = join(&[&destination, &source]);
    for tag in tags {
        frame.extend(0x8100_u16.to_be_bytes());
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The ethertype of an IP packet.
pub fn kind_of(packet: &[u8]) -> u16 {
    if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd }
}

pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, ttl: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + payload.len() as u16).to_be_bytes());
    header.extend([0x12, 0x34, 0, 0, ttl, protocol, 0, 0]);
    header.extend(source.octets());
    header.extend(destination.octets());
    let sum = checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    header.extend(payload);
    header
}

pub fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend((payload.len() as u16).to_be_bytes());
    header.extend([next, hop_limit]);
    header.extend(source.octets());
    header.extend(destination.octets());
    header.extend(payload);
    header
}

/// UDP without a checksum; the program never looks at it.
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    for word in [source, destination, 8 + payload.len() as u16, 0] {
        header.extend(word.to_be_bytes());
    }
    header.extend(payload);
    header
}

/// An IP packet of either family with a UDP datagram in it.
pub fn datagram(source: IpAddr, destination: IpAddr, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let udp = udp(4000, 5000, payload);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ipv4(source, destination, ttl, 17, &udp),
        (IpAddr::V6(source), IpAddr::V6(destination)) => ipv6(source, destination, ttl, 17, &udp),
        _ => panic!("of one family"),
    }
}

/// One router further: TTL less by one, and the checksum computed from nothing. Where it was wrong before, it must stay
/// as wrong as it was, since a router that mends it would hide the damage (RFC 1624).
pub fn one_hop_on(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet[0] >> 4 == 4 {
        let header = usize::from(packet[0] & 15) * 4;
        let is_right = checksum(&packet[..header]) == 0;
        let before = u32::from(packet[10]) << 8 | u32::from(packet[11]);
        packet[8] -= 1;
        packet[10..12].fill(0);
        let mut sum = u32::from(checksum(&packet[..header]));
        if !is_right {
            sum = before + 0x100;
            sum = (sum + u32::from(sum >= 0xffff)) & 0xffff;
        }
        packet[10..12].copy_from_slice(&(sum as u16).to_be_bytes());
    } else {
        packet[7] -= 1;
    }
    packet
}

/// The outer headers of a tunnel.
#[derive(Clone, Copy)]
pub struct Outer {
    pub destination_mac: Mac,
    pub source_mac: Mac,
    pub source: IpAddr,
    pub destination: IpAddr,
    pub vni: u32,
    pub source_port: u16,
}

impl Outer {
    /// The frame in its tunnel.
    pub fn wrap(&self, inner: &[u8]) -> Vec<u8> {
        self.wrap_with(0, inner)
    }

    /// The frame in its tunnel, with the DSCP (in its place in the byte) outside.
    pub fn wrap_with(&self, service: u8, inner: &[u8]) -> Vec<u8> {
        let mut vxlan = vec![0x08, 0, 0, 0];
        vxlan.extend((self.vni << 8).to_be_bytes());
        vxlan.extend(inner);
        let udp = udp(self.source_port, 4789, &vxlan);
        let packet = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut packet = ipv4(source, destination, 64, 17, &udp);
                packet[1] = service;
                packet[4..12].copy_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
                let sum = checksum(&packet[..20]).to_be_bytes();
                packet[10..12].copy_from_slice(&sum);
                packet
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let mut packet = ipv6(source, destination, 64, 17, &udp);
                packet[0] |= service >> 4;
                packet[1] |= service << 4;
                packet
            }
            _ => panic!("of one family"),
        };
        ethernet(self.destination_mac, self.source_mac, &[], kind_of(&packet), &packet)
    }
}

fn mix(hash: u32, word: u32) -> u32 {
    let hash = (hash ^ word).wrapping_mul(0x85eb_ca6b);
    hash ^ (hash >> 13)
}

/// The flow's hash, from the packet's bytes.
pub fn flow_hash(seed: u32, packet: &[u8]) -> u32 {
    let word = |at: usize| u32::from_ne_bytes(packet[at..at + 4].try_into().expect("four bytes"));
    let (mut hash, protocol, ports) = if packet[0] >> 4 == 4 {
        let is_fragment = packet[6] & 0x3f != 0 || packet[7] != 0;
        let header = usize::from(packet[0] & 15) * 4;
        let hash = mix(mix(mix(seed, word(12)), word(16)), u32::from(packet[9]));
        (hash, packet[9], if is_fragment { None } else { Some(header) })
    } else {
        let hash = (0..8).fold(seed, |hash, index| mix(hash, word(8 + 4 * index)));
        (mix(hash, u32::from(packet[6])), packet[6], Some(40))
    };
    if let Some(at) = ports
        && matches!(protocol, 6 | 17 | 132)
        && packet.len() >= at + 4
    {
        hash = mix(hash, word(at));
    }
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

/// The tunnel's source port for a flow.
pub fn tunnel_port(hash: u32) -> u16 {
    0xc000 | ((hash >> 16) & 0x3fff) as u16
}

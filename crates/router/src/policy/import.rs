//! What is accepted from a peer. A path that is refused is kept in adj_in and counted, and never chosen.

use std::fmt;
use std::net::IpAddr;

use causeway_edge_types::{Asn, ImportPolicy};
use causeway_wire::bgp::Attributes;
use ipnet::IpNet;

/// Why a path is filtered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// Our own AS number is in the path: it has been here before (RFC 4271 section 9.1.2).
    OwnAsn,
    /// AS 0 is in the path (RFC 7607).
    AsnZero,
    /// The peer's AS number is not the first of the path.
    FirstAsn,
    /// The next hop is neither the peer nor its neighbour.
    NextHop,
    /// A default route, which is not accepted from this peer.
    DefaultRoute,
    /// Loopback, link-local, multicast or reserved addresses.
    Martian,
    /// It lies in a prefix that no peer may tell us.
    Overlap(IpNet),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::OwnAsn => f.write_str("our own AS number is in the path"),
            Refusal::AsnZero => f.write_str("AS 0 is in the path"),
            Refusal::FirstAsn => f.write_str("the path does not begin with the peer's AS number"),
            Refusal::NextHop => f.write_str("the next hop is not on the session's subnet"),
            Refusal::DefaultRoute => f.write_str("a default route is not accepted here"),
            Refusal::Martian => f.write_str("loopback, link-local, multicast or reserved addresses"),
            Refusal::Overlap(prefix) => write!(f, "it lies in {prefix}"),
        }
    }
}

/// Everything that the verdict on a path depends on besides the path.
#[derive(Clone, Debug)]
pub(crate) struct ImportRules {
    pub(crate) local_asn: Asn,
    pub(crate) remote_asn: Asn,
    pub(crate) peer_address: IpAddr,
    /// Our addresses, with their subnets, on the peer's attachment.
    pub(crate) own_addresses: Vec<IpNet>,
    pub(crate) policy: ImportPolicy,
}

impl ImportRules {
    /// The verdict on attributes, the same for every prefix that comes with them.
    pub(crate) fn refuse_attributes(&self, attributes: &Attributes) -> Option<Refusal> {
        if attributes.as_path.asns().any(|asn| asn == self.local_asn) {
            return Some(Refusal::OwnAsn);
        }
        if attributes.as_path.asns().any(|asn| asn == Asn(0)) {
            return Some(Refusal::AsnZero);
        }
        let is_external = self.local_asn != self.remote_asn;
        if self.policy.enforce_first_as && is_external && attributes.as_path.first() != Some(self.remote_asn) {
            return Some(Refusal::FirstAsn);
        }
        let next_hop = attributes.next_hop;
        let is_neighbour = next_hop == self.peer_address || is_link_local(next_hop) || self.is_on_link(next_hop);
        let is_us = self.own_addresses.iter().any(|own| own.addr() == next_hop);
        (!is_neighbour || is_us).then_some(Refusal::NextHop)
    }

    /// The verdict on a prefix.
    pub(crate) fn refuse_prefix(&self, prefix: &IpNet) -> Option<Refusal> {
        if prefix.prefix_len() == 0 {
            return (!self.policy.accept_default).then_some(Refusal::DefaultRoute);
        }
        if is_martian(prefix) {
            return Some(Refusal::Martian);
        }
        // A shorter prefix (10.0.0.0/8 over a network's 10.1.0.0/16) takes nothing away from what is more specific.
        let is_inside = |other: &&IpNet| other.contains(prefix);
        self.policy.refuse_overlap.iter().find(is_inside).map(|other| Refusal::Overlap(*other))
    }

    /// The verdict on both.
    pub(crate) fn refuse(&self, prefix: &IpNet, attributes: &Attributes) -> Option<Refusal> {
        self.refuse_attributes(attributes).or_else(|| self.refuse_prefix(prefix))
    }

    /// Where packets for an accepted path go: its next hop if that is a neighbour, else the peer itself (a link-local
    /// next hop says no more than the session does).
    pub(crate) fn forwarding_address(&self, attributes: &Attributes) -> IpAddr {
        if self.is_on_link(attributes.next_hop) { attributes.next_hop } else { self.peer_address }
    }

    fn is_on_link(&self, address: IpAddr) -> bool {
        self.own_addresses.iter().any(|own| own.contains(&address))
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Addresses that no network can be reached at (RFC 6890): by their first byte for IPv4.
fn is_martian(prefix: &IpNet) -> bool {
    match prefix.network() {
        IpAddr::V4(network) => {
            let [first, second, ..] = network.octets();
            let length = prefix.prefix_len();
            matches!(first, 0 | 127) && length >= 8
                || (first, second) == (169, 254) && length >= 16
                || first >= 224 && length >= 3
        }
        IpAddr::V6(network) => {
            let [first, ..] = network.segments();
            let length = prefix.prefix_len();
            let is_low = first == 0 && length >= 16 && network.segments()[..5].iter().all(|segment| *segment == 0);
            is_low && length >= 80
                || first & 0xff00 == 0xff00 && length >= 8
                || first & 0xffc0 == 0xfe80 && length >= 10
        }
    }
}

#[cfg(test)]
mod tests {
    use causeway_edge_types::Family;
    use causeway_wire::bgp::{AsPath, AsPathSegment, Origin};

    use super::*;

    fn rules(peer: &str, own: &str) -> ImportRules {
        ImportRules {
            local_asn: Asn(64496),
            remote_asn: Asn(64497),
            peer_address: peer.parse().unwrap(),
            own_addresses: vec![own.parse().unwrap()],
            policy: ImportPolicy {
                max_prefixes: 10,
                refuse_overlap: vec!["10.1.0.0/16".parse().unwrap()],
                accept_default: false,
                enforce_first_as: true,
                weight: 0,
            },
        }
    }

    fn attributes(path: &[u32], next_hop: &str) -> Attributes {
        Attributes {
            origin: Origin::Igp,
            as_path: AsPath(vec![AsPathSegment::Sequence(path.iter().map(|asn| Asn(*asn)).collect())]),
            next_hop: next_hop.parse().unwrap(),
            next_hop_link_local: None,
            med: None,
            local_pref: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: vec![],
            extended_communities: vec![],
            large_communities: vec![],
            unknown_transitive: vec![],
        }
    }

    #[test]
    fn a_path_is_judged_by_its_attributes() {
        let rules = rules("192.0.2.2", "192.0.2.1/29");
        let verdict = |path: &[u32], next_hop| rules.refuse_attributes(&attributes(path, next_hop));
        assert_eq!(verdict(&[64497, 64500], "192.0.2.2"), None);
        assert_eq!(verdict(&[64497], "192.0.2.3"), None, "a neighbour on the same subnet");
        assert_eq!(verdict(&[64497, 64496], "192.0.2.2"), Some(Refusal::OwnAsn));
        assert_eq!(verdict(&[64497, 0], "192.0.2.2"), Some(Refusal::AsnZero));
        assert_eq!(verdict(&[64500, 64497], "192.0.2.2"), Some(Refusal::FirstAsn));
        assert_eq!(verdict(&[], "192.0.2.2"), Some(Refusal::FirstAsn));
        assert_eq!(verdict(&[64497], "198.51.100.1"), Some(Refusal::NextHop));
        assert_eq!(verdict(&[64497], "192.0.2.1"), Some(Refusal::NextHop), "our own address");
    }

    #[test]
    fn an_ipv6_link_local_next_hop_means_the_peer() {
        let rules = rules("2001:db8::2", "2001:db8::1/126");
        let link_local = attributes(&[64497], "fe80::1");
        assert_eq!(rules.refuse_attributes(&link_local), None);
        assert_eq!(rules.forwarding_address(&link_local), rules.peer_address);
        let third = attributes(&[64497], "2001:db8::3");
        assert_eq!(rules.forwarding_address(&third), third.next_hop);
    }

    #[test]
    fn a_prefix_is_judged_by_where_it_lies() {
        let rules = rules("192.0.2.2", "192.0.2.1/30");
        let cases: &[(&str, bool)] = &[
            ("10.2.0.0/16", true),
            ("10.1.128.0/17", false),
            ("10.0.0.0/8", true), // covers 10.1.0.0/16, which keeps its own route
            ("10.1.0.0/16", false),
            ("0.0.0.0/0", false),
            ("127.0.0.0/8", false),
            ("127.1.2.3/32", false),
            ("169.254.7.0/24", false),
            ("169.0.0.0/8", true),
            ("224.0.0.0/4", false),
            ("239.1.0.0/16", false),
            ("203.0.113.0/24", true),
            ("192.0.0.0/2", true),
            ("::1/128", false),
            ("::/0", false),
            ("fe80::/10", false),
            ("fe80:1::/32", false),
            ("ff02::/16", false),
            ("2001:db8:1::/48", true),
            ("fd00::/8", true),
        ];
        for (text, is_accepted) in cases {
            let prefix: IpNet = text.parse().unwrap();
            assert_eq!(rules.refuse_prefix(&prefix).is_none(), *is_accepted, "{text} {:?}", Family::of_prefix(&prefix));
        }
    }

    #[test]
    fn an_accepted_default_route_overlaps_with_nothing() {
        let mut rules = rules("192.0.2.2", "192.0.2.1/30");
        rules.policy.accept_default = true;
        assert_eq!(rules.refuse_prefix(&"0.0.0.0/0".parse().unwrap()), None);
    }
}

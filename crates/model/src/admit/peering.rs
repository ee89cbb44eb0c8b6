//! A peering's own fields, and what its subnets may not meet.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::circuit;
use crate::{Circuit, Peering, PeeringKind, Problem, Snapshot, TUNNEL_IPV4, TUNNEL_IPV6, overlaps, shared_key};

const VLAN: &str = "properties.vlanId";
const PEER_ASN: &str = "properties.peerASN";

/// AS numbers that are the cloud's own or nobody's: (from, to, whose).
const RESERVED_ASNS: [(u32, u32, &str); 5] = [
    (0, 0, "reserved (RFC 7607)"),
    (23_456, 23_456, "reserved as AS_TRANS (RFC 6793)"),
    (65_515, 65_520, "the cloud's own: 65515 to 65520"),
    (65_535, 65_535, "reserved (RFC 7300)"),
    (u32::MAX, u32::MAX, "reserved (RFC 7300)"),
];

/// Whether a rule has to look again; who changed it last and how far it has come are no rule's.
pub(super) fn differs(old: &Peering, new: &Peering) -> bool {
    let plain = |peering: &Peering| {
        (
            (peering.kind, peering.is_enabled, peering.peer_asn, peering.vlan_id, peering.endpoint_order),
            (peering.ipv4, peering.ipv6, peering.shared_key.clone()),
        )
    };
    plain(old) != plain(new)
}

pub(super) fn put(snapshot: &Snapshot, circuit: &Circuit, kind: PeeringKind, new: &Peering, out: &mut Vec<Problem>) {
    if kind != new.kind {
        let message = format!("peeringType is '{:?}' and the peering is '{kind:?}': they are one", new.kind);
        out.push(Problem::bad_request("PeeringTypeMismatch", "properties.peeringType", message));
    }
    if new.kind == PeeringKind::MicrosoftPeering {
        let message = "MicrosoftPeering is not offered by this deployment yet; AzurePrivatePeering is";
        out.push(Problem::bad_request("PeeringTypeNotSupported", "properties.peeringType", message));
    }
    vlan(circuit, kind, new, out);
    asn(snapshot, new, out);
    if let Some(key) = &new.shared_key
        && let Err(message) = shared_key(key.expose())
    {
        out.push(Problem::bad_request("InvalidSharedKey", "properties.sharedKey", message));
    }
    subnets(new, out);
    for connection in circuit::connections(snapshot, &circuit.id) {
        let Some(network) = super::connection::network(snapshot, connection) else { continue };
        for space in &network.address_space {
            against_space(new, space, network.id.as_str(), out);
        }
    }
}

fn vlan(circuit: &Circuit, kind: PeeringKind, new: &Peering, out: &mut Vec<Problem>) {
    if !(1..=4094).contains(&new.vlan_id) {
        let message = format!("vlanId {} is not in 1 to 4094", new.vlan_id);
        out.push(Problem::bad_request("InvalidVlanId", VLAN, message));
    }
    let others = circuit.peerings.iter().filter(|(other, _)| **other != kind);
    for (other, _) in others.filter(|(_, peering)| peering.vlan_id == new.vlan_id) {
        let message =
            format!("vlanId {} is in use by {other:?}: two peerings of one circuit have different VLANs", new.vlan_id);
        out.push(Problem::bad_request("VlanIdInUse", VLAN, message));
    }
}

fn asn(snapshot: &Snapshot, new: &Peering, out: &mut Vec<Problem>) {
    let asn = new.peer_asn;
    let deployment = &snapshot.deployment;
    let reserved = RESERVED_ASNS.iter().find(|(from, to, _)| (*from..=*to).contains(&asn)).map(|(_, _, whose)| *whose);
    let whose = match () {
        () if asn == deployment.edge_asn => Some("the edges' own"),
        () if asn == deployment.gateway_asn => Some("the gateways' own"),
        () if asn == 12_076 => Some("the cloud's own: 12076"),
        () => reserved,
    };
    if let Some(whose) = whose {
        let message = format!("peerASN {asn} can't be a customer's: it is {whose}");
        out.push(Problem::bad_request("ReservedAsn", PEER_ASN, message));
    }
}

/// The subnets given, each with the field that it was given in.
fn fields(peering: &Peering) -> Vec<(&'static str, IpNet)> {
    let mut fields = Vec::new();
    if let Some(ipv4) = peering.ipv4 {
        fields.push(("properties.primaryPeerAddressPrefix", IpNet::V4(ipv4.primary)));
        fields.push(("properties.secondaryPeerAddressPrefix", IpNet::V4(ipv4.secondary)));
    }
    if let Some(ipv6) = peering.ipv6 {
        fields.push(("properties.ipv6PeeringConfig.primaryPeerAddressPrefix", IpNet::V6(ipv6.primary)));
        fields.push(("properties.ipv6PeeringConfig.secondaryPeerAddressPrefix", IpNet::V6(ipv6.secondary)));
    }
    fields
}

fn short(field: &str) -> &str {
    field.trim_start_matches("properties.")
}

fn subnets(new: &Peering, out: &mut Vec<Problem>) {
    let fields = fields(new);
    if fields.is_empty() {
        let message = "primaryPeerAddressPrefix and secondaryPeerAddressPrefix are missing: a peering has two IPv4 /30 \
                       subnets, two IPv6 /126 subnets, or both";
        out.push(Problem::bad_request("PeeringWithoutSubnets", "properties.primaryPeerAddressPrefix", message));
    }
    for (field, subnet) in &fields {
        let wanted = if subnet.addr().is_ipv4() { 30 } else { 126 };
        if subnet.prefix_len() != wanted {
            let split = match (subnet, subnet.prefix_len()) {
                (IpNet::V4(_), 29) => "; of a /29 the first /30 is the primary link's and the second the secondary's",
                (IpNet::V6(_), 125) => {
                    "; of a /125 the first /126 is the primary link's and the second the secondary's"
                }
                _ => "",
            };
            let message = format!("{} '{subnet}' is not a /{wanted}{split}", short(field));
            out.push(Problem::bad_request("InvalidPeerAddressPrefix", field, message));
        }
        if let Some(problem) = host_bits(field, subnet) {
            out.push(problem);
        }
        if let Some(whose) = special(subnet) {
            let message = format!("{} '{subnet}' can't be used: it is {whose}", short(field));
            out.push(Problem::bad_request("InvalidPeerAddressPrefix", field, message));
        }
    }
    for pair in fields.chunks(2) {
        if let [(_, primary), (field, secondary)] = pair
            && overlaps(primary, secondary)
        {
            let message = format!(
                "{} '{secondary}' overlaps with the primary link's '{primary}': each link has its own subnet",
                short(field)
            );
            out.push(Problem::bad_request("PeerAddressPrefixesOverlap", field, message));
        }
    }
}

/// A prefix that has bits beyond its length.
pub(super) fn host_bits(field: &str, prefix: &IpNet) -> Option<Problem> {
    (prefix.addr() != prefix.network()).then(|| {
        let message = format!("{} '{prefix}' has host bits set: the prefix is '{}'", short(field), prefix.trunc());
        Problem::bad_request("InvalidAddressPrefix", field, message)
    })
}

/// Addresses that nobody's network can have.
pub(super) fn special(prefix: &IpNet) -> Option<&'static str> {
    let first = prefix.network();
    if overlaps(prefix, &IpNet::V4(TUNNEL_IPV4)) || overlaps(prefix, &IpNet::V6(TUNNEL_IPV6)) {
        return Some("in use between edges and gateways (169.254.128.0/17, fdc5:7e4a:91d2::/48)");
    }
    match first {
        IpAddr::V4(first) if first.is_loopback() => Some("loopback (127.0.0.0/8)"),
        IpAddr::V4(first) if first.octets()[0] == 0 => Some("\"this network\" (0.0.0.0/8)"),
        IpAddr::V4(first) if first.octets()[0] >= 224 => Some("multicast or reserved (224.0.0.0/3)"),
        IpAddr::V6(first) if first.is_multicast() => Some("multicast (ff00::/8)"),
        IpAddr::V6(first) if first.is_unicast_link_local() => Some("link-local (fe80::/10)"),
        IpAddr::V6(first) if first.octets()[..10] == [0; 10] => Some(not_unicast(first)),
        _ => None,
    }
}

fn not_unicast(first: Ipv6Addr) -> &'static str {
    if first.to_ipv4_mapped().is_some() { "IPv4-mapped (::ffff:0:0/96)" } else { "reserved (::/80)" }
}

/// The peering's subnets against one of a connected network's address spaces (fact 33).
pub(super) fn against_space(peering: &Peering, space: &IpNet, network: &str, out: &mut Vec<Problem>) {
    for (field, subnet) in fields(peering) {
        if overlaps(&subnet, space) {
            let message = format!(
                "{} '{subnet}' overlaps with address space '{space}' of the connected virtual network '{network}'",
                short(field)
            );
            out.push(Problem::bad_request("PeeringOverlapsVirtualNetwork", field, message));
        }
    }
}

/// The same from the other side: a network's address space against a peering's subnets.
pub(super) fn space_against(space: &IpNet, peering: &Peering, circuit: &Circuit, target: &str, out: &mut Vec<Problem>) {
    for (_, subnet) in fields(peering) {
        if overlaps(&subnet, space) {
            let message = format!(
                "address space '{space}' overlaps with subnet '{subnet}' of {:?} on circuit '{}'",
                peering.kind,
                circuit.id.name()
            );
            out.push(Problem::bad_request("VirtualNetworkOverlapsPeering", target, message));
        }
    }
}

/// A private peering stays while gateways are connected through it (fact 39).
pub(super) fn delete(snapshot: &Snapshot, circuit: &Circuit, kind: PeeringKind, out: &mut Vec<Problem>) {
    if kind != PeeringKind::AzurePrivatePeering {
        return;
    }
    let left: Vec<&str> = circuit::connections(snapshot, &circuit.id).map(|other| other.id.as_str()).collect();
    if !left.is_empty() {
        let message = format!(
            "{kind:?} of circuit '{}' has gateway connections, which must be deleted first: {}",
            circuit.id.name(),
            left.join(", ")
        );
        out.push(Problem::conflict("PeeringInUse", "properties.peeringType", message));
    }
}

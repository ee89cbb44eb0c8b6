//! A virtual network: its address spaces, its subnets, and what it may not meet on the circuits it is joined to.

use ipnet::IpNet;

use super::peering;
use crate::limits::{GATEWAY_IPV4_PREFIXES, GATEWAY_IPV6_PREFIXES};
use crate::{GATEWAY_SUBNET, Gateway, PeeringKind, Problem, ResourceId, Snapshot, VirtualNetwork, overlaps};

const SPACE: &str = "properties.addressSpace.addressPrefixes";
const SUBNETS: &str = "properties.subnets";

pub(super) fn put(snapshot: &Snapshot, new: &VirtualNetwork, out: &mut Vec<Problem>) {
    let old = snapshot.virtual_networks.get(&new.id.key());
    if old.is_none() {
        super::name(new.id.name(), "virtual network", out);
    }
    if old.is_none_or(|old| old.address_space != new.address_space || old.subnets != new.subnets) {
        address_space(new, out);
        subnets(new, out);
        in_use(snapshot, new, out);
    }
    if old.is_none_or(|old| old.address_space != new.address_space) {
        for connection in snapshot.connections.values() {
            if super::connection::network(snapshot, connection).is_some_and(|network| network.id == new.id) {
                joined(snapshot, new, &connection.circuit, SPACE, out);
            }
        }
    }
}

fn address_space(new: &VirtualNetwork, out: &mut Vec<Problem>) {
    if new.address_space.is_empty() {
        let message = "addressPrefixes is empty: a virtual network has at least one address prefix";
        out.push(Problem::bad_request("AddressSpaceMissing", SPACE, message));
    }
    for (index, space) in new.address_space.iter().enumerate() {
        prefix(SPACE, "addressPrefixes", space, out);
        for other in new.address_space[..index].iter().filter(|other| overlaps(space, other)) {
            let message = format!("address prefix '{space}' overlaps with '{other}' of the same virtual network");
            out.push(Problem::bad_request("AddressSpacesOverlap", SPACE, message));
        }
    }
}

/// A prefix of a network's own.
fn prefix(target: &str, what: &str, prefix: &IpNet, out: &mut Vec<Problem>) {
    out.extend(peering::host_bits(target, prefix));
    let longest = if prefix.addr().is_ipv4() { 29 } else { 64 };
    if prefix.prefix_len() < 8 || prefix.prefix_len() > longest {
        let message = format!("{what} '{prefix}' is not a /8 to /{longest}");
        out.push(Problem::bad_request("InvalidAddressPrefix", target, message));
    } else if let Some(whose) = peering::special(prefix) {
        let message = format!("{what} '{prefix}' can't be used: it is {whose}");
        out.push(Problem::bad_request("InvalidAddressPrefix", target, message));
    }
}

fn subnets(new: &VirtualNetwork, out: &mut Vec<Problem>) {
    let mut before: Vec<(&str, &IpNet)> = Vec::new();
    for (name, prefixes) in &new.subnets {
        super::name(name, "subnet", out);
        if name.eq_ignore_ascii_case(GATEWAY_SUBNET) && name != GATEWAY_SUBNET {
            let message = format!("subnet '{name}': the subnet of a gateway is named exactly '{GATEWAY_SUBNET}'");
            out.push(Problem::bad_request("InvalidGatewaySubnetName", SUBNETS, message));
        }
        if prefixes.is_empty() {
            let message = format!("subnet '{name}' has no address prefix");
            out.push(Problem::bad_request("SubnetWithoutPrefix", SUBNETS, message));
        }
        for subnet in prefixes {
            prefix(SUBNETS, &format!("subnet '{name}'"), subnet, out);
            if !new.address_space.iter().any(|space| space.contains(subnet)) {
                let message = format!(
                    "subnet '{name}' '{subnet}' is not inside the virtual network's address space: {}",
                    list(&new.address_space)
                );
                out.push(Problem::bad_request("NetcfgSubnetRangeOutsideVnet", SUBNETS, message));
            }
            for (other, range) in before.iter().filter(|(_, range)| overlaps(range, subnet)) {
                let message = format!("subnet '{name}' '{subnet}' overlaps with subnet '{other}' '{range}'");
                out.push(Problem::bad_request("NetcfgSubnetRangesOverlap", SUBNETS, message));
            }
            before.push((name, subnet));
        }
    }
}

fn list(prefixes: &[IpNet]) -> String {
    prefixes.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", ")
}

/// The gateway of a virtual network.
pub(super) fn gateway<'a>(snapshot: &'a Snapshot, network: &ResourceId) -> Option<&'a Gateway> {
    let prefix = format!("{}/subnets/", network.key());
    snapshot.gateways.values().find(|gateway| gateway.subnet.key().starts_with(&prefix))
}

/// A subnet with a gateway in it stays as it is.
fn in_use(snapshot: &Snapshot, new: &VirtualNetwork, out: &mut Vec<Problem>) {
    let Some(gateway) = gateway(snapshot, &new.id) else { return };
    let old = snapshot.virtual_networks.get(&new.id.key()).and_then(|old| old.subnets.get(GATEWAY_SUBNET));
    match (old, new.subnets.get(GATEWAY_SUBNET)) {
        (_, None) => {
            let message =
                format!("subnet '{GATEWAY_SUBNET}' is in use by gateway '{}' and can't be deleted", gateway.id);
            out.push(Problem::bad_request("InUseSubnetCannotBeDeleted", SUBNETS, message));
        }
        (Some(before), Some(after)) if before.iter().any(|prefix| !after.contains(prefix)) => {
            let message = format!(
                "subnet '{GATEWAY_SUBNET}' is in use by gateway '{}': its prefixes can't be taken away",
                gateway.id
            );
            out.push(Problem::bad_request("InUsePrefixCannotBeDeleted", SUBNETS, message));
        }
        _ => {}
    }
}

/// What a network that is joined to a circuit must keep to: apart from the peering's subnets (fact 33), apart from the
/// other networks on the circuit, which are one routing domain with it (fact 85), and not too many prefixes (fact 55).
pub(super) fn joined(
    snapshot: &Snapshot,
    network: &VirtualNetwork,
    circuit: &ResourceId,
    target: &str,
    out: &mut Vec<Problem>,
) {
    let Some(circuit) = snapshot.circuits.get(&circuit.key()) else { return };
    if let Some(private) = circuit.peerings.get(&PeeringKind::AzurePrivatePeering) {
        for space in &network.address_space {
            peering::space_against(space, private, circuit, target, out);
        }
    }
    let ipv4 = network.address_space.iter().filter(|space| space.addr().is_ipv4()).count();
    let ipv6 = network.address_space.len() - ipv4;
    for (count, limit, family) in [(ipv4, GATEWAY_IPV4_PREFIXES, "IPv4"), (ipv6, GATEWAY_IPV6_PREFIXES, "IPv6")] {
        if count > limit as usize {
            let message = format!("{count} {family} address prefixes are more than the {limit} that a circuit takes");
            out.push(Problem::bad_request("TooManyAddressPrefixes", target, message));
        }
    }
    for connection in super::circuit::connections(snapshot, &circuit.id) {
        let Some(other) = super::connection::network(snapshot, connection) else { continue };
        if other.id == network.id {
            continue;
        }
        for space in &network.address_space {
            for theirs in other.address_space.iter().filter(|theirs| overlaps(space, theirs)) {
                let message = format!(
                    "address space '{space}' overlaps with '{theirs}' of another virtual network on circuit '{}': the \
                     networks of one circuit are one routing domain",
                    circuit.id.name()
                );
                out.push(Problem::bad_request("VirtualNetworksOverlap", target, message));
            }
        }
    }
}

pub(super) fn delete(
    snapshot: &Snapshot,
    network: &VirtualNetwork,
    stays: &dyn Fn(&ResourceId) -> bool,
    out: &mut Vec<Problem>,
) {
    if let Some(gateway) = gateway(snapshot, &network.id)
        && stays(&gateway.id)
    {
        let message = format!(
            "virtual network '{}' is in use by gateway '{}' and can't be deleted",
            network.id.name(),
            gateway.id
        );
        out.push(Problem::bad_request("InUseVirtualNetworkCannotBeDeleted", SUBNETS, message));
    }
}

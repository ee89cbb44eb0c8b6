//! A circuit's order: who, where, how much, which SKU; and when it may go.

use super::{cross_connection, peering};
use crate::{
    Circuit, PROVIDER_BANDWIDTHS_MBPS, PeeringKind, Problem, ProviderState, ProvisioningState, ResourceId, SkuFamily,
    SkuTier, Snapshot,
};

const PROVIDER: &str = "properties.serviceProviderProperties.serviceProviderName";
const LOCATION: &str = "properties.serviceProviderProperties.peeringLocation";
const BANDWIDTH: &str = "properties.serviceProviderProperties.bandwidthInMbps";
const SKU: &str = "sku.name";

pub(super) fn put(snapshot: &Snapshot, new: &Circuit, out: &mut Vec<Problem>) {
    let old = snapshot.circuits.get(&new.id.key());
    match old {
        None => {
            super::name(new.id.name(), "circuit", out);
            order(snapshot, new, out);
            if new.sku.tier == SkuTier::Local {
                local_family(new, out);
            }
        }
        Some(old) => change(snapshot, old, new, out),
    }
    cross_connection::put(snapshot, old, new, out);
    for (kind, changed) in &new.peerings {
        let before = old.and_then(|old| old.peerings.get(kind));
        let is_going = changed.provisioning_state == ProvisioningState::Deleting;
        if is_going {
            peering::delete(snapshot, new, *kind, out);
        } else if before.is_none_or(|before| peering::differs(before, changed)) {
            peering::put(snapshot, new, *kind, changed, out);
        }
    }
    for kind in old.map(|old| old.peerings.keys()).into_iter().flatten() {
        if !new.peerings.contains_key(kind) {
            peering::delete(snapshot, new, *kind, out);
        }
    }
    for (key, authorization) in &new.authorizations {
        if old.is_none_or(|old| !old.authorizations.contains_key(key)) {
            super::name(&authorization.name, "authorization", out);
        }
    }
}

/// Provider, location and bandwidth of a new circuit.
fn order(snapshot: &Snapshot, new: &Circuit, out: &mut Vec<Problem>) {
    let Some(provider) = snapshot.providers.get(&new.provider.to_ascii_lowercase()) else {
        let message = format!("service provider '{}' is not one of: {}", new.provider, names(snapshot));
        out.push(Problem::bad_request("ServiceProviderNotFound", PROVIDER, message));
        if !PROVIDER_BANDWIDTHS_MBPS.contains(&new.bandwidth_mbps) {
            out.push(bad_bandwidth(new, "of the reference service", &PROVIDER_BANDWIDTHS_MBPS));
        }
        return;
    };
    if !provider.peering_locations.iter().any(|at| at.eq_ignore_ascii_case(&new.peering_location)) {
        let message = format!(
            "peering location '{}' is not one of provider '{}': {}",
            new.peering_location,
            provider.name,
            provider.peering_locations.join(", ")
        );
        out.push(Problem::bad_request("PeeringLocationNotFound", LOCATION, message));
    }
    bandwidth(snapshot, new, out);
}

fn bandwidth(snapshot: &Snapshot, new: &Circuit, out: &mut Vec<Problem>) {
    if let Some(provider) = snapshot.providers.get(&new.provider.to_ascii_lowercase())
        && !provider.bandwidths_mbps.contains(&new.bandwidth_mbps)
    {
        out.push(bad_bandwidth(new, &format!("of provider '{}'", provider.name), &provider.bandwidths_mbps));
    }
}

fn bad_bandwidth(new: &Circuit, whose: &str, offered: &[u32]) -> Problem {
    let offered: Vec<String> = offered.iter().map(u32::to_string).collect();
    let message = format!("bandwidthInMbps {} is not a bandwidth {whose}: {}", new.bandwidth_mbps, offered.join(", "));
    Problem::bad_request("InvalidBandwidth", BANDWIDTH, message)
}

/// Local is sold unlimited only (fact 15).
fn local_family(new: &Circuit, out: &mut Vec<Problem>) {
    if new.sku.family != SkuFamily::UnlimitedData {
        let message = "SKU 'Local_MeteredData' is not offered: the Local tier has the family UnlimitedData only";
        out.push(Problem::bad_request("InvalidCircuitSku", SKU, message));
    }
}

fn change(snapshot: &Snapshot, old: &Circuit, new: &Circuit, out: &mut Vec<Problem>) {
    let fixed = [
        (PROVIDER, "serviceProviderName", &old.provider, &new.provider),
        (LOCATION, "peeringLocation", &old.peering_location, &new.peering_location),
    ];
    for (target, what, before, after) in fixed {
        if !before.eq_ignore_ascii_case(after) {
            let message = format!("{what} is '{before}' and can't become '{after}': order another circuit instead");
            out.push(Problem::bad_request("CircuitPropertyCannotBeChanged", target, message));
        }
    }
    if old.service_key != new.service_key {
        let message = format!("serviceKey is '{}' and is the circuit's for its life", old.service_key);
        out.push(Problem::bad_request("CircuitPropertyCannotBeChanged", "properties.serviceKey", message));
    }
    if new.bandwidth_mbps < old.bandwidth_mbps {
        let message = format!(
            "bandwidthInMbps is {} and can't become {}: bandwidth can be raised in place and never lowered",
            old.bandwidth_mbps, new.bandwidth_mbps
        );
        out.push(Problem::bad_request("BandwidthDecreaseNotAllowed", BANDWIDTH, message));
    } else if new.bandwidth_mbps > old.bandwidth_mbps {
        bandwidth(snapshot, new, out);
    }
    sku_change(snapshot, old, new, out);
}

/// Which SKU may become which (facts 15, 16).
fn sku_change(snapshot: &Snapshot, old: &Circuit, new: &Circuit, out: &mut Vec<Problem>) {
    let sku = |circuit: &Circuit| format!("{:?}_{:?}", circuit.sku.tier, circuit.sku.family);
    let mut refuse = |rule: &str| {
        let message = format!("SKU '{}' can't become '{}': {rule}", sku(old), sku(new));
        out.push(Problem::bad_request("SkuChangeNotAllowed", SKU, message));
    };
    if old.sku.family == SkuFamily::UnlimitedData && new.sku.family == SkuFamily::MeteredData {
        refuse("the family can't go from UnlimitedData to MeteredData");
    }
    match (old.sku.tier, new.sku.tier) {
        (SkuTier::Standard | SkuTier::Premium, SkuTier::Local) => refuse("no other tier can become Local"),
        (SkuTier::Local, SkuTier::Standard | SkuTier::Premium) if new.sku.family == SkuFamily::MeteredData => {
            refuse("from Local the family must be UnlimitedData");
        }
        _ => {}
    }
    let (limit, used) = (new.gateway_connection_limit(), connections(snapshot, &new.id).count());
    if limit < old.gateway_connection_limit() && used > limit {
        refuse(&format!("it allows {limit} gateway connections and the circuit has {used}"));
    }
}

/// The gateway connections on a circuit.
pub(super) fn connections<'a>(
    snapshot: &'a Snapshot,
    circuit: &'a ResourceId,
) -> impl Iterator<Item = &'a crate::GatewayConnection> {
    snapshot.connections.values().filter(move |connection| connection.circuit == *circuit)
}

pub(super) fn delete(
    snapshot: &Snapshot,
    circuit: &Circuit,
    stays: &dyn Fn(&ResourceId) -> bool,
    out: &mut Vec<Problem>,
) {
    let state = circuit.cross_connection.state;
    if matches!(state, ProviderState::Provisioning | ProviderState::Provisioned) {
        let message = format!(
            "The specified dedicated circuit is not in Deprovisioned state. Please initiate the deprovisioning process with \
             your service provider. (serviceProviderProvisioningState of '{}' is '{state:?}'.)",
            circuit.id.name()
        );
        out.push(Problem::conflict("ConflictError", "properties.serviceProviderProvisioningState", message));
    }
    let left: Vec<&str> =
        connections(snapshot, &circuit.id).filter(|other| stays(&other.id)).map(|other| other.id.as_str()).collect();
    if !left.is_empty() {
        let message = format!(
            "circuit '{}' has gateway connections, which must be deleted first: {}",
            circuit.id.name(),
            left.join(", ")
        );
        out.push(Problem::conflict("CircuitInUse", "properties.peerings", message));
    }
}

/// Whether the circuit has the private peering that a gateway connection needs.
pub(super) fn has_private_peering(circuit: &Circuit) -> bool {
    let peering = circuit.peerings.get(&PeeringKind::AzurePrivatePeering);
    peering.is_some_and(|peering| peering.provisioning_state != ProvisioningState::Deleting)
}

fn names(snapshot: &Snapshot) -> String {
    let names: Vec<&str> = snapshot.providers.values().map(|provider| provider.name.as_str()).collect();
    if names.is_empty() { "(none is registered)".into() } else { names.join(", ") }
}

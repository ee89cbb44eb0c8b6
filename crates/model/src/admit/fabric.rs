//! What the operator registers, but for the nodes: the deployment's settings, locations and providers.

use crate::{Deployment, PROVIDER_BANDWIDTHS_MBPS, PeeringLocation, Problem, ServiceProvider, Snapshot};

pub(super) fn put_deployment(snapshot: &Snapshot, new: &Deployment, out: &mut Vec<Problem>) {
    let mut bad = |target: &str, message: String| out.push(Problem::bad_request("InvalidDeployment", target, message));
    for (target, what, asn) in
        [("properties.edgeAsn", "edgeAsn", new.edge_asn), ("properties.gatewayAsn", "gatewayAsn", new.gateway_asn)]
    {
        if matches!(asn, 0 | 23_456 | 65_535 | u32::MAX) {
            bad(target, format!("{what} {asn} is reserved and can't be used"));
        }
    }
    if new.edge_asn == new.gateway_asn {
        bad(
            "properties.gatewayAsn",
            format!("gatewayAsn {} is edgeAsn too: the two speak external BGP", new.gateway_asn),
        );
    }
    if matches!(new.hold_time_s, 1 | 2) {
        let message = format!("holdTimeS {} is neither 0 nor at least 3 (RFC 4271 section 4.2)", new.hold_time_s);
        bad("properties.holdTimeS", message);
    }
    if !(10..=60_000).contains(&new.bfd_interval_ms) {
        bad("properties.bfdIntervalMs", format!("bfdIntervalMs {} is not in 10 to 60000", new.bfd_interval_ms));
    }
    if new.bfd_multiplier == 0 {
        bad("properties.bfdMultiplier", "bfdMultiplier 0 is not in 1 to 255 (RFC 5880 section 4.1)".into());
    }
    for circuit in snapshot.circuits.values() {
        for peering in circuit.peerings.values() {
            if peering.peer_asn == new.edge_asn || peering.peer_asn == new.gateway_asn {
                let message = format!("AS number {} is the peerASN of '{}'", peering.peer_asn, circuit.id);
                out.push(Problem::conflict("AsnInUse", "properties.edgeAsn", message));
            }
        }
    }
}

pub(super) fn put_location(new: &PeeringLocation, out: &mut Vec<Problem>) {
    listed_name(&new.name, "peering location", out);
}

/// Names that are shown in lists may have spaces.
fn listed_name(name: &str, what: &str, out: &mut Vec<Problem>) {
    let is_good = (1..=80).contains(&name.len())
        && name.trim() == name
        && name.chars().all(|character| character.is_ascii_alphanumeric() || " _.-&()".contains(character));
    if !is_good {
        let message = format!(
            "{what} name '{name}' is not valid: a name has 1 to 80 letters, digits, spaces and '_.-&()', no space at its ends"
        );
        out.push(Problem::bad_request("InvalidResourceName", "name", message));
    }
}

pub(super) fn put_provider(snapshot: &Snapshot, new: &ServiceProvider, out: &mut Vec<Problem>) {
    listed_name(&new.name, "service provider", out);
    for location in &new.peering_locations {
        if !snapshot.locations.contains_key(&location.to_ascii_lowercase()) {
            let message = format!("peeringLocations: '{location}' is not registered");
            out.push(Problem::bad_request("PeeringLocationNotFound", "properties.peeringLocations", message));
        }
    }
    for bandwidth in &new.bandwidths_mbps {
        if !PROVIDER_BANDWIDTHS_MBPS.contains(bandwidth) {
            let offered = PROVIDER_BANDWIDTHS_MBPS.map(|offered| offered.to_string()).join(", ");
            let message = format!("bandwidthsMbps: {bandwidth} is not one of {offered}");
            out.push(Problem::bad_request("InvalidBandwidth", "properties.bandwidthsMbps", message));
        }
    }
    if new.bandwidths_mbps.is_empty() {
        let message = "bandwidthsMbps is empty: a provider offers at least one";
        out.push(Problem::bad_request("InvalidBandwidth", "properties.bandwidthsMbps", message));
    }
    let stays = |location: &str| new.peering_locations.iter().any(|kept| kept.eq_ignore_ascii_case(location));
    for circuit in snapshot.circuits.values().filter(|circuit| circuit.provider.eq_ignore_ascii_case(&new.name)) {
        if !stays(&circuit.peering_location) {
            let message = format!("peeringLocations: '{}' is in use by '{}'", circuit.peering_location, circuit.id);
            out.push(Problem::conflict("PeeringLocationInUse", "properties.peeringLocations", message));
        }
    }
}

fn in_use(what: &str, name: &str, by: Vec<String>, out: &mut Vec<Problem>) {
    if !by.is_empty() {
        let message = format!("{what} '{name}' is in use and can't be deleted: {}", by.join(", "));
        out.push(Problem::conflict("InUse", "name", message));
    }
}

pub(super) fn delete_location(snapshot: &Snapshot, name: &str, out: &mut Vec<Problem>) {
    let is_it = |other: &String| other.eq_ignore_ascii_case(name);
    let mut by = Vec::new();
    let providers = snapshot.providers.values().filter(|provider| provider.peering_locations.iter().any(is_it));
    by.extend(providers.map(|provider| format!("provider {}", provider.name)));
    let edges = snapshot.edges.values().filter(|edge| is_it(&edge.peering_location));
    by.extend(edges.map(|edge| format!("edge {}", edge.name)));
    let crosses = snapshot.cross_connects.values().filter(|node| is_it(&node.peering_location));
    by.extend(crosses.map(|node| format!("cross-connect {}", node.name)));
    let circuits = snapshot.circuits.values().filter(|circuit| is_it(&circuit.peering_location));
    by.extend(circuits.map(|circuit| circuit.id.to_string()));
    in_use("peering location", name, by, out);
}

pub(super) fn delete_provider(snapshot: &Snapshot, name: &str, out: &mut Vec<Problem>) {
    let is_it = |other: &String| other.eq_ignore_ascii_case(name);
    let mut by = Vec::new();
    let edges = snapshot.edges.values().filter(|edge| edge.provider_ports.iter().any(|port| is_it(&port.provider)));
    by.extend(edges.map(|edge| format!("edge {}", edge.name)));
    let crosses = snapshot.cross_connects.values().filter(|node| is_it(&node.provider));
    by.extend(crosses.map(|node| format!("cross-connect {}", node.name)));
    let circuits = snapshot.circuits.values().filter(|circuit| is_it(&circuit.provider));
    by.extend(circuits.map(|circuit| circuit.id.to_string()));
    in_use("service provider", name, by, out);
}

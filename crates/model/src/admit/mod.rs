//! The rules: what a change would break, all of it at once.
//!
//! A rule looks at what a change changes. What was admitted once stays admitted: when the operator takes a bandwidth off
//! a provider's list, a circuit that has it can still be tagged. Each rule is told the [`Snapshot`] before the change.
//!
//! ```text
//!   circuit           order, SKU, bandwidth, deletion        network      address spaces, subnets
//!   peering           ASN, VLAN, subnets, key                gateway      subnet, SKU, one for each network
//!   cross_connection  the provider's states, access ports    connection   weight, authorization, limits
//!   authorization     names                                  fabric       what the operator registers
//! ```

mod circuit;
mod connection;
mod cross_connection;
mod fabric;
mod gateway;
mod network;
mod nodes;
mod peering;

use crate::{Change, Problem, Resource, ResourceId, Snapshot};

/// Every rule that `change` would break in `snapshot`; empty when it may go ahead.
pub fn admit(snapshot: &Snapshot, change: &Change) -> Vec<Problem> {
    let mut out = Vec::new();
    match change {
        Change::Put(resource) => match resource {
            Resource::Deployment(new) => fabric::put_deployment(snapshot, new, &mut out),
            Resource::PeeringLocation(new) => fabric::put_location(new, &mut out),
            Resource::ServiceProvider(new) => fabric::put_provider(snapshot, new, &mut out),
            Resource::EdgeNode(new) => nodes::put_edge(snapshot, new, &mut out),
            Resource::GatewayNode(new) => nodes::put_gateway_node(snapshot, new, &mut out),
            Resource::CrossConnectNode(new) => nodes::put_cross_connect(snapshot, new, &mut out),
            Resource::ResourceGroup(new) => put_group(snapshot, new, &mut out),
            Resource::Circuit(new) => circuit::put(snapshot, new, &mut out),
            Resource::VirtualNetwork(new) => network::put(snapshot, new, &mut out),
            Resource::Gateway(new) => gateway::put(snapshot, new, &mut out),
            Resource::GatewayConnection(new) => connection::put(snapshot, new, &mut out),
        },
        Change::Delete(id) => delete(snapshot, id, &mut out),
    }
    out
}

/// What is not there can be deleted: the API answers that as the reference service does.
fn delete(snapshot: &Snapshot, id: &ResourceId, out: &mut Vec<Problem>) {
    let key = id.key();
    let stays = |_: &ResourceId| true;
    match key.split_once('/') {
        Some(("location", name)) => fabric::delete_location(snapshot, name, out),
        Some(("provider", name)) => fabric::delete_provider(snapshot, name, out),
        Some(("node", name)) => nodes::delete(snapshot, name, out),
        _ => {
            if let Some(circuit) = snapshot.circuits.get(&key) {
                circuit::delete(snapshot, circuit, &stays, out);
            }
            if let Some(network) = snapshot.virtual_networks.get(&key) {
                network::delete(snapshot, network, &stays, out);
            }
            if let Some(gateway) = snapshot.gateways.get(&key) {
                gateway::delete(snapshot, gateway, &stays, out);
            }
            if snapshot.resource_groups.contains_key(&key) {
                delete_group(snapshot, &key, out);
            }
        }
    }
}

/// A group takes everything in it along, so a rule counts only what stays.
fn delete_group(snapshot: &Snapshot, group: &str, out: &mut Vec<Problem>) {
    let inside = format!("{group}/");
    let goes = |id: &ResourceId| id.key().starts_with(&inside);
    let stays = |id: &ResourceId| !goes(id);
    for circuit in snapshot.circuits.values().filter(|circuit| goes(&circuit.id)) {
        circuit::delete(snapshot, circuit, &stays, out);
    }
    for network in snapshot.virtual_networks.values().filter(|network| goes(&network.id)) {
        network::delete(snapshot, network, &stays, out);
    }
    for gateway in snapshot.gateways.values().filter(|gateway| goes(&gateway.id)) {
        gateway::delete(snapshot, gateway, &stays, out);
    }
}

fn put_group(snapshot: &Snapshot, new: &crate::ResourceGroup, out: &mut Vec<Problem>) {
    if let Some(old) = snapshot.resource_groups.get(&new.id.key())
        && !same_region(&old.location, &new.location)
    {
        let message = format!(
            "resource group '{}' is in location '{}' and can't move to '{}': a group keeps its location",
            new.id.name(),
            old.location,
            new.location
        );
        out.push(Problem::conflict("InvalidResourceGroupLocation", "location", message));
    }
}

/// `West Europe` and `westeurope` are one region.
fn same_region(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.replace(' ', "").to_ascii_lowercase();
    plain(one) == plain(other)
}

/// A resource's name: 1 to 80 letters, digits, `_`, `.` and `-`, the first a letter or digit, the last no `.` or `-`.
fn name(name: &str, what: &str, out: &mut Vec<Problem>) {
    let is_good = (1..=80).contains(&name.len())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || "_.-".contains(character))
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_');
    if !is_good {
        let message = format!(
            "{what} name '{name}' is not valid: a name has 1 to 80 letters, digits, '_', '.' and '-', begins with a letter \
             or digit and ends with one or with '_'"
        );
        out.push(Problem::bad_request("InvalidResourceName", "name", message));
    }
}

//! A gateway connection: what it joins, by whose leave, and how many there may be.

use super::circuit::{connections, has_private_peering};
use crate::limits::{
    CIRCUITS_OF_A_LOCATION_PER_NETWORK, CONNECTION_ADDRESS_SPACES, ROUTING_WEIGHT_MAX, gateway_circuits,
};
use crate::{
    Circuit, Gateway, GatewayConnection, Problem, ProviderState, ProvisioningState, ResourceId, Snapshot,
    VirtualNetwork,
};

const CIRCUIT: &str = "properties.peer.id";
const GATEWAY: &str = "properties.virtualNetworkGateway1.id";
const KEY: &str = "properties.authorizationKey";

/// The virtual network that a connection joins to its circuit.
pub(super) fn network<'a>(snapshot: &'a Snapshot, connection: &GatewayConnection) -> Option<&'a VirtualNetwork> {
    network_of(snapshot, snapshot.gateways.get(&connection.gateway.key())?)
}

fn network_of<'a>(snapshot: &'a Snapshot, gateway: &Gateway) -> Option<&'a VirtualNetwork> {
    let key = gateway.subnet.key();
    snapshot.virtual_networks.get(&key[..key.rfind("/subnets/")?])
}

pub(super) fn put(snapshot: &Snapshot, new: &GatewayConnection, out: &mut Vec<Problem>) {
    let old = snapshot.connections.get(&new.id.key());
    if new.routing_weight > ROUTING_WEIGHT_MAX {
        let message = format!("routingWeight {} is not in 0 to {ROUTING_WEIGHT_MAX}", new.routing_weight);
        out.push(Problem::bad_request("InvalidRoutingWeight", "properties.routingWeight", message));
    }
    if let Some(old) = old {
        for (target, what, before, after) in [
            (CIRCUIT, "peer", &old.circuit, &new.circuit),
            (GATEWAY, "virtualNetworkGateway1", &old.gateway, &new.gateway),
        ] {
            if before != after {
                let message = format!("{what} is '{before}' and can't become '{after}': make another connection");
                out.push(Problem::bad_request("ConnectionPropertyCannotBeChanged", target, message));
            }
        }
    } else {
        super::name(new.id.name(), "connection", out);
    }
    let circuit = snapshot.circuits.get(&new.circuit.key());
    let gateway = snapshot.gateways.get(&new.gateway.key());
    if circuit.is_none() {
        out.push(missing(CIRCUIT, "peer", &new.circuit));
    }
    match gateway {
        None => out.push(missing(GATEWAY, "virtualNetworkGateway1", &new.gateway)),
        Some(gateway) => of_gateway(snapshot, old, new, gateway, out),
    }
    if let Some(circuit) = circuit {
        authorization(new, circuit, out);
        if old.is_none() {
            of_circuit(snapshot, new, circuit, out);
        }
        // A connection that failed is tried again by putting it again.
        if old.is_none_or(|old| old.provisioning_state == ProvisioningState::Failed) {
            is_ready(circuit, out);
        }
    }
    if old.is_none()
        && let (Some(_), Some(gateway)) = (circuit, gateway)
        && let Some(network) = network_of(snapshot, gateway)
    {
        super::network::joined(snapshot, network, &new.circuit, CIRCUIT, out);
        let count = network.address_space.len();
        if count > CONNECTION_ADDRESS_SPACES {
            let message = format!(
                "virtual network '{}' has {count} address prefixes; when it is joined to a circuit it has at most \
                 {CONNECTION_ADDRESS_SPACES}",
                network.id.name()
            );
            out.push(Problem::bad_request("TooManyAddressPrefixes", GATEWAY, message));
        }
    }
}

fn missing(target: &str, what: &str, id: &ResourceId) -> Problem {
    Problem::bad_request("InvalidResourceReference", target, format!("{what} '{id}' is not there"))
}

fn of_gateway(
    snapshot: &Snapshot,
    old: Option<&GatewayConnection>,
    new: &GatewayConnection,
    gateway: &Gateway,
    out: &mut Vec<Problem>,
) {
    let has_fast_path =
        ["UltraPerformance", "ErGw3AZ", "ErGwScale"].iter().any(|sku| sku.eq_ignore_ascii_case(&gateway.sku));
    if new.fast_path && !has_fast_path {
        let message = format!(
            "expressRouteGatewayBypass needs a gateway of SKU UltraPerformance, ErGw3AZ or ErGwScale; '{}' is '{}'",
            gateway.id.name(),
            gateway.sku
        );
        out.push(Problem::bad_request("FastPathNotSupported", "properties.expressRouteGatewayBypass", message));
    }
    if old.is_some() {
        return;
    }
    if matches!(gateway.provisioning_state, ProvisioningState::Deleting | ProvisioningState::Failed) {
        let message = format!(
            "gateway '{}' is in state '{:?}': a connection needs one that is provisioned",
            gateway.id.name(),
            gateway.provisioning_state
        );
        out.push(Problem::conflict("ReferencedResourceNotProvisioned", GATEWAY, message));
    }
    let others: Vec<&GatewayConnection> =
        snapshot.connections.values().filter(|other| other.gateway == new.gateway && other.id != new.id).collect();
    if let Some(other) = others.iter().find(|other| other.circuit == new.circuit) {
        let message = format!(
            "gateway '{}' is joined to this circuit by '{}' already: there is one connection for each gateway and circuit",
            gateway.id.name(),
            other.id
        );
        out.push(Problem::conflict("ConnectionAlreadyExists", CIRCUIT, message));
    }
    if let Some(limit) = gateway_circuits(&gateway.sku)
        && others.len() >= limit
    {
        let message = format!(
            "gateway '{}' of SKU '{}' can be joined to {limit} circuits and is joined to {}",
            gateway.id.name(),
            gateway.sku,
            others.len()
        );
        out.push(Problem::conflict("GatewayConnectionLimitReached", GATEWAY, message));
    }
    let at =
        |id: &ResourceId| snapshot.circuits.get(&id.key()).map(|circuit| circuit.peering_location.to_ascii_lowercase());
    if let Some(location) = at(&new.circuit) {
        let there = others.iter().filter(|other| at(&other.circuit).as_ref() == Some(&location)).count();
        if there >= CIRCUITS_OF_A_LOCATION_PER_NETWORK {
            let message = format!(
                "the virtual network is joined to {there} circuits at '{location}'; it can be joined to \
                 {CIRCUITS_OF_A_LOCATION_PER_NETWORK} of one peering location"
            );
            out.push(Problem::conflict("PeeringLocationConnectionLimitReached", CIRCUIT, message));
        }
    }
}

fn of_circuit(snapshot: &Snapshot, new: &GatewayConnection, circuit: &Circuit, out: &mut Vec<Problem>) {
    let (limit, used) = (
        circuit.gateway_connection_limit(),
        connections(snapshot, &circuit.id).filter(|connection| connection.id != new.id).count(),
    );
    if used >= limit {
        let message = format!(
            "circuit '{}' ({:?}, {} Mbit/s) has {used} gateway connections of {limit}",
            circuit.id.name(),
            circuit.sku.tier,
            circuit.bandwidth_mbps
        );
        out.push(Problem::conflict("CircuitConnectionLimitReached", CIRCUIT, message));
    }
    if circuit.provisioning_state == ProvisioningState::Deleting {
        let message = format!("circuit '{}' is being deleted", circuit.id.name());
        out.push(Problem::conflict("CircuitIsBeingDeleted", CIRCUIT, message));
    }
}

/// What the reference service finds only while it carries a connection out: it answers 201 and the operation fails.
fn is_ready(circuit: &Circuit, out: &mut Vec<Problem>) {
    let state = circuit.cross_connection.state;
    if state != ProviderState::Provisioned {
        let message = format!(
            "The current cross connection provisioning state '{state:?}' of this service key '{}' prevents this operation.",
            circuit.service_key
        );
        out.push(Problem::fails_later("ServiceProviderNotProvisioned", CIRCUIT, message));
    }
    if !has_private_peering(circuit) {
        let message = format!("circuit '{}' has no AzurePrivatePeering, which a connection needs", circuit.id.name());
        out.push(match state {
            ProviderState::Provisioned => Problem::bad_request("PrivatePeeringNotConfigured", CIRCUIT, message),
            _ => Problem::fails_later("PrivatePeeringNotConfigured", CIRCUIT, message),
        });
    }
    if !circuit.is_enabled {
        let message = format!("circuit '{}' is not enabled", circuit.id.name());
        out.push(Problem::fails_later("CircuitNotEnabled", CIRCUIT, message));
    }
}

/// Another subscription's circuit needs a key of it that nobody has redeemed (fact 84).
fn authorization(new: &GatewayConnection, circuit: &Circuit, out: &mut Vec<Problem>) {
    if circuit.authorizes(new) {
        let is_own = circuit.id.subscription_key() == new.id.subscription_key();
        if is_own && new.authorization_key.is_some() && circuit.redeemable(new).is_none() {
            let message = "authorizationKey is not a key of the circuit; a circuit of the same subscription needs none";
            out.push(Problem::bad_request("AuthorizationKeyInvalid", KEY, message));
        }
        return;
    }
    let key = new.authorization_key.as_ref();
    let found = key.and_then(|key| circuit.authorizations.values().find(|authorization| authorization.key == *key));
    let (code, message) = match (key, found) {
        (None, _) => (
            "AuthorizationKeyMissing",
            format!(
                "circuit '{}' is of another subscription: authorizationKey must be one that its owner made",
                circuit.id.name()
            ),
        ),
        (Some(_), None) => {
            ("AuthorizationKeyInvalid", format!("authorizationKey is not a key of circuit '{}'", circuit.id.name()))
        }
        (Some(_), Some(authorization)) if authorization.used_by.is_none() => (
            "AuthorizationKeyInvalid",
            format!(
                "authorization '{}' of circuit '{}' is in state '{:?}' and can't be redeemed",
                authorization.name,
                circuit.id.name(),
                authorization.provisioning_state
            ),
        ),
        (Some(_), Some(authorization)) => (
            "AuthorizationInUse",
            format!(
                "authorization '{}' of circuit '{}' is in use by another connection: one authorization is for one connection",
                authorization.name,
                circuit.id.name()
            ),
        ),
    };
    out.push(Problem::bad_request(code, KEY, message));
}

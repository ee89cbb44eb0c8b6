//! Gateway connections.

use causeway_edge_types::Secret;
use causeway_model::{Change, Circuit, GatewayConnection, Problem, ProvisioningState, Resource, ResourceId};
use causeway_plan::status::Observed;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::etag;
use super::family::{Call, Family, Put, Shown, Target, admit, no_such_action};
use super::reader::Reader;
use super::refused::Refused;
use crate::world::{Draft, World};

/// `connections`.
pub struct Connections;

fn find<'a>(world: &'a World, target: &Target) -> Result<&'a GatewayConnection, Refused> {
    world.snapshot.connections.get(&target.root().key()).ok_or_else(|| target.root_not_found())
}

fn revision(world: &World, connection: &GatewayConnection) -> u64 {
    world.revision_of::<GatewayConnection>(&connection.id.key())
}

/// A connection as it is shown. The key that it redeemed never is.
pub fn show(call: &Call<'_>, connection: &GatewayConnection) -> Value {
    let world = call.world;
    let statuses = call.nodes.recent();
    let observed = Observed::new(&world.snapshot, &statuses);
    let traffic = observed.connection_traffic(connection);
    let mut body = json!({
        "name": connection.id.name(),
        "id": connection.id.as_str(),
        "etag": etag(revision(world, connection)),
        "type": "Microsoft.Network/connections",
        "location": connection.location,
    });
    if !connection.tags.is_empty() {
        body["tags"] = json!(connection.tags);
    }
    body["properties"] = json!({
        "provisioningState": format!("{:?}", connection.provisioning_state),
        "resourceGuid": connection.resource_guid.to_string(),
        "packetCaptureDiagnosticState": "None",
        "virtualNetworkGateway1": {"id": connection.gateway.as_str()},
        "connectionType": "ExpressRoute",
        "routingWeight": connection.routing_weight,
        "enableBgp": false,
        "useLocalAzureIpAddress": false,
        "peer": {"id": connection.circuit.as_str()},
        "expressRouteGatewayBypass": connection.fast_path,
        "enablePrivateLinkFastPath": false,
        "ipsecPolicies": [],
        "trafficSelectorPolicies": [],
        "connectionMode": "Default",
        "connectionStatus": format!("{:?}", observed.connection_status(connection)),
        "ingressBytesTransferred": traffic.bytes_in,
        "egressBytesTransferred": traffic.bytes_out,
    });
    body
}

fn parse(read: &mut Reader<'_>, id: ResourceId, before: Option<&GatewayConnection>) -> GatewayConnection {
    let location = read.text("location").map(str::to_owned).or_else(|| before.map(|old| old.location.clone()));
    if location.is_none() {
        read.missing("location");
    }
    let tags = read.tags().or_else(|| before.map(|old| old.tags.clone())).unwrap_or_default();
    if let Some(kind) = read.text("properties.connectionType")
        && !kind.eq_ignore_ascii_case("ExpressRoute")
    {
        let message = format!("properties.connectionType is '{kind}', but only ExpressRoute connections are offered.");
        read.problems.push(Problem::bad_request("NotImplemented", "properties.connectionType", message));
    }
    let gateway = read.reference("properties.virtualNetworkGateway1").or_else(|| before.map(|old| old.gateway.clone()));
    if gateway.is_none() {
        read.missing("properties.virtualNetworkGateway1.id");
    }
    let circuit = read.reference("properties.peer").or_else(|| before.map(|old| old.circuit.clone()));
    if circuit.is_none() {
        read.missing("properties.peer.id");
    }
    let weight = read.number("properties.routingWeight", 0, 32_000);
    let key = read.text("properties.authorizationKey").map(Secret::new);
    let fast_path = read.boolean("properties.expressRouteGatewayBypass");
    GatewayConnection {
        location: location.unwrap_or_default(),
        tags,
        resource_guid: before.map_or_else(Uuid::new_v4, |old| old.resource_guid),
        gateway: gateway.unwrap_or_else(|| ResourceId::new("")),
        circuit: circuit.unwrap_or_else(|| ResourceId::new("")),
        routing_weight: weight.or(before.map(|old| old.routing_weight)).unwrap_or(0),
        authorization_key: key.or_else(|| before.and_then(|old| old.authorization_key.clone())),
        fast_path: fast_path.or(before.map(|old| old.fast_path)).unwrap_or(false),
        provisioning_state: ProvisioningState::Updating,
        id,
    }
}

/// Marks the authorization that the connection redeems, so that no other can.
fn redeem(draft: &mut Draft, connection: &GatewayConnection) {
    let Some(circuit) = draft.world.snapshot.circuits.get(&connection.circuit.key()) else { return };
    let Some(name) = circuit.redeemable(connection).map(|authorization| authorization.name.to_ascii_lowercase()) else {
        return;
    };
    let mut circuit = circuit.clone();
    if let Some(authorization) = circuit.authorizations.get_mut(&name)
        && authorization.used_by.as_ref() != Some(&connection.id)
    {
        authorization.used_by = Some(connection.id.clone());
        draft.put(&circuit.id.key(), circuit);
    }
}

/// Gives the authorization of a connection that goes back to whoever has its key.
pub fn release_authorization(draft: &mut Draft, connection: &str) {
    let id = ResourceId::new(connection);
    let is_its = |circuit: &&Circuit| circuit.authorizations.values().any(|one| one.used_by.as_ref() == Some(&id));
    let circuits: Vec<Circuit> = draft.world.snapshot.circuits.values().filter(is_its).cloned().collect();
    for mut circuit in circuits {
        for authorization in circuit.authorizations.values_mut() {
            if authorization.used_by.as_ref() == Some(&id) {
                authorization.used_by = None;
            }
        }
        draft.put(&circuit.id.key(), circuit);
    }
}

impl Family for Connections {
    fn types(&self) -> &'static [&'static str] {
        &["connections"]
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let connection = find(call.world, call.target)?;
        Ok(Shown { body: show(call, connection), revision: revision(call.world, connection) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let all = call.world.snapshot.connections.values().filter(|connection| call.target.lists(&connection.id));
        Ok(all.map(|connection| show(call, connection)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let id = call.target.root();
        let before = call.world.snapshot.connections.get(&id.key());
        let mut read = Reader::new(body);
        let connection = parse(&mut read, id, before);
        let change = Change::Put(Resource::GatewayConnection(connection.clone()));
        let fails_later = admit(draft, read, Some(&change))?;
        let location = connection.location.clone();
        if fails_later.is_none() {
            redeem(draft, &connection);
        }
        draft.put(&connection.id.key(), connection);
        Ok(Put { is_new: before.is_none(), location, fails_later, is_synchronous: false })
    }

    fn patch(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let mut connection = find(call.world, call.target)?.clone();
        let mut read = Reader::new(body);
        if let Some(tags) = read.tags() {
            connection.tags = tags;
        }
        admit(draft, read.problems, None)?;
        let location = connection.location.clone();
        draft.put(&connection.id.key(), connection);
        Ok(Put { is_new: false, location, fails_later: None, is_synchronous: false })
    }

    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        let Ok(connection) = find(call.world, call.target) else { return Ok(None) };
        admit(draft, vec![], Some(&Change::Delete(connection.id.clone())))?;
        let key = connection.id.key();
        release_authorization(draft, &key);
        draft.remove::<GatewayConnection>(&key);
        Ok(Some(connection.location.clone()))
    }

    fn view(&self, call: &Call<'_>) -> Result<Value, Refused> {
        find(call.world, call.target)?;
        match &call.target.tail[..] {
            // Terraform asks for it even of a connection that has none.
            [view] if view.eq_ignore_ascii_case("sharedkey") => Ok(json!({"value": ""})),
            _ => Err(no_such_action(call)),
        }
    }
}

//! Virtual networks' gateways.

use std::net::IpAddr;

use causeway_model::{Change, Gateway, Problem, ProvisioningState, Resource, ResourceId};
use causeway_plan::status::{GatewayRoute, Observed};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::etag;
use super::connections;
use super::family::{Acted, Call, Family, Put, Shown, Target, admit, no_such_action};
use super::reader::Reader;
use super::refused::Refused;
use crate::world::{Draft, World};

/// `virtualNetworkGateways`.
pub struct Gateways;

/// Fields that are kept as they were said.
const KEPT: [&str; 7] = [
    "activeActive",
    "enableBgp",
    "enablePrivateIpAddress",
    "allowRemoteVnetTraffic",
    "allowVirtualWanTraffic",
    "adminState",
    "resiliencyModel",
];

fn find<'a>(world: &'a World, target: &Target) -> Result<&'a Gateway, Refused> {
    world.snapshot.gateways.get(&target.root().key()).ok_or_else(|| target.root_not_found())
}

fn revision(world: &World, gateway: &Gateway) -> u64 {
    world.revision_of::<Gateway>(&gateway.id.key())
}

fn show(world: &World, gateway: &Gateway) -> Value {
    let said = world.said_of(&gateway.id.key());
    let name = said["ipConfiguration"].as_str().unwrap_or("default");
    let state = format!("{:?}", gateway.provisioning_state);
    let mut of_ip = json!({"provisioningState": state, "privateIPAllocationMethod": "Dynamic"});
    if let Some(address) = &gateway.public_ip {
        of_ip["publicIPAddress"] = json!({"id": address.as_str()});
    }
    of_ip["subnet"] = json!({"id": gateway.subnet.as_str()});
    let mut body = json!({
        "name": gateway.id.name(),
        "id": gateway.id.as_str(),
        "etag": etag(revision(world, gateway)),
        "type": "Microsoft.Network/virtualNetworkGateways",
        "location": gateway.location,
    });
    if !gateway.tags.is_empty() {
        body["tags"] = json!(gateway.tags);
    }
    let mut properties = json!({
        "provisioningState": state,
        "resourceGuid": gateway.resource_guid.to_string(),
        "packetCaptureDiagnosticState": "None",
        "enablePrivateIpAddress": false,
        "ipConfigurations": [{
            "name": name,
            "id": gateway.id.child("ipConfigurations", name).as_str(),
            "etag": etag(revision(world, gateway)),
            "type": "Microsoft.Network/virtualNetworkGateways/ipConfigurations",
            "properties": of_ip,
        }],
        "natRules": [],
        "virtualNetworkGatewayPolicyGroups": [],
        "enableBgpRouteTranslationForNat": false,
        "disableIPSecReplayProtection": false,
        "sku": {"name": gateway.sku, "tier": gateway.sku, "capacity": 2},
        "gatewayType": "ExpressRoute",
        "vpnType": "RouteBased",
        "enableBgp": false,
        "activeActive": false,
        "bgpSettings": {"asn": world.snapshot.deployment.gateway_asn, "peerWeight": 0, "bgpPeeringAddresses": []},
        "vpnGatewayGeneration": "None",
        "allowRemoteVnetTraffic": false,
        "allowVirtualWanTraffic": false,
    });
    for field in KEPT {
        if let Some(value) = said.get(field) {
            properties[field] = value.clone();
        }
    }
    body["properties"] = properties;
    body
}

fn parse(read: &mut Reader<'_>, id: ResourceId, before: Option<&Gateway>) -> Gateway {
    let location = read.text("location").map(str::to_owned).or_else(|| before.map(|gateway| gateway.location.clone()));
    if location.is_none() {
        read.missing("location");
    }
    let tags = read.tags().or_else(|| before.map(|gateway| gateway.tags.clone())).unwrap_or_default();
    if let Some(kind) = read.text("properties.gatewayType")
        && !kind.eq_ignore_ascii_case("ExpressRoute")
    {
        let message = format!("properties.gatewayType is '{kind}', but only ExpressRoute gateways are offered.");
        read.problems.push(Problem::bad_request("NotImplemented", "properties.gatewayType", message));
    }
    let sku = read.text("properties.sku.name").or(read.text("properties.sku.tier")).map(str::to_owned);
    let sku = sku.or_else(|| before.map(|gateway| gateway.sku.clone()));
    if sku.is_none() {
        read.missing("properties.sku.name");
    }
    let mut subnet = before.map(|gateway| gateway.subnet.clone());
    let mut public_ip = before.and_then(|gateway| gateway.public_ip.clone());
    if let Some([first, ..]) = read.list("properties.ipConfigurations") {
        let mut of_ip = Reader::new(first);
        subnet = of_ip.reference("properties.subnet").or(subnet);
        public_ip = of_ip.reference("properties.publicIPAddress").or(public_ip);
        read.problems.append(&mut of_ip.problems);
    }
    if subnet.is_none() {
        read.missing("properties.ipConfigurations.subnet.id");
    }
    Gateway {
        location: location.unwrap_or_default(),
        tags,
        resource_guid: before.map_or_else(Uuid::new_v4, |gateway| gateway.resource_guid),
        sku: sku.unwrap_or_default(),
        subnet: subnet.unwrap_or_else(|| ResourceId::new("")),
        public_ip,
        provisioning_state: ProvisioningState::Updating,
        id,
    }
}

/// What is kept beyond the model.
fn said(body: &Value) -> Value {
    let mut said = json!({});
    if let Some(name) = body.pointer("/properties/ipConfigurations/0/name") {
        said["ipConfiguration"] = name.clone();
    }
    for field in KEPT {
        if let Some(value) = body.pointer(&format!("/properties/{field}")).filter(|value| !value.is_null()) {
            said[field] = value.clone();
        }
    }
    said
}

fn route(route: &GatewayRoute) -> Value {
    let text = |address: Option<IpAddr>| address.map(|address| address.to_string());
    json!({
        "localAddress": text(route.local_address),
        "network": route.network.to_string(),
        "nextHop": text(route.next_hop),
        "sourcePeer": text(route.source_peer),
        "origin": format!("{:?}", route.origin),
        "asPath": route.as_path.replace(' ', "-"),
        "weight": route.weight,
    })
}

/// A duration as .NET writes it: `1.02:03:04.5670000`.
fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let days = if days == 0 { String::new() } else { format!("{days}.") };
    format!("{days}{hours:02}:{minutes:02}:{:02}.{:03}0000", seconds % 60, milliseconds % 1_000)
}

impl Family for Gateways {
    fn types(&self) -> &'static [&'static str] {
        &["virtualNetworkGateways"]
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let gateway = find(call.world, call.target)?;
        Ok(Shown { body: show(call.world, gateway), revision: revision(call.world, gateway) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let all = call.world.snapshot.gateways.values().filter(|gateway| call.target.lists(&gateway.id));
        Ok(all.map(|gateway| show(call.world, gateway)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let id = call.target.root();
        let before = call.world.snapshot.gateways.get(&id.key());
        let mut read = Reader::new(body);
        let gateway = parse(&mut read, id, before);
        let change = Change::Put(Resource::Gateway(gateway.clone()));
        let fails_later = admit(draft, read, Some(&change))?;
        let (key, location) = (gateway.id.key(), gateway.location.clone());
        draft.say(&key, said(body));
        draft.put(&key, gateway);
        Ok(Put { is_new: before.is_none(), location, fails_later, is_synchronous: false })
    }

    fn patch(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let mut gateway = find(call.world, call.target)?.clone();
        let mut read = Reader::new(body);
        if let Some(tags) = read.tags() {
            gateway.tags = tags;
        }
        admit(draft, read.problems, None)?;
        let location = gateway.location.clone();
        draft.put(&gateway.id.key(), gateway);
        Ok(Put { is_new: false, location, fails_later: None, is_synchronous: false })
    }

    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        let Ok(gateway) = find(call.world, call.target) else { return Ok(None) };
        admit(draft, vec![], Some(&Change::Delete(gateway.id.clone())))?;
        let key = gateway.id.key();
        draft.remove::<Gateway>(&key);
        draft.say(&key, Value::Null);
        Ok(Some(gateway.location.clone()))
    }

    fn act(&self, call: &Call<'_>, _body: &Value) -> Result<Acted, Refused> {
        let gateway = find(call.world, call.target)?;
        let statuses = call.nodes.recent();
        let observed = Observed::new(&call.world.snapshot, &statuses);
        let peer = call.query.get("peer").map(|text| {
            let message = || format!("peer is '{text}', but has to be an IP address.");
            text.parse::<IpAddr>().map_err(|_| Refused::new(400, "InvalidParameter", message()))
        });
        let peer = peer.transpose()?;
        let [action] = &call.target.tail[..] else { return Err(no_such_action(call)) };
        let rows: Vec<Value> = match action.to_ascii_lowercase().as_str() {
            "getlearnedroutes" => observed.gateway_learned_routes(gateway).iter().map(route).collect(),
            "getadvertisedroutes" => {
                let peer = peer.ok_or_else(|| {
                    Refused::new(
                        400,
                        "MissingParameter",
                        "peer is missing; it is the address of the peer that is told.",
                    )
                })?;
                observed.gateway_advertised_routes(gateway, peer).iter().map(route).collect()
            }
            "getbgppeerstatus" => observed
                .gateway_peers(gateway)
                .into_iter()
                .filter(|one| peer.is_none_or(|peer| one.neighbor == peer))
                .map(|one| {
                    json!({
                        "localAddress": one.local_address.map(|address| address.to_string()),
                        "neighbor": one.neighbor.to_string(),
                        "asn": one.asn,
                        "state": format!("{:?}", one.state),
                        "connectedDuration": span(one.connected_ms),
                        "routesReceived": one.routes_received,
                        "messagesSent": one.messages_sent,
                        "messagesReceived": one.messages_received,
                    })
                })
                .collect(),
            _ => return Err(no_such_action(call)),
        };
        Ok(Acted { result: json!({"value": rows}), location: Some(gateway.location.clone()) })
    }

    fn view(&self, call: &Call<'_>) -> Result<Value, Refused> {
        let gateway = find(call.world, call.target)?;
        match &call.target.tail[..] {
            [view] if view.eq_ignore_ascii_case("connections") => {
                let all =
                    call.world.snapshot.connections.values().filter(|connection| connection.gateway == gateway.id);
                Ok(json!({"value": all.map(|connection| connections::show(call, connection)).collect::<Vec<_>>()}))
            }
            _ => Err(no_such_action(call)),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn spans_are_written_as_clients_read_them() {
        assert_eq!(super::span(0), "00:00:00.0000000");
        assert_eq!(super::span(93_784_567), "1.02:03:04.5670000");
    }
}

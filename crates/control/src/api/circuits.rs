//! Circuits.

use causeway_model::{
    Change, Circuit, CircuitSku, CrossConnection, PeeringKind, Problem, ProvisioningState, Resource, ResourceId,
    SkuFamily, SkuTier,
};
use causeway_plan::status::Observed;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::etag;
use super::family::{Call, Family, Put, Shown, Target, admit, no_such_action};
use super::reader::Reader;
use super::refused::Refused;
use super::{authorizations, peerings, tables};
use crate::world::{Draft, World};

/// `expressRouteCircuits`.
pub struct Circuits;

const PROPERTIES: &str = "properties.serviceProviderProperties";
const TIERS: [(&str, SkuTier); 3] =
    [("Local", SkuTier::Local), ("Standard", SkuTier::Standard), ("Premium", SkuTier::Premium)];
const FAMILIES: [(&str, SkuFamily); 2] =
    [("MeteredData", SkuFamily::MeteredData), ("UnlimitedData", SkuFamily::UnlimitedData)];

/// The circuit that a target, or what is below it, is of.
pub fn find<'a>(world: &'a World, target: &Target) -> Result<&'a Circuit, Refused> {
    world.snapshot.circuits.get(&target.root().key()).ok_or_else(|| target.root_not_found())
}

/// The revision of a circuit and all of its children.
pub fn revision(world: &World, circuit: &Circuit) -> u64 {
    world.revision_of::<Circuit>(&circuit.id.key())
}

/// A circuit as its owner sees it.
pub fn show(world: &World, circuit: &Circuit) -> Value {
    let revision = revision(world, circuit);
    let is_done = circuit.provisioning_state == ProvisioningState::Succeeded;
    let said = world.said_of(&circuit.id.key());
    let mut body = json!({
        "name": circuit.id.name(),
        "id": circuit.id.as_str(),
        "etag": etag(revision),
        "type": "Microsoft.Network/expressRouteCircuits",
        "location": circuit.location,
    });
    if !circuit.tags.is_empty() {
        body["tags"] = json!(circuit.tags);
    }
    let mut properties = json!({
        "provisioningState": format!("{:?}", circuit.provisioning_state),
        "resourceGuid": circuit.resource_guid.to_string(),
        "peerings": circuit.peerings.values().map(|peering| peerings::show(world, circuit, peering)).collect::<Vec<_>>(),
        "authorizations": circuit.authorizations.values()
            .map(|authorization| authorizations::show(world, circuit, authorization)).collect::<Vec<_>>(),
        "serviceProviderProperties": {
            "serviceProviderName": circuit.provider,
            "peeringLocation": circuit.peering_location,
            "bandwidthInMbps": circuit.bandwidth_mbps,
        },
        "circuitProvisioningState": if is_done && circuit.is_enabled { "Enabled" } else { "Disabled" },
        "allowClassicOperations": circuit.allow_classic_operations,
    });
    // Before its first operation is done, a circuit has no key yet as far as anybody is told, and no tag.
    if circuit.is_enabled {
        properties["gatewayManagerEtag"] = json!("");
    }
    let key = if circuit.is_enabled { circuit.service_key } else { Uuid::nil() };
    properties["serviceKey"] = json!(key.to_string());
    properties["serviceProviderProvisioningState"] = json!(format!("{:?}", circuit.cross_connection.state));
    if !circuit.cross_connection.notes.is_empty() {
        properties["serviceProviderNotes"] = json!(circuit.cross_connection.notes);
    }
    properties["allowGlobalReach"] = json!(false);
    properties["globalReachEnabled"] = said.get("globalReachEnabled").cloned().unwrap_or(json!(false));
    if circuit.is_enabled
        && let Some(tag) = causeway_plan::s_tag(&world.snapshot, circuit)
    {
        properties["stag"] = json!(tag);
    }
    body["properties"] = properties;
    let (tier, family) = (format!("{:?}", circuit.sku.tier), format!("{:?}", circuit.sku.family));
    body["sku"] = json!({"name": format!("{tier}_{family}"), "tier": tier, "family": family});
    body
}

impl Family for Circuits {
    fn types(&self) -> &'static [&'static str] {
        &["expressRouteCircuits"]
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let circuit = find(call.world, call.target)?;
        Ok(Shown { body: show(call.world, circuit), revision: revision(call.world, circuit) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let all = call.world.snapshot.circuits.values().filter(|circuit| call.target.lists(&circuit.id));
        Ok(all.map(|circuit| show(call.world, circuit)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let id = call.target.root();
        let before = call.world.snapshot.circuits.get(&id.key());
        let mut read = Reader::new(body);
        let circuit = parse(call, &mut read, id, before);
        let global_reach = read.boolean("properties.globalReachEnabled");
        let change = Change::Put(Resource::Circuit(Box::new(circuit.clone())));
        let fails_later = admit(draft, read, Some(&change))?;
        let location = circuit.location.clone();
        let key = circuit.id.key();
        if let Some(is_enabled) = global_reach {
            draft.say(&key, json!({"globalReachEnabled": is_enabled}));
        }
        draft.put(&key, circuit);
        Ok(Put { is_new: before.is_none(), location, fails_later, is_synchronous: false })
    }

    fn patch(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let mut circuit = find(call.world, call.target)?.clone();
        let mut read = Reader::new(body);
        if let Some(tags) = read.tags() {
            circuit.tags = tags;
        }
        admit(draft, read.problems, None)?;
        let location = circuit.location.clone();
        draft.put(&circuit.id.key(), circuit);
        Ok(Put { is_new: false, location, fails_later: None, is_synchronous: true })
    }

    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        let Ok(circuit) = find(call.world, call.target) else { return Ok(None) };
        admit(draft, vec![], Some(&Change::Delete(circuit.id.clone())))?;
        let key = circuit.id.key();
        draft.remove::<Circuit>(&key);
        draft.say(&key, Value::Null);
        Ok(Some(circuit.location.clone()))
    }

    fn view(&self, call: &Call<'_>) -> Result<Value, Refused> {
        let circuit = find(call.world, call.target)?;
        match call.target.tail[..] {
            [ref view] if view.eq_ignore_ascii_case("stats") => {
                let statuses = call.nodes.recent();
                Ok(tables::stats(Observed::new(&call.world.snapshot, &statuses).traffic(circuit, None)))
            }
            _ => Err(no_such_action(call)),
        }
    }
}

/// A circuit out of a body. What could not be read is a problem already, and stands in for itself here.
fn parse(call: &Call<'_>, read: &mut Reader<'_>, id: ResourceId, before: Option<&Circuit>) -> Circuit {
    if read.at("properties.expressRoutePort").is_some() || read.at("properties.bandwidthInGbps").is_some() {
        read.problems.push(Problem::bad_request(
            "NotImplemented",
            "properties.expressRoutePort",
            "properties.expressRoutePort: circuits on ports of one's own are not offered by this deployment yet; circuits of a service provider are.",
        ));
    }
    let location = read.text("location").map(str::to_owned).or_else(|| before.map(|circuit| circuit.location.clone()));
    if location.is_none() {
        read.missing("location");
    }
    let tags = read.tags();
    let sku = sku(read, before);
    let mut text = |field: &str, old: Option<&String>| {
        let path = format!("{PROPERTIES}.{field}");
        match (read.text(&path), old) {
            (Some(text), _) => Some(text.to_owned()),
            (None, Some(old)) => Some(old.clone()),
            (None, None) => {
                read.missing(&path);
                None
            }
        }
    };
    let provider = text("serviceProviderName", before.map(|circuit| &circuit.provider));
    let peering_location = text("peeringLocation", before.map(|circuit| &circuit.peering_location));
    let bandwidth = format!("{PROPERTIES}.bandwidthInMbps");
    let bandwidth_mbps = match before {
        Some(circuit) if read.at(&bandwidth).is_none() => Some(circuit.bandwidth_mbps),
        _ => read.required_number(&bandwidth, 1, 1_000_000),
    };
    let classic = read.boolean("properties.allowClassicOperations");
    let mut circuit = Circuit {
        location: location.unwrap_or_default(),
        tags: tags.or_else(|| before.map(|circuit| circuit.tags.clone())).unwrap_or_default(),
        sku,
        provider: listed_provider(call.world, provider.unwrap_or_default()),
        peering_location: peering_location.unwrap_or_default(),
        bandwidth_mbps: bandwidth_mbps.unwrap_or_default(),
        allow_classic_operations: classic.unwrap_or(before.is_some_and(|circuit| circuit.allow_classic_operations)),
        service_key: before.map_or_else(Uuid::new_v4, |circuit| circuit.service_key),
        resource_guid: before.map_or_else(Uuid::new_v4, |circuit| circuit.resource_guid),
        is_enabled: before.is_some_and(|circuit| circuit.is_enabled),
        cross_connection: before.map_or_else(CrossConnection::default, |circuit| circuit.cross_connection.clone()),
        peerings: before.map(|circuit| circuit.peerings.clone()).unwrap_or_default(),
        authorizations: before.map(|circuit| circuit.authorizations.clone()).unwrap_or_default(),
        provisioning_state: ProvisioningState::Updating,
        id,
    };
    children(call, read, &mut circuit);
    circuit
}

/// Children that the body has are made or changed; those that it leaves out are kept.
fn children(call: &Call<'_>, read: &mut Reader<'_>, circuit: &mut Circuit) {
    let order = call.world.snapshot.deployment.endpoint_order;
    for child in read.list("properties.peerings").unwrap_or_default() {
        let name = child.get("name").and_then(Value::as_str).unwrap_or("");
        let Some(kind) = peerings::kind(name) else {
            read.problems.push(peerings::unknown(name));
            continue;
        };
        let mut of_child = Reader::new(child);
        let peering = peerings::parse(&mut of_child, kind, circuit.peerings.get(&kind), order, None);
        read.problems.append(&mut of_child.problems);
        read.blamed.append(&mut of_child.blamed);
        circuit.peerings.insert(kind, peering);
    }
    for child in read.list("properties.authorizations").unwrap_or_default() {
        if let Some(name) = child.get("name").and_then(Value::as_str) {
            authorizations::ensure(circuit, name);
        }
    }
}

fn sku(read: &mut Reader<'_>, before: Option<&Circuit>) -> CircuitSku {
    if read.at("sku").is_none()
        && let Some(circuit) = before
    {
        return circuit.sku.clone();
    }
    let problems = read.problems.len();
    let (mut tier, mut family) = (read.word("sku.tier", &TIERS), read.word("sku.family", &FAMILIES));
    // `name` says both; it counts where one of them is not said.
    if let Some((of_name, rest)) = read.text("sku.name").and_then(|name| name.split_once('_')) {
        let is = |word: &str, text: &str| word.eq_ignore_ascii_case(text);
        tier = tier.or_else(|| TIERS.iter().find(|(word, _)| is(word, of_name)).map(|(_, tier)| *tier));
        family = family.or_else(|| FAMILIES.iter().find(|(word, _)| is(word, rest)).map(|(_, family)| *family));
    }
    if (tier.is_none() || family.is_none()) && read.problems.len() == problems {
        read.problems.push(Problem::bad_request(
            "InvalidCircuitSku",
            "sku.name",
            format!(
                "sku is {}, but has to have a tier (Local, Standard, Premium) and a family (MeteredData, UnlimitedData), as in Standard_MeteredData.",
                read.at("sku").unwrap_or(&Value::Null)
            ),
        ));
    }
    let unread =
        before.map_or(CircuitSku { tier: SkuTier::Standard, family: SkuFamily::UnlimitedData }, |old| old.sku.clone());
    CircuitSku { tier: tier.unwrap_or(unread.tier), family: family.unwrap_or(unread.family) }
}

/// The provider's name as it is listed, where there is one.
fn listed_provider(world: &World, name: String) -> String {
    world.snapshot.providers.get(&name.to_ascii_lowercase()).map_or(name, |provider| provider.name.clone())
}

/// Puts a changed circuit, whose child it is that changed.
pub fn put_changed(draft: &mut Draft, circuit: Circuit) {
    let key = circuit.id.key();
    draft.put(&key, circuit);
}

/// The kind of a peering's links' tables.
pub fn peering_name(kind: PeeringKind) -> &'static str {
    match kind {
        PeeringKind::AzurePrivatePeering => "AzurePrivatePeering",
        PeeringKind::MicrosoftPeering => "MicrosoftPeering",
    }
}

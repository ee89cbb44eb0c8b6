//! Virtual networks and their subnets. What they say beyond prefixes is kept and shown as it was said.

use causeway_model::{Change, Problem, ProvisioningState, Resource, ResourceId, VirtualNetwork};
use ipnet::IpNet;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::etag;
use super::family::{Call, Family, Put, Shown, Target, admit};
use super::reader::Reader;
use super::refused::Refused;
use crate::world::{Draft, World};

/// `virtualNetworks`.
pub struct VirtualNetworks;
/// `virtualNetworks/subnets`.
pub struct Subnets;

/// Fields that are ours to say, or that the model holds.
const OWN: [&str; 6] =
    ["provisioningState", "resourceGuid", "addressSpace", "subnets", "virtualNetworkPeerings", "ipConfigurations"];
const SPACE: &str = "properties.addressSpace.addressPrefixes";

fn find<'a>(world: &'a World, target: &Target) -> Result<&'a VirtualNetwork, Refused> {
    world.snapshot.virtual_networks.get(&target.root().key()).ok_or_else(|| target.root_not_found())
}

fn revision(world: &World, network: &VirtualNetwork) -> u64 {
    world.revision_of::<VirtualNetwork>(&network.id.key())
}

/// The fields of `properties` that are not ours to say.
fn others(properties: Option<&Value>, own: &[&str]) -> Map<String, Value> {
    let all = properties.and_then(Value::as_object).cloned().unwrap_or_default();
    all.into_iter().filter(|(name, value)| !own.contains(&name.as_str()) && !value.is_null()).collect()
}

fn show(world: &World, network: &VirtualNetwork) -> Value {
    let mut body = json!({
        "name": network.id.name(),
        "id": network.id.as_str(),
        "etag": etag(revision(world, network)),
        "type": "Microsoft.Network/virtualNetworks",
        "location": network.location,
    });
    if !network.tags.is_empty() {
        body["tags"] = json!(network.tags);
    }
    let mut properties = json!({
        "provisioningState": format!("{:?}", network.provisioning_state),
        "resourceGuid": network.resource_guid.to_string(),
        "addressSpace": {"addressPrefixes": network.address_space.iter().map(IpNet::to_string).collect::<Vec<_>>()},
        "subnets": network.subnets.keys().map(|name| show_subnet(world, network, name)).collect::<Vec<_>>(),
        "virtualNetworkPeerings": [],
        "enableDdosProtection": false,
    });
    for (name, value) in others(world.said_of(&network.id.key()).get("properties"), &OWN) {
        properties[name] = value;
    }
    body["properties"] = properties;
    body
}

fn show_subnet(world: &World, network: &VirtualNetwork, name: &str) -> Value {
    let id = network.id.child("subnets", name);
    let mut properties = json!({"provisioningState": format!("{:?}", network.provisioning_state)});
    let prefixes = network.subnets.get(name).map(Vec::as_slice).unwrap_or_default();
    if let [prefix] = prefixes {
        properties["addressPrefix"] = json!(prefix.to_string());
    } else {
        properties["addressPrefixes"] = json!(prefixes.iter().map(IpNet::to_string).collect::<Vec<_>>());
    }
    let users: Vec<Value> = world
        .snapshot
        .gateways
        .values()
        .filter(|gateway| gateway.subnet == id)
        .map(|gateway| json!({"id": gateway.id.child("ipConfigurations", "default").as_str()}))
        .collect();
    if !users.is_empty() {
        properties["ipConfigurations"] = json!(users);
    }
    let said =
        world.said_of(&network.id.key()).get("subnets").and_then(|subnets| subnets.get(name.to_ascii_lowercase()));
    for (field, value) in others(said, &["provisioningState", "addressPrefix", "addressPrefixes", "ipConfigurations"]) {
        properties[field] = value;
    }
    json!({
        "name": name,
        "id": id.as_str(),
        "etag": etag(revision(world, network)),
        "properties": properties,
        "type": "Microsoft.Network/virtualNetworks/subnets",
    })
}

/// Prefixes out of a list of texts.
fn prefixes(read: &mut Reader<'_>, path: &str, list: &[Value]) -> Vec<IpNet> {
    let mut prefixes = vec![];
    for value in list {
        match value.as_str().and_then(|text| text.parse().ok()) {
            Some(prefix) => prefixes.push(prefix),
            None => {
                let message = format!("{path} has {value}, which is not an IP prefix such as 10.0.0.0/16.");
                read.problems.push(Problem::bad_request("InvalidAddressPrefix", path, message));
            }
        }
    }
    prefixes
}

/// A subnet's prefixes: `addressPrefix` or `addressPrefixes`.
fn subnet_prefixes(read: &mut Reader<'_>) -> Vec<IpNet> {
    if let Some(list) = read.list("properties.addressPrefixes")
        && !list.is_empty()
    {
        return prefixes(read, "properties.addressPrefixes", list);
    }
    match read.at("properties.addressPrefix") {
        Some(one) => prefixes(read, "properties.addressPrefix", std::slice::from_ref(one)),
        None => {
            read.missing("properties.addressPrefix");
            vec![]
        }
    }
}

fn subnet_named<'a>(network: &'a VirtualNetwork, name: &str) -> Option<&'a String> {
    network.subnets.keys().find(|known| known.eq_ignore_ascii_case(name))
}

fn put_network(
    draft: &mut Draft,
    problems: Vec<Problem>,
    network: VirtualNetwork,
    said: Value,
    is_new: bool,
) -> Result<Put, Refused> {
    let fails_later = admit(draft, problems, Some(&Change::Put(Resource::VirtualNetwork(network.clone()))))?;
    let (key, location) = (network.id.key(), network.location.clone());
    draft.say(&key, said);
    draft.put(&key, network);
    Ok(Put { is_new, location, fails_later, is_synchronous: false })
}

fn parse(
    call: &Call<'_>,
    read: &mut Reader<'_>,
    id: ResourceId,
    before: Option<&VirtualNetwork>,
) -> (VirtualNetwork, Value) {
    let location = read.text("location").map(str::to_owned).or_else(|| before.map(|network| network.location.clone()));
    if location.is_none() {
        read.missing("location");
    }
    let tags = read.tags().or_else(|| before.map(|network| network.tags.clone())).unwrap_or_default();
    let address_space = match read.list(SPACE) {
        Some(list) => prefixes(read, SPACE, list),
        None => before.map(|network| network.address_space.clone()).unwrap_or_default(),
    };
    let mut said = call.world.said_of(&id.key()).clone();
    let mut said_subnets = said.get("subnets").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut subnets = before.map(|network| network.subnets.clone()).unwrap_or_default();
    // A list that is given is the whole of them: a subnet that it leaves out goes.
    if let Some(list) = read.list("properties.subnets") {
        subnets.clear();
        said_subnets.clear();
        for value in list {
            let mut of_subnet = Reader::new(value);
            let name = of_subnet.required_text("name").map(str::to_owned);
            let prefixes = subnet_prefixes(&mut of_subnet);
            let label = name.clone().unwrap_or_default();
            read.problems.extend(of_subnet.problems.into_iter().map(|problem| Problem {
                message: format!("subnet '{label}': {}", problem.message),
                target: "properties.subnets".to_owned(),
                ..problem
            }));
            if let Some(name) = name {
                said_subnets.insert(name.to_ascii_lowercase(), value.get("properties").cloned().unwrap_or_default());
                subnets.insert(name, prefixes);
            }
        }
    }
    let others = others(read.at("properties"), &OWN);
    if !others.is_empty() || !said_subnets.is_empty() || !said.is_null() {
        said = json!({"properties": others, "subnets": said_subnets});
    }
    let network = VirtualNetwork {
        location: location.unwrap_or_default(),
        tags,
        resource_guid: before.map_or_else(Uuid::new_v4, |network| network.resource_guid),
        address_space,
        subnets,
        provisioning_state: ProvisioningState::Updating,
        id,
    };
    (network, said)
}

impl Family for VirtualNetworks {
    fn types(&self) -> &'static [&'static str] {
        &["virtualNetworks"]
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let network = find(call.world, call.target)?;
        Ok(Shown { body: show(call.world, network), revision: revision(call.world, network) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let all = call.world.snapshot.virtual_networks.values().filter(|network| call.target.lists(&network.id));
        Ok(all.map(|network| show(call.world, network)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let before = call.world.snapshot.virtual_networks.get(&call.target.root().key());
        let mut read = Reader::new(body);
        let (network, said) = parse(call, &mut read, call.target.root(), before);
        put_network(draft, read.problems, network, said, before.is_none())
    }

    fn patch(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let mut network = find(call.world, call.target)?.clone();
        let mut read = Reader::new(body);
        if let Some(tags) = read.tags() {
            network.tags = tags;
        }
        admit(draft, read.problems, None)?;
        let location = network.location.clone();
        draft.put(&network.id.key(), network);
        Ok(Put { is_new: false, location, fails_later: None, is_synchronous: true })
    }

    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        let Ok(network) = find(call.world, call.target) else { return Ok(None) };
        admit(draft, vec![], Some(&Change::Delete(network.id.clone())))?;
        let key = network.id.key();
        draft.remove::<VirtualNetwork>(&key);
        draft.say(&key, Value::Null);
        Ok(Some(network.location.clone()))
    }
}

impl Family for Subnets {
    fn types(&self) -> &'static [&'static str] {
        &["virtualNetworks", "subnets"]
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let network = find(call.world, call.target)?;
        let name = subnet_named(network, call.target.name(1)).ok_or_else(|| call.target.not_found())?;
        Ok(Shown { body: show_subnet(call.world, network, name), revision: revision(call.world, network) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let network = find(call.world, call.target)?;
        Ok(network.subnets.keys().map(|name| show_subnet(call.world, network, name)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let mut network = find(call.world, call.target).map_err(|_| call.target.parent_not_found())?.clone();
        let known = subnet_named(&network, call.target.name(1)).cloned();
        let mut read = Reader::new(body);
        let prefixes = subnet_prefixes(&mut read);
        let name = known.clone().unwrap_or_else(|| call.target.name(1).to_owned());
        let mut said = call.world.said_of(&network.id.key()).clone();
        if said.is_null() {
            said = json!({"properties": {}, "subnets": {}});
        }
        said["subnets"][name.to_ascii_lowercase()] = body.get("properties").cloned().unwrap_or_default();
        network.subnets.insert(name, prefixes);
        network.provisioning_state = ProvisioningState::Updating;
        put_network(draft, read.problems, network, said, known.is_none())
    }

    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        let Ok(network) = find(call.world, call.target) else { return Ok(None) };
        let Some(name) = subnet_named(network, call.target.name(1)).cloned() else { return Ok(None) };
        let mut network = network.clone();
        network.subnets.remove(&name);
        let said = call.world.said_of(&network.id.key()).clone();
        let put = put_network(draft, vec![], network, said, false)?;
        Ok(Some(put.location))
    }
}

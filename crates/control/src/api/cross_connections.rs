//! Cross connections: a provider's view of circuits. Each is the circuit's own record, so the two can't disagree.

use std::collections::BTreeMap;

use causeway_edge_types::{EdgeId, EdgeStatus};
use causeway_model::{AccessService, Change, Circuit, Link, PeeringKind, Problem, ProviderState, Resource, ResourceId};
use causeway_plan::status::Observed;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::etag;
use super::circuits::{self, peering_name, put_changed};
use super::family::{Acted, Audience, Call, Family, Put, Shown, admit};
use super::peerings;
use super::reader::Reader;
use super::refused::Refused;
use super::tables;
use crate::world::{Draft, World};

/// `expressRouteCrossConnections`.
pub struct CrossConnections;
/// `expressRouteCrossConnections/peerings`.
pub struct CrossConnectionPeerings;

const KIND: &str = "Microsoft.Network/expressRouteCrossConnections";
const STATES: [(&str, ProviderState); 5] = [
    ("NotProvisioned", ProviderState::NotProvisioned),
    ("Provisioning", ProviderState::Provisioning),
    ("Provisioned", ProviderState::Provisioned),
    ("Deprovisioning", ProviderState::Deprovisioning),
    ("Deprovisioned", ProviderState::NotProvisioned),
];

/// The group that a location's cross connections are in.
fn group(location: &str) -> String {
    format!("CrossConnection-{}", location.replace(' ', ""))
}

/// The circuits that the caller provides and that have a key already.
fn provided<'a>(call: &Call<'a>) -> impl Iterator<Item = &'a Circuit> {
    let snapshot = &call.world.snapshot;
    let principal = call.principal;
    snapshot.circuits.values().filter(move |circuit| {
        circuit.is_enabled
            && snapshot
                .providers
                .get(&circuit.provider.to_ascii_lowercase())
                .is_some_and(|provider| principal.acts_for(provider))
    })
}

/// The circuit of the service key in the path, if the caller provides it and it is in that group.
fn find<'a>(call: &Call<'a>) -> Result<&'a Circuit, Refused> {
    let wanted = Uuid::parse_str(call.target.name(0)).ok();
    let found = provided(call).find(|circuit| Some(circuit.service_key) == wanted);
    let is_there = |circuit: &&Circuit| {
        call.target
            .group
            .as_deref()
            .is_none_or(|asked| group(&circuit.peering_location).eq_ignore_ascii_case(&asked.replace(' ', "")))
    };
    found.filter(is_there).ok_or_else(|| call.target.root_not_found())
}

fn id(call: &Call<'_>, circuit: &Circuit) -> ResourceId {
    let subscription = &call.target.subscription;
    let group = group(&circuit.peering_location);
    ResourceId::new(format!(
        "/subscriptions/{subscription}/resourceGroups/{group}/providers/{KIND}/{}",
        circuit.service_key
    ))
}

fn show(call: &Call<'_>, world: &World, circuit: &Circuit) -> Value {
    let statuses: BTreeMap<EdgeId, EdgeStatus> = BTreeMap::new();
    let observed = Observed::new(&world.snapshot, &statuses);
    let cross = &circuit.cross_connection;
    let mut body = json!({
        "name": circuit.service_key.to_string(),
        "id": id(call, circuit).as_str(),
        "etag": etag(circuits::revision(world, circuit)),
        "type": KIND,
        "location": circuit.location,
    });
    if !cross.tags.is_empty() {
        body["tags"] = json!(cross.tags);
    }
    let mut properties = json!({
        "provisioningState": format!("{:?}", circuit.provisioning_state),
        "expressRouteCircuit": {"id": circuit.id.as_str()},
        "peeringLocation": circuit.peering_location,
        "bandwidthInMbps": circuit.bandwidth_mbps,
        "serviceProviderProvisioningState": format!("{:?}", cross.state),
        "serviceProviderNotes": cross.notes,
    });
    for (field, link) in [("primaryAzurePort", Link::Primary), ("secondaryAzurePort", Link::Secondary)] {
        if let Some(port) = observed.port_name(circuit, link) {
            properties[field] = json!(port);
        }
    }
    if let Some(tag) = causeway_plan::s_tag(&world.snapshot, circuit) {
        properties["sTag"] = json!(tag);
    }
    properties["peerings"] =
        circuit.peerings.keys().map(|kind| show_peering(call, world, circuit, *kind)).collect::<Vec<_>>().into();
    properties["accessServices"] = cross
        .access
        .iter()
        .map(|access| {
            json!({"peering": peering_name(access.peering), "crossConnect": access.cross_connect,
                   "primaryPort": access.primary_port, "secondaryPort": access.secondary_port, "accessTag": access.access_tag})
        })
        .collect::<Vec<_>>()
        .into();
    body["properties"] = properties;
    body
}

/// A peering as the provider sees it: the owner's view under the cross connection's id.
fn show_peering(call: &Call<'_>, world: &World, circuit: &Circuit, kind: PeeringKind) -> Value {
    let Some(peering) = circuit.peerings.get(&kind) else { return Value::Null };
    let mut body = peerings::show(world, circuit, peering);
    body["id"] = json!(id(call, circuit).child("peerings", peering_name(kind)).as_str());
    body["type"] = json!(format!("{KIND}/peerings"));
    if let Some(properties) = body["properties"].as_object_mut() {
        properties.shift_remove("connections");
        properties.shift_remove("peeredConnections");
    }
    body
}

fn access_services(read: &mut Reader<'_>) -> Option<Vec<AccessService>> {
    let list = read.list("properties.accessServices")?;
    let mut services = vec![];
    for (index, value) in list.iter().enumerate() {
        let mut one = Reader::new(value);
        let peering = one.required_text("peering").and_then(|name| {
            let kind = peerings::kind(name);
            if kind.is_none() {
                let message = format!("peering is '{name}', but has to be AzurePrivatePeering or MicrosoftPeering.");
                one.problems.push(Problem::bad_request("InvalidPropertyValue", "peering", message));
            }
            kind
        });
        let cross_connect = one.required_text("crossConnect").map(str::to_owned);
        let primary_port = one.required_text("primaryPort").map(str::to_owned);
        let secondary_port = one.required_text("secondaryPort").map(str::to_owned);
        let access_tag = one.number("accessTag", 1, 4094).and_then(|tag| u16::try_from(tag).ok());
        read.problems.extend(one.problems.into_iter().map(|problem| {
            let target = format!("properties.accessServices[{index}].{}", problem.target);
            Problem { message: format!("properties.accessServices[{index}].{}", problem.message), target, ..problem }
        }));
        if let (Some(peering), Some(cross_connect), Some(primary_port), Some(secondary_port)) =
            (peering, cross_connect, primary_port, secondary_port)
        {
            services.push(AccessService { peering, cross_connect, primary_port, secondary_port, access_tag });
        }
    }
    Some(services)
}

impl Family for CrossConnections {
    fn types(&self) -> &'static [&'static str] {
        &["expressRouteCrossConnections"]
    }

    fn audience(&self) -> Audience {
        Audience::Provider
    }

    fn root(&self, call: &Call<'_>) -> ResourceId {
        find(call).map_or_else(|_| call.target.root(), |circuit| circuit.id.clone())
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let circuit = find(call)?;
        Ok(Shown { body: show(call, call.world, circuit), revision: circuits::revision(call.world, circuit) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let wanted = call.target.group.as_ref().map(|group| group.replace(' ', ""));
        // `$filter=name eq '…'` is how a provider looks for one key.
        let filter = call.query.get("$filter").map(|filter| filter.to_ascii_lowercase());
        let is_wanted = |circuit: &&Circuit| {
            wanted.as_ref().is_none_or(|wanted| group(&circuit.peering_location).eq_ignore_ascii_case(wanted))
                && filter.as_ref().is_none_or(|filter| filter.contains(&circuit.service_key.to_string()))
        };
        Ok(provided(call).filter(is_wanted).map(|circuit| show(call, call.world, circuit)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let mut circuit = find(call)?.clone();
        let mut read = Reader::new(body);
        if let Some(state) = read.word("properties.serviceProviderProvisioningState", &STATES) {
            circuit.cross_connection.state = state;
        }
        if let Some(notes) = read.text("properties.serviceProviderNotes") {
            circuit.cross_connection.notes = notes.to_owned();
        }
        if let Some(access) = access_services(&mut read) {
            circuit.cross_connection.access = access;
        }
        if let Some(tags) = read.tags() {
            circuit.cross_connection.tags = tags;
        }
        let change = Change::Put(Resource::Circuit(Box::new(circuit.clone())));
        let fails_later = admit(draft, read.problems, Some(&change))?;
        let location = circuit.location.clone();
        put_changed(draft, circuit);
        Ok(Put { is_new: false, location, fails_later, is_synchronous: false })
    }

    fn patch(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let mut circuit = find(call)?.clone();
        let mut read = Reader::new(body);
        if let Some(tags) = read.tags() {
            circuit.cross_connection.tags = tags;
        }
        admit(draft, read.problems, None)?;
        let location = circuit.location.clone();
        put_changed(draft, circuit);
        Ok(Put { is_new: false, location, fails_later: None, is_synchronous: true })
    }
}

impl Family for CrossConnectionPeerings {
    fn types(&self) -> &'static [&'static str] {
        &["expressRouteCrossConnections", "peerings"]
    }

    fn audience(&self) -> Audience {
        Audience::Provider
    }

    fn root(&self, call: &Call<'_>) -> ResourceId {
        CrossConnections.root(call)
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let circuit = find(call)?;
        let kind = peerings::kind(call.target.name(1)).filter(|kind| circuit.peerings.contains_key(kind));
        let kind = kind.ok_or_else(|| call.target.not_found())?;
        let body = show_peering(call, call.world, circuit, kind);
        Ok(Shown { body, revision: circuits::revision(call.world, circuit) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let circuit = find(call)?;
        Ok(circuit.peerings.keys().map(|kind| show_peering(call, call.world, circuit, *kind)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let circuit = find(call)?;
        peerings::put(call, body, draft, circuit, Some(&circuit.provider))
    }

    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        peerings::delete(call, draft, find(call)?)
    }

    fn act(&self, call: &Call<'_>, _body: &Value) -> Result<Acted, Refused> {
        let circuit = find(call)?;
        let kind = peerings::kind(call.target.name(1)).filter(|kind| circuit.peerings.contains_key(kind));
        let kind = kind.ok_or_else(|| call.target.not_found())?;
        let result = tables::of_peering(call, circuit, kind, "asn")?;
        Ok(Acted { result, location: Some(circuit.location.clone()) })
    }
}

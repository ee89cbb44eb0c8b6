//! Peerings of a circuit, as its owner and its provider put them.

use std::collections::BTreeMap;

use causeway_edge_types::{EdgeId, EdgeStatus};
use causeway_model::{
    Change, Circuit, EndpointOrder, Link, LinkSubnets, Peering, PeeringKind, Problem, ProvisioningState, Resource,
    shared_key,
};
use causeway_plan::status::Observed;
use serde_json::{Value, json};

use super::answer::etag;
use super::circuits::{self, peering_name, put_changed};
use super::family::{Acted, Call, Family, Put, Shown, admit, no_such_action};
use super::prefixes::link_subnets;
use super::reader::Reader;
use super::refused::Refused;
use super::tables;
use crate::world::{Draft, World};

/// `expressRouteCircuits/peerings`.
pub struct Peerings;

/// The kind of peering that a name says.
pub fn kind(name: &str) -> Option<PeeringKind> {
    [PeeringKind::AzurePrivatePeering, PeeringKind::MicrosoftPeering]
        .into_iter()
        .find(|kind| peering_name(*kind).eq_ignore_ascii_case(name))
}

/// The problem of a name that is no peering's.
pub fn unknown(name: &str) -> Problem {
    Problem::bad_request(
        "InvalidPeeringName",
        "name",
        format!("name is '{name}', but a peering is called AzurePrivatePeering or MicrosoftPeering, after its type."),
    )
}

/// A peering as it is shown. Its MD5 key never is.
pub fn show(world: &World, circuit: &Circuit, peering: &Peering) -> Value {
    let name = peering_name(peering.kind);
    // Until its first operation is done nobody has changed it yet, as far as anybody is told.
    let is_fresh = peering.last_modified_by.is_empty();
    let mut properties = json!({
        "provisioningState": format!("{:?}", peering.provisioning_state),
        "peeringType": name,
        "azureASN": if is_fresh { 0 } else { world.snapshot.deployment.edge_asn },
        "peerASN": peering.peer_asn,
    });
    if let Some(LinkSubnets { primary, secondary }) = peering.ipv4 {
        properties["primaryPeerAddressPrefix"] = json!(primary.to_string());
        properties["secondaryPeerAddressPrefix"] = json!(secondary.to_string());
    }
    if !is_fresh {
        let statuses: BTreeMap<EdgeId, EdgeStatus> = BTreeMap::new();
        let observed = Observed::new(&world.snapshot, &statuses);
        for (field, link) in [("primaryAzurePort", Link::Primary), ("secondaryAzurePort", Link::Secondary)] {
            if let Some(port) = observed.port_name(circuit, link) {
                properties[field] = json!(port);
            }
        }
    }
    properties["state"] = json!(if peering.is_enabled { "Enabled" } else { "Disabled" });
    properties["vlanId"] = json!(peering.vlan_id);
    if !is_fresh {
        properties["gatewayManagerEtag"] = json!("");
    }
    properties["lastModifiedBy"] = json!(peering.last_modified_by);
    if let Some(LinkSubnets { primary, secondary }) = peering.ipv6 {
        properties["ipv6PeeringConfig"] = json!({
            "primaryPeerAddressPrefix": primary.to_string(),
            "secondaryPeerAddressPrefix": secondary.to_string(),
            "state": "Enabled",
        });
    }
    properties["connections"] = json!([]);
    properties["peeredConnections"] = json!([]);
    json!({
        "name": name,
        "id": circuit.id.child("peerings", name).as_str(),
        "etag": etag(circuits::revision(world, circuit)),
        "properties": properties,
        "type": "Microsoft.Network/expressRouteCircuits/peerings",
    })
}

/// A peering out of a body, with what it leaves out kept from before: IPv6 is merged, never a replacement, and an absent
/// key is the old key, since no GET shows it. What could not be read is a problem already, and is 0 or absent here.
pub fn parse(
    read: &mut Reader<'_>,
    kind: PeeringKind,
    before: Option<&Peering>,
    order: EndpointOrder,
    provider: Option<&str>,
) -> Peering {
    if let Some(said) = read.text("properties.peeringType")
        && !said.eq_ignore_ascii_case(peering_name(kind))
    {
        let message = format!(
            "properties.peeringType is '{said}', but the peering is called {}; the two are one.",
            peering_name(kind)
        );
        read.problems.push(Problem::bad_request("PeeringTypeMismatch", "properties.peeringType", message));
    }
    let mut number = |path: &str, to: u32, old: Option<u32>| {
        if read.at(path).is_none() && old.is_some() { old } else { read.required_number(path, 1, to) }
    };
    let peer_asn = number("properties.peerASN", u32::MAX, before.map(|peering| peering.peer_asn));
    let vlan_id = number("properties.vlanId", 4094, before.map(|peering| u32::from(peering.vlan_id)));
    let ipv4 = link_subnets(
        read,
        "properties.",
        "an IPv4 prefix such as 192.0.2.0/30",
        before.and_then(|peering| peering.ipv4),
        LinkSubnets::from_29,
    );
    let ipv6 = link_subnets(
        read,
        "properties.ipv6PeeringConfig.",
        "an IPv6 prefix such as 2001:db8::/126",
        before.and_then(|peering| peering.ipv6),
        LinkSubnets::from_125,
    );
    let is_enabled = read.word("properties.state", &[("Enabled", true), ("Disabled", false)]);
    let key = match read.text("properties.sharedKey").map(shared_key) {
        Some(Ok(key)) => Some(key),
        Some(Err(message)) => {
            read.problems.push(Problem::bad_request("InvalidSharedKey", "properties.sharedKey", message));
            None
        }
        None => before.and_then(|peering| peering.shared_key.clone()),
    };
    Peering {
        kind,
        is_enabled: is_enabled.or(before.map(|peering| peering.is_enabled)).unwrap_or(true),
        peer_asn: peer_asn.unwrap_or_default(),
        ipv4,
        ipv6,
        vlan_id: vlan_id.and_then(|vlan| u16::try_from(vlan).ok()).unwrap_or_default(),
        shared_key: key,
        endpoint_order: before.map_or(order, |peering| peering.endpoint_order),
        last_modified_by: match (provider, before) {
            (Some(provider), _) => provider.to_owned(),
            (None, Some(before)) if !before.last_modified_by.is_empty() => "Customer".to_owned(),
            (None, _) => String::new(),
        },
        provisioning_state: ProvisioningState::Updating,
    }
}

/// Puts a peering on a circuit; whether it is new.
pub fn put(
    call: &Call<'_>,
    body: &Value,
    draft: &mut Draft,
    circuit: &Circuit,
    provider: Option<&str>,
) -> Result<Put, Refused> {
    let name = call.target.name(1);
    let kind = kind(name).ok_or_else(|| Refused::problems(vec![unknown(name)]))?;
    let before = circuit.peerings.get(&kind);
    let mut read = Reader::new(body);
    let peering = parse(&mut read, kind, before, call.world.snapshot.deployment.endpoint_order, provider);
    let mut changed = circuit.clone();
    changed.peerings.insert(kind, peering);
    let change = Change::Put(Resource::Circuit(Box::new(changed.clone())));
    let fails_later = admit(draft, read, Some(&change))?;
    let location = changed.location.clone();
    put_changed(draft, changed);
    Ok(Put { is_new: before.is_none(), location, fails_later, is_synchronous: false })
}

/// Takes a peering off a circuit.
pub fn delete(call: &Call<'_>, draft: &mut Draft, circuit: &Circuit) -> Result<Option<String>, Refused> {
    let Some(kind) = kind(call.target.name(1)) else { return Ok(None) };
    let mut changed = circuit.clone();
    if changed.peerings.remove(&kind).is_none() {
        return Ok(None);
    }
    admit(draft, vec![], Some(&Change::Put(Resource::Circuit(Box::new(changed.clone())))))?;
    put_changed(draft, changed);
    Ok(Some(circuit.location.clone()))
}

impl Family for Peerings {
    fn types(&self) -> &'static [&'static str] {
        &["expressRouteCircuits", "peerings"]
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let circuit = circuits::find(call.world, call.target)?;
        let found = kind(call.target.name(1)).and_then(|kind| circuit.peerings.get(&kind));
        let peering = found.ok_or_else(|| call.target.not_found())?;
        Ok(Shown { body: show(call.world, circuit, peering), revision: circuits::revision(call.world, circuit) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let circuit = circuits::find(call.world, call.target)?;
        Ok(circuit.peerings.values().map(|peering| show(call.world, circuit, peering)).collect())
    }

    fn put(&self, call: &Call<'_>, body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let circuit = circuits::find(call.world, call.target).map_err(|_| call.target.parent_not_found())?;
        put(call, body, draft, circuit, None)
    }

    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        let Ok(circuit) = circuits::find(call.world, call.target) else { return Ok(None) };
        delete(call, draft, circuit)
    }

    fn act(&self, call: &Call<'_>, _body: &Value) -> Result<Acted, Refused> {
        let circuit = circuits::find(call.world, call.target)?;
        let kind = kind(call.target.name(1)).filter(|kind| circuit.peerings.contains_key(kind));
        let kind = kind.ok_or_else(|| call.target.not_found())?;
        let result = tables::of_peering(call, circuit, kind, "as")?;
        Ok(Acted { result, location: Some(circuit.location.clone()) })
    }

    fn view(&self, call: &Call<'_>) -> Result<Value, Refused> {
        let circuit = circuits::find(call.world, call.target)?;
        let words: Vec<String> = call.target.tail.iter().map(|word| word.to_ascii_lowercase()).collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["stats"] => {
                let kind = kind(call.target.name(1)).ok_or_else(|| call.target.not_found())?;
                let statuses = call.nodes.recent();
                Ok(tables::stats(Observed::new(&call.world.snapshot, &statuses).traffic(circuit, Some(kind))))
            }
            // Clients ask for circuit connections (Global Reach) and for the far side's view of them; there are none yet.
            ["connections" | "peerconnections"] => {
                let kind = kind(call.target.name(1)).filter(|kind| circuit.peerings.contains_key(kind));
                kind.map(|_| json!({"value": []})).ok_or_else(|| call.target.not_found())
            }
            _ => Err(no_such_action(call)),
        }
    }
}

//! Authorizations of a circuit.

use causeway_edge_types::Secret;
use causeway_model::{Authorization, Change, Circuit, GatewayConnection, ProvisioningState, Resource};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::etag;
use super::circuits::{self, put_changed};
use super::family::{Acted, Call, Family, Put, Shown, admit, no_such_action};
use super::refused::Refused;
use crate::world::{Draft, World};

/// `expressRouteCircuits/authorizations`.
pub struct Authorizations;

/// An authorization as the circuit's owner sees it, with its key.
pub fn show(world: &World, circuit: &Circuit, authorization: &Authorization) -> Value {
    let mut properties = json!({
        "provisioningState": format!("{:?}", authorization.provisioning_state),
        "authorizationKey": authorization.key.expose(),
        "authorizationUseStatus": if authorization.used_by.is_some() { "InUse" } else { "Available" },
    });
    if let Some(connection) = &authorization.used_by {
        properties["connectionResourceUri"] = json!(connection.as_str());
    }
    json!({
        "name": authorization.name,
        "id": circuit.id.child("authorizations", &authorization.name).as_str(),
        "etag": etag(circuits::revision(world, circuit)),
        "properties": properties,
        "type": "Microsoft.Network/expressRouteCircuits/authorizations",
    })
}

/// Sees to it that the circuit has an authorization of this name; whether it is new.
pub fn ensure(circuit: &mut Circuit, name: &str) -> bool {
    let key = name.to_ascii_lowercase();
    let is_new = !circuit.authorizations.contains_key(&key);
    circuit
        .authorizations
        .entry(key)
        .and_modify(|authorization| authorization.provisioning_state = ProvisioningState::Updating)
        .or_insert_with(|| Authorization {
            name: name.to_owned(),
            key: Secret::new(Uuid::new_v4().to_string()),
            used_by: None,
            provisioning_state: ProvisioningState::Updating,
        });
    is_new
}

fn find<'a>(call: &Call<'a>) -> Result<(&'a Circuit, &'a Authorization), Refused> {
    let circuit = circuits::find(call.world, call.target)?;
    let found = circuit.authorizations.get(&call.target.name(1).to_ascii_lowercase());
    Ok((circuit, found.ok_or_else(|| call.target.not_found())?))
}

impl Family for Authorizations {
    fn types(&self) -> &'static [&'static str] {
        &["expressRouteCircuits", "authorizations"]
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let (circuit, authorization) = find(call)?;
        let body = show(call.world, circuit, authorization);
        Ok(Shown { body, revision: circuits::revision(call.world, circuit) })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        let circuit = circuits::find(call.world, call.target)?;
        Ok(circuit.authorizations.values().map(|one| show(call.world, circuit, one)).collect())
    }

    fn put(&self, call: &Call<'_>, _body: &Value, draft: &mut Draft) -> Result<Put, Refused> {
        let circuit = circuits::find(call.world, call.target).map_err(|_| call.target.parent_not_found())?;
        let mut changed = circuit.clone();
        let is_new = ensure(&mut changed, call.target.name(1));
        admit(draft, vec![], Some(&Change::Put(Resource::Circuit(Box::new(changed.clone())))))?;
        put_changed(draft, changed);
        Ok(Put { is_new, location: circuit.location.clone(), fails_later: None, is_synchronous: false })
    }

    /// Revoking an authorization deletes the gateway connection that uses it (fact 84).
    fn delete(&self, call: &Call<'_>, draft: &mut Draft) -> Result<Option<String>, Refused> {
        let Ok((circuit, authorization)) = find(call) else { return Ok(None) };
        if let Some(connection) = &authorization.used_by {
            let key = connection.key();
            draft.remove::<GatewayConnection>(&key);
            draft.say(&key, Value::Null);
        }
        let mut changed = circuit.clone();
        changed.authorizations.remove(&authorization.name.to_ascii_lowercase());
        put_changed(draft, changed);
        Ok(Some(circuit.location.clone()))
    }

    fn act(&self, call: &Call<'_>, _body: &Value) -> Result<Acted, Refused> {
        let (_, authorization) = find(call)?;
        match &call.target.tail[..] {
            [action] if action.eq_ignore_ascii_case("listKeys") => {
                Ok(Acted { result: json!({"authorizationKey": authorization.key.expose()}), location: None })
            }
            _ => Err(no_such_action(call)),
        }
    }
}

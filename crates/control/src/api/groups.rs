//! Resource groups. Deleting one deletes what is in it, all of it or nothing.

use causeway_model::{
    Change, Circuit, Gateway, GatewayConnection, ProvisioningState, Resource, ResourceGroup, ResourceId, VirtualNetwork,
};
use serde_json::{Value, json};

use super::access;
use super::answer::Answer;
use super::connections;
use super::family::admit;
use super::operations;
use super::reader::Reader;
use super::refused::Refused;
use super::request::Request;
use super::request::is_name;
use crate::app::App;
use crate::change::{allocate, audit};
use crate::identity::Principal;
use crate::operation::OperationKind;
use crate::world::{Draft, Kept, PublicAddress, World};

fn show(group: &ResourceGroup) -> Value {
    let mut body = json!({
        "id": group.id.as_str(), "name": group.id.name(), "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
    });
    if !group.tags.is_empty() {
        body["tags"] = json!(group.tags);
    }
    body["properties"] = json!({"provisioningState": "Succeeded"});
    body
}

/// `GET /subscriptions/{s}/resourceGroups`.
pub fn list(app: &App, request: &Request, principal: &Principal, subscription: &str) -> Result<Answer, Refused> {
    let world = app.world();
    access::owner(
        &world,
        principal,
        subscription,
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        &request.path,
    )?;
    if request.method != "GET" {
        return Err(Refused::method_not_allowed(&request.method, "resourceGroups"));
    }
    let of_subscription =
        |group: &&ResourceGroup| group.id.subscription().is_some_and(|of| of.eq_ignore_ascii_case(subscription));
    let all: Vec<Value> = world.snapshot.resource_groups.values().filter(of_subscription).map(show).collect();
    Ok(Answer::ok(json!({"value": all})))
}

/// `/subscriptions/{s}/resourceGroups/{g}[/resources]`.
pub async fn route(
    app: &App,
    request: &Request,
    principal: &Principal,
    subscription: &str,
    name: &str,
    rest: &[String],
) -> Result<Answer, Refused> {
    let verb = match request.method.as_str() {
        "GET" | "HEAD" => "read",
        "DELETE" => "delete",
        _ => "write",
    };
    let world = app.world();
    let action = format!("Microsoft.Resources/subscriptions/resourceGroups/{verb}");
    access::owner(&world, principal, subscription, &action, &request.path)?;
    let id = ResourceId::new(format!("/subscriptions/{subscription}/resourceGroups/{name}"));
    let key = id.key();
    let group = world.snapshot.resource_groups.get(&key);
    let found = || group.ok_or_else(|| Refused::group_not_found(name));
    match (request.method.as_str(), rest) {
        ("GET", []) => Ok(Answer::ok(show(found()?))),
        ("HEAD", []) => Ok(Answer::empty(if group.is_some() { 204 } else { 404 })),
        ("GET", [word]) if word.eq_ignore_ascii_case("resources") => {
            found()?;
            Ok(Answer::ok(json!({"value": resources(&world, &key)})))
        }
        ("PUT" | "PATCH", []) => put(app, request, principal, id).await,
        ("DELETE", []) => {
            found()?;
            delete(app, request, principal, id).await
        }
        (method, _) => Err(Refused::method_not_allowed(method, "Microsoft.Resources/resourceGroups")),
    }
}

async fn put(app: &App, request: &Request, principal: &Principal, id: ResourceId) -> Result<Answer, Refused> {
    let body = request.object()?;
    if !is_name(id.name(), 90) {
        let message =
            format!("Resource group name '{}' is invalid: it has 1 to 90 letters, digits and any of -_.()", id.name());
        return Err(Refused::new(400, "InvalidResourceGroup", message));
    }
    let key = id.key();
    let (is_new, world) = app
        .change(Some(audit(request, principal)), |draft| {
            let before = draft.world.snapshot.resource_groups.get(&key).cloned();
            let mut read = Reader::new(&body);
            let location = read
                .text("location")
                .map(str::to_owned)
                .or_else(|| before.as_ref().map(|group| group.location.clone()));
            if location.is_none() {
                read.missing("location");
            }
            let tags = read.tags().or_else(|| before.as_ref().map(|group| group.tags.clone())).unwrap_or_default();
            let group = ResourceGroup { id: id.clone(), location: location.unwrap_or_default(), tags };
            admit(draft, read.problems, Some(&Change::Put(Resource::ResourceGroup(group.clone()))))?;
            draft.put(&key, group);
            Ok::<_, Refused>(before.is_none())
        })
        .await?;
    let body = world.snapshot.resource_groups.get(&key).map(show).unwrap_or_default();
    Ok(Answer::ok(body).status(if is_new { 201 } else { 200 }))
}

async fn delete(app: &App, request: &Request, principal: &Principal, id: ResourceId) -> Result<Answer, Refused> {
    let key = id.key();
    let location =
        app.world().snapshot.resource_groups.get(&key).map(|group| group.location.clone()).unwrap_or_default();
    let (operation, _) = app
        .change(Some(audit(request, principal)), |draft| {
            let inside = format!("{key}/");
            // The model looks at everything in it and at what outside needs it.
            admit(draft, vec![], Some(&Change::Delete(id.clone())))?;
            for connection in keys::<GatewayConnection>(draft, &inside) {
                connections::release_authorization(draft, &connection);
            }
            remove_all::<GatewayConnection>(draft, &inside);
            remove_all::<Gateway>(draft, &inside);
            remove_all::<Circuit>(draft, &inside);
            remove_all::<VirtualNetwork>(draft, &inside);
            remove_all::<PublicAddress>(draft, &inside);
            draft.remove::<ResourceGroup>(&key);
            allocate(draft)?;
            Ok::<_, Refused>(operations::begin(draft, principal, &id, None, OperationKind::Delete, None))
        })
        .await?;
    app.bell.notify_one();
    let url =
        operations::url(request, id.subscription().unwrap_or(""), "Microsoft.Resources", &location, &operation, true);
    Ok(Answer::empty(202).header("location", url).header("retry-after", "1"))
}

fn keys<T: Kept>(draft: &mut Draft, inside: &str) -> Vec<String> {
    T::map(&mut draft.world).keys().filter(|key| key.starts_with(inside)).cloned().collect()
}

fn remove_all<T: Kept>(draft: &mut Draft, inside: &str) {
    for key in keys::<T>(draft, inside) {
        draft.remove::<T>(&key);
        draft.say(&key, Value::Null);
    }
}

/// What is in a group, as clients ask for it before they delete the group.
fn resources(world: &World, group: &str) -> Vec<Value> {
    let inside = format!("{group}/");
    let snapshot = &world.snapshot;
    let one = |id: &ResourceId, location: &str, kind: &str, state: ProvisioningState| {
        json!({"id": id.as_str(), "name": id.name(), "type": format!("Microsoft.Network/{kind}"), "location": location,
               "provisioningState": format!("{state:?}")})
    };
    let is_inside = |id: &ResourceId| id.key().starts_with(&inside);
    let mut all: Vec<(ResourceId, Value)> = vec![];
    all.extend(
        snapshot
            .circuits
            .values()
            .map(|c| (c.id.clone(), one(&c.id, &c.location, "expressRouteCircuits", c.provisioning_state))),
    );
    all.extend(
        snapshot
            .virtual_networks
            .values()
            .map(|n| (n.id.clone(), one(&n.id, &n.location, "virtualNetworks", n.provisioning_state))),
    );
    all.extend(
        snapshot
            .gateways
            .values()
            .map(|g| (g.id.clone(), one(&g.id, &g.location, "virtualNetworkGateways", g.provisioning_state))),
    );
    all.extend(
        snapshot
            .connections
            .values()
            .map(|c| (c.id.clone(), one(&c.id, &c.location, "connections", c.provisioning_state))),
    );
    all.extend(world.public_addresses.values().map(|a| {
        let location = a.body["location"].as_str().unwrap_or("");
        (a.id.clone(), one(&a.id, location, "publicIPAddresses", ProvisioningState::Succeeded))
    }));
    all.into_iter().filter(|(id, _)| is_inside(id)).map(|(_, shown)| shown).collect()
}

//! `Causeway.Fabric`: what the operator registers. See docs/api.md. Synchronous, the operator's only.

use causeway_model::{
    Change, CrossConnectNode, Deployment, EdgeNode, GatewayNode, PeeringLocation, Resource, ResourceId, ServiceProvider,
};
use serde_json::{Value, json};

use super::answer::Answer;
use super::family::admit;
use super::refused::Refused;
use super::request::Request;
use super::{credentials, forbidden};
use crate::app::App;
use crate::change::{allocate, audit};
use crate::identity::{Principal, Role};
use crate::world::{Draft, Kept, Subscription, World};

/// A kind of thing that the operator registers.
trait Registered: Kept {
    /// As the path has it.
    const KIND: &'static str;
    /// What [`Change::Delete`] calls it.
    const DELETED_AS: &'static str;
    /// For the model's rules.
    fn resource(self) -> Resource;
}

macro_rules! registered {
    ($($type:ident, $kind:literal, $deleted:literal;)*) => {
        $(impl Registered for $type {
            const KIND: &'static str = $kind;
            const DELETED_AS: &'static str = $deleted;
            fn resource(self) -> Resource { Resource::$type(self) }
        })*
    };
}

registered! {
    PeeringLocation, "peeringLocations", "location";
    ServiceProvider, "serviceProviders", "provider";
    EdgeNode, "edges", "node";
    GatewayNode, "gatewayNodes", "node";
    CrossConnectNode, "crossConnects", "node";
}

/// Whether a node of this name is registered.
pub fn is_node(world: &World, name: &str) -> bool {
    role_of(world, &name.to_ascii_lowercase()).is_some()
}

/// What a node is; none when there is none of this name.
pub fn role_of(world: &World, key: &str) -> Option<&'static str> {
    let snapshot = &world.snapshot;
    if snapshot.edges.contains_key(key) {
        Some(EdgeNode::KIND)
    } else if snapshot.gateway_nodes.contains_key(key) {
        Some(GatewayNode::KIND)
    } else if snapshot.cross_connects.contains_key(key) {
        Some(CrossConnectNode::KIND)
    } else {
        None
    }
}

/// `/providers/Causeway.Fabric/…`.
pub async fn route(app: &App, request: &Request, principal: &Principal, rest: &[String]) -> Result<Answer, Refused> {
    if principal.role != Role::Operator {
        let verb = if request.method == "GET" { "read" } else { "write" };
        let kind = rest.first().map_or("", String::as_str);
        return Err(forbidden(principal, &format!("Causeway.Fabric/{kind}/{verb}"), "/providers/Causeway.Fabric"));
    }
    let lower: Vec<String> = rest.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    match words[..] {
        ["deployment"] => deployment(app, request, principal).await,
        ["peeringlocations", ..] => registered::<PeeringLocation>(app, request, principal, rest).await,
        ["serviceproviders", ..] => registered::<ServiceProvider>(app, request, principal, rest).await,
        ["edges", ..] => registered::<EdgeNode>(app, request, principal, rest).await,
        ["gatewaynodes", ..] => registered::<GatewayNode>(app, request, principal, rest).await,
        ["crossconnects", ..] => registered::<CrossConnectNode>(app, request, principal, rest).await,
        ["subscriptions", _, "credentials"] | ["nodes", _, "credentials"] => {
            credentials::route(app, request, principal, &words).await
        }
        ["subscriptions"] | ["subscriptions", _] => subscriptions(app, request, principal, &words[1..]).await,
        ["nodes"] if request.method == "GET" => Ok(nodes(app)),
        ["problems"] if request.method == "GET" => Ok(Answer::ok(json!({"value": app.nodes.problems()}))),
        ["nodes", name, "status"] if request.method == "GET" => node_status(app, name),
        _ => Err(Refused::new(
            404,
            "InvalidResourceType",
            format!("'{}' is no resource of Causeway.Fabric.", rest.join("/")),
        )),
    }
}

fn shown(kind: &str, name: &str, properties: Value) -> Value {
    let id = if name.is_empty() {
        format!("/providers/Causeway.Fabric/{kind}")
    } else {
        format!("/providers/Causeway.Fabric/{kind}/{name}")
    };
    let name = if name.is_empty() { kind } else { name };
    json!({"id": id, "name": name, "type": format!("Causeway.Fabric/{kind}"), "properties": properties})
}

fn show<T: Registered>(kept: &T) -> Value {
    let mut properties = serde_json::to_value(kept).unwrap_or_default();
    let name = properties.as_object_mut().and_then(|object| object.shift_remove("name")).unwrap_or_default();
    shown(T::KIND, name.as_str().unwrap_or(""), properties)
}

fn not_found(kind: &str, name: &str) -> Refused {
    Refused::new(404, "NotFound", format!("Resource /providers/Causeway.Fabric/{kind}/{name} not found."))
}

async fn registered<T: Registered>(
    app: &App,
    request: &Request,
    principal: &Principal,
    rest: &[String],
) -> Result<Answer, Refused> {
    match (request.method.as_str(), &rest[1..]) {
        ("GET", []) => {
            let mut world = app.world();
            let all: Vec<Value> = T::map(&mut world).values().map(show).collect();
            Ok(Answer::ok(json!({"value": all})))
        }
        ("GET", [name]) => {
            let mut world = app.world();
            let kept = T::map(&mut world).get(&name.to_ascii_lowercase()).map(show);
            kept.map(Answer::ok).ok_or_else(|| not_found(T::KIND, name))
        }
        ("PUT", [name]) => {
            let body = request.object()?;
            let key = name.to_ascii_lowercase();
            let kept = parse::<T>(name, &body)?;
            let audit = audit(request, principal);
            let (is_new, mut world) = app
                .change(Some(audit), |draft| {
                    let role = role_of(&draft.world, &key);
                    if let Some(role) = role
                        && T::DELETED_AS == "node"
                        && role != T::KIND
                    {
                        let message = format!(
                            "name is '{name}', which one of the {role} has already; names of nodes are unique."
                        );
                        return Err(Refused::new(409, "NodeNameInUse", message));
                    }
                    admit(draft, vec![], Some(&Change::Put(kept.clone().resource())))?;
                    let is_new = !T::map(&mut draft.world).contains_key(&key);
                    draft.put(&key, kept);
                    allocate(draft)?;
                    Ok(is_new)
                })
                .await?;
            app.bell.notify_one();
            let body = T::map(&mut world).get(&key).map(show).unwrap_or_default();
            Ok(Answer::ok(body).status(if is_new { 201 } else { 200 }))
        }
        ("DELETE", [name]) => {
            let key = name.to_ascii_lowercase();
            let (was_there, _) = app
                .change(Some(audit(request, principal)), |draft| {
                    if !T::map(&mut draft.world).contains_key(&key) {
                        return Ok::<_, Refused>(false);
                    }
                    let id = ResourceId::new(format!("{}/{key}", T::DELETED_AS));
                    admit(draft, vec![], Some(&Change::Delete(id)))?;
                    draft.remove::<T>(&key);
                    if T::DELETED_AS == "node" {
                        forget_node(draft, &key);
                    }
                    allocate(draft)?;
                    Ok(true)
                })
                .await?;
            if was_there {
                app.bell.notify_one();
            }
            Ok(Answer::empty(if was_there { 200 } else { 204 }))
        }
        (method, _) => Err(Refused::method_not_allowed(method, T::KIND)),
    }
}

/// A node's configuration and clients go with it.
fn forget_node(draft: &mut Draft, key: &str) {
    draft.remove::<causeway_edge_types::EdgeConfig>(key);
    let is_of_node = |role: &Role| matches!(role, Role::Node { name } if name.eq_ignore_ascii_case(key));
    let clients: Vec<String> =
        draft.world.clients.iter().filter(|(_, client)| is_of_node(&client.role)).map(|(id, _)| id.clone()).collect();
    for client in clients {
        draft.remove::<crate::identity::RegisteredClient>(&client);
    }
}

fn parse<T: Registered>(name: &str, body: &Value) -> Result<T, Refused> {
    let is_good =
        !name.is_empty() && name.len() <= 80 && name.chars().all(|c| c.is_ascii_alphanumeric() || " -_.()".contains(c));
    if !is_good {
        let message = format!("name is '{name}'; a name has 1 to 80 letters, digits, spaces and any of -_.()");
        return Err(Refused::new(400, "InvalidName", message));
    }
    let mut properties = body.get("properties").cloned().unwrap_or_else(|| json!({}));
    let Some(object) = properties.as_object_mut() else {
        return Err(Refused::new(400, "InvalidRequestContent", "properties has to be an object."));
    };
    object.insert("name".to_owned(), Value::from(name));
    serde_json::from_value(properties).map_err(|error| invalid_properties(&error))
}

fn invalid_properties(error: &serde_json::Error) -> Refused {
    Refused::new(400, "InvalidRequestFormat", format!("properties: {error}."))
}

async fn deployment(app: &App, request: &Request, principal: &Principal) -> Result<Answer, Refused> {
    let show = |deployment: &Deployment| shown("deployment", "", serde_json::to_value(deployment).unwrap_or_default());
    match request.method.as_str() {
        "GET" => Ok(Answer::ok(show(&app.world().snapshot.deployment))),
        "PUT" => {
            let body = request.object()?;
            let properties = body.get("properties").cloned().unwrap_or_else(|| json!({}));
            let deployment: Deployment =
                serde_json::from_value(properties).map_err(|error| invalid_properties(&error))?;
            let (_, world) = app
                .change(Some(audit(request, principal)), |draft| {
                    admit(draft, vec![], Some(&Change::Put(Resource::Deployment(deployment.clone()))))?;
                    draft.put_deployment(deployment);
                    allocate(draft)
                })
                .await?;
            app.bell.notify_one();
            Ok(Answer::ok(show(&world.snapshot.deployment)))
        }
        method => Err(Refused::method_not_allowed(method, "deployment")),
    }
}

async fn subscriptions(app: &App, request: &Request, principal: &Principal, name: &[&str]) -> Result<Answer, Refused> {
    let show = |subscription: &Subscription| {
        shown("subscriptions", &subscription.id, json!({"displayName": subscription.display_name}))
    };
    match (request.method.as_str(), name) {
        ("GET", []) => {
            Ok(Answer::ok(json!({"value": app.world().subscriptions.values().map(show).collect::<Vec<_>>()})))
        }
        ("GET", [id]) => {
            app.world().subscriptions.get(*id).map(show).map(Answer::ok).ok_or_else(|| not_found("subscriptions", id))
        }
        ("PUT", [id]) => {
            if uuid::Uuid::parse_str(id).is_err() {
                let message = format!("The provided subscription identifier '{id}' is malformed or invalid.");
                return Err(Refused::new(400, "InvalidSubscriptionId", message));
            }
            let body = request.object()?;
            let display_name = body.pointer("/properties/displayName").and_then(Value::as_str).unwrap_or(id).to_owned();
            let subscription = Subscription { id: (*id).to_owned(), display_name };
            let answer = show(&subscription);
            let (is_new, _) = app
                .change(Some(audit(request, principal)), |draft| {
                    let is_new = !draft.world.subscriptions.contains_key(*id);
                    draft.put(id, subscription);
                    Ok::<_, Refused>(is_new)
                })
                .await?;
            Ok(Answer::ok(answer).status(if is_new { 201 } else { 200 }))
        }
        ("DELETE", [id]) => {
            let prefix = format!("/subscriptions/{id}/");
            let (was_there, _) = app
                .change(Some(audit(request, principal)), |draft| {
                    if draft.world.snapshot.resource_groups.keys().any(|key| key.starts_with(&prefix)) {
                        let message = format!("Subscription '{id}' still has resource groups; they have to go first.");
                        return Err(Refused::new(409, "SubscriptionNotEmpty", message));
                    }
                    let was_there = draft.world.subscriptions.contains_key(*id);
                    draft.remove::<Subscription>(id);
                    let clients: Vec<String> = draft
                        .world
                        .clients
                        .values()
                        .filter(|client| matches!(&client.role, Role::Customer { subscription } if subscription == id))
                        .map(|client| client.client_id.clone())
                        .collect();
                    for client in clients {
                        draft.remove::<crate::identity::RegisteredClient>(&client);
                    }
                    Ok(was_there)
                })
                .await?;
            Ok(Answer::empty(if was_there { 200 } else { 204 }))
        }
        (method, _) => Err(Refused::method_not_allowed(method, "subscriptions")),
    }
}

fn nodes(app: &App) -> Answer {
    let world = app.world();
    let snapshot = &world.snapshot;
    let names = snapshot
        .edges
        .values()
        .map(|node| &node.name)
        .chain(snapshot.gateway_nodes.values().map(|node| &node.name))
        .chain(snapshot.cross_connects.values().map(|node| &node.name));
    let value: Vec<Value> = names
        .map(|name| {
            let key = name.to_ascii_lowercase();
            let heard = app.nodes.heard(&key);
            let problems = heard.as_ref().map(|heard| json!(heard.status.problems)).unwrap_or_else(|| json!([]));
            json!({
                "name": name,
                "role": role_of(&world, &key),
                "wantedGeneration": world.configs.get(&key).map_or(0, |config| config.generation),
                "observedGeneration": heard.as_ref().map_or(0, |heard| heard.status.observed_generation),
                "lastSeenS": heard.as_ref().map(|heard| heard.at.elapsed().as_secs_f64()),
                "problems": problems,
            })
        })
        .collect();
    Answer::ok(json!({"value": value}))
}

fn node_status(app: &App, name: &str) -> Result<Answer, Refused> {
    if !is_node(&app.world(), name) {
        return Err(not_found("nodes", name));
    }
    let heard = app.nodes.heard(name).ok_or_else(|| {
        Refused::new(404, "NoStatusYet", format!("Node '{name}' has not been heard since control started."))
    })?;
    let body = serde_json::to_value(&*heard.status)
        .map_err(|error| Refused::new(500, "InternalServerError", error.to_string()))?;
    Ok(Answer::ok(body))
}

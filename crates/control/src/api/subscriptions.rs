//! Subscriptions, tenants, locations, and the registration of resource providers.

use serde_json::{Value, json};

use super::access;
use super::answer::Answer;
use super::refused::Refused;
use super::registry;
use super::request::Request;
use crate::app::App;
use crate::identity::Principal;
use crate::world::Subscription;

/// Namespaces that clients ask for.
const NAMESPACES: [&str; 3] = ["Microsoft.Network", "Microsoft.Resources", "Microsoft.Insights"];

fn show(app: &App, subscription: &Subscription) -> Value {
    json!({
        "id": format!("/subscriptions/{}", subscription.id),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": app.tenant,
        "displayName": subscription.display_name,
        "state": "Enabled",
        "subscriptionPolicies": {"locationPlacementId": "Public_2014-09-01", "quotaId": "Causeway", "spendingLimit": "Off"},
    })
}

/// `GET /subscriptions`: one's own.
pub fn list(app: &App, request: &Request, principal: &Principal) -> Result<Answer, Refused> {
    only_get(request)?;
    let world = app.world();
    let own = principal.subscription().and_then(|id| world.subscriptions.get(id));
    Ok(Answer::ok(json!({"value": own.iter().map(|subscription| show(app, subscription)).collect::<Vec<_>>(),
                         "count": {"type": "Total", "value": own.iter().count()}})))
}

/// `GET /subscriptions/{s}`.
pub fn get(app: &App, request: &Request, principal: &Principal, id: &str) -> Result<Answer, Refused> {
    only_get(request)?;
    let world = app.world();
    access::reader(&world, principal, id, "Microsoft.Resources/subscriptions/read", &request.path)?;
    world.subscriptions.get(id).map(|subscription| Answer::ok(show(app, subscription))).ok_or_else(|| {
        Refused::new(404, "SubscriptionNotFound", format!("The subscription '{id}' could not be found."))
    })
}

/// `GET /tenants`.
pub fn tenants(app: &App, request: &Request) -> Result<Answer, Refused> {
    only_get(request)?;
    let tenant = &app.tenant;
    Ok(Answer::ok(json!({"value": [{"id": format!("/tenants/{tenant}"), "tenantId": tenant, "displayName": "Causeway",
                                     "tenantCategory": "Home"}]})))
}

/// `GET /subscriptions/{s}/locations`: where there are peering locations is the operator's to say; regions are only names.
pub fn locations(app: &App, request: &Request, principal: &Principal, id: &str) -> Result<Answer, Refused> {
    only_get(request)?;
    access::reader(&app.world(), principal, id, "Microsoft.Resources/subscriptions/locations/read", &request.path)?;
    let one = |name: &str, display: &str| {
        json!({"id": format!("/subscriptions/{id}/locations/{name}"), "name": name, "type": "Region",
               "displayName": display, "regionalDisplayName": display,
               "metadata": {"regionType": "Physical", "regionCategory": "Recommended"}})
    };
    Ok(Answer::ok(
        json!({"value": [one("westus", "West US"), one("eastus", "East US"), one("westeurope", "West Europe")]}),
    ))
}

/// `/subscriptions/{s}/providers[/{namespace}[/register]]`: everything is registered always.
pub fn registrations(
    app: &App,
    request: &Request,
    principal: &Principal,
    id: &str,
    rest: &[String],
) -> Result<Answer, Refused> {
    access::reader(&app.world(), principal, id, "Microsoft.Resources/subscriptions/providers/read", &request.path)?;
    let show = |namespace: &str| {
        let types: Vec<Value> = registry::types(namespace)
            .into_iter()
            .map(|kind| json!({"resourceType": kind, "locations": [], "apiVersions": ["2025-01-01", "2024-05-01", "2023-09-01", "2022-01-01"]}))
            .collect();
        json!({"id": format!("/subscriptions/{id}/providers/{namespace}"), "namespace": namespace,
               "registrationPolicy": "RegistrationRequired", "resourceTypes": types, "registrationState": "Registered"})
    };
    match (request.method.as_str(), rest) {
        ("GET", []) => Ok(Answer::ok(json!({"value": NAMESPACES.map(show)}))),
        ("GET", [namespace]) | ("POST", [namespace, _]) => {
            let known = NAMESPACES.iter().find(|known| known.eq_ignore_ascii_case(namespace));
            known.map(|namespace| Answer::ok(show(namespace))).ok_or_else(|| {
                Refused::new(
                    404,
                    "InvalidResourceNamespace",
                    format!("The resource namespace '{namespace}' is invalid."),
                )
            })
        }
        (method, _) => Err(Refused::method_not_allowed(method, "providers")),
    }
}

fn only_get(request: &Request) -> Result<(), Refused> {
    if request.method == "GET" { Ok(()) } else { Err(Refused::method_not_allowed(&request.method, &request.path)) }
}

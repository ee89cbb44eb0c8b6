//! The API: one request in, one answer out.
//!
//! ```text
//!   Request ──▶ signing in? ──▶ sign_in
//!           └─▶ token ──▶ Principal ──▶ edge (a node's calls)
//!                                   ├─▶ fabric (the operator's resources)
//!                                   └─▶ subscriptions, groups, resources ──▶ registry ──▶ a Family
//! ```

mod access;
mod answer;
mod authorizations;
mod circuits;
mod connections;
mod credentials;
mod cross_connections;
mod edge;
mod fabric;
mod family;
mod gateways;
mod groups;
mod http;
mod operations;
mod path;
mod peerings;
mod prefixes;
mod public_addresses;
mod reader;
mod refused;
mod registry;
mod request;
mod resources;
mod service_providers;
mod sign_in;
mod subscriptions;
mod tables;
mod virtual_networks;

use crate::app::App;
use crate::identity::{Principal, verify};

pub use answer::Answer;
pub use http::router;
pub use refused::Refused;
pub use request::Request;

use path::{Place, place, segments};

/// Answers one request.
pub async fn answer(app: &App, request: &Request) -> Answer {
    match route(app, request).await {
        Ok(answer) => answer,
        Err(refused) => {
            tracing::debug!(method = %request.method, path = %request.path, status = refused.status, code = %refused.code, "refused");
            refused.into()
        }
    }
}

async fn route(app: &App, request: &Request) -> Result<Answer, Refused> {
    let Some(segments) = segments(&request.path) else {
        return Err(Refused::new(400, "InvalidRequestUri", "The request URI is not percent-encoded correctly."));
    };
    if let Some(answer) = sign_in::route(app, request, &segments) {
        return Ok(answer);
    }
    let principal = authenticate(app, request)?;
    match place(&segments) {
        Place::Edge(rest) => edge::route(app, request, &principal, &rest).await,
        Place::Fabric(rest) => {
            request.check_api_version()?;
            fabric::route(app, request, &principal, &rest).await
        }
        at => {
            request.check_api_version()?;
            arm(app, request, &principal, at).await
        }
    }
}

/// ARM's own places.
async fn arm(app: &App, request: &Request, principal: &Principal, at: Place) -> Result<Answer, Refused> {
    match at {
        Place::Subscriptions => subscriptions::list(app, request, principal),
        Place::Tenants => subscriptions::tenants(app, request),
        Place::Subscription(id) => subscriptions::get(app, request, principal, &id),
        Place::Locations(id) => subscriptions::locations(app, request, principal, &id),
        Place::Registrations { subscription, rest } => {
            subscriptions::registrations(app, request, principal, &subscription, &rest)
        }
        Place::Groups(subscription) => groups::list(app, request, principal, &subscription),
        Place::Group { subscription, group, rest } => {
            groups::route(app, request, principal, &subscription, &group, &rest).await
        }
        Place::Operation { id, is_result, .. } => operations::get(app, request, principal, &id, is_result),
        Place::Provider { subscription, group, namespace, rest } => {
            let asked = resources::Asked { subscription, group, namespace, rest };
            resources::route(app, request, principal, asked).await
        }
        Place::Fabric(_) | Place::Edge(_) | Place::Nowhere => {
            let message = format!("The requested path '{}' does not support this HTTP operation.", request.path);
            Err(Refused::new(404, "NotFound", message))
        }
    }
}

/// Who calls; 401 with a challenge that says where to sign in otherwise.
fn authenticate(app: &App, request: &Request) -> Result<Principal, Refused> {
    let challenge = |error: &str, code: &str, message: String| {
        let header = format!(
            "Bearer authorization_uri=\"{}/{}\", error=\"{error}\", error_description=\"{message}\"",
            request.base, app.tenant
        );
        Refused { challenge: Some(header.into()), ..Refused::new(401, code, message) }
    };
    let Some(token) = request.bearer() else {
        let message = "Authentication failed. The 'Authorization' header is missing.".to_owned();
        return Err(challenge("invalid_token", "AuthenticationFailed", message));
    };
    verify(&app.world(), &app.key, &app.tenant, token)
        .map_err(|message| challenge("invalid_token", "InvalidAuthenticationToken", message))
}

/// 403 in ARM's words.
fn forbidden(principal: &Principal, action: &str, scope: &str) -> Refused {
    let id = &principal.client_id;
    Refused::new(
        403,
        "AuthorizationFailed",
        format!(
            "The client '{id}' with object id '{id}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
        ),
    )
}

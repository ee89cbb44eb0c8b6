//! The calls that need no token: they lead to one.

use serde_json::json;

use super::answer::Answer;
use super::request::{Request, pairs};
use crate::app::App;
use crate::identity::{TokenRequest, issue, metadata_endpoints, openid_configuration, refuse_token};

/// The answer, when the path is one of these.
pub fn route(app: &App, request: &Request, segments: &[String]) -> Option<Answer> {
    let lower: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    match (request.method.as_str(), &words[..]) {
        ("GET", ["metadata", "endpoints"]) => {
            let version = request.query.get("api-version").map_or("2022-09-01", String::as_str);
            Some(Answer::ok(metadata_endpoints(&request.base, &app.tenant, version)))
        }
        (
            "GET",
            [named, ".well-known", "openid-configuration"]
            | [named, "v2.0", ".well-known", "openid-configuration"]
            | ["adfs", named, "v2.0", ".well-known", "openid-configuration"],
        ) => Some(Answer::ok(openid_configuration(&request.base, &app.tenant, named))),
        ("GET", [_, "discovery", "keys"] | [_, "discovery", "v2.0", "keys"]) => {
            Some(Answer::ok(app.key.jwks().clone()))
        }
        ("POST", [named, "oauth2", "token"] | [named, "oauth2", "v2.0", "token"]) => Some(token(app, request, named)),
        ("GET", ["healthz"]) => Some(Answer::ok(json!({"status": "ok"}))),
        _ => None,
    }
}

/// Whether a client that names this tenant means ours.
fn is_ours(app: &App, named: &str) -> bool {
    named.eq_ignore_ascii_case(&app.tenant)
        || matches!(named, "adfs" | "common" | "organizations")
        || (named.contains('.') && uuid::Uuid::parse_str(named).is_err())
}

fn token(app: &App, request: &Request, named: &str) -> Answer {
    let result = if is_ours(app, named) {
        let form = pairs(&String::from_utf8_lossy(&request.body));
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let asked = TokenRequest {
            grant_type: field("grant_type"),
            client_id: field("client_id"),
            client_secret: field("client_secret"),
            scope: field("scope"),
            resource: field("resource"),
        };
        issue(&app.world(), &app.key, &app.tenant, &request.host, &asked)
    } else {
        Err(refuse_token(400, "invalid_request", 90_002, format!("Tenant '{named}' not found.")))
    };
    match result {
        Ok(body) => Answer::ok(body).header("cache-control", "no-store"),
        Err(refusal) => Answer::ok(refusal.body()).status(refusal.status),
    }
}

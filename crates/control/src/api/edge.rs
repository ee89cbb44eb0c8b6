//! A node's two calls: wait for a configuration, tell a status. See docs/api.md.

use std::time::Duration;

use causeway_edge_types::EdgeStatus;

use super::answer::Answer;
use super::refused::Refused;
use super::request::Request;
use super::{fabric, forbidden};
use crate::app::App;
use crate::identity::{Principal, Role};

/// The longest that a call for a configuration waits, in seconds: below the minute in which answers are due.
const WAIT_MAX_S: u64 = 50;

/// `/edge/v1/{name}/{config|status}`.
pub async fn route(app: &App, request: &Request, principal: &Principal, rest: &[String]) -> Result<Answer, Refused> {
    let [name, what] = rest else {
        return Err(Refused::new(404, "NotFound", format!("'{}' is no call of a node's.", request.path)));
    };
    let name = name.to_ascii_lowercase();
    let is_own = matches!(&principal.role, Role::Node { name: own } if own.eq_ignore_ascii_case(&name));
    if !is_own {
        return Err(forbidden(principal, &format!("Causeway.Fabric/nodes/{what}"), &request.path));
    }
    match (request.method.as_str(), what.as_str()) {
        ("GET", "config") => config(app, request, &name).await,
        ("POST", "status") => status(app, request, &name),
        (method, what) => Err(Refused::method_not_allowed(method, what)),
    }
}

async fn config(app: &App, request: &Request, name: &str) -> Result<Answer, Refused> {
    let number = |key: &str| -> Result<u64, Refused> {
        let text = request.query.get(key).map_or("0", String::as_str);
        let message = || format!("{key} is '{text}', but has to be a whole number.");
        text.parse().map_err(|_| Refused::new(400, "InvalidParameter", message()))
    };
    let after = number("after")?;
    let wait = Duration::from_secs(number("wait_s")?.min(WAIT_MAX_S));
    let deadline = tokio::time::Instant::now() + wait;
    // Subscribed before looking, so that nothing falls between the two.
    let mut changes = app.nodes.subscribe();
    let mut is_claimed = false;
    loop {
        let world = app.world();
        if !fabric::is_node(&world, name) {
            return Err(Refused::new(404, "NodeNotFound", format!("No node is called '{name}'.")));
        }
        if let Some(config) = world.configs.get(name) {
            if config.generation > after {
                let body = serde_json::to_value(config)
                    .map_err(|error| Refused::new(500, "InternalServerError", error.to_string()))?;
                return Ok(Answer::ok(body));
            }
            if config.generation < after && !is_claimed {
                // The node is ahead of what is remembered here (a restored store): numbers have to go on from there.
                is_claimed = true;
                app.nodes.claim(name, after);
                app.bell.notify_one();
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(Answer::empty(204)) },
            () = tokio::time::sleep_until(deadline) => return Ok(Answer::empty(204)),
        }
    }
}

fn status(app: &App, request: &Request, name: &str) -> Result<Answer, Refused> {
    let status: EdgeStatus = serde_json::from_slice(&request.body).map_err(|error| {
        let message = format!("The request content was invalid and could not be deserialized: '{error}'.");
        Refused::new(400, "InvalidRequestContent", message)
    })?;
    if !status.edge.0.eq_ignore_ascii_case(name) {
        let message = format!("edge is '{}', but the status of '{name}' is told here.", status.edge);
        return Err(Refused::new(400, "InvalidRequestContent", message));
    }
    if !fabric::is_node(&app.world(), name) {
        return Err(Refused::new(404, "NodeNotFound", format!("No node is called '{name}'.")));
    }
    if app.nodes.hear(name, status) {
        app.bell.notify_one();
    }
    Ok(Answer::empty(204))
}

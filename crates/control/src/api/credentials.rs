//! Credentials that the operator hands out: for another customer's client, or for a node. Told once, kept hashed.

use serde_json::json;

use super::answer::Answer;
use super::fabric::is_node;
use super::refused::Refused;
use super::request::Request;
use crate::app::App;
use crate::change::audit;
use crate::identity::{Principal, Role, new_client};

/// `POST {subscriptions|nodes}/{name}/credentials`.
pub async fn route(app: &App, request: &Request, principal: &Principal, words: &[&str]) -> Result<Answer, Refused> {
    let [kind, name, _] = words[..] else {
        return Err(Refused::new(404, "NotFound", "Credentials are of a subscription or of a node."));
    };
    if request.method != "POST" {
        return Err(Refused::method_not_allowed(&request.method, "credentials"));
    }
    let world = app.world();
    let (is_there, role) = match kind {
        "nodes" => (is_node(&world, name), Role::Node { name: name.to_owned() }),
        _ => (world.subscriptions.contains_key(name), Role::Customer { subscription: name.to_owned() }),
    };
    if !is_there {
        let message = format!("Resource /providers/Causeway.Fabric/{kind}/{name} not found.");
        return Err(Refused::new(404, "NotFound", message));
    }
    let (client, secret) =
        new_client(role).map_err(|error| Refused::new(500, "InternalServerError", error.to_string()))?;
    let client_id = client.client_id.clone();
    app.change(Some(audit(request, principal)), |draft| {
        draft.put(&client_id, client);
        Ok::<_, Refused>(())
    })
    .await?;
    let body = json!({"clientId": client_id, "clientSecret": secret, "tenant": app.tenant});
    Ok(Answer::ok(body).header("cache-control", "no-store"))
}

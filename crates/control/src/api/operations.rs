//! Operations as clients poll them: `operations/{id}` for the status, `operationResults/{id}` for the result.

use causeway_model::{Problem, ResourceId};
use serde_json::{Value, json};

use super::answer::Answer;
use super::refused::Refused;
use super::request::Request;
use crate::app::App;
use crate::identity::Principal;
use crate::operation::{Operation, OperationKind, OperationStatus};
use crate::world::Draft;

/// How soon a client may ask again, in seconds.
pub const RETRY_AFTER_S: &str = "1";

/// Begins an operation in a draft; its id. `root` is the outermost resource, `child` what of it (`peerings/x`).
pub fn begin(
    draft: &mut Draft,
    principal: &Principal,
    root: &ResourceId,
    child: Option<String>,
    kind: OperationKind,
    problem: Option<Problem>,
) -> String {
    let id = uuid::Uuid::new_v4().to_string();
    let operation = Operation {
        id: id.clone(),
        client: principal.client_id.clone(),
        resource: root.key(),
        child,
        kind,
        status: OperationStatus::InProgress,
        problem,
        revision: draft.world.revision,
    };
    draft.put(&id, operation);
    id
}

/// The absolute address of an operation, at the host that the client called.
pub fn url(
    request: &Request,
    subscription: &str,
    namespace: &str,
    location: &str,
    id: &str,
    is_result: bool,
) -> String {
    let location: String =
        location.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_lowercase();
    let location = if location.is_empty() { "global" } else { &location };
    let what = if is_result { "operationResults" } else { "operations" };
    let version = request.query.get("api-version").map_or("2024-05-01", String::as_str);
    format!(
        "{}/subscriptions/{subscription}/providers/{namespace}/locations/{location}/{what}/{id}?api-version={version}",
        request.base
    )
}

/// `GET …/locations/{l}/{operations|operationResults}/{id}`: for the client that began it.
pub fn get(app: &App, request: &Request, principal: &Principal, id: &str, is_result: bool) -> Result<Answer, Refused> {
    if request.method != "GET" {
        return Err(Refused::method_not_allowed(&request.method, "operations"));
    }
    if let Some(result) = app.results.get(&principal.client_id, id) {
        return Ok(Answer::ok(result));
    }
    let world = app.world();
    let operation = world
        .operations
        .get(&id.to_ascii_lowercase())
        .filter(|operation| operation.client == principal.client_id)
        .ok_or_else(|| Refused::new(404, "NotFound", format!("Operation {id} not found.")))?;
    Ok(if is_result { result(operation) } else { status(operation) })
}

fn status(operation: &Operation) -> Answer {
    let mut body = json!({"status": format!("{:?}", operation.status)});
    if operation.status == OperationStatus::Failed {
        body["error"] = error(operation);
    }
    let answer = Answer::ok(body);
    if operation.status == OperationStatus::InProgress { answer.header("retry-after", RETRY_AFTER_S) } else { answer }
}

fn result(operation: &Operation) -> Answer {
    match (operation.status, operation.kind) {
        (OperationStatus::InProgress, _) => Answer::empty(202).header("retry-after", RETRY_AFTER_S),
        (OperationStatus::Failed, _) => Answer::ok(json!({"error": error(operation)})).status(400),
        (OperationStatus::Succeeded, OperationKind::Delete) => Answer::empty(204),
        (OperationStatus::Succeeded, OperationKind::Put) => Answer::empty(200),
    }
}

fn error(operation: &Operation) -> Value {
    match &operation.problem {
        Some(problem) => json!({"code": problem.code, "message": problem.message, "details": []}),
        None => json!({"code": "InternalServerError", "message": "An error occurred.", "details": []}),
    }
}

//! A refusal in ARM's envelope. The one place where a problem becomes a status code.

use causeway_model::{Problem, Refusal};
use serde_json::{Value, json};

/// A call that is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The error's code.
    pub code: String,
    /// Its message.
    pub message: String,
    /// The field that it is about.
    pub target: Option<Box<str>>,
    /// Every problem, where there are several.
    pub details: Vec<Problem>,
    /// `WWW-Authenticate`, with a 401.
    pub challenge: Option<Box<str>>,
}

impl Refused {
    /// A refusal with one code and message.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Refused {
        Refused { status, code: code.into(), message: message.into(), target: None, details: vec![], challenge: None }
    }

    /// 404 of a resource that is a group's own, as ARM words it.
    pub fn resource_not_found(kind: &str, name: &str, group: &str) -> Refused {
        Refused::new(
            404,
            "ResourceNotFound",
            format!(
                "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
            ),
        )
    }

    /// 404 of a child, as the network provider words it.
    pub fn child_not_found(id: &str) -> Refused {
        Refused::new(404, "NotFound", format!("Resource {id} not found."))
    }

    /// 404 of a resource group.
    pub fn group_not_found(group: &str) -> Refused {
        Refused::new(404, "ResourceGroupNotFound", format!("Resource group '{group}' could not be found."))
    }

    /// 405.
    pub fn method_not_allowed(method: &str, kind: &str) -> Refused {
        Refused::new(405, "MethodNotAllowed", format!("The HTTP method {method} is not supported by '{kind}'."))
    }

    /// Every problem at once: one alone is the error itself, several are its details.
    pub fn problems(problems: Vec<Problem>) -> Refused {
        let status_of = |problem: &Problem| match problem.refusal {
            Refusal::BadRequest | Refusal::FailsLater => 400,
            Refusal::NotFound => 404,
            Refusal::Conflict => 409,
        };
        // Problems of different kinds are a bad request altogether.
        let mut statuses: Vec<u16> = problems.iter().map(status_of).collect();
        statuses.dedup();
        let status = if let [status] = statuses[..] { status } else { 400 };
        match &problems[..] {
            [only] => Refused {
                target: (!only.target.is_empty()).then(|| only.target.as_str().into()),
                ..Refused::new(status, &only.code, only.message.clone())
            },
            several => {
                let list = several.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ");
                let message = format!("{} problems: {list}", several.len());
                Refused { details: problems.clone(), ..Refused::new(status, "MultipleErrorsOccurred", message) }
            }
        }
    }

    /// The envelope.
    pub fn body(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(target) = &self.target {
            error["target"] = Value::from(&**target);
        }
        error["details"] = self
            .details
            .iter()
            .map(|problem| json!({"code": problem.code, "target": problem.target, "message": problem.message}))
            .collect();
        json!({"error": error})
    }
}

impl From<Vec<Problem>> for Refused {
    fn from(problems: Vec<Problem>) -> Self {
        Refused::problems(problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_is_the_error_and_several_are_its_details() {
        let conflict = Problem::conflict("VlanIdInUse", "properties.vlanId", "vlanId 100 is used twice.");
        let bad =
            Problem::bad_request("InvalidPrefix", "properties.primaryPeerAddressPrefix", "10.0.0.0/28 is no /30.");
        let one = Refused::problems(vec![conflict.clone()]);
        assert_eq!(
            (one.status, one.code.as_str(), one.target.as_deref()),
            (409, "VlanIdInUse", Some("properties.vlanId"))
        );
        let two = Refused::problems(vec![conflict.clone(), conflict.clone()]);
        assert_eq!(two.status, 409);
        let mixed = Refused::problems(vec![conflict, bad]);
        assert_eq!(mixed.status, 400);
        let body = mixed.body();
        assert_eq!(body["error"]["details"].as_array().map(Vec::len), Some(2));
        assert_eq!(body["error"]["details"][1]["target"], "properties.primaryPeerAddressPrefix");
    }
}

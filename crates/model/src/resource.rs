//! What all resources share: an id, tags, a provisioning state, and the problem that a refused change gets.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a resource: `/subscriptions/…/resourceGroups/…/providers/…/type/name`. Compared without regard to case,
/// kept as it was written (RPC, "Case").
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceId(String);

impl ResourceId {
    /// An id as it was written.
    pub fn new(id: impl Into<String>) -> ResourceId {
        ResourceId(id.into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: what it is stored and looked up by.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// The segment after `kind` (compared without regard to case), as in `segment("resourceGroups")`.
    pub fn segment(&self, kind: &str) -> Option<&str> {
        let mut parts = self.0.split('/');
        while let Some(part) = parts.next() {
            if part.eq_ignore_ascii_case(kind) {
                return parts.next();
            }
        }
        None
    }

    /// The subscription's id.
    pub fn subscription(&self) -> Option<&str> {
        self.segment("subscriptions")
    }

    /// The subscription's id in lower case, to compare by.
    pub fn subscription_key(&self) -> Option<String> {
        self.subscription().map(str::to_ascii_lowercase)
    }

    /// The resource group's name.
    pub fn resource_group(&self) -> Option<&str> {
        self.segment("resourceGroups")
    }

    /// A child of this resource.
    pub fn child(&self, kind: &str, name: &str) -> ResourceId {
        ResourceId(format!("{}/{kind}/{name}", self.0))
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl std::hash::Hash for ResourceId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tags that a customer puts on a resource.
pub type ResourceTags = BTreeMap<String, String>;

/// How far the last change of a resource has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ProvisioningState {
    #[default]
    Updating,
    Succeeded,
    Deleting,
    Failed,
}

/// What is refused how: the API turns it into a status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The request is wrong in itself or breaks a rule (400).
    BadRequest,
    /// What it names is not there (404).
    NotFound,
    /// It conflicts with what is there (409).
    Conflict,
    /// It is accepted, and the operation then fails with this (201, then `Failed`), as the reference service does it.
    FailsLater,
}

/// One rule that a change breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How it is refused.
    pub refusal: Refusal,
    /// The API's error code (`VlanIdInUse`).
    pub code: String,
    /// The field, as the API spells it (`properties.vlanId`).
    pub target: String,
    /// Names the field, the value and the rule.
    pub message: String,
}

impl Problem {
    /// A rule broken by the request itself.
    pub fn bad_request(code: &str, target: &str, message: impl Into<String>) -> Problem {
        Problem { refusal: Refusal::BadRequest, code: code.into(), target: target.into(), message: message.into() }
    }

    /// Something named that is not there.
    pub fn not_found(code: &str, target: &str, message: impl Into<String>) -> Problem {
        Problem { refusal: Refusal::NotFound, code: code.into(), target: target.into(), message: message.into() }
    }

    /// A conflict with what is there.
    pub fn conflict(code: &str, target: &str, message: impl Into<String>) -> Problem {
        Problem { refusal: Refusal::Conflict, code: code.into(), target: target.into(), message: message.into() }
    }

    /// Accepted, then failed.
    pub fn fails_later(code: &str, target: &str, message: impl Into<String>) -> Problem {
        Problem { refusal: Refusal::FailsLater, code: code.into(), target: target.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.code, self.target, self.message)
    }
}

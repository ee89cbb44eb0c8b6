//! A problem: something wrong in what was asked. (Something that failed while acting is an error.)

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing wrong in what was asked. Problems are collected, all of them, never stopped at the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable, machine-readable code, in the API's spelling (`VlanIdInUse`).
    pub code: String,
    /// The field it is about, as the caller spells it (`properties.vlanId`), or what was being configured.
    pub target: String,
    /// A sentence that names the field, the value and the rule.
    pub message: String,
}

impl Problem {
    /// A problem with `code` about `target`.
    pub fn new(code: impl Into<String>, target: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem { code: code.into(), target: target.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.code, self.target, self.message)
    }
}

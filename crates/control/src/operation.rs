//! An operation: an accepted change on its way to being done. Kept in the store with the change itself, so that a client
//! that polls it after control was restarted is answered.

use causeway_model::Problem;
use serde::{Deserialize, Serialize};

/// Finished operations that are kept; the oldest go first.
pub const KEPT: usize = 2_000;

/// An accepted change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its GUID.
    pub id: String,
    /// Whose client may ask for it: the one that began it.
    pub client: String,
    /// The resource, by key; for a peering or an authorization, the circuit.
    pub resource: String,
    /// Its child, where it is one's: `peerings/azureprivatepeering`.
    #[serde(default)]
    pub child: Option<String>,
    /// What was asked for.
    pub kind: OperationKind,
    /// How far it is.
    pub status: OperationStatus,
    /// What it fails with, or failed with.
    #[serde(default)]
    pub problem: Option<Problem>,
    /// The revision that began it; operations are finished in this order.
    pub revision: u64,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum OperationKind {
    Put,
    Delete,
}

/// How far an operation is, in the API's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum OperationStatus {
    InProgress,
    Succeeded,
    Failed,
}

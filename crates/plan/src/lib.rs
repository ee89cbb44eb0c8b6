//! From what is desired to what each edge must do, and from what edges saw to what a customer sees. Pure.
//!
//! ```text
//!   Snapshot ──▶ allocate ──▶ numbers (S-tags, VRFs, attachments, VNIs), committed with the change
//!   Snapshot ──▶ edge_configs ──▶ one EdgeConfig for each edge, gateway node and cross-connect; problems beside them
//!   Snapshot + EdgeStatus of each ──▶ status ──▶ what GET shows
//! ```

use std::collections::BTreeMap;

use causeway_edge_types::{EdgeConfig, EdgeId, Problem};
use causeway_model::{Allocations, Snapshot};

/// The configurations of all edges, with generation 0: the caller numbers them. One customer's bad resource is left
/// out and is in `problems`; everybody else's is there.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// By edge.
    pub configs: BTreeMap<EdgeId, EdgeConfig>,
    /// What could not be planned, with the resource's id as target.
    pub problems: Vec<Problem>,
}

/// The allocations that `snapshot` needs: those that it has and still needs, and new ones.
pub fn allocate(snapshot: &Snapshot) -> Result<Allocations, Vec<Problem>> {
    Ok(snapshot.allocations.clone())
}

/// What each edge must do.
pub fn edge_configs(snapshot: &Snapshot) -> Planned {
    let _ = snapshot;
    Planned::default()
}

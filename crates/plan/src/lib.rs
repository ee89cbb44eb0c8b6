//! From what is desired to what each edge must do, and from what edges saw to what a customer sees. Pure.
//!
//! ```text
//!   Snapshot ──▶ allocate ──▶ numbers (S-tags, VRFs, attachments, VNIs), committed with the change
//!   Snapshot ──▶ edge_configs ──▶ one EdgeConfig for each edge, gateway node and cross-connect; problems beside them
//!   Snapshot + EdgeStatus of each ──▶ status ──▶ what GET shows
//! ```

use std::collections::BTreeMap;

use causeway_edge_types::{EdgeConfig, EdgeId, Problem};
use causeway_model::{Circuit, Link, PeeringKind, Snapshot};

mod allocate;
mod cross_connect;
mod edge;
mod gateway;
mod node;
mod placement;
pub mod status;
mod tunnel;

pub use allocate::allocate;
pub use placement::{port_name, s_tag};
pub use status::*;

use placement::{Placement, live_peering};

/// The configurations of all edges, with generation 0: the caller numbers them. One customer's bad resource is left
/// out and is in `problems`; everybody else's is there.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// By edge.
    pub configs: BTreeMap<EdgeId, EdgeConfig>,
    /// What could not be planned, with the resource's id as target.
    pub problems: Vec<Problem>,
}

/// What each edge must do. Numbers come from `snapshot.allocations` (see [`allocate`]); every node that is registered
/// has a configuration, if one that asks for nothing.
pub fn edge_configs(snapshot: &Snapshot) -> Planned {
    let placement = Placement::new(snapshot);
    let mut planned = Planned::default();
    for circuit in snapshot.circuits.values() {
        missing_nodes(&placement, circuit, &mut planned.problems);
    }
    let problems = &mut planned.problems;
    let mut configs = Vec::new();
    configs.extend(snapshot.edges.values().map(|node| edge::config(&placement, node, problems)));
    configs.extend(snapshot.gateway_nodes.values().map(|node| gateway::config(&placement, node, problems)));
    configs.extend(snapshot.cross_connects.values().map(|node| cross_connect::config(&placement, node, problems)));
    planned.configs = configs.into_iter().map(|config| (config.edge.clone(), config)).collect();
    planned
}

/// What a live peering needs and nobody registered.
fn missing_nodes(placement: &Placement<'_>, circuit: &Circuit, problems: &mut Vec<Problem>) {
    if live_peering(circuit, PeeringKind::AzurePrivatePeering).is_some() {
        for link in Link::BOTH {
            if placement.edge(circuit, link).is_none() {
                let message = format!(
                    "its {link:?} link has no edge: none at {} has a port toward {}",
                    circuit.peering_location, circuit.provider
                );
                problems.push(Problem::new("NoEdge", circuit.id.as_str(), message));
            }
        }
    }
    for access in &circuit.cross_connection.access {
        if live_peering(circuit, access.peering).is_some() && placement.cross_connect(&access.cross_connect).is_none() {
            let message = format!("its cross-connect {} is not registered", access.cross_connect);
            problems.push(Problem::new("NoCrossConnect", circuit.id.as_str(), message));
        }
    }
}

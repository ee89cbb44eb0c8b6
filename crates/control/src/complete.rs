//! Operations come to their end: the resource's provisioning state and the operation's status, together.

use std::collections::BTreeMap;

use causeway_model::{
    Circuit, Gateway, GatewayConnection, Peering, PeeringKind, Problem, ProvisioningState, VirtualNetwork,
};

use crate::operation::{KEPT, Operation, OperationKind, OperationStatus};
use crate::world::Draft;

/// Ends every operation that is under way. `problems` are the planner's, by the key of the resource.
pub fn complete(draft: &mut Draft, problems: &BTreeMap<String, Problem>) {
    complete_up_to(draft, problems, u64::MAX);
}

/// The same for those that began at `revision` or before it.
pub fn complete_up_to(draft: &mut Draft, problems: &BTreeMap<String, Problem>, revision: u64) {
    let mut under_way: Vec<Operation> = draft
        .world
        .operations
        .values()
        .filter(|operation| operation.status == OperationStatus::InProgress && operation.revision <= revision)
        .cloned()
        .collect();
    under_way.sort_by_key(|operation| operation.revision);
    for mut operation in under_way {
        // A problem that was there before (no edge registered yet) fails nothing: it is planned as soon as it can be.
        let _ = problems;
        let failed = operation.problem.is_some();
        operation.status = if failed { OperationStatus::Failed } else { OperationStatus::Succeeded };
        if operation.kind == OperationKind::Put {
            let state = if failed { ProvisioningState::Failed } else { ProvisioningState::Succeeded };
            settle(draft, &operation, state);
        }
        let id = operation.id.clone();
        draft.put(&id, operation);
    }
    forget_old(draft);
}

fn settle(draft: &mut Draft, operation: &Operation, state: ProvisioningState) {
    let key = &operation.resource;
    let snapshot = &draft.world.snapshot;
    if let Some(circuit) = snapshot.circuits.get(key) {
        let mut circuit: Circuit = circuit.clone();
        settle_circuit(&mut circuit, operation.child.as_deref(), state);
        draft.put(key, circuit);
    } else if let Some(network) = snapshot.virtual_networks.get(key) {
        draft.put(key, VirtualNetwork { provisioning_state: state, ..network.clone() });
    } else if let Some(gateway) = snapshot.gateways.get(key) {
        draft.put(key, Gateway { provisioning_state: state, ..gateway.clone() });
    } else if let Some(connection) = snapshot.connections.get(key) {
        draft.put(key, GatewayConnection { provisioning_state: state, ..connection.clone() });
    }
}

fn settle_circuit(circuit: &mut Circuit, child: Option<&str>, state: ProvisioningState) {
    let settle = |held: &mut ProvisioningState| {
        if *held == ProvisioningState::Updating {
            *held = state;
        }
    };
    match child.and_then(|child| child.split_once('/')) {
        Some(("peerings", name)) => {
            let kind = if name.eq_ignore_ascii_case("MicrosoftPeering") {
                PeeringKind::MicrosoftPeering
            } else {
                PeeringKind::AzurePrivatePeering
            };
            if let Some(peering) = circuit.peerings.get_mut(&kind) {
                settle_peering(peering, state);
            }
        }
        Some(("authorizations", name)) => {
            if let Some(authorization) = circuit.authorizations.get_mut(name) {
                settle(&mut authorization.provisioning_state);
            }
        }
        _ => {
            settle(&mut circuit.provisioning_state);
            circuit.is_enabled = true;
            circuit.peerings.values_mut().for_each(|peering| settle_peering(peering, state));
            circuit.authorizations.values_mut().for_each(|one| settle(&mut one.provisioning_state));
        }
    }
}

fn settle_peering(peering: &mut Peering, state: ProvisioningState) {
    if peering.provisioning_state == ProvisioningState::Updating {
        peering.provisioning_state = state;
    }
    if peering.last_modified_by.is_empty() {
        peering.last_modified_by = "Customer".to_owned();
    }
}

fn forget_old(draft: &mut Draft) {
    let mut finished: Vec<(u64, String)> = draft
        .world
        .operations
        .values()
        .filter(|operation| operation.status != OperationStatus::InProgress)
        .map(|operation| (operation.revision, operation.id.clone()))
        .collect();
    if finished.len() <= KEPT {
        return;
    }
    finished.sort();
    let surplus = finished.len() - KEPT;
    for (_, id) in finished.into_iter().take(surplus) {
        draft.remove::<Operation>(&id);
    }
}

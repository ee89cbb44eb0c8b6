//! Operations come to their end: the resource's provisioning state and the operation's status, together.

use causeway_model::{Circuit, Gateway, GatewayConnection, Peering, PeeringKind, ProvisioningState, VirtualNetwork};

use crate::operation::{KEPT, Operation, OperationKind, OperationStatus};
use crate::world::Draft;

/// Ends every operation that is under way and began at `revision` or before it. What the planner could not plan fails
/// none: an edge that is not registered yet is no fault of the customer's, and is planned as soon as it is there.
pub fn complete(draft: &mut Draft, revision: u64) {
    let mut under_way: Vec<Operation> = draft
        .world
        .operations
        .values()
        .filter(|operation| operation.status == OperationStatus::InProgress && operation.revision <= revision)
        .cloned()
        .collect();
    under_way.sort_by_key(|operation| operation.revision);
    for mut operation in under_way {
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
        let provisioning_state = settled(network.provisioning_state, state);
        draft.put(key, VirtualNetwork { provisioning_state, ..network.clone() });
    } else if let Some(gateway) = snapshot.gateways.get(key) {
        let provisioning_state = settled(gateway.provisioning_state, state);
        draft.put(key, Gateway { provisioning_state, ..gateway.clone() });
    } else if let Some(connection) = snapshot.connections.get(key) {
        let provisioning_state = settled(connection.provisioning_state, state);
        draft.put(key, GatewayConnection { provisioning_state, ..connection.clone() });
    }
}

/// What was not being updated (only its tags were put) stays as it was.
fn settled(before: ProvisioningState, state: ProvisioningState) -> ProvisioningState {
    if before == ProvisioningState::Updating { state } else { before }
}

fn settle_circuit(circuit: &mut Circuit, child: Option<&str>, state: ProvisioningState) {
    let settle = |held: &mut ProvisioningState| *held = settled(*held, state);
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
    peering.provisioning_state = settled(peering.provisioning_state, state);
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

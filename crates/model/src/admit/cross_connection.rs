//! The provider's side of a circuit: its states, and where the customer comes in.

use crate::{AccessService, Circuit, Problem, ProviderState, ProvisioningState, Snapshot};

const STATE: &str = "properties.serviceProviderProvisioningState";
const ACCESS: &str = "properties.accessServices";

pub(super) fn put(snapshot: &Snapshot, old: Option<&Circuit>, new: &Circuit, out: &mut Vec<Problem>) {
    let before = old.map_or(ProviderState::NotProvisioned, |old| old.cross_connection.state);
    let after = new.cross_connection.state;
    if !may_become(before, after) {
        let message = format!(
            "serviceProviderProvisioningState of '{}' is '{before:?}' and can't become '{after:?}'; it can become {}",
            new.service_key,
            next(before)
        );
        out.push(Problem::conflict("ProvisioningStateTransitionNotAllowed", STATE, message));
    } else if before != after && new.provisioning_state == ProvisioningState::Deleting {
        let message = format!("circuit of service key '{}' is being deleted: its state can't change", new.service_key);
        out.push(Problem::conflict("CircuitIsBeingDeleted", STATE, message));
    }
    if old.is_none_or(|old| old.cross_connection.access != new.cross_connection.access) {
        access_services(snapshot, new, out);
    }
}

/// The provider's legal steps (fact 5). It may leave out the steps in between: many providers do.
fn may_become(before: ProviderState, after: ProviderState) -> bool {
    use ProviderState::{Deprovisioning, NotProvisioned, Provisioned, Provisioning};
    before == after
        || matches!(
            (before, after),
            (NotProvisioned, Provisioning | Provisioned)
                | (Provisioning, Provisioned | NotProvisioned)
                | (Provisioned, Deprovisioning | NotProvisioned)
                | (Deprovisioning, NotProvisioned)
        )
}

fn next(before: ProviderState) -> &'static str {
    match before {
        ProviderState::NotProvisioned => "'Provisioning' or 'Provisioned'",
        ProviderState::Provisioning => "'Provisioned' or 'NotProvisioned'",
        ProviderState::Provisioned => "'Deprovisioning' or 'NotProvisioned'",
        ProviderState::Deprovisioning => "'NotProvisioned'",
    }
}

fn access_services(snapshot: &Snapshot, new: &Circuit, out: &mut Vec<Problem>) {
    let mut bad = |code: &str, message: String| out.push(Problem::bad_request(code, ACCESS, message));
    for (index, access) in new.cross_connection.access.iter().enumerate() {
        if new.cross_connection.access[..index].iter().any(|other| other.peering == access.peering) {
            bad(
                "DuplicateAccessService",
                format!("{:?} is named twice: a peering comes in at one place", access.peering),
            );
        }
        if let Some(tag) = access.access_tag
            && !(1..=4094).contains(&tag)
        {
            bad("InvalidAccessTag", format!("accessTag {tag} is not in 1 to 4094"));
        }
        if access.primary_port == access.secondary_port {
            let message =
                format!("primaryPort and secondaryPort are both '{}': each link has its own", access.primary_port);
            bad("AccessPortInUse", message);
        }
        let Some(node) = snapshot.cross_connects.get(&access.cross_connect.to_ascii_lowercase()) else {
            bad("CrossConnectNotFound", format!("crossConnect '{}' is not registered", access.cross_connect));
            continue;
        };
        if !node.provider.eq_ignore_ascii_case(&new.provider)
            || !node.peering_location.eq_ignore_ascii_case(&new.peering_location)
        {
            let message = format!(
                "crossConnect '{}' is {}'s at {}; the circuit is {}'s at {}",
                node.name, node.provider, node.peering_location, new.provider, new.peering_location
            );
            bad("WrongCrossConnect", message);
        }
        for port in [&access.primary_port, &access.secondary_port] {
            if !node.access_ports.contains(port) {
                let message = format!(
                    "'{port}' is not an access port of crossConnect '{}': {}",
                    node.name,
                    node.access_ports.join(", ")
                );
                bad("AccessPortNotFound", message);
            }
        }
    }
    for (circuit, other) in services(snapshot, new) {
        for access in &new.cross_connection.access {
            if std::ptr::eq(access, other) || !other.cross_connect.eq_ignore_ascii_case(&access.cross_connect) {
                continue;
            }
            let theirs = [&other.primary_port, &other.secondary_port];
            let shared = [&access.primary_port, &access.secondary_port].into_iter().find(|port| theirs.contains(port));
            // An untagged port carries one service; a tagged one as many as it has tags.
            let is_apart = match (access.access_tag, other.access_tag) {
                (Some(ours), Some(theirs)) => ours != theirs,
                _ => false,
            };
            if let Some(port) = shared
                && !is_apart
            {
                let tag = |tag: Option<u16>| tag.map_or("untagged".to_owned(), |tag| format!("with accessTag {tag}"));
                let whose = if circuit.id == new.id { "another peering of this circuit" } else { "another circuit" };
                let message = format!(
                    "access port '{port}' {} is in use by {whose} ({}): two share a port only with different tags",
                    tag(access.access_tag),
                    tag(other.access_tag)
                );
                out.push(Problem::conflict("AccessPortInUse", ACCESS, message));
            }
        }
    }
}

/// Every access service there would be, other circuits' and the new one's own.
fn services<'a>(snapshot: &'a Snapshot, new: &'a Circuit) -> impl Iterator<Item = (&'a Circuit, &'a AccessService)> {
    let others = snapshot.circuits.values().filter(|circuit| circuit.id != new.id).chain([new]);
    others.flat_map(|circuit| circuit.cross_connection.access.iter().map(move |access| (circuit, access)))
}

//! What a provider's cross-connect must do: for each live peering that comes in at it, the customer's port and the
//! uplink joined on both links. Nothing passes before the circuit is provisioned, and nothing after.

use causeway_edge_types::{AttachmentId, CrossConnect, EdgeConfig, PortName, Problem, TaggedPort, Tags};
use causeway_model::{AccessService, Circuit, CrossConnectNode, Link, Peering};

use crate::edge::not_allocated;
use crate::node::NodePlan;
use crate::placement::{Placement, live_peering, names};

/// Everything on one cross-connect.
pub(crate) fn config(placement: &Placement<'_>, node: &CrossConnectNode, problems: &mut Vec<Problem>) -> EdgeConfig {
    let mut plan = NodePlan::new(EdgeConfig::empty(node.name.as_str().into(), node.router_id));
    for circuit in placement.snapshot.circuits.values() {
        for access in &circuit.cross_connection.access {
            if !access.cross_connect.eq_ignore_ascii_case(&node.name) {
                continue;
            }
            let Some(peering) = live_peering(circuit, access.peering) else { continue };
            match fragment(placement, node, circuit, access, peering, plan.fragment()) {
                Ok(fragment) => plan.add(fragment, circuit.id.as_str(), problems),
                Err(problem) => problems.push(problem),
            }
        }
    }
    plan.finish()
}

fn fragment(
    placement: &Placement<'_>,
    node: &CrossConnectNode,
    circuit: &Circuit,
    access: &AccessService,
    peering: &Peering,
    mut out: EdgeConfig,
) -> Result<EdgeConfig, Problem> {
    if !node.peering_location.eq_ignore_ascii_case(&circuit.peering_location)
        || !node.provider.eq_ignore_ascii_case(&circuit.provider)
    {
        let message = format!(
            "it is {}'s at {} and {} is {}'s at {}: a cross-connect serves its own provider's circuits at its own location",
            circuit.provider, circuit.peering_location, node.name, node.provider, node.peering_location
        );
        return Err(Problem::new("WrongCrossConnect", circuit.id.as_str(), message));
    }
    let number = |space: &str, owner: &str, what: &str| {
        placement.number(space, owner).ok_or_else(|| not_allocated(circuit.id.as_str(), what, &node.name))
    };
    let s_tag = number(&names::s_tag_space(&circuit.peering_location), &circuit.id.key(), "S-tag")?;
    let s_tag = u16::try_from(s_tag).unwrap_or(u16::MAX);
    let space = names::attachment_space(&node.name);
    for link in Link::BOTH {
        let (port, uplink) = match link {
            Link::Primary => (&access.primary_port, &node.primary_uplink),
            Link::Secondary => (&access.secondary_port, &node.secondary_uplink),
        };
        let id = number(&space, &names::cross(circuit, access.peering, link), "cross-connect")?;
        let reverse_id = number(&space, &names::cross_reverse(circuit, access.peering, link), "cross-connect")?;
        out.cross_connects.push(CrossConnect {
            id: AttachmentId(id),
            reverse_id: AttachmentId(reverse_id),
            access: TaggedPort { port: PortName(port.clone()), tags: Tags { s_tag: None, c_tag: access.access_tag } },
            uplink: TaggedPort {
                port: PortName(uplink.clone()),
                tags: Tags { s_tag: Some(s_tag), c_tag: Some(peering.vlan_id) },
            },
            label: format!("{port} to {uplink} S-tag {s_tag} C-tag {}", peering.vlan_id),
        });
    }
    Ok(out)
}

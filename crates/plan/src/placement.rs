//! Where things are placed: which edges serve a circuit, which nodes a virtual network's gateway, what is live, and by
//! which names numbers are given out. Allocation, planning and status all ask here, so that they can't disagree.

use std::collections::BTreeMap;

use causeway_model::{
    Circuit, CrossConnectNode, EdgeNode, Gateway, GatewayConnection, GatewayNode, Link, Peering, PeeringKind,
    ProviderState, ProvisioningState, ResourceId, Snapshot, VirtualNetwork,
};

/// The space of all tunnels' network identifiers: one for each gateway connection.
pub(crate) const VNI_SPACE: &str = "vni";

/// Names of spaces and owners. A name is stable for as long as what it names exists.
pub(crate) mod names {
    use super::*;

    pub fn s_tag_space(location: &str) -> String {
        format!("s-tag/{}", location.to_ascii_lowercase())
    }

    pub fn vrf_space(node: &str) -> String {
        format!("vrf/{}", node.to_ascii_lowercase())
    }

    /// Attachments and cross-connects of a node are numbered from one space: their counters are kept by it.
    pub fn attachment_space(node: &str) -> String {
        format!("attachment/{}", node.to_ascii_lowercase())
    }

    pub fn peering(circuit: &Circuit, kind: PeeringKind) -> String {
        format!("{}/peerings/{}", circuit.id.key(), format!("{kind:?}").to_ascii_lowercase())
    }

    /// On an edge, the tunnel of a gateway connection to an instance; on a gateway node, that to a link's edge.
    pub fn tunnel(connection: &GatewayConnection, link: Link, instance: u8) -> String {
        format!("{}/{}/{instance}", connection.id.key(), link_name(link))
    }

    pub fn cross(circuit: &Circuit, kind: PeeringKind, link: Link) -> String {
        format!("{}/{}", peering(circuit, kind), link_name(link))
    }

    pub fn cross_reverse(circuit: &Circuit, kind: PeeringKind, link: Link) -> String {
        format!("{}/reverse", cross(circuit, kind, link))
    }

    fn link_name(link: Link) -> &'static str {
        match link {
            Link::Primary => "primary",
            Link::Secondary => "secondary",
        }
    }
}

/// What is related to what, looked up once for a whole snapshot.
pub(crate) struct Placement<'a> {
    pub snapshot: &'a Snapshot,
    by_circuit: BTreeMap<String, Vec<&'a GatewayConnection>>,
    by_gateway: BTreeMap<String, Vec<&'a GatewayConnection>>,
    gateway_of_network: BTreeMap<String, &'a Gateway>,
    nodes_of_network: BTreeMap<String, Vec<&'a GatewayNode>>,
}

impl<'a> Placement<'a> {
    pub fn new(snapshot: &'a Snapshot) -> Placement<'a> {
        let mut by_circuit: BTreeMap<String, Vec<&GatewayConnection>> = BTreeMap::new();
        let mut by_gateway: BTreeMap<String, Vec<&GatewayConnection>> = BTreeMap::new();
        for connection in snapshot.connections.values() {
            by_circuit.entry(connection.circuit.key()).or_default().push(connection);
            by_gateway.entry(connection.gateway.key()).or_default().push(connection);
        }
        let mut gateway_of_network = BTreeMap::new();
        for gateway in snapshot.gateways.values() {
            if let Some(network) = network_of_subnet(&gateway.subnet) {
                gateway_of_network.entry(network.key()).or_insert(gateway);
            }
        }
        let mut nodes_of_network: BTreeMap<String, Vec<&GatewayNode>> = BTreeMap::new();
        for node in snapshot.gateway_nodes.values() {
            nodes_of_network.entry(node.virtual_network.to_ascii_lowercase()).or_default().push(node);
        }
        Placement { snapshot, by_circuit, by_gateway, gateway_of_network, nodes_of_network }
    }

    /// The edge that serves this link of the circuit, and its port toward the circuit's provider.
    pub fn edge(&self, circuit: &Circuit, link: Link) -> Option<(&'a EdgeNode, &'a str)> {
        edge_of(self.snapshot, circuit, link)
    }

    /// Every gateway connection of a circuit, whatever its state.
    pub fn connections_of_circuit(&self, circuit: &Circuit) -> &[&'a GatewayConnection] {
        self.by_circuit.get(&circuit.id.key()).map_or(&[], Vec::as_slice)
    }

    /// Every gateway connection of a gateway, whatever its state.
    pub fn connections_of_gateway(&self, gateway: &Gateway) -> &[&'a GatewayConnection] {
        self.by_gateway.get(&gateway.id.key()).map_or(&[], Vec::as_slice)
    }

    pub fn circuit(&self, id: &ResourceId) -> Option<&'a Circuit> {
        self.snapshot.circuits.get(&id.key())
    }

    pub fn gateway(&self, id: &ResourceId) -> Option<&'a Gateway> {
        self.snapshot.gateways.get(&id.key())
    }

    pub fn gateway_of_network(&self, network: &VirtualNetwork) -> Option<&'a Gateway> {
        self.gateway_of_network.get(&network.id.key()).copied()
    }

    pub fn network_of_gateway(&self, gateway: &Gateway) -> Option<&'a VirtualNetwork> {
        self.snapshot.virtual_networks.get(&network_of_subnet(&gateway.subnet)?.key())
    }

    /// The nodes that run the instances of a virtual network's gateway.
    pub fn nodes_of_gateway(&self, gateway: &Gateway) -> &[&'a GatewayNode] {
        network_of_subnet(&gateway.subnet)
            .and_then(|network| self.nodes_of_network.get(&network.key()))
            .map_or(&[], Vec::as_slice)
    }

    pub fn network_of_node(&self, node: &GatewayNode) -> Option<&'a VirtualNetwork> {
        self.snapshot.virtual_networks.get(&node.virtual_network.to_ascii_lowercase())
    }

    pub fn cross_connect(&self, name: &str) -> Option<&'a CrossConnectNode> {
        self.snapshot.cross_connects.get(&name.to_ascii_lowercase())
    }

    pub fn number(&self, space: &str, owner: &str) -> Option<u32> {
        self.snapshot.allocations.get(space, owner)
    }
}

fn edge_of<'a>(snapshot: &'a Snapshot, circuit: &Circuit, link: Link) -> Option<(&'a EdgeNode, &'a str)> {
    snapshot.edges.values().find_map(|edge| {
        if edge.link != link || !edge.peering_location.eq_ignore_ascii_case(&circuit.peering_location) {
            return None;
        }
        let port = edge.provider_ports.iter().find(|port| port.provider.eq_ignore_ascii_case(&circuit.provider))?;
        Some((edge, port.port.as_str()))
    })
}

/// The edge and port that serve a link of the circuit, as `edge/port`; none where there is no edge.
pub fn port_name(snapshot: &Snapshot, circuit: &Circuit, link: Link) -> Option<String> {
    edge_of(snapshot, circuit, link).map(|(edge, port)| format!("{}/{port}", edge.name))
}

/// The virtual network of a subnet's id.
pub(crate) fn network_of_subnet(subnet: &ResourceId) -> Option<ResourceId> {
    let key = subnet.as_str();
    let at = key.to_ascii_lowercase().rfind("/subnets/")?;
    Some(ResourceId::new(&key[..at]))
}

/// Wanted, and not on its way out or failed.
pub(crate) fn wanted(state: ProvisioningState) -> bool {
    matches!(state, ProvisioningState::Succeeded | ProvisioningState::Updating)
}

/// Whether anything of this circuit may be on a node: only `Provisioned` and enabled allows it (fact 5).
pub(crate) fn circuit_is_live(circuit: &Circuit) -> bool {
    circuit.is_enabled
        && circuit.cross_connection.state == ProviderState::Provisioned
        && circuit.provisioning_state != ProvisioningState::Deleting
}

/// Whether a gateway connection may carry anything on this circuit, the circuit being live. A connection whose
/// authorization was revoked may not.
pub(crate) fn connection_is_wanted(connection: &GatewayConnection, circuit: &Circuit) -> bool {
    wanted(connection.provisioning_state) && circuit.authorizes(connection)
}

/// The peering of this kind, where frames of it may pass.
pub(crate) fn live_peering(circuit: &Circuit, kind: PeeringKind) -> Option<&Peering> {
    circuit
        .peerings
        .get(&kind)
        .filter(|peering| circuit_is_live(circuit) && peering.is_enabled && wanted(peering.provisioning_state))
}

/// The S-tag that a circuit was given.
pub fn s_tag(snapshot: &Snapshot, circuit: &Circuit) -> Option<u32> {
    snapshot.allocations.get(&names::s_tag_space(&circuit.peering_location), &circuit.id.key())
}

//! What a gateway node must do: one VRF for its virtual network, the port toward the network's hosts, and a tunnel to
//! both edges of each circuit that the gateway is joined to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use causeway_edge_types::{
    Asn, Attachment, AttachmentId, EdgeConfig, Encapsulation, ExportPolicy, Family, ImportPolicy, PeerConfig, PeerId,
    PortName, Problem, Side, Tags, VrfConfig, VrfId,
};
use causeway_model::{
    Circuit, GATEWAY_SUBNET, Gateway, GatewayConnection, GatewayNode, Link, PeeringKind, VirtualNetwork, limits,
};
use ipnet::IpNet;

use crate::edge::{MTU, RESTART_TIME_S, bfd, not_allocated, tunnel_attachment};
use crate::node::NodePlan;
use crate::placement::{Placement, VNI_SPACE, connection_is_wanted, live_peering, names, wanted};
use crate::tunnel;

/// The first addresses of a subnet are the network's own (the first is the subnet's, three are kept); an instance's comes
/// after them.
const FIRST_INSTANCE_ADDRESS: u32 = 4;

/// Everything on one gateway node.
pub(crate) fn config(placement: &Placement<'_>, node: &GatewayNode, problems: &mut Vec<Problem>) -> EdgeConfig {
    let mut empty = EdgeConfig::empty(node.name.as_str().into(), node.router_id);
    empty.vtep = Some(node.vtep);
    let mut plan = NodePlan::new(empty);
    let network = placement.network_of_node(node);
    let gateway = network.and_then(|network| placement.gateway_of_network(network));
    if let (Some(network), Some(gateway)) = (network, gateway)
        && wanted(gateway.provisioning_state)
    {
        let work = Work { placement, node, network, gateway };
        match work.fragment(plan.fragment(), problems) {
            Ok(fragment) => plan.add(fragment, gateway.id.as_str(), problems),
            Err(problem) => problems.push(problem),
        }
    }
    plan.finish()
}

/// The addresses of an instance in the gateway subnet, each with the subnet's length.
pub(crate) fn instance_addresses(network: &VirtualNetwork, instance: u8) -> Vec<IpNet> {
    let subnet = network.subnets.iter().find(|(name, _)| name.eq_ignore_ascii_case(GATEWAY_SUBNET));
    let offset = FIRST_INSTANCE_ADDRESS + u32::from(instance);
    let prefixes = subnet.map_or(&[][..], |(_, prefixes)| prefixes.as_slice());
    let address = |prefix: &IpNet| {
        let address = match prefix.network() {
            IpAddr::V4(base) => IpAddr::V4(Ipv4Addr::from(u32::from(base).checked_add(offset)?)),
            IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from(u128::from(base).checked_add(u128::from(offset))?)),
        };
        if prefix.contains(&address) { IpNet::new(address, prefix.prefix_len()).ok() } else { None }
    };
    prefixes.iter().filter_map(address).collect()
}

struct Work<'a> {
    placement: &'a Placement<'a>,
    node: &'a GatewayNode,
    network: &'a VirtualNetwork,
    gateway: &'a Gateway,
}

impl Work<'_> {
    fn fragment(&self, mut out: EdgeConfig, problems: &mut Vec<Problem>) -> Result<EdgeConfig, Problem> {
        let Work { placement, node, network, gateway } = self;
        let owner = network.id.key();
        let number = |space: &str, what: &str| {
            placement.number(space, &owner).ok_or_else(|| not_allocated(gateway.id.as_str(), what, &node.name))
        };
        let vrf = VrfId(number(&names::vrf_space(&node.name), "VRF")?);
        let id = AttachmentId(number(&names::attachment_space(&node.name), "attachment")?);
        let addresses = instance_addresses(network, node.instance);
        if addresses.is_empty() {
            let message =
                format!("{} has no {GATEWAY_SUBNET} with an address for instance {}", network.id, node.instance);
            return Err(Problem::new("GatewayWithoutSubnet", gateway.id.as_str(), message));
        }
        out.attachments.push(Attachment {
            id,
            vrf,
            encapsulation: Encapsulation::Port { port: PortName(node.network_port.clone()), tags: Tags::default() },
            addresses,
            on_link: network.address_space.clone(),
            mtu: MTU,
            label: format!("network {}", node.network_port),
        });
        let mut peers = Vec::new();
        for connection in placement.connections_of_gateway(gateway) {
            if !wanted(connection.provisioning_state) {
                continue;
            }
            let Some(circuit) = placement.circuit(&connection.circuit) else {
                let message = format!("its circuit {} is not there", connection.circuit);
                problems.push(Problem::new("CircuitNotFound", connection.id.as_str(), message));
                continue;
            };
            if !connection_is_wanted(connection, circuit)
                || live_peering(circuit, PeeringKind::AzurePrivatePeering).is_none()
            {
                continue;
            }
            for link in Link::BOTH {
                match self.tunnel(connection, circuit, link, vrf) {
                    Ok(Some((attachment, mut sessions))) => {
                        out.attachments.push(attachment);
                        peers.append(&mut sessions);
                    }
                    Ok(None) => {}
                    Err(problem) => problems.push(problem),
                }
            }
        }
        out.vrfs.push(VrfConfig {
            id: vrf,
            local_asn: Asn(placement.snapshot.deployment.gateway_asn),
            route_limit: limits::GATEWAY_ROUTES,
            originate: network.address_space.clone(),
            peers,
        });
        Ok(out)
    }

    fn tunnel(
        &self,
        connection: &GatewayConnection,
        circuit: &Circuit,
        link: Link,
        vrf: VrfId,
    ) -> Result<Option<(Attachment, Vec<PeerConfig>)>, Problem> {
        let Work { placement, node, .. } = self;
        // A location without an edge is the circuit's problem and is told there.
        let Some((edge, _)) = placement.edge(circuit, link) else { return Ok(None) };
        let Some(peering) = live_peering(circuit, PeeringKind::AzurePrivatePeering) else { return Ok(None) };
        let target = connection.id.as_str();
        let vni = placement.number(VNI_SPACE, &connection.id.key());
        let vni = vni.ok_or_else(|| not_allocated(target, "VNI", &node.name))?;
        let owner = names::tunnel(connection, link, node.instance);
        let id = placement.number(&names::attachment_space(&node.name), &owner);
        let id = AttachmentId(id.ok_or_else(|| not_allocated(target, "attachment", &node.name))?);
        let ends = tunnel::ends(vni, link, node.instance);
        let attachment = tunnel_attachment(id, vrf, vni, node.vtep, edge.vtep, ends.map(|end| end.gateway).to_vec());
        let deployment = &placement.snapshot.deployment;
        let has = |family: Family| match family {
            Family::Ipv4 => peering.ipv4.is_some(),
            Family::Ipv6 => peering.ipv6.is_some(),
        };
        let sessions = ends.iter().filter(|end| has(Family::of_prefix(&end.edge))).map(|end| PeerConfig {
            id: PeerId { attachment: id, address: end.edge.addr() },
            local_address: end.gateway.addr(),
            remote_asn: Asn(deployment.edge_asn),
            side: Side::Fabric,
            passive: false,
            md5_key: None,
            hold_time_s: deployment.hold_time_s,
            bfd: bfd(deployment),
            restart_time_s: RESTART_TIME_S,
            import: ImportPolicy {
                max_prefixes: limits::GATEWAY_LEARNED_PREFIXES,
                refuse_overlap: vec![],
                accept_default: true,
                enforce_first_as: true,
                weight: connection.routing_weight,
            },
            export: ExportPolicy::default(),
            path_beyond: vec![],
        });
        Ok(Some((attachment, sessions.collect())))
    }
}

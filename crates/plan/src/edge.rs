//! What an edge must do for one peering: a VRF, the customer's attachment with its sessions, and a tunnel to each
//! gateway instance that the circuit is joined to.

use std::net::IpAddr;

use causeway_edge_types::{
    Asn, Attachment, AttachmentId, BfdConfig, EdgeConfig, Encapsulation, ExportPolicy, Family, ImportPolicy,
    PeerConfig, PeerId, PortName, Problem, Side, Tags, Vni, VrfConfig, VrfId,
};
use causeway_model::{
    Circuit, Deployment, EdgeNode, GatewayConnection, GatewayNode, Peering, PeeringKind, VirtualNetwork, limits,
};
use ipnet::IpNet;

use crate::node::NodePlan;
use crate::placement::{Placement, VNI_SPACE, connection_is_wanted, live_peering, names, wanted};
use crate::tunnel;

/// The largest IP packet on every attachment (fact 52).
pub(crate) const MTU: u16 = 1_500;
/// How long a peer keeps our routes while we restart (RFC 4724), in seconds.
pub(crate) const RESTART_TIME_S: u16 = 120;

/// Everything on one edge.
pub(crate) fn config(placement: &Placement<'_>, edge: &EdgeNode, problems: &mut Vec<Problem>) -> EdgeConfig {
    let mut empty = EdgeConfig::empty(edge.name.as_str().into(), edge.router_id);
    empty.vtep = Some(edge.vtep);
    let mut plan = NodePlan::new(empty);
    for circuit in placement.snapshot.circuits.values() {
        let Some((serving, port)) = placement.edge(circuit, edge.link) else { continue };
        if serving.name != edge.name {
            continue;
        }
        if let Some(peering) = live_peering(circuit, PeeringKind::AzurePrivatePeering) {
            let work = Work { placement, edge, port, circuit, peering };
            match work.fragment(plan.fragment(), problems) {
                Ok(fragment) => plan.add(fragment, circuit.id.as_str(), problems),
                Err(problem) => problems.push(problem),
            }
        }
    }
    plan.finish()
}

/// BFD as the deployment wants it.
pub(crate) fn bfd(deployment: &Deployment) -> Option<BfdConfig> {
    Some(BfdConfig {
        min_tx_ms: deployment.bfd_interval_ms,
        min_rx_ms: deployment.bfd_interval_ms,
        detect_mult: deployment.bfd_multiplier,
    })
}

/// The problem of a resource that was never given a number.
pub(crate) fn not_allocated(target: &str, what: &str, node: &str) -> Problem {
    Problem::new("NotAllocated", target, format!("no {what} was given out for it on {node}"))
}

/// The gateway connections of a circuit that are wanted, each with the network behind it and the nodes of its gateway.
pub(crate) fn joined<'a>(
    placement: &'a Placement<'a>,
    circuit: &'a Circuit,
) -> impl Iterator<Item = (&'a GatewayConnection, &'a VirtualNetwork, &'a [&'a GatewayNode])> + 'a {
    placement.connections_of_circuit(circuit).iter().filter_map(|connection| {
        let gateway = placement.gateway(&connection.gateway)?;
        let network = placement.network_of_gateway(gateway)?;
        let both = connection_is_wanted(connection, circuit) && wanted(gateway.provisioning_state);
        both.then(|| (*connection, network, placement.nodes_of_gateway(gateway)))
    })
}

struct Work<'a> {
    placement: &'a Placement<'a>,
    edge: &'a EdgeNode,
    port: &'a str,
    circuit: &'a Circuit,
    peering: &'a Peering,
}

impl Work<'_> {
    fn fragment(&self, mut out: EdgeConfig, problems: &mut Vec<Problem>) -> Result<EdgeConfig, Problem> {
        let Work { placement, edge, circuit, peering, .. } = self;
        let owner = names::peering(circuit, peering.kind);
        let target = circuit.id.as_str();
        let number = |space: &str, owner: &str, what: &str| {
            placement.number(space, owner).ok_or_else(|| not_allocated(target, what, &edge.name))
        };
        let s_tag = number(&names::s_tag_space(&circuit.peering_location), &circuit.id.key(), "S-tag")?;
        let vrf = VrfId(number(&names::vrf_space(&edge.name), &owner, "VRF")?);
        let access = AttachmentId(number(&names::attachment_space(&edge.name), &owner, "attachment")?);
        let ends = peering.ends(edge.link);
        if ends.is_empty() {
            let message = format!("{:?} has no /30 and no /126 for its {:?} link", peering.kind, edge.link);
            return Err(Problem::new("PeeringWithoutSubnets", target, message));
        }
        // An S-tag is at most 4094 by its allocation; a record that says otherwise is found by the fragment's check.
        let s_tag = u16::try_from(s_tag).unwrap_or(u16::MAX);
        let networks: Vec<IpNet> =
            joined(placement, circuit).flat_map(|(_, network, _)| network.address_space.clone()).collect();
        let mut peers: Vec<PeerConfig> = ends
            .iter()
            .map(|end| {
                self.customer_peer(PeerId { attachment: access, address: end.customer.addr() }, end.cloud, &networks)
            })
            .collect();
        out.attachments.push(Attachment {
            id: access,
            vrf,
            encapsulation: Encapsulation::Port {
                port: PortName(self.port.to_owned()),
                tags: Tags { s_tag: Some(s_tag), c_tag: Some(peering.vlan_id) },
            },
            addresses: ends.iter().map(|end| end.cloud).collect(),
            on_link: vec![],
            mtu: MTU,
            label: format!("access {} S-tag {s_tag} C-tag {}", self.port, peering.vlan_id),
        });
        let customers: Vec<PeerId> = peers.iter().map(|peer| peer.id).collect();
        let mut connections = 0;
        for (connection, _, nodes) in joined(placement, circuit) {
            connections += 1;
            for node in nodes {
                match self.tunnel(connection, node, vrf, &customers) {
                    Ok((attachment, mut sessions)) => {
                        out.attachments.push(attachment);
                        peers.append(&mut sessions);
                    }
                    Err(problem) => problems.push(problem),
                }
            }
        }
        out.vrfs.push(VrfConfig {
            id: vrf,
            local_asn: Asn(placement.snapshot.deployment.edge_asn),
            route_limit: circuit.sku.tier.customer_ipv4_prefixes() + connections * limits::GATEWAY_IPV4_PREFIXES,
            originate: vec![],
            peers,
        });
        Ok(out)
    }

    fn customer_peer(&self, id: PeerId, cloud: IpNet, networks: &[IpNet]) -> PeerConfig {
        let deployment = &self.placement.snapshot.deployment;
        let family = Family::of(id.address);
        PeerConfig {
            id,
            local_address: cloud.addr(),
            remote_asn: Asn(self.peering.peer_asn),
            side: Side::Access,
            passive: false,
            md5_key: self.peering.shared_key.clone(),
            hold_time_s: deployment.hold_time_s,
            bfd: bfd(deployment),
            restart_time_s: RESTART_TIME_S,
            import: ImportPolicy {
                max_prefixes: match family {
                    Family::Ipv4 => self.circuit.sku.tier.customer_ipv4_prefixes(),
                    Family::Ipv6 => limits::CUSTOMER_IPV6_PREFIXES,
                },
                refuse_overlap: networks.iter().filter(|net| Family::of_prefix(net) == family).copied().collect(),
                accept_default: true,
                enforce_first_as: true,
                weight: 0,
            },
            export: ExportPolicy {
                learned_from: vec![Side::Fabric],
                remove_private_asns: true,
                ..ExportPolicy::default()
            },
            path_beyond: vec![],
        }
    }

    fn tunnel(
        &self,
        connection: &GatewayConnection,
        node: &GatewayNode,
        vrf: VrfId,
        customers: &[PeerId],
    ) -> Result<(Attachment, Vec<PeerConfig>), Problem> {
        let Work { placement, edge, .. } = self;
        let target = connection.id.as_str();
        let vni = placement.number(VNI_SPACE, &connection.id.key());
        let vni = vni.ok_or_else(|| not_allocated(target, "VNI", &edge.name))?;
        let owner = names::tunnel(connection, edge.link, node.instance);
        let id = placement.number(&names::attachment_space(&edge.name), &owner);
        let id = AttachmentId(id.ok_or_else(|| not_allocated(target, "attachment", &edge.name))?);
        let ends = tunnel::ends(vni, edge.link, node.instance);
        let attachment = tunnel_attachment(id, vrf, vni, edge.vtep, node.vtep, ends.map(|end| end.edge).to_vec());
        let deployment = &placement.snapshot.deployment;
        // A family that the customer has no session in has nothing to say to the gateway either.
        let sessions = ends.iter().filter_map(|end| {
            let address = end.gateway.addr();
            let beyond: Vec<PeerId> =
                customers.iter().filter(|peer| Family::of(peer.address) == Family::of(address)).copied().collect();
            (!beyond.is_empty()).then(|| PeerConfig {
                id: PeerId { attachment: id, address },
                local_address: end.edge.addr(),
                remote_asn: Asn(deployment.gateway_asn),
                side: Side::Fabric,
                passive: false,
                md5_key: None,
                hold_time_s: deployment.hold_time_s,
                bfd: bfd(deployment),
                restart_time_s: RESTART_TIME_S,
                import: ImportPolicy {
                    max_prefixes: match Family::of(address) {
                        Family::Ipv4 => limits::GATEWAY_IPV4_PREFIXES,
                        Family::Ipv6 => limits::GATEWAY_IPV6_PREFIXES,
                    },
                    refuse_overlap: vec![],
                    accept_default: false,
                    enforce_first_as: true,
                    weight: 0,
                },
                export: ExportPolicy { learned_from: vec![Side::Access], ..ExportPolicy::default() },
                path_beyond: beyond,
            })
        });
        Ok((attachment, sessions.collect()))
    }
}

/// One end of a tunnel.
pub(crate) fn tunnel_attachment(
    id: AttachmentId,
    vrf: VrfId,
    vni: u32,
    local: IpAddr,
    remote: IpAddr,
    addresses: Vec<IpNet>,
) -> Attachment {
    Attachment {
        id,
        vrf,
        encapsulation: Encapsulation::Vxlan { vni: Vni(vni), local, remote },
        addresses,
        on_link: vec![],
        mtu: MTU,
        label: format!("tunnel VNI {vni} to {remote}"),
    }
}

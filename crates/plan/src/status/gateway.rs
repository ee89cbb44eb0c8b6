//! A gateway and its connections, as the gateway's instances see them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use causeway_edge_types::{AttachmentId, BgpState, EdgeId, EdgeStatus, Family, PeerStatus, VrfId};
use causeway_model::{Gateway, GatewayConnection, GatewayNode, Link, PeeringKind};
use ipnet::IpNet;
use serde::Serialize;

use super::circuit::Traffic;
use super::{Observed, counters};
use crate::gateway::instance_addresses;
use crate::placement::{connection_is_wanted, live_peering, names};

/// A gateway connection's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ConnectionStatus {
    /// No node has spoken, so nothing is known.
    Unknown,
    /// It should be there; no session is up yet.
    Connecting,
    /// At least one of its sessions is up.
    Connected,
    /// Nothing of it is on a node: its circuit is not provisioned, or it failed.
    NotConnected,
}

/// A gateway's session as the API names its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum GatewayPeerState {
    Unknown,
    Stopped,
    Idle,
    Connecting,
    Connected,
}

impl From<BgpState> for GatewayPeerState {
    fn from(state: BgpState) -> Self {
        match state {
            BgpState::Idle => GatewayPeerState::Idle,
            BgpState::Connect | BgpState::Active | BgpState::OpenSent | BgpState::OpenConfirm => {
                GatewayPeerState::Connecting
            }
            BgpState::Established => GatewayPeerState::Connected,
        }
    }
}

/// One session of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatewayPeer {
    /// The instance's address in the gateway subnet.
    pub local_address: Option<IpAddr>,
    /// The edge's address inside the tunnel.
    pub neighbor: IpAddr,
    /// The edge's AS number.
    pub asn: u32,
    /// The session's state.
    pub state: GatewayPeerState,
    /// For how long it has been Connected, in milliseconds; 0 otherwise.
    pub connected_ms: u64,
    /// Prefixes taken from it.
    pub routes_received: u32,
    /// BGP messages sent.
    pub messages_sent: u64,
    /// BGP messages received.
    pub messages_received: u64,
}

/// Where a gateway's route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum RouteOrigin {
    /// The virtual network itself.
    Network,
    /// From an edge.
    EBgp,
    /// Told onward.
    Igp,
}

/// One route of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatewayRoute {
    /// The instance's address in the gateway subnet.
    pub local_address: Option<IpAddr>,
    /// The prefix.
    pub network: IpNet,
    /// Where it is forwarded to; none for the virtual network itself.
    pub next_hop: Option<IpAddr>,
    /// The peer that it was learned from; the instance itself for its own.
    pub source_peer: Option<IpAddr>,
    /// Where it comes from.
    pub origin: RouteOrigin,
    /// AS path, from the peer's first.
    pub as_path: String,
    /// Weight.
    pub weight: u32,
}

/// One instance that has spoken.
struct Instance<'a> {
    status: &'a EdgeStatus,
    vrf: VrfId,
    addresses: Vec<IpNet>,
}

impl Instance<'_> {
    /// Its address in the gateway subnet, of the family that is asked for where it has one.
    fn address(&self, family: Family) -> Option<IpAddr> {
        let of_family = self.addresses.iter().find(|net| Family::of_prefix(net) == family);
        of_family.or(self.addresses.first()).map(|net| net.addr())
    }
}

impl<'a> Observed<'a> {
    fn instances(&self, gateway: &Gateway) -> Vec<Instance<'a>> {
        let Some(network) = self.placement.network_of_gateway(gateway) else { return vec![] };
        let instance = |node: &&GatewayNode| {
            let vrf = self.placement.number(&names::vrf_space(&node.name), &network.id.key())?;
            let addresses = instance_addresses(network, node.instance);
            Some(Instance { status: self.node(&node.name)?, vrf: VrfId(vrf), addresses })
        };
        self.placement.nodes_of_gateway(gateway).iter().filter_map(instance).collect()
    }

    /// Every session of every instance.
    pub fn gateway_peers(&self, gateway: &Gateway) -> Vec<GatewayPeer> {
        let mut peers = Vec::new();
        for instance in self.instances(gateway) {
            for peer in instance.status.peers.iter().filter(|peer| peer.vrf == instance.vrf) {
                let is_up = peer.state == BgpState::Established;
                peers.push(GatewayPeer {
                    local_address: instance.address(Family::of(peer.id.address)),
                    neighbor: peer.id.address,
                    asn: peer.remote_asn.0,
                    state: peer.state.into(),
                    connected_ms: if is_up { peer.in_state_ms } else { 0 },
                    routes_received: peer.prefixes_accepted,
                    messages_sent: peer.messages_sent,
                    messages_received: peer.messages_received,
                });
            }
        }
        peers
    }

    /// What the gateway has: the virtual network's own prefixes and what it learned, one row for each next hop.
    pub fn gateway_learned_routes(&self, gateway: &Gateway) -> Vec<GatewayRoute> {
        let mut routes = Vec::new();
        for instance in self.instances(gateway) {
            for route in instance.status.routes.iter().filter(|route| route.vrf == instance.vrf) {
                let local_address = instance.address(Family::of_prefix(&route.prefix));
                let row = |next_hop: Option<IpAddr>| GatewayRoute {
                    local_address,
                    network: route.prefix,
                    next_hop,
                    source_peer: next_hop.or(local_address),
                    origin: if next_hop.is_some() { RouteOrigin::EBgp } else { RouteOrigin::Network },
                    as_path: route.as_path.clone(),
                    weight: route.weight,
                };
                if route.next_hops.is_empty() {
                    routes.push(row(None));
                }
                routes.extend(route.next_hops.iter().map(|hop| row(Some(hop.address))));
            }
        }
        routes
    }

    /// What the gateway tells one peer: the virtual network's own prefixes, while the session is up.
    pub fn gateway_advertised_routes(&self, gateway: &Gateway, peer: IpAddr) -> Vec<GatewayRoute> {
        let Some(network) = self.placement.network_of_gateway(gateway) else { return vec![] };
        let asn = self.placement.snapshot.deployment.gateway_asn;
        let mut routes = Vec::new();
        for instance in self.instances(gateway) {
            let is_told = |seen: &&PeerStatus| {
                seen.vrf == instance.vrf && seen.id.address == peer && seen.state == BgpState::Established
            };
            if instance.status.peers.iter().any(|seen| is_told(&seen)) {
                let family = Family::of(peer);
                let told = network.address_space.iter().filter(|prefix| Family::of_prefix(prefix) == family);
                routes.extend(told.map(|prefix| GatewayRoute {
                    local_address: instance.address(family),
                    network: *prefix,
                    next_hop: instance.address(family),
                    source_peer: instance.address(family),
                    origin: RouteOrigin::Igp,
                    as_path: asn.to_string(),
                    weight: 0,
                }));
            }
        }
        routes
    }

    /// The tunnels of a connection on its gateway's nodes that have spoken.
    fn tunnels(&self, connection: &GatewayConnection) -> Vec<(&'a EdgeStatus, AttachmentId)> {
        let Some(gateway) = self.placement.gateway(&connection.gateway) else { return vec![] };
        let mut tunnels = Vec::new();
        for node in self.placement.nodes_of_gateway(gateway) {
            let Some(status) = self.node(&node.name) else { continue };
            for link in Link::BOTH {
                let owner = names::tunnel(connection, link, node.instance);
                if let Some(id) = self.placement.number(&names::attachment_space(&node.name), &owner) {
                    tunnels.push((status, AttachmentId(id)));
                }
            }
        }
        tunnels
    }

    /// Whether a gateway connection is up.
    pub fn connection_status(&self, connection: &GatewayConnection) -> ConnectionStatus {
        let circuit = self.placement.circuit(&connection.circuit);
        let is_live = circuit.is_some_and(|circuit| {
            connection_is_wanted(connection, circuit)
                && live_peering(circuit, PeeringKind::AzurePrivatePeering).is_some()
        });
        if !is_live {
            return ConnectionStatus::NotConnected;
        }
        let tunnels = self.tunnels(connection);
        if tunnels.is_empty() {
            return ConnectionStatus::Unknown;
        }
        let is_up = |(status, id): &(&EdgeStatus, AttachmentId)| {
            status.peers.iter().any(|peer| peer.id.attachment == *id && peer.state == BgpState::Established)
        };
        if tunnels.iter().any(is_up) { ConnectionStatus::Connected } else { ConnectionStatus::Connecting }
    }

    /// What went through a gateway connection; in is from the circuit.
    pub fn connection_traffic(&self, connection: &GatewayConnection) -> Traffic {
        self.tunnels(connection).into_iter().fold(Traffic::default(), |sum, (status, id)| {
            let seen = counters(status, id);
            Traffic {
                packets_in: sum.packets_in + seen.packets_in,
                bytes_in: sum.bytes_in + seen.bytes_in,
                packets_out: sum.packets_out + seen.packets_out,
                bytes_out: sum.bytes_out + seen.bytes_out,
            }
        })
    }

    /// The nodes that a change of the gateway concerns.
    pub fn nodes_of_gateway(&self, gateway: &Gateway) -> Vec<EdgeId> {
        let nodes = self.placement.nodes_of_gateway(gateway);
        let names: BTreeMap<EdgeId, ()> = nodes.iter().map(|node| (EdgeId(node.name.clone()), ())).collect();
        names.into_keys().collect()
    }

    /// The nodes that a change of the gateway connection concerns: its circuit's and its gateway's.
    pub fn nodes_of_connection(&self, connection: &GatewayConnection) -> Vec<EdgeId> {
        let circuit = self.placement.circuit(&connection.circuit).map(|circuit| self.nodes_of_circuit(circuit));
        let gateway = self.placement.gateway(&connection.gateway).map(|gateway| self.nodes_of_gateway(gateway));
        let mut nodes: Vec<EdgeId> = circuit.into_iter().chain(gateway).flatten().collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }
}

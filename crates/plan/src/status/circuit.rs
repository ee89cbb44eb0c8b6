//! A circuit as its edges see it. Everything is of one peering and one link; a circuit's bytes are its peerings'.

use std::net::IpAddr;

use causeway_edge_types::{AttachmentId, BfdState, BgpState, EdgeId, EdgeStatus, Family, VrfId};
use causeway_model::{Circuit, EdgeNode, Link, LinkEnds, Peering, PeeringKind};
use ipnet::IpNet;
use serde::Serialize;

use super::{Observed, UNSEEN, counters, peer_on, up_down};
use crate::placement::{live_peering, names};

/// One link of a peering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PeeringLinkStatus {
    /// Which.
    pub link: Link,
    /// The edge that serves it.
    pub edge: EdgeId,
    /// The edge's port toward the provider.
    pub port: String,
    /// Whether the edge has told us anything.
    pub is_reported: bool,
    /// Its sessions, IPv4 first.
    pub sessions: Vec<SessionView>,
    /// What went through it.
    pub traffic: Traffic,
}

/// A session with the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Our address.
    pub cloud_address: IpAddr,
    /// The customer's address.
    pub customer_address: IpAddr,
    /// BGP's state; Idle while the edge has not spoken of it.
    pub state: BgpState,
    /// For how long, in milliseconds.
    pub in_state_ms: u64,
    /// BFD's state, where the edge runs it.
    pub bfd: Option<BfdState>,
    /// Prefixes that the customer told and that were taken.
    pub prefixes_accepted: u32,
    /// Prefixes that the customer told and that were filtered.
    pub prefixes_filtered: u32,
    /// Prefixes that we tell.
    pub prefixes_advertised: u32,
    /// Why it last went down.
    pub last_error: String,
}

/// Packets and bytes; in is from the customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Traffic {
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
}

/// Traffic of both links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct CircuitTraffic {
    pub primary: Traffic,
    pub secondary: Traffic,
}

/// Whose address an ARP entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ArpSide {
    /// The customer's.
    OnPrem,
    /// Ours.
    Microsoft,
}

/// A row of a link's ARP table (fact 115).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArpEntry {
    /// Whose.
    pub side: ArpSide,
    /// Its address.
    pub address: IpAddr,
    /// Its MAC address; absent while it is not resolved (shown as `Incomplete`).
    pub mac: Option<String>,
}

/// A row of a link's route table: `Network NextHop LocPrf Weight Path` (fact 116).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteEntry {
    /// The prefix.
    pub network: IpNet,
    /// The peer that it is forwarded to; none for one of our own.
    pub next_hop: Option<IpAddr>,
    /// Local preference; edges set none.
    pub local_preference: Option<u32>,
    /// Weight.
    pub weight: u32,
    /// AS path.
    pub path: String,
}

/// A row of a link's route table summary: `Neighbor V AS UpDown StatePfxRcd` (fact 116).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteSummaryEntry {
    /// The customer's address.
    pub neighbor: IpAddr,
    /// BGP's version.
    pub version: u8,
    /// The customer's AS number.
    pub asn: u32,
    /// How long in this state (`8w4d`).
    pub up_down: String,
    /// The number of prefixes received while it is Established, the state's name otherwise.
    pub state_or_prefixes: String,
}

/// Where one link of a peering is: the edge, its port, its status, and the numbers there.
struct Place<'a> {
    edge: &'a EdgeNode,
    port: &'a str,
    status: Option<&'a EdgeStatus>,
    vrf: VrfId,
    attachment: AttachmentId,
}

impl<'a> Observed<'a> {
    fn place(&self, circuit: &Circuit, peering: &Peering, link: Link) -> Option<Place<'a>> {
        let (edge, port) = self.placement.edge(circuit, link)?;
        let owner = names::peering(circuit, peering.kind);
        let vrf = VrfId(self.placement.number(&names::vrf_space(&edge.name), &owner)?);
        let attachment = AttachmentId(self.placement.number(&names::attachment_space(&edge.name), &owner)?);
        Some(Place { edge, port, status: self.node(&edge.name), vrf, attachment })
    }

    fn live_place<'c>(&self, circuit: &'c Circuit, kind: PeeringKind, link: Link) -> Option<(&'c Peering, Place<'a>)> {
        let peering = live_peering(circuit, kind)?;
        Some((peering, self.place(circuit, peering, link)?))
    }

    /// [`port_name`](crate::port_name) in this snapshot.
    pub fn port_name(&self, circuit: &Circuit, link: Link) -> Option<String> {
        crate::port_name(self.placement.snapshot, circuit, link)
    }

    /// One link of a peering; none when nothing of it is on an edge (not provisioned, disabled, no edge).
    pub fn peering_link(&self, circuit: &Circuit, kind: PeeringKind, link: Link) -> Option<PeeringLinkStatus> {
        let (peering, place) = self.live_place(circuit, kind, link)?;
        let sessions = peering.ends(link).into_iter().map(|ends| session(&place, ends)).collect();
        Some(PeeringLinkStatus {
            link,
            edge: EdgeId(place.edge.name.clone()),
            port: place.port.to_owned(),
            is_reported: place.status.is_some(),
            sessions,
            traffic: traffic(&place),
        })
    }

    /// A link's ARP table (and its IPv6 neighbours); empty when nothing of the peering is on an edge.
    pub fn arp_table(&self, circuit: &Circuit, kind: PeeringKind, link: Link) -> Vec<ArpEntry> {
        let Some((peering, place)) = self.live_place(circuit, kind, link) else { return vec![] };
        let Some(status) = place.status else { return vec![] };
        let seen = |address: IpAddr| {
            let mut neighbors = status.neighbors.iter();
            neighbors.find(|neighbor| neighbor.attachment == place.attachment && neighbor.address == address)
        };
        let mut table = Vec::new();
        for ends in peering.ends(link) {
            let mac = seen(ends.customer.addr()).map(|neighbor| neighbor.mac.clone()).filter(|mac| !mac.is_empty());
            table.push(ArpEntry { side: ArpSide::OnPrem, address: ends.customer.addr(), mac });
            // Our own address is shown where the edge says what its MAC address is.
            if let Some(own) = seen(ends.cloud.addr()).filter(|own| !own.mac.is_empty()) {
                let (address, mac) = (own.address, Some(own.mac.clone()));
                table.push(ArpEntry { side: ArpSide::Microsoft, address, mac });
            }
        }
        table
    }

    /// A link's route table: one row for each prefix and next hop, both families.
    pub fn routes_table(&self, circuit: &Circuit, kind: PeeringKind, link: Link) -> Vec<RouteEntry> {
        let Some((_, place)) = self.live_place(circuit, kind, link) else { return vec![] };
        let Some(status) = place.status else { return vec![] };
        let mut table = Vec::new();
        for route in status.routes.iter().filter(|route| route.vrf == place.vrf) {
            let row = |next_hop| RouteEntry {
                network: route.prefix,
                next_hop,
                local_preference: None,
                weight: route.weight,
                path: route.as_path.clone(),
            };
            if route.next_hops.is_empty() {
                table.push(row(None));
            }
            table.extend(route.next_hops.iter().map(|hop| row(Some(hop.address))));
        }
        table
    }

    /// A link's route table summary: one row for each session with the customer.
    pub fn routes_summary(&self, circuit: &Circuit, kind: PeeringKind, link: Link) -> Vec<RouteSummaryEntry> {
        let Some(status) = self.peering_link(circuit, kind, link) else { return vec![] };
        let asn = circuit.peerings.get(&kind).map_or(0, |peering| peering.peer_asn);
        if !status.is_reported {
            return vec![];
        }
        let row = |session: &SessionView| RouteSummaryEntry {
            neighbor: session.customer_address,
            version: 4,
            asn,
            up_down: up_down(session.in_state_ms),
            state_or_prefixes: match session.state {
                BgpState::Established => (session.prefixes_accepted + session.prefixes_filtered).to_string(),
                state => format!("{state:?}"),
            },
        };
        status.sessions.iter().map(row).collect()
    }

    /// Bytes of one peering, or of the whole circuit. Counters are shown for as long as the edge has them, also while a
    /// peering is switched off.
    pub fn traffic(&self, circuit: &Circuit, kind: Option<PeeringKind>) -> CircuitTraffic {
        let mut sum = CircuitTraffic::default();
        let wanted = circuit.peerings.values().filter(|peering| kind.is_none_or(|kind| kind == peering.kind));
        for peering in wanted {
            for (link, into) in [(Link::Primary, &mut sum.primary), (Link::Secondary, &mut sum.secondary)] {
                if let Some(place) = self.place(circuit, peering, link) {
                    let more = traffic(&place);
                    into.packets_in += more.packets_in;
                    into.bytes_in += more.bytes_in;
                    into.packets_out += more.packets_out;
                    into.bytes_out += more.bytes_out;
                }
            }
        }
        sum
    }

    /// The nodes that a change of the circuit or of its peerings concerns: its edges, its cross-connects, and the nodes
    /// of the gateways that are joined to it.
    pub fn nodes_of_circuit(&self, circuit: &Circuit) -> Vec<EdgeId> {
        let mut nodes: Vec<EdgeId> = Vec::new();
        nodes.extend(
            Link::BOTH
                .iter()
                .filter_map(|link| self.placement.edge(circuit, *link))
                .map(|(edge, _)| EdgeId(edge.name.clone())),
        );
        let crosses = circuit.cross_connection.access.iter();
        nodes.extend(
            crosses
                .filter_map(|access| self.placement.cross_connect(&access.cross_connect))
                .map(|node| EdgeId(node.name.clone())),
        );
        for connection in self.placement.connections_of_circuit(circuit) {
            if let Some(gateway) = self.placement.gateway(&connection.gateway) {
                nodes.extend(self.placement.nodes_of_gateway(gateway).iter().map(|node| EdgeId(node.name.clone())));
            }
        }
        nodes.sort();
        nodes.dedup();
        nodes
    }
}

fn traffic(place: &Place<'_>) -> Traffic {
    let Some(status) = place.status else { return Traffic::default() };
    let seen = counters(status, place.attachment);
    Traffic {
        packets_in: seen.packets_in,
        bytes_in: seen.bytes_in,
        packets_out: seen.packets_out,
        bytes_out: seen.bytes_out,
    }
}

fn session(place: &Place<'_>, ends: LinkEnds) -> SessionView {
    let customer = ends.customer.addr();
    let seen = place.status.and_then(|status| peer_on(status, place.attachment, customer));
    SessionView {
        family: Family::of(customer),
        cloud_address: ends.cloud.addr(),
        customer_address: customer,
        state: seen.map_or(UNSEEN, |peer| peer.state),
        in_state_ms: seen.map_or(0, |peer| peer.in_state_ms),
        bfd: seen.and_then(|peer| peer.bfd),
        prefixes_accepted: seen.map_or(0, |peer| peer.prefixes_accepted),
        prefixes_filtered: seen.map_or(0, |peer| peer.prefixes_filtered),
        prefixes_advertised: seen.map_or(0, |peer| peer.prefixes_advertised),
        last_error: seen.map_or_else(String::new, |peer| peer.last_error.clone()),
    }
}

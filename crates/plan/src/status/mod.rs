//! What a customer sees: the edges' statuses read through the eyes of a circuit, a gateway or a gateway connection.
//!
//! ```text
//!   EdgeStatus of edge1 ─┐                       ┌─ peering and link: sessions, ARP table, routes, bytes
//!   EdgeStatus of gw1-0 ─┼─ Observed (a Snapshot)┼─ gateway: its peers, what it learned and tells
//!   ...                 ─┘                       └─ gateway connection: is it connected, bytes
//! ```
//!
//! Where a thing is on a node is looked up by the same names that its numbers were given out by, so that only what is
//! this circuit's is ever shown. Nothing here has a clock: a status that is too old to believe is not passed in.

mod circuit;
mod gateway;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use causeway_edge_types::{AttachmentCounters, AttachmentId, BgpState, EdgeId, EdgeStatus, PeerStatus};
use causeway_model::Snapshot;

pub use circuit::{
    ArpEntry, ArpSide, CircuitTraffic, PeeringLinkStatus, RouteEntry, RouteSummaryEntry, SessionView, Traffic,
};
pub use gateway::{ConnectionStatus, GatewayPeer, GatewayPeerState, GatewayRoute, RouteOrigin};

use crate::placement::Placement;

/// What is desired and what was seen, side by side.
pub struct Observed<'a> {
    pub(crate) placement: Placement<'a>,
    statuses: BTreeMap<&'a EdgeId, &'a EdgeStatus>,
}

impl<'a> Observed<'a> {
    /// `statuses`: the last of each node (its own or shared), as far as it is recent.
    pub fn new(snapshot: &'a Snapshot, statuses: &'a BTreeMap<EdgeId, impl Borrow<EdgeStatus>>) -> Observed<'a> {
        let statuses = statuses.iter().map(|(node, status)| (node, status.borrow())).collect();
        Observed { placement: Placement::new(snapshot), statuses }
    }

    pub(crate) fn node(&self, name: &str) -> Option<&'a EdgeStatus> {
        self.statuses.get(&EdgeId::from(name)).copied()
    }
}

/// How a session's age is shown in a route table summary: `00:12:33`, `3d04h`, `8w4d`.
pub fn up_down(in_state_ms: u64) -> String {
    let seconds = in_state_ms / 1_000;
    let (hours, days) = (seconds / 3_600, seconds / 86_400);
    match days {
        0 => format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
        1..7 => format!("{days}d{:02}h", hours % 24),
        _ => format!("{}w{}d", days / 7, days % 7),
    }
}

fn counters(status: &EdgeStatus, attachment: AttachmentId) -> AttachmentCounters {
    let found = status.counters.iter().find(|counters| counters.attachment == attachment).copied();
    found.unwrap_or(AttachmentCounters { attachment, ..AttachmentCounters::default() })
}

fn peer_on(status: &EdgeStatus, attachment: AttachmentId, address: IpAddr) -> Option<&PeerStatus> {
    status.peers.iter().find(|peer| peer.id.attachment == attachment && peer.id.address == address)
}

/// A session that the node has not spoken of yet.
const UNSEEN: BgpState = BgpState::Idle;

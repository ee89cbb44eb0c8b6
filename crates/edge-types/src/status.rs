//! What an edge says back: observed, never mixed with what is desired.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Asn, AttachmentId, EdgeId, PeerId, PortName, Problem, Side, VrfId};

/// What one edge sees at one time. The whole of it is sent each time; the last one wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeStatus {
    /// Who is speaking.
    pub edge: EdgeId,
    /// A new one each time the process starts, so that counters that began anew are seen to have.
    pub boot_id: String,
    /// The generation that is applied; 0 before the first. What of it could not be applied is in `problems`.
    pub observed_generation: u64,
    /// Why a newer generation is not applied, and what of this one could not be.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// The ports that the configuration names.
    #[serde(default)]
    pub ports: Vec<PortStatus>,
    /// The BGP sessions.
    #[serde(default)]
    pub peers: Vec<PeerStatus>,
    /// Counters of each attachment and cross-connect.
    #[serde(default)]
    pub counters: Vec<AttachmentCounters>,
    /// Packets dropped before they had an attachment, or counted by reason on the whole edge.
    #[serde(default)]
    pub drops: Vec<DropCount>,
    /// The neighbours seen on each attachment.
    #[serde(default)]
    pub neighbors: Vec<NeighborStatus>,
    /// The routes of each VRF, up to a bound; `routes_truncated` says that there are more.
    #[serde(default)]
    pub routes: Vec<RouteStatus>,
    /// There are more routes than are listed.
    #[serde(default)]
    pub routes_truncated: bool,
}

/// A port as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortStatus {
    /// The port.
    pub port: PortName,
    /// The interface exists and has carrier.
    pub is_up: bool,
    /// `native`, `generic` or `none`: how the XDP program is attached.
    pub xdp_mode: String,
}

/// The states of RFC 4271 section 8.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum BgpState {
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

/// The states of RFC 5880 section 6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum BfdState {
    AdminDown,
    Down,
    Init,
    Up,
}

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// The VRF.
    pub vrf: VrfId,
    /// The peer.
    pub id: PeerId,
    /// Which way it faces.
    pub side: Side,
    /// The peer's AS number, as configured.
    pub remote_asn: Asn,
    /// The session's state.
    pub state: BgpState,
    /// How long it has been in it, in milliseconds.
    pub in_state_ms: u64,
    /// BFD's state, where BFD is configured.
    pub bfd: Option<BfdState>,
    /// Prefixes received and not filtered.
    pub prefixes_accepted: u32,
    /// Prefixes received and filtered.
    pub prefixes_filtered: u32,
    /// Prefixes told.
    pub prefixes_advertised: u32,
    /// BGP messages received.
    pub messages_received: u64,
    /// BGP messages sent.
    pub messages_sent: u64,
    /// Why it last went down, in words; empty before it ever did.
    #[serde(default)]
    pub last_error: String,
}

/// Packets and bytes of one attachment. Bytes are of the IP packet, without tags or tunnel headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentCounters {
    /// Whose.
    pub attachment: AttachmentId,
    /// Arrived on it and forwarded.
    pub packets_in: u64,
    /// Arrived on it and forwarded.
    pub bytes_in: u64,
    /// Left by it.
    pub packets_out: u64,
    /// Left by it.
    pub bytes_out: u64,
    /// Arrived on it for the edge itself.
    pub packets_to_host: u64,
}

/// Packets dropped for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropCount {
    /// The reason, a stable word (`unknown_tags`, `no_route`, `ttl_expired`).
    pub reason: String,
    /// How many.
    pub packets: u64,
}

/// A neighbour's address at layer 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighborStatus {
    /// Where it was seen.
    pub attachment: AttachmentId,
    /// Its IP address.
    pub address: IpAddr,
    /// Its MAC address, `aa:bb:cc:dd:ee:ff`; empty while it is not resolved.
    pub mac: String,
}

/// One chosen route, or one of several equal ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// The VRF.
    pub vrf: VrfId,
    /// The prefix.
    pub prefix: IpNet,
    /// The peers it is forwarded to; none for a prefix that is originated here.
    pub next_hops: Vec<PeerId>,
    /// The AS path as text (`65001 65002`).
    pub as_path: String,
    /// The peer whose path was chosen first.
    pub learned_from: Option<PeerId>,
    /// The weight that it was accepted with.
    #[serde(default)]
    pub weight: u32,
}

//! What an edge is told. One document holds everything, so that applying it is a comparison and never a sequence.
//!
//! An edge, a gateway instance and a provider's cross-connect are the same program with other parts of this document
//! filled in: an edge has access and tunnel attachments, a gateway tunnel and network attachments, a cross-connect only
//! [`CrossConnect`]s.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{Asn, AttachmentId, EdgeId, PeerId, PortName, Problem, Secret, Vni, VrfId};

/// Everything that one edge must do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeConfig {
    /// Whose configuration this is; an edge refuses another's.
    pub edge: EdgeId,
    /// Grows with every change; an edge never moves backwards.
    pub generation: u64,
    /// BGP identifier (RFC 4271 section 4.2), unique among this deployment's edges.
    pub router_id: Ipv4Addr,
    /// The address of this edge's own tunnel end point on its fabric port, where it has one.
    pub vtep: Option<IpAddr>,
    /// Routing tables.
    #[serde(default)]
    pub vrfs: Vec<VrfConfig>,
    /// Where packets enter and leave.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Pairs of tagged ports joined at layer 2 (a provider's router).
    #[serde(default)]
    pub cross_connects: Vec<CrossConnect>,
}

/// One routing table and the sessions that fill it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VrfConfig {
    /// Its number on this edge.
    pub id: VrfId,
    /// The AS number that this edge speaks with in this VRF.
    pub local_asn: Asn,
    /// At most this many routes of each family are held by the data plane.
    pub route_limit: u32,
    /// Prefixes that this edge originates into BGP in this VRF, whether or not it forwards to them.
    #[serde(default)]
    pub originate: Vec<IpNet>,
    /// The sessions.
    #[serde(default)]
    pub peers: Vec<PeerConfig>,
}

/// Where a VRF meets the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its number on this edge.
    pub id: AttachmentId,
    /// The VRF that its packets are routed in.
    pub vrf: VrfId,
    /// How its packets look outside.
    pub encapsulation: Encapsulation,
    /// Our addresses on it with their subnets; packets to them go to the edge itself.
    pub addresses: Vec<IpNet>,
    /// Prefixes whose hosts are neighbours on this attachment: each is resolved by ARP or ND.
    #[serde(default)]
    pub on_link: Vec<IpNet>,
    /// The largest IP packet that it carries, in bytes.
    pub mtu: u16,
    /// A person's name for it, for status and logs; it has no effect.
    #[serde(default)]
    pub label: String,
}

/// How an attachment's packets look on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Encapsulation {
    /// Frames on a port, with the tags given. Both tags have ethertype 0x8100, as the field's reference service has.
    Port {
        /// The port.
        port: PortName,
        /// The tags, outermost first.
        #[serde(flatten)]
        tags: Tags,
    },
    /// VXLAN (RFC 7348) toward one remote end point, UDP port 4789.
    Vxlan {
        /// The network identifier; with `remote` it identifies the attachment on arrival.
        vni: Vni,
        /// Our end: the edge's `vtep`.
        local: IpAddr,
        /// The far end.
        remote: IpAddr,
    },
}

/// The VLAN tags of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tags {
    /// Outer tag, 1 to 4094; absent on Dot1Q and untagged ports.
    #[serde(default)]
    pub s_tag: Option<u16>,
    /// Inner tag, 1 to 4094; absent on untagged ports.
    #[serde(default)]
    pub c_tag: Option<u16>,
}

/// Which way a session faces. It decides what is exported where; nothing is ever exported to the side it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Toward routers that we do not run.
    Access,
    /// Toward our own gateways and edges.
    Fabric,
}

/// The two address families, each with its own session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4 unicast (AFI 1, SAFI 1).
    Ipv4,
    /// IPv6 unicast (AFI 2, SAFI 1).
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// The family of a prefix.
    pub fn of_prefix(prefix: &IpNet) -> Family {
        Family::of(prefix.addr())
    }
}

/// One BGP session. It carries the family of its addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerConfig {
    /// The peer.
    pub id: PeerId,
    /// Our address of the session; one of the attachment's.
    pub local_address: IpAddr,
    /// The peer's AS number.
    pub remote_asn: Asn,
    /// Which way it faces.
    pub side: Side,
    /// Wait for the peer to connect, never connect to it.
    pub passive: bool,
    /// TCP MD5 key (RFC 2385), where there is one.
    pub md5_key: Option<Secret>,
    /// The hold time that we propose, in seconds; 0, or 3 and more (RFC 4271 section 4.2).
    pub hold_time_s: u16,
    /// BFD for this session, where it is wanted.
    pub bfd: Option<BfdConfig>,
    /// How long a peer may keep our routes while we restart, in seconds (RFC 4724); 0 switches graceful restart off.
    pub restart_time_s: u16,
    /// What is accepted.
    pub import: ImportPolicy,
    /// What is told.
    pub export: ExportPolicy,
    /// When none of these peers can be forwarded to, this session's BFD says "concatenated path down" (diagnostic 6,
    /// RFC 5880 section 6.8.17), so that the far end moves every prefix at once and not one by one.
    #[serde(default)]
    pub path_beyond: Vec<PeerId>,
}

/// BFD, asynchronous, single hop (RFC 5880, 5881).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdConfig {
    /// DesiredMinTxInterval, in milliseconds.
    pub min_tx_ms: u32,
    /// RequiredMinRxInterval, in milliseconds.
    pub min_rx_ms: u32,
    /// DetectMult.
    pub detect_mult: u8,
}

/// What is accepted from a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportPolicy {
    /// More prefixes than this and the session goes down with Cease/1 (RFC 4486), to come back after a pause.
    pub max_prefixes: u32,
    /// Prefixes that are one of these or lie in one are filtered and counted; shorter ones that cover them are not.
    #[serde(default)]
    pub refuse_overlap: Vec<IpNet>,
    /// The default route is accepted.
    pub accept_default: bool,
    /// A path is refused when the peer's AS is not the first of it (RFC 4271 section 6.3).
    pub enforce_first_as: bool,
    /// Preferred before the length of the AS path, the highest first (the reference service's RoutingWeight).
    #[serde(default)]
    pub weight: u32,
}

/// What is told to a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPolicy {
    /// Routes learned from peers of these sides; originated prefixes are always told.
    #[serde(default)]
    pub learned_from: Vec<Side>,
    /// Private AS numbers (RFC 6996) are taken out of the path.
    #[serde(default)]
    pub remove_private_asns: bool,
    /// Our AS number is prepended this many times more (0 as a rule, 8 while draining).
    #[serde(default)]
    pub prepend: u8,
    /// Communities (RFC 1997) that every route gets, as `high << 16 | low`.
    #[serde(default)]
    pub communities: Vec<u32>,
}

/// Two tagged ports joined at layer 2, in both directions: frames that arrive on one with its tags leave by the other
/// with the other's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrossConnect {
    /// Its number on this edge, out of the same space as attachments (its counters are kept by it).
    pub id: AttachmentId,
    /// The number that the opposite direction's counters are kept by.
    pub reverse_id: AttachmentId,
    /// The customer's side.
    pub access: TaggedPort,
    /// The edge's side.
    pub uplink: TaggedPort,
    /// A person's name for it, for status and logs; it has no effect.
    #[serde(default)]
    pub label: String,
}

/// A port and the tags on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaggedPort {
    /// The port.
    pub port: PortName,
    /// The tags.
    #[serde(flatten)]
    pub tags: Tags,
}

impl EdgeConfig {
    /// A configuration that asks for nothing.
    pub fn empty(edge: EdgeId, router_id: Ipv4Addr) -> EdgeConfig {
        EdgeConfig {
            edge,
            generation: 0,
            router_id,
            vtep: None,
            vrfs: vec![],
            attachments: vec![],
            cross_connects: vec![],
        }
    }

    /// Everything wrong with this document as a document: numbers used twice, references to nothing, addresses of
    /// another family. An edge refuses a configuration that has any, and goes on with the one it has.
    pub fn problems(&self) -> Vec<Problem> {
        crate::config_check::problems(self)
    }
}

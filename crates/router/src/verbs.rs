//! What goes into the two engines and what comes out of them. `edge` drives them with sockets, `lab::sim` with a
//! virtual network; both see only this.

use std::net::IpAddr;
use std::sync::Arc;

use causeway_edge_types::{AttachmentId, BfdConfig, BfdState, EdgeConfig, PeerId, PortName, VrfId};
use ipnet::IpNet;

/// Names one TCP connection between driver and engine. The engine numbers those that it asks for, from 1 upwards by
/// odd numbers; the driver numbers those that it accepts by even numbers, so that the two never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub u64);

/// What the driver tells the router.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// This is what to do from now on. The caller has checked `EdgeConfig::problems` and the generation.
    Config(Arc<EdgeConfig>),
    /// The connection that [`Output::Connect`] asked for is there.
    Connected(TransportId),
    /// A peer has connected to us. The engine closes it if it does not want it.
    Accepted {
        /// The driver's name for it.
        transport: TransportId,
        /// Who.
        peer: PeerId,
    },
    /// The connection failed or was closed, with the reason in words. Also the answer to a failed `Connect`.
    Closed {
        /// Which.
        transport: TransportId,
        /// Why.
        reason: String,
    },
    /// Bytes arrived, any number, cut anywhere.
    Bytes {
        /// On which connection.
        transport: TransportId,
        /// What.
        bytes: &'a [u8],
    },
    /// What was given to `Output::Send` has left for the kernel; this many bytes are still queued in the driver.
    Queued {
        /// On which connection.
        transport: TransportId,
        /// Bytes that the socket did not take yet.
        bytes: usize,
    },
    /// A port has gained or lost its carrier.
    Link {
        /// Which.
        port: PortName,
        /// Whether it is up now.
        is_up: bool,
    },
    /// A BFD session has changed.
    Bfd(BfdNotice),
}

/// What the router wants done, in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Connect to a peer from an address of ours, with its MD5 key if it has one; answer `Connected` or `Closed`.
    Connect {
        /// The engine's name for it.
        transport: TransportId,
        /// To whom.
        peer: PeerId,
        /// From which address.
        local: IpAddr,
    },
    /// Send bytes.
    Send {
        /// On which connection.
        transport: TransportId,
        /// What.
        bytes: Vec<u8>,
    },
    /// Close, after what was sent before has left if the peer takes it.
    Close(TransportId),
    /// Change forwarding. Changes come in an order that is safe to apply one by one: what a route needs is there before
    /// the route, and goes after it.
    Fib(FibChange),
    /// For the BFD engine.
    Bfd(BfdInput),
}

/// Names a next-hop group in the data plane. Numbers are small and used again. A process that has restarted numbers its
/// groups anew: what it says of group 1 is not about the group 1 of routes that it has adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// One way to send a packet on: out of an attachment, to an address on it. How it is written on the wire (tags, tunnel,
/// MAC address) is the data plane's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The attachment it leaves by.
    pub attachment: AttachmentId,
    /// The neighbour there.
    pub address: IpAddr,
}

/// How many buckets a group has. A flow's hash picks one; a next hop that fails gives its buckets to the others.
pub const GROUP_BUCKETS: usize = 64;

/// One change of forwarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FibChange {
    /// The group's buckets are these now, [`GROUP_BUCKETS`] of them, or none (packets are dropped as `next_hop_down`).
    /// This is the one flip that moves every prefix behind a failed next hop.
    Group {
        /// Which.
        group: GroupId,
        /// A next hop for each bucket; empty when no next hop is alive.
        buckets: Vec<NextHop>,
    },
    /// No route uses the group any more.
    GroupRemoved(GroupId),
    /// The prefix is forwarded like this now.
    Route {
        /// In which VRF.
        vrf: VrfId,
        /// Which prefix.
        prefix: IpNet,
        /// Where to.
        target: RouteTarget,
    },
    /// The prefix is not forwarded any more.
    RouteRemoved {
        /// In which VRF.
        vrf: VrfId,
        /// Which prefix.
        prefix: IpNet,
    },
    /// After a restart: every route that this VRF should have has been given; what is left over from the process before
    /// and was not given again goes now (RFC 4724 section 4.1).
    VrfComplete(VrfId),
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteTarget {
    /// To a next-hop group.
    Group(GroupId),
    /// To hosts that are neighbours on an attachment; each is resolved by ARP or ND.
    OnLink(AttachmentId),
}

/// What happened, for logs, history and status. Nothing acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A session has reached Established.
    SessionUp {
        /// Whose.
        peer: PeerId,
        /// The hold time agreed, in seconds.
        hold_time_s: u16,
    },
    /// A session has left Established.
    SessionDown {
        /// Whose.
        peer: PeerId,
        /// Why, in words.
        reason: String,
    },
    /// Something worth a line that is no state change: a refused connection, a malformed attribute.
    Note {
        /// About whom.
        peer: PeerId,
        /// What.
        text: String,
    },
    /// The configuration with this generation is applied in the engine.
    Configured {
        /// Which.
        generation: u64,
    },
}

/// What a BFD diagnostic may say (RFC 5880 section 4.1), as far as we use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum BfdDiagnostic {
    None = 0,
    DetectionTimeExpired = 1,
    EchoFailed = 2,
    NeighborSignaledDown = 3,
    ForwardingPlaneReset = 4,
    PathDown = 5,
    ConcatenatedPathDown = 6,
    AdministrativelyDown = 7,
    ReverseConcatenatedPathDown = 8,
}

impl BfdDiagnostic {
    /// The diagnostic with this number; `None` for one that nobody has given a meaning.
    pub fn from_number(number: u8) -> BfdDiagnostic {
        match number {
            1 => BfdDiagnostic::DetectionTimeExpired,
            2 => BfdDiagnostic::EchoFailed,
            3 => BfdDiagnostic::NeighborSignaledDown,
            4 => BfdDiagnostic::ForwardingPlaneReset,
            5 => BfdDiagnostic::PathDown,
            6 => BfdDiagnostic::ConcatenatedPathDown,
            7 => BfdDiagnostic::AdministrativelyDown,
            8 => BfdDiagnostic::ReverseConcatenatedPathDown,
            _ => BfdDiagnostic::None,
        }
    }
}

/// What the BFD engine is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BfdInput {
    /// These are the sessions from now on; those that stay keep their state, and the peer of one that goes is told so
    /// ("administratively down") by its last packet.
    Sessions(Vec<BfdSessionConfig>),
    /// A control packet arrived: the UDP payload, and the TTL or hop limit that it came with (255 or it is dropped,
    /// RFC 5881 section 5).
    Packet {
        /// From whom; the driver knows the attachment by the socket.
        peer: PeerId,
        /// TTL or hop limit.
        ttl: u8,
        /// UDP payload.
        bytes: Vec<u8>,
    },
    /// An earlier process of this edge has left its forwarding behind, and perhaps sessions that their peers still hold
    /// up. Sessions that are new within the next seconds wait to be spoken to: from a peer that holds one up, the
    /// earlier number of it is learned, the session goes on under it, and the peer never notices the restart.
    Restarted,
    /// Say (or stop saying, with `None`) a diagnostic on a session that stays up (RFC 5880 section 6.8.17), at once if
    /// it is up and from then on whenever it is. Nothing comes of it while there is no such session.
    Diagnostic {
        /// Whose session.
        peer: PeerId,
        /// What to say.
        diagnostic: BfdDiagnostic,
    },
}

/// One BFD session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdSessionConfig {
    /// With whom.
    pub peer: PeerId,
    /// From which address.
    pub local: IpAddr,
    /// Its timers.
    pub timers: BfdConfig,
}

/// What the BFD engine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BfdOutput {
    /// Send a control packet to UDP port 3784 with TTL 255.
    Transmit {
        /// To whom.
        peer: PeerId,
        /// From which address.
        local: IpAddr,
        /// UDP payload.
        bytes: Vec<u8>,
    },
}

/// What the BFD engine has found out, for the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdNotice {
    /// Whose session.
    pub peer: PeerId,
    /// Its state now.
    pub state: BfdState,
    /// What the peer says beside it: "concatenated path down" moves traffic away from a session that stays up. It is
    /// "administratively down" whenever the peer's state is, and then `Down` here is no failure (RFC 5882 section 3.2).
    pub remote_diagnostic: BfdDiagnostic,
}

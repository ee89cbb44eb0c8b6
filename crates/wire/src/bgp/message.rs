//! What a BGP message is, once decoded. Families are IPv4 and IPv6 unicast; others are decoded as far as they must be
//! to be refused properly.

use std::net::{IpAddr, Ipv4Addr};

use causeway_edge_types::{Asn, Family};
use ipnet::IpNet;

/// One message (RFC 4271 section 4, RFC 2918).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
#[allow(clippy::large_enum_variant, reason = "UPDATEs are what there are most of; a box would be an allocation each")]
pub enum Message {
    Open(Open),
    Update(Update),
    Notification(Notification),
    Keepalive,
    RouteRefresh(RouteRefresh),
}

/// OPEN (RFC 4271 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The sender's AS number: that of the four-octet capability where there is one, else of the fixed field.
    pub asn: Asn,
    /// The proposed hold time, in seconds.
    pub hold_time_s: u16,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// Capabilities in order of arrival (RFC 5492).
    pub capabilities: Vec<Capability>,
}

/// A capability (RFC 5492).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Multiprotocol extensions (RFC 4760) for a family that we speak.
    MultiProtocol(Family),
    /// Route refresh (RFC 2918).
    RouteRefresh,
    /// Extended messages (RFC 8654).
    ExtendedMessage,
    /// Graceful restart (RFC 4724, RFC 8538).
    GracefulRestart {
        /// The sender has restarted (R bit).
        has_restarted: bool,
        /// NOTIFICATIONs are covered too (N bit, RFC 8538).
        covers_notification: bool,
        /// How long to keep its routes, in seconds, 12 bits.
        restart_time_s: u16,
        /// The families, each with whether its forwarding state was preserved (F bit).
        families: Vec<(Family, bool)>,
    },
    /// Four-octet AS numbers (RFC 6793).
    FourOctetAsn(Asn),
    /// Enhanced route refresh (RFC 7313).
    EnhancedRouteRefresh,
    /// One that we do not know, or a known one for a family that we do not speak.
    Unknown {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

/// UPDATE (RFC 4271 section 4.3), IPv4 and IPv6 together: MP_REACH_NLRI and MP_UNREACH_NLRI are already taken apart.
/// `withdrawn` comes first, then `announced`: a prefix that is in both is announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Prefixes withdrawn. When the message's attributes call for treat-as-withdraw (RFC 7606), the prefixes that it
    /// would have announced are here and not in `announced`.
    pub withdrawn: Vec<IpNet>,
    /// Prefixes announced with `attributes`.
    pub announced: Vec<IpNet>,
    /// Their attributes; absent only when nothing is announced.
    pub attributes: Option<Attributes>,
    /// This is an End-of-RIB marker (RFC 4724 section 2).
    pub end_of_rib: Option<Family>,
    /// What was malformed and survived (RFC 7606): for the log and the session's counters.
    pub faults: Vec<AttributeFault>,
}

/// The attributes that announced prefixes share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attributes {
    /// ORIGIN.
    pub origin: Origin,
    /// AS_PATH, always four-octet: AS4_PATH is merged on arrival (RFC 6793).
    pub as_path: AsPath,
    /// NEXT_HOP, or the global next hop of MP_REACH_NLRI.
    pub next_hop: IpAddr,
    /// The link-local next hop that came beside a global IPv6 one (RFC 2545).
    pub next_hop_link_local: Option<std::net::Ipv6Addr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<(Asn, Ipv4Addr)>,
    /// COMMUNITIES (RFC 1997), as `high << 16 | low`.
    pub communities: Vec<u32>,
    /// EXTENDED COMMUNITIES (RFC 4360), 8 bytes each.
    pub extended_communities: Vec<[u8; 8]>,
    /// LARGE COMMUNITIES (RFC 8092).
    pub large_communities: Vec<[u32; 3]>,
    /// Optional transitive attributes that we do not know, to be passed on with the partial bit.
    pub unknown_transitive: Vec<RawAttribute>,
}

/// ORIGIN (RFC 4271 section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Origin {
    Igp = 0,
    Egp = 1,
    Incomplete = 2,
}

/// AS_PATH (RFC 4271 section 5.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AsPath(pub Vec<AsPathSegment>);

/// One segment of an AS_PATH.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum AsPathSegment {
    Sequence(Vec<Asn>),
    Set(Vec<Asn>),
}

/// An attribute kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawAttribute {
    /// Attribute flags.
    pub flags: u8,
    /// Type code.
    pub code: u8,
    /// Value.
    pub value: Vec<u8>,
}

/// A malformed attribute and what was done about it (RFC 7606).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeFault {
    /// Type code.
    pub code: u8,
    /// What was done.
    pub action: FaultAction,
    /// What was wrong, in words.
    pub reason: &'static str,
}

/// RFC 7606 section 2, without session reset and AFI disable, which are errors of the whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum FaultAction {
    DiscardAttribute,
    TreatAsWithdraw,
    /// Prefixes that can't be routed (multicast) were left out; the attribute is the one that held them, 0 for the
    /// message's own fields.
    IgnorePrefix,
}

/// NOTIFICATION (RFC 4271 section 4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// Data.
    pub data: Vec<u8>,
}

/// ROUTE-REFRESH (RFC 2918, RFC 7313).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family; absent when it is one that we do not speak.
    pub family: Option<Family>,
    /// 0 a request, 1 beginning, 2 end.
    pub subtype: u8,
}

//! Ids are types: a VRF's number can't be passed where an attachment's is wanted.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                $name(value.to_owned())
            }
        }
    };
}

number_id!(
    /// A separate routing table on one edge. Numbered by the planner, 1 to 65,535 (it indexes the data plane's tables).
    VrfId
);
number_id!(
    /// One attachment on one edge. Numbered by the planner, 1 to 65,535 (it indexes the data plane's tables), and
    /// stable for as long as the attachment exists: counters and host interfaces are named by it.
    AttachmentId
);
number_id!(
    /// A VXLAN network identifier (RFC 7348), 1 to 16,777,215.
    Vni
);
number_id!(
    /// An autonomous system number, 4 bytes (RFC 6793).
    Asn
);
name_id!(
    /// An edge, a gateway instance or a provider's cross-connect, by its unique name.
    EdgeId
);
name_id!(
    /// A physical port of an edge: the interface's name in the edge's namespace. Not a TCP or UDP port.
    PortName
);

/// A BGP peer of one edge: the attachment it is reached through and its address there. The address alone would not do,
/// since two customers may use the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId {
    /// The attachment that the session runs over.
    pub attachment: AttachmentId,
    /// The peer's address on it.
    pub address: IpAddr,
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%{}", self.address, self.attachment)
    }
}

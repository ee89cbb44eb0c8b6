//! What forwards. One narrow trait; behind it the XDP program, and in tests a record of what was asked.
//!
//! The daemon keeps the control half (host interfaces, neighbours, sessions); the data plane is told what to forward.

mod fib;
pub mod layout;
mod links;
mod pins;
mod program;
mod recording;
mod table;
mod tries;
mod underlay;
mod xdp;

use std::net::IpAddr;
use std::path::Path;

pub use pins::DEFAULT_ROOT;
pub use program::{BenchPrograms, Loaded, Options, flow_seed};
pub use recording::{Asked, RecordingDataplane};
pub use xdp::{Usage, XdpDataplane};

use causeway_edge_types::{Attachment, AttachmentCounters, AttachmentId, CrossConnect, DropCount, EdgeId, PortName};
use causeway_router::FibChange;

/// An attachment with what the kernel made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAttachment {
    /// What was asked for.
    pub attachment: Attachment,
    /// Index (in the edge's namespace) of the data plane's end of the host interface; the other end is in the
    /// attachment's own namespace, where its addresses and sockets are.
    pub host_ifindex: u32,
    /// The MAC address of the kernel's end of the host interface: the address that the edge has on this attachment.
    pub host_mac: [u8; 6],
}

/// A port that the data plane drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: PortName,
    /// Its index in the edge's namespace.
    pub ifindex: u32,
    /// Its own MAC address.
    pub mac: [u8; 6],
    /// The edge's tunnel end point is on it: what is no tunnel's packet goes to the kernel there (the underlay's own ARP,
    /// ND and ICMP). On every other port such frames are dropped.
    pub is_fabric: bool,
}

/// How to reach a tunnel's far end: what the kernel's routing table and neighbour table of the underlay say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderlayHop {
    /// The fabric port to leave by.
    pub ifindex: u32,
    /// That port's MAC address.
    pub source_mac: [u8; 6],
    /// The next router's or the far end's MAC address.
    pub destination_mac: [u8; 6],
}

/// Removes everything that an edge has pinned below `pin_root` ([`DEFAULT_ROOT`] as a rule): programs leave its
/// interfaces, tables go. For taking an edge down for good, also after its process has crashed.
pub fn unpin_all(pin_root: &Path, edge: &EdgeId) -> anyhow::Result<()> {
    pins::unpin_all(pin_root, edge)
}

/// Something that forwards packets.
pub trait Dataplane {
    /// These are the ports, attachments and cross-connects from now on. What stays is not touched; what is gone stops
    /// forwarding before this returns. After a restart, what an earlier process left pinned is adopted.
    fn configure(
        &mut self,
        ports: &[Port],
        attachments: &[HostAttachment],
        cross_connects: &[CrossConnect],
    ) -> anyhow::Result<()>;

    /// Applies changes in order.
    fn apply(&mut self, changes: &[FibChange]) -> anyhow::Result<()>;

    /// A neighbour on an attachment has this MAC address now, or none.
    fn set_neighbor(&mut self, attachment: AttachmentId, address: IpAddr, mac: Option<[u8; 6]>) -> anyhow::Result<()>;

    /// A tunnel's far end is reached like this now, or not at all.
    fn set_underlay(&mut self, remote: IpAddr, hop: Option<UnderlayHop>) -> anyhow::Result<()>;

    /// Counters of every attachment and cross-connect, and drops by reason.
    fn counters(&self) -> anyhow::Result<(Vec<AttachmentCounters>, Vec<DropCount>)>;

    /// How the program is attached to a port: `native`, `generic` or `none`.
    fn port_mode(&self, port: &PortName) -> String;
}

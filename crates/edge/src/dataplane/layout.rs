//! What program and daemon share: the tables' keys and values, as `bpf/layout.h` has them. Whoever changes anything here
//! changes it there too and raises [`LAYOUT_VERSION`] in both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use causeway_edge_types::Tags;

/// Pinned tables of another version are removed, not read.
pub const LAYOUT_VERSION: u32 = 1;

/// Attachment and VRF numbers are smaller than this.
pub const MAX_NUMBER: u32 = 65_536;
/// Slots in the table of groups; slot 0 is not used.
pub const MAX_GROUPS: u32 = 16_384;
/// Slots in the table of next hops; slot 0 says "none".
pub const MAX_NEXT_HOPS: u32 = 16_384;

/// A value that is the same bytes for the program and for us.
///
/// # Safety
/// The type is `repr(C)`, has no padding, and every bit pattern is a value of it.
pub unsafe trait Plain: Copy + PartialEq + 'static {}

/// The bytes of a key or value.
pub fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: `Plain` has no padding, so that every byte is initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// A key or value from its bytes, where there are exactly enough of them.
pub fn from_bytes<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() != size_of::<T>() {
        return None;
    }
    // SAFETY: the length is right, and every bit pattern is a value of a `Plain` type.
    Some(unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) })
}

macro_rules! plain {
    ($($name:ident: $size:literal),* $(,)?) => {$(
        // SAFETY: repr(C) integers and arrays of them; the assertion below leaves no room for padding that the sum of
        // the fields does not fill.
        unsafe impl Plain for $name {}
        const _: () = assert!(size_of::<$name>() == $size);
    )*};
}

// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: an integer.
unsafe impl Plain for u64 {}
// SAFETY: an array of bytes.
unsafe impl Plain for [u8; 6] {}
// SAFETY: an array of bytes.
unsafe impl Plain for [u8; 16] {}

/// No such attachment.
pub const ATTACHMENT_NONE: u8 = 0;
/// Frames on a port, with tags.
pub const ATTACHMENT_PORT: u8 = 1;
/// Frames in a VXLAN tunnel.
pub const ATTACHMENT_VXLAN: u8 = 2;
/// One direction of a cross-connect.
pub const ATTACHMENT_CROSS: u8 = 3;

/// An attachment, or one direction of a cross-connect.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AttachmentEntry {
    pub vrf: u32,
    pub kind: u8,
    pub reserved: u8,
    pub mtu: u16,
    pub port_ifindex: u32,
    pub host_ifindex: u32,
    pub s_tag: u16,
    pub c_tag: u16,
    pub vni: u32,
    pub host_mac: [u8; 6],
    pub underlay: u16,
    pub local: [u8; 16],
    pub remote: [u8; 16],
}

/// Where an untunnelled frame arrives.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct Place {
    pub ifindex: u32,
    pub s_tag: u16,
    pub c_tag: u16,
}

impl Place {
    /// The place of these tags on this interface; 0 stands for a tag that is not there.
    pub fn new(ifindex: u32, tags: &Tags) -> Place {
        Place { ifindex, s_tag: tags.s_tag.unwrap_or(0), c_tag: tags.c_tag.unwrap_or(0) }
    }
}

/// Where a tunnelled frame arrives.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct Tunnel {
    pub vni: u32,
    pub remote: [u8; 16],
}

/// `RouteEntry::kind`: to a next-hop group.
pub const ROUTE_GROUP: u32 = 1;
/// `RouteEntry::kind`: to a neighbour on an attachment.
pub const ROUTE_ON_LINK: u32 = 2;
/// `RouteEntry::kind`: to the edge itself, by an attachment's host interface.
pub const ROUTE_LOCAL: u32 = 3;

/// What a prefix leads to.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RouteEntry {
    pub kind: u32,
    pub id: u32,
}

/// The next hops of a group by bucket.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct GroupEntry {
    pub next_hops: [u32; causeway_router::GROUP_BUCKETS],
}

impl Default for GroupEntry {
    fn default() -> Self {
        GroupEntry { next_hops: [0; causeway_router::GROUP_BUCKETS] }
    }
}

/// A next hop.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct NextHopEntry {
    pub attachment: u32,
    pub mac: [u8; 6],
    pub is_resolved: u16,
    pub address: [u8; 16],
}

/// A neighbour on an attachment.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct NeighborKey {
    pub attachment: u32,
    pub address: [u8; 16],
}

/// How a tunnel's far end is reached.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct UnderlayEntry {
    pub ifindex: u32,
    pub source: [u8; 6],
    pub destination: [u8; 6],
    pub remote: [u8; 16],
}

/// Counters of one attachment on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CountersEntry {
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
    pub packets_to_host: u64,
    pub packets_from_host: u64,
}

plain!(
    AttachmentEntry: 64,
    Place: 8,
    Tunnel: 20,
    RouteEntry: 8,
    GroupEntry: 256,
    NextHopEntry: 28,
    NeighborKey: 20,
    UnderlayEntry: 32,
    CountersEntry: 48,
);

/// An address in a 16-byte field.
pub fn address_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The address in a 16-byte field.
pub fn address_of(bytes: [u8; 16]) -> IpAddr {
    let v6 = Ipv6Addr::from(bytes);
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), |v4: Ipv4Addr| IpAddr::V4(v4))
}

/// Why packets are dropped: the stable words, in the counters' order.
pub fn drop_reasons() -> Vec<&'static str> {
    include_str!("../../../../bpf/drop_reasons.def")
        .lines()
        .filter_map(|line| line.strip_prefix("DROP_REASON(")?.split_once(')'))
        .map(|(word, _)| word)
        .collect()
}

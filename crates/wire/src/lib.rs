//! Bytes to messages and messages to bytes: BGP-4 (RFC 4271 and its extensions) and BFD (RFC 5880).
//!
//! Pure: no sockets, no clock, no allocation that a peer's length field decides. A decode error names what the protocol
//! says to do about it: which NOTIFICATION, or treat-as-withdraw, or discard (RFC 7606).

pub mod bfd;
pub mod bgp;
mod reader;

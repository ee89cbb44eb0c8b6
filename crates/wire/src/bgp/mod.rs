//! BGP-4 messages, both ways.
//!
//! ```text
//!   bytes ── frame ──▶ one message's bytes ── decode ──▶ Message        or MessageError: the NOTIFICATION to send
//!   Open, Notification, ... ── encode_* ──▶ bytes
//!   (Attributes, prefixes) ── pack_announcements ──▶ UPDATE messages    pack_withdrawals, encode_end_of_rib likewise
//! ```
//!
//! What a session has agreed on, and so how its bytes are to be read, is in [`SessionOptions`]. A malformed attribute
//! costs what RFC 7606 says that it costs and no more: see [`Update::faults`].

mod as_path;
mod attribute;
mod attribute_value;
mod capability;
mod encode;
mod error;
mod frame;
mod message;
mod multiprotocol;
mod notification;
mod open;
mod packer;
mod prefix;
mod update;

pub use encode::{encode_end_of_rib, encode_keepalive, encode_notification, encode_route_refresh};
pub use error::MessageError;
pub use frame::{HEADER_BYTES, SessionOptions, decode, frame};
pub use message::*;
pub use notification::{cease, code};
pub use open::encode_open;
pub use packer::{Announcements, EncodeError, Withdrawals, pack_announcements, pack_withdrawals};

//! Sockets of an attachment: BGP over the kernel's TCP and BFD over its UDP. They are made by a thread that has entered
//! the attachment's namespace, and stay there.

mod bfd;
mod md5;
mod tcp;

pub use bfd::*;
pub use md5::*;
pub use tcp::*;

/// BGP (RFC 4271 section 4).
pub const BGP_TCP_PORT: u16 = 179;
/// BFD control packets, single hop (RFC 5881 section 4).
pub const BFD_UDP_PORT: u16 = 3784;

//! An edge: sockets, netlink and XDP maps around `router`. Thin: it carries bytes and decides nothing.

pub mod attachments;
pub mod clock;
pub mod dataplane;
pub mod ethtool;
pub mod netlink;
pub mod netns;
pub mod sockets;
pub mod sysctl;

//! An edge: sockets, netlink and XDP maps around `router`. Thin: it carries bytes and decides nothing.

pub mod dataplane;

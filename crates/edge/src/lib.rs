//! An edge: sockets, netlink and XDP maps around `router`. Thin: it carries bytes and decides nothing.

pub mod attachments;
pub mod bfd_driver;
pub mod board;
pub mod capabilities;
pub mod checksum;
pub mod clock;
pub mod control;
mod crew;
mod daemon;
pub mod dataplane;
pub mod driver;
pub mod ethtool;
pub mod intake;
pub mod mailbox;
pub mod netlink;
pub mod netns;
pub mod ports;
pub mod signals;
pub mod sockets;
pub mod status_file;
pub mod store;
pub mod sysctl;

pub use control::ControlOptions;
pub use daemon::{EdgeOptions, OpenedDataplane, run, run_with, teardown, teardown_with};

//! A lab: one topology file makes a whole on-ramp on this machine, out of network namespaces, our own daemons and a real
//! router at each customer's site.
//!
//! ```text
//!   topology file ──▶ Topology ──▶ Blueprint ──▶ machine: namespaces, wires, addresses
//!                        │                  ╲──▶ daemons: control, edges, gateways, cross-connect, BIRD or FRR
//!                        ╰──▶ parties: operator, customer and provider call the public API, each as itself
//! ```

pub mod bench;
pub mod blueprint;
mod command;
pub mod demo;
pub mod down;
pub mod interrupt;
pub mod lab;
pub mod machine;
pub mod parties;
pub mod probe;
pub mod progress;
pub mod routers;
pub mod state;
pub mod status;
pub mod topology;
pub mod up;

pub use command::Command;

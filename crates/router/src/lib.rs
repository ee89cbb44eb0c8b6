//! The brain of an edge: BGP, policy, RIB and FIB as one engine, and BFD as another beside it.
//!
//! Both engines have five verbs, `handle_input(now, ..)`, `handle_timeout(now)`, `poll_output()`, `poll_event()` and
//! `poll_timeout()`, and neither has a clock, a socket or randomness of its own. A driver gives one input, drains every
//! output, and sleeps until `poll_timeout()` or the next input.
//!
//! ```text
//!   bytes, connects, closes ──▶ Router ──▶ bytes, Connect, Close      (the driver's sockets)
//!   link up/down ───────────▶        ──▶ FibChange                   (the data plane)
//!   BfdNotice ──────────────▶        ──▶ Bfd(BfdInput)               (the BFD engine, on its own thread)
//! ```
//!
//! Inside, from the outside in: `engine` (the verbs), `session` (RFC 4271's state machine), `policy` (what is accepted
//! and told), `rib` (what was told and chosen), `fib` (what the data plane is told).

mod bfd;
mod engine;
mod fib;
mod peer;
mod policy;
mod random;
mod rib;
mod session;
mod status;
mod verbs;
mod vrf;

pub use bfd::{BfdEngine, BfdSessionStatus};
pub use engine::Router;
pub use policy::Refusal;
pub use rib::Reason;
pub use status::{AdjInPath, LocRibRoute};
pub use verbs::*;

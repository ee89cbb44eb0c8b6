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

mod verbs;

pub use verbs::*;

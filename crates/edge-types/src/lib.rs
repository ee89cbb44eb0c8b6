//! The waist between control and edge: what an edge is told, and what it says back.
//!
//! `control` plans an [`EdgeConfig`] for each edge; the edge applies it and answers with an [`EdgeStatus`]. Neither
//! crate knows the other; both know this one. The words here are a network's (VRF, attachment, peer, tunnel), never a
//! business's: no customer, circuit or subscription reaches a router.
//!
//! Everything is plain data. Nothing here has a clock, a socket or randomness; [`Moment`] is how the pure engines are
//! told the time.

mod config;
mod config_check;
mod ids;
mod problem;
mod secret;
mod status;
mod time;

pub use config::*;
pub use ids::*;
pub use problem::*;
pub use secret::*;
pub use status::*;
pub use time::*;

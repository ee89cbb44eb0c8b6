//! Circuits, peerings, gateways, providers and edges, and the rules between them.
//!
//! A rule of one field lives in a constructor that can't build a wrong value. A rule between resources lives in
//! [`admit`], which sees the whole [`Snapshot`] and the [`Change`] that somebody asks for, and answers with every
//! [`Problem`] at once. What the API calls things (`peerASN`) is `control`'s; what the network calls things (VRF,
//! attachment) is `edge-types`'. This crate speaks of what a customer orders.
//!
//! Pure: no clock, no randomness, no I/O. Keys and GUIDs are given by the caller.

mod address;
mod admit;
mod circuit;
mod fabric;
pub mod limits;
mod network;
mod resource;
mod snapshot;

pub use address::*;
pub use admit::*;
pub use circuit::*;
pub use fabric::*;
pub use network::*;
pub use resource::*;
pub use snapshot::*;

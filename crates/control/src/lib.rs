//! Control: the API, the store and the reconciler of a deployment, in one process.
//!
//! ```text
//!   clients ──HTTPS──▶ serve ──▶ api ──▶ model::admit, plan::allocate ──▶ store (SQLite) ──▶ world
//!                                                                                             │ bell
//!   nodes ◀──HTTPS (long poll)── generation n ◀── reconcile ◀── plan::edge_configs ◀──────────┘
//! ```
//!
//! Decisions are elsewhere (`model`, `plan`); this crate carries them out. Start reading at [`run`], then `app`, `api`.

mod api;
mod app;
mod certificates;
mod change;
mod complete;
mod dev_fabric;
mod first_start;
mod identity;
mod nodes;
mod operation;
mod pairs;
mod reconcile;
mod results;
mod serve;
mod store;
mod world;

pub use serve::{Options, run};

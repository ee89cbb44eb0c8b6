//! The API as its clients meet it: a real server on loopback, TLS and all, and the client crate.

mod common;
mod contract;
mod nodes;
mod refusals;
mod sign_in;
mod story;

//! The API as its clients meet it: a real server on loopback, TLS and all, and the client crate.

mod common;
mod sign_in;
mod story;

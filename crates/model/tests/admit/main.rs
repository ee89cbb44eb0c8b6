//! Every rule of `admit`, in tables: at least one change that breaks it and one that does not.

mod circuit;
mod connection;
mod fabric;
mod network;
mod peering;
mod world;

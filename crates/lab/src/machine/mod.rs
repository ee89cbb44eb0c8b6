//! This machine: namespaces, interfaces, processes. Does what it is told, and finds what a lab left.

pub mod netns;
pub mod network;
pub mod process;
pub mod requirements;
pub mod sweep;
pub mod tools;

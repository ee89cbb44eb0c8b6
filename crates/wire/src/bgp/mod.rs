//! BGP-4 messages. `message` says what they are; `decode` and `encode` are the two directions.

mod message;

pub use message::*;

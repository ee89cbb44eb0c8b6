//! BGP on the wire: what is written is read again, what is malformed costs what the RFCs say, and nothing that a peer
//! sends can do more.

mod bytes;
mod frames;
mod hostile;
mod killers;
mod round_trip;
mod updates;
mod verdicts;

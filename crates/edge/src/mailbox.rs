//! How other threads speak to the router's thread: put a command in, ring its bell.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use causeway_edge_types::EdgeConfig;
use causeway_router::BfdNotice;

/// What the router's thread is told.
#[derive(Debug)]
pub enum Command {
    /// Apply this configuration; it has passed the gate.
    Config(Arc<EdgeConfig>),
    /// A BFD session has changed.
    Bfd(BfdNotice),
    /// Leave: sessions end without a word, so that peers go on forwarding as after a crash (RFC 4724).
    Stop,
}

/// Puts commands in and rings.
#[derive(Clone, Debug)]
pub struct RouterMailbox {
    sender: Sender<Command>,
    waker: Arc<mio::Waker>,
}

impl RouterMailbox {
    /// The way to the thread that reads the other end of `sender` and polls for `waker`.
    pub fn new(sender: Sender<Command>, waker: Arc<mio::Waker>) -> RouterMailbox {
        RouterMailbox { sender, waker }
    }

    /// Sends a command. If the thread is gone the daemon is ending, and nobody minds.
    pub fn send(&self, command: Command) {
        if self.sender.send(command).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

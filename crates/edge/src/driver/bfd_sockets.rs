//! Sockets for BFD's thread, made here since this thread holds the namespaces.

use std::collections::BTreeSet;

use causeway_edge_types::{AttachmentId, PeerId, Problem};
use causeway_router::BfdSessionConfig;

use crate::attachments::Hosts;
use crate::bfd_driver::{BfdCommand, ReceiverKey};
use crate::sockets::{BfdReceiver, BfdSender};

/// Which sockets BFD's thread has.
#[derive(Debug, Default)]
pub struct BfdSockets {
    sessions: Vec<BfdSessionConfig>,
    receivers: BTreeSet<ReceiverKey>,
    senders: BTreeSet<(PeerId, std::net::IpAddr)>,
}

impl BfdSockets {
    /// Takes a new set of sessions.
    pub fn set_sessions(&mut self, sessions: Vec<BfdSessionConfig>) {
        self.receivers.retain(|key| sessions.iter().any(|s| (s.peer.attachment, s.local) == *key));
        self.senders.retain(|key| sessions.iter().any(|s| (s.peer, s.local) == *key));
        self.sessions = sessions;
    }

    /// The sockets of an attachment are of no use any more, since its namespace is another now.
    pub fn forget(&mut self, attachment: AttachmentId) {
        self.receivers.retain(|(of, _)| *of != attachment);
        self.senders.retain(|(peer, _)| peer.attachment != attachment);
    }

    /// Whether a session lacks a socket.
    pub fn is_incomplete(&self) -> bool {
        self.sessions.iter().any(|session| {
            !self.receivers.contains(&(session.peer.attachment, session.local))
                || !self.senders.contains(&(session.peer, session.local))
        })
    }

    /// Opens the sockets that are missing, and says it all to BFD's thread.
    pub fn update(&mut self, hosts: &Hosts) -> (BfdCommand, Vec<Problem>) {
        let (mut receivers, mut senders, mut problems) = (vec![], vec![], vec![]);
        for session in &self.sessions {
            let (peer, local) = (session.peer, session.local);
            let Some(host) = hosts.get(peer.attachment) else { continue };
            let key = (peer.attachment, local);
            let opened = host.namespace.within(|| {
                if !self.receivers.contains(&key) {
                    receivers.push((key, BfdReceiver::open(local)?));
                    self.receivers.insert(key);
                }
                if !self.senders.contains(&(peer, local)) {
                    senders.push((peer, BfdSender::open(local, peer.address)?));
                    self.senders.insert((peer, local));
                }
                Ok(())
            });
            if let Err(error) = opened {
                let message = format!("cannot open BFD's sockets: {error:#}");
                problems.push(Problem::new("Bfd", format!("peer {peer}"), message));
            }
        }
        (BfdCommand::Sessions { sessions: self.sessions.clone(), receivers, senders }, problems)
    }
}

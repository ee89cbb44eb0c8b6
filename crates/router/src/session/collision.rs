//! Two transports at once (RFC 4271 section 6.8): which one stays.
//!
//! Decided when an OPEN tells the peer's identifier, and the same way at both ends: the connection that was made by the
//! end with the higher identifier stays. A transport on which no OPEN has come yet counts too, since the peer sees it.

use std::time::Duration;

use causeway_wire::bgp::{Notification, cease, code};

use super::connection::Phase;
use super::{Ending, Negotiated, Session};
use crate::engine::Context;

/// A connection accepted this long after the session was Established is no late collision: the peer has lost the old
/// one and does not say so (RFC 4724 section 4.2).
const LATE_COLLISION: Duration = Duration::from_secs(2);

impl Session {
    /// Says whether the connection at `index`, whose OPEN is here, stays; ends those that do not. The index may move.
    pub(super) fn resolve_collision(&mut self, cx: &mut Context, index: usize, theirs: &Negotiated) -> Option<usize> {
        let transport = self.connections[index].transport;
        let (is_ours, born) = (self.connections[index].is_ours, self.connections[index].born);
        let we_win = (self.settings.router_id, self.settings.local_asn) > (theirs.router_id, self.settings.remote_asn);
        let others: Vec<_> = self.connections.iter().map(|c| c.transport).filter(|other| *other != transport).collect();
        for other in others {
            let Some(at) = self.find(other) else { continue };
            let connection = &self.connections[at];
            let stays = match connection.phase {
                // Our own attempt, which the peer has overtaken.
                Phase::Connecting => {
                    self.end(cx, at, Ending::Silent("the peer connected first".to_owned()));
                    continue;
                }
                Phase::OpenSent | Phase::OpenConfirm => connection.is_ours != is_ours && connection.is_ours == we_win,
                Phase::Established => {
                    let restarts = connection.negotiated.as_ref().is_some_and(|n| n.restart.is_some());
                    let is_late = self.established_at.is_some_and(|since| born.since(since) > LATE_COLLISION);
                    if restarts && is_late {
                        self.end(cx, at, Ending::Lost("the peer opened a new connection".to_owned()));
                        continue;
                    }
                    true
                }
            };
            let loser = if stays { self.find(transport)? } else { at };
            let collision = Notification::new(code::CEASE, cease::COLLISION_RESOLUTION);
            self.end(cx, loser, Ending::Sent(collision, "two connections at once".to_owned()));
            if stays {
                return None;
            }
        }
        self.find(transport)
    }
}

//! Who can be forwarded to: links, BFD, and what lies beyond a session. Every change here is first a flip of groups.

use causeway_edge_types::{BfdState, PeerId, PortName};
use causeway_wire::bgp::{Notification, cease, code};

use super::Router;
use crate::session::Pause;
use crate::{BfdDiagnostic, BfdInput, BfdNotice, Output};

impl Router {
    /// A port has gained or lost its carrier: everybody behind it comes or goes at once.
    pub(super) fn link(&mut self, port: PortName, is_up: bool) {
        let ids: Vec<PeerId> = self
            .vrfs
            .values()
            .flat_map(|vrf| vrf.peers.values())
            .filter(|peer| peer.place.port.as_ref() == Some(&port) && peer.link_is_up != is_up)
            .map(|peer| peer.config.id)
            .collect();
        self.links.insert(port, is_up);
        // All groups flip before the first session is taken down.
        for &id in &ids {
            self.set_link(id, is_up);
        }
        for &id in &ids {
            self.link_sessions(id, is_up);
        }
    }

    /// Says whether the link to a peer is there, and flips.
    pub(super) fn set_link(&mut self, id: PeerId, is_up: bool) {
        if let Some(peer) = self.peer_mut(id) {
            peer.link_is_up = is_up;
            self.refresh_liveness(id);
        }
    }

    /// Lets the session follow its link. What was kept for a graceful restart goes: there is no way to it.
    pub(super) fn link_sessions(&mut self, id: PeerId, is_up: bool) {
        self.with_peer(id, |peer, cx| {
            if is_up {
                peer.session.start(cx);
            } else {
                peer.session.stop(cx, None, "the link is down");
            }
        });
        self.act(id);
        if !is_up {
            self.peer_has_told_all(id);
        }
        if !is_up && self.peer(id).is_some_and(|peer| peer.adj_in.keeps_stale()) {
            self.drop_stale(id);
        }
    }

    pub(super) fn bfd_notice(&mut self, notice: BfdNotice) {
        let id = notice.peer;
        let now = self.cx.now;
        let Some(peer) = self.peer_mut(id) else { return };
        if peer.config.bfd.is_none() {
            return;
        }
        let is_doubted = peer.is_restarting() || peer.bfd_is_doubted_until.is_some_and(|until| now < until);
        let was_up = peer.bfd.is_some_and(|before| before.state == BfdState::Up);
        peer.bfd = Some(notice);
        // A peer that switches BFD off says so (RFC 5882 section 4.2): that is no failure. Neither is the silence of one
        // that restarts: its BFD has gone with its process while its forwarding stays (RFC 5882 section 4.3).
        let is_switched_off =
            notice.state == BfdState::AdminDown || notice.remote_diagnostic == BfdDiagnostic::AdministrativelyDown;
        let has_failed = was_up && notice.state != BfdState::Up && !is_switched_off && !is_doubted;
        if was_up != (notice.state == BfdState::Up) {
            peer.bfd_is_doubted_until = None;
        }
        peer.bfd_has_failed = match notice.state {
            BfdState::Up | BfdState::AdminDown => false,
            _ => has_failed || peer.bfd_has_failed,
        };
        self.refresh_liveness(id);
        self.with_peer(id, |peer, cx| {
            if has_failed {
                let notification = Notification::new(code::CEASE, cease::BFD_DOWN);
                peer.session.fail(cx, notification, Pause::BfdDown, "BFD has lost the peer");
            } else if notice.state == BfdState::Up {
                peer.session.hurry(cx);
            }
        });
        self.act(id);
    }

    /// Compares what is known of a peer with what the data plane was told, flips, and passes the news on to those whose
    /// path beyond the peer is.
    pub(super) fn refresh_liveness(&mut self, id: PeerId) {
        let Some(is_alive) = self.peer(id).map(|peer| peer.is_alive()) else { return };
        if !self.fib.set_alive(&mut self.cx, id, is_alive) {
            return;
        }
        // A group that has lost all may have a less preferred path to fall back to, and the other way round.
        self.with_peer(id, |peer, _| peer.begin_sweep(false));
        for teller in self.beyond.get(&id).cloned().unwrap_or_default() {
            self.refresh_path_beyond(teller);
        }
    }

    /// Lets a session's BFD say whether there is a path beyond us. While routes are not chosen after a restart, the
    /// earlier process's forwarding goes on and there is nothing to say.
    pub(super) fn refresh_path_beyond(&mut self, teller: PeerId) {
        let Some(peer) = self.peer(teller) else { return };
        let beyond = &peer.config.path_beyond;
        let is_deferred =
            self.homes.get(&teller).and_then(|vrf| self.vrfs.get(vrf)).is_some_and(|v| v.deferral.is_some());
        let has_path = beyond.is_empty()
            || is_deferred
            || beyond.iter().any(|id| self.peer(*id).is_some_and(|peer| peer.is_alive()));
        if peer.config.bfd.is_none() || peer.says_path_down != has_path {
            return;
        }
        self.with_peer(teller, |peer, cx| {
            peer.says_path_down = !has_path;
            let diagnostic = if has_path { BfdDiagnostic::None } else { BfdDiagnostic::ConcatenatedPathDown };
            cx.output(Output::Bfd(BfdInput::Diagnostic { peer: teller, diagnostic }));
        });
    }
}

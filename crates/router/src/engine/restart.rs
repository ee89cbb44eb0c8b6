//! Our own restart (RFC 4724 section 4.1): forwarding goes on as an earlier process has left it, and routes are chosen
//! when the peers have told theirs again.

use std::time::Duration;

use causeway_edge_types::{Moment, PeerId, VrfId};

use super::Router;
use crate::session::PeerRestart;
use crate::vrf::Deferral;

/// However long peers keep our routes, choosing is not put off for longer.
const DEFERRAL_MAX: Duration = Duration::from_secs(60);
/// A peer that does not mark the end of its table is taken to have told it after this time.
const UNMARKED_TABLE: Duration = Duration::from_secs(3);

impl Deferral {
    pub(super) fn next_timeout(&self) -> Option<Moment> {
        self.waits_for.values().flatten().copied().chain([self.until]).min()
    }
}

impl Router {
    /// Puts off choosing in a VRF; called once, when its peers have just been configured.
    pub(super) fn defer(&mut self, id: VrfId) {
        let now = self.cx.now;
        let Some(vrf) = self.vrfs.get_mut(&id) else { return };
        let longest = vrf.peers.values().map(|peer| peer.config.restart_time_s).max().unwrap_or(0);
        let until = now + Duration::from_secs(longest.into()).min(DEFERRAL_MAX);
        // Whoever is behind a port without carrier can't tell anything.
        let reachable = vrf.peers.values().filter(|peer| peer.link_is_up);
        let waits_for = reachable.map(|peer| (peer.config.id, None)).collect();
        vrf.deferral = Some(Deferral { until, waits_for });
        self.deferral_timeouts();
    }

    /// A peer is up: a peer that has itself restarted waits for us, so we don't wait for it (RFC 4724 section 4.1).
    pub(super) fn peer_is_up(&mut self, id: PeerId, restart: Option<PeerRestart>) {
        let marks_end = self.peer(id).is_some_and(|peer| peer.session.peer_marks_end_of_rib());
        let unmarked_until = self.cx.now + UNMARKED_TABLE;
        let Some(deferral) = self.deferral_of(id) else { return };
        if restart.is_some_and(|restart| restart.has_restarted) {
            deferral.waits_for.remove(&id);
        } else if !marks_end && let Some(until) = deferral.waits_for.get_mut(&id) {
            *until = Some(unmarked_until);
        }
        self.deferral_timeouts();
    }

    /// A peer has told its whole table.
    pub(super) fn peer_has_told_all(&mut self, id: PeerId) {
        if let Some(deferral) = self.deferral_of(id) {
            deferral.waits_for.remove(&id);
            self.deferral_timeouts();
        }
    }

    fn deferral_of(&mut self, id: PeerId) -> Option<&mut Deferral> {
        self.vrfs.get_mut(self.homes.get(&id)?)?.deferral.as_mut()
    }

    /// Ends the deferrals that have nobody left to wait for, and those whose time is over.
    pub(super) fn deferral_timeouts(&mut self) {
        let now = self.cx.now;
        let mut over = Vec::new();
        for vrf in self.vrfs.values_mut() {
            let Some(deferral) = &mut vrf.deferral else { continue };
            deferral.waits_for.retain(|_, until| until.is_none_or(|until| until > now));
            if deferral.waits_for.is_empty() || deferral.until <= now {
                vrf.deferral = None;
                vrf.owes_complete = true;
                for peer in vrf.peers.values_mut() {
                    peer.session.restart_is_over();
                }
                over.extend(vrf.peers.keys().copied());
            }
        }
        for id in over {
            self.refresh_path_beyond(id);
        }
    }
}

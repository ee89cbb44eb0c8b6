//! What sessions cause: peers that come and go, and what they tell.

use std::time::Duration;

use causeway_edge_types::{Family, PeerId};
use causeway_wire::bgp::{Notification, Update, cease, code};

use super::{Context, Router};
use crate::peer::Peer;
use crate::session::{Action, Pause};
use crate::{Event, TransportId};

/// How long a peer that is back may take to tell its table before what it told last time goes.
const TABLE_PATIENCE: Duration = Duration::from_secs(120);
/// How long after a restart of the peer the end of its BFD session may be the end of the one before. Detection is over
/// by then with any timers that make sense.
const BFD_DOUBT: Duration = Duration::from_secs(5);

impl Router {
    /// Runs `f` on the peer of a transport that we know, and does what its session then wants.
    pub(super) fn on_transport(&mut self, transport: TransportId, f: impl FnOnce(&mut Peer, &mut Context)) {
        if let Some(id) = self.cx.owners.get(&transport).copied() {
            self.with_peer(id, f);
            self.act(id);
        }
    }

    pub(super) fn accepted(&mut self, transport: TransportId, id: PeerId) {
        if self.peer(id).is_none() {
            self.cx.note(id, "a connection from somebody who is no peer was refused");
            self.cx.close(transport);
            return;
        }
        self.cx.owners.insert(transport, id);
        self.with_peer(id, |peer, cx| peer.session.accepted(cx, transport));
        self.act(id);
    }

    pub(super) fn bytes(&mut self, transport: TransportId, bytes: &[u8]) {
        let Some(id) = self.cx.owners.get(&transport).copied() else { return };
        self.with_peer(id, |peer, _| peer.session.feed(transport, bytes));
        // One message at a time: what the first one causes, such as too many prefixes, may forbid the second.
        while self.with_peer(id, |peer, cx| peer.session.step(cx, transport)) == Some(true) {
            self.act(id);
        }
    }

    pub(super) fn peer_timeout(&mut self, id: PeerId) {
        self.with_peer(id, |peer, cx| peer.session.timeout(cx));
        self.act(id);
        let now = self.cx.now;
        if self.peer(id).is_some_and(|peer| peer.stale_until.is_some_and(|until| until <= now)) {
            self.cx.note(id, "the peer did not tell its table again in time: what it told before is gone");
            self.drop_stale(id);
        }
    }

    /// Does what the peer's session wants done.
    pub(super) fn act(&mut self, id: PeerId) {
        while let Some(action) = self.peer_mut(id).and_then(|peer| peer.session.next_action()) {
            match action {
                Action::Up => self.up(id),
                Action::Down { keep_routes, reason } => self.down(id, keep_routes, reason),
                Action::Update(update) => self.update(id, *update),
                Action::Refresh => {
                    self.with_peer(id, |peer, _| peer.wants_all_again = true);
                }
            }
        }
    }

    fn up(&mut self, id: PeerId) {
        let now = self.cx.now;
        let Some(peer) = self.peer_mut(id) else { return };
        let Some(negotiated) = peer.session.negotiated().cloned() else { return };
        let has_restarted = negotiated.restart.is_some_and(|restart| restart.has_restarted);
        let is_preserved = negotiated.restart.is_some_and(|restart| restart.forwarding_preserved);
        peer.router_id = negotiated.router_id;
        peer.bfd_has_failed = false;
        peer.bfd_is_doubted_until = has_restarted.then_some(now + BFD_DOUBT);
        peer.owes_end_of_rib = true;
        let keeps_stale = peer.adj_in.keeps_stale();
        self.cx.event(Event::SessionUp { peer: id, hold_time_s: negotiated.hold_time_s });
        self.refresh_liveness(id);
        if keeps_stale && !is_preserved {
            self.drop_stale(id);
        } else if keeps_stale {
            let until = now + TABLE_PATIENCE;
            self.with_peer(id, |peer, _| peer.stale_until = Some(until));
        }
        self.peer_is_up(id, negotiated.restart);
        self.tell_changes(id);
    }

    fn down(&mut self, id: PeerId, keep_routes: Option<Duration>, reason: String) {
        let now = self.cx.now;
        let Some(peer) = self.peer_mut(id) else { return };
        let keep_routes = keep_routes.filter(|_| peer.link_is_up && !peer.bfd_has_failed);
        peer.adj_in.session_lost(keep_routes.is_some());
        peer.stale_until = keep_routes.map(|time| now + time);
        peer.begin_sweep(false);
        peer.adj_out.clear();
        peer.to_tell.clear();
        peer.to_repeat.clear();
        peer.wants_all_again = false;
        peer.owes_end_of_rib = false;
        peer.is_congested = false;
        self.refresh_liveness(id);
        self.cx.event(Event::SessionDown { peer: id, reason });
    }

    /// Stale paths go, in a sweep.
    pub(super) fn drop_stale(&mut self, id: PeerId) {
        if let Some(peer) = self.peer_mut(id) {
            peer.stale_until = None;
            peer.adj_in.stop_keeping_stale();
            peer.begin_sweep(false);
            self.refresh_liveness(id);
        }
    }

    /// Goes over the whole table: what the peer was told otherwise, or not at all, it is told, and then the end of it.
    pub(super) fn tell_changes(&mut self, id: PeerId) {
        let Some(vrf) = self.homes.get(&id).and_then(|home| self.vrfs.get_mut(home)) else { return };
        let Some(peer) = vrf.peers.get_mut(&id) else { return };
        let family = peer.family();
        let table = vrf.loc_rib.keys().filter(|prefix| Family::of_prefix(prefix) == family);
        peer.to_tell.extend(table.chain(peer.adj_out.keys()));
        peer.owes_end_of_rib = true;
    }

    fn update(&mut self, id: PeerId, update: Update) {
        let Some(vrf) = self.homes.get(&id).and_then(|home| self.vrfs.get_mut(home)) else { return };
        let Some(peer) = vrf.peers.get_mut(&id) else { return };
        let family = peer.family();
        for fault in &update.faults {
            self.cx.note(id, format!("attribute {}: {} ({:?})", fault.code, fault.reason, fault.action));
        }
        let is_foreign = |prefix: &&ipnet::IpNet| Family::of_prefix(prefix) != family;
        if let Some(foreign) = update.withdrawn.iter().chain(&update.announced).find(is_foreign) {
            self.cx.note(id, format!("{foreign} is of a family that was not agreed on: ignored"));
        }
        for prefix in update.withdrawn.iter().filter(|prefix| !is_foreign(prefix)) {
            if peer.adj_in.withdraw(prefix) {
                vrf.to_decide.insert(*prefix);
            }
        }
        let limit = peer.config.import.max_prefixes;
        let is_near_limit = |fresh: u32| u64::from(fresh) * 5 >= u64::from(limit) * 4;
        let was_near_limit = is_near_limit(peer.adj_in.fresh());
        let mut is_too_many = false;
        if let Some(attributes) = update.attributes {
            let rules = peer.import_rules();
            let refusal = rules.refuse_attributes(&attributes);
            let attributes = self.interner.intern(attributes);
            for prefix in update.announced.iter().filter(|prefix| !is_foreign(prefix)) {
                // Counted before it is stored: a flood costs no memory.
                if peer.adj_in.would_exceed(prefix, limit) {
                    is_too_many = true;
                    break;
                }
                let refusal = refusal.or_else(|| rules.refuse_prefix(prefix));
                if peer.adj_in.announce(*prefix, attributes.clone(), refusal) {
                    vrf.to_decide.insert(*prefix);
                }
            }
        }
        let fresh = peer.adj_in.fresh();
        if !was_near_limit && is_near_limit(fresh) {
            self.cx.note(id, format!("{fresh} of at most {limit} prefixes"));
        }
        if is_too_many {
            self.too_many_prefixes(id);
        } else if update.end_of_rib == Some(family) {
            if self.peer(id).is_some_and(|peer| peer.stale_until.is_some()) {
                self.drop_stale(id);
            }
            self.peer_has_told_all(id);
        }
    }

    /// Ends the session as RFC 4486 section 4 has it; it comes back after a pause, to see whether there are fewer.
    pub(super) fn too_many_prefixes(&mut self, id: PeerId) {
        let reason = self.with_peer(id, |peer, cx| {
            let limit = peer.config.import.max_prefixes;
            let mut notification = Notification::new(code::CEASE, cease::MAXIMUM_PREFIXES);
            let afi = if peer.family() == Family::Ipv4 { 1 } else { 2 };
            notification.data = [0, afi, 1].into_iter().chain(limit.to_be_bytes()).collect();
            let reason = format!("more than {limit} prefixes");
            peer.session.fail(cx, notification, Pause::TooManyPrefixes, &reason);
            reason
        });
        if let Some(reason) = reason {
            self.cx.note(id, reason);
        }
    }
}

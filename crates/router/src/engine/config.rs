//! A configuration is compared with the one before; what stays the same is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

use causeway_edge_types::{Attachment, AttachmentId, EdgeConfig, Family, PeerConfig, PeerId, VrfConfig, VrfId};
use causeway_wire::bgp::{Notification, cease, code};
use ipnet::IpNet;

use super::Router;
use crate::peer::{Peer, Place};
use crate::session::Session;
use crate::vrf::Vrf;
use crate::{BfdInput, BfdSessionConfig, Event, Output};

type Attachments<'a> = BTreeMap<AttachmentId, &'a Attachment>;

impl Router {
    pub(super) fn configure(&mut self, config: Arc<EdgeConfig>) {
        let adopts = mem::take(&mut self.adopts);
        let attachments: Attachments<'_> = config.attachments.iter().map(|a| (a.id, a)).collect();
        self.remove_what_is_gone(&config);
        for vrf in &config.vrfs {
            self.configure_vrf(vrf, &attachments);
            for peer in &vrf.peers {
                let place = Place::of(attachments.get(&peer.id.attachment).copied(), Family::of(peer.id.address));
                self.configure_peer(&config, vrf, peer, place, adopts);
            }
            if adopts {
                self.defer(vrf.id);
            }
        }
        self.configure_bfd(&config);
        let generation = config.generation;
        self.config = Some(config);
        self.cx.event(Event::Configured { generation });
    }

    /// Peers and VRFs go before any come: a peer may have moved from one VRF to another.
    fn remove_what_is_gone(&mut self, config: &EdgeConfig) {
        let vrfs: BTreeSet<VrfId> = config.vrfs.iter().map(|vrf| vrf.id).collect();
        let homes = config.vrfs.iter().flat_map(|vrf| vrf.peers.iter().map(|peer| (peer.id, vrf.id)));
        let homes: BTreeMap<PeerId, VrfId> = homes.collect();
        let gone: Vec<PeerId> =
            self.homes.iter().filter(|(peer, vrf)| homes.get(peer) != Some(vrf)).map(|(peer, _)| *peer).collect();
        for &id in &gone {
            self.fib.set_alive(&mut self.cx, id, false);
        }
        for id in gone {
            self.with_peer(id, |peer, cx| {
                let notification = Notification::new(code::CEASE, cease::PEER_DECONFIGURED);
                peer.session.stop(cx, Some(notification), "the peer is no longer configured");
            });
            self.act(id);
            if let Some(vrf) = self.homes.remove(&id).and_then(|home| self.vrfs.get_mut(&home))
                && let Some(peer) = vrf.peers.remove(&id)
            {
                vrf.to_decide.extend(peer.adj_in.iter().map(|(prefix, _)| *prefix));
                if let Some(deferral) = &mut vrf.deferral {
                    deferral.waits_for.remove(&id);
                }
            }
        }
        // A peer that moves to another VRF is another peer: its BFD begins anew too, and says what the new one says.
        let bfd_sessions = self.bfd_sessions.len();
        self.bfd_sessions.retain(|session| self.homes.contains_key(&session.peer));
        if self.bfd_sessions.len() < bfd_sessions {
            self.cx.output(Output::Bfd(BfdInput::Sessions(self.bfd_sessions.clone())));
        }
        let gone: Vec<VrfId> = self.vrfs.keys().filter(|id| !vrfs.contains(id)).copied().collect();
        for id in gone {
            self.vrfs.remove(&id);
            self.fib.remove_vrf(&mut self.cx, id);
        }
    }

    fn configure_vrf(&mut self, config: &VrfConfig, attachments: &Attachments<'_>) {
        let vrf = self.vrfs.entry(config.id).or_insert_with(|| Vrf::new(config.id));
        vrf.local_asn = config.local_asn;
        let originate: BTreeSet<IpNet> = config.originate.iter().map(IpNet::trunc).collect();
        vrf.to_decide.extend(originate.symmetric_difference(&vrf.originate));
        vrf.originate = originate;
        let on_link: BTreeMap<IpNet, AttachmentId> = attachments
            .values()
            .filter(|attachment| attachment.vrf == config.id)
            .flat_map(|attachment| attachment.on_link.iter().map(|prefix| (prefix.trunc(), attachment.id)))
            .collect();
        let differs = |one: &BTreeMap<IpNet, AttachmentId>, other: &BTreeMap<IpNet, AttachmentId>| {
            one.iter()
                .filter(|(prefix, id)| other.get(prefix) != Some(id))
                .map(|(prefix, _)| *prefix)
                .collect::<Vec<_>>()
        };
        vrf.to_decide.extend(differs(&on_link, &vrf.on_link));
        vrf.to_decide.extend(differs(&vrf.on_link, &on_link));
        vrf.on_link = on_link;
        if vrf.route_limit != config.route_limit {
            vrf.route_limit = config.route_limit;
            vrf.to_decide.extend(vrf.loc_rib.keys());
        }
    }

    fn configure_peer(&mut self, edge: &EdgeConfig, vrf: &VrfConfig, new: &PeerConfig, place: Place, adopts: bool) {
        let id = new.id;
        let settings = Peer::settings(new, vrf.local_asn, edge.router_id);
        let link_is_up = place.port.as_ref().and_then(|port| self.links.get(port)).copied().unwrap_or(true);
        let now = self.cx.now;
        let Some(old) = self.peer_mut(id).map(|peer| peer.config.clone()) else {
            let session = Session::new(settings, new.passive, adopts, now);
            let peer = Peer::new(new.clone(), vrf.local_asn, place, session, link_is_up);
            self.homes.insert(id, vrf.id);
            self.vrfs.entry(vrf.id).or_insert_with(|| Vrf::new(vrf.id)).peers.insert(id, peer);
            if link_is_up {
                self.link_sessions(id, true);
            }
            return;
        };
        let is_reset = self
            .peer(id)
            .is_some_and(|peer| *peer.session.settings() != settings || peer.config.md5_key != new.md5_key);
        if is_reset {
            // The session that ends still has the configuration that it began with.
            self.with_peer(id, |peer, cx| {
                let notification = Notification::new(code::CEASE, cease::CONFIGURATION_CHANGE);
                peer.session.stop(cx, Some(notification), "the session's configuration has changed");
            });
            self.act(id);
            self.drop_stale(id);
        }
        let Some(peer) = self.peer_mut(id) else { return };
        let is_moved = peer.place != place;
        peer.config = new.clone();
        peer.local_asn = vrf.local_asn;
        peer.place = place;
        peer.refresh_rules();
        peer.session.set_passive(new.passive);
        if new.bfd.is_none() {
            peer.bfd = None;
            peer.bfd_has_failed = false;
        }
        if old.bfd.is_none() {
            peer.says_path_down = false;
        }
        if is_moved || old.import != new.import || old.side != new.side || is_reset {
            peer.begin_sweep(true);
        }
        let is_over_limit = peer.adj_in.fresh() > new.import.max_prefixes;
        let was_up = peer.link_is_up;
        if is_reset {
            peer.session = Session::new(settings, new.passive, false, now);
        } else if old.export != new.export {
            self.tell_changes(id);
        }
        if is_reset || was_up != link_is_up {
            self.set_link(id, link_is_up);
            self.link_sessions(id, link_is_up);
        }
        self.refresh_liveness(id);
        if is_over_limit {
            self.too_many_prefixes(id);
        } else if old.passive && !new.passive {
            self.with_peer(id, |peer, cx| peer.session.hurry(cx));
        }
    }

    fn configure_bfd(&mut self, config: &EdgeConfig) {
        let peers = || config.vrfs.iter().flat_map(|vrf| &vrf.peers);
        let sessions: Vec<BfdSessionConfig> = peers()
            .filter_map(|peer| Some(BfdSessionConfig { peer: peer.id, local: peer.local_address, timers: peer.bfd? }))
            .collect();
        if sessions != self.bfd_sessions {
            self.bfd_sessions.clone_from(&sessions);
            self.cx.output(Output::Bfd(BfdInput::Sessions(sessions)));
        }
        self.beyond.clear();
        for peer in peers() {
            for beyond in &peer.path_beyond {
                self.beyond.entry(*beyond).or_default().push(peer.id);
            }
        }
        for peer in peers() {
            self.refresh_path_beyond(peer.id);
        }
    }
}

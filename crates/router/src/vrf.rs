//! One routing table: its peers, what was chosen, and what is still to be decided on.

use std::collections::{BTreeMap, BTreeSet};

use causeway_edge_types::{Asn, AttachmentId, Family, Moment, PeerId, VrfId};
use ipnet::IpNet;
use smallvec::SmallVec;

use crate::engine::Context;
use crate::fib::{Fib, Member, Wanted};
use crate::peer::Peer;
use crate::rib::{Candidate, Learned, Route, select};

/// After a restart of the process: routes are chosen only when the peers have told theirs again (RFC 4724 section 4.1).
#[derive(Clone, Debug)]
pub(crate) struct Deferral {
    /// It ends now in any case.
    pub(crate) until: Moment,
    /// Who has not finished; a peer that will not mark the end of its table has a time of its own.
    pub(crate) waits_for: BTreeMap<PeerId, Option<Moment>>,
}

pub(crate) struct Vrf {
    pub(crate) id: VrfId,
    pub(crate) local_asn: Asn,
    pub(crate) route_limit: u32,
    pub(crate) originate: BTreeSet<IpNet>,
    pub(crate) on_link: BTreeMap<IpNet, AttachmentId>,
    pub(crate) peers: BTreeMap<PeerId, Peer>,
    pub(crate) loc_rib: BTreeMap<IpNet, Route>,
    /// Prefixes to decide on.
    pub(crate) to_decide: BTreeSet<IpNet>,
    /// Routes that the data plane was not given since it has enough.
    pub(crate) over_limit: BTreeSet<IpNet>,
    pub(crate) deferral: Option<Deferral>,
    /// The deferral is over; when all is decided, the data plane may throw out what is left of before.
    pub(crate) owes_complete: bool,
}

impl Vrf {
    pub(crate) fn new(id: VrfId) -> Vrf {
        Vrf {
            id,
            local_asn: Asn(0),
            route_limit: 0,
            originate: BTreeSet::new(),
            on_link: BTreeMap::new(),
            peers: BTreeMap::new(),
            loc_rib: BTreeMap::new(),
            to_decide: BTreeSet::new(),
            over_limit: BTreeSet::new(),
            deferral: None,
            owes_complete: false,
        }
    }

    /// Whether there is something to do that does not wait for a time or an input.
    pub(crate) fn has_work(&self) -> bool {
        let has_to_tell = |peer: &Peer| peer.may_be_told() && peer.has_to_be_told();
        self.peers.values().any(|peer| peer.sweep.is_some())
            || self.deferral.is_none()
                && (!self.to_decide.is_empty() || self.owes_complete || self.peers.values().any(has_to_tell))
    }

    /// Chooses a route for the prefix and sees to it that the data plane and the peers get to know.
    pub(crate) fn decide(&mut self, cx: &mut Context, fib: &mut Fib, prefix: IpNet) {
        let learned = self.choose(&prefix);
        self.forward(cx, fib, prefix, learned.as_ref());
        let is_originated = self.originate.contains(&prefix);
        let is_there = is_originated || learned.is_some();
        let new = Route { is_originated, learned };
        let old = if is_there {
            let old = self.loc_rib.insert(prefix, new.clone());
            old.unwrap_or_default()
        } else {
            self.loc_rib.remove(&prefix).unwrap_or_default()
        };
        if !old.told_alike(&new) {
            let family = Family::of_prefix(&prefix);
            for peer in self.peers.values_mut().filter(|peer| peer.family() == family) {
                if peer.session.is_established() {
                    peer.to_tell.insert(prefix);
                }
            }
        }
    }

    fn choose(&self, prefix: &IpNet) -> Option<Learned> {
        let mut paths: SmallVec<[_; 4]> = SmallVec::new();
        let mut candidates: SmallVec<[Candidate<'_>; 4]> = SmallVec::new();
        for peer in self.peers.values() {
            let Some(path) = peer.adj_in.usable(prefix) else { continue };
            candidates.push(Candidate {
                peer: peer.config.id,
                weight: peer.config.import.weight,
                is_external: peer.is_ebgp(),
                router_id: peer.router_id,
                attributes: &path.attributes,
                is_alive: peer.is_alive(),
            });
            paths.push((peer, path));
        }
        let selection = select(&candidates)?;
        let member = |index: &usize| {
            let (peer, path) = paths[*index];
            Member { peer: peer.config.id, address: peer.forwarding_address(&path.attributes) }
        };
        let mut members: Vec<Member> = selection.multipath.iter().map(member).collect();
        members.sort_unstable();
        let (peer, path) = paths[selection.best];
        Some(Learned {
            peer: peer.config.id,
            side: peer.config.side,
            is_external: peer.is_ebgp(),
            attributes: path.attributes.clone(),
            weight: peer.config.import.weight,
            members,
            reason: selection.reason,
        })
    }

    /// Tells the data plane, unless the VRF has as many routes as it may.
    fn forward(&mut self, cx: &mut Context, fib: &mut Fib, prefix: IpNet, learned: Option<&Learned>) {
        let family = Family::of_prefix(&prefix);
        let wanted = match self.on_link.get(&prefix) {
            Some(attachment) => Some(Wanted::OnLink(*attachment)),
            None => learned.map(|learned| Wanted::Members(learned.members.clone())),
        };
        let had_one = fib.has_group_route(self.id, prefix);
        let is_counted = matches!(wanted, Some(Wanted::Members(_)));
        let others = fib.count(self.id, family) - u32::from(had_one);
        if is_counted && others >= self.route_limit {
            // Said once, about the first: there may be thousands.
            if self.over_limit.is_empty()
                && let Some(learned) = learned
            {
                let text = format!("VRF {} has its {} routes: {prefix} is not forwarded", self.id, self.route_limit);
                cx.note(learned.peer, text);
            }
            self.over_limit.insert(prefix);
            fib.set_route(cx, self.id, prefix, None);
            return;
        }
        self.over_limit.remove(&prefix);
        fib.set_route(cx, self.id, prefix, wanted);
        if fib.count(self.id, family) < self.route_limit {
            // There is room for one that had to wait; deciding on it looks for the next.
            let waiting = self.over_limit.iter().find(|waiting| Family::of_prefix(waiting) == family);
            self.to_decide.extend(waiting.copied());
        }
    }
}

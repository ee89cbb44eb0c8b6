//! What there is to do beside answering: sweeps of adj_in, decisions, and telling the peers. In bounded steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use causeway_edge_types::{Family, PeerId};
use causeway_wire::bgp::{self, Attributes, SessionOptions};
use ipnet::IpNet;

use super::Router;
use crate::engine::Context;
use crate::peer::{Peer, Sweep};
use crate::rib::{Interner, Judge, Route};
use crate::vrf::Vrf;
use crate::{FibChange, Output};

/// Prefixes per step, of each kind of work. A step takes one to three milliseconds in a build without optimisation; that
/// is how long a flip may have to wait for the driver's turn.
const STEP: usize = 256;

impl Router {
    /// One step: VRFs in turn, beginning with the one after the last, until about [`STEP`] prefixes have been handled.
    pub(super) fn work(&mut self) {
        let first = self.next_vrf;
        let order: Vec<_> = self.vrfs.range(first..).chain(self.vrfs.range(..first)).map(|(id, _)| *id).collect();
        let mut done = 0;
        for id in order {
            let Some(vrf) = self.vrfs.get_mut(&id) else { continue };
            if !vrf.has_work() {
                continue;
            }
            if done >= STEP {
                self.next_vrf = id;
                return;
            }
            done += sweep(vrf);
            if vrf.deferral.is_some() {
                continue;
            }
            for _ in 0..STEP {
                let Some(prefix) = vrf.to_decide.pop_first() else { break };
                vrf.decide(&mut self.cx, &mut self.fib, prefix);
                done += 1;
            }
            let is_settled = vrf.to_decide.is_empty() && vrf.peers.values().all(|peer| peer.sweep.is_none());
            if is_settled && vrf.owes_complete {
                vrf.owes_complete = false;
                self.cx.output(Output::Fib(FibChange::VrfComplete(id)));
            }
            done += tell(vrf, &mut self.cx, &mut self.interner, is_settled);
        }
    }
}

/// A step of each sweep that is on.
fn sweep(vrf: &mut Vrf) -> usize {
    let mut done = 0;
    for peer in vrf.peers.values_mut() {
        let Some(Sweep { after, judges }) = peer.sweep else { continue };
        let rules = peer.import_rules();
        let judge = |prefix: &IpNet, attributes: &Attributes| rules.refuse(prefix, attributes);
        let visited = peer.adj_in.sweep(after, STEP, judges.then_some(&judge as &Judge<'_>));
        peer.sweep = match visited.last() {
            Some(last) if visited.len() == STEP => Some(Sweep { after: Some(*last), judges }),
            _ => None,
        };
        done += visited.len();
        vrf.to_decide.extend(visited);
    }
    done
}

/// Tells each peer a step's worth of what it must be told; the end of the table comes when all is decided and told.
fn tell(vrf: &mut Vrf, cx: &mut Context, interner: &mut Interner, is_settled: bool) -> usize {
    let mut done = 0;
    let Vrf { peers, loc_rib, .. } = vrf;
    for peer in peers.values_mut().filter(|peer| peer.may_be_told()) {
        let Some(options) = peer.session.options() else { continue };
        if peer.wants_all_again && peer.to_tell.is_empty() {
            repeat_all(peer, loc_rib);
        }
        let rules = peer.export_rules();
        let mut withdrawn: Vec<IpNet> = Vec::new();
        let mut announced: BTreeMap<Arc<Attributes>, Vec<IpNet>> = BTreeMap::new();
        // Routes that were learned with the same attributes mostly follow one another.
        let mut last: Option<(Arc<Attributes>, PeerId, Option<Arc<Attributes>>)> = None;
        for _ in 0..STEP {
            let Some(prefix) = peer.to_tell.pop_first() else { break };
            done += 1;
            let is_repeated = peer.to_repeat.remove(&prefix);
            let route = loc_rib.get(&prefix);
            let learned =
                route.and_then(|route| route.learned.as_ref()).filter(|_| route.is_some_and(|r| !r.is_originated));
            let attributes = match (&last, learned) {
                (Some((from, teller, told)), Some(learned))
                    if Arc::ptr_eq(from, &learned.attributes) && *teller == learned.peer =>
                {
                    told.clone()
                }
                _ => route.and_then(|route| rules.export(route)).map(|attributes| interner.intern(attributes)),
            };
            if let Some(learned) = learned {
                last = Some((learned.attributes.clone(), learned.peer, attributes.clone()));
            }
            match attributes {
                Some(attributes) if !is_repeated && peer.adj_out.get(&prefix) == Some(&attributes) => {}
                Some(attributes) => announced.entry(attributes).or_default().push(prefix),
                None if peer.adj_out.remove(&prefix).is_some() => withdrawn.push(prefix),
                None => {}
            }
        }
        for (attributes, prefixes) in announced {
            withdrawn.extend(announce(peer, cx, &options, &attributes, &prefixes));
        }
        for message in bgp::pack_withdrawals(&withdrawn, &options) {
            peer.session.send(cx, message);
        }
        if is_settled && peer.owes_end_of_rib && peer.to_tell.is_empty() {
            peer.owes_end_of_rib = false;
            peer.session.send(cx, bgp::encode_end_of_rib(peer.family()));
        }
    }
    done
}

/// The peer has asked for everything again (RFC 2918).
fn repeat_all(peer: &mut Peer, loc_rib: &BTreeMap<IpNet, Route>) {
    peer.wants_all_again = false;
    peer.to_repeat = peer.adj_out.keys().copied().collect();
    let family = peer.family();
    let table = loc_rib.keys().filter(|prefix| Family::of_prefix(prefix) == family);
    peer.to_tell.extend(table.chain(peer.adj_out.keys()));
    peer.owes_end_of_rib = true;
}

/// Announces; returns what must be withdrawn instead, since its attributes do not fit into a message.
fn announce(
    peer: &mut Peer,
    cx: &mut Context,
    options: &SessionOptions,
    attributes: &Arc<Attributes>,
    prefixes: &[IpNet],
) -> Vec<IpNet> {
    match bgp::pack_announcements(attributes, prefixes, options) {
        Ok(messages) => {
            for message in messages {
                peer.session.send(cx, message);
            }
            peer.adj_out.extend(prefixes.iter().map(|prefix| (*prefix, attributes.clone())));
            Vec::new()
        }
        Err(error) => {
            cx.note(peer.config.id, format!("{} prefixes can't be announced: {error}", prefixes.len()));
            prefixes.iter().filter(|prefix| peer.adj_out.remove(prefix).is_some()).copied().collect()
        }
    }
}

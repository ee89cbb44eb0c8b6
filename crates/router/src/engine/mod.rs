//! The router: five verbs over everything else in this crate.
//!
//! ```text
//!   handle_input ──▶ session ──▶ adj_in ──▶ to_decide          at once, and flips of groups before anything else
//!   handle_timeout ─▶ timers;  sweeps ─▶ decide ─▶ fib, to_tell ─▶ UPDATEs      in bounded steps
//! ```
//!
//! While there is work, `poll_timeout` says "now": the driver gives its next input in between if it has one, so that
//! the loss of a link never waits behind ten thousand withdrawals.

mod config;
mod context;
mod liveness;
mod restart;
mod sessions;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use causeway_edge_types::{EdgeConfig, Moment, PeerId, PortName, VrfId};

pub(crate) use self::context::Context;
use crate::fib::Fib;
use crate::peer::Peer;
use crate::rib::Interner;
use crate::vrf::Vrf;
use crate::{BfdSessionConfig, Event, Input, Output};

/// The engine of one edge: sessions, policy, RIB and FIB.
pub struct Router {
    pub(crate) cx: Context,
    fib: Fib,
    interner: Interner,
    config: Option<Arc<EdgeConfig>>,
    pub(crate) vrfs: BTreeMap<VrfId, Vrf>,
    /// In which VRF each peer is.
    homes: BTreeMap<PeerId, VrfId>,
    /// For each peer, those whose path beyond it is.
    beyond: BTreeMap<PeerId, Vec<PeerId>>,
    /// Ports whose carrier we were told of; one that we were not told of is taken to be up.
    links: BTreeMap<PortName, bool>,
    bfd_sessions: Vec<BfdSessionConfig>,
    /// The process adopts forwarding state that an earlier one has left; over with the first configuration.
    adopts: bool,
    /// The VRF whose work comes first next time.
    next_vrf: VrfId,
}

impl Router {
    /// A router that knows nothing yet. The seed spreads its timers and decides nothing else.
    pub fn new(seed: u64) -> Router {
        Router {
            cx: Context::new(seed),
            fib: Fib::default(),
            interner: Interner::default(),
            config: None,
            vrfs: BTreeMap::new(),
            homes: BTreeMap::new(),
            beyond: BTreeMap::new(),
            links: BTreeMap::new(),
            bfd_sessions: Vec::new(),
            adopts: false,
            next_vrf: VrfId(0),
        }
    }

    /// A router in a process that has adopted forwarding state from an earlier one. It says so to its peers (RFC 4724),
    /// chooses routes only when they have told it theirs, and then gives [`crate::FibChange::VrfComplete`] for each VRF.
    pub fn new_restarting(seed: u64) -> Router {
        Router { adopts: true, ..Router::new(seed) }
    }

    /// Takes one input. Outputs and events are to be drained before the next.
    pub fn handle_input(&mut self, now: Moment, input: Input<'_>) {
        self.cx.now = now;
        match input {
            Input::Config(config) => self.configure(config),
            Input::Connected(transport) => {
                self.on_transport(transport, |peer, cx| peer.session.connected(cx, transport))
            }
            Input::Accepted { transport, peer } => self.accepted(transport, peer),
            Input::Closed { transport, reason } => {
                let owner = self.cx.owners.remove(&transport);
                if let Some((vrf, id)) = owner.and_then(|id| Some((*self.homes.get(&id)?, id))) {
                    if let Some(peer) = self.vrfs.get_mut(&vrf).and_then(|vrf| vrf.peers.get_mut(&id)) {
                        peer.session.closed(&mut self.cx, transport, &reason);
                    }
                    self.act(id);
                }
            }
            Input::Bytes { transport, bytes } => self.bytes(transport, bytes),
            Input::Queued { transport, bytes } => self.on_transport(transport, |peer, cx| {
                peer.session.queued(cx.now, transport, bytes);
                peer.queued(bytes);
            }),
            Input::Link { port, is_up } => self.link(port, is_up),
            Input::Bfd(notice) => self.bfd_notice(notice),
        }
    }

    /// Does what is due, and a bounded part of what there is to do.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.cx.now = now;
        let is_due = |moment: Option<Moment>| moment.is_some_and(|moment| moment <= now);
        let mut due = Vec::new();
        for vrf in self.vrfs.values() {
            due.extend(vrf.peers.values().filter(|p| is_due(next_timeout(p))).map(|peer| peer.config.id));
        }
        for id in due {
            self.peer_timeout(id);
        }
        self.deferral_timeouts();
        self.work();
    }

    /// What the driver is to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.cx.next_output()
    }

    /// What has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.cx.next_event()
    }

    /// When `handle_timeout` is to be called, whatever comes in before.
    pub fn poll_timeout(&self) -> Option<Moment> {
        if self.vrfs.values().any(Vrf::has_work) {
            return Some(self.cx.now);
        }
        let deferrals = self.vrfs.values().filter_map(|vrf| vrf.deferral.as_ref()?.next_timeout());
        let peers = self.vrfs.values().flat_map(|vrf| vrf.peers.values()).filter_map(next_timeout);
        deferrals.chain(peers).min()
    }

    pub(crate) fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.vrfs.get(self.homes.get(&id)?)?.peers.get(&id)
    }

    fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.vrfs.get_mut(self.homes.get(&id)?)?.peers.get_mut(&id)
    }

    /// Runs `f` on a peer with the context beside it.
    fn with_peer<T>(&mut self, id: PeerId, f: impl FnOnce(&mut Peer, &mut Context) -> T) -> Option<T> {
        let peer = self.vrfs.get_mut(self.homes.get(&id)?)?.peers.get_mut(&id)?;
        Some(f(peer, &mut self.cx))
    }
}

fn next_timeout(peer: &Peer) -> Option<Moment> {
    [peer.session.next_timeout(), peer.stale_until].into_iter().flatten().min()
}

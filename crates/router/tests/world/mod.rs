//! Routers on a virtual network: virtual time, cables with delays, transports that can be cut anywhere, processes that
//! can be killed. The same seed gives the same run.
#![allow(dead_code)]

pub mod build;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use causeway_edge_types::{EdgeConfig, Moment, PeerId, PortName};
use causeway_router::{BfdInput, BfdNotice, Event, FibChange, Input, Output, Router, TransportId};

/// A seeded generator of the test's own.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut mixed = self.0;
        mixed ^= mixed >> 33;
        mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
        (mixed ^ (mixed >> 33)) % bound
    }
}

/// One end of a cable: which router, and whom it sees there.
pub type End = (usize, PeerId);

pub struct Cable {
    pub ends: [End; 2],
    pub is_up: bool,
    pub delay: Duration,
}

pub struct Node {
    /// None while the process is dead.
    pub router: Option<Router>,
    pub config: Arc<EdgeConfig>,
    pub fib: Vec<FibChange>,
    pub bfd: Vec<BfdInput>,
    pub events: Vec<Event>,
    next_accepted: u64,
    boots: u64,
}

enum What {
    Accept { cable: usize, to: usize, from: (usize, TransportId) },
    Connected { to: usize, transport: TransportId },
    Bytes { to: usize, transport: TransportId, bytes: Vec<u8> },
    Closed { to: usize, transport: TransportId, reason: &'static str },
}

/// A transport's other end, once there is one.
struct Wire {
    cable: usize,
    far: Option<(usize, TransportId)>,
    /// Nothing arrives before this: bytes keep their order.
    busy_until: Moment,
}

pub struct World {
    pub now: Moment,
    pub dice: Dice,
    pub nodes: Vec<Node>,
    pub cables: Vec<Cable>,
    queue: BTreeMap<(Moment, u64), What>,
    wires: BTreeMap<(usize, TransportId), Wire>,
    sequence: u64,
}

impl World {
    pub fn new(seed: u64) -> World {
        World {
            now: Moment::from_millis(1),
            dice: Dice::new(seed),
            nodes: Vec::new(),
            cables: Vec::new(),
            queue: BTreeMap::new(),
            wires: BTreeMap::new(),
            sequence: 0,
        }
    }

    pub fn add(&mut self, config: EdgeConfig) -> usize {
        let index = self.nodes.len();
        let config = Arc::new(config);
        let node = Node { router: None, config, fib: vec![], bfd: vec![], events: vec![], next_accepted: 2, boots: 0 };
        self.nodes.push(node);
        index
    }

    pub fn cable(&mut self, one: End, other: End, delay: Duration) -> usize {
        self.cables.push(Cable { ends: [one, other], is_up: true, delay });
        self.cables.len() - 1
    }

    pub fn boot(&mut self, node: usize, adopts: bool) {
        self.nodes[node].boots += 1;
        self.nodes[node].fib.clear();
        let seed = self.dice.below(u64::MAX);
        let router = if adopts { Router::new_restarting(seed) } else { Router::new(seed) };
        self.nodes[node].router = Some(router);
        let config = self.nodes[node].config.clone();
        self.give(node, Input::Config(config));
    }

    pub fn configure(&mut self, node: usize, config: EdgeConfig) {
        self.nodes[node].config = Arc::new(config);
        let config = self.nodes[node].config.clone();
        self.give(node, Input::Config(config));
    }

    /// The process is gone; the kernel closes its sockets.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].router = None;
        let own: Vec<_> = self.wires.keys().filter(|(owner, _)| *owner == node).copied().collect();
        for (_, transport) in own {
            self.close(node, transport, "reset by the peer");
        }
    }

    /// Cuts a cable. Transports over it are silently dead; who is told of the carrier sees it.
    pub fn cut(&mut self, cable: usize) {
        self.cables[cable].is_up = false;
    }

    pub fn heal(&mut self, cable: usize) {
        self.cables[cable].is_up = true;
    }

    /// Resets every transport over a cable, as a firewall would.
    pub fn reset(&mut self, cable: usize) {
        let over: Vec<_> = self.wires.iter().filter(|(_, w)| w.cable == cable).map(|(key, _)| *key).collect();
        for (node, transport) in over {
            if self.wires.remove(&(node, transport)).is_some() {
                self.give(node, Input::Closed { transport, reason: "reset in between".to_owned() });
            }
        }
    }

    pub fn link(&mut self, node: usize, port: &str, is_up: bool) {
        self.give(node, Input::Link { port: PortName::from(port), is_up });
    }

    pub fn bfd(&mut self, node: usize, notice: BfdNotice) {
        self.give(node, Input::Bfd(notice));
    }

    pub fn router(&self, node: usize) -> &Router {
        self.nodes[node].router.as_ref().expect("the process is dead")
    }

    /// Gives one input and carries every output out. Work that waits is done when its time comes.
    pub fn give(&mut self, node: usize, input: Input<'_>) {
        let now = self.now;
        if let Some(router) = &mut self.nodes[node].router {
            router.handle_input(now, input);
            self.drain(node);
        }
    }

    fn drain(&mut self, node: usize) {
        let mut outputs = Vec::new();
        let Node { router: Some(router), events, .. } = &mut self.nodes[node] else { return };
        while let Some(output) = router.poll_output() {
            outputs.push(output);
        }
        while let Some(event) = router.poll_event() {
            events.push(event);
        }
        for output in outputs {
            match output {
                Output::Connect { transport, peer, .. } => self.connect(node, transport, peer),
                Output::Send { transport, bytes } => self.send(node, transport, bytes),
                Output::Close(transport) => self.close(node, transport, "closed by the peer"),
                Output::Fib(change) => self.nodes[node].fib.push(change),
                Output::Bfd(input) => self.nodes[node].bfd.push(input),
            }
        }
    }

    fn later(&mut self, at: Moment, what: What) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), what);
    }

    fn connect(&mut self, node: usize, transport: TransportId, peer: PeerId) {
        let found = self.cables.iter().enumerate().find_map(|(index, cable)| {
            let at = cable.ends.iter().position(|end| *end == (node, peer))?;
            Some((index, cable.ends[1 - at].0))
        });
        let Some((cable, to)) = found else { return };
        self.wires.insert((node, transport), Wire { cable, far: None, busy_until: self.now });
        let at = self.now + self.cables[cable].delay;
        self.later(at, What::Accept { cable, to, from: (node, transport) });
    }

    fn send(&mut self, node: usize, transport: TransportId, bytes: Vec<u8>) {
        let Some(wire) = self.wires.get_mut(&(node, transport)) else { return };
        let Some((to, far)) = wire.far else { return };
        let mut at = (self.now + self.cables[wire.cable].delay).max(wire.busy_until);
        // Cut anywhere: TCP keeps no message boundaries.
        let mut rest = bytes.as_slice();
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let length = (1 + self.dice.below(rest.len() as u64) as usize).max(rest.len().min(16));
            let (part, tail) = rest.split_at(length);
            parts.push((at, part.to_vec()));
            at = at + Duration::from_micros(self.dice.below(50));
            rest = tail;
        }
        wire.busy_until = at;
        for (at, bytes) in parts {
            self.later(at, What::Bytes { to, transport: far, bytes });
        }
    }

    fn close(&mut self, node: usize, transport: TransportId, reason: &'static str) {
        let Some(wire) = self.wires.remove(&(node, transport)) else { return };
        if let Some((to, transport)) = wire.far {
            let at = (self.now + self.cables[wire.cable].delay).max(wire.busy_until);
            self.later(at, What::Closed { to, transport, reason });
        }
    }

    fn deliver(&mut self, what: What) {
        match what {
            What::Accept { cable, to, from } => self.accept(cable, to, from),
            What::Connected { to, transport } if self.carries(to, transport) => {
                self.give(to, Input::Connected(transport));
            }
            What::Bytes { to, transport, bytes } if self.carries(to, transport) => {
                self.give(to, Input::Bytes { transport, bytes: &bytes });
            }
            What::Closed { to, transport, reason } if self.carries(to, transport) => {
                self.wires.remove(&(to, transport));
                self.give(to, Input::Closed { transport, reason: reason.to_owned() });
            }
            _ => {}
        }
    }

    fn carries(&self, node: usize, transport: TransportId) -> bool {
        self.wires.get(&(node, transport)).is_some_and(|wire| self.cables[wire.cable].is_up)
    }

    fn accept(&mut self, cable: usize, to: usize, from: (usize, TransportId)) {
        if !self.cables[cable].is_up || !self.wires.contains_key(&from) {
            return;
        }
        let back = self.now + self.cables[cable].delay;
        if self.nodes[to].router.is_none() {
            self.later(back, What::Closed { to: from.0, transport: from.1, reason: "connection refused" });
            return;
        }
        let transport = TransportId(self.nodes[to].next_accepted);
        self.nodes[to].next_accepted += 2;
        let busy_until = self.now;
        self.wires.insert((to, transport), Wire { cable, far: Some(from), busy_until });
        if let Some(wire) = self.wires.get_mut(&from) {
            wire.far = Some((to, transport));
        }
        self.later(back, What::Connected { to: from.0, transport: from.1 });
        // What the accepting end says at once must not overtake the news that there is a connection.
        if let Some(wire) = self.wires.get_mut(&(to, transport)) {
            wire.busy_until = back;
        }
        let ends = self.cables[cable].ends;
        let peer = if ends[0].0 == to && ends[1].0 == from.0 { ends[0].1 } else { ends[1].1 };
        self.give(to, Input::Accepted { transport, peer });
    }

    /// The next thing that happens, if it does before `until`.
    fn step(&mut self, until: Moment) -> bool {
        let timer = |(index, node): (usize, &Node)| Some((node.router.as_ref()?.poll_timeout()?, index));
        let timer = self.nodes.iter().enumerate().filter_map(timer).min();
        let delivery = self.queue.first_key_value().map(|(key, _)| key.0);
        let next = [timer.map(|(at, _)| at), delivery].into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= until) else { return false };
        self.now = self.now.max(next);
        match timer {
            Some((at, node)) if Some(at) <= delivery || delivery.is_none() => {
                let now = self.now;
                if let Some(router) = &mut self.nodes[node].router {
                    router.handle_timeout(now);
                }
                self.drain(node);
            }
            _ => {
                if let Some((_, what)) = self.queue.pop_first() {
                    self.deliver(what);
                }
            }
        }
        true
    }

    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        while self.step(until) {
            steps += 1;
            assert!(steps < 2_000_000, "something spins at {:?}", self.now);
        }
        self.now = until;
    }

    /// Runs until the condition holds, and fails when it does not within `limit`.
    pub fn run_until(&mut self, limit: Duration, what: &str, mut condition: impl FnMut(&World) -> bool) {
        let until = self.now + limit;
        while !condition(self) {
            assert!(self.step(until), "not within {limit:?}: {what}");
        }
    }

    /// Every prefix that `router` believes to have told over each cable is what the other end has heard, and the other
    /// way round.
    pub fn assert_views_agree(&self) {
        for cable in &self.cables {
            for (teller, hearer) in [(cable.ends[0], cable.ends[1]), (cable.ends[1], cable.ends[0])] {
                let told: BTreeMap<_, _> = self.router(teller.0).adj_out(teller.1).collect();
                let heard: BTreeMap<_, _> = self
                    .router(hearer.0)
                    .adj_in(hearer.1)
                    .inspect(|path| assert!(!path.is_stale, "{} is stale at {hearer:?}", path.prefix))
                    .map(|path| (path.prefix, path.attributes))
                    .collect();
                let prefixes = |view: &BTreeMap<_, _>| view.keys().copied().collect::<BTreeSet<_>>();
                assert_eq!(prefixes(&told), prefixes(&heard), "told by {teller:?}, heard by {hearer:?}");
                for (prefix, attributes) in &told {
                    // LOCAL_PREF does not cross; everything here is between two ASes.
                    assert_eq!(attributes, &heard[prefix], "{prefix} told by {teller:?}");
                }
            }
        }
    }
}

//! One router, and peers that say exactly what a test wants them to say.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use causeway_edge_types::{
    Asn, AttachmentId, BfdState, BgpState, EdgeConfig, Family, Moment, PeerId, PeerStatus, PortName, VrfId,
};
use causeway_router::{
    BfdDiagnostic, BfdInput, BfdNotice, Event, FibChange, GroupId, Input, NextHop, Output, RouteTarget, Router,
    TransportId,
};
use causeway_wire::bgp::{
    self, AsPath, AsPathSegment, Attributes, Capability, Message, Notification, Open, Origin, SessionOptions, Update,
};
use ipnet::IpNet;

pub const OPTIONS: SessionOptions = SessionOptions { four_octet_asn: true, extended_message: false, is_ebgp: true };

/// How a peer presents itself.
#[derive(Clone, Debug)]
pub struct Manners {
    pub asn: u32,
    pub router_id: Ipv4Addr,
    pub hold_time_s: u16,
    /// Restart time, R, N and F bits.
    pub restart: Option<(u16, bool, bool, bool)>,
}

impl Manners {
    pub fn of(asn: u32) -> Manners {
        Manners { asn, router_id: Ipv4Addr::new(10, 0, 0, 1), hold_time_s: 90, restart: None }
    }

    pub fn open(&self, family: Family) -> Open {
        let mut capabilities = vec![Capability::MultiProtocol(family), Capability::FourOctetAsn(Asn(self.asn))];
        if let Some((restart_time_s, has_restarted, covers_notification, preserved)) = self.restart {
            let families = vec![(family, preserved)];
            capabilities.push(Capability::GracefulRestart {
                has_restarted,
                covers_notification,
                restart_time_s,
                families,
            });
        }
        Open { asn: Asn(self.asn), hold_time_s: self.hold_time_s, router_id: self.router_id, capabilities }
    }
}

/// What the data plane would hold.
#[derive(Default)]
pub struct Held {
    pub groups: BTreeMap<GroupId, Vec<NextHop>>,
    pub routes: BTreeMap<(VrfId, IpNet), RouteTarget>,
    pub complete: Vec<VrfId>,
}

impl Held {
    /// Applies a change, and fails on one that is not safe at this point.
    pub fn apply(&mut self, change: &FibChange) {
        match change {
            FibChange::Group { group, buckets } => {
                assert!(buckets.is_empty() || buckets.len() == causeway_router::GROUP_BUCKETS);
                self.groups.insert(*group, buckets.clone());
            }
            FibChange::GroupRemoved(group) => {
                assert!(self.groups.remove(group).is_some(), "{group:?} was not there");
                let user = self.routes.iter().find(|(_, target)| **target == RouteTarget::Group(*group));
                assert!(user.is_none(), "{group:?} is still used by {user:?}");
            }
            FibChange::Route { vrf, prefix, target } => {
                if let RouteTarget::Group(group) = target {
                    assert!(self.groups.contains_key(group), "{prefix} before its {group:?}");
                }
                self.routes.insert((*vrf, *prefix), *target);
            }
            FibChange::RouteRemoved { vrf, prefix } => {
                assert!(self.routes.remove(&(*vrf, *prefix)).is_some(), "{prefix} was not there");
            }
            FibChange::VrfComplete(vrf) => self.complete.push(*vrf),
        }
    }

    /// The next hops that packets to the prefix take, each once.
    pub fn next_hops(&self, vrf: u32, prefix: IpNet) -> Vec<IpAddr> {
        match self.routes.get(&(VrfId(vrf), prefix)) {
            Some(RouteTarget::Group(group)) => {
                let mut addresses: Vec<IpAddr> = self.groups[group].iter().map(|hop| hop.address).collect();
                addresses.sort_unstable();
                addresses.dedup();
                addresses
            }
            _ => vec![],
        }
    }
}

pub struct Rig {
    pub router: Router,
    pub now: Moment,
    pub held: Held,
    /// Everything that came out since it was last taken.
    pub outputs: Vec<Output>,
    pub events: Vec<Event>,
    /// Messages that each transport has been sent and nobody has looked at.
    heard: BTreeMap<TransportId, Vec<Message>>,
    pub closed: Vec<TransportId>,
    pub connects: Vec<(TransportId, PeerId)>,
    pub transports: BTreeMap<PeerId, TransportId>,
    next: u64,
}

impl Rig {
    pub fn new(config: EdgeConfig) -> Rig {
        Rig::with(Router::new(42), config)
    }

    pub fn with(router: Router, config: EdgeConfig) -> Rig {
        let mut rig = Rig {
            router,
            now: Moment::from_millis(10),
            held: Held::default(),
            outputs: vec![],
            events: vec![],
            heard: BTreeMap::new(),
            closed: vec![],
            connects: vec![],
            transports: BTreeMap::new(),
            next: 2,
        };
        rig.configure(config);
        rig
    }

    pub fn configure(&mut self, config: EdgeConfig) {
        self.give(Input::Config(Arc::new(config)));
        self.work();
    }

    /// Gives an input and drains, without doing the work that then waits.
    pub fn give(&mut self, input: Input<'_>) {
        self.router.handle_input(self.now, input);
        self.drain();
    }

    /// Does all work that waits, without time passing.
    pub fn work(&mut self) {
        let mut steps = 0;
        while self.router.poll_timeout().is_some_and(|at| at <= self.now) {
            self.router.handle_timeout(self.now);
            self.drain();
            steps += 1;
            assert!(steps < 10_000, "it spins");
        }
    }

    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        while let Some(at) = self.router.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.router.handle_timeout(self.now);
            self.drain();
            steps += 1;
            assert!(steps < 100_000, "it spins");
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(output) = self.router.poll_output() {
            match &output {
                Output::Send { transport, bytes } => {
                    assert_eq!(bgp::frame(bytes, &OPTIONS).unwrap(), Some(bytes.len()));
                    let messages = bgp::decode(bytes, &OPTIONS).unwrap();
                    self.heard.entry(*transport).or_default().extend(messages);
                }
                Output::Close(transport) => self.closed.push(*transport),
                Output::Connect { transport, peer, .. } => self.connects.push((*transport, *peer)),
                Output::Fib(change) => self.held.apply(change),
                Output::Bfd(_) => {}
            }
            self.outputs.push(output);
        }
        while let Some(event) = self.router.poll_event() {
            self.events.push(event);
        }
    }

    /// What came out since the last time, forgotten here.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    pub fn take_fib(&mut self) -> Vec<FibChange> {
        let fib = |output| if let Output::Fib(change) = output { Some(change) } else { None };
        self.take_outputs().into_iter().filter_map(fib).collect()
    }

    /// Messages sent to the peer's transport since the last time.
    pub fn hear(&mut self, transport: TransportId) -> Vec<Message> {
        self.heard.remove(&transport).unwrap_or_default()
    }

    pub fn hear_updates(&mut self, peer: PeerId) -> Vec<Update> {
        let heard = self.hear(self.transports[&peer]);
        heard.into_iter().filter_map(|m| if let Message::Update(update) = m { Some(update) } else { None }).collect()
    }

    pub fn hear_notification(&mut self, transport: TransportId) -> Option<Notification> {
        let heard = self.hear(transport);
        heard.into_iter().find_map(|m| if let Message::Notification(n) = m { Some(n) } else { None })
    }

    /// The peer connects; nothing is said yet.
    pub fn accept(&mut self, peer: PeerId) -> TransportId {
        let transport = TransportId(self.next);
        self.next += 2;
        self.give(Input::Accepted { transport, peer });
        transport
    }

    pub fn say(&mut self, transport: TransportId, bytes: &[u8]) {
        self.give(Input::Bytes { transport, bytes });
    }

    /// Brings a session up, and does all that follows from it.
    pub fn establish(&mut self, peer: PeerId, manners: &Manners) -> TransportId {
        let transport = self.accept(peer);
        self.say(transport, &bgp::encode_open(&manners.open(Family::of(peer.address))));
        self.say(transport, &bgp::encode_keepalive());
        assert_eq!(self.state(peer), BgpState::Established, "{:?}", self.events);
        self.transports.insert(peer, transport);
        self.work();
        transport
    }

    pub fn announce(&mut self, peer: PeerId, prefixes: &[IpNet], attributes: &Attributes) {
        let transport = self.transports[&peer];
        for message in bgp::pack_announcements(attributes, prefixes, &OPTIONS).unwrap() {
            self.say(transport, &message);
        }
    }

    pub fn withdraw(&mut self, peer: PeerId, prefixes: &[IpNet]) {
        let transport = self.transports[&peer];
        for message in bgp::pack_withdrawals(prefixes, &OPTIONS) {
            self.say(transport, &message);
        }
    }

    pub fn end_of_rib(&mut self, peer: PeerId) {
        let transport = self.transports[&peer];
        self.say(transport, &bgp::encode_end_of_rib(Family::of(peer.address)));
        self.work();
    }

    /// The peer's transport breaks.
    pub fn lose(&mut self, peer: PeerId) {
        let transport = self.transports[&peer];
        self.give(Input::Closed { transport, reason: "reset".to_owned() });
    }

    pub fn link(&mut self, port: &str, is_up: bool) {
        self.give(Input::Link { port: PortName::from(port), is_up });
    }

    pub fn bfd(&mut self, peer: PeerId, state: BfdState, remote_diagnostic: BfdDiagnostic) {
        self.give(Input::Bfd(BfdNotice { peer, state, remote_diagnostic }));
    }

    pub fn status(&self, peer: PeerId) -> PeerStatus {
        self.router.peer_statuses(self.now).into_iter().find(|status| status.id == peer).expect("no such peer")
    }

    pub fn state(&self, peer: PeerId) -> BgpState {
        self.status(peer).state
    }

    pub fn diagnostics(&self) -> Vec<(PeerId, BfdDiagnostic)> {
        let told = |output: &Output| match output {
            Output::Bfd(BfdInput::Diagnostic { peer, diagnostic }) => Some((*peer, *diagnostic)),
            _ => None,
        };
        self.outputs.iter().filter_map(told).collect()
    }
}

/// Attributes of a path `asns`, with the peer as next hop.
pub fn path(peer: PeerId, asns: &[u32]) -> Attributes {
    Attributes {
        origin: Origin::Igp,
        as_path: AsPath(vec![AsPathSegment::Sequence(asns.iter().map(|asn| Asn(*asn)).collect())]),
        next_hop: peer.address,
        next_hop_link_local: None,
        med: None,
        local_pref: None,
        atomic_aggregate: false,
        aggregator: None,
        communities: vec![],
        extended_communities: vec![],
        large_communities: vec![],
        unknown_transitive: vec![],
    }
}

pub fn at(attachment: u32) -> AttachmentId {
    AttachmentId(attachment)
}

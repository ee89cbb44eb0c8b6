//! Two engines and the link between them. Time jumps from one event to the next, so an hour takes as long as its events.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use causeway_edge_types::{AttachmentId, BfdConfig, BfdState, Moment, PeerId};
use causeway_router::{BfdDiagnostic, BfdEngine, BfdInput, BfdNotice, BfdOutput, BfdSessionConfig, BfdSessionStatus};
use causeway_wire::bfd::ControlPacket;

/// The two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    A = 0,
    B = 1,
}

pub use End::{A, B};

impl End {
    pub fn other(self) -> End {
        if self == A { B } else { A }
    }

    fn address(self) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, if self == A { 1 } else { 2 }).into()
    }

    /// The peer as this end names it.
    pub fn peer(self) -> PeerId {
        PeerId { attachment: AttachmentId(7), address: self.other().address() }
    }

    pub fn session(self, timers: BfdConfig) -> BfdSessionConfig {
        BfdSessionConfig { peer: self.peer(), local: self.address(), timers }
    }
}

pub const fn timers(min_tx_ms: u32, min_rx_ms: u32, detect_mult: u8) -> BfdConfig {
    BfdConfig { min_tx_ms, min_rx_ms, detect_mult }
}

pub const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How long a packet is under way.
pub const DELAY: Duration = Duration::from_millis(1);

/// Whether a packet arrives.
type Fate = Box<dyn FnMut(&ControlPacket) -> bool>;

/// The whole of it, with everything that happened.
pub struct World {
    pub now: Moment,
    pub engines: [BfdEngine; 2],
    /// What becomes of the packets that each end sends.
    pub arrives: [Fate; 2],
    pub sent: Vec<(Moment, End, ControlPacket)>,
    pub received: Vec<(Moment, End)>,
    pub notices: Vec<(Moment, End, BfdNotice)>,
    under_way: BTreeMap<(Moment, usize), (End, Vec<u8>)>,
}

impl World {
    /// Two engines without sessions, and a link that loses nothing.
    pub fn new() -> World {
        World {
            now: Moment::ZERO,
            engines: [BfdEngine::new(11), BfdEngine::new(22)],
            arrives: [Box::new(|_| true), Box::new(|_| true)],
            sent: vec![],
            received: vec![],
            notices: vec![],
            under_way: BTreeMap::new(),
        }
    }

    /// Both ends configured, and both up.
    pub fn up(a: BfdConfig, b: BfdConfig) -> World {
        let mut world = World::new();
        world.configure(A, a);
        world.configure(B, b);
        world.run(millis(20_000));
        assert_eq!([world.status(A).state, world.status(B).state], [BfdState::Up; 2]);
        world.forget();
        world
    }

    /// Forgets what happened.
    pub fn forget(&mut self) {
        self.sent.clear();
        self.received.clear();
        self.notices.clear();
    }

    pub fn configure(&mut self, end: End, timers: BfdConfig) {
        self.input(end, BfdInput::Sessions(vec![end.session(timers)]));
    }

    pub fn cut(&mut self, from: End) {
        self.arrives[from as usize] = Box::new(|_| false);
    }

    pub fn heal(&mut self, from: End) {
        self.arrives[from as usize] = Box::new(|_| true);
    }

    pub fn input(&mut self, end: End, input: BfdInput) {
        self.engines[end as usize].handle_input(self.now, input);
        self.drain(end);
    }

    fn drain(&mut self, end: End) {
        let engine = &mut self.engines[end as usize];
        while let Some(BfdOutput::Transmit { peer, local, bytes }) = engine.poll_output() {
            assert_eq!((peer, local), (end.peer(), end.address()));
            let packet = ControlPacket::decode(&bytes).expect("an engine sends valid packets only");
            self.sent.push((self.now, end, packet));
            if self.arrives[end as usize](&packet) {
                self.under_way.insert((self.now + DELAY, self.sent.len()), (end.other(), bytes));
            }
        }
        while let Some(notice) = engine.poll_event() {
            assert_eq!(notice.peer, end.peer());
            self.notices.push((self.now, end, notice));
        }
    }

    /// Lets `duration` pass.
    pub fn run(&mut self, duration: Duration) {
        let end_of_run = self.now + duration;
        loop {
            let arrival = self.under_way.first_key_value().map(|((at, _), _)| *at);
            let deadlines = self.engines.iter().map(BfdEngine::poll_timeout);
            let next = deadlines.chain([arrival]).flatten().min().filter(|at| *at <= end_of_run);
            let Some(next) = next else { break };
            assert!(next >= self.now, "a deadline in the past would spin");
            self.now = next;
            if arrival == Some(next) {
                let (_, (to, bytes)) = self.under_way.pop_first().expect("the arrival");
                self.received.push((next, to));
                self.input(to, BfdInput::Packet { peer: to.peer(), ttl: 255, bytes });
            } else {
                for end in [A, B] {
                    self.engines[end as usize].handle_timeout(next);
                    self.drain(end);
                }
            }
        }
        self.now = end_of_run;
    }

    pub fn status(&self, end: End) -> BfdSessionStatus {
        self.engines[end as usize].status(end.peer()).expect("a session")
    }

    /// What an end's router was told, in order.
    pub fn told(&self, end: End) -> Vec<(BfdState, BfdDiagnostic)> {
        let of = |(_, who, notice): &(Moment, End, BfdNotice)| {
            (*who == end).then_some((notice.state, notice.remote_diagnostic))
        };
        self.notices.iter().filter_map(of).collect()
    }

    /// When an end was first told that its session is in a state.
    pub fn told_at(&self, end: End, state: BfdState) -> Moment {
        let found = self.notices.iter().find(|(_, who, notice)| *who == end && notice.state == state);
        found.expect("a notice of that state").0
    }

    /// When an end last got a packet, up to a moment.
    pub fn heard_last(&self, end: End, until: Moment) -> Moment {
        let heard = self.received.iter().filter(|(at, to)| *to == end && *at <= until).map(|(at, _)| *at);
        heard.max().expect("a packet")
    }

    /// The gaps between an end's packets, F packets apart.
    pub fn gaps(&self, end: End) -> Vec<Duration> {
        let by_clock =
            |(at, who, packet): &(Moment, End, ControlPacket)| (*who == end && !packet.is_final).then_some(*at);
        let times: Vec<Moment> = self.sent.iter().filter_map(by_clock).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

//! BFD (RFC 5880, single hop by RFC 5881) as one engine for all sessions of an edge, on a thread of its own.
//!
//! ```text
//!   sessions, packets, diagnostics ──▶ BfdEngine ──▶ packets
//!                          poll_timeout ◀──┘  └──▶ BfdNotice, to the router
//! ```
//!
//! Asynchronous mode without echo and without authentication. A session is found by our discriminator in a packet, and by
//! the peer while it does not know that yet; both must agree, so that one customer's packet never touches another's
//! session. Each session has one entry in the order of deadlines, moved only when its earlier clock moves: a packet
//! that arrives in time moves nothing.

mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use causeway_edge_types::{BfdState, Moment, PeerId};
use causeway_wire::bfd::ControlPacket;
use session::Session;

use crate::random::Random;
use crate::{BfdDiagnostic, BfdInput, BfdNotice, BfdOutput, BfdSessionConfig};

/// The TTL or hop limit that a packet from the other end of the same link has (RFC 5881 section 5).
const TTL_ON_LINK: u8 = 255;

/// A session that is new within this time after a restart may be one that an earlier process had.
const TAKEOVER_WINDOW: Duration = Duration::from_secs(10);

/// All BFD sessions of one edge.
#[derive(Debug)]
pub struct BfdEngine {
    random: Random,
    sessions: BTreeMap<PeerId, Entry>,
    by_discriminator: BTreeMap<u32, PeerId>,
    deadlines: BTreeSet<(Moment, PeerId)>,
    outputs: VecDeque<BfdOutput>,
    notices: VecDeque<BfdNotice>,
    /// Packets in a row of one session, on their way to `outputs`; empty between calls.
    sent: Vec<Vec<u8>>,
    packets_dropped: u64,
    /// When we were told that there was an earlier process.
    restarted_at: Option<Moment>,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    /// Its entry in `deadlines`.
    armed: Option<Moment>,
}

/// One session as a person wants to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdSessionStatus {
    /// Our state.
    pub state: BfdState,
    /// Why it last changed, or what we say beside it.
    pub diagnostic: BfdDiagnostic,
    /// The peer's state, as it last said.
    pub remote_state: BfdState,
    /// The same of the peer.
    pub remote_diagnostic: BfdDiagnostic,
    /// Our number for the session.
    pub discriminator: u32,
    /// The peer's, 0 while it is not known.
    pub remote_discriminator: u32,
    /// How often we send, before jitter.
    pub transmit_interval: Duration,
    /// How long the peer may be silent; nothing before it was heard.
    pub detection_time: Option<Duration>,
    /// Packets received and valid.
    pub packets_in: u64,
    /// Packets sent.
    pub packets_out: u64,
}

impl BfdEngine {
    /// An engine without sessions. Discriminators and jitter come from `seed`.
    pub fn new(seed: u64) -> BfdEngine {
        BfdEngine {
            random: Random::new(seed),
            sessions: BTreeMap::new(),
            by_discriminator: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
            notices: VecDeque::new(),
            sent: Vec::new(),
            packets_dropped: 0,
            restarted_at: None,
        }
    }

    /// Takes one input. Drain [`BfdEngine::poll_output`] and [`BfdEngine::poll_event`] before the next.
    pub fn handle_input(&mut self, now: Moment, input: BfdInput) {
        match input {
            BfdInput::Sessions(configs) => self.handle_sessions(now, configs),
            BfdInput::Packet { peer, ttl, bytes } => {
                if !self.handle_packet(now, peer, ttl, &bytes) {
                    self.packets_dropped += 1;
                }
            }
            BfdInput::Restarted => self.restarted_at = Some(now),
            BfdInput::Diagnostic { peer, diagnostic } => {
                self.change(peer, |session, random, sent| session.say(now, diagnostic, random, sent));
            }
        }
    }

    /// Does whatever is due.
    pub fn handle_timeout(&mut self, now: Moment) {
        while let Some((_, peer)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.change(peer, |session, random, sent| session.expire(now, random, sent));
        }
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<BfdOutput> {
        self.outputs.pop_front()
    }

    /// The next thing that the router should know, in order.
    pub fn poll_event(&mut self) -> Option<BfdNotice> {
        self.notices.pop_front()
    }

    /// When [`BfdEngine::handle_timeout`] is next to be called.
    pub fn poll_timeout(&self) -> Option<Moment> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// How a session is.
    pub fn status(&self, peer: PeerId) -> Option<BfdSessionStatus> {
        let session = &self.sessions.get(&peer)?.session;
        Some(BfdSessionStatus {
            state: session.state,
            diagnostic: session.diagnostic,
            remote_state: session.remote.state,
            remote_diagnostic: session.remote_diagnostic(),
            discriminator: session.discriminator,
            remote_discriminator: session.remote.discriminator,
            transmit_interval: Duration::from_micros(session.transmit_interval_us().into()),
            detection_time: session.detection_time(),
            packets_in: session.packets_in,
            packets_out: session.packets_out,
        })
    }

    /// Packets that were no valid packet of any session.
    pub fn packets_dropped(&self) -> u64 {
        self.packets_dropped
    }

    fn handle_sessions(&mut self, now: Moment, configs: Vec<BfdSessionConfig>) {
        let wanted: BTreeMap<PeerId, BfdSessionConfig> =
            configs.into_iter().map(|config| (config.peer, config)).collect();
        let unwanted: Vec<PeerId> = self.sessions.keys().filter(|peer| !wanted.contains_key(peer)).copied().collect();
        for peer in unwanted {
            self.change(peer, |session, _, sent| session.leave(sent));
            self.forget(peer);
        }
        for (peer, config) in wanted {
            if self.sessions.contains_key(&peer) {
                self.change(peer, |session, random, sent| session.reconfigure(now, config, random, sent));
            } else {
                self.add(now, config);
            }
        }
    }

    fn add(&mut self, now: Moment, config: BfdSessionConfig) {
        let discriminator = loop {
            let candidate = self.random.u32();
            if candidate != 0 && !self.by_discriminator.contains_key(&candidate) {
                break candidate;
            }
        };
        let peer = config.peer;
        self.by_discriminator.insert(discriminator, peer);
        let mut session = Session::new(now, config, discriminator);
        if self.restarted_at.is_some_and(|at| now.since(at) < TAKEOVER_WINDOW) {
            session.wait_for_takeover(now);
        }
        self.sessions.insert(peer, Entry { session, armed: None });
        self.change(peer, |session, random, sent| session.expire(now, random, sent));
    }

    /// Takes a session away; the router, which wanted that, hears nothing more of it.
    fn forget(&mut self, peer: PeerId) {
        if let Some(entry) = self.sessions.remove(&peer) {
            self.by_discriminator.remove(&entry.session.discriminator);
            entry.armed.map(|at| self.deadlines.remove(&(at, peer)));
            self.notices.retain(|notice| notice.peer != peer);
        }
    }

    /// Says whether the packet was taken (RFC 5880 section 6.8.6).
    fn handle_packet(&mut self, now: Moment, peer: PeerId, ttl: u8, bytes: &[u8]) -> bool {
        if ttl != TTL_ON_LINK {
            return false;
        }
        let Ok(packet) = ControlPacket::decode(bytes) else { return false };
        if packet.your_discriminator != 0
            && self.by_discriminator.get(&packet.your_discriminator) != Some(&peer)
            && !self.take_over(peer, &packet)
        {
            return false;
        }
        self.change(peer, |session, random, sent| session.receive(now, &packet, random, sent))
    }

    /// Goes on with a session of an earlier process, under the number that the peer knows it by. A number that no session
    /// of ours has is otherwise none of our business (RFC 5880 section 6.8.6); here it is proof of an earlier session,
    /// from a peer on the same link.
    fn take_over(&mut self, peer: PeerId, packet: &ControlPacket) -> bool {
        let Some(entry) = self.sessions.get_mut(&peer) else { return false };
        let number = packet.your_discriminator;
        if !entry.session.waits_for_takeover() || self.by_discriminator.contains_key(&number) {
            return false;
        }
        if packet.state != BfdState::Up {
            // The peer has seen the end of it already; it learns our new number as any peer does.
            return false;
        }
        self.by_discriminator.remove(&entry.session.discriminator);
        entry.session.discriminator = number;
        self.by_discriminator.insert(number, peer);
        true
    }

    /// Lets `act` change a session, then does what every change asks for: its packets go out, the router hears what is
    /// new, its deadline finds its place. Says whether there is such a session.
    fn change(&mut self, peer: PeerId, act: impl FnOnce(&mut Session, &mut Random, &mut Vec<Vec<u8>>)) -> bool {
        let Some(entry) = self.sessions.get_mut(&peer) else { return false };
        act(&mut entry.session, &mut self.random, &mut self.sent);
        let local = entry.session.config.local;
        let transmit = |bytes| BfdOutput::Transmit { peer, local, bytes };
        self.outputs.extend(self.sent.drain(..).map(transmit));
        self.notices.extend(entry.session.take_notice());
        let deadline = entry.session.deadline();
        if deadline != entry.armed {
            entry.armed.map(|at| self.deadlines.remove(&(at, peer)));
            deadline.map(|at| self.deadlines.insert((at, peer)));
            entry.armed = deadline;
        }
        true
    }
}

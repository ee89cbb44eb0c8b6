//! One BFD session: the variables of RFC 5880 section 6.8.1 and what changes them.
//!
//! ```text
//!             hears Down             hears Init or Up
//!   Down ───────────────▶ Init ───────────────────────▶ Up
//!    │  ◀── hears AdminDown, or nothing for a detection time ──┘ (also: hears Down)
//!    └──────────────── hears Init ─────────────────────▶ Up
//! ```
//!
//! Two clocks run: one to the next packet that we send, jittered anew each time, and one to the moment at which the peer
//! has been silent for too long. Whatever changes what the peer should know is sent at once, between the periodic packets.

use std::time::Duration;

use causeway_edge_types::{BfdState, Moment};
use causeway_wire::bfd::ControlPacket;

use crate::random::Random;
use crate::{BfdDiagnostic, BfdNotice, BfdSessionConfig};

/// While a session is not up, nobody sends more often than this (RFC 5880 section 6.8.3).
const SLOW_INTERVAL_US: u32 = 1_000_000;

/// How long a session that may be an earlier process's waits to be spoken to: longer than any peer that holds it up is
/// silent, unless it would be too late anyway.
const TAKEOVER_WAIT: Duration = Duration::from_secs(1);

/// A poll sequence (RFC 5880 section 6.5): new intervals count only once the peer has confirmed that it knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    Idle,
    /// Packets have the P bit until one with F comes.
    Active,
    /// The same, and something has changed since, so that F may confirm an older state: another poll follows.
    ActiveThenAgain,
    /// The other poll follows after one packet without P, which tells the two apart.
    OneClear,
}

/// What the peer has told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    pub state: BfdState,
    pub diagnostic: BfdDiagnostic,
    /// 0 while unknown.
    pub discriminator: u32,
    pub min_tx_us: u32,
    /// 0 wants no periodic packets.
    pub min_rx_us: u32,
    pub detect_mult: u8,
    pub is_demand: bool,
}

const UNKNOWN_REMOTE: Remote = Remote {
    state: BfdState::Down,
    diagnostic: BfdDiagnostic::None,
    discriminator: 0,
    min_tx_us: 0,
    min_rx_us: 1,
    detect_mult: 0,
    is_demand: false,
};

/// One session. Its methods append the packets that they send to `sent`.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub config: BfdSessionConfig,
    pub discriminator: u32,
    pub state: BfdState,
    pub diagnostic: BfdDiagnostic,
    pub remote: Remote,
    pub packets_in: u64,
    pub packets_out: u64,
    /// The diagnostic that the router wants said while the session is up.
    said: BfdDiagnostic,
    /// What timing goes by; the configuration's once a poll has confirmed it.
    active_min_tx_us: u32,
    active_min_rx_us: u32,
    poll: Poll,
    /// The interval that `transmit_at` was computed with.
    scheduled_us: u32,
    sent_at: Moment,
    received_at: Moment,
    transmit_at: Option<Moment>,
    detect_at: Option<Moment>,
    /// Nothing is sent yet: the peer may hold an earlier process's session up, and our first word would end it.
    waits_for_takeover: bool,
    /// What the router was last told.
    noticed: (BfdState, BfdDiagnostic),
}

impl Session {
    /// A session that is down and is about to send its first packet.
    pub fn new(now: Moment, config: BfdSessionConfig, discriminator: u32) -> Session {
        let mut session = Session {
            config,
            discriminator,
            state: BfdState::Down,
            diagnostic: BfdDiagnostic::None,
            remote: UNKNOWN_REMOTE,
            packets_in: 0,
            packets_out: 0,
            said: BfdDiagnostic::None,
            active_min_tx_us: 0,
            active_min_rx_us: 0,
            poll: Poll::Idle,
            scheduled_us: 0,
            sent_at: now,
            received_at: now,
            transmit_at: Some(now),
            detect_at: None,
            waits_for_takeover: false,
            noticed: (BfdState::Down, BfdDiagnostic::None),
        };
        session.activate();
        session
    }

    /// Waits for the peer's first packet before it says anything, for a while.
    pub fn wait_for_takeover(&mut self, now: Moment) {
        self.waits_for_takeover = true;
        self.transmit_at = Some(now + TAKEOVER_WAIT);
    }

    /// Whether it waits.
    pub fn waits_for_takeover(&self) -> bool {
        self.waits_for_takeover
    }

    /// The next moment at which something has to happen by itself.
    pub fn deadline(&self) -> Option<Moment> {
        [self.transmit_at, self.detect_at].into_iter().flatten().min()
    }

    /// What the router does not know yet.
    pub fn take_notice(&mut self) -> Option<BfdNotice> {
        let current = (self.state, self.remote_diagnostic());
        let is_news = std::mem::replace(&mut self.noticed, current) != current;
        let (state, remote_diagnostic) = current;
        is_news.then_some(BfdNotice { peer: self.config.peer, state, remote_diagnostic })
    }

    /// What the peer says; a peer that is administratively down says that, whatever its diagnostic.
    pub fn remote_diagnostic(&self) -> BfdDiagnostic {
        match self.remote.state {
            BfdState::AdminDown => BfdDiagnostic::AdministrativelyDown,
            _ => self.remote.diagnostic,
        }
    }

    /// How often we send, before jitter: the slower of what we want and what the peer can take (section 6.8.7).
    pub fn transmit_interval_us(&self) -> u32 {
        self.active_min_tx_us.max(self.remote.min_rx_us)
    }

    /// How long the peer may be silent (section 6.8.4); nothing before it was heard.
    pub fn detection_time(&self) -> Option<Duration> {
        let interval_us = self.active_min_rx_us.max(self.remote.min_tx_us);
        let total_us = u64::from(self.remote.detect_mult) * u64::from(interval_us);
        (self.remote.detect_mult != 0).then(|| Duration::from_micros(total_us))
    }

    /// Takes another configuration; the session goes on (section 6.8.3).
    pub fn reconfigure(&mut self, now: Moment, config: BfdSessionConfig, random: &mut Random, sent: &mut Vec<Vec<u8>>) {
        if config == self.config {
            return;
        }
        let told = (self.advertised_min_tx_us(), self.required_min_rx_us());
        self.config = config;
        if self.state == BfdState::Up {
            // Slower sending and sharper detection wait until the peer knows.
            self.active_min_tx_us = self.active_min_tx_us.min(self.advertised_min_tx_us());
            self.active_min_rx_us = self.active_min_rx_us.max(self.required_min_rx_us());
            if told != (self.advertised_min_tx_us(), self.required_min_rx_us()) {
                self.poll = match self.poll {
                    Poll::Idle => Poll::Active,
                    Poll::Active | Poll::ActiveThenAgain => Poll::ActiveThenAgain,
                    Poll::OneClear => Poll::OneClear,
                };
            }
        } else {
            self.activate();
        }
        self.rearm_detection();
        if !self.waits_for_takeover {
            self.transmit(now, random, sent);
        }
    }

    /// Says, or stops saying, a diagnostic while the session is up (section 6.8.17), at once.
    pub fn say(&mut self, now: Moment, diagnostic: BfdDiagnostic, random: &mut Random, sent: &mut Vec<Vec<u8>>) {
        let is_news = std::mem::replace(&mut self.said, diagnostic) != diagnostic;
        if is_news && self.state == BfdState::Up {
            self.diagnostic = diagnostic;
            self.transmit(now, random, sent);
        }
    }

    /// The session's last packet: the peer is not to take the silence that follows for a failure (section 6.8.16).
    pub fn leave(&mut self, sent: &mut Vec<Vec<u8>>) {
        self.set_state(BfdState::AdminDown, BfdDiagnostic::AdministrativelyDown);
        self.emit(false, sent);
    }

    /// Takes a packet that is this session's (section 6.8.6, from where the session is found).
    pub fn receive(&mut self, now: Moment, packet: &ControlPacket, random: &mut Random, sent: &mut Vec<Vec<u8>>) {
        self.packets_in += 1;
        self.remote = Remote {
            state: packet.state,
            diagnostic: BfdDiagnostic::from_number(packet.diagnostic),
            discriminator: packet.my_discriminator,
            min_tx_us: packet.desired_min_tx_us,
            min_rx_us: packet.required_min_rx_us,
            detect_mult: packet.detect_mult,
            is_demand: packet.is_demand,
        };
        if packet.is_final {
            self.end_poll();
        }
        self.received_at = now;
        self.rearm_detection();
        let is_taken_over = std::mem::take(&mut self.waits_for_takeover)
            && packet.state == BfdState::Up
            && packet.your_discriminator == self.discriminator;
        let has_changed = match (self.state, packet.state) {
            // What the peer holds up was up; it goes on.
            (BfdState::Down, BfdState::Up) if is_taken_over => self.set_state(BfdState::Up, self.said),
            (BfdState::Init | BfdState::Up, BfdState::AdminDown) | (BfdState::Up, BfdState::Down) => {
                self.set_state(BfdState::Down, BfdDiagnostic::NeighborSignaledDown)
            }
            (BfdState::Down, BfdState::Down) => self.set_state(BfdState::Init, self.diagnostic),
            (BfdState::Down, BfdState::Init) | (BfdState::Init, BfdState::Init | BfdState::Up) => {
                self.set_state(BfdState::Up, self.said)
            }
            _ => false,
        };
        if packet.is_poll {
            // Answered at once, beside the clock of periodic packets.
            self.emit(true, sent);
        }
        if has_changed {
            self.rearm_detection();
            self.transmit(now, random, sent);
        } else if self.transmit_at.is_some() != self.is_periodic() || self.scheduled_us != self.transmit_interval_us() {
            self.schedule(self.sent_at, random);
            self.transmit_at = self.transmit_at.map(|at| at.max(now));
        }
    }

    /// Does what is due.
    pub fn expire(&mut self, now: Moment, random: &mut Random, sent: &mut Vec<Vec<u8>>) {
        if self.detect_at.is_some_and(|at| at <= now) {
            self.detect_at = None;
            // What it said about itself is void, what it said last about the path is still the last thing said.
            self.remote = Remote { diagnostic: self.remote.diagnostic, state: self.remote.state, ..UNKNOWN_REMOTE };
            if matches!(self.state, BfdState::Init | BfdState::Up) {
                self.set_state(BfdState::Down, BfdDiagnostic::DetectionTimeExpired);
                self.transmit(now, random, sent);
            } else {
                self.schedule(self.sent_at, random);
                self.transmit_at = self.transmit_at.map(|at| at.max(now));
            }
        }
        if self.transmit_at.is_some_and(|at| at <= now) {
            self.waits_for_takeover = false;
            self.transmit(now, random, sent);
        }
    }

    /// Changes the state, if it is another; the caller transmits.
    fn set_state(&mut self, state: BfdState, diagnostic: BfdDiagnostic) -> bool {
        if self.state == state {
            return false;
        }
        let told_min_tx_us = self.advertised_min_tx_us();
        self.state = state;
        self.diagnostic = diagnostic;
        if state == BfdState::Up {
            self.active_min_tx_us = self.active_min_tx_us.min(self.advertised_min_tx_us());
            self.poll = if self.advertised_min_tx_us() == told_min_tx_us { Poll::Idle } else { Poll::Active };
        } else {
            self.activate();
        }
        true
    }

    /// The intervals of the configuration count from now on.
    fn activate(&mut self) {
        self.active_min_tx_us = self.advertised_min_tx_us();
        self.active_min_rx_us = self.required_min_rx_us();
        self.poll = Poll::Idle;
    }

    fn end_poll(&mut self) {
        match self.poll {
            Poll::Active => {
                self.activate();
            }
            Poll::ActiveThenAgain => self.poll = Poll::OneClear,
            Poll::Idle | Poll::OneClear => {}
        }
    }

    fn advertised_min_tx_us(&self) -> u32 {
        let wanted = self.config.timers.min_tx_ms.max(1).saturating_mul(1000);
        if self.state == BfdState::Up { wanted } else { wanted.max(SLOW_INTERVAL_US) }
    }

    fn required_min_rx_us(&self) -> u32 {
        self.config.timers.min_rx_ms.saturating_mul(1000)
    }

    fn detect_mult(&self) -> u8 {
        self.config.timers.detect_mult.max(1)
    }

    fn rearm_detection(&mut self) {
        if self.remote.discriminator != 0 {
            self.detect_at = self.detection_time().map(|time| self.received_at + time);
        }
    }

    /// Whether packets go out by the clock (section 6.8.7): not to a peer that wants none, nor to one in demand mode
    /// while both are up and nothing is being polled.
    fn is_periodic(&self) -> bool {
        let is_both_up = self.state == BfdState::Up && self.remote.state == BfdState::Up;
        self.remote.min_rx_us != 0 && !(self.remote.is_demand && is_both_up && self.poll == Poll::Idle)
    }

    /// Sends a packet now and sets the clock to the next one.
    fn transmit(&mut self, now: Moment, random: &mut Random, sent: &mut Vec<Vec<u8>>) {
        self.emit(false, sent);
        if self.poll == Poll::OneClear {
            self.poll = Poll::Active;
        }
        self.sent_at = now;
        self.schedule(now, random);
    }

    /// Sets the clock to the next packet: 75 to 100 % of the interval after the last, at most 90 % where the peer
    /// allows for no lost packet (section 6.8.7).
    fn schedule(&mut self, last: Moment, random: &mut Random) {
        self.scheduled_us = self.transmit_interval_us();
        let interval_ns = u64::from(self.scheduled_us) * 1000;
        let most = if self.detect_mult() == 1 { interval_ns / 10 * 9 } else { interval_ns };
        let jittered = Duration::from_nanos(random.between(interval_ns / 4 * 3, most));
        self.transmit_at = self.is_periodic().then(|| last + jittered);
    }

    fn emit(&mut self, is_final: bool, sent: &mut Vec<Vec<u8>>) {
        self.packets_out += 1;
        let packet = ControlPacket {
            diagnostic: self.diagnostic as u8,
            state: self.state,
            is_poll: !is_final && matches!(self.poll, Poll::Active | Poll::ActiveThenAgain),
            is_final,
            is_control_plane_independent: false,
            is_demand: false,
            detect_mult: self.detect_mult(),
            my_discriminator: self.discriminator,
            your_discriminator: self.remote.discriminator,
            desired_min_tx_us: self.advertised_min_tx_us(),
            required_min_rx_us: self.required_min_rx_us(),
            required_min_echo_rx_us: 0,
        };
        sent.push(packet.encode().to_vec());
    }
}

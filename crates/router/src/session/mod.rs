//! One BGP session (RFC 4271 section 8), told of transports and bytes and never touching a socket.
//!
//! ```text
//!   start ─▶ Connect ─▶ OpenSent ─▶ OpenConfirm ─▶ Established ─▶ Action::Update ...
//!             │  ▲         │             │              │
//!             ▼  │         └──────┬──────┴──────────────┘
//!            Active ◀─────────────┘   after a pause; Idle while the pause also refuses the peer's connections
//! ```
//!
//! A session may have two transports at a time, one from each end; `collision` decides which of them stays. What the
//! rest of the engine must do comes out as [`Action`]s; bytes and transports go straight to the [`Context`].

mod collision;
mod connection;
mod messages;
mod open;
mod pause;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use causeway_edge_types::{Asn, BgpState, Family, Moment, PeerId};
use causeway_wire::bgp::{self, Notification, SessionOptions, Update, cease, code};
use smallvec::SmallVec;

use self::connection::{Connection, Phase};
pub(crate) use self::open::{Negotiated, PeerRestart};
pub(crate) use self::pause::Pause;
use self::pause::Pauses;
use crate::engine::Context;
use crate::{Output, TransportId};

/// A connection that is asked for must be there within this time. The kernel would go on for two minutes, doubling its
/// pauses; we ask anew, so that a peer that comes up is met at once.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);
/// The peer's OPEN must be there within this time. RFC 4271 suggests four minutes; a transport whose peer has vanished
/// would block the session for as long.
const OPEN_PATIENCE: Duration = Duration::from_secs(15);

/// What a session needs to know of its configuration. Another one means another session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) peer: PeerId,
    pub(crate) local_address: IpAddr,
    pub(crate) local_asn: Asn,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) remote_asn: Asn,
    pub(crate) hold_time_s: u16,
    pub(crate) restart_time_s: u16,
}

impl Settings {
    pub(crate) fn family(&self) -> Family {
        Family::of(self.peer.address)
    }

    pub(crate) fn is_ebgp(&self) -> bool {
        self.local_asn != self.remote_asn
    }
}

/// What the engine must do about a session.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Established.
    Up,
    /// No longer Established.
    Down {
        /// For how long the peer's routes are kept, if they are (RFC 4724 section 4.2).
        keep_routes: Option<Duration>,
        /// In words.
        reason: String,
    },
    Update(Box<Update>),
    /// The peer wants everything again (RFC 2918).
    Refresh,
}

/// How a connection ends.
enum Ending {
    /// The other end or the network closed it.
    Lost(String),
    Received(Notification),
    /// We say why and close.
    Sent(Notification, String),
    /// We close without a word.
    Silent(String),
}

pub(crate) struct Session {
    settings: Settings,
    /// Wait for the peer to connect.
    is_passive: bool,
    is_enabled: bool,
    connections: SmallVec<[Connection; 2]>,
    pauses: Pauses,
    connect_at: Option<Moment>,
    established_at: Option<Moment>,
    /// Our process has restarted and its routes are not all there yet (the R bit).
    has_restarted: bool,
    /// Our forwarding outlives the loss of a session (the F bit): not on the first one of a process that adopted nothing.
    forwarding_preserved: bool,
    peer_marks_end_of_rib: bool,
    state: BgpState,
    state_since: Moment,
    last_error: String,
    /// Otherwise the last error is only that of an attempt.
    has_gone_down: bool,
    messages_received: u64,
    messages_sent: u64,
    actions: VecDeque<Action>,
}

impl Session {
    pub(crate) fn new(settings: Settings, is_passive: bool, has_restarted: bool, now: Moment) -> Session {
        Session {
            settings,
            is_passive,
            is_enabled: false,
            connections: SmallVec::new(),
            pauses: Pauses::default(),
            connect_at: None,
            established_at: None,
            has_restarted,
            forwarding_preserved: has_restarted,
            peer_marks_end_of_rib: false,
            state: BgpState::Idle,
            state_since: now,
            last_error: String::new(),
            has_gone_down: false,
            messages_received: 0,
            messages_sent: 0,
            actions: VecDeque::new(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn state(&self) -> BgpState {
        self.state
    }

    pub(crate) fn state_since(&self) -> Moment {
        self.state_since
    }

    /// Why it last went down; before it ever did, why the last attempt failed.
    pub(crate) fn last_error(&self) -> &str {
        &self.last_error
    }

    /// Messages received and sent.
    pub(crate) fn messages(&self) -> (u64, u64) {
        (self.messages_received, self.messages_sent)
    }

    pub(crate) fn is_established(&self) -> bool {
        self.established().is_some()
    }

    fn established(&self) -> Option<&Connection> {
        self.connections.iter().find(|connection| connection.phase == Phase::Established)
    }

    /// What was agreed on, while Established.
    pub(crate) fn negotiated(&self) -> Option<&Negotiated> {
        self.established()?.negotiated.as_ref()
    }

    /// How messages to the peer are written, while Established.
    pub(crate) fn options(&self) -> Option<SessionOptions> {
        self.negotiated().map(|negotiated| negotiated.options)
    }

    /// Whether the peer will mark the end of its table.
    pub(crate) fn peer_marks_end_of_rib(&self) -> bool {
        self.peer_marks_end_of_rib
    }

    pub(crate) fn set_passive(&mut self, is_passive: bool) {
        self.is_passive = is_passive;
    }

    /// Our routes are all there: from now on an OPEN no longer says that we have restarted.
    pub(crate) fn restart_is_over(&mut self) {
        self.has_restarted = false;
    }

    pub(crate) fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Begins, or begins again after `stop`; the first attempt is at once.
    pub(crate) fn start(&mut self, cx: &mut Context) {
        if !self.is_enabled {
            self.is_enabled = true;
            self.pauses.forget();
            self.connect_at = Some(cx.now);
            self.timeout(cx);
        }
    }

    /// Ends for good, or until `start`.
    pub(crate) fn stop(&mut self, cx: &mut Context, notification: Option<Notification>, reason: &str) {
        self.is_enabled = false;
        self.connect_at = None;
        self.end_all(cx, notification, reason);
        self.note_state(cx);
    }

    /// Ends, and comes back after a pause.
    pub(crate) fn fail(&mut self, cx: &mut Context, notification: Notification, pause: Pause, reason: &str) {
        // One pause in all, and not one more for each connection.
        let is_enabled = std::mem::take(&mut self.is_enabled);
        self.end_all(cx, Some(notification), reason);
        self.is_enabled = is_enabled;
        self.pause(cx, pause);
        self.note_state(cx);
    }

    /// A pause is over before its time: what it waited for is there.
    pub(crate) fn hurry(&mut self, cx: &mut Context) {
        if self.is_enabled && self.connections.is_empty() && !self.pauses.refuses(cx.now) {
            self.connect_at = Some(cx.now);
            self.timeout(cx);
        }
    }

    pub(crate) fn connected(&mut self, cx: &mut Context, transport: TransportId) {
        if let Some(index) = self.find(transport)
            && self.connections[index].phase == Phase::Connecting
        {
            self.say_open(cx, index);
        }
        self.note_state(cx);
    }

    pub(crate) fn accepted(&mut self, cx: &mut Context, transport: TransportId) {
        if !self.is_enabled || self.pauses.refuses(cx.now) {
            cx.note(self.settings.peer, "a connection from the peer was refused: the session is held down");
            cx.close(transport);
            return;
        }
        // A peer that connects again has given its earlier attempt up.
        while let Some(index) = self.connections.iter().position(|c| !c.is_ours && c.phase != Phase::Established) {
            self.end(cx, index, Ending::Silent("the peer connected anew".to_owned()));
        }
        self.connections.push(Connection::new(transport, false, Phase::OpenSent, cx.now, OPEN_PATIENCE));
        self.say_open(cx, self.connections.len() - 1);
        self.note_state(cx);
    }

    pub(crate) fn closed(&mut self, cx: &mut Context, transport: TransportId, reason: &str) {
        if let Some(index) = self.find(transport) {
            self.end(cx, index, Ending::Lost(reason.to_owned()));
            self.note_state(cx);
        }
    }

    /// Takes bytes; `step` then takes messages out of them one by one.
    pub(crate) fn feed(&mut self, transport: TransportId, bytes: &[u8]) {
        if let Some(index) = self.find(transport) {
            self.connections[index].feed(bytes);
        }
    }

    pub(crate) fn queued(&mut self, now: Moment, transport: TransportId, bytes: usize) {
        if let Some(index) = self.find(transport) {
            self.connections[index].queued(now, bytes);
        }
    }

    /// Sends bytes to an Established peer.
    pub(crate) fn send(&mut self, cx: &mut Context, bytes: Vec<u8>) {
        if let Some(transport) = self.established().map(|connection| connection.transport) {
            self.write(cx, transport, bytes);
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Moment> {
        let of = |c: &Connection| [c.deadline, c.keepalive_at, c.send_deadline()];
        self.connections.iter().flat_map(of).chain([self.connect_at]).flatten().min()
    }

    pub(crate) fn timeout(&mut self, cx: &mut Context) {
        let now = cx.now;
        let is_due = |moment: Option<Moment>| moment.is_some_and(|moment| moment <= now);
        let mut index = 0;
        while index < self.connections.len() {
            let connection = &self.connections[index];
            let late = is_due(connection.deadline);
            if is_due(connection.send_deadline()) {
                let reason = "the peer takes no bytes (RFC 9687)".to_owned();
                self.end(cx, index, Ending::Silent(reason));
            } else if late && connection.phase == Phase::Connecting {
                self.end(cx, index, Ending::Silent("the peer does not answer".to_owned()));
            } else if late {
                let notification = Notification::new(code::HOLD_TIMER_EXPIRED, 0);
                self.end(cx, index, Ending::Sent(notification, "hold timer expired".to_owned()));
            } else {
                if is_due(connection.keepalive_at) {
                    self.say_keepalive(cx, index);
                }
                index += 1;
            }
        }
        if is_due(self.connect_at) {
            self.connect_at = None;
            if self.is_enabled && !self.is_passive && self.connections.is_empty() {
                let transport = cx.connect(self.settings.peer, self.settings.local_address);
                self.connections.push(Connection::new(transport, true, Phase::Connecting, cx.now, CONNECT_PATIENCE));
            }
        }
        self.note_state(cx);
    }

    fn find(&self, transport: TransportId) -> Option<usize> {
        self.connections.iter().position(|connection| connection.transport == transport)
    }

    fn write(&mut self, cx: &mut Context, transport: TransportId, bytes: Vec<u8>) {
        self.messages_sent += 1;
        cx.output(Output::Send { transport, bytes });
    }

    fn say_open(&mut self, cx: &mut Context, index: usize) {
        let open = open::ours(&self.settings, self.has_restarted, self.forwarding_preserved);
        let connection = &mut self.connections[index];
        connection.phase = Phase::OpenSent;
        connection.deadline = Some(cx.now + OPEN_PATIENCE);
        let transport = connection.transport;
        self.write(cx, transport, bgp::encode_open(&open));
    }

    fn say_keepalive(&mut self, cx: &mut Context, index: usize) {
        let connection = &mut self.connections[index];
        // A third of the hold time, as RFC 4271 section 4.4 has it.
        connection.keepalive_at = connection.hold_time().map(|hold| cx.now + cx.random.jitter(hold / 3));
        let transport = connection.transport;
        self.write(cx, transport, bgp::encode_keepalive());
    }

    fn end_all(&mut self, cx: &mut Context, notification: Option<Notification>, reason: &str) {
        while !self.connections.is_empty() {
            let ending = match &notification {
                Some(notification) => Ending::Sent(notification.clone(), reason.to_owned()),
                None => Ending::Silent(reason.to_owned()),
            };
            self.end(cx, self.connections.len() - 1, ending);
        }
    }

    /// Ends one connection, tells the engine if it was the session itself, and plans what comes next.
    fn end(&mut self, cx: &mut Context, index: usize, ending: Ending) {
        let connection = self.connections.remove(index);
        let was_established = connection.phase == Phase::Established;
        let keep_routes = if was_established { keep_routes(&connection, &ending) } else { None };
        let (reason, pause) = match ending {
            Ending::Lost(reason) => (reason, Pause::Retry),
            Ending::Silent(reason) => (reason, Pause::Retry),
            Ending::Received(notification) => {
                let is_collision =
                    notification.code == code::CEASE && notification.subcode == cease::COLLISION_RESOLUTION;
                let pause = if is_collision { Pause::Retry } else { Pause::PeerRefused };
                (format!("the peer said: {}", describe(&notification)), pause)
            }
            Ending::Sent(notification, reason) => {
                let pause = match notification.code {
                    code::HOLD_TIMER_EXPIRED | code::CEASE => Pause::Retry,
                    _ => Pause::WeRefused,
                };
                if connection.phase != Phase::Connecting {
                    let notification = harden(notification, connection.negotiated.as_ref());
                    self.write(cx, connection.transport, bgp::encode_notification(&notification));
                }
                (reason, pause)
            }
        };
        // For a transport that the other end has closed this is a courtesy: the driver forgets it either way.
        if cx.owners.contains_key(&connection.transport) {
            cx.close(connection.transport);
        }
        if was_established {
            self.pauses.note_length(cx.now, self.established_at.take());
            self.peer_marks_end_of_rib = false;
            self.last_error = reason.clone();
            self.has_gone_down = true;
            self.actions.push_back(Action::Down { keep_routes, reason });
        } else if connection.phase > Phase::Connecting || !self.has_gone_down {
            self.last_error = reason;
        }
        if matches!(pause, Pause::WeRefused | Pause::PeerRefused) {
            // An attempt of ours that is on its way would meet the same end.
            let is_attempt = |c: &Connection| c.phase == Phase::Connecting;
            while let Some(attempt) = self.connections.iter().position(is_attempt) {
                cx.close(self.connections.remove(attempt).transport);
            }
        }
        if self.is_enabled && self.connections.is_empty() {
            self.pause(cx, pause);
        }
    }

    fn pause(&mut self, cx: &mut Context, pause: Pause) {
        if self.is_enabled {
            self.connect_at = Some(self.pauses.begin(cx, pause));
        }
    }

    fn note_state(&mut self, cx: &mut Context) {
        let state = match self.connections.iter().map(|connection| connection.phase).max() {
            Some(phase) => phase.state(),
            None if self.is_enabled && !self.pauses.refuses(cx.now) => BgpState::Active,
            None => BgpState::Idle,
        };
        if state != self.state {
            self.state = state;
            self.state_since = cx.now;
        }
    }
}

/// For how long the peer's routes outlive the session: after a loss of the transport if both ends do graceful restart,
/// after a NOTIFICATION only if both ends said so (RFC 8538) and it is none that means it.
fn keep_routes(connection: &Connection, ending: &Ending) -> Option<Duration> {
    let restart = connection.negotiated.as_ref()?.restart?;
    let is_soft = |notification: &Notification| {
        let is_hard = matches!(
            notification.subcode,
            cease::MAXIMUM_PREFIXES
                | cease::ADMINISTRATIVE_SHUTDOWN
                | cease::PEER_DECONFIGURED
                | cease::CONFIGURATION_CHANGE
                | cease::HARD_RESET
                | cease::BFD_DOWN
        );
        restart.covers_notification && !(notification.code == code::CEASE && is_hard)
    };
    let is_kept = match ending {
        Ending::Lost(_) => true,
        Ending::Received(notification) | Ending::Sent(notification, _) => is_soft(notification),
        Ending::Silent(_) => false,
    };
    is_kept.then_some(restart.restart_time)
}

/// A Cease that must not be survived by routes is wrapped in a Hard Reset when the peer would otherwise keep them
/// (RFC 8538 section 3).
fn harden(notification: Notification, negotiated: Option<&Negotiated>) -> Notification {
    let would_be_kept = negotiated.and_then(|n| n.restart).is_some_and(|restart| restart.covers_notification);
    let is_final = notification.code == code::CEASE
        && matches!(
            notification.subcode,
            cease::MAXIMUM_PREFIXES
                | cease::ADMINISTRATIVE_SHUTDOWN
                | cease::PEER_DECONFIGURED
                | cease::CONFIGURATION_CHANGE
        );
    if !(would_be_kept && is_final) {
        return notification;
    }
    let mut hard = Notification::new(code::CEASE, cease::HARD_RESET);
    hard.data = [notification.code, notification.subcode].into_iter().chain(notification.data).collect();
    hard
}

/// What a NOTIFICATION says, with what a Hard Reset has in it.
fn describe(notification: &Notification) -> String {
    match (notification.code, notification.subcode, notification.data.as_slice()) {
        (code::CEASE, cease::HARD_RESET, [code, subcode, data @ ..]) => {
            let inner = Notification { code: *code, subcode: *subcode, data: data.to_vec() };
            format!("{} ({})", notification.describe(), inner.describe())
        }
        _ => notification.describe(),
    }
}

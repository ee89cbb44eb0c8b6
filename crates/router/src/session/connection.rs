//! One transport of a session, with its own place in the state machine: while two collide, both have one.

use std::time::Duration;

use causeway_edge_types::{BgpState, Moment};
use causeway_wire::bgp::{self, Message, MessageError, SessionOptions};
use smallvec::SmallVec;

use super::open::Negotiated;
use crate::TransportId;

/// How far a transport has come. The states of a session in which there is none (Idle, Active) are the session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Connecting,
    OpenSent,
    OpenConfirm,
    Established,
}

impl Phase {
    pub(super) fn state(self) -> BgpState {
        match self {
            Phase::Connecting => BgpState::Connect,
            Phase::OpenSent => BgpState::OpenSent,
            Phase::OpenConfirm => BgpState::OpenConfirm,
            Phase::Established => BgpState::Established,
        }
    }
}

pub(super) struct Connection {
    pub(super) transport: TransportId,
    /// We connected; otherwise the peer did.
    pub(super) is_ours: bool,
    pub(super) phase: Phase,
    /// When it was asked for or accepted.
    pub(super) born: Moment,
    /// When it must have got on: connected, its OPEN received, or the hold timer.
    pub(super) deadline: Option<Moment>,
    pub(super) keepalive_at: Option<Moment>,
    pub(super) negotiated: Option<Negotiated>,
    /// Bytes that are not a whole message yet, and where in them the next message begins.
    inbox: Vec<u8>,
    read: usize,
    /// The second half of a message that was decoded as two.
    decoded: SmallVec<[Message; 1]>,
    /// Since when, and with how many bytes, the peer has taken nothing (RFC 9687).
    pub(super) blocked: Option<(Moment, usize)>,
}

impl Connection {
    pub(super) fn new(
        transport: TransportId,
        is_ours: bool,
        phase: Phase,
        now: Moment,
        patience: Duration,
    ) -> Connection {
        Connection {
            transport,
            is_ours,
            phase,
            born: now,
            deadline: Some(now + patience),
            keepalive_at: None,
            negotiated: None,
            inbox: Vec::new(),
            read: 0,
            decoded: SmallVec::new(),
            blocked: None,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.inbox.drain(..self.read);
        self.read = 0;
        self.inbox.extend_from_slice(bytes);
    }

    pub(super) fn options(&self, is_ebgp: bool) -> SessionOptions {
        match &self.negotiated {
            Some(negotiated) => negotiated.options,
            None => SessionOptions { is_ebgp, ..SessionOptions::default() },
        }
    }

    /// Takes the next whole message out of what has arrived, and whether it is the first part of what was one message.
    pub(super) fn next_message(&mut self, is_ebgp: bool) -> Result<Option<(Message, bool)>, MessageError> {
        if !self.decoded.is_empty() {
            return Ok(Some((self.decoded.remove(0), false)));
        }
        let options = self.options(is_ebgp);
        let unread = &self.inbox[self.read..];
        let Some(length) = bgp::frame(unread, &options)? else { return Ok(None) };
        self.decoded = bgp::decode(&unread[..length], &options)?;
        self.read += length;
        if self.decoded.is_empty() {
            return Ok(None);
        }
        Ok(Some((self.decoded.remove(0), true)))
    }

    pub(super) fn hold_time(&self) -> Option<Duration> {
        let seconds = self.negotiated.as_ref().map_or(0, |negotiated| negotiated.hold_time_s);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// When a peer that takes no bytes is given up: eight minutes or twice the hold time (RFC 9687 section 4).
    pub(super) fn send_deadline(&self) -> Option<Moment> {
        let (since, _) = self.blocked?;
        let hold = self.hold_time().unwrap_or_default();
        Some(since + Duration::from_secs(480).max(hold * 2))
    }

    pub(super) fn queued(&mut self, now: Moment, bytes: usize) {
        self.blocked = match self.blocked {
            _ if bytes == 0 => None,
            Some((since, before)) if bytes >= before => Some((since, bytes)),
            _ => Some((now, bytes)),
        };
    }
}

//! What a session makes of each message in each state (RFC 4271 section 8.2.2).

use causeway_wire::bgp::{Message, Notification, Open, RouteRefresh, cease, code};

use super::connection::Phase;
use super::{Action, Ending, OPEN_PATIENCE, Session, describe, open};
use crate::TransportId;
use crate::engine::Context;

impl Session {
    /// Handles one message of those that have arrived whole. False when there is none.
    pub(crate) fn step(&mut self, cx: &mut Context, transport: TransportId) -> bool {
        let is_ebgp = self.settings.is_ebgp();
        let Some(index) = self.find(transport) else { return false };
        let handled = match self.connections[index].next_message(is_ebgp) {
            Ok(None) => false,
            Ok(Some((message, is_first))) => {
                self.messages_received += u64::from(is_first);
                self.message(cx, index, message);
                true
            }
            Err(error) => {
                self.end(cx, index, Ending::Sent(error.notification(), error.to_string()));
                true
            }
        };
        self.note_state(cx);
        handled
    }

    fn message(&mut self, cx: &mut Context, index: usize, message: Message) {
        let phase = self.connections[index].phase;
        match (phase, message) {
            (_, Message::Notification(notification)) => {
                let is_shutdown = notification.code == code::CEASE;
                if !is_shutdown {
                    cx.note(self.settings.peer, format!("NOTIFICATION received: {}", describe(&notification)));
                }
                self.end(cx, index, Ending::Received(notification));
            }
            (Phase::OpenSent, Message::Open(open)) => self.open(cx, index, &open),
            (Phase::OpenConfirm, Message::Keepalive) => self.establish(cx, index),
            (Phase::Established, Message::Keepalive) => self.restart_hold_timer(cx, index),
            (Phase::Established, Message::Update(update)) => {
                self.restart_hold_timer(cx, index);
                self.actions.push_back(Action::Update(Box::new(update)));
            }
            (Phase::Established, Message::RouteRefresh(refresh)) => {
                self.restart_hold_timer(cx, index);
                self.refresh(cx, refresh);
            }
            (phase, message) => {
                // RFC 6608 section 3.
                let subcode = match phase {
                    Phase::Connecting => 0,
                    Phase::OpenSent => 1,
                    Phase::OpenConfirm => 2,
                    Phase::Established => 3,
                };
                let notification = Notification::new(code::FINITE_STATE_MACHINE, subcode);
                let reason = format!("{} received in {:?}", name(&message), phase);
                self.end(cx, index, Ending::Sent(notification, reason));
            }
        }
    }

    fn open(&mut self, cx: &mut Context, index: usize, theirs: &Open) {
        let negotiated = match open::negotiate(&self.settings, theirs) {
            Ok(negotiated) => negotiated,
            Err(notification) => {
                let reason = format!("the peer's OPEN is refused: {}", notification.describe());
                cx.note(self.settings.peer, format!("{reason} (AS {}, {})", theirs.asn, theirs.router_id));
                self.end(cx, index, Ending::Sent(notification, reason));
                return;
            }
        };
        let Some(index) = self.resolve_collision(cx, index, &negotiated) else { return };
        self.peer_marks_end_of_rib = open::marks_end_of_rib(theirs);
        let connection = &mut self.connections[index];
        connection.negotiated = Some(negotiated);
        connection.phase = Phase::OpenConfirm;
        connection.deadline = Some(cx.now + connection.hold_time().unwrap_or(OPEN_PATIENCE));
        self.say_keepalive(cx, index);
    }

    fn establish(&mut self, cx: &mut Context, index: usize) {
        let transport = self.connections[index].transport;
        self.connections[index].phase = Phase::Established;
        self.restart_hold_timer(cx, index);
        // Whatever else was on its way is no longer wanted.
        while let Some(other) = self.connections.iter().position(|c| c.transport != transport) {
            let collision = Notification::new(code::CEASE, cease::COLLISION_RESOLUTION);
            self.end(cx, other, Ending::Sent(collision, "two connections at once".to_owned()));
        }
        if !self.has_gone_down {
            self.last_error.clear();
        }
        self.established_at = Some(cx.now);
        self.connect_at = None;
        self.forwarding_preserved = true;
        self.actions.push_back(Action::Up);
    }

    fn restart_hold_timer(&mut self, cx: &Context, index: usize) {
        let connection = &mut self.connections[index];
        connection.deadline = connection.hold_time().map(|hold| cx.now + hold);
    }

    /// We offer no enhanced refresh, so that a beginning and an end (RFC 7313) mean nothing to us and are let pass.
    fn refresh(&mut self, cx: &mut Context, refresh: RouteRefresh) {
        if refresh.family == Some(self.settings.family()) && refresh.subtype == 0 {
            self.actions.push_back(Action::Refresh);
        } else {
            cx.note(self.settings.peer, "a ROUTE-REFRESH that was not agreed on was ignored");
        }
    }
}

fn name(message: &Message) -> &'static str {
    match message {
        Message::Open(_) => "OPEN",
        Message::Update(_) => "UPDATE",
        Message::Notification(_) => "NOTIFICATION",
        Message::Keepalive => "KEEPALIVE",
        Message::RouteRefresh(_) => "ROUTE-REFRESH",
    }
}

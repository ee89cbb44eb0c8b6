//! The state machine as a table: each state, each state heard (RFC 5880 sections 6.2 and 6.8.6).

use causeway_edge_types::BfdState::{self, AdminDown, Down, Init, Up};
use causeway_edge_types::Moment;
use causeway_router::BfdDiagnostic as Diagnostic;
use causeway_router::{BfdEngine, BfdInput, BfdOutput};
use causeway_wire::bfd::ControlPacket;

use crate::world::{A, timers};

struct One {
    engine: BfdEngine,
    sent: Vec<ControlPacket>,
}

impl One {
    fn new() -> One {
        let mut one = One { engine: BfdEngine::new(1), sent: vec![] };
        one.input(BfdInput::Sessions(vec![A.session(timers(300, 300, 3))]));
        one
    }

    fn input(&mut self, input: BfdInput) {
        self.engine.handle_input(Moment::from_millis(5), input);
        self.sent = std::iter::from_fn(|| self.engine.poll_output())
            .map(|BfdOutput::Transmit { bytes, .. }| ControlPacket::decode(&bytes).unwrap())
            .collect();
    }

    fn hear(&mut self, state: BfdState, change: impl FnOnce(&mut ControlPacket)) {
        let mut packet = ControlPacket {
            diagnostic: 0,
            state,
            is_poll: false,
            is_final: false,
            is_control_plane_independent: false,
            is_demand: false,
            detect_mult: 3,
            my_discriminator: 0x1234,
            your_discriminator: self.engine.status(A.peer()).unwrap().discriminator,
            desired_min_tx_us: 300_000,
            required_min_rx_us: 300_000,
            required_min_echo_rx_us: 0,
        };
        change(&mut packet);
        self.input(BfdInput::Packet { peer: A.peer(), ttl: 255, bytes: packet.encode().to_vec() });
    }

    fn state(&self) -> (BfdState, Diagnostic) {
        let status = self.engine.status(A.peer()).unwrap();
        (status.state, status.diagnostic)
    }

    fn in_state(state: BfdState) -> One {
        let mut one = One::new();
        match state {
            Init => one.hear(Down, |_| {}),
            Up => one.hear(Init, |_| {}),
            _ => {}
        }
        assert_eq!(one.state().0, state);
        one
    }
}

#[test]
fn every_state_answers_every_state_as_the_rfc_says() {
    let signaled = Diagnostic::NeighborSignaledDown;
    let table = [
        (Down, AdminDown, Down, Diagnostic::None),
        (Down, Down, Init, Diagnostic::None),
        (Down, Init, Up, Diagnostic::None),
        (Down, Up, Down, Diagnostic::None),
        (Init, AdminDown, Down, signaled),
        (Init, Down, Init, Diagnostic::None),
        (Init, Init, Up, Diagnostic::None),
        (Init, Up, Up, Diagnostic::None),
        (Up, AdminDown, Down, signaled),
        (Up, Down, Down, signaled),
        (Up, Init, Up, Diagnostic::None),
        (Up, Up, Up, Diagnostic::None),
    ];
    for (before, heard, after, diagnostic) in table {
        let mut one = One::in_state(before);
        one.hear(heard, |_| {});
        assert_eq!(one.state(), (after, diagnostic), "{before:?} hears {heard:?}");
        let expected = if before == after { 0 } else { 1 };
        assert_eq!(one.sent.len(), expected, "{before:?} hears {heard:?}: a change is told at once, and nothing else");
        for packet in &one.sent {
            assert_eq!((packet.state, packet.your_discriminator), (after, 0x1234));
        }
    }
}

#[test]
fn a_poll_is_answered_at_once_in_every_state() {
    for state in [Down, Init, Up] {
        let mut one = One::in_state(state);
        one.hear(if state == Down { Up } else { Init }, |packet| packet.is_poll = true);
        let finals: Vec<_> = one.sent.iter().filter(|packet| packet.is_final).collect();
        assert_eq!(finals.len(), 1, "in {state:?}");
        assert!(!finals[0].is_poll);
    }
}

#[test]
fn a_peer_in_demand_mode_gets_no_periodic_packets_while_both_are_up() {
    let mut one = One::in_state(Up);
    one.hear(Up, |packet| packet.is_final = true);
    let detect_at = Moment::from_millis(5 + 900);
    assert!(one.engine.poll_timeout().unwrap() < detect_at, "periodic packets come first");
    one.hear(Up, |packet| packet.is_demand = true);
    assert_eq!(one.engine.poll_timeout(), Some(detect_at), "only the detection time is left");
    one.hear(Up, |_| {});
    assert!(one.engine.poll_timeout().unwrap() < detect_at);
}

#[test]
fn a_diagnostic_without_a_meaning_is_no_news() {
    let mut one = One::in_state(Up);
    while one.engine.poll_event().is_some() {}
    one.hear(Up, |packet| packet.diagnostic = 31);
    assert_eq!(one.engine.poll_event(), None);
    one.hear(Up, |packet| packet.diagnostic = 8);
    let notice = one.engine.poll_event().unwrap();
    assert_eq!((notice.state, notice.remote_diagnostic), (Up, Diagnostic::ReverseConcatenatedPathDown));
}

#[test]
fn a_peer_that_is_administratively_down_is_reported_so_whatever_its_diagnostic() {
    let mut one = One::in_state(Up);
    while one.engine.poll_event().is_some() {}
    one.hear(AdminDown, |packet| packet.diagnostic = 0);
    let notice = one.engine.poll_event().unwrap();
    assert_eq!((notice.state, notice.remote_diagnostic), (Down, Diagnostic::AdministrativelyDown));
}

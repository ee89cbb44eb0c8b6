//! How often packets go out and how long silence is borne (RFC 5880 sections 6.8.2 to 6.8.4 and 6.8.7).

use std::time::Duration;

use causeway_edge_types::BfdConfig;
use causeway_edge_types::BfdState::{Down, Up};
use causeway_router::BfdInput;
use proptest::prelude::*;

use crate::world::*;

fn bounds(gaps: &[Duration]) -> (Duration, Duration) {
    (*gaps.iter().min().expect("gaps"), *gaps.iter().max().expect("gaps"))
}

#[test]
fn packets_are_jittered_between_75_and_100_percent() {
    let mut world = World::up(timers(300, 300, 3), timers(300, 300, 3));
    world.run(millis(300_000));
    let (least, most) = bounds(&world.gaps(A));
    assert!(least >= millis(225) && most <= millis(300), "{least:?} to {most:?}");
    assert!(least < millis(235) && most > millis(290), "the whole range is used: {least:?} to {most:?}");
}

#[test]
fn with_a_multiplier_of_one_packets_are_never_later_than_90_percent() {
    let mut world = World::up(timers(300, 300, 1), timers(300, 300, 3));
    world.run(millis(300_000));
    let (least, most) = bounds(&world.gaps(A));
    assert!(least >= millis(225) && most <= millis(270) && most > millis(260), "{least:?} to {most:?}");
    assert_eq!(world.told(B), [], "and so a link without loss stays up");
}

#[test]
fn while_down_nobody_sends_more_than_once_a_second() {
    let mut world = World::new();
    world.configure(A, timers(50, 50, 3));
    world.run(millis(60_000));
    let (least, most) = bounds(&world.gaps(A));
    assert!(least >= millis(750) && most <= millis(1000), "{least:?} to {most:?}");
    assert!(world.sent.iter().all(|(_, _, packet)| packet.desired_min_tx_us == 1_000_000 && !packet.is_poll));
}

#[test]
fn coming_up_is_confirmed_by_a_poll() {
    let mut world = World::new();
    world.configure(A, timers(300, 300, 3));
    world.configure(B, timers(300, 300, 3));
    world.run(millis(10));
    for end in [A, B] {
        let by_end = |packet: &&(_, End, causeway_wire::bfd::ControlPacket)| packet.1 == end;
        let polls = world.sent.iter().filter(by_end).filter(|(_, _, packet)| packet.is_poll);
        let polled: Vec<u32> = polls.map(|(_, _, packet)| packet.desired_min_tx_us).collect();
        assert_eq!(polled, [300_000], "{end:?} polls once, with its new interval");
        assert_eq!(world.sent.iter().filter(by_end).filter(|(_, _, packet)| packet.is_final).count(), 1);
    }
    assert!(!world.sent.iter().any(|(_, _, packet)| packet.is_poll && packet.is_final));
}

/// The slower sending waits until the peer has confirmed that it knows: else the peer would take it for silence.
#[test]
fn slower_sending_waits_for_the_poll() {
    let mut world = World::up(timers(100, 100, 3), timers(100, 100, 3));
    // The confirmation is lost for a while.
    world.arrives[B as usize] = Box::new(|packet| !packet.is_final);
    world.configure(A, timers(1000, 100, 3));
    world.run(millis(2000));
    let (_, most) = bounds(&world.gaps(A));
    assert!(most <= millis(100), "{most:?}");
    let told = |packet: &causeway_wire::bfd::ControlPacket| packet.is_poll && packet.desired_min_tx_us == 1_000_000;
    assert!(world.sent.iter().filter(|(_, end, _)| *end == A).all(|(_, _, packet)| told(packet)));
    world.heal(B);
    world.run(millis(200));
    world.forget();
    world.run(millis(20_000));
    let (least, most) = bounds(&world.gaps(A));
    assert!(least >= millis(750) && most <= millis(1000), "{least:?} to {most:?}");
    assert!(!world.sent.iter().any(|(_, _, packet)| packet.is_poll || packet.is_final));
    assert_eq!((world.told(A), world.told(B)), (vec![], vec![]));
    assert_eq!(world.status(B).detection_time, Some(millis(3000)));
}

/// A sharper detection waits too: until the peer knows, it sends at the old pace.
#[test]
fn sharper_detection_waits_for_the_poll() {
    let mut world = World::up(timers(50, 1000, 3), timers(50, 1000, 3));
    assert_eq!(world.status(A).detection_time, Some(millis(3000)));
    world.arrives[B as usize] = Box::new(|packet| !packet.is_final);
    world.configure(A, timers(50, 200, 3));
    assert_eq!(world.status(A).detection_time, Some(millis(3000)));
    world.run(millis(3000));
    assert_eq!(world.status(A).detection_time, Some(millis(3000)));
    world.heal(B);
    world.run(millis(1100));
    assert_eq!(world.status(A).detection_time, Some(millis(600)));
    assert_eq!(world.status(B).transmit_interval, millis(200));
    world.run(millis(60_000));
    assert_eq!((world.told(A), world.told(B)), (vec![], vec![]));
}

/// A change during a poll gets a poll of its own, told apart by a packet without P.
#[test]
fn a_second_change_during_a_poll_is_polled_again() {
    let mut world = World::up(timers(100, 100, 3), timers(100, 100, 3));
    world.configure(A, timers(200, 100, 3));
    world.configure(A, timers(400, 100, 3));
    world.run(millis(3000));
    let polls: Vec<bool> =
        world.sent.iter().filter(|(_, end, packet)| *end == A && !packet.is_final).map(|(.., p)| p.is_poll).collect();
    let mut phases = polls.clone();
    phases.dedup();
    assert_eq!(phases, [true, false, true, false], "{polls:?}");
    assert_eq!(world.status(A).transmit_interval, millis(400));
    assert_eq!((world.told(A), world.told(B)), (vec![], vec![]));
}

#[test]
fn a_peer_that_wants_no_packets_gets_none() {
    let mut world = World::new();
    world.configure(A, timers(100, 100, 3));
    world.configure(B, timers(100, 0, 3));
    world.run(millis(2000));
    world.forget();
    world.run(millis(60_000));
    let from_a = world.sent.iter().filter(|(_, end, packet)| *end == A && !packet.is_final).count();
    // B hears nothing, as it wished, and so its own session can't stay up; each change of state is still told.
    let changes = world.notices.iter().filter(|(_, end, _)| *end == A).count();
    assert!(from_a <= changes + 1, "{from_a} packets, {changes} changes");
}

fn any_timers() -> impl Strategy<Value = BfdConfig> {
    (10..2000u32, 10..2000u32, 1..10u8).prop_map(|(tx, rx, mult)| timers(tx, rx, mult))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The slower end decides how often an end sends; the detection time is the sender's multiplier times that; and
    /// silence is found out exactly then.
    #[test]
    fn intervals_are_negotiated_and_silence_is_found_out_in_time(a in any_timers(), b in any_timers()) {
        let mut world = World::up(a, b);
        for (end, own, other) in [(A, a, b), (B, b, a)] {
            let status = world.status(end);
            prop_assert_eq!(status.transmit_interval, millis(own.min_tx_ms.max(other.min_rx_ms).into()));
            let detection_ms = u64::from(other.detect_mult) * u64::from(own.min_rx_ms.max(other.min_tx_ms));
            prop_assert_eq!(status.detection_time, Some(millis(detection_ms)));
        }
        world.run(millis(30_000));
        prop_assert_eq!((world.told(A), world.told(B)), (vec![], vec![]));
        let detection = world.status(B).detection_time.unwrap();
        world.cut(A);
        world.run(detection + DELAY);
        let found_out = world.told_at(B, Down);
        let heard_last = world.heard_last(B, found_out);
        prop_assert_eq!(found_out - heard_last, detection);
    }

    /// Whatever intervals are changed into whatever others, a link without loss never goes down.
    #[test]
    fn changes_of_intervals_never_cost_the_session(
        start in any_timers(),
        changes in proptest::collection::vec((any::<bool>(), any_timers(), 0..5000u64), 1..8),
    ) {
        // A multiplier of one leaves no room for the packet that is under way while the other end changes.
        let fair = |timers: BfdConfig| BfdConfig { detect_mult: timers.detect_mult.max(2), ..timers };
        let mut world = World::up(fair(start), fair(start));
        for (is_a, timers, wait_ms) in changes {
            let end = if is_a { A } else { B };
            world.input(end, BfdInput::Sessions(vec![end.session(fair(timers))]));
            world.run(millis(wait_ms));
        }
        world.run(millis(20_000));
        prop_assert_eq!((world.told(A), world.told(B)), (vec![], vec![]));
        prop_assert_eq!([world.status(A).state, world.status(B).state], [Up, Up]);
    }
}

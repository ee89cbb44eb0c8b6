//! What happens on the link, and what both ends make of it.

use causeway_edge_types::BfdState::{Down, Init, Up};
use causeway_edge_types::{AttachmentId, Moment, PeerId};
use causeway_router::BfdDiagnostic as Diagnostic;
use causeway_router::{BfdEngine, BfdInput, BfdOutput};
use causeway_wire::bfd::ControlPacket;
use proptest::prelude::*;

use crate::world::*;

const FAST: causeway_edge_types::BfdConfig = timers(300, 300, 3);

#[test]
fn both_ends_come_up_within_a_few_trips() {
    let mut world = World::new();
    world.configure(A, FAST);
    world.run(millis(5000));
    assert_eq!(world.told(A), [], "an end alone stays down");
    world.configure(B, FAST);
    world.run(millis(10));
    assert_eq!(world.told(B).last(), Some(&(Up, Diagnostic::None)));
    assert_eq!(world.told(A).last(), Some(&(Up, Diagnostic::None)));
    assert!(world.told(A).contains(&(Init, Diagnostic::None)) || world.told(B).contains(&(Init, Diagnostic::None)));
}

#[test]
fn a_silent_link_takes_both_down_and_back_up() {
    let mut world = World::up(FAST, FAST);
    world.cut(A);
    world.cut(B);
    world.run(millis(1500));
    assert_eq!(world.told(A), [(Down, Diagnostic::None)]);
    assert_eq!(world.told(B), [(Down, Diagnostic::None)]);
    assert_eq!(world.status(A).diagnostic, Diagnostic::DetectionTimeExpired);
    assert_eq!(world.status(A).remote_discriminator, 0);
    world.heal(A);
    world.heal(B);
    world.forget();
    world.run(millis(1100));
    assert_eq!(world.told(A).last(), Some(&(Up, Diagnostic::None)));
    assert_eq!(world.told(B).last(), Some(&(Up, Diagnostic::None)));
}

/// The end that hears nothing says so, and so the end that hears everything goes down too; and while one direction is
/// dead neither is ever up.
#[test]
fn a_link_that_is_dead_in_one_direction_is_down_for_both() {
    let mut world = World::up(FAST, FAST);
    world.cut(A);
    world.run(millis(1000));
    assert_eq!(world.told(B), [(Down, Diagnostic::None)]);
    assert_eq!(world.told(A).first(), Some(&(Down, Diagnostic::DetectionTimeExpired)));
    assert_eq!(world.told_at(A, Down) - world.told_at(B, Down), DELAY);
    assert_eq!(world.status(B).diagnostic, Diagnostic::DetectionTimeExpired);
    world.run(millis(60_000));
    assert!(!world.told(A).iter().chain(&world.told(B)).any(|(state, _)| *state == Up));
    world.heal(A);
    world.run(millis(1100));
    assert_eq!([world.status(A).state, world.status(B).state], [Up, Up]);
}

#[test]
fn fewer_lost_packets_than_the_multiplier_are_nothing() {
    let mut world = World::up(FAST, FAST);
    // Of any three packets in a row, one arrives.
    let mut count = 0;
    world.arrives[A as usize] = Box::new(move |_| {
        count += 1;
        count % 3 == 0
    });
    world.run(millis(600_000));
    assert_eq!(world.told(B), []);
    assert_eq!(world.told(A), []);
}

#[test]
fn concatenated_path_down_is_heard_at_once_and_leaves_the_session_up() {
    let mut world = World::up(FAST, FAST);
    let say = |diagnostic| BfdInput::Diagnostic { peer: A.peer(), diagnostic };
    let start = world.now;
    world.input(A, say(Diagnostic::ConcatenatedPathDown));
    world.run(millis(2));
    assert_eq!(world.told(B), [(Up, Diagnostic::ConcatenatedPathDown)]);
    assert_eq!(world.notices[0].0 - start, DELAY);
    world.input(A, say(Diagnostic::ConcatenatedPathDown));
    world.run(millis(5000));
    assert_eq!(world.told(B).len(), 1, "said again, or periodically, it is no news");
    world.input(A, say(Diagnostic::None));
    world.run(millis(2));
    assert_eq!(world.told(B)[1..], [(Up, Diagnostic::None)]);
    assert_eq!(world.told(A), []);

    // It outlives the session: said while the link is down, it is said as soon as the link is up again.
    world.cut(B);
    world.run(millis(2000));
    world.input(A, say(Diagnostic::ConcatenatedPathDown));
    assert_eq!(world.status(A).diagnostic, Diagnostic::DetectionTimeExpired);
    world.heal(B);
    world.run(millis(2000));
    assert_eq!(world.told(B).last(), Some(&(Up, Diagnostic::ConcatenatedPathDown)));
}

#[test]
fn a_lost_diagnostic_comes_with_the_next_periodic_packet() {
    let mut world = World::up(FAST, FAST);
    world.cut(A);
    world.input(A, BfdInput::Diagnostic { peer: A.peer(), diagnostic: Diagnostic::ConcatenatedPathDown });
    world.heal(A);
    world.run(millis(302));
    assert_eq!(world.told(B), [(Up, Diagnostic::ConcatenatedPathDown)]);
}

#[test]
fn a_session_that_is_taken_away_is_no_failure_to_the_peer() {
    let mut world = World::up(FAST, FAST);
    world.input(A, BfdInput::Sessions(vec![]));
    assert_eq!(world.engines[A as usize].status(A.peer()), None);
    assert_eq!(world.engines[A as usize].poll_timeout(), None);
    world.run(millis(60_000));
    assert_eq!(world.told(A), [], "the router that wanted it hears nothing");
    assert_eq!(world.told(B), [(Down, Diagnostic::AdministrativelyDown)]);
    assert_eq!(world.status(B).diagnostic, Diagnostic::NeighborSignaledDown);
    world.configure(A, FAST);
    world.run(millis(10));
    assert_eq!(world.told(B).last(), Some(&(Up, Diagnostic::None)));
}

#[test]
fn a_restarted_peer_is_noticed_by_its_first_packet() {
    let mut world = World::up(FAST, FAST);
    world.engines[B as usize] = BfdEngine::new(33);
    world.configure(B, FAST);
    world.run(millis(10));
    assert_eq!(world.told(A).first(), Some(&(Down, Diagnostic::None)));
    assert_eq!([world.status(A).state, world.status(B).state], [Up, Up]);
}

/// A process that is killed and started again within the detection time.
#[test]
fn a_restarted_process_takes_its_session_over_and_the_peer_never_notices() {
    let mut world = World::up(FAST, FAST);
    let number = world.status(B).discriminator;
    world.engines[B as usize] = BfdEngine::new(33);
    world.input(B, BfdInput::Restarted);
    world.configure(B, FAST);
    assert!(world.sent.is_empty(), "its first word would end the session");
    world.run(millis(5_000));
    assert_eq!(world.told(A), vec![]);
    assert_eq!(world.told(B), vec![(Up, Diagnostic::None)]);
    assert_eq!(world.status(B).discriminator, number);
    // It is a session like any other from now on.
    world.cut(A);
    world.cut(B);
    world.run(millis(5_000));
    assert_eq!([world.status(A).state, world.status(B).state], [Down, Down]);
}

#[test]
fn a_process_that_is_back_too_late_begins_anew() {
    for peer_is_there in [true, false] {
        let mut world = World::up(FAST, FAST);
        world.engines[B as usize] = BfdEngine::new(33);
        world.run(millis(20_000));
        assert_eq!(world.status(A).state, Down);
        if !peer_is_there {
            world.cut(A);
        }
        world.forget();
        world.input(B, BfdInput::Restarted);
        world.configure(B, FAST);
        world.run(millis(1_100));
        // Silent at first, and not for long.
        assert!(world.sent.iter().any(|(_, end, packet)| *end == B && packet.state != Up));
        world.run(millis(5_000));
        let state = if peer_is_there { Up } else { Down };
        assert_eq!(world.status(B).state, state);
    }
}

#[test]
fn a_number_of_nobody_s_is_taken_over_only_after_a_restart_and_only_from_a_peer_that_is_up() {
    for (has_restarted, state) in [(false, Up), (true, Init), (true, Down)] {
        let mut world = World::new();
        if has_restarted {
            world.input(A, BfdInput::Restarted);
        }
        world.configure(A, FAST);
        let before = world.status(A);
        let packet = ControlPacket {
            diagnostic: 0,
            state,
            is_poll: false,
            is_final: false,
            is_control_plane_independent: false,
            is_demand: false,
            detect_mult: 3,
            my_discriminator: 7,
            your_discriminator: before.discriminator.wrapping_add(1).max(1),
            desired_min_tx_us: 300_000,
            required_min_rx_us: 300_000,
            required_min_echo_rx_us: 0,
        };
        let bytes = packet.encode().to_vec();
        world.input(A, BfdInput::Packet { peer: A.peer(), ttl: 255, bytes });
        assert_eq!((world.status(A).state, world.status(A).discriminator), (Down, before.discriminator));
    }
}

/// A thousand sessions, and two of them with equal addresses on different attachments.
#[test]
fn sessions_are_kept_apart_and_a_seed_gives_the_same_run() {
    let configs: Vec<_> = (0..1000u32)
        .map(|n| {
            let mut config = A.session(FAST);
            config.peer = PeerId { attachment: AttachmentId(n), address: config.peer.address };
            config
        })
        .collect();
    let run = |seed| {
        let mut engine = BfdEngine::new(seed);
        engine.handle_input(Moment::ZERO, BfdInput::Sessions(configs.clone()));
        let mut sent = vec![];
        while let Some(at) = engine.poll_timeout().filter(|at| *at < Moment::from_millis(5000)) {
            engine.handle_timeout(at);
            sent.extend(std::iter::from_fn(|| engine.poll_output()).map(|output| (at, output)));
        }
        let mut discriminators: Vec<u32> =
            configs.iter().map(|config| engine.status(config.peer).unwrap().discriminator).collect();
        discriminators.sort();
        discriminators.dedup();
        assert_eq!(discriminators.len(), 1000);
        assert!(!discriminators.contains(&0));
        (sent, discriminators)
    };
    let (sent, discriminators) = run(5);
    assert!((6000..8000).contains(&sent.len()), "one a second, jittered, and the first: {}", sent.len());
    assert_eq!(run(5), (sent, discriminators.clone()));
    assert_ne!(run(6).1, discriminators);
}

#[test]
fn what_is_not_the_session_s_packet_is_dropped_and_counted() {
    let mut world = World::up(FAST, FAST);
    world.cut(B);
    let heard_last = world.now;
    let (discriminator, remote) = (world.status(A).discriminator, world.status(A).remote_discriminator);
    let good = causeway_wire::bfd::ControlPacket {
        diagnostic: 0,
        state: Up,
        is_poll: false,
        is_final: false,
        is_control_plane_independent: false,
        is_demand: false,
        detect_mult: 3,
        my_discriminator: remote,
        your_discriminator: discriminator,
        desired_min_tx_us: 300_000,
        required_min_rx_us: 300_000,
        required_min_echo_rx_us: 0,
    };
    let mut authenticated = good.encode().to_vec();
    authenticated[1] |= 4;
    authenticated[3] = 28;
    authenticated.extend([1, 4, 0, 0]);
    let stranger = PeerId { attachment: AttachmentId(8), ..A.peer() };
    let strange = causeway_wire::bfd::ControlPacket { your_discriminator: discriminator ^ 1, ..good };
    let cases = [
        ("came through a router", A.peer(), 254, good.encode().to_vec()),
        ("another's discriminator", A.peer(), 255, strange.encode().to_vec()),
        ("from another attachment", stranger, 255, good.encode().to_vec()),
        ("authenticated", A.peer(), 255, authenticated),
        ("cut off", A.peer(), 255, good.encode()[..23].to_vec()),
        ("nothing", A.peer(), 255, vec![]),
    ];
    for (count, (what, peer, ttl, bytes)) in (1..).zip(cases) {
        world.run(millis(100));
        world.input(A, BfdInput::Packet { peer, ttl, bytes });
        assert_eq!(world.engines[A as usize].packets_dropped(), count, "{what}");
    }
    world.run(millis(1000));
    assert!(world.told_at(A, Down) - heard_last <= millis(901), "dropped packets keep nobody alive");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a link lost, once it loses nothing more both ends are up soon, and stay up.
    #[test]
    fn a_healed_link_comes_up(losses in proptest::collection::vec((any::<u16>(), 0..100u8, 0..100u8), 1..20)) {
        let mut world = World::new();
        world.configure(A, FAST);
        world.configure(B, timers(100, 150, 4));
        for (span_ms, a_loss, b_loss) in losses {
            for (end, loss) in [(A, a_loss), (B, b_loss)] {
                let mut state = u32::from(span_ms);
                world.arrives[end as usize] = Box::new(move |_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 16) % 100 >= u32::from(loss)
                });
            }
            world.run(millis(u64::from(span_ms)));
        }
        world.heal(A);
        world.heal(B);
        world.run(millis(3000));
        prop_assert_eq!([world.status(A).state, world.status(B).state], [Up, Up]);
        world.forget();
        world.run(millis(60_000));
        prop_assert_eq!((world.told(A), world.told(B)), (vec![], vec![]));
    }

    /// Any bytes at any time: the engine goes on, and answers no more than it is asked.
    #[test]
    fn any_bytes_are_survived(packets in proptest::collection::vec((0..400u64, any::<[u8; 24]>(), any::<bool>()), 0..80)) {
        let mut world = World::up(FAST, FAST);
        let discriminator = world.status(A).discriminator.to_be_bytes();
        for (wait_ms, mut bytes, is_plausible) in packets {
            if is_plausible {
                bytes[0] = 0x20 | bytes[0] & 0x1f;
                bytes[1] &= 0xfa;
                bytes[2] |= 1;
                bytes[3] = 24;
                bytes[8..12].copy_from_slice(&discriminator);
            }
            world.run(millis(wait_ms));
            let before = world.sent.len();
            world.input(A, BfdInput::Packet { peer: A.peer(), ttl: 255, bytes: bytes.to_vec() });
            prop_assert!(world.sent.len() - before <= 2);
        }
        while let Some(BfdOutput::Transmit { .. }) = world.engines[A as usize].poll_output() {}
    }
}

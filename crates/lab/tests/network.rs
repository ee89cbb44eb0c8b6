//! Namespaces, wires and cables alone, without a daemon of ours: what a cable passes, what it loses when it is cut, and
//! that nothing is left. Needs root.
//!
//! ```text
//!   ce:wan0 ══ acc-primary ══ provider:access1 ─ bridge ─ provider:uplink1 ══ up-primary ══ edge1:trunk0
//! ```

mod common;

use std::process::Command;
use std::time::Duration;

use causeway_lab::blueprint::{Blueprint, namespace};
use causeway_lab::machine::network::CableState;
use causeway_lab::machine::{netns, network, process, sweep, tools};
use causeway_lab::probe::{self, Endpoint, Flow, Probe};
use causeway_lab::topology::{TWO_CUSTOMERS, Topology};
use common::{LabName, eventually};

fn ping(lab: &LabName, node: &str, address: &str) -> bool {
    let mut command = tools::inside(&namespace(lab, node), "ping");
    tools::output(command.args(["-n", "-c", "1", "-W", "1", address]), "").is_ok_and(|out| out.status.success())
}

fn state_of(lab: &LabName, blueprint: &Blueprint, cable: &str) -> CableState {
    let states = network::cable_states(lab, blueprint, "provider").expect("states");
    states.iter().find(|(name, _)| name == cable).expect("the cable").1
}

#[test]
fn a_cable_passes_frames_until_it_is_cut_and_again_when_healed() {
    let Some(lab) = LabName::new("a") else { return };
    let blueprint = Blueprint::of(&Topology::parse(TWO_CUSTOMERS).expect("good"));
    network::make(&lab, &blueprint).expect("made");

    // In place of the cross-connect and of an edge: a bridge and an address.
    tools::ip(
        Some(&namespace(&lab, "provider")),
        &[
            "link add joint type bridge",
            "link set access1 master joint",
            "link set uplink1 master joint",
            "link set joint up",
        ]
        .map(str::to_owned),
    )
    .expect("joined");
    tools::ip(Some(&namespace(&lab, "edge1")), &["address add 192.0.2.1/30 dev trunk0".to_owned()]).expect("addressed");
    assert!(ping(&lab, "ce", "192.0.2.1"), "an uncut cable passes nothing");
    assert!(ping(&lab, "host", "10.10.0.1"), "the host does not reach its router");
    assert!(!ping(&lab, "north-ce", "192.0.2.1"), "another customer's router reaches this one's edge");

    for (word, how, state, carrier) in [
        ("primary", network::Cut::Reported, CableState::Down, false),
        ("up-primary", network::Cut::Silent, CableState::Silent, true),
    ] {
        let cables = blueprint.cables_of(word);
        network::cut(&lab, &cables, how).expect("cut");
        for cable in &cables {
            assert_eq!(state_of(&lab, &blueprint, &cable.name), state);
        }
        let mut show = Command::new("ip");
        let shown =
            tools::run(show.args(["-n", &namespace(&lab, "edge1"), "link", "show", "trunk0"]), "").expect("shown");
        let has_carrier = shown.contains("LOWER_UP");
        assert_eq!(has_carrier, carrier, "{word} cut: what the edge sees of its carrier");
        assert!(!ping(&lab, "ce", "192.0.2.1"), "{word} is cut and passes");
        network::heal(&lab, &blueprint, &cables).expect("healed");
        for cable in &cables {
            assert_eq!(state_of(&lab, &blueprint, &cable.name), CableState::Up);
        }
        eventually("the healed cable passes", Duration::from_secs(5), || ping(&lab, "ce", "192.0.2.1"));
    }
}

#[test]
fn a_probe_counts_what_a_cut_cable_loses_and_for_how_long() {
    let Some(lab) = LabName::new("p") else { return };
    let blueprint = Blueprint::of(&Topology::parse("").expect("good"));
    network::make(&lab, &blueprint).expect("made");
    let joint = [
        "link add joint type bridge",
        "link set access1 master joint",
        "link set uplink1 master joint",
        "link set joint up",
    ];
    tools::ip(Some(&namespace(&lab, "provider")), &joint.map(str::to_owned)).expect("joined");
    tools::ip(Some(&namespace(&lab, "edge1")), &["address add 192.0.2.1/30 dev trunk0".to_owned()]).expect("addressed");
    assert!(ping(&lab, "ce", "192.0.2.1"));

    let place = |node: &str, address: &str| Endpoint {
        namespace: namespace(&lab, node),
        address: address.parse().expect("an address"),
    };
    let flow = |name: &str, from: Endpoint, to: Endpoint| Flow { name: name.to_owned(), from, to };
    let flows = vec![
        flow("there", place("ce", "192.0.2.2:0"), place("edge1", "192.0.2.1:7007")),
        flow("back", place("edge1", "192.0.2.1:0"), place("ce", "192.0.2.2:7007")),
    ];
    assert_eq!(probe::crossing(&flows, &namespace(&lab, "provider"), "up-primary").expect("seen"), [true, true]);
    assert_eq!(probe::crossing(&flows, &namespace(&lab, "provider"), "up-secondary").expect("seen"), [false, false]);

    let running = Probe::start(flows, Duration::from_millis(1)).expect("started");
    let cables = blueprint.cables_of("up-primary");
    std::thread::sleep(Duration::from_millis(100));
    network::cut(&lab, &cables, network::Cut::Silent).expect("cut");
    std::thread::sleep(Duration::from_millis(200));
    network::heal(&lab, &blueprint, &cables).expect("healed");
    std::thread::sleep(Duration::from_millis(100));
    for report in running.finish() {
        // The tools that cut and heal take a while themselves, and the machine may be busy: only what can't be is wrong.
        assert!(report.sent > 100, "{report}");
        assert!(report.lost > 50 && report.lost < report.sent, "{report}");
        assert!(report.longest_outage_ms > 150.0 && report.longest_outage_ms < 2_000.0, "{report}");
        assert_eq!((report.duplicates, report.reordered), (0, 0), "{report}");
    }
}

#[test]
fn a_sweep_finds_processes_and_namespaces_by_the_name_alone() {
    let Some(lab) = LabName::new("b") else { return };
    let blueprint = Blueprint::of(&Topology::parse("").expect("good"));
    network::make(&lab, &blueprint).expect("made");
    let log = std::env::temp_dir().join(format!("{}.log", &*lab));
    process::start(&lab, "edge1", Command::new("sleep").arg("600"), &log).expect("started");
    // As an edge does it for each attachment.
    tools::ip(None, &[format!("netns add {}-a7", namespace(&lab, "edge1"))]).expect("made");
    // Somebody's own process inside, which ignores the polite signal.
    let mut stubborn = tools::inside(&namespace(&lab, "host"), "sh");
    let mut stubborn = stubborn.args(["-c", "trap '' TERM; while :; do sleep 1; done"]).spawn().expect("started");
    eventually("both are seen", Duration::from_secs(5), || sweep::remains(&lab).expect("seen").processes.len() >= 2);
    assert_eq!(process::find(&lab, Some("edge1")).expect("found").len(), 1);

    let removed = sweep::remove(&lab).expect("removed");
    assert_eq!(removed.namespaces.len(), blueprint.nodes.len() + 1);
    assert!(sweep::remains(&lab).expect("seen").is_empty());
    assert!(netns::list(&format!("cw-{}-", &*lab)).expect("listed").is_empty());
    assert!(stubborn.wait().is_ok_and(|status| !status.success()));
    let _ = std::fs::remove_file(log);
}

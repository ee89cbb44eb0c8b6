//! The whole path, with our own daemons, a real BIRD and real packets. Needs root.

#[path = "../../lab/tests/common/mod.rs"]
mod common;

use std::process::{Command, Stdio};
use std::time::Duration;

use causeway_lab::blueprint::{Strand, namespace};
use causeway_lab::lab::Lab;
use causeway_lab::machine::{network, process, sweep};
use causeway_lab::probe::{self, Probe, Report};
use causeway_lab::state::Place;
use causeway_lab::up::{ping, wait_for_bfd, wait_for_path, wait_for_sessions};
use common::{LabName, eventually};
use serde_json::Value;

const MILLISECOND: Duration = Duration::from_millis(1);

fn causeway(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.args(words).stdin(Stdio::null());
    command
}

/// Runs a command that must succeed and print JSON.
fn json(words: &[&str]) -> Value {
    let output = causeway(words).output().expect("started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn assert_all_arrived(reports: &[Report]) {
    for report in reports {
        assert!(report.sent > 100, "{report}");
        assert_eq!(report.lost, 0, "{report}");
    }
}

fn assert_out_for_at_most(milliseconds: f64, reports: &[Report]) {
    for report in reports {
        assert!(report.lost < report.sent && report.longest_outage_ms <= milliseconds, "{report}");
    }
}

#[test]
fn two_customers_with_the_same_addresses_live_through_cuts_and_a_crash_and_never_meet() {
    let Some(name) = LabName::new("e") else { return };
    let about = json(&["lab", "up", "--name", &name, "--two-customers", "--json"]);
    assert!(about["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{about}");
    let lab = Lab::open(&name).expect("there");
    let provider = namespace(&name, "provider");

    // Packets, both ways and both families, of both customers.
    for (index, customer) in lab.topology.customers.iter().enumerate() {
        let pairs = customer.site.host_addresses().into_iter().zip(customer.network.host_addresses());
        for (here, there) in pairs {
            for (node, address) in [("host", there), ("vm", here)] {
                let address = address.addr().to_string();
                let node = customer.node(index, node);
                assert!(ping(&lab, &node, &address, "2").expect("ran"), "{node} does not reach {address}");
            }
        }
        let sessions = lab.sessions(index).expect("sessions");
        assert!(sessions.len() == 4 && sessions.iter().all(|session| session.is_established()), "{sessions:?}");
    }

    // What one customer sends to an address that both have arrives at its own machine and never at the other's.
    for (mine, other) in [(0, 1), (1, 0)] {
        let flows = probe::flows(&lab, mine, None).expect("flows");
        for (index, expected) in [(mine, true), (other, false)] {
            let customer = &lab.topology.customers[index];
            for node in ["net", "host"] {
                let at = namespace(&name, &customer.node(index, node));
                let ifname = if node == "net" { customer.node(index, "vm") } else { "eth0".to_owned() };
                let seen = probe::crossing(&flows, &at, &ifname).expect("seen");
                assert!(seen.iter().all(|seen| *seen == expected), "{ifname} of {at} sees {seen:?} of customer {mine}");
            }
        }
    }

    // Both tags on each uplink, the S-tag of its own circuit only.
    let mut s_tags = Vec::new();
    for index in [0, 1] {
        for strand in Strand::BOTH {
            let flow = probe::flows(&lab, index, Some(strand)).expect("flows").swap_remove(0);
            let frame = probe::capture(&flow, &provider, &format!("up-{}", strand.word())).expect("captured");
            let tags = probe::tags(&frame);
            assert_eq!(tags.len(), 2, "tags on up-{}: {tags:?}", strand.word());
            assert_eq!(tags[1], lab.topology.customers[index].peering.vlan_id);
            s_tags.push(tags[0]);
        }
    }
    assert!(s_tags[0] == s_tags[1] && s_tags[2] == s_tags[3] && s_tags[0] != s_tags[2], "{s_tags:?}");

    // A link that reports down, then one that does not; each heals. The other customer's sessions are on it, too.
    for (silent, limit_ms) in [(false, 500.0), (true, 1_500.0)] {
        let flows = probe::flows(&lab, 0, Some(Strand::Primary)).expect("flows");
        let running = Probe::start(flows, MILLISECOND).expect("started");
        std::thread::sleep(Duration::from_millis(200));
        let mut words = vec!["lab", "cut", "primary", "--json", "--name", &name];
        words.extend(silent.then_some("--silent"));
        assert_eq!(json(&words)["state"], if silent { "silent" } else { "down" });
        std::thread::sleep(Duration::from_millis(1_800));
        assert_out_for_at_most(limit_ms, &running.finish());
        let cables = network::cable_states(&name, &lab.blueprint, "provider").expect("states");
        assert_eq!(cables.iter().filter(|(_, state)| *state == network::CableState::Up).count(), 3, "{cables:?}");
        json(&["lab", "heal", "primary", "--json", "--name", &name]);
        for index in [0, 1] {
            wait_for_sessions(&lab, index, Duration::from_secs(30)).expect("healed");
            wait_for_bfd(&lab, index, Duration::from_secs(10)).expect("watched");
        }
        wait_for_path(&lab, 0, Strand::Primary, Duration::from_secs(10)).expect("healed");
    }

    // SIGKILL of an edge that carries all of it.
    let flows = probe::flows(&lab, 0, Some(Strand::Primary)).expect("flows");
    let running = Probe::start(flows, MILLISECOND).expect("started");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(json(&["lab", "kill", "edge1", "--json", "--name", &name])["killed"], 1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(json(&["lab", "start", "edge1", "--json", "--name", &name])["started"], 1);
    wait_for_sessions(&lab, 0, Duration::from_secs(30)).expect("back");
    std::thread::sleep(Duration::from_millis(500));
    assert_all_arrived(&running.finish());

    // A person's way in. BFD may have taken the killed edge's sessions down once more; they come back.
    eventually("four sessions, in BIRD's own words", Duration::from_secs(30), || {
        let words = ["lab", "exec", "--name", &name, "ce", "--", "birdc", "show", "protocols", "all"];
        let output = String::from_utf8(causeway(&words).output().expect("ran").stdout).expect("text");
        output.matches("BGP state:          Established").count() == 4
    });
    let status = json(&["lab", "status", "--json", "--name", &name]);
    assert_eq!(status["phase"], "up");
    assert!(status.get("problems").is_none(), "{status}");

    json(&["lab", "down", "--json", "--name", &name]);
    assert!(sweep::remains(&name).expect("looked").is_empty());
    assert!(!Place::of(&name).exists());
}

#[test]
fn a_lab_beside_another_whose_making_is_killed_is_not_touched() {
    let (Some(one), Some(two)) = (LabName::new("f"), LabName::new("g")) else { return };
    json(&["lab", "up", "--name", &one, "--json"]);
    let lab = Lab::open(&one).expect("there");

    let mut making = causeway(&["lab", "up", "--name", &two]).stdout(Stdio::null()).spawn().expect("started");
    eventually("edges of the second lab run", Duration::from_secs(60), || {
        process::find(&two, Some("edge1")).is_ok_and(|found| !found.is_empty())
    });
    making.kill().expect("killed");
    making.wait().expect("ended");
    let listed = json(&["lab", "list", "--json"]);
    let phase = |name: &str| {
        let all = listed.as_array().expect("a list");
        all.iter().find(|lab| lab["lab"] == name).map(|lab| lab["phase"].clone()).expect("listed")
    };
    assert_eq!((phase(&one), phase(&two)), ("up".into(), "making".into()));
    let again = causeway(&["lab", "up", "--name", &two]).output().expect("started");
    assert!(!again.status.success(), "a half-made lab was made again");

    let removed = json(&["lab", "down", "--json", "--name", &two]);
    assert!(removed["processes"].as_array().is_some_and(|list| !list.is_empty()), "{removed}");
    assert!(sweep::remains(&two).expect("looked").is_empty());

    let address = lab.topology.customers[0].network.host_addresses()[0].addr().to_string();
    assert!(ping(&lab, "host", &address, "2").expect("ran"), "the other lab has lost its path");
    assert!(sweep::remains(&one).expect("looked").namespaces.len() >= lab.blueprint.nodes.len());

    // Taken down after a crash of everything.
    for running in process::find(&one, None).expect("found") {
        process::signal(running.pid, nix::sys::signal::Signal::SIGKILL).expect("killed");
    }
    json(&["lab", "down", "--json", "--name", &one]);
    assert!(sweep::remains(&one).expect("looked").is_empty());
}

/// FRR is not on every machine; where it is, it is a customer's router like BIRD.
#[test]
fn frr_is_a_customer_s_router_too() {
    if !std::path::Path::new("/usr/lib/frr/bgpd").exists() {
        println!("skipped: FRR is not installed (package frr)");
        return;
    }
    let Some(name) = LabName::new("f") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("topology.toml");
    std::fs::write(&file, "[[customer]]\n[customer.site]\nrouter = \"frr\"\n").expect("written");
    json(&["lab", "up", "--name", &name, "--topology", file.to_str().expect("a path"), "--json"]);
    let lab = Lab::open(&name).expect("there");
    wait_for_bfd(&lab, 0, Duration::from_secs(30)).expect("BFD");
    let probe = Probe::start(probe::flows(&lab, 0, Some(Strand::Primary)).expect("flows"), MILLISECOND).expect("begun");
    causeway(&["lab", "cut", "--name", &name, "--silent", "primary"]).status().expect("cut");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_out_for_at_most(1_200.0, &probe.finish());
}

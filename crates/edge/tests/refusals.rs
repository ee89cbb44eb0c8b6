//! What keeps a daemon from starting is named: a capability, a namespace, another process.

mod support;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use causeway_edge::{EdgeOptions, OpenedDataplane, run_with};
use support::bench::{Edge, Shared, Wire, config};
use support::{can_make_namespaces, try_run, wait_for};

fn options(data: &std::path::Path) -> EdgeOptions {
    EdgeOptions {
        name: "e1".into(),
        role: "edge".into(),
        netns: Some("/run/netns/there-is-no-such-namespace".into()),
        data: data.to_owned(),
        pin_root: None,
        control: None,
        config_file: None,
        status_file: None,
        stop: Arc::new(AtomicBool::new(false)),
    }
}

/// No test by itself: the process that the tests below start without some capability.
#[test]
#[ignore = "the daemon's process of another test"]
fn daemon_process() {
    let Ok(data) = std::env::var("CAUSEWAY_TEST_DATA") else { return };
    causeway_edge::run(options(data.as_ref())).unwrap();
}

#[test]
fn a_missing_capability_is_named() {
    if !can_make_namespaces() || !try_run("capsh --print").0 {
        eprintln!("SKIPPED: needs root and capsh (Debian package libcap2-bin)");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let line = format!("exec {} daemon_process --exact --ignored --nocapture", exe.display());
    let output = std::process::Command::new("capsh")
        .args(["--drop=cap_net_admin", "--", "-c", &line])
        .env("CAUSEWAY_TEST_DATA", data.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains("lacks CAP_NET_ADMIN"), "{text}");
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0, "nothing was begun");
}

#[test]
fn a_missing_namespace_is_named() {
    if !can_make_namespaces() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let error = causeway_edge::run(options(data.path())).unwrap_err();
    assert!(format!("{error:#}").contains("/run/netns/there-is-no-such-namespace"), "{error:#}");
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    if !can_make_namespaces() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    let given = serde_json::to_vec(&config(1)).unwrap();
    std::fs::write(data.path().join("given.json"), given).unwrap();
    let edge = Edge::start(Edge::options(&wire, data.path().to_owned()));
    let is_up = || edge.status().is_some_and(|status| status.observed_generation == 1);
    wait_for("the first", support::bench::SOON, is_up, || format!("{:#?}", edge.status()));
    let second = Edge::options(&wire, data.path().to_owned());
    let opened = |_: &EdgeOptions| Ok(OpenedDataplane { dataplane: Box::new(Shared::default()), has_adopted: false });
    let error = run_with(second, opened).unwrap_err();
    assert!(format!("{error:#}").contains("another process"), "{error:#}");
}

#[test]
fn a_file_that_is_no_configuration_changes_nothing() {
    if !can_make_namespaces() {
        return;
    }
    let (wire, data) = (Wire::new(), tempfile::tempdir().unwrap());
    let given = data.path().join("given.json");
    std::fs::write(&given, serde_json::to_vec(&config(3)).unwrap()).unwrap();
    let mut edge = Edge::start(Edge::options(&wire, data.path().to_owned()));
    let has_three = |edge: &Edge| edge.status().is_some_and(|status| status.observed_generation == 3);
    wait_for("the first", support::bench::SOON, || has_three(&edge), || format!("{:#?}", edge.status()));
    edge.stop().unwrap();
    std::fs::write(&given, b"{ \"edge\": ").unwrap();
    std::fs::remove_file(edge.options.status_file.as_ref().unwrap()).unwrap();
    let edge = Edge::start(Edge::options(&wire, data.path().to_owned()));
    wait_for("the same", support::bench::SOON, || has_three(&edge), || format!("{:#?}", edge.status()));
}

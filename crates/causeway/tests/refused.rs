//! What `causeway lab` refuses, in which words, and that nothing was made. Needs no root, except where it says so.

use std::io::Write;
use std::process::{Command, Output};

fn causeway(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_causeway")).args(words).output().expect("started")
}

fn refused(words: &[&str]) -> String {
    let output = causeway(words);
    assert!(!output.status.success(), "{words:?} succeeded");
    String::from_utf8(output.stderr).expect("text")
}

fn assert_nothing_of(lab: &str) {
    let remains = causeway_lab::machine::sweep::remains(lab).expect("looked");
    assert!(remains.is_empty(), "{remains:?}");
    assert!(!causeway_lab::state::Place::of(lab).exists());
}

#[test]
fn a_truncated_topology_is_refused_with_its_line() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    write!(file, "[location]\nname = \"Harbour\"\n\n[[customer]]\nname = \"sou").expect("written");
    let path = file.path().to_str().expect("text");
    let said = refused(&["lab", "up", "--name", "refuseda", "--topology", path]);
    assert!(said.contains("nothing was made"), "{said}");
    assert!(said.contains("line 5: this is not TOML"), "{said}");
    assert_nothing_of("refuseda");
}

#[test]
fn every_problem_of_name_and_topology_is_told_at_once() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    write!(file, "[[customer]]\n[customer.peering]\nvlan_id = 4095\nprimary_ipv4 = \"192.0.2.0/28\"\n")
        .expect("written");
    let path = file.path().to_str().expect("text");
    let said = refused(&["lab", "up", "--name", "Refused-B", "--topology", path]);
    assert!(said.contains("the lab's name \"Refused-B\": must be a word"), "{said}");
    assert!(said.contains("line 3: customer.peering.vlan_id = 4095: must be a whole number from 1 to 4094"), "{said}");
    assert!(said.contains("line 4: customer.peering.primary_ipv4 = \"192.0.2.0/28\": must be a /30"), "{said}");
    assert_nothing_of("Refused-B");
}

#[test]
fn a_topology_that_is_not_there_is_named() {
    let said = refused(&["lab", "up", "--name", "refusedc", "--topology", "/nowhere/at/all.toml"]);
    assert!(said.contains("/nowhere/at/all.toml"), "{said}");
    assert_nothing_of("refusedc");
}

#[test]
fn without_capabilities_nothing_is_made() {
    if !nix::unistd::geteuid().is_root() {
        let said = refused(&["lab", "up", "--name", "refusedd"]);
        assert!(said.contains("this machine lacks the capabilities CAP_NET_ADMIN"), "{said}");
        return;
    }
    // As root, give the capabilities up.
    let output = Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all", env!("CARGO_BIN_EXE_causeway")])
        .args(["lab", "up", "--name", "refusedd"])
        .output()
        .expect("setpriv");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success());
    assert!(
        said.contains("this machine lacks the capabilities CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN: run as root"),
        "{said}"
    );
    assert_nothing_of("refusedd");
}

#[test]
fn a_lab_that_is_not_there_can_be_neither_looked_at_nor_taken_down() {
    for words in [
        &["lab", "status", "--name", "refusede"][..],
        &["lab", "cut", "primary", "--name", "refusede"],
        &["lab", "exec", "--name", "refusede", "ce", "--", "true"],
    ] {
        let said = refused(words);
        assert!(said.contains("there is no lab \"refusede\"; `causeway lab up --name refusede` makes it"), "{said}");
    }
    if nix::unistd::geteuid().is_root() {
        let said = refused(&["lab", "down", "--name", "refusede"]);
        assert!(said.contains("there is no lab \"refusede\""), "{said}");
    }
    let said = refused(&["lab", "down", "--name", "../etc"]);
    assert!(said.contains("must be a word"), "{said}");
}

#[test]
fn the_built_in_topologies_are_printed_and_are_good() {
    for words in [&["lab", "topology"][..], &["lab", "topology", "--two-customers"]] {
        let output = causeway(words);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).expect("text");
        causeway_lab::topology::Topology::parse(&text).expect("good");
    }
}

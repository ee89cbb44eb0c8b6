//! Namespaces for tests: made under a prefix of the test process's own, gone when the test ends, however it ends.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod bench;
pub mod bird;
pub mod daemon;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use causeway_edge::netns;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A prefix for the names of one test's namespaces; everything under it is removed when it is dropped.
pub struct Prefix(pub String);

impl Prefix {
    /// A new one.
    pub fn new() -> Prefix {
        Prefix(format!("cwt{}x{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    /// The full name of a namespace.
    pub fn name(&self, short: &str) -> String {
        format!("{}-{short}", self.0)
    }

    /// Makes a namespace and gives its full name.
    pub fn namespace(&self, short: &str) -> String {
        let name = self.name(short);
        run(&format!("ip netns add {name}"));
        run(&format!("ip -n {name} link set lo up"));
        name
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        for name in netns::list_named().unwrap_or_default() {
            if name.starts_with(&format!("{}-", self.0)) {
                let _ = netns::remove_named(&name);
            }
        }
    }
}

/// Whether this machine lets tests make namespaces; says so where it does not.
pub fn can_make_namespaces() -> bool {
    let can = nix::unistd::geteuid().is_root() && Command::new("ip").arg("-V").output().is_ok();
    if !can {
        eprintln!("SKIPPED: needs root and iproute2");
    }
    can
}

/// Runs a command line (split at spaces) and gives its output; a failure fails the test.
pub fn run(line: &str) -> String {
    let (code, output) = try_run(line);
    assert!(code, "{line}: {output}");
    output
}

/// Runs a command line and says whether it succeeded, with its output.
pub fn try_run(line: &str) -> (bool, String) {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap_or_else(|e| panic!("{line}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// Waits until `is_so` holds; fails the test with what `explain` says when it does not in time.
pub fn wait_for(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool, explain: impl Fn() -> String) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}\n{}", explain());
        std::thread::sleep(Duration::from_millis(5));
    }
}

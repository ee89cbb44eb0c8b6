//! Names that nobody else has, cleaning up whatever happens, waiting without sleeping blindly.
#![allow(dead_code, reason = "each test file uses a part")]

use std::ops::Deref;
use std::time::{Duration, Instant};

use causeway_lab::machine::sweep;
use causeway_lab::state::Place;

/// A lab's name of this test process; everything of that lab is removed when it goes.
pub struct LabName(String);

impl LabName {
    /// A name; none (and a line that says so) where we are not root.
    pub fn new(letter: &str) -> Option<LabName> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return None;
        }
        Some(LabName(format!("t{letter}{}", std::process::id() % 10_000_000)))
    }
}

impl Deref for LabName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for LabName {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("KEEP_LAB").is_some() {
            eprintln!("kept: lab {}", self.0);
            return;
        }
        if let Err(error) = sweep::remove(&self.0) {
            eprintln!("cleaning up lab {}: {error:#}", self.0);
        }
        let _ = Place::of(&self.0).remove();
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

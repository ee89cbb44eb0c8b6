//! SIGTERM, SIGINT and SIGHUP, waited for by one thread and blocked in all others.

use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{SigSet, Signal as Unix};

/// What a person or a supervisor wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals, blocked in the thread that asked and in those that it starts from then on.
#[derive(Debug)]
pub struct Signals {
    set: SigSet,
}

impl Signals {
    /// Blocks them.
    pub fn block() -> anyhow::Result<Signals> {
        let set = SigSet::from_iter([Unix::SIGTERM, Unix::SIGINT, Unix::SIGHUP]);
        set.thread_block().context("cannot block signals")?;
        Ok(Signals { set })
    }

    /// The next one that comes within `limit`.
    pub fn wait(&self, limit: Duration) -> Option<Signal> {
        let timeout = libc::timespec { tv_sec: limit.as_secs() as _, tv_nsec: limit.subsec_nanos() as _ };
        // SAFETY: both arguments outlive the call, and no information about the signal is asked for.
        let signal = unsafe { libc::sigtimedwait(self.set.as_ref(), std::ptr::null_mut(), &raw const timeout) };
        match Unix::try_from(signal) {
            Ok(Unix::SIGTERM | Unix::SIGINT) => Some(Signal::Stop),
            Ok(Unix::SIGHUP) => Some(Signal::Reload),
            _ => None,
        }
    }
}

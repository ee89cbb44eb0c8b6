//! SIGTERM, SIGINT and SIGHUP. Handlers only note that a signal came, whatever thread it came to; one thread looks.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal as Unix, sigaction};

/// How often the thread looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

static IS_STOPPED: AtomicBool = AtomicBool::new(false);
static RELOADS: AtomicU32 = AtomicU32::new(0);

extern "C" fn stop(_: libc::c_int) {
    IS_STOPPED.store(true, Ordering::Relaxed);
}

extern "C" fn reload(_: libc::c_int) {
    RELOADS.fetch_add(1, Ordering::Relaxed);
}

/// What a person or a supervisor wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals from now on.
#[derive(Debug)]
pub struct Signals {
    reloads_seen: u32,
}

impl Signals {
    /// Takes the signals over for the whole process.
    pub fn take() -> anyhow::Result<Signals> {
        let handlers: [(Unix, extern "C" fn(libc::c_int)); 3] =
            [(Unix::SIGTERM, stop), (Unix::SIGINT, stop), (Unix::SIGHUP, reload)];
        for (signal, handler) in handlers {
            let action = SigAction::new(SigHandler::Handler(handler), SaFlags::SA_RESTART, SigSet::empty());
            // SAFETY: the handlers touch nothing but atomics, which is safe at any point of any thread.
            unsafe { sigaction(signal, &action) }.with_context(|| format!("cannot handle {signal}"))?;
        }
        Ok(Signals { reloads_seen: RELOADS.load(Ordering::Relaxed) })
    }

    /// The next one that comes within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<Signal> {
        let deadline = Instant::now() + limit;
        loop {
            if IS_STOPPED.load(Ordering::Relaxed) {
                return Some(Signal::Stop);
            }
            let reloads = RELOADS.load(Ordering::Relaxed);
            if reloads != self.reloads_seen {
                self.reloads_seen = reloads;
                return Some(Signal::Reload);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
    }
}

//! Where the router's thread puts what it sees, and where others read it: the reporter to control, the status file.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use causeway_edge_types::{EdgeStatus, Problem};

/// The last status.
#[derive(Debug, Default)]
pub struct StatusBoard {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    status: Option<Arc<EdgeStatus>>,
    refusal: Vec<Problem>,
    version: u64,
    is_closed: bool,
}

impl StatusBoard {
    /// Puts up a status; with `is_news` those who wait are woken, without it only figures have moved.
    pub fn publish(&self, status: EdgeStatus, is_news: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.status = Some(Arc::new(status));
        if is_news {
            state.version += 1;
            self.news.notify_all();
        }
    }

    /// Says why the configuration last offered is not applied; nothing, if it is. Whether that is news.
    pub fn set_refusal(&self, problems: Vec<Problem>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.refusal == problems {
            return false;
        }
        state.refusal = problems;
        state.version += 1;
        self.news.notify_all();
        true
    }

    /// No more will come: those who wait are let go.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.news.notify_all();
    }

    /// Whether the daemon is ending.
    pub fn is_closed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed
    }

    /// Pauses, but not beyond the closing of the board.
    pub fn pause(&self, length: Duration) {
        let deadline = Instant::now() + length;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.is_closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for news since `seen` or for `limit`; the status and its version, or none once the board is closed.
    pub fn wait(&self, seen: u64, limit: Duration) -> Option<(u64, Option<EdgeStatus>)> {
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if state.is_closed {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.version != seen || left.is_zero() {
                break;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let status = state.status.as_ref().map(|status| {
            let mut status = EdgeStatus::clone(status);
            status.problems.extend(state.refusal.iter().cloned());
            status
        });
        Some((state.version, status))
    }
}

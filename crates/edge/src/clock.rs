//! The one place that reads the clock: CLOCK_MONOTONIC, once per turn of a driver's loop.

use causeway_edge_types::Moment;
use nix::time::{ClockId, clock_gettime};

/// Now.
pub fn now() -> Moment {
    match clock_gettime(ClockId::CLOCK_MONOTONIC) {
        Ok(time) => {
            let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
            let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
            Moment(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
        }
        // The kernel knows this clock on every Linux; it has no way to fail.
        Err(_) => Moment::ZERO,
    }
}

//! The engines' only randomness: a seeded generator for jitter and BFD's discriminators. The same seed and the same inputs give the same outputs.

use std::time::Duration;

/// SplitMix64: small, seedable, good enough to spread timers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The upper half of one number.
    pub(crate) fn u32(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % high.saturating_sub(low).saturating_add(1)
    }

    /// 75 to 100 % of `full`, evenly spread (RFC 4271 section 10).
    pub(crate) fn jitter(&mut self, full: Duration) -> Duration {
        let part = self.next() % 251;
        full * (750 + u32::try_from(part).unwrap_or(0)) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_its_quarter_and_differs() {
        let mut random = Random::new(7);
        let full = Duration::from_secs(1);
        let drawn: Vec<Duration> = (0..1000).map(|_| random.jitter(full)).collect();
        assert!(drawn.iter().all(|d| (Duration::from_millis(750)..=full).contains(d)));
        assert!(drawn.windows(2).any(|w| w[0] != w[1]));
    }
}

//! Resilient hashing: which of a group's members each bucket belongs to. When a member goes, only its buckets move;
//! when one comes, it takes no more than its share, and nothing else moves.

use crate::GROUP_BUCKETS;

/// For each bucket the index of a member; empty when no member is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buckets(Vec<usize>);

impl Buckets {
    /// Dealt out evenly over those that are alive.
    pub(super) fn deal(is_alive: &[bool]) -> Buckets {
        let alive: Vec<usize> = (0..is_alive.len()).filter(|&member| is_alive[member]).collect();
        if alive.is_empty() {
            return Buckets(Vec::new());
        }
        Buckets((0..GROUP_BUCKETS).map(|bucket| alive[bucket % alive.len()]).collect())
    }

    /// Moves as few buckets as it takes to have them all with members that are alive, each with its share.
    pub(super) fn settle(&mut self, is_alive: &[bool]) {
        if self.0.is_empty() || !is_alive.contains(&true) {
            *self = Buckets::deal(is_alive);
            return;
        }
        let mut load = vec![0usize; is_alive.len()];
        for &member in &self.0 {
            load[member] += 1;
        }
        for bucket in 0..self.0.len() {
            if !is_alive[self.0[bucket]] {
                let heir = lightest(&load, is_alive);
                load[self.0[bucket]] -= 1;
                load[heir] += 1;
                self.0[bucket] = heir;
            }
        }
        // A member that has come back takes buckets from the heaviest, one by one, until none is ahead by two.
        loop {
            let heaviest = heaviest(&load, is_alive);
            let lightest = lightest(&load, is_alive);
            if load[heaviest] <= load[lightest] + 1 {
                return;
            }
            if let Some(bucket) = self.0.iter().position(|&member| member == heaviest) {
                self.0[bucket] = lightest;
            }
            load[heaviest] -= 1;
            load[lightest] += 1;
        }
    }

    pub(super) fn members(&self) -> &[usize] {
        &self.0
    }
}

fn lightest(load: &[usize], is_alive: &[bool]) -> usize {
    (0..load.len()).filter(|&m| is_alive[m]).min_by_key(|&m| (load[m], m)).unwrap_or(0)
}

fn heaviest(load: &[usize], is_alive: &[bool]) -> usize {
    (0..load.len()).filter(|&m| is_alive[m]).max_by_key(|&m| (load[m], std::cmp::Reverse(m))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moved(before: &Buckets, after: &Buckets) -> Vec<usize> {
        (0..GROUP_BUCKETS).filter(|&b| before.0[b] != after.0[b]).collect()
    }

    #[test]
    fn only_the_buckets_of_the_dead_move_and_the_returned_takes_a_fair_share() {
        let mut buckets = Buckets::deal(&[true, true, true]);
        let before = buckets.clone();
        buckets.settle(&[true, false, true]);
        assert!(moved(&before, &buckets).iter().all(|&b| before.0[b] == 1));
        let without = buckets.clone();
        buckets.settle(&[true, true, true]);
        let back = moved(&without, &buckets);
        assert_eq!(back.len(), 21);
        assert!(back.iter().all(|&b| buckets.0[b] == 1));
    }

    proptest! {
        #[test]
        fn whatever_happens_every_bucket_is_with_the_living_and_shares_are_even(
            history in prop::collection::vec(prop::collection::vec(any::<bool>(), 5), 1..20)
        ) {
            let mut buckets = Buckets::deal(&history[0]);
            for is_alive in &history {
                let before = buckets.clone();
                buckets.settle(is_alive);
                let living = is_alive.iter().filter(|a| **a).count();
                if living == 0 {
                    prop_assert!(buckets.0.is_empty());
                    continue;
                }
                for (member, is_alive) in is_alive.iter().enumerate() {
                    let held = buckets.0.iter().filter(|&&m| m == member).count();
                    let fair = GROUP_BUCKETS / living..=GROUP_BUCKETS.div_ceil(living);
                    let is_right = if *is_alive { fair.contains(&held) } else { held == 0 };
                    prop_assert!(is_right, "member {} holds {} buckets", member, held);
                }
                if !before.0.is_empty() {
                    // A bucket moves from the dead to the living or from the heavy to the light, never without need.
                    let needless = moved(&before, &buckets).into_iter().any(|b| {
                        let held = before.0.iter().filter(|&&m| m == before.0[b]).count();
                        is_alive[before.0[b]] && held <= GROUP_BUCKETS / living
                    });
                    prop_assert!(!needless);
                }
            }
        }
    }
}

//! The choice among paths to one prefix: weight first, then RFC 4271 section 9.1.2.2.
//!
//! Each step strikes out what is worse than the best of those that are left; the steps up to "external before internal"
//! give the set that traffic is spread over, the last two the one path of it that peers are told. Striking out, rather
//! than comparing in pairs, makes the outcome independent of the order of arrival even where MED counts only between
//! paths of one neighbouring AS.

use std::cmp::Reverse;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use causeway_edge_types::PeerId;
use causeway_wire::bgp::{Attributes, Origin};
use smallvec::SmallVec;

use crate::GROUP_BUCKETS;

/// What LOCAL_PREF is taken to be where a peer may not or does not say.
const LOCAL_PREFERENCE: u32 = 100;

/// A path that may be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) peer: PeerId,
    pub(crate) weight: u32,
    pub(crate) is_external: bool,
    pub(crate) router_id: Ipv4Addr,
    pub(crate) attributes: &'a Attributes,
    /// Its peer can be forwarded to.
    pub(crate) is_alive: bool,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// There is no other path.
    OnlyPath,
    /// Its peer can be forwarded to, the preferred ones can't.
    Alive,
    /// The highest weight.
    Weight,
    /// The highest local preference.
    LocalPreference,
    /// The shortest AS path.
    AsPathLength,
    /// The lowest origin.
    Origin,
    /// The lowest MULTI_EXIT_DISC of its neighbouring AS.
    Med,
    /// External before internal.
    External,
    /// The lowest router identifier.
    RouterId,
    /// The lowest peer address.
    PeerAddress,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::OnlyPath => "the only path",
            Reason::Alive => "the preferred paths' peers can't be forwarded to",
            Reason::Weight => "highest weight",
            Reason::LocalPreference => "highest local preference",
            Reason::AsPathLength => "shortest AS path",
            Reason::Origin => "lowest origin",
            Reason::Med => "lowest MED of its neighbouring AS",
            Reason::External => "external before internal",
            Reason::RouterId => "lowest router identifier",
            Reason::PeerAddress => "lowest peer address",
        })
    }
}

/// The outcome, as indexes into the candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The path that peers are told.
    pub(crate) best: usize,
    /// Those that traffic is spread over, in the candidates' order; never more than a group has buckets.
    pub(crate) multipath: SmallVec<[usize; 4]>,
    pub(crate) reason: Reason,
}

/// Chooses. Where none of the preferred paths can be forwarded to and another can, the choice is among those that can;
/// a preferred set of which one member is alive stays as it is, since the group forwards around the dead.
pub(crate) fn select(candidates: &[Candidate<'_>]) -> Option<Selection> {
    let all: SmallVec<[usize; 8]> = (0..candidates.len()).collect();
    let preferred = among(candidates, &all)?;
    if preferred.multipath.iter().any(|&index| candidates[index].is_alive) {
        return Some(preferred);
    }
    let alive: SmallVec<[usize; 8]> = all.into_iter().filter(|&index| candidates[index].is_alive).collect();
    match among(candidates, &alive) {
        Some(fallback) => Some(Selection { reason: Reason::Alive, ..fallback }),
        None => Some(preferred),
    }
}

fn among(candidates: &[Candidate<'_>], considered: &[usize]) -> Option<Selection> {
    let mut left: SmallVec<[usize; 8]> = considered.iter().copied().collect();
    let mut reason = Reason::OnlyPath;
    keep_least(&mut left, &mut reason, Reason::Weight, |i| Reverse(candidates[i].weight));
    keep_least(&mut left, &mut reason, Reason::LocalPreference, |i| Reverse(local_preference(&candidates[i])));
    keep_least(&mut left, &mut reason, Reason::AsPathLength, |i| candidates[i].attributes.as_path.length());
    keep_least(&mut left, &mut reason, Reason::Origin, |i| candidates[i].attributes.origin as u8);
    let before = left.clone();
    left.retain(|i| !before.iter().any(|&other| beats_by_med(&candidates[other], &candidates[*i])));
    if left.len() < before.len() {
        reason = Reason::Med;
    }
    keep_least(&mut left, &mut reason, Reason::External, |i| !candidates[i].is_external);
    let mut multipath: SmallVec<[usize; 8]> = left.clone();
    keep_least(&mut left, &mut reason, Reason::RouterId, |i| candidates[i].router_id);
    keep_least(&mut left, &mut reason, Reason::PeerAddress, |i| (address(&candidates[i]), candidates[i].peer));
    let best = *left.first()?;
    if multipath.len() > GROUP_BUCKETS {
        multipath.sort_by_key(|&i| (candidates[i].router_id, candidates[i].peer));
        multipath.truncate(GROUP_BUCKETS);
        multipath.sort_unstable();
    }
    Some(Selection { best, multipath: multipath.into_iter().collect(), reason })
}

/// Strikes out all whose key is not the least; the last step that strikes something out is the reason.
fn keep_least<K: Ord>(left: &mut SmallVec<[usize; 8]>, reason: &mut Reason, step: Reason, key: impl Fn(usize) -> K) {
    if left.len() < 2 {
        return;
    }
    let before = left.len();
    if let Some(least) = left.iter().map(|&index| key(index)).min() {
        left.retain(|index| key(*index) == least);
    }
    if left.len() < before {
        *reason = step;
    }
}

/// LOCAL_PREF counts only from inside our own AS (RFC 4271 section 5.1.5).
fn local_preference(candidate: &Candidate<'_>) -> u32 {
    match candidate.attributes.local_pref {
        Some(preference) if !candidate.is_external => preference,
        _ => LOCAL_PREFERENCE,
    }
}

/// An absent MED is the lowest one (RFC 4271 section 9.1.2.2 c).
fn beats_by_med(one: &Candidate<'_>, other: &Candidate<'_>) -> bool {
    let med = |candidate: &Candidate<'_>| candidate.attributes.med.unwrap_or(0);
    one.attributes.as_path.first() == other.attributes.as_path.first() && med(one) < med(other)
}

fn address(candidate: &Candidate<'_>) -> IpAddr {
    candidate.peer.address
}

/// So that a cast of it is an order: lowest is best.
const _: () = assert!((Origin::Igp as u8) < Origin::Egp as u8 && (Origin::Egp as u8) < Origin::Incomplete as u8);

#[cfg(test)]
mod tests;

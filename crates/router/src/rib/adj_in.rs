//! adj_in: what one peer has told us, before policy, with policy's verdict beside it.
//!
//! Each path knows in which session it was told. After a loss the session's number goes up: what was told before is
//! stale, and goes unless graceful restart keeps it for a while (RFC 4724 section 4.2).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::Arc;

use causeway_wire::bgp::Attributes;
use ipnet::IpNet;

use crate::policy::Refusal;

/// One prefix as the peer told it.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedPath {
    pub(crate) attributes: Arc<Attributes>,
    /// Why it is filtered, if it is.
    pub(crate) refusal: Option<Refusal>,
    session: u32,
}

/// Import policy's verdict on a path.
pub(crate) type Judge<'a> = dyn Fn(&IpNet, &Attributes) -> Option<Refusal> + 'a;

#[derive(Default)]
pub(crate) struct AdjIn {
    paths: BTreeMap<IpNet, ReceivedPath>,
    /// The number of the session that is on, or comes next.
    session: u32,
    /// Paths of this session.
    fresh: u32,
    filtered: u32,
    /// Stale paths count as well.
    keeps_stale: bool,
}

impl AdjIn {
    /// Whether one more prefix would be more than `limit` in this session.
    pub(crate) fn would_exceed(&self, prefix: &IpNet, limit: u32) -> bool {
        let is_new = self.paths.get(prefix).is_none_or(|path| path.session != self.session);
        is_new && self.fresh >= limit
    }

    /// Prefixes told in this session.
    pub(crate) fn fresh(&self) -> u32 {
        self.fresh
    }

    /// Prefixes held: accepted and filtered.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let held = u32::try_from(self.paths.len()).unwrap_or(u32::MAX);
        (held - self.filtered, self.filtered)
    }

    /// Stores what the peer tells; whether something to decide on has changed.
    pub(crate) fn announce(&mut self, prefix: IpNet, attributes: Arc<Attributes>, refusal: Option<Refusal>) -> bool {
        let path = ReceivedPath { attributes, refusal, session: self.session };
        self.filtered += u32::from(path.refusal.is_some());
        match self.paths.entry(prefix) {
            Entry::Vacant(vacant) => {
                let is_accepted = path.refusal.is_none();
                vacant.insert(path);
                self.fresh += 1;
                is_accepted
            }
            Entry::Occupied(mut occupied) => {
                let old = occupied.insert(path);
                let new = occupied.get();
                self.filtered -= u32::from(old.refusal.is_some());
                let was_fresh = old.session == self.session;
                self.fresh += u32::from(!was_fresh);
                let was_usable = was_fresh || self.keeps_stale;
                !was_usable || old.attributes != new.attributes || old.refusal.is_some() != new.refusal.is_some()
            }
        }
    }

    /// Forgets a prefix; whether it was there.
    pub(crate) fn withdraw(&mut self, prefix: &IpNet) -> bool {
        let Some(path) = self.paths.remove(prefix) else { return false };
        self.filtered -= u32::from(path.refusal.is_some());
        self.fresh -= u32::from(path.session == self.session);
        true
    }

    /// The session is over. What was already stale is of no use any more, so that no path outlives two losses.
    pub(crate) fn session_lost(&mut self, keeps_stale: bool) {
        self.session = self.session.wrapping_add(1);
        self.fresh = 0;
        self.keeps_stale = keeps_stale;
    }

    /// Stale paths are of no use any more; a sweep throws them out.
    pub(crate) fn stop_keeping_stale(&mut self) {
        self.keeps_stale = false;
    }

    /// Whether paths of the session before are still in use.
    pub(crate) fn keeps_stale(&self) -> bool {
        self.keeps_stale
    }

    /// The path to a prefix, if it may be used.
    pub(crate) fn usable(&self, prefix: &IpNet) -> Option<&ReceivedPath> {
        self.paths.get(prefix).filter(|path| path.refusal.is_none() && self.is_current(path))
    }

    fn is_current(&self, path: &ReceivedPath) -> bool {
        path.session == self.session || (self.keeps_stale && path.session.wrapping_add(1) == self.session)
    }

    /// Every prefix with its path, also filtered and stale ones, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&IpNet, &ReceivedPath)> {
        self.paths.iter()
    }

    /// Whether a path was told in an earlier session.
    pub(crate) fn is_stale(&self, path: &ReceivedPath) -> bool {
        path.session != self.session
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Goes over up to `limit` prefixes after `after`: paths that are of no use go, the rest gets a new verdict if
    /// `judge` is given. Returns the prefixes, all of which are to be decided on again.
    pub(crate) fn sweep(&mut self, after: Option<IpNet>, limit: usize, judge: Option<&Judge<'_>>) -> Vec<IpNet> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut visited = Vec::new();
        let mut useless = Vec::new();
        let (session, keeps_stale) = (self.session, self.keeps_stale);
        for (prefix, path) in self.paths.range_mut((from, Bound::Unbounded)).take(limit) {
            visited.push(*prefix);
            if path.session != session && !(keeps_stale && path.session.wrapping_add(1) == session) {
                useless.push(*prefix);
            } else if let Some(judge) = judge {
                self.filtered -= u32::from(path.refusal.is_some());
                path.refusal = judge(prefix, &path.attributes);
                self.filtered += u32::from(path.refusal.is_some());
            }
        }
        for prefix in &useless {
            self.withdraw(prefix);
        }
        visited
    }
}

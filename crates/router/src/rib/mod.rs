//! What we have been told, and what we have made of it.
//!
//! ```text
//!   peer ─▶ adj_in ─▶ select ─▶ loc_rib ─▶ fib
//!                                  └─────▶ adj_out ─▶ peer
//! ```

mod adj_in;
mod attributes;
mod select;

use std::sync::Arc;

use causeway_edge_types::{PeerId, Side};
use causeway_wire::bgp::Attributes;

pub(crate) use self::adj_in::{AdjIn, Judge};
pub(crate) use self::attributes::Interner;
pub use self::select::Reason;
pub(crate) use self::select::{Candidate, select};
use crate::fib::Member;

/// What was chosen for a prefix. One of the two parts is always there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// It is originated here, and told as such whatever peers tell.
    pub(crate) is_originated: bool,
    /// The chosen path and those that are as good.
    pub(crate) learned: Option<Learned>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Learned {
    /// Whose path was chosen first.
    pub(crate) peer: PeerId,
    pub(crate) side: Side,
    /// Its peer is in another AS.
    pub(crate) is_external: bool,
    pub(crate) attributes: Arc<Attributes>,
    pub(crate) weight: u32,
    /// Where packets go, sorted.
    pub(crate) members: Vec<Member>,
    pub(crate) reason: Reason,
}

impl Route {
    /// What peers are told depends on this much of a route.
    pub(crate) fn told_alike(&self, other: &Route) -> bool {
        let told = |route: &Route| {
            let learned = route.learned.as_ref().filter(|_| !route.is_originated);
            learned.map(|l| (l.peer, l.side, l.is_external, l.attributes.clone()))
        };
        self.is_originated == other.is_originated && told(self) == told(other)
    }
}

//! Attributes are shared: prefixes that came with equal ones hold one copy.

use std::collections::BTreeSet;
use std::sync::Arc;

use causeway_wire::bgp::Attributes;

/// Every set of attributes that is held somewhere.
#[derive(Default)]
pub(crate) struct Interner {
    known: BTreeSet<Arc<Attributes>>,
    /// How many may be known before those that nobody holds are thrown out.
    sweep_at: usize,
}

impl Interner {
    pub(crate) fn intern(&mut self, attributes: Attributes) -> Arc<Attributes> {
        if let Some(known) = self.known.get(&attributes) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|attributes| Arc::strong_count(attributes) > 1);
            // Twice what is in use, so that the sweeps cost no more than the insertions.
            self.sweep_at = (self.known.len() * 2).max(1024);
        }
        let attributes = Arc::new(attributes);
        self.known.insert(attributes.clone());
        attributes
    }
}

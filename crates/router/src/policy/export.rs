//! What a peer is told of a route, and how the attributes are rewritten on the way out.
//!
//! Communities that came with a route are passed on and never acted upon, NO_EXPORT among them: the reference service
//! does not honour its customers' communities either.

use std::net::IpAddr;

use causeway_edge_types::{Asn, ExportPolicy, PeerId};
use causeway_wire::bgp::{AsPath, AsPathSegment, Attributes, Origin};

use crate::rib::{Learned, Route};

/// Attribute flag: somebody on the way has not understood it (RFC 4271 section 4.3).
const PARTIAL: u8 = 0x20;
/// In the first byte of an extended community: it does not leave its AS (RFC 4360 section 2).
const NON_TRANSITIVE: u8 = 0x40;
/// What we say LOCAL_PREF is inside our AS, where a route brings none.
const LOCAL_PREFERENCE: u32 = 100;

/// Everything that decides what one peer is told.
#[derive(Clone, Debug)]
pub(crate) struct ExportRules {
    pub(crate) peer: PeerId,
    pub(crate) local_asn: Asn,
    pub(crate) is_ebgp: bool,
    pub(crate) local_address: IpAddr,
    pub(crate) policy: ExportPolicy,
}

impl ExportRules {
    /// The attributes to tell the route with; `None` when it is not told.
    pub(crate) fn export(&self, route: &Route) -> Option<Attributes> {
        if route.is_originated {
            return Some(self.originated());
        }
        let learned = route.learned.as_ref()?;
        let is_told = learned.peer != self.peer
            && self.policy.learned_from.contains(&learned.side)
            // What one router of an AS has told is not told to the next by us (RFC 4271 section 9.2).
            && (self.is_ebgp || learned.is_external);
        is_told.then(|| self.rewrite(learned))
    }

    fn originated(&self) -> Attributes {
        let mut attributes = Attributes {
            origin: Origin::Igp,
            as_path: AsPath::default(),
            next_hop: self.local_address,
            next_hop_link_local: None,
            med: None,
            local_pref: self.local_preference(None),
            atomic_aggregate: false,
            aggregator: None,
            communities: Vec::new(),
            extended_communities: Vec::new(),
            large_communities: Vec::new(),
            unknown_transitive: Vec::new(),
        };
        self.mark(&mut attributes);
        attributes
    }

    fn rewrite(&self, learned: &Learned) -> Attributes {
        let mut attributes = Attributes::clone(&learned.attributes);
        attributes.next_hop = self.local_address;
        attributes.next_hop_link_local = None;
        attributes.local_pref = self.local_preference(attributes.local_pref.filter(|_| !learned.is_external));
        if self.is_ebgp {
            // A MED is the neighbour's word to us, not ours to the next AS (RFC 4271 section 5.1.4).
            attributes.med = None;
            attributes.extended_communities.retain(|community| community[0] & NON_TRANSITIVE == 0);
        }
        if self.policy.remove_private_asns {
            remove_private(&mut attributes.as_path);
        }
        for unknown in &mut attributes.unknown_transitive {
            unknown.flags |= PARTIAL;
        }
        self.mark(&mut attributes);
        attributes
    }

    /// Our AS number and our communities.
    fn mark(&self, attributes: &mut Attributes) {
        let own = usize::from(self.is_ebgp) + usize::from(self.policy.prepend);
        attributes.as_path.prepend(self.local_asn, own);
        if !self.policy.communities.is_empty() {
            attributes.communities.extend(&self.policy.communities);
            attributes.communities.sort_unstable();
            attributes.communities.dedup();
        }
    }

    fn local_preference(&self, learned: Option<u32>) -> Option<u32> {
        (!self.is_ebgp).then(|| learned.unwrap_or(LOCAL_PREFERENCE))
    }
}

/// RFC 6996 section 5.
fn is_private(asn: Asn) -> bool {
    matches!(asn.0, 64_512..=65_534 | 4_200_000_000..=4_294_967_294)
}

fn remove_private(path: &mut AsPath) {
    path.0.retain_mut(|segment| {
        let (AsPathSegment::Sequence(asns) | AsPathSegment::Set(asns)) = segment;
        asns.retain(|asn| !is_private(*asn));
        !asns.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use causeway_edge_types::{AttachmentId, Side};
    use causeway_wire::bgp::RawAttribute;

    use super::*;
    use crate::rib::Reason;

    fn peer(last: u8) -> PeerId {
        PeerId { attachment: AttachmentId(last.into()), address: IpAddr::from([192, 0, 2, last]) }
    }

    fn rules(policy: ExportPolicy) -> ExportRules {
        let local_address = IpAddr::from([192, 0, 2, 1]);
        ExportRules { peer: peer(2), local_asn: Asn(64496), is_ebgp: true, local_address, policy }
    }

    fn learned_from(side: Side, from: u8, path: &[u32]) -> Route {
        let attributes = Attributes {
            as_path: AsPath(vec![AsPathSegment::Sequence(path.iter().map(|asn| Asn(*asn)).collect())]),
            med: Some(7),
            local_pref: Some(300),
            communities: vec![5, 3],
            extended_communities: vec![[0x40; 8], [0; 8]],
            unknown_transitive: vec![RawAttribute { flags: 0xc0, code: 99, value: vec![1] }],
            ..rules(ExportPolicy::default()).originated()
        };
        Route {
            is_originated: false,
            learned: Some(Learned {
                peer: peer(from),
                side,
                is_external: true,
                attributes: Arc::new(attributes),
                weight: 0,
                members: vec![],
                reason: Reason::OnlyPath,
            }),
        }
    }

    #[test]
    fn only_the_sides_asked_for_are_told_and_never_the_teller() {
        let rules = rules(ExportPolicy { learned_from: vec![Side::Access], ..ExportPolicy::default() });
        assert!(rules.export(&learned_from(Side::Access, 3, &[64500])).is_some());
        assert!(rules.export(&learned_from(Side::Fabric, 3, &[64500])).is_none());
        assert!(rules.export(&learned_from(Side::Access, 2, &[64500])).is_none());
        let originated = Route { is_originated: true, learned: None };
        assert!(rules.export(&originated).is_some());
        // Originating a prefix takes precedence over what anybody tells of it.
        let both = Route { is_originated: true, ..learned_from(Side::Fabric, 3, &[64500]) };
        assert_eq!(rules.export(&both), rules.export(&originated));
    }

    #[test]
    fn attributes_are_rewritten_for_another_as() {
        let policy = ExportPolicy {
            learned_from: vec![Side::Access],
            remove_private_asns: true,
            prepend: 2,
            communities: vec![4, 3],
        };
        let told = rules(policy).export(&learned_from(Side::Access, 3, &[65000, 64500, 4_200_000_001])).unwrap();
        assert_eq!(told.as_path.to_string(), "64496 64496 64496 64500");
        assert_eq!(told.communities, [3, 4, 5]);
        assert_eq!((told.med, told.local_pref), (None, None));
        assert_eq!(told.extended_communities, [[0; 8]]);
        assert_eq!(told.unknown_transitive[0].flags, 0xe0);
        assert_eq!(told.next_hop, IpAddr::from([192, 0, 2, 1]));
    }
}

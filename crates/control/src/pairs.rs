//! Pairs of nodes: which of two is changed first, and what may reach both at once.

use causeway_edge_types::{EdgeConfig, VrfConfig};
use causeway_model::{Link, Snapshot};

/// The node whose turn is before this one's: the edge of the primary link at the same location, the gateway's instance 0.
/// None for the first itself, and for a node that is no one of a pair.
pub fn first_of_pair(snapshot: &Snapshot, name: &str) -> Option<String> {
    if let Some(edge) = snapshot.edges.get(name) {
        if edge.link == Link::Primary {
            return None;
        }
        return snapshot
            .edges
            .iter()
            .find(|(_, other)| {
                other.link == Link::Primary && other.peering_location.eq_ignore_ascii_case(&edge.peering_location)
            })
            .map(|(key, _)| key.clone());
    }
    let node = snapshot.gateway_nodes.get(name)?;
    if node.instance == 0 {
        return None;
    }
    snapshot
        .gateway_nodes
        .iter()
        .find(|(_, other)| other.instance == 0 && other.virtual_network.eq_ignore_ascii_case(&node.virtual_network))
        .map(|(key, _)| key.clone())
}

/// Whether `wanted` only adds to `given`: everything that may carry traffic now stays as it is. Such a change can be
/// given to both of a pair at once.
pub fn only_adds(given: &EdgeConfig, wanted: &EdgeConfig) -> bool {
    given.router_id == wanted.router_id
        && given.vtep == wanted.vtep
        && given.attachments.iter().all(|one| wanted.attachments.contains(one))
        && given.cross_connects.iter().all(|one| wanted.cross_connects.contains(one))
        && given.vrfs.iter().all(|vrf| wanted.vrfs.iter().any(|other| vrf_only_adds(vrf, other)))
}

fn vrf_only_adds(given: &VrfConfig, wanted: &VrfConfig) -> bool {
    given.id == wanted.id
        && given.local_asn == wanted.local_asn
        && given.route_limit == wanted.route_limit
        && given.originate.iter().all(|prefix| wanted.originate.contains(prefix))
        && given.peers.iter().all(|peer| wanted.peers.contains(peer))
}

#[cfg(test)]
mod tests {
    use causeway_edge_types::{Asn, Attachment, AttachmentId, EdgeId, Encapsulation, PortName, Tags, VrfId};

    use super::*;

    fn config(attachments: &[(u32, u16)]) -> EdgeConfig {
        let mut config = EdgeConfig::empty(EdgeId::from("e1"), "192.0.2.1".parse().expect("an address"));
        for (id, tag) in attachments {
            config.vrfs.push(VrfConfig {
                id: VrfId(*id),
                local_asn: Asn(64500),
                route_limit: 10,
                originate: vec![],
                peers: vec![],
            });
            config.attachments.push(Attachment {
                id: AttachmentId(*id),
                vrf: VrfId(*id),
                encapsulation: Encapsulation::Port {
                    port: PortName("p".into()),
                    tags: Tags { s_tag: Some(1), c_tag: Some(*tag) },
                },
                addresses: vec![],
                on_link: vec![],
                mtu: 1500,
                label: String::new(),
            });
        }
        config
    }

    #[test]
    fn what_is_added_changes_nothing_and_what_is_changed_or_taken_away_does() {
        let one = config(&[(1, 100)]);
        assert!(only_adds(&config(&[]), &one));
        assert!(only_adds(&one, &config(&[(1, 100), (2, 100)])));
        assert!(!only_adds(&one, &config(&[])));
        assert!(!only_adds(&one, &config(&[(1, 200)])));
        let mut renumbered = one.clone();
        renumbered.vrfs[0].local_asn = Asn(64501);
        assert!(!only_adds(&one, &renumbered));
    }
}

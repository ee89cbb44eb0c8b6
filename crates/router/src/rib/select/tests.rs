//! The choice, step by step, and against a model that says the same without steps.

use causeway_edge_types::{Asn, AttachmentId};
use causeway_wire::bgp::{AsPath, AsPathSegment};
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
struct Path {
    peer: PeerId,
    weight: u32,
    is_external: bool,
    router_id: Ipv4Addr,
    attributes: Attributes,
    is_alive: bool,
}

fn path(last: u8, asns: &[u32]) -> Path {
    let address = IpAddr::from([192, 0, 2, last]);
    let sequence = asns.iter().map(|asn| Asn(*asn)).collect();
    Path {
        peer: PeerId { attachment: AttachmentId(last.into()), address },
        weight: 0,
        is_external: true,
        router_id: Ipv4Addr::new(10, 0, 0, last),
        attributes: Attributes {
            origin: Origin::Igp,
            as_path: AsPath(vec![AsPathSegment::Sequence(sequence)]),
            next_hop: address,
            next_hop_link_local: None,
            med: None,
            local_pref: None,
            atomic_aggregate: false,
            aggregator: None,
            communities: vec![],
            extended_communities: vec![],
            large_communities: vec![],
            unknown_transitive: vec![],
        },
        is_alive: true,
    }
}

fn choose(paths: &[Path]) -> Option<Selection> {
    let candidates: Vec<Candidate<'_>> = paths
        .iter()
        .map(|path| Candidate {
            peer: path.peer,
            weight: path.weight,
            is_external: path.is_external,
            router_id: path.router_id,
            attributes: &path.attributes,
            is_alive: path.is_alive,
        })
        .collect();
    select(&candidates)
}

#[test]
fn each_step_decides_when_those_before_it_do_not() {
    type Worsen = fn(&mut Path);
    let steps: [(Reason, Worsen); 8] = [
        (Reason::PeerAddress, |path| path.peer.address = IpAddr::from([192, 0, 2, 200])),
        (Reason::RouterId, |path| path.router_id = Ipv4Addr::new(10, 0, 1, 0)),
        (Reason::External, |path| path.is_external = false),
        (Reason::Med, |path| path.attributes.med = Some(1)),
        (Reason::Origin, |path| path.attributes.origin = Origin::Egp),
        (Reason::AsPathLength, |path| path.attributes.as_path.prepend(Asn(64500), 1)),
        (Reason::LocalPreference, |path| {
            path.is_external = false;
            path.attributes.local_pref = Some(99);
        }),
        (Reason::Weight, |path| path.weight = 0),
    ];
    for (index, (reason, worsen)) in steps.iter().enumerate() {
        let mut good = path(1, &[64500]);
        let mut bad = path(1, &[64500]);
        good.weight = 1;
        bad.weight = 1;
        // What comes later in the order is in favour of the worse.
        for (_, worsen) in &steps[..index] {
            worsen(&mut good);
        }
        worsen(&mut bad);
        for paths in [[good.clone(), bad.clone()], [bad.clone(), good.clone()]] {
            let selection = choose(&paths).unwrap();
            assert_eq!(selection.reason, *reason);
            let best = &paths[selection.best];
            assert_eq!((best.weight, best.router_id), (good.weight, good.router_id), "{reason}");
            let shares = matches!(reason, Reason::PeerAddress | Reason::RouterId);
            assert_eq!(selection.multipath.len(), if shares { 2 } else { 1 }, "{reason}");
        }
    }
}

#[test]
fn med_counts_only_between_paths_of_one_neighbour_and_the_order_does_not_matter() {
    // By pairs: a beats b (MED), b beats c (identifier), c beats a (identifier).
    let mut a = path(3, &[64500]);
    let mut b = path(1, &[64500]);
    let c = path(2, &[64501]);
    a.attributes.med = Some(1);
    b.attributes.med = Some(2);
    let orders = [[&a, &b, &c], [&a, &c, &b], [&b, &a, &c], [&b, &c, &a], [&c, &a, &b], [&c, &b, &a]];
    for order in orders {
        let paths: Vec<Path> = order.into_iter().cloned().collect();
        let selection = choose(&paths).unwrap();
        assert_eq!(paths[selection.best].peer, c.peer);
        assert_eq!(selection.multipath.len(), 2);
    }
}

#[test]
fn no_more_paths_share_than_a_group_has_buckets() {
    let paths: Vec<Path> = (0..80).map(|last| path(last, &[64500])).collect();
    let selection = choose(&paths).unwrap();
    assert_eq!(selection.multipath.len(), GROUP_BUCKETS);
    assert!(selection.multipath.contains(&selection.best));
}

fn any_path() -> impl Strategy<Value = Path> {
    let attributes = (0u32..3, prop::option::of(98u32..102), prop::option::of(0u32..3), 0u8..3);
    (1u8..6, 0u32..2, any::<bool>(), 1u8..4, prop::collection::vec(0u32..3, 1..4), attributes, any::<bool>()).prop_map(
        |(last, weight, is_external, router_id, asns, (_, local_pref, med, origin), is_alive)| {
            let mut path = path(last, &asns.iter().map(|asn| 64500 + asn).collect::<Vec<_>>());
            path.weight = weight;
            path.is_external = is_external;
            path.router_id = Ipv4Addr::new(10, 0, 0, router_id);
            path.attributes.local_pref = local_pref;
            path.attributes.med = med;
            path.attributes.origin = [Origin::Igp, Origin::Egp, Origin::Incomplete][usize::from(origin)];
            path.is_alive = is_alive;
            path
        },
    )
}

/// The set that traffic is spread over, said in one sentence: those with the greatest rank, without those that a path
/// of the same rank and neighbour beats by MED, and of the rest the external ones if there are any.
fn model(paths: &[&Path]) -> Vec<PeerId> {
    let rank = |path: &Path| {
        let preference = if path.is_external { 100 } else { path.attributes.local_pref.unwrap_or(100) };
        let AsPathSegment::Sequence(asns) = &path.attributes.as_path.0[0] else { unreachable!() };
        (path.weight, preference, Reverse(asns.len()), Reverse(path.attributes.origin as u8))
    };
    let med = |path: &Path| path.attributes.med.unwrap_or(0);
    let greatest = paths.iter().map(|path| rank(path)).max();
    let top: Vec<&Path> = paths.iter().copied().filter(|path| Some(rank(path)) == greatest).collect();
    let neighbour = |path: &Path| path.attributes.as_path.first();
    let unbeaten: Vec<&Path> = top
        .iter()
        .copied()
        .filter(|path| !top.iter().any(|other| neighbour(other) == neighbour(path) && med(other) < med(path)))
        .collect();
    let has_external = unbeaten.iter().any(|path| path.is_external);
    unbeaten.into_iter().filter(|path| path.is_external == has_external).map(|path| path.peer).collect()
}

proptest! {
    #[test]
    fn the_choice_is_the_models(mut paths in prop::collection::vec(any_path(), 0..8)) {
        // A peer tells one path.
        paths.sort_by_key(|path| path.peer);
        paths.dedup_by_key(|path| path.peer);
        let all: Vec<&Path> = paths.iter().collect();
        let preferred = model(&all);
        let is_alive = |peer: &PeerId| paths.iter().any(|path| path.peer == *peer && path.is_alive);
        let alive: Vec<&Path> = all.iter().copied().filter(|path| path.is_alive).collect();
        let expected = if preferred.iter().any(is_alive) || alive.is_empty() { preferred } else { model(&alive) };
        let selection = choose(&paths);
        prop_assert_eq!(selection.is_none(), paths.is_empty());
        if let Some(selection) = selection {
            let shared: Vec<PeerId> = selection.multipath.iter().map(|&index| paths[index].peer).collect();
            prop_assert_eq!(&shared, &expected);
            let of = |peer: &PeerId| paths.iter().find(|path| path.peer == *peer).map(|path| (path.router_id, *peer));
            let best = expected.iter().filter_map(of).min().map(|(_, peer)| peer);
            prop_assert_eq!(Some(paths[selection.best].peer), best);
        }
    }
}

//! The whole of the RIB against a model that recomputes everything from what was told: whatever peers tell, withdraw,
//! lose and configure, the data plane and every peer end up with what the model says.

mod rig;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use causeway_edge_types::{EdgeConfig, PeerId, Side};
use ipnet::IpNet;
use proptest::prelude::*;

use self::rig::{Manners, Rig, path};
use self::world::build::*;

const PEERS: usize = 4;
const PREFIXES: u32 = 6;

/// What happens; peers and prefixes by number.
#[derive(Clone, Debug)]
enum Step {
    Announce {
        peer: usize,
        prefix: u32,
        extra: u32,
    },
    Withdraw {
        peer: usize,
        prefix: u32,
    },
    /// The session breaks, with or without graceful restart, and is or is not back at once.
    Break {
        peer: usize,
        comes_back: bool,
    },
    Refuse {
        peer: usize,
        prefix: Option<u32>,
    },
    Weigh {
        peer: usize,
        weight: u32,
    },
    Originate {
        prefix: u32,
        is_on: bool,
    },
    /// What the peer is told: both sides, or the other side only.
    Export {
        peer: usize,
        only_fabric: bool,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let (peer, prefix) = (0..PEERS, 0..PREFIXES);
    prop_oneof![
        6 => (peer.clone(), prefix.clone(), 0u32..3).prop_map(|(peer, prefix, extra)| Step::Announce { peer, prefix, extra }),
        3 => (peer.clone(), prefix.clone()).prop_map(|(peer, prefix)| Step::Withdraw { peer, prefix }),
        2 => (peer.clone(), any::<bool>()).prop_map(|(peer, comes_back)| Step::Break { peer, comes_back }),
        1 => (peer.clone(), prop::option::of(prefix.clone())).prop_map(|(peer, prefix)| Step::Refuse { peer, prefix }),
        1 => (peer.clone(), 0u32..3).prop_map(|(peer, weight)| Step::Weigh { peer, weight }),
        1 => (prefix, any::<bool>()).prop_map(|(prefix, is_on)| Step::Originate { prefix, is_on }),
        1 => (peer, any::<bool>()).prop_map(|(peer, only_fabric)| Step::Export { peer, only_fabric }),
    ]
}

fn id(index: usize) -> PeerId {
    peer_id(index as u32 + 1, &format!("198.51.100.{}", index * 4 + 2))
}

fn asn(index: usize) -> u32 {
    64500 + index as u32
}

/// Peers with an even number do graceful restart.
fn manners(index: usize) -> Manners {
    Manners {
        router_id: Ipv4Addr::new(10, 0, 0, 9 - index as u8),
        restart: index.is_multiple_of(2).then_some((20, false, false, true)),
        ..Manners::of(asn(index))
    }
}

fn configuration() -> EdgeConfig {
    let mut config = edge("edge", 1);
    config.vrfs = vec![vrf(1, 64496)];
    for index in 0..PEERS {
        let own = format!("198.51.100.{}", index * 4 + 1);
        config.attachments.push(attachment(index as u32 + 1, 1, &[&format!("{own}/30")]));
        let side = if index < 2 { Side::Access } else { Side::Fabric };
        config.vrfs[0].peers.push(peer(id(index), &own, asn(index), side));
    }
    config
}

/// What was told and not taken back: for each peer and prefix, how much longer than need be its path is.
#[derive(Default)]
struct Model {
    told: BTreeMap<(usize, u32), u32>,
}

/// The peers that share, the first of them that is told, and the length of its path.
struct Chosen {
    next_hops: Vec<IpAddr>,
    best: usize,
    length: usize,
}

impl Model {
    fn choose(&self, config: &EdgeConfig, prefix: u32) -> Option<Chosen> {
        let peers = &config.vrfs[0].peers;
        let usable = |index: &usize| {
            let is_refused = peers[*index].import.refuse_overlap.contains(&numbered(prefix));
            self.told.contains_key(&(*index, prefix)) && !is_refused
        };
        let rank = |index: &usize| (u32::MAX - peers[*index].import.weight, self.told[&(*index, prefix)]);
        let paths: Vec<usize> = (0..PEERS).filter(usable).collect();
        let least = paths.iter().map(rank).min()?;
        let best: Vec<usize> = paths.into_iter().filter(|index| rank(index) == least).collect();
        // The highest number has the lowest identifier.
        let first = *best.iter().max()?;
        let length = 1 + self.told[&(first, prefix)] as usize;
        Some(Chosen { next_hops: best.into_iter().map(|index| id(index).address).collect(), best: first, length })
    }

    /// What a peer is told of a prefix: the length of the path.
    fn told_to(&self, config: &EdgeConfig, to: usize, prefix: u32) -> Option<usize> {
        if config.vrfs[0].originate.contains(&numbered(prefix)) {
            return Some(1);
        }
        let chosen = self.choose(config, prefix)?;
        let side = config.vrfs[0].peers[chosen.best].side;
        let is_told = chosen.best != to && config.vrfs[0].peers[to].export.learned_from.contains(&side);
        is_told.then_some(chosen.length + 1)
    }
}

fn announce(rig: &mut Rig, peer: usize, prefix: u32, extra: u32) {
    let asns: Vec<u32> = std::iter::once(asn(peer)).chain((0..extra).map(|hop| 64600 + hop)).collect();
    rig.announce(id(peer), &[numbered(prefix)], &path(id(peer), &asns));
}

fn take(rig: &mut Rig, model: &mut Model, config: &mut EdgeConfig, heard: &mut [BTreeMap<IpNet, usize>], step: &Step) {
    match *step {
        Step::Announce { peer, prefix, extra } => {
            announce(rig, peer, prefix, extra);
            model.told.insert((peer, prefix), extra);
        }
        Step::Withdraw { peer, prefix } => {
            rig.withdraw(id(peer), &[numbered(prefix)]);
            model.told.remove(&(peer, prefix));
        }
        Step::Break { peer, comes_back } => {
            rig.lose(id(peer));
            if !comes_back {
                // Nobody comes back in time: what was kept goes, and then the peer is new.
                model.told.retain(|(teller, _), _| *teller != peer);
                rig.pass(Duration::from_secs(21));
            }
            heard[peer].clear();
            rig.establish(id(peer), &manners(peer));
            let prefixes: Vec<u32> = model.told.keys().filter(|(teller, _)| *teller == peer).map(|key| key.1).collect();
            for prefix in prefixes {
                announce(rig, peer, prefix, model.told[&(peer, prefix)]);
            }
            rig.end_of_rib(id(peer));
        }
        Step::Refuse { peer, prefix } => {
            config.vrfs[0].peers[peer].import.refuse_overlap = prefix.into_iter().map(numbered).collect();
            rig.configure(config.clone());
        }
        Step::Weigh { peer, weight } => {
            config.vrfs[0].peers[peer].import.weight = weight;
            rig.configure(config.clone());
        }
        Step::Originate { prefix, is_on } => {
            config.vrfs[0].originate.retain(|other| *other != numbered(prefix));
            config.vrfs[0].originate.extend(is_on.then(|| numbered(prefix)));
            rig.configure(config.clone());
        }
        Step::Export { peer, only_fabric } => {
            let sides = if only_fabric { vec![Side::Fabric] } else { vec![Side::Access, Side::Fabric] };
            config.vrfs[0].peers[peer].export.learned_from = sides;
            rig.configure(config.clone());
        }
    }
}

/// Listens to what each peer is told.
fn listen(rig: &mut Rig, heard: &mut [BTreeMap<IpNet, usize>]) {
    for (index, heard) in heard.iter_mut().enumerate() {
        for update in rig.hear_updates(id(index)) {
            for prefix in update.withdrawn {
                assert!(heard.remove(&prefix).is_some(), "{prefix} was withdrawn and never told");
            }
            if let Some(attributes) = update.attributes {
                heard.extend(update.announced.iter().map(|prefix| (*prefix, attributes.as_path.length())));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn the_data_plane_and_the_peers_have_what_the_model_says(
        steps in prop::collection::vec((any_step(), any::<bool>()), 1..40)
    ) {
        let mut config = configuration();
        for peer in &mut config.vrfs[0].peers {
            peer.hold_time_s = 0;
        }
        let mut rig = Rig::new(config.clone());
        let mut model = Model::default();
        let mut heard = vec![BTreeMap::new(); PEERS];
        for index in 0..PEERS {
            rig.establish(id(index), &manners(index));
        }
        for (step, settles) in &steps {
            listen(&mut rig, &mut heard);
            take(&mut rig, &mut model, &mut config, &mut heard, step);
            if !settles {
                // The next step comes before the work of this one is done.
                continue;
            }
            rig.work();
            listen(&mut rig, &mut heard);
        }
        rig.work();
        listen(&mut rig, &mut heard);
        for prefix in 0..PREFIXES {
            let expected = model.choose(&config, prefix).map(|chosen| chosen.next_hops).unwrap_or_default();
            prop_assert_eq!(rig.held.next_hops(1, numbered(prefix)), expected, "{} after {:?}", numbered(prefix), &steps);
            for (to, heard) in heard.iter().enumerate() {
                let expected = model.told_to(&config, to, prefix);
                prop_assert_eq!(heard.get(&numbered(prefix)).copied(), expected, "{} told to {}", numbered(prefix), to);
            }
        }
        let used: BTreeSet<_> = rig.held.routes.values().collect();
        prop_assert_eq!(rig.held.groups.len(), used.len(), "no group without a route");
    }
}

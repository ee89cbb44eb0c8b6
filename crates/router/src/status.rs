//! What the router sees: for status, and for the looking glass.

use std::sync::Arc;

use causeway_edge_types::{Moment, PeerId, PeerStatus, RouteStatus, VrfId};
use causeway_wire::bgp::Attributes;
use ipnet::IpNet;

use crate::Router;
use crate::peer::Peer;
use crate::policy::Refusal;
use crate::rib::Reason;
use crate::vrf::Vrf;

/// One path of a peer's adj_in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdjInPath {
    /// The prefix.
    pub prefix: IpNet,
    /// As they came, before policy.
    pub attributes: Arc<Attributes>,
    /// Why it is filtered, if it is.
    pub refusal: Option<Refusal>,
    /// It was told in an earlier session and is kept for the time of a graceful restart.
    pub is_stale: bool,
}

/// One chosen route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocRibRoute {
    /// The prefix.
    pub prefix: IpNet,
    /// It is originated here.
    pub is_originated: bool,
    /// The path that was chosen first: its peer, its attributes and what decided for it.
    pub best: Option<(PeerId, Arc<Attributes>, Reason)>,
    /// The peers that traffic is spread over.
    pub next_hops: Vec<PeerId>,
    /// The weight that the path was accepted with.
    pub weight: u32,
    /// The VRF has as many routes as it may, so that this one is not forwarded.
    pub is_over_limit: bool,
}

impl Router {
    /// The sessions, and the chosen routes of every VRF.
    pub fn status(&self, now: Moment) -> (Vec<PeerStatus>, Vec<RouteStatus>) {
        (self.peer_statuses(now), self.route_statuses().collect())
    }

    /// The sessions.
    pub fn peer_statuses(&self, now: Moment) -> Vec<PeerStatus> {
        let of_vrf = |vrf: &Vrf| vrf.peers.values().map(|peer| peer_status(vrf.id, peer, now)).collect::<Vec<_>>();
        self.vrfs.values().flat_map(of_vrf).collect()
    }

    /// The chosen routes of every VRF, made one by one, so that a caller may stop early.
    pub fn route_statuses(&self) -> impl Iterator<Item = RouteStatus> + '_ {
        self.vrfs.values().flat_map(|vrf| {
            vrf.loc_rib.iter().map(|(prefix, route)| {
                let learned = route.learned.as_ref().filter(|_| !route.is_originated);
                RouteStatus {
                    vrf: vrf.id,
                    prefix: *prefix,
                    next_hops: learned.map(|learned| next_hops(&learned.members)).unwrap_or_default(),
                    as_path: learned.map(|learned| learned.attributes.as_path.to_string()).unwrap_or_default(),
                    learned_from: learned.map(|learned| learned.peer),
                    weight: learned.map_or(0, |learned| learned.weight),
                }
            })
        })
    }

    /// What a peer has told, in order of prefixes.
    pub fn adj_in(&self, peer: PeerId) -> impl Iterator<Item = AdjInPath> + '_ {
        self.peer(peer).into_iter().flat_map(|peer| {
            peer.adj_in.iter().map(|(prefix, path)| AdjInPath {
                prefix: *prefix,
                attributes: path.attributes.clone(),
                refusal: path.refusal,
                is_stale: peer.adj_in.is_stale(path),
            })
        })
    }

    /// What a peer has been told, in order of prefixes.
    pub fn adj_out(&self, peer: PeerId) -> impl Iterator<Item = (IpNet, Arc<Attributes>)> + '_ {
        let told = self.peer(peer).into_iter().flat_map(|peer| &peer.adj_out);
        told.map(|(prefix, attributes)| (*prefix, attributes.clone()))
    }

    /// What was chosen in a VRF, in order of prefixes.
    pub fn loc_rib(&self, vrf: VrfId) -> impl Iterator<Item = LocRibRoute> + '_ {
        self.vrfs.get(&vrf).into_iter().flat_map(|vrf| {
            vrf.loc_rib.iter().map(|(prefix, route)| {
                let learned = route.learned.as_ref();
                LocRibRoute {
                    prefix: *prefix,
                    is_originated: route.is_originated,
                    best: learned.map(|learned| (learned.peer, learned.attributes.clone(), learned.reason)),
                    next_hops: learned.map(|learned| next_hops(&learned.members)).unwrap_or_default(),
                    weight: learned.map_or(0, |learned| learned.weight),
                    is_over_limit: vrf.over_limit.contains(prefix),
                }
            })
        })
    }
}

fn next_hops(members: &[crate::fib::Member]) -> Vec<PeerId> {
    let mut peers: Vec<PeerId> = members.iter().map(|member| member.peer).collect();
    peers.dedup();
    peers
}

fn peer_status(vrf: VrfId, peer: &Peer, now: Moment) -> PeerStatus {
    let (prefixes_accepted, prefixes_filtered) = peer.adj_in.counts();
    let (messages_received, messages_sent) = peer.session.messages();
    let in_state = now.since(peer.session.state_since());
    PeerStatus {
        vrf,
        id: peer.config.id,
        side: peer.config.side,
        remote_asn: peer.config.remote_asn,
        state: peer.session.state(),
        in_state_ms: u64::try_from(in_state.as_millis()).unwrap_or(u64::MAX),
        bfd: peer.bfd_state(),
        prefixes_accepted,
        prefixes_filtered,
        prefixes_advertised: u32::try_from(peer.adj_out.len()).unwrap_or(u32::MAX),
        messages_received,
        messages_sent,
        last_error: peer.session.last_error().to_owned(),
    }
}

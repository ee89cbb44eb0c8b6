//! What the data plane is told to forward. Prefixes behind the same set of next hops share one group, so that the loss of
//! a next hop is one change for all of them.
//!
//! ```text
//!   prefix ──▶ group (a set of members) ──▶ 64 buckets ──▶ a next hop each
//! ```
//!
//! Changes are made before they break: a group is there before the first route that uses it and goes after the last.

mod buckets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use causeway_edge_types::{AttachmentId, Family, PeerId, VrfId};
use ipnet::IpNet;

use self::buckets::Buckets;
use crate::engine::Context;
use crate::{FibChange, GroupId, NextHop, Output, RouteTarget};

/// A next hop and the peer that it lives and dies with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) address: IpAddr,
}

impl Member {
    fn next_hop(&self) -> NextHop {
        NextHop { attachment: self.peer.attachment, address: self.address }
    }
}

/// Where a prefix is wanted to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    OnLink(AttachmentId),
    /// Sorted, without doubles, not empty.
    Members(Vec<Member>),
}

struct Group {
    members: Vec<Member>,
    vrf: VrfId,
    buckets: Buckets,
    routes: usize,
}

impl Group {
    fn next_hops(&self) -> Vec<NextHop> {
        self.buckets.members().iter().map(|&member| self.members[member].next_hop()).collect()
    }
}

/// The groups and routes that the data plane has been told.
#[derive(Default)]
pub(crate) struct Fib {
    groups: BTreeMap<GroupId, Group>,
    by_members: BTreeMap<(VrfId, Vec<Member>), GroupId>,
    by_peer: BTreeMap<PeerId, BTreeSet<GroupId>>,
    routes: BTreeMap<(VrfId, IpNet), RouteTarget>,
    /// How many routes to groups each VRF has of each family.
    counts: BTreeMap<(VrfId, Family), u32>,
    /// Those who may be forwarded to.
    alive: BTreeSet<PeerId>,
    /// Numbers are used again, the smallest first: they index a table in the data plane.
    free: BTreeSet<GroupId>,
}

impl Fib {
    /// A peer can be forwarded to, or no longer: one change for each group that it is a member of, and nothing else.
    /// Says whether it was otherwise before.
    pub(crate) fn set_alive(&mut self, cx: &mut Context, peer: PeerId, is_alive: bool) -> bool {
        let is_changed = if is_alive { self.alive.insert(peer) } else { self.alive.remove(&peer) };
        if !is_changed {
            return false;
        }
        for id in self.by_peer.get(&peer).into_iter().flatten() {
            let Some(group) = self.groups.get_mut(id) else { continue };
            let before = group.buckets.clone();
            group.buckets.settle(&liveness(&self.alive, &group.members));
            if before != group.buckets {
                cx.flip(FibChange::Group { group: *id, buckets: group.next_hops() });
            }
        }
        true
    }

    /// How many routes to groups the VRF has of the family.
    pub(crate) fn count(&self, vrf: VrfId, family: Family) -> u32 {
        self.counts.get(&(vrf, family)).copied().unwrap_or(0)
    }

    /// Whether the prefix has a route to a group.
    pub(crate) fn has_group_route(&self, vrf: VrfId, prefix: IpNet) -> bool {
        matches!(self.routes.get(&(vrf, prefix)), Some(RouteTarget::Group(_)))
    }

    /// The prefix leads there now, or nowhere.
    pub(crate) fn set_route(&mut self, cx: &mut Context, vrf: VrfId, prefix: IpNet, wanted: Option<Wanted>) {
        let old = self.routes.get(&(vrf, prefix)).copied();
        let new = wanted.map(|wanted| match wanted {
            Wanted::OnLink(attachment) => RouteTarget::OnLink(attachment),
            Wanted::Members(members) => RouteTarget::Group(self.group(cx, vrf, members)),
        });
        if old == new {
            return;
        }
        let family = Family::of_prefix(&prefix);
        if let Some(RouteTarget::Group(id)) = new {
            if let Some(group) = self.groups.get_mut(&id) {
                group.routes += 1;
            }
            *self.counts.entry((vrf, family)).or_default() += 1;
        }
        match new {
            Some(target) => {
                self.routes.insert((vrf, prefix), target);
                cx.output(Output::Fib(FibChange::Route { vrf, prefix, target }));
            }
            None => {
                self.routes.remove(&(vrf, prefix));
                cx.output(Output::Fib(FibChange::RouteRemoved { vrf, prefix }));
            }
        }
        if let Some(RouteTarget::Group(id)) = old {
            if let Some(count) = self.counts.get_mut(&(vrf, family)) {
                *count -= 1;
            }
            self.release(cx, id);
        }
    }

    /// Everything of a VRF that is no longer configured goes.
    pub(crate) fn remove_vrf(&mut self, cx: &mut Context, vrf: VrfId) {
        let prefixes: Vec<IpNet> =
            self.routes.keys().filter(|(owner, _)| *owner == vrf).map(|(_, prefix)| *prefix).collect();
        for prefix in prefixes {
            self.set_route(cx, vrf, prefix, None);
        }
        self.counts.retain(|(owner, _), _| *owner != vrf);
    }

    /// The group of these members, made now if there is none.
    fn group(&mut self, cx: &mut Context, vrf: VrfId, members: Vec<Member>) -> GroupId {
        let key = (vrf, members);
        if let Some(&id) = self.by_members.get(&key) {
            return id;
        }
        let next = u32::try_from(self.groups.len()).unwrap_or(u32::MAX).saturating_add(1);
        let id = self.free.pop_first().unwrap_or(GroupId(next));
        let (_, members) = key.clone();
        for member in &members {
            self.by_peer.entry(member.peer).or_default().insert(id);
        }
        let buckets = Buckets::deal(&liveness(&self.alive, &members));
        let group = Group { members, vrf, buckets, routes: 0 };
        cx.output(Output::Fib(FibChange::Group { group: id, buckets: group.next_hops() }));
        self.groups.insert(id, group);
        self.by_members.insert(key, id);
        id
    }

    /// One route fewer uses the group; the last takes it along.
    fn release(&mut self, cx: &mut Context, id: GroupId) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        group.routes -= 1;
        if group.routes > 0 {
            return;
        }
        if let Some(group) = self.groups.remove(&id) {
            for member in &group.members {
                if let Some(groups) = self.by_peer.get_mut(&member.peer) {
                    groups.remove(&id);
                    if groups.is_empty() {
                        self.by_peer.remove(&member.peer);
                    }
                }
            }
            self.by_members.remove(&(group.vrf, group.members));
        }
        self.free.insert(id);
        cx.output(Output::Fib(FibChange::GroupRemoved(id)));
    }
}

fn liveness(alive: &BTreeSet<PeerId>, members: &[Member]) -> Vec<bool> {
    members.iter().map(|member| alive.contains(&member.peer)).collect()
}

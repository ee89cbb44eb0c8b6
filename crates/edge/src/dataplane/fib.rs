//! Routes, groups, next hops and neighbours as the program has them, in the order that never leaves a packet without an
//! answer: next hops before the group that uses them, the group before the routes that lead to it, and the other way
//! round when they go.
//!
//! The router's numbers of groups are its own; here each gets a slot in the program's table. After a restart the slots
//! that the process before has left stay occupied until every VRF is complete, so that its routes go on meaning what they
//! meant, and none of ours lands on one of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};
use causeway_edge_types::{AttachmentId, VrfId};
use causeway_router::{FibChange, GROUP_BUCKETS, GroupId, NextHop, RouteTarget};
use ipnet::IpNet;
use std::net::IpAddr;

use super::layout::{
    GroupEntry, NeighborKey, NextHopEntry, ROUTE_GROUP, ROUTE_LOCAL, ROUTE_ON_LINK, RouteEntry, address_bytes,
    address_of,
};
use super::table::{Slots, Table};
use super::tries::Tries;

/// In every bucket of a group that has no next hop alive. It is no slot, so that the packet is dropped; and it is not
/// zero, so that the group's slot is seen to be taken.
const NO_NEXT_HOP: u32 = u32::MAX;

#[derive(Debug)]
struct GroupSlot {
    slot: u32,
    next_hops: BTreeSet<NextHop>,
}

#[derive(Debug)]
struct HopSlot {
    slot: u32,
    users: usize,
}

/// What a process before has left and this one has not confirmed.
#[derive(Debug, Default)]
struct Adopted {
    routes: BTreeMap<VrfId, BTreeSet<IpNet>>,
    neighbors: BTreeSet<NeighborKey>,
    groups: Vec<u32>,
    next_hops: Vec<NextHop>,
}

/// The program's forwarding tables.
pub struct Fib {
    tries: Tries,
    groups: Slots<GroupEntry>,
    next_hops: Slots<NextHopEntry>,
    neighbors: Table<NeighborKey, [u8; 6]>,
    group_slots: BTreeMap<GroupId, GroupSlot>,
    hop_slots: BTreeMap<NextHop, HopSlot>,
    group_hint: u32,
    hop_hint: u32,
    /// The edge's own addresses: they win over a route to the very same prefix, which waits in `shadowed`.
    local: BTreeMap<(VrfId, IpNet), AttachmentId>,
    shadowed: BTreeMap<(VrfId, IpNet), RouteEntry>,
    vrf_of: BTreeMap<AttachmentId, VrfId>,
    adopted: Adopted,
}

impl Fib {
    /// Takes the tables; `adopted_vrfs` are those that a process before has left routes in.
    pub fn load(
        mut tries: Tries,
        groups: Slots<GroupEntry>,
        next_hops: Slots<NextHopEntry>,
        neighbors: Table<NeighborKey, [u8; 6]>,
        adopted_vrfs: &BTreeSet<VrfId>,
    ) -> Result<Fib> {
        let mut adopted = Adopted {
            neighbors: neighbors.entries().keys().copied().collect(),
            groups: groups.entries().keys().copied().collect(),
            ..Adopted::default()
        };
        let mut hop_slots = BTreeMap::new();
        for (slot, entry) in next_hops.entries() {
            let hop = NextHop { attachment: AttachmentId(entry.attachment), address: address_of(entry.address) };
            hop_slots.insert(hop, HopSlot { slot: *slot, users: 1 });
            adopted.next_hops.push(hop);
        }
        let mut local = BTreeMap::new();
        for vrf in adopted_vrfs {
            let mut unconfirmed = BTreeSet::new();
            for (prefix, entry) in tries.adopt(*vrf)? {
                if entry.kind == ROUTE_LOCAL {
                    local.insert((*vrf, prefix), AttachmentId(entry.id));
                } else {
                    unconfirmed.insert(prefix);
                }
            }
            adopted.routes.insert(*vrf, unconfirmed);
        }
        let group_hint = groups.entries().keys().next_back().copied().unwrap_or(0);
        let hop_hint = next_hops.entries().keys().next_back().copied().unwrap_or(0);
        Ok(Fib {
            tries,
            groups,
            next_hops,
            neighbors,
            group_slots: BTreeMap::new(),
            hop_slots,
            group_hint,
            hop_hint,
            local,
            shadowed: BTreeMap::new(),
            vrf_of: BTreeMap::new(),
            adopted,
        })
    }

    /// Makes what new attachments need: their VRFs' tries, and the routes to the edge's own addresses.
    pub fn grow(
        &mut self,
        vrf_of: &BTreeMap<AttachmentId, VrfId>,
        local: &BTreeMap<(VrfId, IpNet), AttachmentId>,
    ) -> Result<()> {
        self.vrf_of = vrf_of.clone();
        for vrf in vrf_of.values() {
            self.tries.ensure(*vrf)?;
        }
        for (&(vrf, prefix), &attachment) in local {
            if self.local.get(&(vrf, prefix)) == Some(&attachment) {
                continue;
            }
            if !self.local.contains_key(&(vrf, prefix)) {
                let is_adopted = self.adopted.routes.get_mut(&vrf).is_some_and(|routes| routes.remove(&prefix));
                if let Some(entry) = self.tries.get(vrf, &prefix)?
                    && !is_adopted
                {
                    self.shadowed.insert((vrf, prefix), entry);
                }
            }
            self.tries.put(vrf, &prefix, RouteEntry { kind: ROUTE_LOCAL, id: attachment.0 })?;
            self.local.insert((vrf, prefix), attachment);
        }
        Ok(())
    }

    /// Removes what attachments that are gone have left.
    pub fn shrink(&mut self, local: &BTreeMap<(VrfId, IpNet), AttachmentId>) -> Result<()> {
        let gone: Vec<(VrfId, IpNet)> = self.local.keys().filter(|key| !local.contains_key(key)).copied().collect();
        for key in gone {
            self.local.remove(&key);
            match self.shadowed.remove(&key) {
                Some(entry) => self.tries.put(key.0, &key.1, entry)?,
                None => self.tries.remove(key.0, &key.1)?,
            }
        }
        let vrf_of = &self.vrf_of;
        self.neighbors.retain(|key| vrf_of.contains_key(&AttachmentId(key.attachment)))?;
        self.adopted.neighbors.retain(|key| vrf_of.contains_key(&AttachmentId(key.attachment)));
        let vrfs: BTreeSet<VrfId> = vrf_of.values().copied().collect();
        for vrf in self.tries.vrfs() {
            if !vrfs.contains(&vrf) {
                self.tries.drop_vrf(vrf)?;
                self.shadowed.retain(|key, _| key.0 != vrf);
                self.adopted.routes.remove(&vrf);
            }
        }
        self.release_adopted_if_complete()
    }

    /// Applies one change.
    pub fn apply(&mut self, change: &FibChange) -> Result<()> {
        match change {
            FibChange::Group { group, buckets } => self.set_group(*group, buckets),
            FibChange::GroupRemoved(group) => self.remove_group(*group),
            FibChange::Route { vrf, prefix, target } => self.set_route(*vrf, prefix.trunc(), *target),
            FibChange::RouteRemoved { vrf, prefix } => self.remove_route(*vrf, prefix.trunc()),
            FibChange::VrfComplete(vrf) => self.sweep(*vrf),
        }
    }

    /// A neighbour has this MAC address now, or none.
    pub fn set_neighbor(&mut self, attachment: AttachmentId, address: IpAddr, mac: Option<[u8; 6]>) -> Result<()> {
        let key = NeighborKey { attachment: attachment.0, address: address_bytes(address) };
        self.adopted.neighbors.remove(&key);
        match mac {
            Some(mac) => self.neighbors.put(key, mac)?,
            None => self.neighbors.remove(&key)?,
        }
        let hop = NextHop { attachment, address };
        match self.hop_slots.get(&hop) {
            Some(taken) => self.next_hops.put(taken.slot, self.hop_entry(&hop)),
            None => Ok(()),
        }
    }

    /// Every route of a VRF, as the program has it.
    pub fn routes(&self, vrf: VrfId) -> Result<Vec<(IpNet, RouteEntry)>> {
        self.tries.routes(vrf)
    }

    /// How many groups, next hops and neighbours there are.
    pub fn usage(&self) -> (usize, usize, usize) {
        (self.groups.entries().len(), self.next_hops.entries().len(), self.neighbors.entries().len())
    }

    fn hop_entry(&self, hop: &NextHop) -> NextHopEntry {
        let address = address_bytes(hop.address);
        let mac = self.neighbors.entries().get(&NeighborKey { attachment: hop.attachment.0, address });
        NextHopEntry {
            attachment: hop.attachment.0,
            mac: mac.copied().unwrap_or_default(),
            is_resolved: u16::from(mac.is_some()),
            address,
        }
    }

    fn acquire(&mut self, hop: NextHop) -> Result<u32> {
        if let Some(taken) = self.hop_slots.get_mut(&hop) {
            taken.users += 1;
            return Ok(taken.slot);
        }
        let slot = self.next_hops.free_index(&mut self.hop_hint)?;
        self.next_hops.put(slot, self.hop_entry(&hop))?;
        self.hop_slots.insert(hop, HopSlot { slot, users: 1 });
        Ok(slot)
    }

    fn release(&mut self, hop: &NextHop) -> Result<()> {
        let Some(taken) = self.hop_slots.get_mut(hop) else { return Ok(()) };
        taken.users -= 1;
        if taken.users > 0 {
            return Ok(());
        }
        let slot = taken.slot;
        self.hop_slots.remove(hop);
        self.next_hops.clear(slot)
    }

    /// The flip: whatever the number of prefixes behind the group, one entry is written.
    fn set_group(&mut self, group: GroupId, buckets: &[NextHop]) -> Result<()> {
        if !buckets.is_empty() && buckets.len() != GROUP_BUCKETS {
            return Err(anyhow!("group {} has {} buckets instead of {GROUP_BUCKETS}", group.0, buckets.len()));
        }
        let next_hops: BTreeSet<NextHop> = buckets.iter().copied().collect();
        let mut slots = BTreeMap::new();
        for hop in &next_hops {
            slots.insert(*hop, self.acquire(*hop)?);
        }
        let mut entry = GroupEntry { next_hops: [NO_NEXT_HOP; GROUP_BUCKETS] };
        for (bucket, hop) in entry.next_hops.iter_mut().zip(buckets) {
            *bucket = slots.get(hop).copied().unwrap_or(NO_NEXT_HOP);
        }
        let slot = match self.group_slots.get(&group) {
            Some(taken) => taken.slot,
            None => self.groups.free_index(&mut self.group_hint)?,
        };
        self.groups.put(slot, entry)?;
        if let Some(before) = self.group_slots.insert(group, GroupSlot { slot, next_hops }) {
            for hop in &before.next_hops {
                self.release(hop)?;
            }
        }
        Ok(())
    }

    fn remove_group(&mut self, group: GroupId) -> Result<()> {
        let Some(taken) = self.group_slots.remove(&group) else { return Ok(()) };
        self.groups.clear(taken.slot)?;
        taken.next_hops.iter().try_for_each(|hop| self.release(hop))
    }

    fn set_route(&mut self, vrf: VrfId, prefix: IpNet, target: RouteTarget) -> Result<()> {
        let entry = match target {
            RouteTarget::Group(group) => {
                let taken = self.group_slots.get(&group);
                let slot =
                    taken.ok_or_else(|| anyhow!("{prefix} leads to group {}, which is not there", group.0))?.slot;
                RouteEntry { kind: ROUTE_GROUP, id: slot }
            }
            RouteTarget::OnLink(attachment) => RouteEntry { kind: ROUTE_ON_LINK, id: attachment.0 },
        };
        if let Some(unconfirmed) = self.adopted.routes.get_mut(&vrf) {
            unconfirmed.remove(&prefix);
        }
        if self.local.contains_key(&(vrf, prefix)) {
            self.shadowed.insert((vrf, prefix), entry);
            return Ok(());
        }
        self.tries.ensure(vrf)?;
        self.tries.put(vrf, &prefix, entry)
    }

    fn remove_route(&mut self, vrf: VrfId, prefix: IpNet) -> Result<()> {
        if let Some(unconfirmed) = self.adopted.routes.get_mut(&vrf) {
            unconfirmed.remove(&prefix);
        }
        if self.local.contains_key(&(vrf, prefix)) {
            self.shadowed.remove(&(vrf, prefix));
            return Ok(());
        }
        self.tries.remove(vrf, &prefix)
    }

    /// Everything that this VRF should have has been given.
    fn sweep(&mut self, vrf: VrfId) -> Result<()> {
        for prefix in self.adopted.routes.remove(&vrf).unwrap_or_default() {
            self.tries.remove(vrf, &prefix)?;
        }
        let of_vrf = |key: &NeighborKey| self.vrf_of.get(&AttachmentId(key.attachment)) == Some(&vrf);
        let stale: Vec<NeighborKey> = self.adopted.neighbors.iter().filter(|key| of_vrf(key)).copied().collect();
        for key in stale {
            self.set_neighbor(AttachmentId(key.attachment), address_of(key.address), None)?;
        }
        self.release_adopted_if_complete()
    }

    fn release_adopted_if_complete(&mut self) -> Result<()> {
        if !self.adopted.routes.is_empty() {
            return Ok(());
        }
        for slot in std::mem::take(&mut self.adopted.groups) {
            self.groups.clear(slot)?;
        }
        for hop in std::mem::take(&mut self.adopted.next_hops) {
            self.release(&hop)?;
        }
        Ok(())
    }
}

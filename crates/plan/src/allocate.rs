//! Numbers that the network needs: S-tags, VRFs, attachments, VNIs. Each stays with its owner for as long as the owner
//! exists, live or not, so that a customer's S-tag and an edge's counters keep their meaning; what has lost its owner is
//! free again; what is new gets the lowest free number.

use std::collections::{BTreeMap, BTreeSet};

use causeway_edge_types::Problem;
use causeway_model::{Allocations, Link, Snapshot};

use crate::placement::{Placement, VNI_SPACE, names};
use crate::tunnel::TUNNEL_IPV4_CONNECTIONS;

const S_TAG_MAX: u32 = 4_094;
const NODE_NUMBER_MAX: u32 = 65_535;
const VNI_MAX: u32 = 0xff_ffff;

/// One number that somebody needs.
struct Need {
    space: String,
    owner: String,
    to: u32,
    /// On whose behalf, for a problem.
    target: String,
}

/// The numbers of one space, with what makes finding a free one quick.
#[derive(Default)]
struct Space {
    owners: BTreeMap<String, u32>,
    used: BTreeSet<u32>,
    /// Every number below this is in use.
    lowest: u32,
}

impl Space {
    /// What it had. A number out of range (a record from elsewhere) is not kept, nor one that somebody else has already.
    fn keep(&mut self, need: &Need, number: u32) {
        let is_had = self.owners.contains_key(&need.owner);
        if !is_had && (1..=need.to).contains(&number) && self.used.insert(number) {
            self.owners.insert(need.owner.clone(), number);
        }
    }

    /// Sees to it that it has one; false when all are in use.
    fn take(&mut self, need: &Need) -> bool {
        if self.owners.contains_key(&need.owner) {
            return true;
        }
        self.lowest = self.lowest.max(1);
        while self.used.contains(&self.lowest) {
            self.lowest += 1;
        }
        if self.lowest > need.to {
            return false;
        }
        self.used.insert(self.lowest);
        self.owners.insert(need.owner.clone(), self.lowest);
        true
    }
}

/// The allocations that `snapshot` needs: those that it has and still needs, and new ones. Full spaces are problems; the
/// caller then changes nothing.
pub fn allocate(snapshot: &Snapshot) -> Result<Allocations, Vec<Problem>> {
    let placement = Placement::new(snapshot);
    let needs = needs(&placement);
    let mut spaces: BTreeMap<String, Space> = BTreeMap::new();
    for need in &needs {
        if let Some(number) = snapshot.allocations.get(&need.space, &need.owner) {
            spaces.entry(need.space.clone()).or_default().keep(need, number);
        }
    }
    let mut problems = Vec::new();
    for need in &needs {
        if !spaces.entry(need.space.clone()).or_default().take(need) {
            problems.push(full(&need.space, need.to, &need.target));
        }
    }
    let spaces = spaces.into_iter().map(|(name, space)| (name, space.owners));
    let mut kept = Allocations { spaces: spaces.filter(|(_, owners)| !owners.is_empty()).collect() };
    take_vnis(&placement, &mut kept, &mut problems);
    if problems.is_empty() { Ok(kept) } else { Err(problems) }
}

fn full(space: &str, to: u32, target: &str) -> Problem {
    Problem::new("SpaceExhausted", target, format!("all {to} numbers of {space} are in use; something has to go first"))
}

/// Everything that is numbered and is no VNI.
fn needs(placement: &Placement<'_>) -> Vec<Need> {
    let mut needs = Vec::new();
    for circuit in placement.snapshot.circuits.values() {
        let mut need = |space, owner, to| needs.push(Need { space, owner, to, target: circuit.id.to_string() });
        need(names::s_tag_space(&circuit.peering_location), circuit.id.key(), S_TAG_MAX);
        for kind in circuit.peerings.keys() {
            for link in Link::BOTH {
                if let Some((edge, _)) = placement.edge(circuit, link) {
                    let owner = names::peering(circuit, *kind);
                    need(names::vrf_space(&edge.name), owner.clone(), NODE_NUMBER_MAX);
                    need(names::attachment_space(&edge.name), owner, NODE_NUMBER_MAX);
                }
            }
        }
        for access in &circuit.cross_connection.access {
            if let Some(node) = placement.cross_connect(&access.cross_connect) {
                let space = names::attachment_space(&node.name);
                for link in Link::BOTH {
                    need(space.clone(), names::cross(circuit, access.peering, link), NODE_NUMBER_MAX);
                    need(space.clone(), names::cross_reverse(circuit, access.peering, link), NODE_NUMBER_MAX);
                }
            }
        }
    }
    for connection in placement.snapshot.connections.values() {
        let (Some(circuit), Some(gateway)) =
            (placement.circuit(&connection.circuit), placement.gateway(&connection.gateway))
        else {
            continue;
        };
        for link in Link::BOTH {
            let edge = placement.edge(circuit, link).map(|(edge, _)| edge);
            for node in placement.nodes_of_gateway(gateway) {
                let owner = names::tunnel(connection, link, node.instance);
                let target = connection.id.to_string();
                for name in edge.map(|edge| edge.name.as_str()).into_iter().chain([node.name.as_str()]) {
                    needs.push(Need {
                        space: names::attachment_space(name),
                        owner: owner.clone(),
                        to: NODE_NUMBER_MAX,
                        target: target.clone(),
                    });
                }
            }
        }
    }
    for node in placement.snapshot.gateway_nodes.values() {
        let owner = node.virtual_network.to_ascii_lowercase();
        for space in [names::vrf_space(&node.name), names::attachment_space(&node.name)] {
            needs.push(Need { space, owner: owner.clone(), to: NODE_NUMBER_MAX, target: node.name.clone() });
        }
    }
    needs
}

/// A VNI for each gateway connection: the lowest that is free and whose tunnels' IPv4 subnets no other connection of the
/// same circuit or the same gateway has.
fn take_vnis(placement: &Placement<'_>, kept: &mut Allocations, problems: &mut Vec<Problem>) {
    let connections = &placement.snapshot.connections;
    if connections.is_empty() {
        return;
    }
    let mut owners: BTreeMap<String, u32> = BTreeMap::new();
    let mut used: BTreeSet<u32> = BTreeSet::new();
    let mut residues: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    for pass in [true, false] {
        for connection in connections.values() {
            let key = connection.id.key();
            if owners.contains_key(&key) {
                continue;
            }
            let sharers = [connection.circuit.key(), connection.gateway.key()];
            let is_free = |vni: u32| {
                !used.contains(&vni)
                    && !sharers.iter().any(|sharer| {
                        residues.get(sharer).is_some_and(|taken| taken.contains(&(vni % TUNNEL_IPV4_CONNECTIONS)))
                    })
            };
            let vni = if pass {
                let had = placement.number(VNI_SPACE, &key).filter(|vni| (1..=VNI_MAX).contains(vni));
                had.filter(|vni| is_free(*vni))
            } else {
                (1..=VNI_MAX).find(|vni| is_free(*vni))
            };
            if let Some(vni) = vni {
                used.insert(vni);
                for sharer in sharers {
                    residues.entry(sharer).or_default().insert(vni % TUNNEL_IPV4_CONNECTIONS);
                }
                owners.insert(key, vni);
            } else if !pass {
                problems.push(full(VNI_SPACE, VNI_MAX, connection.id.as_str()));
            }
        }
    }
    kept.spaces.insert(VNI_SPACE.into(), owners);
}

//! Everything that is desired, at one revision.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Circuit, CrossConnectNode, Deployment, EdgeNode, Gateway, GatewayConnection, GatewayNode, PeeringLocation,
    ResourceGroup, ResourceId, ServiceProvider, VirtualNetwork,
};

/// Everything that is desired. Maps are keyed by [`ResourceId::key`] or by a lower-case name, so that iteration is in
/// the same order everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Snapshot {
    pub deployment: Deployment,
    pub locations: BTreeMap<String, PeeringLocation>,
    pub providers: BTreeMap<String, ServiceProvider>,
    pub edges: BTreeMap<String, EdgeNode>,
    pub gateway_nodes: BTreeMap<String, GatewayNode>,
    pub cross_connects: BTreeMap<String, CrossConnectNode>,
    pub resource_groups: BTreeMap<String, ResourceGroup>,
    pub circuits: BTreeMap<String, Circuit>,
    pub virtual_networks: BTreeMap<String, VirtualNetwork>,
    pub gateways: BTreeMap<String, Gateway>,
    pub connections: BTreeMap<String, GatewayConnection>,
    pub allocations: Allocations,
}

/// Numbers that were given out, and to whom. A number stays with its owner until the owner is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocations {
    /// `space -> owner -> number`; a space is, for example, `s-tag/<location>` or `vrf/<edge>`.
    pub spaces: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Allocations {
    /// The number that `owner` has in `space`.
    pub fn get(&self, space: &str, owner: &str) -> Option<u32> {
        self.spaces.get(space)?.get(owner).copied()
    }

    /// Gives `owner` the lowest free number from `from` to `to`, or the one it has; none when the space is full.
    pub fn take(&mut self, space: &str, owner: &str, from: u32, to: u32) -> Option<u32> {
        let owners = self.spaces.entry(space.to_owned()).or_default();
        if let Some(number) = owners.get(owner) {
            return Some(*number);
        }
        let used: std::collections::BTreeSet<u32> = owners.values().copied().collect();
        let number = (from..=to).find(|number| !used.contains(number))?;
        owners.insert(owner.to_owned(), number);
        Some(number)
    }

    /// Takes back what `owner` has in every space.
    pub fn release(&mut self, owner: &str) {
        for owners in self.spaces.values_mut() {
            owners.remove(owner);
        }
        self.spaces.retain(|_, owners| !owners.is_empty());
    }
}

/// Any resource that a change may put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
#[allow(missing_docs)]
pub enum Resource {
    Deployment(Deployment),
    PeeringLocation(PeeringLocation),
    ServiceProvider(ServiceProvider),
    EdgeNode(EdgeNode),
    GatewayNode(GatewayNode),
    CrossConnectNode(CrossConnectNode),
    ResourceGroup(ResourceGroup),
    Circuit(Box<Circuit>),
    VirtualNetwork(VirtualNetwork),
    Gateway(Gateway),
    GatewayConnection(GatewayConnection),
}

/// What somebody asks for. A peering or an authorization is a change of its circuit, a subnet of its virtual network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Make it, or make it like this.
    Put(Resource),
    /// Take it away. The id is a resource's, or `location/…`, `provider/…`, `node/…` for what the operator registered.
    Delete(ResourceId),
}

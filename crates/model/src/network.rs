//! Virtual networks, their gateways, and the gateway connections that join them to circuits.

use std::collections::BTreeMap;

use causeway_edge_types::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{ProvisioningState, ResourceId, ResourceTags};

/// The subnet that a gateway lives in has this name exactly (fact 76).
pub const GATEWAY_SUBNET: &str = "GatewaySubnet";

/// A resource group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceGroup {
    /// Its id.
    pub id: ResourceId,
    /// Region.
    pub location: String,
    /// Tags.
    #[serde(default)]
    pub tags: ResourceTags,
}

/// A virtual network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualNetwork {
    /// Its id.
    pub id: ResourceId,
    /// Region.
    pub location: String,
    /// Tags.
    #[serde(default)]
    pub tags: ResourceTags,
    /// A GUID of the resource.
    pub resource_guid: Uuid,
    /// What it is told to the customer as.
    pub address_space: Vec<IpNet>,
    /// Subnets by name, each with its prefixes.
    #[serde(default)]
    pub subnets: BTreeMap<String, Vec<IpNet>>,
    /// How far the last change has come.
    pub provisioning_state: ProvisioningState,
}

/// A virtual network's gateway; always two instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its id.
    pub id: ResourceId,
    /// Region.
    pub location: String,
    /// Tags.
    #[serde(default)]
    pub tags: ResourceTags,
    /// A GUID of the resource.
    pub resource_guid: Uuid,
    /// `Standard`, `HighPerformance`, `UltraPerformance`, `ErGw1AZ`, `ErGw2AZ`, `ErGw3AZ`, `ErGwScale`.
    pub sku: String,
    /// The subnet that it lives in: `…/virtualNetworks/v/subnets/GatewaySubnet`.
    pub subnet: ResourceId,
    /// A public address that the client gave; kept and shown, not needed.
    #[serde(default)]
    pub public_ip: Option<ResourceId>,
    /// How far the last change has come.
    pub provisioning_state: ProvisioningState,
}

/// Joins a virtual network's gateway to a circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayConnection {
    /// Its id.
    pub id: ResourceId,
    /// Region.
    pub location: String,
    /// Tags.
    #[serde(default)]
    pub tags: ResourceTags,
    /// A GUID of the resource.
    pub resource_guid: Uuid,
    /// The gateway.
    pub gateway: ResourceId,
    /// The circuit.
    pub circuit: ResourceId,
    /// RoutingWeight, 0 to 32,000; the highest wins, before AS-path length (fact 83).
    #[serde(default)]
    pub routing_weight: u32,
    /// The key that was redeemed, where the circuit is another subscription's.
    pub authorization_key: Option<Secret>,
    /// FastPath is asked for.
    #[serde(default)]
    pub fast_path: bool,
    /// How far the last change has come.
    pub provisioning_state: ProvisioningState,
}

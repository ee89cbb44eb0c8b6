//! What the operator registers: locations, providers, edges, gateway nodes and the providers' cross-connects. A
//! deployment is these records and nothing else; the planner places circuits on them.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::{EndpointOrder, Link};

/// Bandwidths that a provider may offer, in Mbit/s (fact 10).
pub const PROVIDER_BANDWIDTHS_MBPS: [u32; 8] = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/// Settings of the whole deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Deployment {
    /// The AS number of the edges.
    pub edge_asn: u32,
    /// The AS number of the gateways.
    pub gateway_asn: u32,
    /// Which end of a new peering's subnets is ours.
    pub endpoint_order: EndpointOrder,
    /// Hold time that edges propose, in seconds.
    pub hold_time_s: u16,
    /// BFD interval, in milliseconds.
    pub bfd_interval_ms: u32,
    /// BFD multiplier.
    pub bfd_multiplier: u8,
}

impl Default for Deployment {
    fn default() -> Self {
        Deployment {
            edge_asn: 12076,
            gateway_asn: 65515,
            endpoint_order: EndpointOrder::CloudFirst,
            hold_time_s: 180,
            bfd_interval_ms: 300,
            bfd_multiplier: 3,
        }
    }
}

/// A connectivity provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceProvider {
    /// Its name.
    pub name: String,
    /// Where it offers circuits.
    pub peering_locations: Vec<String>,
    /// What it offers, in Mbit/s.
    pub bandwidths_mbps: Vec<u32>,
    /// Client ids that act for it; empty on a development server means its one provider client.
    #[serde(default)]
    pub principals: Vec<String>,
}

/// A location: where ports are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PeeringLocation {
    /// Its name, as providers list it.
    pub name: String,
}

/// An edge router, one of a location's pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EdgeNode {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub peering_location: String,
    /// Which links it serves.
    pub link: Link,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its tunnel end point on the fabric.
    pub vtep: IpAddr,
    /// Its fabric port.
    pub fabric_port: String,
    /// Its trunk ports, each toward one provider.
    pub provider_ports: Vec<ProviderPort>,
}

/// A trunk port toward a provider, QinQ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProviderPort {
    /// The provider's name.
    pub provider: String,
    /// The port's interface name.
    pub port: String,
}

/// A machine that runs one instance of a virtual network's gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GatewayNode {
    /// Its name.
    pub name: String,
    /// BGP identifier.
    pub router_id: Ipv4Addr,
    /// Its tunnel end point on the fabric.
    pub vtep: IpAddr,
    /// Its fabric port.
    pub fabric_port: String,
    /// Its port toward the virtual network's hosts, untagged.
    pub network_port: String,
    /// The id of the virtual network that `network_port` is plugged into.
    pub virtual_network: String,
    /// Which instance it is: 0 or 1.
    pub instance: u8,
}

/// A provider's cross-connect that takes its configuration from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CrossConnectNode {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub provider: String,
    /// Where its uplinks end.
    pub peering_location: String,
    /// BGP identifier; unused, but every node has one.
    pub router_id: Ipv4Addr,
    /// Its port toward the edge of the primary link.
    pub primary_uplink: String,
    /// Its port toward the edge of the secondary link.
    pub secondary_uplink: String,
    /// Ports that customers may be given.
    pub access_ports: Vec<String>,
}

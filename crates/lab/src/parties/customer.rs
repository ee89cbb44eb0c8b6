//! A customer: orders a circuit, configures its peering, makes a virtual network with a gateway, and joins the two.

use anyhow::Context;
use causeway_client::Client;
use serde_json::{Value, json};

use super::text;
use crate::topology::{Customer, Topology};

/// The region that the lab's resources are in.
const REGION: &str = "westeurope";

/// A customer that is signed in.
#[derive(Debug)]
pub struct Account {
    /// Its client.
    pub client: Client,
    /// Its subscription.
    pub subscription: String,
    /// Its name in the topology, which names its resources.
    pub name: String,
}

fn group(subscription: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{name}")
}

fn network(subscription: &str, name: &str, kind: &str, resource: &str) -> String {
    format!("{}/providers/Microsoft.Network/{kind}/{name}-{resource}", group(subscription, name))
}

/// The id of a customer's virtual network.
pub fn network_id(subscription: &str, name: &str) -> String {
    network(subscription, name, "virtualNetworks", "network")
}

impl Account {
    fn id(&self, kind: &str, resource: &str) -> String {
        network(&self.subscription, &self.name, kind, resource)
    }

    /// The id of the circuit.
    pub fn circuit_id(&self) -> String {
        self.id("expressRouteCircuits", "circuit")
    }

    /// The id of the private peering.
    pub fn peering_id(&self) -> String {
        format!("{}/peerings/AzurePrivatePeering", self.circuit_id())
    }

    /// The id of the gateway connection.
    pub fn connection_id(&self) -> String {
        self.id("connections", "connection")
    }

    fn put(&self, what: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.client.put(path, body).with_context(|| format!("{what} of {}", self.name))
    }

    /// Makes the resource group.
    pub fn make_group(&self) -> anyhow::Result<()> {
        self.put("the resource group", &group(&self.subscription, &self.name), &json!({ "location": REGION })).map(drop)
    }

    /// Orders the circuit; its service key.
    pub fn order_circuit(&self, topology: &Topology, customer: &Customer) -> anyhow::Result<String> {
        let order = &customer.circuit;
        let body = json!({
            "location": REGION,
            "sku": { "name": format!("{}_{}", order.tier, order.family), "tier": order.tier, "family": order.family },
            "properties": { "serviceProviderProperties": {
                "serviceProviderName": topology.provider.name,
                "peeringLocation": topology.location,
                "bandwidthInMbps": order.bandwidth_mbps,
            } },
        });
        let circuit = self.put("the circuit", &self.circuit_id(), &body)?;
        Ok(text(&circuit, "/properties/serviceKey")?.to_owned())
    }

    /// Configures the private peering.
    pub fn configure_peering(&self, customer: &Customer) -> anyhow::Result<()> {
        let peering = &customer.peering;
        let mut body = json!({ "properties": {
            "peeringType": "AzurePrivatePeering",
            "peerASN": customer.site.asn,
            "primaryPeerAddressPrefix": peering.ipv4[0],
            "secondaryPeerAddressPrefix": peering.ipv4[1],
            "vlanId": peering.vlan_id,
            "ipv6PeeringConfig": {
                "primaryPeerAddressPrefix": peering.ipv6[0],
                "secondaryPeerAddressPrefix": peering.ipv6[1],
            },
        } });
        if let Some(key) = &peering.shared_key {
            body["properties"]["sharedKey"] = key.expose().into();
        }
        self.put("the private peering", &self.peering_id(), &body).map(drop)
    }

    /// Makes the virtual network and its gateway.
    pub fn make_network(&self, customer: &Customer) -> anyhow::Result<()> {
        let wanted = &customer.network;
        let subnet = |name: &str, prefixes: [ipnet::IpNet; 2]| json!({ "name": name, "properties": { "addressPrefixes": prefixes } });
        let network = network_id(&self.subscription, &self.name);
        let body = json!({
            "location": REGION,
            "properties": {
                "addressSpace": { "addressPrefixes": [wanted.ipv4.to_string(), wanted.ipv6.to_string()] },
                "subnets": [subnet("hosts", wanted.host_subnets()), subnet("GatewaySubnet", wanted.gateway_subnets())],
            },
        });
        self.put("the virtual network", &network, &body)?;
        let body = json!({
            "location": REGION,
            "properties": {
                "gatewayType": "ExpressRoute",
                "sku": { "name": "ErGw1AZ", "tier": "ErGw1AZ" },
                "ipConfigurations": [{
                    "name": "default",
                    "properties": { "subnet": { "id": format!("{network}/subnets/GatewaySubnet") } },
                }],
            },
        });
        self.put("the gateway", &self.id("virtualNetworkGateways", "gateway"), &body).map(drop)
    }

    /// Joins the gateway to the circuit.
    pub fn connect(&self) -> anyhow::Result<()> {
        let body = json!({
            "location": REGION,
            "properties": {
                "connectionType": "ExpressRoute",
                "virtualNetworkGateway1": { "id": self.id("virtualNetworkGateways", "gateway") },
                "peer": { "id": self.circuit_id() },
            },
        });
        self.put("the gateway connection", &self.connection_id(), &body).map(drop)
    }
}

//! The operator: registers the location, the provider and every node, and gives each node its credentials.

use anyhow::Context;
use causeway_client::{Client, Credentials, Secretive};
use serde_json::json;

use super::{Parties, customer, text};
use crate::blueprint::{Strand, names};
use crate::topology::Topology;

/// A node's name in the deployment. It has the lab's name in it: edges pin their maps under their own names, and two
/// labs share a kernel.
pub fn node_name(lab: &str, node: &str) -> String {
    format!("{lab}-{node}")
}

const FABRIC: &str = "/providers/Causeway.Fabric";

/// Puts one record.
fn put(client: &Client, path: &str, properties: serde_json::Value) -> anyhow::Result<()> {
    let path = format!("{FABRIC}/{}", path.replace(' ', "%20"));
    client.put(&path, &json!({ "properties": properties })).with_context(|| format!("registering {path}"))?;
    Ok(())
}

/// Registers what all customers share.
pub fn register(client: &Client, lab: &str, topology: &Topology) -> anyhow::Result<()> {
    let deployment = serde_json::to_value(&topology.deployment).context("the deployment's settings")?;
    put(client, "deployment", deployment)?;
    let (location, provider) = (&topology.location, &topology.provider);
    put(client, &format!("peeringLocations/{location}"), json!({}))?;
    put(
        client,
        &format!("serviceProviders/{}", provider.name),
        json!({ "peeringLocations": [location], "bandwidthsMbps": provider.bandwidths_mbps, "principals": [] }),
    )?;
    for strand in Strand::BOTH {
        put(
            client,
            &format!("edges/{}", node_name(lab, &names::edge(strand))),
            json!({
                "peeringLocation": location,
                "link": if strand == Strand::Primary { "Primary" } else { "Secondary" },
                "routerId": names::edge_vtep(strand),
                "vtep": names::edge_vtep(strand),
                "fabricPort": names::FABRIC,
                "providerPorts": [{ "provider": provider.name, "port": names::TRUNK }],
            }),
        )?;
    }
    let access =
        (0..topology.customers.len()).flat_map(|index| Strand::BOTH.map(|strand| names::access(index, strand)));
    put(
        client,
        &format!("crossConnects/{}", node_name(lab, "provider")),
        json!({
            "provider": provider.name,
            "peeringLocation": location,
            "routerId": "100.64.0.254",
            "primaryUplink": names::uplink(Strand::Primary),
            "secondaryUplink": names::uplink(Strand::Secondary),
            "accessPorts": access.collect::<Vec<_>>(),
        }),
    )
}

/// Registers a customer's gateway nodes, and its subscription where it is not the first customer's; how it signs in.
pub fn admit(parties: &Parties, lab: &str, topology: &Topology, index: usize) -> anyhow::Result<(String, Credentials)> {
    let (client, customer) = (&parties.operator, &topology.customers[index]);
    let (subscription, credentials) = if index == 0 {
        (parties.file.subscription.clone(), parties.file.credentials(&parties.file.customer))
    } else {
        let subscription = std::fs::read_to_string("/proc/sys/kernel/random/uuid").context("a new GUID")?;
        let subscription = subscription.trim().to_owned();
        put(client, &format!("subscriptions/{subscription}"), json!({ "displayName": customer.name }))?;
        let credentials = credentials(parties, &format!("subscriptions/{subscription}"))?;
        (subscription, credentials)
    };
    for instance in [0, 1] {
        let vtep = names::gateway_vtep(index, instance);
        put(
            client,
            &format!("gatewayNodes/{}", node_name(lab, &names::gateway(index, &customer.name, instance))),
            json!({
                "routerId": vtep,
                "vtep": vtep,
                "fabricPort": names::FABRIC,
                "networkPort": names::NETWORK,
                "virtualNetwork": customer::network_id(&subscription, &customer.name),
                "instance": instance,
            }),
        )?;
    }
    Ok((subscription, credentials))
}

/// New credentials of a node.
pub fn node_credentials(parties: &Parties, lab: &str, node: &str) -> anyhow::Result<Credentials> {
    credentials(parties, &format!("nodes/{}", node_name(lab, node)))
}

fn credentials(parties: &Parties, of: &str) -> anyhow::Result<Credentials> {
    let path = format!("{FABRIC}/{of}/credentials");
    let answer = parties.operator.post(&path, None).with_context(|| format!("credentials of {of}"))?;
    Ok(Credentials {
        tenant: parties.file.tenant.clone(),
        client_id: text(&answer, "/clientId")?.to_owned(),
        client_secret: Secretive(text(&answer, "/clientSecret")?.to_owned()),
    })
}

//! The provider: finds a circuit by the key that the customer gave it, and provisions it on its router.

use anyhow::{Context, bail};
use causeway_client::Client;
use serde_json::{Value, json};

use super::{Parties, operator::node_name, text};
use crate::blueprint::{Strand, names};

/// The cross connection of a service key, found in the list as a provider finds it.
pub fn find(parties: &Parties, service_key: &str) -> anyhow::Result<Value> {
    let path = format!(
        "/subscriptions/{}/providers/Microsoft.Network/expressRouteCrossConnections",
        parties.file.subscription
    );
    let list = parties.provider.get(&path).context("listing the cross connections")?;
    let all = list["value"].as_array().context("the list of cross connections has no value")?;
    let found = all.iter().find(|one| one["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(service_key)));
    found.cloned().with_context(|| format!("no cross connection has the service key {service_key}"))
}

/// Sets the provider's state. The customer's access ports are given with `Provisioned`.
pub fn set_state(
    client: &Client,
    lab: &str,
    cross_connection: &Value,
    state: &str,
    customer: usize,
) -> anyhow::Result<()> {
    let id = text(cross_connection, "/id")?;
    let mut properties = json!({ "serviceProviderProvisioningState": state });
    if state == "Provisioned" {
        properties["accessServices"] = json!([{
            "peering": "AzurePrivatePeering",
            "crossConnect": node_name(lab, "provider"),
            "primaryPort": names::access(customer, Strand::Primary),
            "secondaryPort": names::access(customer, Strand::Secondary),
            "accessTag": null,
        }]);
    }
    let body = json!({ "location": cross_connection["location"], "properties": properties });
    let answer = client.put(id, &body).with_context(|| format!("setting the cross connection to {state}"))?;
    let now = text(&answer, "/properties/serviceProviderProvisioningState")?;
    if now != state {
        bail!("the cross connection is {now}, not {state}");
    }
    Ok(())
}

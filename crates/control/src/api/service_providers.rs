//! Service providers, as customers choose from them.

use causeway_model::ServiceProvider;
use serde_json::{Value, json};

use super::family::{Audience, Call, Family, Shown};
use super::refused::Refused;

/// `expressRouteServiceProviders`.
pub struct ServiceProviders;

fn show(provider: &ServiceProvider) -> Value {
    let offer = |mbps: &u32| {
        let name = if *mbps >= 1_000 && mbps.is_multiple_of(1_000) {
            format!("{}Gbps", mbps / 1_000)
        } else {
            format!("{mbps}Mbps")
        };
        json!({"offerName": name, "valueInMbps": mbps})
    };
    json!({
        "name": provider.name,
        // The reference service's own odd id.
        "id": "/subscriptions//resourceGroups//providers/Microsoft.Network/expressRouteServiceProviders/",
        "type": "Microsoft.Network/expressRouteServiceProviders",
        "properties": {
            "provisioningState": "Succeeded",
            "peeringLocations": provider.peering_locations,
            "bandwidthsOffered": provider.bandwidths_mbps.iter().map(offer).collect::<Vec<_>>(),
        },
    })
}

impl Family for ServiceProviders {
    fn types(&self) -> &'static [&'static str] {
        &["expressRouteServiceProviders"]
    }

    fn audience(&self) -> Audience {
        Audience::Anybody
    }

    fn get(&self, call: &Call<'_>) -> Result<Shown, Refused> {
        let found = call.world.snapshot.providers.get(&call.target.name(0).to_ascii_lowercase());
        let provider = found.ok_or_else(|| call.target.not_found())?;
        Ok(Shown { body: show(provider), revision: 0 })
    }

    fn list(&self, call: &Call<'_>) -> Result<Vec<Value>, Refused> {
        Ok(call.world.snapshot.providers.values().map(show).collect())
    }
}

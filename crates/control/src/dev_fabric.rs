//! The fabric that a development server starts with: data in `dev_fabric.toml`, made into the same records that an
//! operator would register.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};
use causeway_model::{EdgeNode, Link, PeeringLocation, ProviderPort, ServiceProvider};
use serde::Deserialize;

use crate::world::Draft;

const FABRIC: &str = include_str!("dev_fabric.toml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fabric {
    bandwidths_mbps: Vec<u32>,
    locations: Vec<String>,
    providers: Vec<String>,
}

/// Puts the records.
pub fn seed(draft: &mut Draft) -> Result<()> {
    let fabric: Fabric = toml::from_str(FABRIC).context("dev_fabric.toml")?;
    let ports: Vec<ProviderPort> = (0..)
        .zip(&fabric.providers)
        .map(|(index, provider)| ProviderPort { provider: provider.clone(), port: format!("provider{index}") })
        .collect();
    for (index, location) in (0u8..).zip(&fabric.locations) {
        draft.put(&location.to_ascii_lowercase(), PeeringLocation { name: location.clone() });
        for (link, suffix) in [(Link::Primary, 1), (Link::Secondary, 2)] {
            // Up to 127 locations: an identifier (RFC 6598's space) and an end point (RFC 2544's) for each of the two.
            let host = index * 2 + suffix;
            let name = format!("{}-{suffix}", location.to_ascii_lowercase().replace(' ', "-"));
            let edge = EdgeNode {
                name: name.clone(),
                peering_location: location.clone(),
                link,
                router_id: Ipv4Addr::new(100, 64, 255, host),
                vtep: IpAddr::V4(Ipv4Addr::new(198, 18, 255, host)),
                fabric_port: "fabric0".to_owned(),
                provider_ports: ports.clone(),
            };
            draft.put(&name, edge);
        }
    }
    for provider in &fabric.providers {
        let record = ServiceProvider {
            name: provider.clone(),
            peering_locations: fabric.locations.clone(),
            bandwidths_mbps: fabric.bandwidths_mbps.clone(),
            principals: vec![],
        };
        draft.put(&provider.to_ascii_lowercase(), record);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use causeway_model::{Change, Resource, Snapshot, admit};

    use super::*;
    use crate::world::World;

    /// An operator could have registered the same, record by record: nothing of it breaks a rule.
    #[test]
    fn the_records_are_admitted_one_by_one() {
        let mut draft = Draft::new(World::default());
        seed(&mut draft).unwrap();
        let whole = draft.world.snapshot;
        let mut snapshot = Snapshot::default();
        for (key, location) in &whole.locations {
            let change = Change::Put(Resource::PeeringLocation(location.clone()));
            assert_eq!(admit(&snapshot, &change), []);
            snapshot.locations.insert(key.clone(), location.clone());
        }
        for (key, provider) in &whole.providers {
            let change = Change::Put(Resource::ServiceProvider(provider.clone()));
            assert_eq!(admit(&snapshot, &change), []);
            snapshot.providers.insert(key.clone(), provider.clone());
        }
        for (key, edge) in &whole.edges {
            assert_eq!(admit(&snapshot, &Change::Put(Resource::EdgeNode(edge.clone()))), []);
            snapshot.edges.insert(key.clone(), edge.clone());
        }
        assert_eq!(snapshot.edges.len(), 2 * snapshot.locations.len());
        assert_eq!(snapshot, *whole);
    }
}

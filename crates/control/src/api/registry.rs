//! Every family of resources. A new one is a file and a line here.

use super::family::Family;
use super::{
    authorizations, circuits, connections, cross_connections, gateways, peerings, public_addresses, service_providers,
    virtual_networks,
};

/// The families.
pub static FAMILIES: &[&dyn Family] = &[
    &service_providers::ServiceProviders,
    &circuits::Circuits,
    &peerings::Peerings,
    &authorizations::Authorizations,
    &cross_connections::CrossConnections,
    &cross_connections::CrossConnectionPeerings,
    &virtual_networks::VirtualNetworks,
    &virtual_networks::Subnets,
    &public_addresses::PublicAddresses,
    &gateways::Gateways,
    &connections::Connections,
];

/// The types of a namespace, as they are registered.
pub fn types(namespace: &str) -> Vec<String> {
    FAMILIES
        .iter()
        .filter(|family| family.namespace().eq_ignore_ascii_case(namespace))
        .map(|family| family.types().join("/"))
        .collect()
}

/// Finds the family that the segments below a namespace lead to, the names on the way, and what is left.
pub fn find(namespace: &str, rest: &[String]) -> Option<(&'static dyn Family, Vec<String>, Vec<String>)> {
    let depth_of = |family: &dyn Family| -> Option<usize> {
        let types = family.types();
        let matches = types
            .iter()
            .enumerate()
            .all(|(level, kind)| rest.get(level * 2).is_some_and(|segment| segment.eq_ignore_ascii_case(kind)));
        (matches && family.namespace().eq_ignore_ascii_case(namespace)).then_some(types.len())
    };
    let (family, depth) =
        FAMILIES.iter().filter_map(|family| Some((*family, depth_of(*family)?))).max_by_key(|(_, depth)| *depth)?;
    let names = rest.iter().skip(1).step_by(2).take(depth).cloned().collect();
    let tail = rest.get(depth * 2..).unwrap_or_default().to_vec();
    Some((family, names, tail))
}

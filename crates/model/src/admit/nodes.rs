//! The nodes that the operator registers: edges, gateway nodes and cross-connects. They share one space of names, router
//! ids and tunnel end points, since each of them is an edge to the planner.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::{Circuit, CrossConnectNode, EdgeNode, GatewayNode, Problem, ProviderState, ResourceId, Snapshot};

/// What all nodes have.
struct Common<'a> {
    kind: &'static str,
    name: &'a str,
    router_id: Ipv4Addr,
    vtep: Option<IpAddr>,
}

fn all(snapshot: &Snapshot) -> impl Iterator<Item = Common<'_>> {
    let edges = snapshot.edges.values().map(|node| of("edge", &node.name, node.router_id, Some(node.vtep)));
    let gateways =
        snapshot.gateway_nodes.values().map(|node| of("gateway node", &node.name, node.router_id, Some(node.vtep)));
    let crosses = snapshot.cross_connects.values().map(|node| of("cross-connect", &node.name, node.router_id, None));
    edges.chain(gateways).chain(crosses)
}

fn of<'a>(kind: &'static str, name: &'a str, router_id: Ipv4Addr, vtep: Option<IpAddr>) -> Common<'a> {
    Common { kind, name, router_id, vtep }
}

fn bad(code: &str, target: &str, message: String) -> Problem {
    Problem::bad_request(code, &format!("properties.{target}"), message)
}

/// Name, router id and tunnel end point.
fn common(snapshot: &Snapshot, new: &Common<'_>, out: &mut Vec<Problem>) {
    super::name(new.name, new.kind, out);
    if new.router_id.is_unspecified() || new.router_id.is_broadcast() || new.router_id.is_multicast() {
        let message = format!("routerId {} can't be a BGP identifier", new.router_id);
        out.push(bad("InvalidRouterId", "routerId", message));
    }
    if let Some(vtep) = new.vtep
        && (vtep.is_unspecified() || vtep.is_multicast() || vtep.is_loopback())
    {
        out.push(bad("InvalidVtep", "vtep", format!("vtep {vtep} can't be the address of a tunnel's end")));
    }
    for other in all(snapshot) {
        if other.name.eq_ignore_ascii_case(new.name) {
            if other.kind != new.kind {
                let message = format!("'{}' is the name of a registered {}", new.name, other.kind);
                out.push(Problem::conflict("NodeNameInUse", "name", message));
            }
            continue;
        }
        if other.router_id == new.router_id {
            let message = format!("routerId {} is {} '{}' already", new.router_id, other.kind, other.name);
            out.push(Problem::conflict("RouterIdInUse", "properties.routerId", message));
        }
        if let (Some(vtep), Some(theirs)) = (new.vtep, other.vtep) {
            if vtep == theirs {
                let message = format!("vtep {vtep} is {} '{}' already", other.kind, other.name);
                out.push(Problem::conflict("VtepInUse", "properties.vtep", message));
            } else if vtep.is_ipv4() != theirs.is_ipv4() {
                let message =
                    format!("vtep {vtep} is of another family than {} '{}' has: {theirs}", other.kind, other.name);
                out.push(bad("InvalidVtep", "vtep", message));
            }
        }
    }
}

/// Interface names that exist and are used once.
fn ports<'a>(ports: impl IntoIterator<Item = (&'static str, &'a str)>, out: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (field, port) in ports {
        let is_name = (1..=15).contains(&port.len())
            && port != "."
            && port != ".."
            && port.chars().all(|character| character.is_ascii_graphic() && character != '/');
        if !is_name {
            let message = format!("{field} '{port}' is no interface name: 1 to 15 characters, no space and no '/'");
            out.push(bad("InvalidPort", field, message));
        }
        if !seen.insert(port) {
            let message = format!("{field} '{port}' is another port of the same node already");
            out.push(bad("PortInUse", field, message));
        }
    }
}

/// Location and provider that a node names.
fn offered(snapshot: &Snapshot, field: &str, provider: &str, location: &str, out: &mut Vec<Problem>) {
    match snapshot.providers.get(&provider.to_ascii_lowercase()) {
        None => {
            let message = format!("{field}: service provider '{provider}' is not registered");
            out.push(bad("ServiceProviderNotFound", field, message));
        }
        Some(found) if !found.peering_locations.iter().any(|at| at.eq_ignore_ascii_case(location)) => {
            let message = format!("{field}: service provider '{provider}' is not at '{location}'");
            out.push(bad("ServiceProviderNotAtLocation", field, message));
        }
        Some(_) => {}
    }
}

fn location(snapshot: &Snapshot, name: &str, out: &mut Vec<Problem>) {
    if !snapshot.locations.contains_key(&name.to_ascii_lowercase()) {
        let message = format!("peeringLocation '{name}' is not registered");
        out.push(bad("PeeringLocationNotFound", "peeringLocation", message));
    }
}

pub(super) fn put_edge(snapshot: &Snapshot, new: &EdgeNode, out: &mut Vec<Problem>) {
    common(snapshot, &of("edge", &new.name, new.router_id, Some(new.vtep)), out);
    location(snapshot, &new.peering_location, out);
    let named = new.provider_ports.iter().map(|port| ("providerPorts", port.port.as_str()));
    ports([("fabricPort", new.fabric_port.as_str())].into_iter().chain(named), out);
    let mut providers = BTreeSet::new();
    for port in &new.provider_ports {
        offered(snapshot, "providerPorts", &port.provider, &new.peering_location, out);
        if !providers.insert(port.provider.to_ascii_lowercase()) {
            let message = format!("providerPorts: provider '{}' has two ports; it has one on each edge", port.provider);
            out.push(bad("DuplicateProviderPort", "providerPorts", message));
        }
    }
    let twin = snapshot.edges.values().find(|other| {
        !other.name.eq_ignore_ascii_case(&new.name)
            && other.link == new.link
            && other.peering_location.eq_ignore_ascii_case(&new.peering_location)
    });
    if let Some(twin) = twin {
        let message = format!(
            "link {:?} at '{}' is edge '{}' already: a location has one edge for each link",
            new.link, new.peering_location, twin.name
        );
        out.push(Problem::conflict("LinkInUse", "properties.link", message));
    }
    if let Some(old) = snapshot.edges.get(&new.name.to_ascii_lowercase()) {
        for circuit in served(snapshot, old) {
            let keeps = new.link == old.link
                && new.peering_location.eq_ignore_ascii_case(&old.peering_location)
                && new.provider_ports.iter().any(|port| port.provider.eq_ignore_ascii_case(&circuit.provider));
            if !keeps {
                let message = format!("edge '{}' serves '{}', which would have no edge", new.name, circuit.id);
                out.push(Problem::conflict("NodeInUse", "properties.providerPorts", message));
            }
        }
    }
}

/// The circuits that an edge serves now.
fn served<'a>(snapshot: &'a Snapshot, edge: &'a EdgeNode) -> impl Iterator<Item = &'a Circuit> {
    snapshot.circuits.values().filter(move |circuit| {
        circuit.cross_connection.state != ProviderState::NotProvisioned
            && circuit.peering_location.eq_ignore_ascii_case(&edge.peering_location)
            && edge.provider_ports.iter().any(|port| port.provider.eq_ignore_ascii_case(&circuit.provider))
    })
}

pub(super) fn put_gateway_node(snapshot: &Snapshot, new: &GatewayNode, out: &mut Vec<Problem>) {
    common(snapshot, &of("gateway node", &new.name, new.router_id, Some(new.vtep)), out);
    ports([("fabricPort", new.fabric_port.as_str()), ("networkPort", new.network_port.as_str())], out);
    if new.instance > 1 {
        out.push(bad("InvalidInstance", "instance", format!("instance {} is neither 0 nor 1", new.instance)));
    }
    // The network itself may come later: a customer makes it, the operator plugs the node in when it likes.
    if !is_network_id(&new.virtual_network) {
        let message = format!("virtualNetwork '{}' is not the id of a virtual network", new.virtual_network);
        out.push(bad("InvalidResourceReference", "virtualNetwork", message));
    }
    let twin = snapshot.gateway_nodes.values().find(|other| {
        !other.name.eq_ignore_ascii_case(&new.name)
            && other.instance == new.instance
            && other.virtual_network.eq_ignore_ascii_case(&new.virtual_network)
    });
    if let Some(twin) = twin {
        let message = format!("instance {} of '{}' is node '{}' already", new.instance, new.virtual_network, twin.name);
        out.push(Problem::conflict("InstanceInUse", "properties.instance", message));
    }
}

pub(super) fn put_cross_connect(snapshot: &Snapshot, new: &CrossConnectNode, out: &mut Vec<Problem>) {
    common(snapshot, &of("cross-connect", &new.name, new.router_id, None), out);
    location(snapshot, &new.peering_location, out);
    offered(snapshot, "provider", &new.provider, &new.peering_location, out);
    let access = new.access_ports.iter().map(|port| ("accessPorts", port.as_str()));
    let uplinks = [("primaryUplink", new.primary_uplink.as_str()), ("secondaryUplink", new.secondary_uplink.as_str())];
    ports(uplinks.into_iter().chain(access), out);
    let old = snapshot.cross_connects.get(&new.name.to_ascii_lowercase());
    for (circuit, port) in access_in_use(snapshot, &new.name) {
        if !new.access_ports.contains(port) {
            let message = format!("accessPorts: '{port}' is in use by '{}'", circuit.id);
            out.push(Problem::conflict("AccessPortInUse", "properties.accessPorts", message));
        }
        let has_moved = old.is_some_and(|old| {
            !old.provider.eq_ignore_ascii_case(&new.provider)
                || !old.peering_location.eq_ignore_ascii_case(&new.peering_location)
        });
        if has_moved {
            let message = format!("cross-connect '{}' is in use by '{}' and can't move", new.name, circuit.id);
            out.push(Problem::conflict("NodeInUse", "properties.peeringLocation", message));
        }
    }
}

fn access_in_use<'a>(snapshot: &'a Snapshot, node: &'a str) -> impl Iterator<Item = (&'a Circuit, &'a String)> {
    snapshot.circuits.values().flat_map(move |circuit| {
        let here = circuit.cross_connection.access.iter().filter(move |at| at.cross_connect.eq_ignore_ascii_case(node));
        here.flat_map(|access| [&access.primary_port, &access.secondary_port]).map(move |port| (circuit, port))
    })
}

/// A node goes when nobody's traffic passes it.
pub(super) fn delete(snapshot: &Snapshot, name: &str, out: &mut Vec<Problem>) {
    let mut by: BTreeSet<String> = BTreeSet::new();
    if let Some(edge) = snapshot.edges.get(name) {
        by.extend(served(snapshot, edge).map(|circuit| circuit.id.to_string()));
    }
    if let Some(node) = snapshot.gateway_nodes.get(name) {
        let gateway = super::network::gateway(snapshot, &ResourceId::new(node.virtual_network.as_str()));
        by.extend(gateway.map(|gateway| gateway.id.to_string()));
    }
    if let Some(node) = snapshot.cross_connects.get(name) {
        by.extend(access_in_use(snapshot, &node.name).map(|(circuit, _)| circuit.id.to_string()));
    }
    if !by.is_empty() {
        let by: Vec<String> = by.into_iter().collect();
        let message = format!("node '{name}' is in use and can't be deleted: {}", by.join(", "));
        out.push(Problem::conflict("NodeInUse", "name", message));
    }
}

fn is_network_id(id: &str) -> bool {
    let id = ResourceId::new(id);
    let has = |kind: &str| id.segment(kind).is_some_and(|name| !name.is_empty());
    has("subscriptions")
        && has("resourceGroups")
        && id.segment("virtualNetworks") == Some(id.name())
        && !id.name().is_empty()
}

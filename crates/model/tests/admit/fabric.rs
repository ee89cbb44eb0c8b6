//! What the operator registers.

use causeway_model::*;

use crate::world::*;

fn deployment(change: fn(&mut Deployment)) -> Change {
    let mut deployment = Deployment::default();
    change(&mut deployment);
    Change::Put(Resource::Deployment(deployment))
}

#[test]
fn the_deployment() {
    const TIMES: &str = "InvalidDeployment properties.holdTimeS";
    check(&[
        ("defaults", |_| deployment(|_| ()), &[], ""),
        ("other AS numbers", |_| deployment(|new| (new.edge_asn, new.gateway_asn) = (64_496, 64_497)), &[], ""),
        ("AS 0", |_| deployment(|new| new.edge_asn = 0), &["InvalidDeployment properties.edgeAsn"], "edgeAsn 0"),
        (
            "one AS number for both",
            |_| deployment(|new| new.gateway_asn = 12_076),
            &["InvalidDeployment properties.gatewayAsn"],
            "external BGP",
        ),
        (
            "a customer's AS number",
            |_| deployment(|new| new.edge_asn = 64_500),
            &["Conflict AsnInUse properties.edgeAsn"],
            "64500",
        ),
        ("hold time 2", |_| deployment(|new| new.hold_time_s = 2), &[TIMES], "RFC 4271"),
        ("hold time 0", |_| deployment(|new| new.hold_time_s = 0), &[], ""),
        (
            "BFD that can't be",
            |_| deployment(|new| (new.bfd_interval_ms, new.bfd_multiplier) = (0, 0)),
            &["InvalidDeployment properties.bfdIntervalMs", "InvalidDeployment properties.bfdMultiplier"],
            "RFC 5880",
        ),
    ]);
}

#[test]
fn locations_and_providers() {
    fn provider(world: &Snapshot, change: fn(&mut ServiceProvider)) -> Change {
        let mut provider = world.providers["northlink"].clone();
        change(&mut provider);
        Change::Put(Resource::ServiceProvider(provider))
    }
    check(&[
        (
            "a location",
            |_| Change::Put(Resource::PeeringLocation(PeeringLocation { name: "Silicon Valley".into() })),
            &[],
            "",
        ),
        (
            "a location without a name",
            |_| Change::Put(Resource::PeeringLocation(PeeringLocation { name: " ".into() })),
            &["InvalidResourceName name"],
            "not valid",
        ),
        (
            "a provider where there is no location",
            |world| provider(world, |new| new.peering_locations.push("Atlantis".into())),
            &["PeeringLocationNotFound properties.peeringLocations"],
            "'Atlantis'",
        ),
        (
            "a bandwidth that there is not",
            |world| provider(world, |new| new.bandwidths_mbps.push(77)),
            &["InvalidBandwidth properties.bandwidthsMbps"],
            "77",
        ),
        (
            "no bandwidth",
            |world| provider(world, |new| new.bandwidths_mbps.clear()),
            &["InvalidBandwidth properties.bandwidthsMbps"],
            "empty",
        ),
        (
            "a location taken away from circuits",
            |world| provider(world, |new| new.peering_locations = vec!["Oldport".into()]),
            &[
                "Conflict PeeringLocationInUse properties.peeringLocations",
                "Conflict PeeringLocationInUse properties.peeringLocations",
            ],
            "expressRouteCircuits/c1",
        ),
        (
            "a location in use",
            |_| Change::Delete(ResourceId::new("location/Newport")),
            &["Conflict InUse name"],
            "edge edge1",
        ),
        (
            "a location that is free",
            |world| {
                world.locations.insert("free".into(), PeeringLocation { name: "Free".into() });
                Change::Delete(ResourceId::new("location/free"))
            },
            &[],
            "",
        ),
        (
            "a provider in use",
            |_| Change::Delete(ResourceId::new("provider/Northlink")),
            &["Conflict InUse name"],
            "cross-connect xc1",
        ),
    ]);
}

/// A second pair's primary edge at the other location.
fn put_edge(change: fn(&mut EdgeNode)) -> Change {
    let mut new = edge("edge3", Link::Primary, 3);
    new.peering_location = "Oldport".into();
    change(&mut new);
    Change::Put(Resource::EdgeNode(new))
}

fn edge1(world: &Snapshot, change: fn(&mut EdgeNode)) -> Change {
    let mut edge = world.edges["edge1"].clone();
    change(&mut edge);
    Change::Put(Resource::EdgeNode(edge))
}

#[test]
fn edges() {
    check(&[
        ("a good one", |_| put_edge(|_| ()), &[], ""),
        (
            "a second primary",
            |_| put_edge(|new| new.peering_location = "Newport".into()),
            &["Conflict LinkInUse properties.link"],
            "Primary at 'Newport' is edge 'edge1' already",
        ),
        (
            "unknown location",
            |_| {
                put_edge(|new| {
                    new.peering_location = "Atlantis".into();
                    new.provider_ports.clear();
                })
            },
            &["PeeringLocationNotFound properties.peeringLocation"],
            "'Atlantis'",
        ),
        (
            "unknown provider",
            |_| put_edge(|new| new.provider_ports[0].provider = "Nobody".into()),
            &["ServiceProviderNotFound properties.providerPorts"],
            "'Nobody'",
        ),
        (
            "a provider that is not there",
            |world| {
                world.providers.get_mut("northlink").unwrap().peering_locations = vec!["Newport".into()];
                put_edge(|_| ())
            },
            &["ServiceProviderNotAtLocation properties.providerPorts"],
            "not at 'Oldport'",
        ),
        (
            "two ports of one provider",
            |_| {
                put_edge(|new| {
                    new.provider_ports.push(ProviderPort { provider: "northlink".into(), port: "prov1".into() })
                })
            },
            &["DuplicateProviderPort properties.providerPorts"],
            "two ports",
        ),
        (
            "one port twice",
            |_| put_edge(|new| new.provider_ports[0].port = "fab0".into()),
            &["PortInUse properties.providerPorts"],
            "'fab0'",
        ),
        (
            "a port that is no interface name",
            |_| put_edge(|new| new.fabric_port = "a/b".into()),
            &["InvalidPort properties.fabricPort"],
            "'a/b'",
        ),
        (
            "another's router id and tunnel end point",
            |_| {
                put_edge(|new| {
                    new.router_id = [192, 0, 2, 11].into();
                    new.vtep = "198.51.100.2".parse().unwrap();
                })
            },
            &["Conflict VtepInUse properties.vtep", "Conflict RouterIdInUse properties.routerId"],
            "gateway node 'gw1-0' already",
        ),
        (
            "a tunnel end point of another family",
            |world| {
                world.gateway_nodes.clear();
                world.edges.remove("edge2");
                put_edge(|new| new.vtep = "2001:db8::1".parse().unwrap())
            },
            &["InvalidVtep properties.vtep"],
            "another family",
        ),
        (
            "router id 0.0.0.0",
            |_| put_edge(|new| new.router_id = [0, 0, 0, 0].into()),
            &["InvalidRouterId properties.routerId"],
            "BGP identifier",
        ),
        (
            "a gateway node's name",
            |_| put_edge(|new| (new.name, new.router_id) = ("gw1-0".into(), [192, 0, 2, 99].into())),
            &["Conflict NodeNameInUse name"],
            "registered gateway node",
        ),
        ("the same again", |world| edge1(world, |_| ()), &[], ""),
        (
            "moved while it serves a circuit",
            |world| edge1(world, |new| new.peering_location = "Oldport".into()),
            &["Conflict NodeInUse properties.providerPorts"],
            "would have no edge",
        ),
        (
            "deleted while it serves a circuit",
            |_| Change::Delete(ResourceId::new("node/edge1")),
            &["Conflict NodeInUse name"],
            "c1",
        ),
        (
            "deleted when it serves none",
            |world| {
                world.circuits.clear();
                Change::Delete(ResourceId::new("node/edge1"))
            },
            &[],
            "",
        ),
    ]);
}

#[test]
fn gateway_nodes() {
    fn put(change: fn(&mut GatewayNode)) -> Change {
        let mut node = gateway_node("gw2-0", 0, 13);
        node.virtual_network = id(STRANGER, "virtualNetworks", "v2").to_string();
        change(&mut node);
        Change::Put(Resource::GatewayNode(node))
    }
    check(&[
        ("a good one", |_| put(|_| ()), &[], ""),
        (
            "of a network that is yet to come",
            |_| put(|new| new.virtual_network = id(OWNER, "virtualNetworks", "later").to_string()),
            &[],
            "",
        ),
        (
            "of no network",
            |_| put(|new| new.virtual_network = "v2".into()),
            &["InvalidResourceReference properties.virtualNetwork"],
            "'v2'",
        ),
        ("a third instance", |_| put(|new| new.instance = 2), &["InvalidInstance properties.instance"], "2"),
        (
            "an instance twice",
            |_| put(|new| new.virtual_network = id(OWNER, "virtualNetworks", "v1").to_string()),
            &["Conflict InstanceInUse properties.instance"],
            "node 'gw1-0' already",
        ),
        (
            "one port for both",
            |_| put(|new| new.network_port = "fab0".into()),
            &["PortInUse properties.networkPort"],
            "'fab0'",
        ),
        (
            "deleted while it runs a gateway",
            |_| Change::Delete(ResourceId::new("node/gw1-0")),
            &["Conflict NodeInUse name"],
            "g1",
        ),
        (
            "deleted when it runs none",
            |world| {
                world.gateways.clear();
                Change::Delete(ResourceId::new("node/gw1-0"))
            },
            &[],
            "",
        ),
    ]);
}

#[test]
fn cross_connects() {
    fn put(change: fn(&mut CrossConnectNode)) -> Change {
        let mut node = cross_connect("xc2", 21);
        change(&mut node);
        Change::Put(Resource::CrossConnectNode(node))
    }
    fn xc1(world: &Snapshot, change: fn(&mut CrossConnectNode)) -> Change {
        let mut node = world.cross_connects["xc1"].clone();
        change(&mut node);
        Change::Put(Resource::CrossConnectNode(node))
    }
    check(&[
        ("a good one", |_| put(|_| ()), &[], ""),
        (
            "unknown provider",
            |_| put(|new| new.provider = "Nobody".into()),
            &["ServiceProviderNotFound properties.provider"],
            "'Nobody'",
        ),
        (
            "one uplink twice",
            |_| put(|new| new.secondary_uplink = "up1".into()),
            &["PortInUse properties.secondaryUplink"],
            "'up1'",
        ),
        (
            "an uplink as access port",
            |_| put(|new| new.access_ports.push("up1".into())),
            &["PortInUse properties.accessPorts"],
            "'up1'",
        ),
        ("more access ports", |world| xc1(world, |new| new.access_ports.push("access5".into())), &[], ""),
        (
            "without an access port that is in use",
            |world| xc1(world, |new| new.access_ports = vec!["access2".into()]),
            &["Conflict AccessPortInUse properties.accessPorts"],
            "'access1' is in use",
        ),
        ("deleted while in use", |_| Change::Delete(ResourceId::new("node/xc1")), &["Conflict NodeInUse name"], "c1"),
        (
            "deleted when free",
            |world| {
                world.circuits.clear();
                Change::Delete(ResourceId::new("node/XC1"))
            },
            &[],
            "",
        ),
    ]);
}

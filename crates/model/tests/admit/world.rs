//! A small world in which everything is allowed, and the table that one thing at a time is changed by.

use causeway_edge_types::Secret;
use causeway_model::*;
use uuid::Uuid;

pub const OWNER: &str = "11111111-1111-4111-8111-111111111111";
pub const STRANGER: &str = "22222222-2222-4222-8222-222222222222";

pub fn id(subscription: &str, kind: &str, name: &str) -> ResourceId {
    let group = format!("/subscriptions/{subscription}/resourceGroups/rg1");
    ResourceId::new(format!("{group}/providers/Microsoft.Network/{kind}/{name}"))
}

pub fn circuit_id() -> ResourceId {
    id(OWNER, "expressRouteCircuits", "c1")
}

/// A circuit as it is ordered: nothing on it yet.
pub fn circuit(subscription: &str, name: &str) -> Circuit {
    Circuit {
        id: id(subscription, "expressRouteCircuits", name),
        location: "westeurope".into(),
        tags: ResourceTags::new(),
        sku: CircuitSku { tier: SkuTier::Standard, family: SkuFamily::MeteredData },
        provider: "Northlink".into(),
        peering_location: "Newport".into(),
        bandwidth_mbps: 200,
        allow_classic_operations: false,
        service_key: Uuid::from_u128(name.bytes().fold(0, |sum, byte| sum * 256 + u128::from(byte))),
        resource_guid: Uuid::from_u128(2),
        is_enabled: true,
        cross_connection: CrossConnection::default(),
        peerings: Default::default(),
        authorizations: Default::default(),
        provisioning_state: ProvisioningState::Succeeded,
    }
}

pub fn peering() -> Peering {
    Peering {
        kind: PeeringKind::AzurePrivatePeering,
        is_enabled: true,
        peer_asn: 64_500,
        ipv4: Some(LinkSubnets {
            primary: "192.0.2.0/30".parse().unwrap(),
            secondary: "192.0.2.4/30".parse().unwrap(),
        }),
        ipv6: Some(LinkSubnets {
            primary: "2001:db8::/126".parse().unwrap(),
            secondary: "2001:db8::4/126".parse().unwrap(),
        }),
        vlan_id: 100,
        shared_key: None,
        endpoint_order: EndpointOrder::CloudFirst,
        last_modified_by: "Customer".into(),
        provisioning_state: ProvisioningState::Succeeded,
    }
}

pub fn access() -> AccessService {
    AccessService {
        peering: PeeringKind::AzurePrivatePeering,
        cross_connect: "xc1".into(),
        primary_port: "access1".into(),
        secondary_port: "access2".into(),
        access_tag: None,
    }
}

pub fn network(subscription: &str, name: &str, space: &str, gateway_subnet: &str) -> VirtualNetwork {
    VirtualNetwork {
        id: id(subscription, "virtualNetworks", name),
        location: "westeurope".into(),
        tags: ResourceTags::new(),
        resource_guid: Uuid::from_u128(3),
        address_space: vec![space.parse().unwrap()],
        subnets: [(GATEWAY_SUBNET.to_owned(), vec![gateway_subnet.parse().unwrap()])].into(),
        provisioning_state: ProvisioningState::Succeeded,
    }
}

pub fn gateway(subscription: &str, name: &str, network: &str) -> Gateway {
    Gateway {
        id: id(subscription, "virtualNetworkGateways", name),
        location: "westeurope".into(),
        tags: ResourceTags::new(),
        resource_guid: Uuid::from_u128(4),
        sku: "Standard".into(),
        subnet: id(subscription, "virtualNetworks", network).child("subnets", GATEWAY_SUBNET),
        public_ip: None,
        provisioning_state: ProvisioningState::Succeeded,
    }
}

pub fn connection(subscription: &str, name: &str, gateway: &str, circuit: &ResourceId) -> GatewayConnection {
    GatewayConnection {
        id: id(subscription, "connections", name),
        location: "westeurope".into(),
        tags: ResourceTags::new(),
        resource_guid: Uuid::from_u128(5),
        gateway: id(subscription, "virtualNetworkGateways", gateway),
        circuit: circuit.clone(),
        routing_weight: 0,
        authorization_key: None,
        fast_path: false,
        provisioning_state: ProvisioningState::Succeeded,
    }
}

pub fn authorization(name: &str, key: &str) -> Authorization {
    Authorization {
        name: name.into(),
        key: Secret::new(key),
        used_by: None,
        provisioning_state: ProvisioningState::Succeeded,
    }
}

pub fn edge(name: &str, link: Link, number: u8) -> EdgeNode {
    EdgeNode {
        name: name.into(),
        peering_location: "Newport".into(),
        link,
        router_id: [192, 0, 2, number].into(),
        vtep: std::net::Ipv4Addr::from([198, 51, 100, number]).into(),
        fabric_port: "fab0".into(),
        provider_ports: vec![ProviderPort { provider: "Northlink".into(), port: "prov0".into() }],
    }
}

pub fn gateway_node(name: &str, instance: u8, number: u8) -> GatewayNode {
    GatewayNode {
        name: name.into(),
        router_id: [192, 0, 2, number].into(),
        vtep: std::net::Ipv4Addr::from([198, 51, 100, number]).into(),
        fabric_port: "fab0".into(),
        network_port: "net0".into(),
        virtual_network: id(OWNER, "virtualNetworks", "v1").to_string(),
        instance,
    }
}

pub fn cross_connect(name: &str, number: u8) -> CrossConnectNode {
    CrossConnectNode {
        name: name.into(),
        provider: "Northlink".into(),
        peering_location: "Newport".into(),
        router_id: [192, 0, 2, number].into(),
        primary_uplink: "up1".into(),
        secondary_uplink: "up2".into(),
        access_ports: ["access1", "access2", "access3", "access4"].map(String::from).into(),
    }
}

/// A connected circuit `c1`, and beside it `spare` (another circuit, of another subscription, not provisioned) and `v2`
/// with a gateway that is joined to nothing, of the other subscription too.
pub fn world() -> Snapshot {
    let mut world = Snapshot::default();
    for name in ["Newport", "Oldport"] {
        world.locations.insert(name.to_lowercase(), PeeringLocation { name: name.into() });
    }
    world.providers.insert(
        "northlink".into(),
        ServiceProvider {
            name: "Northlink".into(),
            peering_locations: vec!["Newport".into(), "Oldport".into()],
            bandwidths_mbps: vec![50, 200, 1_000],
            principals: vec![],
        },
    );
    world.edges.insert("edge1".into(), edge("edge1", Link::Primary, 1));
    world.edges.insert("edge2".into(), edge("edge2", Link::Secondary, 2));
    world.gateway_nodes.insert("gw1-0".into(), gateway_node("gw1-0", 0, 11));
    world.gateway_nodes.insert("gw1-1".into(), gateway_node("gw1-1", 1, 12));
    world.cross_connects.insert("xc1".into(), cross_connect("xc1", 20));
    let group = ResourceGroup {
        id: ResourceId::new(format!("/subscriptions/{OWNER}/resourceGroups/rg1")),
        location: "West Europe".into(),
        tags: ResourceTags::new(),
    };
    world.resource_groups.insert(group.id.key(), group);
    let mut c1 = circuit(OWNER, "c1");
    c1.cross_connection.state = ProviderState::Provisioned;
    c1.cross_connection.access = vec![access()];
    c1.peerings.insert(PeeringKind::AzurePrivatePeering, peering());
    let con1 = connection(OWNER, "con1", "g1", &c1.id);
    for circuit in [c1, circuit(STRANGER, "spare")] {
        world.circuits.insert(circuit.id.key(), circuit);
    }
    let networks = [
        (OWNER, "v1", "g1", "203.0.113.0/24", "203.0.113.0/27"),
        (STRANGER, "v2", "g2", "198.51.100.0/24", "198.51.100.0/27"),
    ];
    for (subscription, name, gateway_name, space, subnet) in networks {
        let network = network(subscription, name, space, subnet);
        world.virtual_networks.insert(network.id.key(), network);
        let gateway = gateway(subscription, gateway_name, name);
        world.gateways.insert(gateway.id.key(), gateway);
    }
    world.connections.insert(con1.id.key(), con1);
    world
}

/// The circuit `c1`, to be changed.
pub fn c1(world: &Snapshot) -> Circuit {
    world.circuits[&circuit_id().key()].clone()
}

pub fn put_circuit(circuit: Circuit) -> Change {
    Change::Put(Resource::Circuit(Box::new(circuit)))
}

/// One row: what it is about; what is changed, in a world that it may change first; the problems, all of them, as
/// `code target`; and words that the message of one of them must have.
pub type Row = (&'static str, fn(&mut Snapshot) -> Change, &'static [&'static str], &'static str);

pub fn check(rows: &[Row]) {
    assert_eq!(world_problems(), Vec::<String>::new(), "the world itself is allowed");
    let mut wrong = Vec::new();
    for (about, change, wanted, words) in rows {
        let mut world = world();
        let change = change(&mut world);
        let problems = admit(&world, &change);
        let found: Vec<String> = problems
            .iter()
            .map(|problem| match problem.refusal {
                Refusal::BadRequest => format!("{} {}", problem.code, problem.target),
                refusal => format!("{refusal:?} {} {}", problem.code, problem.target),
            })
            .collect();
        if found != *wanted {
            wrong.push(format!("{about}: wanted {wanted:?}, found {found:?}: {problems:?}"));
        } else if !words.is_empty() && !problems.iter().any(|problem| problem.message.contains(words)) {
            wrong.push(format!("{about}: no message has {words:?}: {problems:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything in the world, put once more.
fn world_problems() -> Vec<String> {
    let world = world();
    let mut resources: Vec<Resource> = Vec::new();
    resources.push(Resource::Deployment(world.deployment.clone()));
    resources.extend(world.locations.values().cloned().map(Resource::PeeringLocation));
    resources.extend(world.providers.values().cloned().map(Resource::ServiceProvider));
    resources.extend(world.edges.values().cloned().map(Resource::EdgeNode));
    resources.extend(world.gateway_nodes.values().cloned().map(Resource::GatewayNode));
    resources.extend(world.cross_connects.values().cloned().map(Resource::CrossConnectNode));
    resources.extend(world.resource_groups.values().cloned().map(Resource::ResourceGroup));
    resources.extend(world.circuits.values().cloned().map(|circuit| Resource::Circuit(Box::new(circuit))));
    resources.extend(world.virtual_networks.values().cloned().map(Resource::VirtualNetwork));
    resources.extend(world.gateways.values().cloned().map(Resource::Gateway));
    resources.extend(world.connections.values().cloned().map(Resource::GatewayConnection));
    let put = resources.into_iter().flat_map(|resource| admit(&world, &Change::Put(resource)));
    put.map(|problem| problem.to_string()).collect()
}

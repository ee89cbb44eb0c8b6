//! What holds for any set of customers: numbers never collide and never move, a node would take every configuration, a
//! tunnel's two ends agree, nothing of a circuit that is not live is anywhere, and one customer's coming and going changes
//! nothing of another's.

use std::collections::{BTreeMap, BTreeSet};

use causeway_edge_types::{AttachmentId, EdgeConfig, EdgeId, Encapsulation, VrfConfig};
use causeway_model::*;
use causeway_plan::{Planned, allocate, edge_configs, s_tag};
use ipnet::IpNet;
use proptest::prelude::*;
use uuid::Uuid;

/// One customer: a circuit, and perhaps a network that is joined to it and to the circuit of the one before.
#[derive(Clone, Debug)]
struct Customer {
    name: u16,
    state: ProviderState,
    is_enabled: bool,
    is_peering_enabled: bool,
    has_ipv6: bool,
    is_customer_first: bool,
    has_access: bool,
    has_gateway: bool,
    is_joined: bool,
    is_joined_to_previous: bool,
}

fn customer() -> impl Strategy<Value = Customer> {
    let state = prop_oneof![
        3 => Just(ProviderState::Provisioned),
        1 => Just(ProviderState::NotProvisioned),
        1 => Just(ProviderState::Provisioning),
        1 => Just(ProviderState::Deprovisioning),
    ];
    (0..200_u16, state, any::<[bool; 8]>()).prop_map(|(name, state, bits)| Customer {
        name,
        state,
        is_enabled: bits[0] || bits[1],
        is_peering_enabled: bits[1] || bits[2],
        has_ipv6: bits[3],
        is_customer_first: bits[4],
        has_access: bits[5],
        has_gateway: bits[6] || bits[7],
        is_joined: bits[6],
        is_joined_to_previous: bits[6] && bits[7],
    })
}

fn customers() -> impl Strategy<Value = Vec<Customer>> {
    prop::collection::vec(customer(), 0..8).prop_map(|mut customers| {
        let mut seen = BTreeSet::new();
        customers.retain(|customer| seen.insert(customer.name));
        customers
    })
}

fn id(customer: &Customer, kind: &str) -> ResourceId {
    let group = format!("/subscriptions/{:08x}-0000-4000-8000-000000000000/resourceGroups/rg", customer.name);
    ResourceId::new(format!("{group}/providers/Microsoft.Network/{kind}/x"))
}

fn is_live(customer: &Customer) -> bool {
    customer.state == ProviderState::Provisioned && customer.is_enabled && customer.is_peering_enabled
}

fn snapshot(customers: &[Customer]) -> Snapshot {
    let mut world = Snapshot::default();
    for (number, link) in [(1, Link::Primary), (2, Link::Secondary)] {
        let name = format!("edge{number}");
        let node = EdgeNode {
            name: name.clone(),
            peering_location: "Newport".into(),
            link,
            router_id: [192, 0, 2, number].into(),
            vtep: std::net::Ipv4Addr::from([10, 0, 0, number]).into(),
            fabric_port: "fab0".into(),
            provider_ports: vec![ProviderPort { provider: "Northlink".into(), port: "prov0".into() }],
        };
        world.edges.insert(name, node);
    }
    let node = CrossConnectNode {
        name: "xc1".into(),
        provider: "Northlink".into(),
        peering_location: "Newport".into(),
        router_id: [192, 0, 2, 3].into(),
        primary_uplink: "up1".into(),
        secondary_uplink: "up2".into(),
        access_ports: vec!["a1".into(), "a2".into()],
    };
    world.cross_connects.insert(node.name.clone(), node);
    let mut previous: Option<ResourceId> = None;
    for customer in customers {
        let circuit = circuit(customer);
        if customer.has_gateway {
            gateway(&mut world, customer);
        }
        if customer.has_gateway && customer.is_joined {
            connect(&mut world, customer, "own", &circuit.id);
        }
        // Another subscription's circuit: with an authorization that this connection has redeemed.
        if let Some(previous) = previous.as_ref().filter(|_| customer.has_gateway && customer.is_joined_to_previous) {
            let connection = connect(&mut world, customer, "previous", previous);
            let authorization = Authorization {
                name: "a".into(),
                key: causeway_edge_types::Secret::new("key"),
                used_by: Some(connection),
                provisioning_state: ProvisioningState::Succeeded,
            };
            let circuit = world.circuits.get_mut(&previous.key()).unwrap();
            circuit.authorizations.insert(format!("a{}", customer.name), authorization);
        }
        previous = Some(circuit.id.clone());
        world.circuits.insert(circuit.id.key(), circuit);
    }
    world
}

fn circuit(customer: &Customer) -> Circuit {
    let kind = PeeringKind::AzurePrivatePeering;
    let peering = Peering {
        kind,
        is_enabled: customer.is_peering_enabled,
        peer_asn: 64_500,
        ipv4: Some(LinkSubnets {
            primary: "192.0.2.64/30".parse().unwrap(),
            secondary: "192.0.2.68/30".parse().unwrap(),
        }),
        ipv6: customer.has_ipv6.then(|| LinkSubnets {
            primary: "2001:db8::/126".parse().unwrap(),
            secondary: "2001:db8::4/126".parse().unwrap(),
        }),
        vlan_id: 100,
        shared_key: None,
        endpoint_order: if customer.is_customer_first {
            EndpointOrder::CustomerFirst
        } else {
            EndpointOrder::CloudFirst
        },
        last_modified_by: String::new(),
        provisioning_state: ProvisioningState::Succeeded,
    };
    let access = AccessService {
        peering: kind,
        cross_connect: "xc1".into(),
        primary_port: "a1".into(),
        secondary_port: "a2".into(),
        access_tag: Some(customer.name + 1),
    };
    Circuit {
        id: id(customer, "expressRouteCircuits"),
        location: "westeurope".into(),
        tags: ResourceTags::new(),
        sku: CircuitSku { tier: SkuTier::Standard, family: SkuFamily::MeteredData },
        provider: "northlink".into(),
        peering_location: "Newport".into(),
        bandwidth_mbps: 50,
        allow_classic_operations: false,
        service_key: Uuid::from_u128(customer.name.into()),
        resource_guid: Uuid::nil(),
        is_enabled: customer.is_enabled,
        cross_connection: CrossConnection {
            state: customer.state,
            access: customer.has_access.then_some(access).into_iter().collect(),
            ..CrossConnection::default()
        },
        peerings: [(kind, peering)].into(),
        authorizations: BTreeMap::new(),
        provisioning_state: ProvisioningState::Succeeded,
    }
}

fn gateway(world: &mut Snapshot, customer: &Customer) {
    let network = VirtualNetwork {
        id: id(customer, "virtualNetworks"),
        location: "westeurope".into(),
        tags: ResourceTags::new(),
        resource_guid: Uuid::nil(),
        address_space: vec!["203.0.113.0/24".parse().unwrap()],
        subnets: [(GATEWAY_SUBNET.to_owned(), vec!["203.0.113.0/27".parse().unwrap()])].into(),
        provisioning_state: ProvisioningState::Succeeded,
    };
    let gateway = Gateway {
        id: id(customer, "virtualNetworkGateways"),
        location: "westeurope".into(),
        tags: ResourceTags::new(),
        resource_guid: Uuid::nil(),
        sku: "Standard".into(),
        subnet: network.id.child("subnets", GATEWAY_SUBNET),
        public_ip: None,
        provisioning_state: ProvisioningState::Succeeded,
    };
    for instance in 0..2 {
        let name = format!("gw{}-{instance}", customer.name);
        let node = GatewayNode {
            name: name.clone(),
            router_id: [198, 51, 100, 1].into(),
            vtep: std::net::Ipv4Addr::from([10, 1, customer.name as u8, instance]).into(),
            fabric_port: "fab0".into(),
            network_port: "net0".into(),
            virtual_network: network.id.to_string(),
            instance,
        };
        world.gateway_nodes.insert(name, node);
    }
    world.virtual_networks.insert(network.id.key(), network);
    world.gateways.insert(gateway.id.key(), gateway);
}

fn connect(world: &mut Snapshot, customer: &Customer, name: &str, circuit: &ResourceId) -> ResourceId {
    let connection = GatewayConnection {
        id: id(customer, "connections").child("named", name),
        location: "westeurope".into(),
        tags: ResourceTags::new(),
        resource_guid: Uuid::nil(),
        gateway: id(customer, "virtualNetworkGateways"),
        circuit: circuit.clone(),
        routing_weight: 0,
        authorization_key: None,
        fast_path: false,
        provisioning_state: ProvisioningState::Succeeded,
    };
    let id = connection.id.clone();
    world.connections.insert(id.key(), connection);
    id
}

fn planned(snapshot: &mut Snapshot) -> Planned {
    snapshot.allocations = allocate(snapshot).expect("there are numbers enough");
    let planned = edge_configs(snapshot);
    assert_eq!(planned.problems, vec![]);
    planned
}

/// The VRF of a customer's circuit on an edge with everything in it, found by its S-tag.
fn of_customer(snapshot: &Snapshot, planned: &Planned, customer: &Customer, edge: &str) -> Option<String> {
    let circuit = &snapshot.circuits[&id(customer, "expressRouteCircuits").key()];
    let wanted = s_tag(snapshot, circuit).and_then(|tag| u16::try_from(tag).ok());
    let config = &planned.configs[&EdgeId::from(edge)];
    let vrf = config.attachments.iter().find_map(|attachment| match &attachment.encapsulation {
        Encapsulation::Port { tags, .. } if tags.s_tag == wanted => Some(attachment.vrf),
        _ => None,
    })?;
    let vrf: Vec<&VrfConfig> = config.vrfs.iter().filter(|one| one.id == vrf).collect();
    let attachments: Vec<_> = config.attachments.iter().filter(|one| one.vrf == vrf[0].id).collect();
    Some(serde_json::to_string(&(vrf, attachments)).unwrap())
}

/// A tunnel's VNI, local and remote end point.
type Place = (u32, String, String);

fn tunnels(config: &EdgeConfig) -> Vec<(AttachmentId, Place, Vec<IpNet>)> {
    let tunnel = |attachment: &causeway_edge_types::Attachment| match &attachment.encapsulation {
        Encapsulation::Vxlan { vni, local, remote } => {
            Some((attachment.id, (vni.0, local.to_string(), remote.to_string()), attachment.addresses.clone()))
        }
        Encapsulation::Port { .. } => None,
    };
    config.attachments.iter().filter_map(tunnel).collect()
}

/// (our address, the peer's address, our AS, the peer's AS) of every session over an attachment.
fn sessions(config: &EdgeConfig, attachment: AttachmentId) -> BTreeSet<(String, String, u32, u32)> {
    let all = config.vrfs.iter().flat_map(|vrf| vrf.peers.iter().map(move |peer| (vrf, peer)));
    all.filter(|(_, peer)| peer.id.attachment == attachment)
        .map(|(vrf, peer)| {
            (peer.local_address.to_string(), peer.id.address.to_string(), vrf.local_asn.0, peer.remote_asn.0)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbers_never_collide_and_never_move(before in customers(), after in customers()) {
        let mut world = snapshot(&before);
        world.allocations = allocate(&world).unwrap();
        let again = allocate(&world).unwrap();
        prop_assert_eq!(&again, &world.allocations);
        let mut later = snapshot(&after);
        later.allocations = world.allocations.clone();
        later.allocations = allocate(&later).unwrap();
        for allocations in [&world.allocations, &later.allocations] {
            for (space, owners) in &allocations.spaces {
                let numbers: BTreeSet<u32> = owners.values().copied().collect();
                prop_assert_eq!(numbers.len(), owners.len(), "{} gives a number twice", space);
                prop_assert!(!numbers.contains(&0));
            }
        }
        for (space, owners) in &later.allocations.spaces {
            for (owner, number) in owners {
                if let Some(had) = world.allocations.get(space, owner) {
                    prop_assert_eq!(had, *number, "{} of {} moved", space, owner);
                }
            }
        }
    }

    #[test]
    fn a_node_takes_its_configuration_and_it_is_always_the_same(customers in customers()) {
        let mut world = snapshot(&customers);
        let plan = planned(&mut world);
        prop_assert_eq!(plan.configs.len(), 3 + world.gateway_nodes.len(), "every node has one");
        for config in plan.configs.values() {
            prop_assert_eq!(config.problems(), vec![]);
        }
        let copy: Snapshot = serde_json::from_str(&serde_json::to_string(&world).unwrap()).unwrap();
        prop_assert_eq!(edge_configs(&copy).configs, plan.configs);
    }

    #[test]
    fn only_what_is_live_is_on_a_node(customers in customers()) {
        let mut world = snapshot(&customers);
        let plan = planned(&mut world);
        let live = customers.iter().filter(|customer| is_live(customer)).count();
        let joined = customers.iter().filter(|customer| is_live(customer) && customer.has_access).count();
        for edge in ["edge1", "edge2"] {
            prop_assert_eq!(plan.configs[&EdgeId::from(edge)].vrfs.len(), live);
        }
        prop_assert_eq!(plan.configs[&EdgeId::from("xc1")].cross_connects.len(), 2 * joined);
        for customer in &customers {
            for edge in ["edge1", "edge2"] {
                prop_assert_eq!(of_customer(&world, &plan, customer, edge).is_some(), is_live(customer));
            }
        }
    }

    #[test]
    fn the_two_ends_of_a_tunnel_agree(customers in customers()) {
        let mut world = snapshot(&customers);
        let plan = planned(&mut world);
        let mut ends = BTreeMap::new();
        for config in plan.configs.values() {
            for (attachment, place, addresses) in tunnels(config) {
                prop_assert!(ends.insert(place, (config, attachment, addresses)).is_none());
            }
        }
        for ((vni, local, remote), (config, attachment, addresses)) in &ends {
            let there = ends.get(&(*vni, remote.clone(), local.clone()));
            let (their_config, their_attachment, theirs) = there.expect("the far end has the tunnel too");
            for (ours, theirs) in addresses.iter().zip(theirs) {
                prop_assert!(ours.trunc() == theirs.trunc() && ours != theirs, "{} and {}", ours, theirs);
            }
            let swapped = |(ours, theirs, our_asn, their_asn): (String, String, u32, u32)| (theirs, ours, their_asn, our_asn);
            let mirrored: BTreeSet<_> = sessions(their_config, *their_attachment).into_iter().map(swapped).collect();
            prop_assert_eq!(sessions(config, *attachment), mirrored);
        }
        for config in plan.configs.values() {
            for vrf in &config.vrfs {
                let own = config.attachments.iter().filter(|attachment| attachment.vrf == vrf.id);
                let subnets: Vec<IpNet> = own.flat_map(|attachment| attachment.addresses.clone()).collect();
                for (index, one) in subnets.iter().enumerate() {
                    prop_assert!(!subnets[..index].iter().any(|other| overlaps(one, other)), "{} twice in a VRF", one);
                }
            }
        }
    }

    /// Who is there before and after, connected to nobody else, is planned exactly as before.
    #[test]
    fn one_customer_changes_nothing_of_another(before in customers(), after in customers()) {
        let alone = |customers: Vec<Customer>| -> Vec<Customer> {
            customers.into_iter().map(|customer| Customer { is_joined_to_previous: false, ..customer }).collect()
        };
        let (before, mut after) = (alone(before), alone(after));
        // Those who stay, stay as they were.
        for customer in &mut after {
            if let Some(same) = before.iter().find(|other| other.name == customer.name) {
                *customer = same.clone();
            }
        }
        let mut early = snapshot(&before);
        let early_plan = planned(&mut early);
        let mut later = snapshot(&after);
        later.allocations = early.allocations.clone();
        let later_plan = planned(&mut later);
        for customer in after.iter().filter(|customer| before.iter().any(|other| other.name == customer.name)) {
            for edge in ["edge1", "edge2"] {
                let (was, is) = (
                    of_customer(&early, &early_plan, customer, edge),
                    of_customer(&later, &later_plan, customer, edge),
                );
                prop_assert_eq!(was, is);
            }
            let node = EdgeId(format!("gw{}-0", customer.name));
            prop_assert_eq!(early_plan.configs.get(&node), later_plan.configs.get(&node));
        }
    }
}

/// Beyond 2,048 connections the tunnels' IPv4 subnets come round again, but never within one circuit.
#[test]
fn tunnels_of_one_circuit_never_share_a_subnet() {
    let base = Customer {
        name: 0,
        state: ProviderState::Provisioned,
        is_enabled: true,
        is_peering_enabled: true,
        has_ipv6: false,
        is_customer_first: false,
        has_access: false,
        has_gateway: true,
        is_joined: false,
        is_joined_to_previous: false,
    };
    let mut world = Snapshot::default();
    for name in 0..2_048 {
        let customer = Customer { name, ..base.clone() };
        connect(&mut world, &customer, "own", &id(&customer, "expressRouteCircuits"));
    }
    let first = allocate(&world).unwrap();
    let one = first.spaces["vni"].iter().find(|(_, vni)| **vni == 1).map(|(owner, _)| owner.clone()).unwrap();
    let circuit = world.connections[&one].circuit.clone();
    let late = connect(&mut world, &Customer { name: 9_999, ..base }, "late", &circuit);
    world.allocations = first;
    let after = allocate(&world).unwrap();
    assert_eq!(after.get("vni", &late.key()), Some(2_050), "2049 has the subnets of 1");
    assert_eq!(after.get("vni", &one), Some(1));
}

#[test]
fn a_full_space_is_a_problem_and_names_who_got_nothing() {
    let base = Customer {
        name: 0,
        state: ProviderState::NotProvisioned,
        is_enabled: true,
        is_peering_enabled: true,
        has_ipv6: false,
        is_customer_first: false,
        has_access: false,
        has_gateway: false,
        is_joined: false,
        is_joined_to_previous: false,
    };
    let mut world = Snapshot::default();
    for name in 0..4_095 {
        let circuit = circuit(&Customer { name, ..base.clone() });
        world.circuits.insert(circuit.id.key(), circuit);
    }
    let problems = allocate(&world).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].code, "SpaceExhausted");
    assert_eq!(problems[0].target, id(&Customer { name: 4_094, ..base }, "expressRouteCircuits").to_string());
}

/// Numbers that no allocation can have given out (a store put together by hand) are given out anew, and the good stay.
#[test]
fn numbers_that_cannot_be_are_given_out_anew() {
    let bare = |name| Customer {
        name,
        state: ProviderState::NotProvisioned,
        is_enabled: true,
        is_peering_enabled: true,
        has_ipv6: false,
        is_customer_first: false,
        has_access: false,
        has_gateway: false,
        is_joined: false,
        is_joined_to_previous: false,
    };
    let mut world = snapshot(&[bare(1), bare(2), bare(3), bare(4)]);
    let key = |name| id(&bare(name), "expressRouteCircuits").key();
    let had = [(key(1), 5_000), (key(2), 3), (key(3), 3), (key(4), 1), ("gone".into(), 2)];
    world.allocations.spaces.insert("s-tag/newport".into(), had.into());
    let after = allocate(&world).unwrap();
    let wanted: BTreeMap<String, u32> = [(key(1), 2), (key(2), 3), (key(3), 4), (key(4), 1)].into();
    assert_eq!(after.spaces["s-tag/newport"], wanted);
}

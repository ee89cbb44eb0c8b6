//! What `admit` lets in can be planned: after any sequence of changes of which only the admitted ones were made, the
//! planner has no problem and every node would take its configuration. And what was refused has changed nothing.

use causeway_model::*;
use causeway_plan::{allocate, edge_configs};
use ipnet::IpNet;
use proptest::prelude::*;

#[allow(dead_code)]
#[path = "../../model/tests/admit/world.rs"]
mod world;

use world::{OWNER, STRANGER, circuit, connection, gateway, gateway_node, id, network, peering};

/// What somebody may ask for; numbers are drawn from small sets, so that they meet.
#[derive(Clone, Debug)]
enum Ask {
    Order(u8),
    State(u8, ProviderState),
    Peer { circuit: u8, vlan: u16, subnet: u8, length: u8, asn: u32, has_ipv6: bool },
    RemovePeering(u8),
    Access { circuit: u8, primary: u8, secondary: u8, tag: Option<u16> },
    Network { number: u8, space: u8 },
    Gateway(u8),
    Connect { network: u8, circuit: u8 },
    Delete(u8, &'static str),
}

fn ask() -> impl Strategy<Value = Ask> {
    use ProviderState::{Deprovisioning, NotProvisioned, Provisioned, Provisioning};
    let state = prop_oneof![4 => Just(Provisioned), 1 => Just(NotProvisioned), 1 => Just(Provisioning), 1 => Just(Deprovisioning)];
    let vlan = prop_oneof![8 => 1..=4_094_u16, 1 => Just(0), 1 => Just(4_095)];
    let asn = prop_oneof![8 => Just(64_500_u32), 1 => Just(65_515), 1 => any::<u32>()];
    let kinds = prop_oneof![
        Just("expressRouteCircuits"),
        Just("virtualNetworks"),
        Just("virtualNetworkGateways"),
        Just("connections")
    ];
    let length = prop_oneof![4 => Just(30_u8), 1 => 24..=32_u8];
    prop_oneof![
        1 => (0..4_u8).prop_map(Ask::Order),
        4 => (0..4_u8, state).prop_map(|(circuit, state)| Ask::State(circuit, state)),
        4 => (0..4_u8, vlan, 0..4_u8, length, asn, any::<bool>()).prop_map(
            |(circuit, vlan, subnet, length, asn, has_ipv6)| Ask::Peer { circuit, vlan, subnet, length, asn, has_ipv6 }
        ),
        1 => (0..4_u8).prop_map(Ask::RemovePeering),
        3 => (0..4_u8, 1..5_u8, 1..5_u8, prop::option::of(1..3_u16)).prop_map(
            |(circuit, primary, secondary, tag)| Ask::Access { circuit, primary, secondary, tag }
        ),
        3 => (0..4_u8, 0..4_u8).prop_map(|(number, space)| Ask::Network { number, space }),
        3 => (0..4_u8).prop_map(Ask::Gateway),
        4 => (0..4_u8, 0..4_u8).prop_map(|(network, circuit)| Ask::Connect { network, circuit }),
        1 => (0..4_u8, kinds).prop_map(|(number, kind)| Ask::Delete(number, kind)),
    ]
}

/// Numbers 0 and 1 are the owner's, 2 and 3 the stranger's.
fn owner(number: u8) -> &'static str {
    if number < 2 { OWNER } else { STRANGER }
}

fn name(number: u8) -> String {
    format!("n{number}")
}

fn circuit_id(number: u8) -> ResourceId {
    id(owner(number), "expressRouteCircuits", &name(number))
}

fn net(octet: u8, length: u8) -> ipnet::Ipv4Net {
    ipnet::Ipv4Net::new([10, octet, 0, 0].into(), length).unwrap()
}

/// The change that is asked for; none where what it changes is not there.
fn change(world: &Snapshot, ask: &Ask) -> Option<Change> {
    let held = |number: u8| world.circuits.get(&circuit_id(number).key()).cloned();
    let put = |circuit: Circuit| Some(Change::Put(Resource::Circuit(Box::new(circuit))));
    match *ask {
        Ask::Order(number) => put(held(number).unwrap_or_else(|| circuit(owner(number), &name(number)))),
        Ask::State(number, state) => {
            let mut circuit = held(number)?;
            circuit.cross_connection.state = state;
            put(circuit)
        }
        Ask::Peer { circuit, vlan, subnet, length, asn, has_ipv6 } => {
            let mut circuit = held(circuit)?;
            let mut peering = peering();
            let primary = net(subnet, length);
            let secondary = ipnet::Ipv4Net::new([10, subnet, 0, 4].into(), 30).unwrap();
            peering.ipv4 = Some(LinkSubnets { primary, secondary });
            peering.ipv6 = peering.ipv6.filter(|_| has_ipv6);
            (peering.vlan_id, peering.peer_asn) = (vlan, asn);
            circuit.peerings.insert(peering.kind, peering);
            put(circuit)
        }
        Ask::RemovePeering(number) => {
            let mut circuit = held(number)?;
            circuit.peerings.clear();
            put(circuit)
        }
        Ask::Access { circuit, primary, secondary, tag } => {
            let mut circuit = held(circuit)?;
            circuit.cross_connection.access = vec![AccessService {
                primary_port: format!("access{primary}"),
                secondary_port: format!("access{secondary}"),
                access_tag: tag,
                ..world::access()
            }];
            put(circuit)
        }
        Ask::Network { number, space } => {
            let space = [format!("10.{space}.0.0/16"), format!("10.{space}.1.0/27")];
            let network = network(owner(number), &name(number), &space[0], &space[1]);
            Some(Change::Put(Resource::VirtualNetwork(network)))
        }
        Ask::Gateway(number) => {
            Some(Change::Put(Resource::Gateway(gateway(owner(number), &name(number), &name(number)))))
        }
        Ask::Connect { network, circuit } => {
            let connection =
                connection(owner(network), &format!("{network}to{circuit}"), &name(network), &circuit_id(circuit));
            Some(Change::Put(Resource::GatewayConnection(connection)))
        }
        Ask::Delete(number, "connections") => {
            Some(Change::Delete(id(owner(number), "connections", &format!("{number}to{number}"))))
        }
        Ask::Delete(number, kind) => Some(Change::Delete(id(owner(number), kind, &name(number)))),
    }
}

fn make(world: &mut Snapshot, change: Change) {
    match change {
        Change::Put(Resource::Circuit(circuit)) => drop(world.circuits.insert(circuit.id.key(), *circuit)),
        Change::Put(Resource::VirtualNetwork(network)) => {
            drop(world.virtual_networks.insert(network.id.key(), network))
        }
        Change::Put(Resource::Gateway(gateway)) => drop(world.gateways.insert(gateway.id.key(), gateway)),
        Change::Put(Resource::GatewayConnection(new)) => drop(world.connections.insert(new.id.key(), new)),
        Change::Put(other) => panic!("nobody asks for {other:?}"),
        Change::Delete(id) => {
            let key = id.key();
            world.circuits.remove(&key);
            world.virtual_networks.remove(&key);
            world.gateways.remove(&key);
            world.connections.remove(&key);
        }
    }
    world.allocations = allocate(world).expect("there are numbers enough");
}

/// The fabric of the table tests without its customers, and nodes for every network.
fn fabric() -> Snapshot {
    let mut world = world::world();
    world.circuits.clear();
    world.virtual_networks.clear();
    world.gateways.clear();
    world.connections.clear();
    world.gateway_nodes.clear();
    for number in 0..4_u8 {
        for instance in 0..2_u8 {
            let mut node = gateway_node(&format!("gw{number}-{instance}"), instance, 100 + number * 2 + instance);
            node.virtual_network = id(owner(number), "virtualNetworks", &name(number)).to_string();
            world.gateway_nodes.insert(node.name.clone(), node);
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_admitted_can_be_planned(asks in prop::collection::vec(ask(), 1..60)) {
        let mut world = fabric();
        let first = (0..4).flat_map(|number| [
            Ask::Order(number),
            Ask::State(number, ProviderState::Provisioned),
            Ask::Network { number, space: number },
            Ask::Gateway(number),
        ]);
        for ask in first.chain(asks.iter().cloned()).collect::<Vec<_>>().iter() {
            let Some(change) = change(&world, ask) else { continue };
            if admit(&world, &change).is_empty() {
                make(&mut world, change);
            }
            let planned = edge_configs(&world);
            prop_assert_eq!(&planned.problems, &vec![], "after {:?}", ask);
            for config in planned.configs.values() {
                prop_assert_eq!(config.problems(), vec![], "after {:?}", ask);
            }
        }
        // What the rules are there for, looked at once more from outside.
        for connection in world.connections.values() {
            let circuit = &world.circuits[&connection.circuit.key()];
            prop_assert!(circuit.authorizes(connection));
            let gateway = &world.gateways[&connection.gateway.key()];
            let subnet = gateway.subnet.key();
            let network = &world.virtual_networks[&subnet[..subnet.rfind("/subnets/").unwrap()]];
            let peering = &circuit.peerings[&PeeringKind::AzurePrivatePeering];
            for link in Link::BOTH {
                let subnets: Vec<IpNet> = peering.subnets(link);
                let meet = subnets.iter().any(|one| network.address_space.iter().any(|space| overlaps(one, space)));
                prop_assert!(!meet, "{:?} and {:?}", subnets, network.address_space);
            }
        }
    }
}

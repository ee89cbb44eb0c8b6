//! Gateway connections and authorizations.

use causeway_edge_types::Secret;
use causeway_model::*;

use crate::world::*;

const NOT_PROVISIONED: &str = "FailsLater ServiceProviderNotProvisioned properties.peer.id";

/// A second network of the owner's, and a connection of its gateway to `c1`.
fn own(world: &mut Snapshot, change: fn(&mut Snapshot, &mut GatewayConnection)) -> Change {
    let network = network(OWNER, "own", "10.1.0.0/16", "10.1.0.0/27");
    world.virtual_networks.insert(network.id.key(), network);
    let gateway = gateway(OWNER, "own", "own");
    world.gateways.insert(gateway.id.key(), gateway);
    let mut connection = connection(OWNER, "new", "own", &circuit_id());
    change(world, &mut connection);
    Change::Put(Resource::GatewayConnection(connection))
}

/// The stranger's gateway to the owner's circuit, on which there is an authorization.
fn strange(world: &mut Snapshot, change: fn(&mut Authorization, &mut GatewayConnection)) -> Change {
    let mut connection = connection(STRANGER, "new", "g2", &circuit_id());
    let mut authorization = authorization("a1", "33333333-3333-4333-8333-333333333333");
    change(&mut authorization, &mut connection);
    let circuit = world.circuits.get_mut(&circuit_id().key()).unwrap();
    circuit.authorizations.insert("a1".into(), authorization);
    Change::Put(Resource::GatewayConnection(connection))
}

fn c1_mut(world: &mut Snapshot) -> &mut Circuit {
    world.circuits.get_mut(&circuit_id().key()).unwrap()
}

#[test]
fn what_it_joins() {
    check(&[
        ("a good one", |world| own(world, |_, _| ()), &[], ""),
        ("weight 32000", |world| own(world, |_, new| new.routing_weight = 32_000), &[], ""),
        (
            "weight 32001",
            |world| own(world, |_, new| new.routing_weight = 32_001),
            &["InvalidRoutingWeight properties.routingWeight"],
            "routingWeight 32001 is not in 0 to 32000",
        ),
        (
            "no circuit",
            |world| own(world, |_, new| new.circuit = id(OWNER, "expressRouteCircuits", "x")),
            &["InvalidResourceReference properties.peer.id"],
            "is not there",
        ),
        (
            "no gateway",
            |world| own(world, |_, new| new.gateway = id(OWNER, "virtualNetworkGateways", "x")),
            &["InvalidResourceReference properties.virtualNetworkGateway1.id"],
            "is not there",
        ),
        (
            "a gateway that failed",
            |world| {
                own(world, |world, new| {
                    world.gateways.get_mut(&new.gateway.key()).unwrap().provisioning_state = ProvisioningState::Failed;
                })
            },
            &["Conflict ReferencedResourceNotProvisioned properties.virtualNetworkGateway1.id"],
            "'Failed'",
        ),
        (
            "the same gateway to the same circuit again",
            |_| Change::Put(Resource::GatewayConnection(connection(OWNER, "again", "g1", &circuit_id()))),
            &["Conflict ConnectionAlreadyExists properties.peer.id"],
            "con1",
        ),
        (
            "changed to another circuit",
            |_| {
                let spare = id(STRANGER, "expressRouteCircuits", "spare");
                let mut moved = connection(OWNER, "con1", "g1", &spare);
                moved.authorization_key = None;
                Change::Put(Resource::GatewayConnection(moved))
            },
            &[
                "ConnectionPropertyCannotBeChanged properties.peer.id",
                "AuthorizationKeyMissing properties.authorizationKey",
            ],
            "can't become",
        ),
        (
            "FastPath on a small gateway",
            |world| own(world, |_, new| new.fast_path = true),
            &["FastPathNotSupported properties.expressRouteGatewayBypass"],
            "UltraPerformance",
        ),
        (
            "FastPath on a large one",
            |world| {
                own(world, |world, new| {
                    world.gateways.get_mut(&new.gateway.key()).unwrap().sku = "UltraPerformance".into();
                    new.fast_path = true;
                })
            },
            &[],
            "",
        ),
        (
            "a circuit that is going",
            |world| own(world, |world, _| c1_mut(world).provisioning_state = ProvisioningState::Deleting),
            &["Conflict CircuitIsBeingDeleted properties.peer.id"],
            "being deleted",
        ),
    ]);
}

#[test]
fn the_circuit_is_ready() {
    check(&[
        (
            "not provisioned",
            |world| own(world, |world, _| c1_mut(world).cross_connection.state = ProviderState::NotProvisioned),
            &[NOT_PROVISIONED],
            "The current cross connection provisioning state 'NotProvisioned' of this service key \
             '00000000-0000-0000-0000-000000006331' prevents this operation.",
        ),
        (
            "neither provisioned nor peered",
            |world| {
                own(world, |world, _| {
                    c1_mut(world).cross_connection.state = ProviderState::Provisioning;
                    c1_mut(world).peerings.clear();
                })
            },
            &[NOT_PROVISIONED, "FailsLater PrivatePeeringNotConfigured properties.peer.id"],
            "'Provisioning'",
        ),
        (
            "provisioned, not peered",
            |world| own(world, |world, _| c1_mut(world).peerings.clear()),
            &["PrivatePeeringNotConfigured properties.peer.id"],
            "no AzurePrivatePeering",
        ),
        (
            "not enabled",
            |world| own(world, |world, _| c1_mut(world).is_enabled = false),
            &["FailsLater CircuitNotEnabled properties.peer.id"],
            "not enabled",
        ),
        (
            "put again after the circuit was deprovisioned: what is there stays",
            |world| {
                c1_mut(world).cross_connection.state = ProviderState::NotProvisioned;
                let mut same = connection(OWNER, "con1", "g1", &circuit_id());
                same.routing_weight = 7;
                Change::Put(Resource::GatewayConnection(same))
            },
            &[],
            "",
        ),
        (
            "put again after it failed",
            |world| {
                c1_mut(world).cross_connection.state = ProviderState::NotProvisioned;
                let same = connection(OWNER, "con1", "g1", &circuit_id());
                world.connections.get_mut(&same.id.key()).unwrap().provisioning_state = ProvisioningState::Failed;
                Change::Put(Resource::GatewayConnection(same))
            },
            &[NOT_PROVISIONED],
            "",
        ),
    ]);
}

#[test]
fn addresses() {
    check(&[
        (
            "its network overlaps with the peering",
            |world| {
                own(world, |world, _| {
                    let key = id(OWNER, "virtualNetworks", "own").key();
                    world.virtual_networks.get_mut(&key).unwrap().address_space.push("192.0.2.0/30".parse().unwrap());
                })
            },
            &["VirtualNetworkOverlapsPeering properties.peer.id"],
            "192.0.2.0/30",
        ),
        (
            "its network overlaps with another on the circuit",
            |world| {
                own(world, |world, _| {
                    let key = id(OWNER, "virtualNetworks", "own").key();
                    world.virtual_networks.get_mut(&key).unwrap().address_space.push("203.0.113.0/25".parse().unwrap());
                })
            },
            &["VirtualNetworksOverlap properties.peer.id"],
            "'203.0.113.0/25' overlaps with '203.0.113.0/24'",
        ),
        (
            "more than 200 address spaces",
            |world| {
                own(world, |world, _| {
                    let key = id(OWNER, "virtualNetworks", "own").key();
                    let more = (0..200_u8).map(|block| format!("10.2.{block}.0/24").parse::<ipnet::IpNet>().unwrap());
                    world.virtual_networks.get_mut(&key).unwrap().address_space.extend(more);
                })
            },
            &["TooManyAddressPrefixes properties.virtualNetworkGateway1.id"],
            "201 address prefixes",
        ),
    ]);
}

#[test]
fn limits() {
    /// More connections on a circuit, of gateways that are nobody's.
    fn crowd(world: &mut Snapshot, count: usize) {
        for number in 0..count {
            let one = connection(OWNER, &format!("crowd{number}"), &format!("crowd{number}"), &circuit_id());
            world.connections.insert(one.id.key(), one);
        }
    }
    /// More circuits that the new connection's gateway is joined to.
    fn joined(world: &mut Snapshot, count: usize, location: &str) {
        for number in 0..count {
            let mut more = circuit(OWNER, &format!("more{number}"));
            more.peering_location = location.into();
            let one = connection(OWNER, &format!("more{number}"), "own", &more.id);
            world.circuits.insert(more.id.key(), more);
            world.connections.insert(one.id.key(), one);
        }
    }
    check(&[
        ("the tenth", |world| own(world, |world, _| crowd(world, 8)), &[], ""),
        (
            "the eleventh",
            |world| own(world, |world, _| crowd(world, 9)),
            &["Conflict CircuitConnectionLimitReached properties.peer.id"],
            "10 gateway connections of 10",
        ),
        (
            "the eleventh on Premium",
            |world| {
                own(world, |world, _| {
                    crowd(world, 9);
                    c1_mut(world).sku.tier = SkuTier::Premium;
                })
            },
            &[],
            "",
        ),
        ("the gateway's fourth circuit", |world| own(world, |world, _| joined(world, 3, "Oldport")), &[], ""),
        (
            "the gateway's fifth circuit",
            |world| own(world, |world, _| joined(world, 4, "Oldport")),
            &["Conflict GatewayConnectionLimitReached properties.virtualNetworkGateway1.id"],
            "can be joined to 4 circuits",
        ),
        (
            "the fifth of one location",
            |world| {
                own(world, |world, new| {
                    joined(world, 4, "newport");
                    world.gateways.get_mut(&new.gateway.key()).unwrap().sku = "HighPerformance".into();
                })
            },
            &["Conflict PeeringLocationConnectionLimitReached properties.peer.id"],
            "4 of one peering location",
        ),
    ]);
}

#[test]
fn authorizations() {
    const KEY: &str = "33333333-3333-4333-8333-333333333333";
    check(&[
        ("its key", |world| strange(world, |_, new| new.authorization_key = Some(Secret::new(KEY))), &[], ""),
        (
            "no key",
            |world| strange(world, |_, _| ()),
            &["AuthorizationKeyMissing properties.authorizationKey"],
            "of another subscription",
        ),
        (
            "a wrong key",
            |world| {
                strange(world, |_, new| {
                    new.authorization_key = Some(Secret::new("44444444-4444-4444-8444-444444444444"))
                })
            },
            &["AuthorizationKeyInvalid properties.authorizationKey"],
            "is not a key of circuit 'c1'",
        ),
        (
            "a key that another connection has redeemed",
            |world| {
                strange(world, |authorization, new| {
                    authorization.used_by = Some(id(STRANGER, "connections", "other"));
                    new.authorization_key = Some(Secret::new(KEY));
                })
            },
            &["AuthorizationInUse properties.authorizationKey"],
            "one authorization is for one connection",
        ),
        (
            "redeemed by itself before, and not told again",
            |world| strange(world, |authorization, new| authorization.used_by = Some(new.id.clone())),
            &[],
            "",
        ),
        (
            "a key that is going",
            |world| {
                strange(world, |authorization, new| {
                    authorization.provisioning_state = ProvisioningState::Deleting;
                    new.authorization_key = Some(Secret::new(KEY));
                })
            },
            &["AuthorizationKeyInvalid properties.authorizationKey"],
            "in state 'Deleting'",
        ),
        (
            "the owner's own, with a wrong key",
            |world| own(world, |_, new| new.authorization_key = Some(Secret::new("wrong"))),
            &["AuthorizationKeyInvalid properties.authorizationKey"],
            "needs none",
        ),
        (
            "a new authorization",
            |world| {
                let mut circuit = c1(world);
                circuit.authorizations.insert("a2".into(), authorization("a2", KEY));
                put_circuit(circuit)
            },
            &[],
            "",
        ),
        (
            "an authorization with a name that is none",
            |world| {
                let mut circuit = c1(world);
                circuit.authorizations.insert("a/2".into(), authorization("a/2", KEY));
                put_circuit(circuit)
            },
            &["InvalidResourceName name"],
            "'a/2'",
        ),
    ]);
    let mut world = world();
    let change = strange(&mut world, |_, new| new.authorization_key = Some(Secret::new("topsecret")));
    for problem in admit(&world, &change) {
        assert!(!problem.to_string().contains("topsecret"), "the key is in the message");
    }
}

#[test]
fn a_connection_can_always_be_deleted() {
    check(&[("con1", |_| Change::Delete(id(OWNER, "connections", "con1")), &[], "")]);
}

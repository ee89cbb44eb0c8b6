//! Orders, SKUs, the provider's states and ports, deletion.

use causeway_model::*;

use crate::world::*;

const PROVIDER: &str = "ServiceProviderNotFound properties.serviceProviderProperties.serviceProviderName";
const LOCATION: &str = "PeeringLocationNotFound properties.serviceProviderProperties.peeringLocation";
const BANDWIDTH: &str = "InvalidBandwidth properties.serviceProviderProperties.bandwidthInMbps";
const FIXED_PROVIDER: &str = "CircuitPropertyCannotBeChanged properties.serviceProviderProperties.serviceProviderName";
const FIXED_LOCATION: &str = "CircuitPropertyCannotBeChanged properties.serviceProviderProperties.peeringLocation";
const DECREASE: &str = "BandwidthDecreaseNotAllowed properties.serviceProviderProperties.bandwidthInMbps";
const SKU: &str = "SkuChangeNotAllowed sku.name";
const STATE: &str = "Conflict ProvisioningStateTransitionNotAllowed properties.serviceProviderProvisioningState";
const NOT_DEPROVISIONED: &str = "Conflict ConflictError properties.serviceProviderProvisioningState";
const IN_USE: &str = "Conflict CircuitInUse properties.peerings";

fn new(change: fn(&mut Circuit)) -> Change {
    let mut circuit = circuit(OWNER, "new");
    change(&mut circuit);
    put_circuit(circuit)
}

fn changed(world: &Snapshot, change: fn(&mut Circuit)) -> Change {
    let mut circuit = c1(world);
    change(&mut circuit);
    put_circuit(circuit)
}

/// `c1` as it was with one SKU, put with another.
fn sku(world: &mut Snapshot, before: (SkuTier, SkuFamily), after: (SkuTier, SkuFamily)) -> Change {
    let mut circuit = c1(world);
    circuit.sku = CircuitSku { tier: before.0, family: before.1 };
    world.circuits.insert(circuit.id.key(), circuit.clone());
    circuit.sku = CircuitSku { tier: after.0, family: after.1 };
    put_circuit(circuit)
}

fn state(world: &mut Snapshot, before: ProviderState, after: ProviderState) -> Change {
    let mut circuit = c1(world);
    circuit.cross_connection.state = before;
    world.circuits.insert(circuit.id.key(), circuit.clone());
    circuit.cross_connection.state = after;
    put_circuit(circuit)
}

#[test]
fn an_order() {
    check(&[
        ("a good one", |_| new(|_| ()), &[], ""),
        ("names are compared without case", |_| new(|new| new.provider = "NORTHLINK".into()), &[], ""),
        (
            "unknown provider",
            |_| new(|new| new.provider = "Nobody".into()),
            &[PROVIDER],
            "'Nobody' is not one of: Northlink",
        ),
        (
            "unknown provider and a bandwidth that nobody has: both at once",
            |_| {
                new(|new| {
                    new.provider = "Nobody".into();
                    new.bandwidth_mbps = 77;
                })
            },
            &[PROVIDER, BANDWIDTH],
            "bandwidthInMbps 77",
        ),
        (
            "unknown location",
            |_| new(|new| new.peering_location = "Atlantis".into()),
            &[LOCATION],
            "'Atlantis' is not one of provider 'Northlink': Newport, Oldport",
        ),
        ("bandwidth that nobody has", |_| new(|new| new.bandwidth_mbps = 77), &[BANDWIDTH], "77 is not a bandwidth"),
        ("bandwidth that this provider lacks", |_| new(|new| new.bandwidth_mbps = 500), &[BANDWIDTH], "50, 200, 1000"),
        (
            "a metered Local",
            |_| new(|new| new.sku = CircuitSku { tier: SkuTier::Local, family: SkuFamily::MeteredData }),
            &["InvalidCircuitSku sku.name"],
            "Local",
        ),
        (
            "an unlimited Local",
            |_| new(|new| new.sku = CircuitSku { tier: SkuTier::Local, family: SkuFamily::UnlimitedData }),
            &[],
            "",
        ),
        (
            "a name that is none",
            |_| new(|new| new.id = id(OWNER, "expressRouteCircuits", "-x")),
            &["InvalidResourceName name"],
            "'-x'",
        ),
    ]);
}

#[test]
fn a_change_of_an_order() {
    check(&[
        ("tags", |world| changed(world, |new| new.tags = [("a".into(), "b".into())].into()), &[], ""),
        ("more bandwidth", |world| changed(world, |new| new.bandwidth_mbps = 1_000), &[], ""),
        ("more than is offered", |world| changed(world, |new| new.bandwidth_mbps = 500), &[BANDWIDTH], "500"),
        (
            "less bandwidth",
            |world| changed(world, |new| new.bandwidth_mbps = 50),
            &[DECREASE],
            "is 200 and can't become 50",
        ),
        (
            "tags, after the operator took the bandwidth off the list",
            |world| {
                world.providers.get_mut("northlink").unwrap().bandwidths_mbps = vec![50];
                changed(world, |new| new.tags = [("a".into(), "b".into())].into())
            },
            &[],
            "",
        ),
        (
            "another provider and location",
            |world| {
                changed(world, |new| {
                    new.provider = "Southlink".into();
                    new.peering_location = "Oldport".into();
                    new.cross_connection.access.clear();
                })
            },
            &[FIXED_PROVIDER, FIXED_LOCATION],
            "order another circuit",
        ),
        (
            "another service key",
            |world| changed(world, |new| new.service_key = uuid::Uuid::nil()),
            &["CircuitPropertyCannotBeChanged properties.serviceKey"],
            "for its life",
        ),
    ]);
}

#[test]
fn a_change_of_sku() {
    use SkuFamily::{MeteredData as Metered, UnlimitedData as Unlimited};
    use SkuTier::{Local, Premium, Standard};
    check(&[
        ("up", |world| sku(world, (Standard, Metered), (Premium, Metered)), &[], ""),
        ("down", |world| sku(world, (Premium, Metered), (Standard, Metered)), &[], ""),
        ("from Local", |world| sku(world, (Local, Unlimited), (Standard, Unlimited)), &[], ""),
        ("to unlimited", |world| sku(world, (Standard, Metered), (Standard, Unlimited)), &[], ""),
        (
            "to metered",
            |world| sku(world, (Standard, Unlimited), (Standard, Metered)),
            &[SKU],
            "UnlimitedData to MeteredData",
        ),
        (
            "to Local",
            |world| sku(world, (Standard, Unlimited), (Local, Unlimited)),
            &[SKU],
            "no other tier can become Local",
        ),
        (
            "from Local to metered",
            |world| sku(world, (Local, Unlimited), (Premium, Metered)),
            &[SKU, SKU],
            "from Local",
        ),
        (
            "down with more connections than fit",
            |world| {
                let change = sku(world, (Premium, Metered), (Standard, Metered));
                for number in 0..10 {
                    let one = connection(OWNER, &format!("more{number}"), &format!("g{number}x"), &circuit_id());
                    world.connections.insert(one.id.key(), one);
                }
                change
            },
            &[SKU],
            "allows 10 gateway connections and the circuit has 11",
        ),
    ]);
}

#[test]
fn the_providers_states() {
    use ProviderState::{Deprovisioning, NotProvisioned, Provisioned, Provisioning};
    let legal = [
        (NotProvisioned, Provisioning),
        (NotProvisioned, Provisioned),
        (Provisioning, Provisioned),
        (Provisioning, NotProvisioned),
        (Provisioned, Deprovisioning),
        (Provisioned, NotProvisioned),
        (Deprovisioning, NotProvisioned),
    ];
    let all = [NotProvisioned, Provisioning, Provisioned, Deprovisioning];
    for before in all {
        for after in all {
            let mut world = world();
            let change = state(&mut world, before, after);
            let is_admitted = admit(&world, &change).is_empty();
            assert_eq!(is_admitted, before == after || legal.contains(&(before, after)), "{before:?} to {after:?}");
        }
    }
    check(&[
        ("back", |world| state(world, Provisioned, Provisioning), &[STATE], "'Deprovisioning' or 'NotProvisioned'"),
        (
            "of a circuit that is being deleted",
            |world| {
                let mut circuit = circuit(OWNER, "going");
                circuit.provisioning_state = ProvisioningState::Deleting;
                world.circuits.insert(circuit.id.key(), circuit.clone());
                circuit.cross_connection.state = Provisioned;
                put_circuit(circuit)
            },
            &["Conflict CircuitIsBeingDeleted properties.serviceProviderProvisioningState"],
            "being deleted",
        ),
        (
            "a new circuit that is on its way out already",
            |_| new(|new| new.cross_connection.state = Deprovisioning),
            &[STATE],
            "",
        ),
    ]);
}

/// The spare circuit with access like this.
fn comes_in(world: &Snapshot, change: fn(&mut AccessService)) -> Change {
    let mut circuit = world.circuits[&id(STRANGER, "expressRouteCircuits", "spare").key()].clone();
    let mut service = access();
    (service.primary_port, service.secondary_port) = ("access3".into(), "access4".into());
    change(&mut service);
    circuit.cross_connection.access = vec![service];
    put_circuit(circuit)
}

#[test]
fn access_ports() {
    const TARGET: [&str; 1] = ["AccessPortNotFound properties.accessServices"];
    check(&[
        ("free ones", |world| comes_in(world, |_| ()), &[], ""),
        ("tagged", |world| comes_in(world, |access| access.access_tag = Some(7)), &[], ""),
        (
            "a tag that is none",
            |world| comes_in(world, |access| access.access_tag = Some(4095)),
            &["InvalidAccessTag properties.accessServices"],
            "4095",
        ),
        (
            "a port that is not there",
            |world| comes_in(world, |access| access.primary_port = "access9".into()),
            &TARGET,
            "'access9' is not an access port of crossConnect 'xc1': access1, access2",
        ),
        ("an uplink", |world| comes_in(world, |access| access.secondary_port = "up1".into()), &TARGET, "'up1'"),
        (
            "one port for both",
            |world| comes_in(world, |access| access.secondary_port = "access3".into()),
            &["AccessPortInUse properties.accessServices"],
            "both 'access3'",
        ),
        (
            "a cross-connect that is not there",
            |world| comes_in(world, |access| access.cross_connect = "xc9".into()),
            &["CrossConnectNotFound properties.accessServices"],
            "'xc9'",
        ),
        (
            "another provider's cross-connect",
            |world| {
                world.cross_connects.get_mut("xc1").unwrap().provider = "Southlink".into();
                comes_in(world, |_| ())
            },
            &["WrongCrossConnect properties.accessServices"],
            "'xc1' is Southlink's",
        ),
        (
            "another circuit's port",
            |world| comes_in(world, |access| access.primary_port = "access1".into()),
            &["Conflict AccessPortInUse properties.accessServices"],
            "access port 'access1' untagged is in use by another circuit (untagged)",
        ),
        (
            "another circuit's untagged port, tagged",
            |world| {
                comes_in(world, |access| {
                    access.primary_port = "access1".into();
                    access.access_tag = Some(7);
                })
            },
            &["Conflict AccessPortInUse properties.accessServices"],
            "with accessTag 7",
        ),
        (
            "the same port and tag",
            |world| {
                world.circuits.get_mut(&circuit_id().key()).unwrap().cross_connection.access[0].access_tag = Some(7);
                comes_in(world, |access| {
                    access.primary_port = "access1".into();
                    access.access_tag = Some(7);
                })
            },
            &["Conflict AccessPortInUse properties.accessServices"],
            "with accessTag 7",
        ),
        (
            "the same port and different tags",
            |world| {
                world.circuits.get_mut(&circuit_id().key()).unwrap().cross_connection.access[0].access_tag = Some(7);
                comes_in(world, |access| {
                    access.primary_port = "access1".into();
                    access.access_tag = Some(8);
                })
            },
            &[],
            "",
        ),
        (
            "the same peering twice",
            |world| {
                changed(world, |new| {
                    let mut again = access();
                    (again.primary_port, again.secondary_port) = ("access3".into(), "access4".into());
                    new.cross_connection.access.push(again);
                })
            },
            &["DuplicateAccessService properties.accessServices"],
            "named twice",
        ),
    ]);
}

#[test]
fn deletion() {
    fn with(world: &mut Snapshot, state: ProviderState, is_connected: bool) -> Change {
        world.circuits.get_mut(&circuit_id().key()).unwrap().cross_connection.state = state;
        if !is_connected {
            world.connections.clear();
        }
        Change::Delete(circuit_id())
    }
    check(&[
        ("not provisioned", |world| with(world, ProviderState::NotProvisioned, false), &[], ""),
        ("absent", |_| Change::Delete(id(OWNER, "expressRouteCircuits", "absent")), &[], ""),
        (
            "id in another case",
            |world| {
                with(world, ProviderState::Provisioned, false);
                Change::Delete(ResourceId::new(circuit_id().as_str().to_uppercase()))
            },
            &[NOT_DEPROVISIONED],
            "",
        ),
        (
            "provisioning",
            |world| with(world, ProviderState::Provisioning, false),
            &[NOT_DEPROVISIONED],
            "The specified dedicated circuit is not in Deprovisioned state. Please initiate the deprovisioning process with \
             your service provider.",
        ),
        (
            "provisioned and connected",
            |world| with(world, ProviderState::Provisioned, true),
            &[NOT_DEPROVISIONED, IN_USE],
            "con1",
        ),
        ("connected", |world| with(world, ProviderState::NotProvisioned, true), &[IN_USE], "must be deleted first"),
        (
            "its group, with everything in it",
            |world| {
                with(world, ProviderState::NotProvisioned, true);
                Change::Delete(ResourceId::new(format!("/subscriptions/{OWNER}/resourceGroups/rg1")))
            },
            &[],
            "",
        ),
        (
            "its group, while it is provisioned",
            |_| Change::Delete(ResourceId::new(format!("/subscriptions/{OWNER}/resourceGroups/RG1"))),
            &[NOT_DEPROVISIONED],
            "",
        ),
    ]);
}

#[test]
fn a_group_keeps_its_location() {
    fn group(location: &str) -> Change {
        let id = ResourceId::new(format!("/subscriptions/{OWNER}/resourceGroups/rg1"));
        Change::Put(Resource::ResourceGroup(ResourceGroup { id, location: location.into(), tags: ResourceTags::new() }))
    }
    check(&[
        ("same", |_| group("westeurope"), &[], ""),
        ("other", |_| group("northeurope"), &["Conflict InvalidResourceGroupLocation location"], "can't move"),
    ]);
}

#[test]
fn limits_of_a_sku() {
    for (bandwidth, limit) in
        [(50, 20), (100, 25), (200, 25), (500, 40), (1_000, 50), (2_000, 60), (5_000, 75), (10_000, 100)]
    {
        assert_eq!(SkuTier::Premium.gateway_connections(bandwidth), limit, "{bandwidth}");
        assert_eq!(SkuTier::Standard.gateway_connections(bandwidth), 10);
    }
}

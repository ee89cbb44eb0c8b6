//! Virtual networks and their gateways.

use causeway_model::*;
use ipnet::IpNet;

use crate::world::*;

fn net(prefix: &str) -> IpNet {
    prefix.parse().unwrap()
}

fn new(change: fn(&mut VirtualNetwork)) -> Change {
    let mut network = network(OWNER, "new", "192.0.2.0/24", "192.0.2.224/27");
    change(&mut network);
    Change::Put(Resource::VirtualNetwork(network))
}

fn v1(world: &Snapshot, change: fn(&mut VirtualNetwork)) -> Change {
    let mut network = world.virtual_networks[&id(OWNER, "virtualNetworks", "v1").key()].clone();
    change(&mut network);
    Change::Put(Resource::VirtualNetwork(network))
}

#[test]
fn address_spaces() {
    check(&[
        ("one", |_| new(|_| ()), &[], ""),
        ("IPv6 beside it", |_| new(|new| new.address_space.push(net("2001:db8:1::/48"))), &[], ""),
        (
            "none",
            |_| {
                new(|new| {
                    new.address_space.clear();
                    new.subnets.clear();
                })
            },
            &["AddressSpaceMissing properties.addressSpace.addressPrefixes"],
            "empty",
        ),
        (
            "host bits",
            |_| new(|new| new.address_space = vec![net("192.0.2.1/24")]),
            &["InvalidAddressPrefix properties.addressSpace.addressPrefixes"],
            "'192.0.2.0/24'",
        ),
        (
            "overlapping each other",
            |_| new(|new| new.address_space.push(net("192.0.2.128/25"))),
            &["AddressSpacesOverlap properties.addressSpace.addressPrefixes"],
            "'192.0.2.128/25' overlaps with '192.0.2.0/24'",
        ),
        (
            "a default route",
            |_| new(|new| new.address_space = vec![net("0.0.0.0/0")]),
            &["InvalidAddressPrefix properties.addressSpace.addressPrefixes"],
            "/8 to /29",
        ),
        (
            "multicast",
            |_| new(|new| new.address_space.push(net("224.0.0.0/24"))),
            &["InvalidAddressPrefix properties.addressSpace.addressPrefixes"],
            "multicast",
        ),
        (
            "a connected peering's subnet",
            |world| v1(world, |new| new.address_space.push(net("192.0.2.0/24"))),
            &[
                "VirtualNetworkOverlapsPeering properties.addressSpace.addressPrefixes",
                "VirtualNetworkOverlapsPeering properties.addressSpace.addressPrefixes",
            ],
            "'192.0.2.0/24' overlaps with subnet '192.0.2.0/30' of AzurePrivatePeering on circuit 'c1'",
        ),
        ("the same, not connected", |_| new(|_| ()), &[], ""),
        (
            "too many for a circuit",
            |world| {
                v1(world, |new| {
                    let more =
                        (0..1_001_u32).map(|block| IpNet::new([10, (block >> 8) as u8, block as u8, 0].into(), 24));
                    new.address_space.extend(more.map(Result::unwrap));
                })
            },
            &["TooManyAddressPrefixes properties.addressSpace.addressPrefixes"],
            "1002 IPv4",
        ),
        (
            "another network's on the same circuit",
            |world| {
                let mut second = connection(STRANGER, "con2", "g2", &circuit_id());
                second.provisioning_state = ProvisioningState::Succeeded;
                world.connections.insert(second.id.key(), second);
                v1(world, |new| new.address_space.push(net("198.51.100.0/25")))
            },
            &["VirtualNetworksOverlap properties.addressSpace.addressPrefixes"],
            "one routing domain",
        ),
    ]);
}

#[test]
fn subnets() {
    fn with(subnets: &[(&str, &str)]) -> Change {
        let mut network = network(OWNER, "new", "192.0.2.0/24", "192.0.2.224/27");
        network.subnets = subnets.iter().map(|(name, prefix)| ((*name).to_owned(), vec![net(prefix)])).collect();
        Change::Put(Resource::VirtualNetwork(network))
    }
    check(&[
        ("two apart", |_| with(&[("a", "192.0.2.0/25"), ("b", "192.0.2.128/25")]), &[], ""),
        (
            "outside",
            |_| with(&[("a", "203.0.113.0/25")]),
            &["NetcfgSubnetRangeOutsideVnet properties.subnets"],
            "not inside",
        ),
        (
            "overlapping",
            |_| with(&[("a", "192.0.2.0/25"), ("b", "192.0.2.64/26")]),
            &["NetcfgSubnetRangesOverlap properties.subnets"],
            "subnet 'b' '192.0.2.64/26' overlaps with subnet 'a' '192.0.2.0/25'",
        ),
        (
            "too small",
            |_| with(&[("GatewaySubnet", "192.0.2.0/30")]),
            &["InvalidAddressPrefix properties.subnets"],
            "/29",
        ),
        (
            "a name almost right",
            |_| with(&[("gatewaysubnet", "192.0.2.0/27")]),
            &["InvalidGatewaySubnetName properties.subnets"],
            "exactly 'GatewaySubnet'",
        ),
        (
            "without a prefix",
            |_| new(|new| drop(new.subnets.insert("empty".into(), vec![]))),
            &["SubnetWithoutPrefix properties.subnets"],
            "'empty'",
        ),
        (
            "the gateway's, taken away",
            |world| v1(world, |new| new.subnets.clear()),
            &["InUseSubnetCannotBeDeleted properties.subnets"],
            "in use by gateway",
        ),
        (
            "the gateway's, moved",
            |world| v1(world, |new| drop(new.subnets.insert(GATEWAY_SUBNET.into(), vec![net("203.0.113.32/27")]))),
            &["InUsePrefixCannotBeDeleted properties.subnets"],
            "can't be taken away",
        ),
        (
            "the gateway's, with IPv6 added",
            |world| {
                v1(world, |new| {
                    new.address_space.push(net("2001:db8:1::/48"));
                    new.subnets.get_mut(GATEWAY_SUBNET).unwrap().push(net("2001:db8:1::/64"));
                })
            },
            &[],
            "",
        ),
    ]);
}

#[test]
fn deletion_of_a_network() {
    check(&[
        (
            "with a gateway",
            |_| Change::Delete(id(OWNER, "virtualNetworks", "v1")),
            &["InUseVirtualNetworkCannotBeDeleted properties.subnets"],
            "virtualNetworkGateways/g1",
        ),
        (
            "without",
            |world| {
                world.gateways.clear();
                Change::Delete(id(OWNER, "virtualNetworks", "v1"))
            },
            &[],
            "",
        ),
    ]);
}

fn put_gateway(world: &mut Snapshot, change: fn(&mut Snapshot, &mut Gateway)) -> Change {
    let network = network(OWNER, "new", "192.0.2.0/24", "192.0.2.224/27");
    world.virtual_networks.insert(network.id.key(), network);
    let mut gateway = gateway(OWNER, "new", "new");
    change(world, &mut gateway);
    Change::Put(Resource::Gateway(gateway))
}

fn set_subnet(world: &mut Snapshot, prefix: &str) {
    let network = world.virtual_networks.get_mut(&id(OWNER, "virtualNetworks", "new").key()).unwrap();
    network.subnets.insert(GATEWAY_SUBNET.into(), vec![net(prefix)]);
}

#[test]
fn gateways() {
    const REFERENCE: [&str; 1] = ["InvalidResourceReference properties.ipConfigurations.subnet.id"];
    const SMALL: &str = "GatewaySubnetTooSmall properties.ipConfigurations.subnet.id";
    check(&[
        ("a good one", |world| put_gateway(world, |_, _| ()), &[], ""),
        ("every SKU", |world| put_gateway(world, |_, new| new.sku = "ErGwScale".into()), &[], ""),
        (
            "a VPN gateway's SKU",
            |world| put_gateway(world, |_, new| new.sku = "VpnGw1".into()),
            &["InvalidGatewaySkuSpecified properties.sku.name"],
            "'VpnGw1' is not one of an ExpressRoute gateway's: Standard",
        ),
        ("a /29", |world| put_gateway(world, |world, _| set_subnet(world, "192.0.2.224/29")), &[], ""),
        (
            "a /30",
            |world| put_gateway(world, |world, _| set_subnet(world, "192.0.2.224/30")),
            &[SMALL],
            "a /29 at least",
        ),
        ("IPv6 alone", |world| put_gateway(world, |world, _| set_subnet(world, "2001:db8::/64")), &[SMALL], "no IPv4"),
        (
            "another subnet",
            |world| {
                put_gateway(world, |world, new| {
                    let network = world.virtual_networks.get_mut(&id(OWNER, "virtualNetworks", "new").key()).unwrap();
                    network.subnets.insert("default".into(), vec![net("192.0.2.0/25")]);
                    new.subnet = network.id.child("subnets", "default");
                })
            },
            &["GatewayNotOnGatewaySubnet properties.ipConfigurations.subnet.id"],
            "exactly that name",
        ),
        (
            "no network",
            |world| {
                put_gateway(world, |_, new| {
                    new.subnet = id(OWNER, "virtualNetworks", "x").child("subnets", GATEWAY_SUBNET)
                })
            },
            &REFERENCE,
            "is not there",
        ),
        (
            "no subnet",
            |world| {
                put_gateway(world, |world, _| {
                    world.virtual_networks.get_mut(&id(OWNER, "virtualNetworks", "new").key()).unwrap().subnets.clear();
                })
            },
            &REFERENCE,
            "subnet '",
        ),
        (
            "a second one",
            |_| Change::Put(Resource::Gateway(gateway(OWNER, "second", "v1"))),
            &["Conflict MaxGatewayCountInVnetReached properties.ipConfigurations.subnet.id"],
            "has gateway",
        ),
        (
            "moved",
            |_| {
                let mut moved = gateway(OWNER, "g1", "v2");
                moved.subnet = id(STRANGER, "virtualNetworks", "v2").child("subnets", GATEWAY_SUBNET);
                Change::Put(Resource::Gateway(moved))
            },
            &["GatewayPropertyCannotBeChanged properties.ipConfigurations.subnet.id"],
            "make another",
        ),
        (
            "deleted while connected",
            |_| Change::Delete(id(OWNER, "virtualNetworkGateways", "g1")),
            &["Conflict InUseGatewayCannotBeDeleted properties.ipConfigurations"],
            "con1",
        ),
        ("deleted", |_| Change::Delete(id(STRANGER, "virtualNetworkGateways", "g2")), &[], ""),
    ]);
}

#[test]
fn a_gateways_sku_changes() {
    fn from_to(world: &mut Snapshot, before: &str, after: &str) -> Change {
        let key = id(OWNER, "virtualNetworkGateways", "g1").key();
        world.gateways.get_mut(&key).unwrap().sku = before.into();
        let mut gateway = world.gateways[&key].clone();
        gateway.sku = after.into();
        Change::Put(Resource::Gateway(gateway))
    }
    const REFUSED: [&str; 1] = ["GatewaySkuChangeNotAllowed properties.sku.name"];
    check(&[
        ("up", |world| from_to(world, "Standard", "UltraPerformance"), &[], ""),
        ("down by the step that there is", |world| from_to(world, "ErGw2AZ", "ErGw1AZ"), &[], ""),
        ("down from the top", |world| from_to(world, "UltraPerformance", "HighPerformance"), &REFUSED, "go down"),
        ("to another family", |world| from_to(world, "Standard", "ErGw1AZ"), &REFUSED, "different families"),
        ("to scale", |world| from_to(world, "ErGw3AZ", "ErGwScale"), &[], ""),
        (
            "down with too many circuits",
            |world| {
                for number in 0..4 {
                    let circuit = id(OWNER, "expressRouteCircuits", &format!("more{number}"));
                    let one = connection(OWNER, &format!("more{number}"), "g1", &circuit);
                    world.connections.insert(one.id.key(), one);
                }
                from_to(world, "HighPerformance", "Standard")
            },
            &REFUSED,
            "can be joined to 4 circuits and the gateway is joined to 5",
        ),
    ]);
}

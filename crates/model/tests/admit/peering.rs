//! A peering's fields, its subnets, and its deletion.

use causeway_edge_types::Secret;
use causeway_model::*;
use ipnet::{Ipv4Net, Ipv6Net};

use crate::world::*;

const PRIMARY: &str = "InvalidPeerAddressPrefix properties.primaryPeerAddressPrefix";
const SECONDARY: &str = "InvalidPeerAddressPrefix properties.secondaryPeerAddressPrefix";
const PRIMARY_IPV6: &str = "InvalidPeerAddressPrefix properties.ipv6PeeringConfig.primaryPeerAddressPrefix";
const ASN: &str = "ReservedAsn properties.peerASN";
const KEY: &str = "InvalidSharedKey properties.sharedKey";

/// The peering on the spare circuit, which nobody has provisioned: that is allowed.
fn put(change: fn(&mut Peering)) -> Change {
    let mut circuit = circuit(STRANGER, "spare");
    let mut peering = peering();
    change(&mut peering);
    circuit.peerings.insert(PeeringKind::AzurePrivatePeering, peering);
    put_circuit(circuit)
}

fn ipv4(peering: &mut Peering, primary: &str, secondary: &str) {
    peering.ipv4 = Some(LinkSubnets { primary: primary.parse().unwrap(), secondary: secondary.parse().unwrap() });
}

fn ipv6(peering: &mut Peering, primary: &str, secondary: &str) {
    peering.ipv6 = Some(LinkSubnets { primary: primary.parse().unwrap(), secondary: secondary.parse().unwrap() });
}

#[test]
fn vlan() {
    check(&[
        ("1", |_| put(|new| new.vlan_id = 1), &[], ""),
        ("4094", |_| put(|new| new.vlan_id = 4094), &[], ""),
        ("0", |_| put(|new| new.vlan_id = 0), &["InvalidVlanId properties.vlanId"], "vlanId 0 is not in 1 to 4094"),
        ("4095", |_| put(|new| new.vlan_id = 4095), &["InvalidVlanId properties.vlanId"], "4095"),
        (
            "used twice on the circuit",
            |world| {
                let mut circuit = c1(world);
                let mut other = peering();
                other.kind = PeeringKind::MicrosoftPeering;
                other.vlan_id = 300;
                circuit.peerings.insert(PeeringKind::MicrosoftPeering, other);
                world.circuits.insert(circuit.id.key(), circuit.clone());
                circuit.peerings.get_mut(&PeeringKind::AzurePrivatePeering).unwrap().vlan_id = 300;
                put_circuit(circuit)
            },
            &["VlanIdInUse properties.vlanId"],
            "vlanId 300 is in use by MicrosoftPeering",
        ),
        ("used on another circuit, which has an S-tag of its own", |_| put(|new| new.vlan_id = 100), &[], ""),
    ]);
}

#[test]
fn asn() {
    check(&[
        ("2-byte private", |_| put(|new| new.peer_asn = 65_000), &[], ""),
        ("below the reserved ones", |_| put(|new| new.peer_asn = 65_514), &[], ""),
        ("above the reserved ones", |_| put(|new| new.peer_asn = 65_521), &[], ""),
        ("4-byte", |_| put(|new| new.peer_asn = 4_200_000_000), &[], ""),
        ("0", |_| put(|new| new.peer_asn = 0), &[ASN], "peerASN 0"),
        ("12076", |_| put(|new| new.peer_asn = 12_076), &[ASN], "edges' own"),
        (
            "12076 where the edges have another",
            |world| {
                world.deployment.edge_asn = 64_496;
                put(|new| new.peer_asn = 12_076)
            },
            &[ASN],
            "12076",
        ),
        (
            "the edges' where they have another",
            |world| {
                world.deployment.edge_asn = 64_496;
                put(|new| new.peer_asn = 64_496)
            },
            &[ASN],
            "64496",
        ),
        ("AS_TRANS", |_| put(|new| new.peer_asn = 23_456), &[ASN], "RFC 6793"),
        ("65515", |_| put(|new| new.peer_asn = 65_515), &[ASN], "65515"),
        ("65520", |_| put(|new| new.peer_asn = 65_520), &[ASN], "65515 to 65520"),
        ("65535", |_| put(|new| new.peer_asn = 65_535), &[ASN], "RFC 7300"),
        ("4294967295", |_| put(|new| new.peer_asn = u32::MAX), &[ASN], "RFC 7300"),
    ]);
}

#[test]
fn key() {
    check(&[
        ("25", |_| put(|new| new.shared_key = Some(Secret::new("a".repeat(25)))), &[], ""),
        ("26", |_| put(|new| new.shared_key = Some(Secret::new("a".repeat(26)))), &[KEY], "has 26 characters"),
        ("empty", |_| put(|new| new.shared_key = Some(Secret::new(""))), &[KEY], "has 0 characters"),
        ("special", |_| put(|new| new.shared_key = Some(Secret::new("pass word"))), &[KEY], "no letters or digits"),
        (
            "letters that are not ASCII",
            |_| put(|new| new.shared_key = Some(Secret::new("schlüssel"))),
            &[KEY],
            "no letters",
        ),
    ]);
    for key in ["hush hush", "hushhushhushhushhushhushhush"] {
        assert!(!shared_key(key).unwrap_err().contains("hush"), "the key itself is in the message");
    }
}

#[test]
fn subnets() {
    check(&[
        ("IPv4 alone", |_| put(|new| new.ipv6 = None), &[], ""),
        ("IPv6 alone", |_| put(|new| new.ipv4 = None), &[], ""),
        (
            "none",
            |_| put(|new| (new.ipv4, new.ipv6) = (None, None)),
            &["PeeringWithoutSubnets properties.primaryPeerAddressPrefix"],
            "two IPv4 /30 subnets",
        ),
        ("a /28", |_| put(|new| ipv4(new, "192.0.2.0/28", "192.0.2.16/30")), &[PRIMARY], "'192.0.2.0/28' is not a /30"),
        ("a /29", |_| put(|new| ipv4(new, "192.0.2.0/30", "192.0.2.8/29")), &[SECONDARY], "of a /29 the first /30"),
        ("a /31", |_| put(|new| ipv4(new, "192.0.2.0/31", "192.0.2.4/30")), &[PRIMARY], "not a /30"),
        ("a /127", |_| put(|new| ipv6(new, "2001:db8::/127", "2001:db8::4/126")), &[PRIMARY_IPV6], "not a /126"),
        (
            "a /125",
            |_| put(|new| ipv6(new, "2001:db8::/125", "2001:db8::8/126")),
            &[PRIMARY_IPV6],
            "of a /125 the first",
        ),
        (
            "host bits",
            |_| put(|new| ipv4(new, "192.0.2.1/30", "192.0.2.4/30")),
            &["InvalidAddressPrefix properties.primaryPeerAddressPrefix"],
            "'192.0.2.1/30' has host bits set: the prefix is '192.0.2.0/30'",
        ),
        (
            "the same twice",
            |_| put(|new| ipv4(new, "192.0.2.0/30", "192.0.2.0/30")),
            &["PeerAddressPrefixesOverlap properties.secondaryPeerAddressPrefix"],
            "overlaps with the primary link's",
        ),
        (
            "one in the other: two rules at once",
            |_| put(|new| ipv4(new, "192.0.2.0/30", "192.0.2.0/29")),
            &[SECONDARY, "PeerAddressPrefixesOverlap properties.secondaryPeerAddressPrefix"],
            "",
        ),
        (
            "the same twice, IPv6",
            |_| put(|new| ipv6(new, "2001:db8::/126", "2001:db8::/126")),
            &["PeerAddressPrefixesOverlap properties.ipv6PeeringConfig.secondaryPeerAddressPrefix"],
            "",
        ),
        (
            "the tunnels' own",
            |_| put(|new| ipv4(new, "169.254.128.0/30", "192.0.2.4/30")),
            &[PRIMARY],
            "edges and gateways",
        ),
        (
            "the tunnels' own, IPv6",
            |_| put(|new| ipv6(new, "fdc5:7e4a:91d2::/126", "2001:db8::4/126")),
            &[PRIMARY_IPV6],
            "",
        ),
        ("multicast", |_| put(|new| ipv4(new, "224.0.0.0/30", "192.0.2.4/30")), &[PRIMARY], "multicast"),
        ("loopback", |_| put(|new| ipv4(new, "127.0.0.0/30", "192.0.2.4/30")), &[PRIMARY], "loopback"),
        ("link-local IPv6", |_| put(|new| ipv6(new, "fe80::/126", "2001:db8::4/126")), &[PRIMARY_IPV6], "link-local"),
        ("another customer's, on the same edges", |_| put(|new| ipv4(new, "192.0.2.0/30", "192.0.2.4/30")), &[], ""),
        (
            "a connected network's address space",
            |world| {
                let mut circuit = c1(world);
                let peering = circuit.peerings.get_mut(&PeeringKind::AzurePrivatePeering).unwrap();
                ipv4(peering, "203.0.113.0/30", "192.0.2.4/30");
                put_circuit(circuit)
            },
            &["PeeringOverlapsVirtualNetwork properties.primaryPeerAddressPrefix"],
            "'203.0.113.0/30' overlaps with address space '203.0.113.0/24'",
        ),
        ("a network's that is not connected", |_| put(|new| ipv4(new, "203.0.113.0/30", "192.0.2.4/30")), &[], ""),
    ]);
}

#[test]
fn every_problem_at_once() {
    check(&[(
        "VLAN, ASN, key and a /28",
        |_| {
            put(|new| {
                new.vlan_id = 0;
                new.peer_asn = 65_515;
                new.shared_key = Some(Secret::new("a".repeat(26)));
                ipv4(new, "192.0.2.0/28", "192.0.2.16/30");
            })
        },
        &["InvalidVlanId properties.vlanId", ASN, KEY, PRIMARY],
        "",
    )]);
}

#[test]
fn kinds() {
    check(&[
        (
            "Microsoft peering",
            |_| {
                let mut circuit = circuit(STRANGER, "spare");
                let mut microsoft = peering();
                microsoft.kind = PeeringKind::MicrosoftPeering;
                circuit.peerings.insert(PeeringKind::MicrosoftPeering, microsoft);
                put_circuit(circuit)
            },
            &["PeeringTypeNotSupported properties.peeringType"],
            "not offered",
        ),
        (
            "one kind under another's name",
            |_| put(|new| new.kind = PeeringKind::MicrosoftPeering),
            &["PeeringTypeMismatch properties.peeringType", "PeeringTypeNotSupported properties.peeringType"],
            "",
        ),
    ]);
}

#[test]
fn what_was_admitted_stays_admitted() {
    check(&[(
        "the peering is as it was, the deployment has since taken its AS number",
        |world| {
            world.deployment.edge_asn = 64_500;
            let mut circuit = c1(world);
            let peering = circuit.peerings.get_mut(&PeeringKind::AzurePrivatePeering).unwrap();
            peering.provisioning_state = ProvisioningState::Failed;
            peering.last_modified_by = "Northlink".into();
            put_circuit(circuit)
        },
        &[],
        "",
    )]);
}

#[test]
fn deletion() {
    const IN_USE: [&str; 1] = ["Conflict PeeringInUse properties.peeringType"];
    fn removed(world: &Snapshot) -> Change {
        let mut circuit = c1(world);
        circuit.peerings.clear();
        put_circuit(circuit)
    }
    check(&[
        ("connected", |world| removed(world), &IN_USE, "con1"),
        (
            "marked as going",
            |world| {
                let mut circuit = c1(world);
                let peering = circuit.peerings.get_mut(&PeeringKind::AzurePrivatePeering).unwrap();
                peering.provisioning_state = ProvisioningState::Deleting;
                put_circuit(circuit)
            },
            &IN_USE,
            "must be deleted first",
        ),
        (
            "free",
            |world| {
                world.connections.clear();
                removed(world)
            },
            &[],
            "",
        ),
    ]);
}

#[test]
fn ends_and_halves() {
    let halves = LinkSubnets::<Ipv4Net>::from_29("192.0.2.8/29".parse().unwrap()).unwrap();
    assert_eq!(
        (halves.primary.to_string(), halves.secondary.to_string()),
        ("192.0.2.8/30".into(), "192.0.2.12/30".into())
    );
    assert_eq!(LinkSubnets::<Ipv4Net>::from_29("192.0.2.0/28".parse().unwrap()), None);
    let halves = LinkSubnets::<Ipv6Net>::from_125("2001:db8::8/125".parse().unwrap()).unwrap();
    assert_eq!(halves.secondary.to_string(), "2001:db8::c/126");
    assert_eq!(LinkSubnets::<Ipv6Net>::from_125("2001:db8::/64".parse().unwrap()), None);
    let ends = |subnet: &str, order| {
        LinkEnds::of(subnet.parse().unwrap(), order).map(|ends| (ends.cloud.to_string(), ends.customer.to_string()))
    };
    let pair = |cloud: &str, customer: &str| Some((cloud.to_owned(), customer.to_owned()));
    assert_eq!(ends("192.0.2.4/30", EndpointOrder::CloudFirst), pair("192.0.2.5/30", "192.0.2.6/30"));
    assert_eq!(ends("192.0.2.4/30", EndpointOrder::CustomerFirst), pair("192.0.2.6/30", "192.0.2.5/30"));
    assert_eq!(ends("2001:db8::4/126", EndpointOrder::CloudFirst), pair("2001:db8::5/126", "2001:db8::6/126"));
    assert_eq!(ends("192.0.2.0/29", EndpointOrder::CloudFirst), None);
}

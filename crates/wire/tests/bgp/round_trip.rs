//! What the encoder writes, the decoder reads as the same; and no message is longer than it may be.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use causeway_edge_types::{Asn, Family};
use causeway_wire::bgp::*;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::bytes::{EBGP, IBGP, TWO_OCTET, decode_update};

fn asn() -> impl Strategy<Value = Asn> {
    // Half of them need four bytes; AS_TRANS never stands in a path for itself.
    let usable = |number| if number == 23456 { 1 } else { number };
    prop_oneof![1..=65_535u32, 65_536..=u32::MAX].prop_map(move |number| Asn(usable(number)))
}

fn segment() -> impl Strategy<Value = AsPathSegment> {
    prop_oneof![
        4 => vec(asn(), 1..8).prop_map(AsPathSegment::Sequence),
        1 => vec(asn(), 1..4).prop_map(AsPathSegment::Set),
    ]
}

/// Paths without two sequences in a row: those can come back as one.
fn as_path() -> impl Strategy<Value = AsPath> {
    vec(segment(), 0..4).prop_map(|mut segments| {
        let is_sequence = |segment: &AsPathSegment| matches!(segment, AsPathSegment::Sequence(_));
        segments.dedup_by(|a, b| is_sequence(a) && is_sequence(b));
        AsPath(segments)
    })
}

fn unknown() -> impl Strategy<Value = RawAttribute> {
    (200..=250u8, vec(any::<u8>(), 0..300)).prop_map(|(code, value)| RawAttribute { flags: 0xe0, code, value })
}

fn next_hop(family: Family) -> BoxedStrategy<(IpAddr, Option<Ipv6Addr>)> {
    match family {
        Family::Ipv4 => {
            (1..=126u8, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| (Ipv4Addr::new(a, b, c, d).into(), None)).boxed()
        }
        Family::Ipv6 => (any::<u64>(), option::of(any::<u64>()))
            .prop_map(|(host, local)| {
                let within = |network: u128, host: u64| Ipv6Addr::from(network << 64 | u128::from(host));
                let local = local.map(|host| within(0xfe80_0000_0000_0000, host));
                (within(0x2001_0db8_0000_0000, host).into(), local)
            })
            .boxed(),
    }
}

fn attributes(family: Family) -> impl Strategy<Value = Attributes> {
    let origin = prop_oneof![Just(Origin::Igp), Just(Origin::Egp), Just(Origin::Incomplete)];
    let numbers = (option::of(any::<u32>()), option::of(any::<u32>()), any::<bool>());
    let aggregator = option::of((asn(), any::<u32>().prop_map(Ipv4Addr::from)));
    let communities =
        (vec(any::<u32>(), 0..30), vec(any::<[u8; 8]>(), 0..10), vec(any::<[u32; 3]>(), 0..10), vec(unknown(), 0..3));
    (origin, as_path(), next_hop(family), numbers, aggregator, communities).prop_map(
        |(origin, as_path, (next_hop, next_hop_link_local), (med, local_pref, atomic_aggregate), aggregator, lists)| {
            let (communities, extended_communities, large_communities, mut unknown_transitive) = lists;
            unknown_transitive.sort();
            unknown_transitive.dedup_by_key(|attribute| attribute.code);
            Attributes {
                origin,
                as_path,
                next_hop,
                next_hop_link_local,
                med,
                local_pref,
                atomic_aggregate,
                aggregator,
                communities,
                extended_communities,
                large_communities,
                unknown_transitive,
            }
        },
    )
}

/// Unicast ones: in a multicast one the first bit is cleared.
fn prefix(family: Family) -> BoxedStrategy<IpNet> {
    match family {
        Family::Ipv4 => (any::<u32>(), 0..=32u8)
            .prop_map(|(bits, length)| {
                let bits = if bits >> 28 == 0xe { bits & (u32::MAX >> 1) } else { bits };
                IpNet::V4(Ipv4Net::new(bits.into(), length).unwrap().trunc())
            })
            .boxed(),
        Family::Ipv6 => (any::<u128>(), 0..=128u8)
            .prop_map(|(bits, length)| {
                let bits = if bits >> 120 == 0xff { bits & (u128::MAX >> 1) } else { bits };
                IpNet::V6(Ipv6Net::new(bits.into(), length).unwrap().trunc())
            })
            .boxed(),
    }
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]
}

fn options() -> impl Strategy<Value = SessionOptions> {
    (prop_oneof![Just(EBGP), Just(IBGP), Just(TWO_OCTET)], any::<bool>())
        .prop_map(|(options, extended_message)| SessionOptions { extended_message, ..options })
}

fn announcement() -> impl Strategy<Value = (Attributes, Vec<IpNet>)> {
    family().prop_flat_map(|family| (attributes(family), vec(prefix(family), 1..1500)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn announcements_come_back((attributes, prefixes) in announcement(), options in options()) {
        let mut expected = attributes.clone();
        expected.local_pref = expected.local_pref.filter(|_| !options.is_ebgp);
        let limit = if options.extended_message { 65_535 } else { 4096 };
        let mut heard = Vec::new();
        for bytes in pack_announcements(&attributes, &prefixes, &options).unwrap() {
            prop_assert!(bytes.len() <= limit, "{} bytes", bytes.len());
            prop_assert_eq!(frame(&bytes, &options), Ok(Some(bytes.len())));
            let update = decode_update(&bytes, &options).unwrap();
            prop_assert_eq!(&update.faults, &vec![]);
            prop_assert_eq!(update.attributes.as_ref(), Some(&expected));
            prop_assert!(update.withdrawn.is_empty());
            heard.extend(update.announced);
        }
        prop_assert_eq!(heard, prefixes);
    }

    #[test]
    fn withdrawals_come_back(v4 in vec(prefix(Family::Ipv4), 0..1500), v6 in vec(prefix(Family::Ipv6), 0..600)) {
        let prefixes = [v4, v6].concat();
        let mut heard = Vec::new();
        for bytes in pack_withdrawals(&prefixes, &EBGP) {
            prop_assert!(bytes.len() <= 4096);
            let update = decode_update(&bytes, &EBGP).unwrap();
            prop_assert!(update.attributes.is_none() && update.faults.is_empty() && update.announced.is_empty());
            heard.extend(update.withdrawn);
        }
        prop_assert_eq!(heard, prefixes);
    }

    #[test]
    fn opens_come_back(
        asn in asn(),
        hold_time_s in prop_oneof![Just(0u16), 3..=u16::MAX],
        router_id in 1..=u32::MAX,
        restart in option::of((any::<bool>(), any::<bool>(), 0..4096u16, vec((family(), any::<bool>()), 0..3))),
        unknown in vec((100..=200u8, vec(any::<u8>(), 0..200)), 0..8),
    ) {
        let mut capabilities = vec![
            Capability::MultiProtocol(Family::Ipv4),
            Capability::MultiProtocol(Family::Ipv6),
            Capability::RouteRefresh,
            Capability::ExtendedMessage,
            Capability::EnhancedRouteRefresh,
            Capability::FourOctetAsn(asn),
        ];
        capabilities.extend(restart.map(|(has_restarted, covers_notification, restart_time_s, families)| {
            Capability::GracefulRestart { has_restarted, covers_notification, restart_time_s, families }
        }));
        capabilities.extend(unknown.into_iter().map(|(code, value)| Capability::Unknown { code, value }));
        let open = Open { asn, hold_time_s, router_id: router_id.into(), capabilities };
        let bytes = encode_open(&open);
        let messages = decode(&bytes, &SessionOptions::default()).unwrap();
        prop_assert_eq!(messages.as_slice(), &[Message::Open(open)]);
    }

    #[test]
    fn notifications_come_back(code in any::<u8>(), subcode in any::<u8>(), data in vec(any::<u8>(), 0..5000)) {
        let bytes = encode_notification(&Notification { code, subcode, data: data.clone() });
        prop_assert!(bytes.len() <= 4096);
        let data = data.into_iter().take(4075).collect();
        let messages = decode(&bytes, &EBGP).unwrap();
        prop_assert_eq!(messages.as_slice(), &[Message::Notification(Notification { code, subcode, data })]);
    }

    #[test]
    fn shutdown_messages_fit(text in "\\PC{0,300}") {
        let notification = Notification::cease_with_message(cease::ADMINISTRATIVE_SHUTDOWN, &text);
        prop_assert!(notification.data.len() <= 256);
        let heard = notification.shutdown_message().unwrap_or_default();
        prop_assert!(text.starts_with(&heard));
        prop_assert!(heard.len() == text.len() || heard.len() > 251);
    }
}

#[test]
fn the_short_messages_come_back() {
    let one = |bytes: Vec<u8>| decode(&bytes, &EBGP).unwrap().into_vec();
    assert_eq!(one(encode_keepalive()), [Message::Keepalive]);
    for family in [Family::Ipv4, Family::Ipv6] {
        let refresh = RouteRefresh { family: Some(family), subtype: 2 };
        assert_eq!(one(encode_route_refresh(family, 2)), [Message::RouteRefresh(refresh)]);
        let marker = Update { end_of_rib: Some(family), ..Update::default() };
        assert_eq!(one(encode_end_of_rib(family)), [Message::Update(marker)]);
    }
}

/// 1,000 prefixes of 4 bytes need the whole of a message and no more messages than that.
#[test]
fn messages_are_packed_full() {
    let prefixes: Vec<IpNet> =
        (0..4000u32).map(|n| IpNet::new(Ipv4Addr::from(0x0a00_0000 | n << 8).into(), 24).unwrap()).collect();
    let attributes = Attributes {
        origin: Origin::Igp,
        as_path: AsPath(vec![AsPathSegment::Sequence(vec![Asn(12076)])]),
        next_hop: Ipv4Addr::new(192, 0, 2, 1).into(),
        next_hop_link_local: None,
        med: None,
        local_pref: None,
        atomic_aggregate: false,
        aggregator: None,
        communities: vec![],
        extended_communities: vec![],
        large_communities: vec![],
        unknown_transitive: vec![],
    };
    let sizes: Vec<usize> = pack_announcements(&attributes, &prefixes, &EBGP).unwrap().map(|m| m.len()).collect();
    // 23 bytes of header and lengths, 20 of attributes: 1,013 prefixes in each but the last.
    assert_eq!(sizes, [4095, 4095, 4095, 43 + 4 * (4000 - 3 * 1013)]);
    let distinct: BTreeSet<usize> = pack_withdrawals(&prefixes, &EBGP).map(|m| m.len()).collect();
    assert!(distinct.into_iter().all(|size| size <= 4096));

    let mixed = [prefixes[0], "2001:db8::/32".parse().unwrap()];
    let refused = pack_announcements(&attributes, &mixed, &EBGP).unwrap_err();
    assert_eq!(refused, EncodeError::FamilyMismatch { prefix: mixed[1] });
    let long = Attributes { communities: vec![0; 1100], ..attributes };
    let refused = pack_announcements(&long, &prefixes, &EBGP).unwrap_err();
    assert!(matches!(refused, EncodeError::AttributesTooLong { attribute_bytes: 4424 }), "{refused}");
    let extended = SessionOptions { extended_message: true, ..EBGP };
    assert_eq!(pack_announcements(&long, &prefixes, &extended).unwrap().count(), 1);
}

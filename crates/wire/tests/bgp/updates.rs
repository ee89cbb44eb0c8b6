//! What a sound UPDATE says, and what is left of one that is not all sound.

use std::net::Ipv6Addr;

use causeway_edge_types::{Asn, Family};
use causeway_wire::bgp::*;
use ipnet::IpNet;

use crate::bytes::{EBGP, PREFIX, TWO_OCTET, as_path, attribute, decode_update, next_hop, origin, update};

fn prefixes(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn reach(next_hop: &[u8], prefixes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(next_hop.len()).unwrap();
    attribute(0x80, 14, &[&[0, 2, 1, length][..], next_hop, &[0], prefixes].concat())
}

const V6: [u8; 5] = [32, 0x20, 0x01, 0x0d, 0xb8];

#[test]
fn every_attribute_is_read() {
    let attributes = [
        origin(),
        attribute(0x40, 2, &[2, 2, 0, 0, 0xfb, 0xf0, 0, 1, 0, 1, 1, 2, 0, 0, 0, 5, 0, 0, 0, 6]),
        next_hop(),
        attribute(0x80, 4, &[0, 0, 0, 50]),
        attribute(0x40, 6, &[]),
        attribute(0xc0, 7, &[0, 1, 0, 1, 192, 0, 2, 9]),
        attribute(0xc0, 8, &[0xfb, 0xf0, 0, 7, 0xff, 0xff, 0xff, 0x01]),
        attribute(0xc0, 16, &[0, 2, 0xfb, 0xf0, 0, 0, 0, 1]),
        attribute(0xc0, 32, &[0, 0, 0xfb, 0xf0, 0, 0, 0, 1, 0, 0, 0, 2]),
        attribute(0xc0, 222, &[1, 2, 3]),
        attribute(0x80, 223, &[1, 2, 3]),
    ]
    .concat();
    let bytes = update(&[16, 10, 1], &attributes, &[24, 198, 51, 100, 0, 25, 203, 0, 113, 200]);
    let update = decode_update(&bytes, &EBGP).unwrap();
    assert_eq!(update.withdrawn, prefixes(&["10.1.0.0/16"]));
    assert_eq!(update.announced, prefixes(&["198.51.100.0/24", "0.0.0.0/0", "203.0.113.128/25"]));
    assert_eq!((update.end_of_rib, &update.faults[..]), (None, &[][..]));
    let expected = Attributes {
        origin: Origin::Igp,
        as_path: AsPath(vec![
            AsPathSegment::Sequence(vec![Asn(64496), Asn(65537)]),
            AsPathSegment::Set(vec![Asn(5), Asn(6)]),
        ]),
        next_hop: [192, 0, 2, 1].into(),
        next_hop_link_local: None,
        med: Some(50),
        local_pref: None,
        atomic_aggregate: true,
        aggregator: Some((Asn(65537), [192, 0, 2, 9].into())),
        communities: vec![64496 << 16 | 7, 0xffff_ff01],
        extended_communities: vec![[0, 2, 0xfb, 0xf0, 0, 0, 0, 1]],
        large_communities: vec![[64496, 1, 2]],
        unknown_transitive: vec![RawAttribute { flags: 0xc0, code: 222, value: vec![1, 2, 3] }],
    };
    assert_eq!(update.attributes.unwrap(), expected);
    assert_eq!(expected.as_path.to_string(), "64496 65537 {5,6}");
    assert_eq!((expected.as_path.length(), expected.as_path.first()), (3, Some(Asn(64496))));
}

#[test]
fn ipv6_comes_with_its_next_hops() {
    let global: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let local: Ipv6Addr = "fe80::1".parse().unwrap();
    let both = [global.octets(), local.octets()].concat();
    for (bytes, expected) in [(&both[..], Some(local)), (&global.octets(), None)] {
        let attributes = [reach(bytes, &V6), origin(), as_path()].concat();
        let update = decode_update(&update(&[], &attributes, &[]), &EBGP).unwrap();
        assert_eq!(update.announced, prefixes(&["2001:db8::/32"]));
        let attributes = update.attributes.unwrap();
        assert_eq!((attributes.next_hop, attributes.next_hop_link_local), (global.into(), expected));
    }
    let unreach = attribute(0x80, 15, &[&[0, 2, 1][..], &V6, &[0]].concat());
    let update = decode_update(&update(&[8, 10], &unreach, &[]), &EBGP).unwrap();
    assert_eq!(update.withdrawn, prefixes(&["10.0.0.0/8", "2001:db8::/32", "::/0"]));
    assert_eq!(update.end_of_rib, None);
}

/// The two families in one message have a next hop each, and so come out as two.
#[test]
fn both_families_in_one_message_come_out_as_two() {
    let global: Ipv6Addr = "2001:db8::1".parse().unwrap();
    let attributes = [reach(&global.octets(), &V6), origin(), as_path(), next_hop()].concat();
    let messages = decode(&update(&[8, 10], &attributes, &PREFIX), &EBGP).unwrap();
    let [Message::Update(first), Message::Update(second)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((&first.withdrawn, &first.announced), (&prefixes(&["10.0.0.0/8"]), &prefixes(&["198.51.100.0/24"])));
    assert_eq!((&second.withdrawn, &second.announced), (&vec![], &prefixes(&["2001:db8::/32"])));
    let (first, second) = (first.attributes.as_ref().unwrap(), second.attributes.as_ref().unwrap());
    assert_eq!((first.next_hop, second.next_hop), ([192, 0, 2, 1].into(), global.into()));
    assert_eq!(first.as_path, second.as_path);

    let bad = [reach(&global.octets(), &V6), attribute(0x40, 1, &[9]), as_path(), next_hop()].concat();
    let update = decode_update(&update(&[8, 10], &bad, &PREFIX), &EBGP).unwrap();
    assert_eq!(update.withdrawn, prefixes(&["10.0.0.0/8", "198.51.100.0/24", "2001:db8::/32"]));
}

#[test]
fn end_of_rib_is_only_that() {
    let marker = |bytes: Vec<u8>| decode_update(&bytes, &EBGP).unwrap().end_of_rib;
    let empty = |afi: u8| attribute(0x80, 15, &[0, afi, 1]);
    assert_eq!(marker(update(&[], &[], &[])), Some(Family::Ipv4));
    assert_eq!(marker(update(&[], &empty(1), &[])), Some(Family::Ipv4));
    assert_eq!(marker(update(&[], &empty(2), &[])), Some(Family::Ipv6));
    assert_eq!(marker(update(&[], &[0x90, 15, 0, 3, 0, 2, 1], &[])), Some(Family::Ipv6));
    assert_eq!(marker(update(&[], &empty(25), &[])), None, "of a family that we do not speak");
    assert_eq!(marker(update(&[8, 10], &[], &[])), None);
    assert_eq!(marker(update(&[8, 10], &empty(2), &[])), None);
    assert_eq!(marker(update(&[], &[empty(2), origin()].concat(), &[])), None);
    assert_eq!(marker(update(&[], &attribute(0x80, 15, &[0, 2, 1, 0]), &[])), None, "it withdraws ::/0");
    assert_eq!(marker(update(&[], &attribute(0xc0, 222, &[1]), &[])), None);
}

#[test]
fn multicast_prefixes_are_left_out() {
    let attributes = [origin(), as_path(), next_hop()].concat();
    let bytes = update(&[], &attributes, &[24, 198, 51, 100, 8, 224, 32, 239, 1, 2, 3, 3, 224]);
    let update = decode_update(&bytes, &EBGP).unwrap();
    assert_eq!(update.announced, prefixes(&["198.51.100.0/24", "224.0.0.0/3"]));
    let actions: Vec<_> = update.faults.iter().map(|fault| (fault.code, fault.action)).collect();
    assert_eq!(actions, [(0, FaultAction::IgnorePrefix)]);
}

/// RFC 6793 section 4.2.3.
#[test]
fn two_octet_paths_and_their_long_forms_are_put_together() {
    let path = |attributes: &[Vec<u8>]| {
        let attributes = [origin(), next_hop(), attributes.concat()].concat();
        decode_update(&update(&[], &attributes, &PREFIX), &TWO_OCTET).unwrap().attributes.unwrap()
    };
    let short = |numbers: &[u16]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        attribute(0x40, 2, &[&[2, u8::try_from(numbers.len()).unwrap()][..], &bytes].concat())
    };
    let long = |numbers: &[u32]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        attribute(0xc0, 17, &[&[2, u8::try_from(numbers.len()).unwrap()][..], &bytes].concat())
    };
    let trans = 23456;
    let expect = |attributes: &[Vec<u8>], text: &str| assert_eq!(path(attributes).as_path.to_string(), text);
    expect(&[short(&[1, trans, trans]), long(&[70_000, 80_000])], "1 70000 80000");
    expect(&[short(&[trans]), long(&[70_000])], "70000");
    expect(&[long(&[70_000]), short(&[1, trans])], "1 70000");
    expect(&[short(&[1, 2]), long(&[3, 70_000, 80_000])], "1 2");
    expect(&[short(&[1, 2])], "1 2");
    // A set counts as one.
    let with_set = attribute(0x40, 2, &[2, 1, 0, 1, 1, 2, 0x5b, 0xa0, 0, 9]);
    let long_set = attribute(0xc0, 17, &[1, 2, 0, 1, 0x11, 0x70, 0, 0, 0, 9]);
    expect(&[with_set, long_set], "1 {70000,9}");

    let aggregator = |asn: u16| attribute(0xc0, 7, &[&asn.to_be_bytes()[..], &[192, 0, 2, 1]].concat());
    let long_aggregator = attribute(0xc0, 18, &[0, 1, 0x11, 0x70, 192, 0, 2, 2]);
    let both = path(&[short(&[1, trans]), long(&[70_000]), aggregator(trans), long_aggregator.clone()]);
    assert_eq!(both.aggregator, Some((Asn(70_000), [192, 0, 2, 2].into())));
    assert_eq!(both.as_path.to_string(), "1 70000");
    let stale = path(&[short(&[1, trans]), long(&[70_000]), aggregator(5), long_aggregator.clone()]);
    assert_eq!(stale.aggregator, Some((Asn(5), [192, 0, 2, 1].into())), "aggregated anew on the way");
    assert_eq!(stale.as_path.to_string(), "1 23456");
    assert_eq!(path(&[short(&[1]), long_aggregator]).aggregator, None);
}

#[test]
fn paths_are_prepended_and_cut_into_segments() {
    let mut path = AsPath::default();
    path.prepend(Asn(12076), 2);
    path.prepend(Asn(65515), 1);
    path.prepend(Asn(1), 0);
    assert_eq!(path.to_string(), "65515 12076 12076");
    assert_eq!(path.0.len(), 1);
    let mut path = AsPath(vec![AsPathSegment::Set(vec![Asn(7)])]);
    path.prepend(Asn(8), 1);
    assert_eq!(path.to_string(), "8 {7}");
    let mut path = AsPath(vec![AsPathSegment::Sequence(vec![Asn(7); 255])]);
    path.prepend(Asn(8), 1);
    assert_eq!((path.0.len(), path.length()), (2, 256), "a segment's count is one byte");
}

//! RFC 7606 as a table: an UPDATE for 198.51.100.0/24 with one thing wrong, and what becomes of it.

use causeway_wire::bgp::{FaultAction, MessageError, SessionOptions, Update};

use crate::bytes::{EBGP, IBGP, PREFIX, TWO_OCTET, as_path, attribute, decode_update, next_hop, origin, update};

/// What becomes of the route, and of the session.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Announced, and nothing was wrong.
    Accepted,
    /// Announced without the attribute.
    Discarded,
    /// Withdrawn.
    Withdrawn,
    /// The session ends, with this subcode of UPDATE Message Error.
    Reset(u8),
}
use Verdict::{Accepted, Discarded, Reset, Withdrawn};

fn verdict(result: Result<Update, MessageError>) -> Verdict {
    match result {
        Err(error) => {
            assert_eq!(error.code, 3, "{error}");
            Reset(error.subcode)
        }
        Ok(update) => {
            let has = |action| update.faults.iter().any(|fault| fault.action == action);
            let is_withdraw = has(FaultAction::TreatAsWithdraw);
            // A route is in exactly one of the two, and has attributes exactly when it is announced.
            assert_eq!(update.announced.len() + update.withdrawn.len(), 1, "{update:?}");
            assert_eq!(update.withdrawn.len(), usize::from(is_withdraw), "{update:?}");
            assert_eq!(update.attributes.is_some(), !is_withdraw, "{update:?}");
            match (is_withdraw, has(FaultAction::DiscardAttribute)) {
                (true, _) => Withdrawn,
                (false, true) => Discarded,
                (false, false) => Accepted,
            }
        }
    }
}

/// A sound UPDATE with more attributes behind the mandatory ones.
fn with(options: SessionOptions, more: &[u8]) -> Verdict {
    let path = if options.four_octet_asn { as_path() } else { attribute(0x40, 2, &[2, 1, 0xfb, 0xf0]) };
    let attributes = [origin(), path, next_hop(), more.to_vec()].concat();
    verdict(decode_update(&update(&[], &attributes, &PREFIX), &options))
}

/// A sound UPDATE with one of the mandatory attributes replaced.
fn instead(code: u8, replacement: &[u8]) -> Verdict {
    let keep = |attribute: Vec<u8>| if attribute[1] == code { replacement.to_vec() } else { attribute };
    let attributes = [origin(), as_path(), next_hop()].map(keep).concat();
    verdict(decode_update(&update(&[], &attributes, &PREFIX), &EBGP))
}

/// The same for IPv6: MP_REACH_NLRI with a value, behind ORIGIN and AS_PATH.
fn reach(value: &[u8]) -> Verdict {
    let attributes = [attribute(0x80, 14, value), origin(), as_path()].concat();
    verdict(decode_update(&update(&[], &attributes, &[]), &EBGP))
}

/// MP_REACH_NLRI for 2001:db8::/32 with a next hop.
fn reach_by(next_hop: &[u8]) -> Vec<u8> {
    let length = u8::try_from(next_hop.len()).unwrap();
    [&[0, 2, 1, length][..], next_hop, &[0, 32, 0x20, 0x01, 0x0d, 0xb8]].concat()
}

const GLOBAL: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const LINK_LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn check(table: Vec<(&str, Verdict, Verdict)>) {
    let wrong: Vec<_> = table.into_iter().filter(|(_, found, expected)| found != expected).collect();
    assert!(wrong.is_empty(), "(what, found, expected): {wrong:#?}");
}

#[test]
fn mandatory_attributes() {
    let path = |value: &[u8]| instead(2, &attribute(0x40, 2, value));
    let hop = |value: &[u8]| instead(3, &attribute(0x40, 3, value));
    check(vec![
        ("nothing wrong", instead(0, &[]), Accepted),
        ("ORIGIN missing", instead(1, &[]), Withdrawn),
        ("ORIGIN of 0 bytes", instead(1, &attribute(0x40, 1, &[])), Withdrawn),
        ("ORIGIN of 2 bytes", instead(1, &attribute(0x40, 1, &[0, 0])), Withdrawn),
        ("ORIGIN 3", instead(1, &attribute(0x40, 1, &[3])), Withdrawn),
        ("ORIGIN 255", instead(1, &attribute(0x40, 1, &[255])), Withdrawn),
        ("ORIGIN optional", instead(1, &attribute(0xc0, 1, &[0])), Withdrawn),
        ("ORIGIN not transitive", instead(1, &attribute(0x00, 1, &[0])), Withdrawn),
        ("ORIGIN with the partial bit", instead(1, &attribute(0x60, 1, &[0])), Accepted),
        ("ORIGIN with unused bits", instead(1, &attribute(0x4f, 1, &[0])), Accepted),
        ("ORIGIN with a long length", instead(1, &[0x50, 1, 0, 1, 0]), Accepted),
        ("AS_PATH missing", instead(2, &[]), Withdrawn),
        ("AS_PATH empty", path(&[]), Accepted),
        ("AS_PATH of one byte", path(&[2]), Withdrawn),
        ("AS_PATH segment without numbers", path(&[2, 0]), Withdrawn),
        ("AS_PATH with an empty segment behind", path(&[2, 1, 0, 0, 0, 9, 2, 0]), Withdrawn),
        ("AS_PATH segment cut off", path(&[2, 2, 0, 0, 0, 9]), Withdrawn),
        ("AS_PATH segment cut off in a number", path(&[2, 1, 0, 0, 9]), Withdrawn),
        ("AS_PATH with a byte behind", path(&[2, 1, 0, 0, 0, 9, 2]), Withdrawn),
        ("AS_PATH segment of type 0", path(&[0, 1, 0, 0, 0, 9]), Withdrawn),
        ("AS_PATH segment of type 5", path(&[5, 1, 0, 0, 0, 9]), Withdrawn),
        ("AS_PATH confederation sequence", path(&[3, 1, 0, 0, 0, 9]), Withdrawn),
        ("AS_PATH confederation set", path(&[4, 1, 0, 0, 0, 9]), Withdrawn),
        ("AS_PATH with AS 0", path(&[2, 2, 0, 0, 0, 9, 0, 0, 0, 0]), Withdrawn),
        ("AS_PATH in two-octet form", path(&[2, 1, 0xfb, 0xf0]), Withdrawn),
        ("AS_PATH optional", instead(2, &attribute(0xc0, 2, &[])), Withdrawn),
        ("NEXT_HOP missing", instead(3, &[]), Withdrawn),
        ("NEXT_HOP of 0 bytes", hop(&[]), Withdrawn),
        ("NEXT_HOP of 3 bytes", hop(&[192, 0, 2]), Withdrawn),
        ("NEXT_HOP of 5 bytes", hop(&[192, 0, 2, 1, 0]), Withdrawn),
        ("NEXT_HOP of 16 bytes", hop(&GLOBAL), Withdrawn),
        ("NEXT_HOP 0.0.0.0", hop(&[0, 0, 0, 0]), Withdrawn),
        ("NEXT_HOP loopback", hop(&[127, 0, 0, 1]), Withdrawn),
        ("NEXT_HOP multicast", hop(&[224, 0, 0, 1]), Withdrawn),
        ("NEXT_HOP broadcast", hop(&[255, 255, 255, 255]), Withdrawn),
        ("NEXT_HOP not transitive", instead(3, &attribute(0x00, 3, &[192, 0, 2, 1])), Withdrawn),
    ]);
}

#[test]
fn other_attributes() {
    let ebgp = |flags: u8, code: u8, value: &[u8]| with(EBGP, &attribute(flags, code, value));
    let ibgp = |flags: u8, code: u8, value: &[u8]| with(IBGP, &attribute(flags, code, value));
    check(vec![
        ("MED", ebgp(0x80, 4, &[0; 4]), Accepted),
        ("MED of 0 bytes", ebgp(0x80, 4, &[]), Withdrawn),
        ("MED of 3 bytes", ebgp(0x80, 4, &[0; 3]), Withdrawn),
        ("MED of 5 bytes", ebgp(0x80, 4, &[0; 5]), Withdrawn),
        ("MED transitive", ebgp(0xc0, 4, &[0; 4]), Withdrawn),
        ("MED well-known", ebgp(0x40, 4, &[0; 4]), Withdrawn),
        ("LOCAL_PREF from outside", ebgp(0x40, 5, &[0; 4]), Discarded),
        ("LOCAL_PREF from outside, malformed too", ebgp(0x80, 5, &[0; 3]), Discarded),
        ("LOCAL_PREF inside", ibgp(0x40, 5, &[0; 4]), Accepted),
        ("LOCAL_PREF of 3 bytes inside", ibgp(0x40, 5, &[0; 3]), Withdrawn),
        ("ATOMIC_AGGREGATE", ebgp(0x40, 6, &[]), Accepted),
        ("ATOMIC_AGGREGATE of 1 byte", ebgp(0x40, 6, &[0]), Discarded),
        ("ATOMIC_AGGREGATE optional", ebgp(0xc0, 6, &[]), Withdrawn),
        ("AGGREGATOR", ebgp(0xc0, 7, &[0, 0, 0, 9, 192, 0, 2, 1]), Accepted),
        ("AGGREGATOR in two-octet form", ebgp(0xc0, 7, &[0, 9, 192, 0, 2, 1]), Discarded),
        ("AGGREGATOR of 0 bytes", ebgp(0xc0, 7, &[]), Discarded),
        ("AGGREGATOR of 9 bytes", ebgp(0xc0, 7, &[1; 9]), Discarded),
        ("AGGREGATOR with AS 0", ebgp(0xc0, 7, &[0, 0, 0, 0, 192, 0, 2, 1]), Discarded),
        ("AGGREGATOR not transitive", ebgp(0x80, 7, &[1; 8]), Withdrawn),
        ("COMMUNITIES", ebgp(0xc0, 8, &[1; 8]), Accepted),
        ("COMMUNITIES, partial", ebgp(0xe0, 8, &[1; 8]), Accepted),
        ("COMMUNITIES empty", ebgp(0xc0, 8, &[]), Withdrawn),
        ("COMMUNITIES of 5 bytes", ebgp(0xc0, 8, &[1; 5]), Withdrawn),
        ("COMMUNITIES not transitive", ebgp(0x80, 8, &[1; 4]), Withdrawn),
        ("ORIGINATOR_ID from outside", ebgp(0x80, 9, &[1; 4]), Discarded),
        ("ORIGINATOR_ID inside", ibgp(0x80, 9, &[1; 4]), Accepted),
        ("ORIGINATOR_ID of 5 bytes inside", ibgp(0x80, 9, &[1; 5]), Withdrawn),
        ("CLUSTER_LIST from outside", ebgp(0x80, 10, &[1; 3]), Discarded),
        ("CLUSTER_LIST inside", ibgp(0x80, 10, &[1; 8]), Accepted),
        ("CLUSTER_LIST empty inside", ibgp(0x80, 10, &[]), Withdrawn),
        ("CLUSTER_LIST of 6 bytes inside", ibgp(0x80, 10, &[1; 6]), Withdrawn),
        ("EXTENDED COMMUNITIES", ebgp(0xc0, 16, &[1; 16]), Accepted),
        ("EXTENDED COMMUNITIES empty", ebgp(0xc0, 16, &[]), Withdrawn),
        ("EXTENDED COMMUNITIES of 9 bytes", ebgp(0xc0, 16, &[1; 9]), Withdrawn),
        ("IPv6 extended communities", ebgp(0xc0, 25, &[1; 20]), Accepted),
        ("IPv6 extended communities of 19 bytes", ebgp(0xc0, 25, &[1; 19]), Withdrawn),
        ("LARGE COMMUNITIES", ebgp(0xc0, 32, &[1; 12]), Accepted),
        ("LARGE COMMUNITIES empty", ebgp(0xc0, 32, &[]), Withdrawn),
        ("LARGE COMMUNITIES of 13 bytes", ebgp(0xc0, 32, &[1; 13]), Withdrawn),
        ("ONLY_TO_CUSTOMER", ebgp(0xc0, 35, &[1; 4]), Accepted),
        ("ONLY_TO_CUSTOMER of 3 bytes", ebgp(0xc0, 35, &[1; 3]), Withdrawn),
        ("unknown, optional transitive", ebgp(0xc0, 222, &[1; 3]), Accepted),
        ("unknown, optional transitive, empty", ebgp(0xc0, 222, &[]), Accepted),
        ("unknown, optional", ebgp(0x80, 222, &[1; 3]), Accepted),
        ("unknown, well-known", ebgp(0x40, 222, &[1; 3]), Reset(2)),
        ("unknown, neither", ebgp(0x00, 222, &[1; 3]), Reset(2)),
        ("type 0, well-known", ebgp(0x40, 0, &[]), Reset(2)),
        ("type 255, optional transitive", ebgp(0xc0, 255, &[1]), Accepted),
    ]);
}

#[test]
fn repeated_and_cut_off_attributes() {
    let second = |code: u8, value: &[u8]| with(EBGP, &attribute(0x40, code, value));
    let twice = |code: u8, flags: u8, value: &[u8]| with(EBGP, &attribute(flags, code, value).repeat(2));
    check(vec![
        ("ORIGIN twice", second(1, &[2]), Discarded),
        ("ORIGIN twice, the second malformed", second(1, &[9, 9]), Discarded),
        ("AS_PATH twice", second(2, &[]), Discarded),
        ("unknown twice", twice(222, 0xc0, &[1]), Discarded),
        ("unknown well-known twice", twice(222, 0x40, &[1]), Reset(2)),
        ("MP_UNREACH_NLRI twice", twice(15, 0x80, &[0, 2, 1]), Reset(1)),
        ("MP_REACH_NLRI twice", twice(14, 0x80, &reach_by(&GLOBAL)), Reset(1)),
        ("one byte left", with(EBGP, &[0x40]), Withdrawn),
        ("two bytes left", with(EBGP, &[0x40, 5]), Withdrawn),
        ("half a long length", with(EBGP, &[0x50, 5, 0]), Withdrawn),
        ("a value longer than all attributes", with(EBGP, &[0xc0, 8, 9, 1, 1, 1, 1]), Withdrawn),
        ("a long length of 65,535", with(EBGP, &[0xd0, 8, 0xff, 0xff, 1]), Withdrawn),
        ("an unknown well-known one cut off", with(EBGP, &[0x40, 222, 9]), Withdrawn),
    ]);
    let fields = |withdrawn: &[u8], attributes: &[u8], announced: &[u8]| {
        verdict(decode_update(&update(withdrawn, attributes, announced), &EBGP))
    };
    let sound = [origin(), as_path(), next_hop()].concat();
    let claims = |at: usize, length: u8| {
        let mut bytes = update(&[], &sound, &PREFIX);
        bytes[at + 1] = length;
        verdict(decode_update(&bytes, &EBGP))
    };
    check(vec![
        ("withdrawn routes longer than the message", claims(19, 200), Reset(1)),
        ("attributes longer than the message", claims(21, 200), Reset(1)),
        ("attributes that swallow a prefix", claims(21, u8::try_from(sound.len() + 4).unwrap()), Reset(1)),
        ("a prefix of 33 bits", fields(&[], &sound, &[33, 1, 2, 3, 4, 5]), Reset(10)),
        ("a prefix that is cut off", fields(&[], &sound, &[24, 1, 2]), Reset(10)),
        ("a second prefix that is cut off", fields(&[], &sound, &[8, 10, 32]), Reset(10)),
        ("a withdrawn prefix of 255 bits", fields(&[255, 1], &[], &[]), Reset(10)),
        ("a withdrawn prefix that is cut off", fields(&[9, 1], &[], &[]), Reset(10)),
        ("bits behind the prefix's length", fields(&[], &sound, &[20, 198, 51, 0xff]), Accepted),
        ("no attributes at all", fields(&[], &[], &PREFIX), Withdrawn),
        ("malformed attributes and no prefix", fields(&[], &attribute(0x40, 1, &[9]), &[]), Reset(1)),
        ("cut-off attributes and no prefix", fields(&[], &[0x40], &[]), Reset(1)),
        ("malformed attributes, only withdrawals", fields(&PREFIX, &attribute(0x40, 1, &[9]), &[]), Reset(1)),
    ]);
}

#[test]
fn multiprotocol_attributes() {
    let with_flags = |flags: u8| {
        let attributes = [attribute(flags, 14, &reach_by(&GLOBAL)), origin(), as_path()].concat();
        verdict(decode_update(&update(&[], &attributes, &[]), &EBGP))
    };
    let unreach =
        |flags: u8, value: &[u8]| verdict(decode_update(&update(&[], &attribute(flags, 15, value), &[]), &EBGP));
    let missing = |attributes: &[u8]| {
        let attributes = [&attribute(0x80, 14, &reach_by(&GLOBAL))[..], attributes].concat();
        verdict(decode_update(&update(&[], &attributes, &[]), &EBGP))
    };
    let no_path = [attribute(0x80, 14, &reach_by(&GLOBAL)), origin()].concat();
    check(vec![
        ("a global next hop", reach(&reach_by(&GLOBAL)), Accepted),
        ("a global and a link-local next hop", reach(&reach_by(&[GLOBAL, LINK_LOCAL].concat())), Accepted),
        ("a global next hop twice", reach(&reach_by(&[GLOBAL, GLOBAL].concat())), Accepted),
        ("a link-local next hop", reach(&reach_by(&LINK_LOCAL)), Accepted),
        ("no next hop", reach(&reach_by(&[])), Reset(9)),
        ("an IPv4 next hop", reach(&reach_by(&[192, 0, 2, 1])), Reset(9)),
        ("a next hop of 15 bytes", reach(&reach_by(&GLOBAL[1..])), Reset(9)),
        ("a next hop of 33 bytes", reach(&reach_by(&[1; 33])), Reset(9)),
        ("a next hop longer than the attribute", reach(&[0, 2, 1, 255, 1, 2, 3]), Reset(9)),
        ("the next hop ::", reach(&reach_by(&[0; 16])), Withdrawn),
        ("the next hop ::1", reach(&reach_by(&std::net::Ipv6Addr::LOCALHOST.octets())), Withdrawn),
        ("a multicast next hop", reach(&reach_by(&[0xff; 16])), Withdrawn),
        ("an IPv4-mapped next hop", reach(&reach_by(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4])), Withdrawn),
        ("a prefix of 129 bits", reach(&[&[0, 2, 1, 16][..], &GLOBAL, &[0, 129], &[1; 17]].concat()), Reset(9)),
        ("a prefix that is cut off", reach(&[&[0, 2, 1, 16][..], &GLOBAL, &[0, 64, 1]].concat()), Reset(9)),
        ("no reserved byte", reach(&[&[0, 2, 1, 16][..], &GLOBAL].concat()), Reset(9)),
        ("an empty value", reach(&[]), Reset(9)),
        ("a value of 3 bytes", reach(&[0, 2, 1]), Reset(9)),
        ("IPv4 by MP_REACH_NLRI", reach(&[0, 1, 1, 4, 192, 0, 2, 1, 0, 24, 198, 51, 100]), Accepted),
        ("IPv4 with an IPv6 next hop", reach(&[&[0, 1, 1, 16][..], &GLOBAL, &[0, 8, 10]].concat()), Reset(9)),
        ("MP_REACH_NLRI transitive", with_flags(0xc0), Withdrawn),
        ("MP_REACH_NLRI well-known", with_flags(0x40), Withdrawn),
        ("ORIGIN missing", missing(&as_path()), Withdrawn),
        ("AS_PATH missing", verdict(decode_update(&update(&[], &no_path, &[]), &EBGP)), Withdrawn),
        ("ORIGIN malformed", missing(&[attribute(0x40, 1, &[7]), as_path()].concat()), Withdrawn),
        ("a NEXT_HOP of zeros beside", missing(&[origin(), as_path(), attribute(0x40, 3, &[0; 4])].concat()), Accepted),
        (
            "a NEXT_HOP of 3 bytes beside",
            missing(&[origin(), as_path(), attribute(0x40, 3, &[1; 3])].concat()),
            Withdrawn,
        ),
        ("MP_UNREACH_NLRI of 0 bytes", unreach(0x80, &[]), Reset(9)),
        ("MP_UNREACH_NLRI of 2 bytes", unreach(0x80, &[0, 2]), Reset(9)),
        ("MP_UNREACH_NLRI with a prefix of 129 bits", unreach(0x80, &[0, 2, 1, 129]), Reset(9)),
        ("MP_UNREACH_NLRI with a cut-off prefix", unreach(0x80, &[0, 2, 1, 64, 1]), Reset(9)),
        ("MP_UNREACH_NLRI transitive", unreach(0xc0, &[0, 2, 1, 8, 0x20]), Withdrawn),
    ]);
}

#[test]
fn what_two_octet_speakers_say_beside() {
    let two = |code: u8, value: &[u8]| with(TWO_OCTET, &attribute(0xc0, code, value));
    let aggregator = attribute(0xc0, 7, &[0x5b, 0xa0, 192, 0, 2, 1]);
    let beside = |value: &[u8]| with(TWO_OCTET, &[aggregator.clone(), attribute(0xc0, 18, value)].concat());
    check(vec![
        ("AS4_PATH", two(17, &[2, 1, 0, 0, 0xfb, 0xf0]), Accepted),
        ("AS4_PATH with a confederation's segment", two(17, &[3, 1, 0, 0, 0, 9, 2, 1, 0, 0, 0xfb, 0xf0]), Accepted),
        ("AS4_PATH cut off", two(17, &[2, 2, 0, 0, 0xfb, 0xf0]), Discarded),
        ("AS4_PATH of one byte", two(17, &[2]), Discarded),
        ("AS4_PATH with AS 0", two(17, &[2, 1, 0, 0, 0, 0]), Discarded),
        ("AS4_PATH of an unknown type", two(17, &[9, 1, 0, 0, 0, 9]), Discarded),
        ("AS4_AGGREGATOR", beside(&[0, 1, 0, 0, 192, 0, 2, 1]), Accepted),
        ("AS4_AGGREGATOR of 6 bytes", beside(&[0, 1, 192, 0, 2, 1]), Discarded),
        ("AS4_PATH from a four-octet speaker", with(EBGP, &attribute(0xc0, 17, &[2, 1, 0, 0, 0, 9])), Discarded),
        ("AS4_AGGREGATOR from a four-octet speaker", with(EBGP, &attribute(0xc0, 18, &[1; 8])), Discarded),
    ]);
}

//! Messages that have killed BGP daemons, or made them drop sessions that they should not have. Each is named by where
//! it became known; here each costs what the RFCs say and no more.

use causeway_edge_types::Family;
use causeway_wire::bgp::*;

use crate::bytes::{EBGP, PREFIX, TWO_OCTET, as_path, attribute, message, next_hop, origin, update};

/// What a message may cost.
#[derive(Debug, PartialEq, Eq)]
enum Cost {
    Nothing,
    TheAttribute,
    TheRoute,
    TheSession(u8, u8),
}
use Cost::{Nothing, TheAttribute, TheRoute, TheSession};

fn cost(bytes: &[u8], options: &SessionOptions) -> Cost {
    match decode(bytes, options) {
        Err(error) => TheSession(error.code, error.subcode),
        Ok(messages) => messages
            .iter()
            .filter_map(|message| match message {
                Message::Update(update) => update.faults.iter().map(|fault| fault.action).max(),
                _ => None,
            })
            .map(|action| if action == FaultAction::DiscardAttribute { TheAttribute } else { TheRoute })
            .next()
            .unwrap_or(Nothing),
    }
}

fn open(parameters_length: u8, parameters: &[u8]) -> Vec<u8> {
    message(1, &[&[4, 0xfb, 0xf0, 0, 90, 192, 0, 2, 1, parameters_length][..], parameters].concat())
}

fn route_with(more: &[u8]) -> Vec<u8> {
    update(&[], &[origin(), as_path(), next_hop(), more.to_vec()].concat(), &PREFIX)
}

#[test]
fn the_known_killers_kill_nothing_here() {
    let unreach = |value: &[u8]| update(&[], &attribute(0x80, 15, value), &[]);
    let reach = |value: &[u8]| update(&[], &[attribute(0x80, 14, value), origin(), as_path()].concat(), &[]);
    let short_path = attribute(0x40, 2, &[2, 1, 0xfb, 0xf0]);
    let as4_path_first = [attribute(0xc0, 17, &[2, 1, 0, 1, 0, 0]), origin(), short_path, next_hop()].concat();
    let no_mandatory = |attributes: &[u8]| update(&[], attributes, &PREFIX);
    let table: Vec<(&str, Vec<u8>, SessionOptions, Cost)> = vec![
        // GoBGP 3.10: index out of range; nil dereference.
        ("GoBGP, MP_REACH_NLRI of 3 bytes", reach(&[0, 2, 1]), EBGP, TheSession(3, 9)),
        ("GoBGP, message type 9", message(9, &[0; 10]), EBGP, TheSession(1, 3)),
        // OpenBGPD 7.7: the daemon exits on a valid withdrawal.
        ("OpenBGPD, MP_UNREACH_NLRI for IPv4", unreach(&[0, 1, 1, 24, 198, 51, 100]), EBGP, Nothing),
        ("OpenBGPD, the same with /0", unreach(&[0, 1, 1, 0]), EBGP, Nothing),
        ("CVE-2023-38283, OpenBGPD, attribute length", route_with(&[0xc0, 8, 200, 1]), EBGP, TheRoute),
        // FRR, OPEN.
        ("CVE-2022-40302, FRR, extended parameters cut off", open(255, &[255]), EBGP, TheSession(2, 0)),
        ("CVE-2022-40302, FRR, no parameter behind", open(255, &[255, 0, 0]), EBGP, Nothing),
        ("CVE-2022-40318, FRR, half a parameter header", open(4, &[255, 0, 1, 2]), EBGP, TheSession(2, 0)),
        ("CVE-2022-43681, FRR, a parameter without a length", open(1, &[2]), EBGP, TheSession(2, 0)),
        (
            "CVE-2023-41361, FRR, software version longer than said",
            open(5, &[2, 3, 75, 250, 1]),
            EBGP,
            TheSession(2, 0),
        ),
        // FRR, UPDATE.
        ("CVE-2023-38802, FRR, tunnel encapsulation", route_with(&attribute(0xc0, 23, &[0, 1, 0, 200])), EBGP, Nothing),
        ("CVE-2023-31490, FRR, prefix SID", route_with(&attribute(0xc0, 40, &[1, 0])), EBGP, Nothing),
        ("CVE-2023-41358, FRR, a prefix and no attributes", no_mandatory(&[]), EBGP, TheRoute),
        ("CVE-2023-46752, FRR, malformed MP_REACH_NLRI", reach(&[0, 2, 1, 16, 0x20]), EBGP, TheSession(3, 9)),
        ("CVE-2023-46753, FRR, one unknown attribute", no_mandatory(&attribute(0xc0, 222, &[1])), EBGP, TheRoute),
        (
            "CVE-2023-47234, FRR, MP_UNREACH_NLRI and no mandatory attribute",
            no_mandatory(&attribute(0x80, 15, &[0, 2, 1])),
            EBGP,
            TheRoute,
        ),
        (
            "CVE-2023-47235, FRR, malformed End-of-RIB",
            update(&[], &[attribute(0x80, 15, &[0, 2, 1]), attribute(0x40, 1, &[9])].concat(), &[]),
            EBGP,
            TheSession(3, 1),
        ),
        ("FRR, PMSI tunnel too short", route_with(&attribute(0xc0, 22, &[0])), EBGP, Nothing),
        // FRR, ROUTE-REFRESH with a route filter that nobody agreed on.
        ("CVE-2023-41360, FRR, route filter", message(5, &[0, 1, 0, 1, 1, 128, 255, 255]), EBGP, TheSession(7, 1)),
        ("CVE-2017-15865, Cumulus, NOTIFICATION with long data", message(3, &[6, 2, 255, 65]), EBGP, Nothing),
        // Junos and others: sessions lost by attributes that are only passing through.
        ("CVE-2023-4481, Junos, a transit attribute", route_with(&attribute(0xe0, 29, &[1])), EBGP, Nothing),
        ("VU#347067, entropy label", route_with(&attribute(0xe0, 28, &[1, 2, 3])), EBGP, Nothing),
        ("attribute set", route_with(&attribute(0xc0, 128, &[0, 0, 0])), EBGP, Nothing),
        // GoBGP, later.
        ("CVE-2026-41643, GoBGP, AS4_PATH first", update(&[], &as4_path_first, &PREFIX), TWO_OCTET, Nothing),
        (
            "CVE-2026-30405, GoBGP, empty NEXT_HOP",
            update(&[], &[origin(), as_path(), attribute(0x40, 3, &[])].concat(), &PREFIX),
            EBGP,
            TheRoute,
        ),
        (
            "CVE-2026-37461, GoBGP, short IPv6 extended community",
            route_with(&attribute(0xc0, 25, &[0, 2, 1])),
            EBGP,
            TheRoute,
        ),
        ("CVE-2026-37462, GoBGP, UPDATE lengths underflow", message(2, &[0, 4, 0, 0]), EBGP, TheSession(3, 1)),
        // BIRD: flow specification, a family that we don't speak.
        ("BIRD, flow specification", reach(&[0, 1, 133, 0, 0, 255, 255]), EBGP, TheAttribute),
        // RustyBGP accepts these.
        ("RustyBGP, MED of 5 bytes", route_with(&attribute(0x80, 4, &[0; 5])), EBGP, TheRoute),
        ("RustyBGP, empty communities", route_with(&attribute(0xc0, 8, &[])), EBGP, TheRoute),
        ("RustyBGP, ONLY_TO_CUSTOMER of 3 bytes", route_with(&attribute(0xc0, 35, &[1; 3])), EBGP, TheRoute),
        ("RustyBGP, a bad marker", vec![0; 19], EBGP, TheSession(1, 1)),
        // BIRD treats this as an attribute of its own.
        ("BIRD, type 254", route_with(&attribute(0xc0, 254, &[1, 2, 3])), EBGP, Nothing),
    ];
    let wrong: Vec<_> = table
        .into_iter()
        .map(|(name, bytes, options, expected)| (name, cost(&bytes, &options), expected))
        .filter(|(_, found, expected)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "(name, found, expected): {wrong:#?}");
}

/// A mistake of ours would be to answer a malformed NOTIFICATION text with a panic when it is logged.
#[test]
fn hostile_shutdown_texts_are_only_text() {
    for data in [&[255u8, 65][..], &[2, 0xc3, 0x28], &[3, 0x1b, b'[', b'm'], &[1]] {
        let notification =
            Notification { code: code::CEASE, subcode: cease::ADMINISTRATIVE_SHUTDOWN, data: data.into() };
        assert!(!notification.describe().chars().any(char::is_control));
    }
}

#[test]
fn a_withdrawal_of_ipv4_by_mp_unreach_is_understood() {
    let bytes = update(&[], &attribute(0x80, 15, &[0, 1, 1, 24, 198, 51, 100]), &[]);
    let messages = decode(&bytes, &EBGP).unwrap();
    let [Message::Update(update)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(update.withdrawn, ["198.51.100.0/24".parse().unwrap()]);
    assert_eq!(update.withdrawn.first().map(Family::of_prefix), Some(Family::Ipv4));
}

//! The header, OPEN, NOTIFICATION and ROUTE-REFRESH (RFC 4271 sections 6.1 and 6.2, 5492, 6793, 7313, 8654, 9072).

use causeway_edge_types::{Asn, Family};
use causeway_wire::bgp::*;

use crate::bytes::{EBGP, message};

const EXTENDED: SessionOptions = SessionOptions { extended_message: true, ..EBGP };

/// The fixed part of a good OPEN (AS 64496, 90 s, 192.0.2.1), and optional parameters behind their length.
fn open(parameters: &[u8]) -> Vec<u8> {
    let mut body = vec![4, 0xfb, 0xf0, 0, 90, 192, 0, 2, 1, u8::try_from(parameters.len()).unwrap()];
    body.extend(parameters);
    message(1, &body)
}

/// A good OPEN with one byte of it replaced.
fn open_with(at: usize, value: u8) -> Vec<u8> {
    let mut bytes = open(&[]);
    bytes[19 + at] = value;
    bytes
}

fn with_header(at: usize, value: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes
}

fn notification_of(bytes: &[u8], options: &SessionOptions) -> (u8, u8, Vec<u8>) {
    let error = decode(bytes, options).expect_err("an error");
    (error.code, error.subcode, error.data)
}

fn decode_open(bytes: &[u8]) -> Result<Open, MessageError> {
    match decode(bytes, &SessionOptions::default())?.pop() {
        Some(Message::Open(open)) => Ok(open),
        other => panic!("an OPEN, not {other:?}"),
    }
}

#[test]
fn a_stream_is_cut_wherever_it_is_cut() {
    let stream = [encode_keepalive(), open(&[]), encode_end_of_rib(Family::Ipv6), encode_keepalive()].concat();
    for step in 1..=stream.len() {
        let (mut buffer, mut lengths) = (vec![], vec![]);
        for chunk in stream.chunks(step) {
            buffer.extend(chunk);
            while let Some(length) = frame(&buffer, &EBGP).unwrap() {
                decode(&buffer[..length], &EBGP).unwrap();
                buffer.drain(..length);
                lengths.push(length);
            }
        }
        assert_eq!((lengths, buffer.len()), (vec![19, 29, 30, 19], 0), "in steps of {step}");
    }
}

#[test]
fn a_header_that_can_t_be_right_is_refused() {
    let keepalive = encode_keepalive;
    let long = |kind: u8, length: usize| message(kind, &vec![0; length - 19]);
    let cases = [
        ("marker", with_header(15, &[0], keepalive()), EBGP, (1, 1, vec![])),
        ("too short for a header", with_header(16, &[0, 18], keepalive()), EBGP, (1, 2, vec![0, 18])),
        ("length zero", with_header(16, &[0, 0], keepalive()), EBGP, (1, 2, vec![0, 0])),
        ("KEEPALIVE with a body", message(4, &[0]), EBGP, (1, 2, vec![0, 20])),
        ("OPEN too short", message(1, &[0; 9]), EBGP, (1, 2, vec![0, 28])),
        ("UPDATE too short", message(2, &[0; 3]), EBGP, (1, 2, vec![0, 22])),
        ("NOTIFICATION too short", message(3, &[6]), EBGP, (1, 2, vec![0, 20])),
        ("ROUTE-REFRESH too short", message(5, &[0; 3]), EBGP, (1, 2, vec![0, 22])),
        ("UPDATE too long", long(2, 4097), EBGP, (1, 2, vec![0x10, 1])),
        ("OPEN too long, extended or not", long(1, 4097), EXTENDED, (1, 2, vec![0x10, 1])),
        ("type 0", message(0, &[]), EBGP, (1, 3, vec![0])),
        ("type 6", message(6, &[]), EBGP, (1, 3, vec![6])),
        ("type 255", message(255, &[0; 40]), EBGP, (1, 3, vec![255])),
    ];
    for (what, bytes, options, expected) in cases {
        assert_eq!(notification_of(&bytes, &options), expected, "{what}");
        // A header is judged as soon as it is there.
        assert!(frame(&bytes[..19.min(bytes.len())], &options).is_err(), "{what}");
    }
    assert!(frame(&[0xff, 0xff, 0xfe], &EBGP).is_err(), "a marker is judged byte by byte");
    assert_eq!(frame(&[0xff; 18], &EBGP), Ok(None));
    assert!(decode(&long(3, 4097), &EXTENDED).is_ok());
    assert_eq!(notification_of(&keepalive()[..18], &EBGP).0, 1);
    assert_eq!(notification_of(&[keepalive(), vec![0xff]].concat(), &EBGP).0, 1);
    assert_eq!(notification_of(&[], &EBGP).0, 1);
}

#[test]
fn an_open_that_can_t_be_right_is_refused() {
    let cases: Vec<(&str, Vec<u8>, (u8, u8))> = vec![
        ("version 3", open_with(0, 3), (2, 1)),
        ("AS 0", with_header(20, &[0, 0], open(&[])), (2, 2)),
        ("AS_TRANS without the capability", with_header(20, &[0x5b, 0xa0], open(&[])), (2, 2)),
        ("AS 0 in the capability", open(&[2, 6, 65, 4, 0, 0, 0, 0]), (2, 2)),
        ("identifier 0", with_header(24, &[0, 0, 0, 0], open(&[])), (2, 3)),
        ("hold time 1", open_with(4, 1), (2, 6)),
        ("hold time 2", open_with(4, 2), (2, 6)),
        ("parameters longer than the message", open_with(9, 1), (2, 0)),
        ("parameters shorter than the message", with_header(28, &[2], open(&[2, 2, 2, 0])), (2, 0)),
        ("a parameter without a length", open(&[2]), (2, 0)),
        ("a parameter that is cut off", open(&[2, 9, 2, 0]), (2, 0)),
        ("authentication, the old parameter", open(&[1, 1, 0]), (2, 4)),
        ("an unknown parameter", open(&[77, 0]), (2, 4)),
        ("a capability without a length", open(&[2, 1, 2]), (2, 0)),
        ("a capability that is cut off", open(&[2, 4, 65, 4, 0, 0]), (2, 0)),
        ("multiprotocol of 3 bytes", open(&[2, 5, 1, 3, 0, 1, 0]), (2, 0)),
        ("multiprotocol of 0 bytes", open(&[2, 2, 1, 0]), (2, 0)),
        ("four-octet AS number of 2 bytes", open(&[2, 4, 65, 2, 0, 1]), (2, 0)),
        ("route refresh of 1 byte", open(&[2, 3, 2, 1, 0]), (2, 0)),
        ("graceful restart of 1 byte", open(&[2, 3, 64, 1, 0]), (2, 0)),
        ("graceful restart with half a family", open(&[2, 6, 64, 4, 0, 120, 0, 1]), (2, 0)),
        ("extended parameters without a length", open(&[255, 0]), (2, 0)),
        ("extended parameters longer than the message", open(&[255, 0, 9, 2, 0, 2, 2, 0]), (2, 0)),
        ("extended parameters shorter than the message", open(&[255, 0, 3, 2, 0, 2, 2, 0]), (2, 0)),
        ("an extended parameter that is cut off", open(&[255, 0, 5, 2, 0, 9, 2, 0]), (2, 0)),
        ("an extended parameter with half a length", open(&[255, 0, 2, 2, 0]), (2, 0)),
    ];
    for (what, bytes, (code, subcode)) in cases {
        let error = decode_open(&bytes).expect_err(what);
        assert_eq!((error.code, error.subcode), (code, subcode), "{what}: {error}");
    }
    let error = decode_open(&open_with(0, 3)).unwrap_err();
    assert_eq!(error.data, [0, 4], "the version that we speak");
}

#[test]
fn capabilities_are_read_in_both_forms() {
    let graceful = [64, 10, 0xc0, 120, 0, 1, 1, 0x80, 0, 1, 128, 0x80];
    let value = [&[1, 4, 0, 2, 0, 1, 65, 4, 0, 1, 0, 0, 73, 2, 9, 9, 1, 4, 0, 25, 0, 70][..], &graceful].concat();
    let expected = vec![
        Capability::MultiProtocol(Family::Ipv6),
        Capability::FourOctetAsn(Asn(65_536)),
        Capability::Unknown { code: 73, value: vec![9, 9] },
        Capability::Unknown { code: 1, value: vec![0, 25, 0, 70] },
        Capability::GracefulRestart {
            has_restarted: true,
            covers_notification: true,
            restart_time_s: 120,
            // The family that we don't speak (VPN-IPv4) is passed over.
            families: vec![(Family::Ipv4, true)],
        },
    ];
    let length = u8::try_from(value.len()).unwrap();
    let classic = [&[2, length][..], &value].concat();
    let extended = [&[255, 0, length + 3, 2, 0, length][..], &value].concat();
    // One capability in a parameter each is as good as all in one.
    let (first, rest) = value.split_at(6);
    let split = [&[2, 6][..], first, &[2, length - 6], rest].concat();
    for parameters in [classic, extended, split] {
        let open = decode_open(&open(&parameters)).unwrap();
        assert_eq!((open.asn, open.hold_time_s), (Asn(65_536), 90));
        assert_eq!(open.capabilities, expected);
    }
    // RFC 9072 section 2: what says that the form is extended is the type 255, whatever the length of one byte is.
    let mut odd = open(&[&[255, 0, length + 3, 2, 0, length][..], &value].concat());
    odd[28] = 255;
    assert_eq!(decode_open(&odd).unwrap().capabilities, expected);
}

#[test]
fn opens_are_written_as_a_peer_expects_them() {
    let mut open = Open {
        asn: Asn(4_200_000_000),
        hold_time_s: 90,
        router_id: [192, 0, 2, 1].into(),
        capabilities: vec![Capability::FourOctetAsn(Asn(4_200_000_000))],
    };
    let expected = [4, 0x5b, 0xa0, 0, 90, 192, 0, 2, 1, 8, 2, 6, 65, 4, 0xfa, 0x56, 0xea, 0x00];
    assert_eq!(encode_open(&open), message(1, &expected), "AS_TRANS, and the number in the capability");
    open.capabilities.clear();
    assert_eq!(encode_open(&open).len(), 29);
    // 253 bytes are the most that the first form holds.
    for (bytes, is_extended) in [(249, false), (251, false), (252, true), (255, true)] {
        open.capabilities = vec![Capability::Unknown { code: 200, value: vec![7; bytes] }];
        let encoded = encode_open(&open);
        assert_eq!(encoded[29] == 255, is_extended, "{bytes}");
    }
    open.asn = Asn(64496);
    open.capabilities = vec![Capability::Unknown { code: 200, value: vec![7; 255] }; 20];
    let encoded = encode_open(&open);
    assert!(encoded.len() <= 4096 && encoded.len() > 3800, "what does not fit is left out: {}", encoded.len());
    let messages = decode(&encoded, &EBGP).unwrap();
    assert!(matches!(&messages[0], Message::Open(open) if open.capabilities.len() == 15));
}

#[test]
fn route_refreshes_are_read() {
    let refresh = |body: &[u8]| decode(&message(5, body), &EBGP).map(|mut messages| messages.pop().unwrap());
    let of = |family, subtype| Ok(Message::RouteRefresh(RouteRefresh { family, subtype }));
    assert_eq!(refresh(&[0, 1, 0, 1]), of(Some(Family::Ipv4), 0));
    assert_eq!(refresh(&[0, 2, 1, 1]), of(Some(Family::Ipv6), 1));
    assert_eq!(refresh(&[0, 1, 0, 128]), of(None, 0));
    let whole = message(5, &[0, 1, 1, 1, 64, 128, 0]);
    assert_eq!(notification_of(&whole, &EBGP), (7, 1, whole.clone()), "RFC 7313: the message is quoted");
}

#[test]
fn notifications_are_put_into_words() {
    let written = Notification::cease_with_message(cease::ADMINISTRATIVE_SHUTDOWN, "back at 14:00 \u{2713}");
    assert_eq!(written.data[0], 17);
    assert_eq!(written.describe(), "Cease/Administrative Shutdown: \"back at 14:00 \u{2713}\"");
    let from_a_stranger = |data: &[u8]| Notification { code: 6, subcode: 4, data: data.to_vec() };
    assert_eq!(from_a_stranger(b"\x04a\nb\xff").shutdown_message().unwrap(), "a\u{fffd}b\u{fffd}");
    for data in [&b""[..], b"\x00", b"\x05abc"] {
        assert_eq!(from_a_stranger(data).describe(), "Cease/Administrative Reset");
    }
    assert_eq!(Notification::new(4, 0).describe(), "Hold Timer Expired");
    assert_eq!(Notification::new(6, 77).describe(), "Cease/77");
    assert_eq!(Notification::new(99, 1).describe(), "unknown error 99/1");
    let long = "\u{00e9}".repeat(200);
    assert_eq!(Notification::cease_with_message(2, &long).data.len(), 255, "cut between two characters");
}

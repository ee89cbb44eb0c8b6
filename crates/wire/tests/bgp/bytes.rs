//! Messages put together by hand, so that the tests don't rest on the encoder that they test.

use causeway_wire::bgp::{Message, MessageError, SessionOptions, Update, decode};

/// An external four-octet session, as all of ours are.
pub const EBGP: SessionOptions = SessionOptions { four_octet_asn: true, extended_message: false, is_ebgp: true };
/// An internal one.
pub const IBGP: SessionOptions = SessionOptions { four_octet_asn: true, extended_message: false, is_ebgp: false };
/// An external one with a peer that knows two-octet AS numbers only.
pub const TWO_OCTET: SessionOptions = SessionOptions { four_octet_asn: false, extended_message: false, is_ebgp: true };

/// A message of a type with a body.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap();
    let mut bytes = vec![0xff; 16];
    bytes.extend(length.to_be_bytes());
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

/// An UPDATE out of its three fields.
pub fn update(withdrawn: &[u8], attributes: &[u8], announced: &[u8]) -> Vec<u8> {
    let mut body = u16::try_from(withdrawn.len()).unwrap().to_be_bytes().to_vec();
    body.extend(withdrawn);
    body.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    body.extend(attributes);
    body.extend(announced);
    message(2, &body)
}

/// One attribute with a length of one byte.
pub fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags, code, u8::try_from(value.len()).unwrap()];
    bytes.extend(value);
    bytes
}

/// ORIGIN IGP.
pub fn origin() -> Vec<u8> {
    attribute(0x40, 1, &[0])
}

/// AS_PATH 64496 in four bytes.
pub fn as_path() -> Vec<u8> {
    attribute(0x40, 2, &[2, 1, 0, 0, 0xfb, 0xf0])
}

/// NEXT_HOP 192.0.2.1.
pub fn next_hop() -> Vec<u8> {
    attribute(0x40, 3, &[192, 0, 2, 1])
}

/// The prefix 198.51.100.0/24.
pub const PREFIX: [u8; 4] = [24, 198, 51, 100];

/// Decodes what is one UPDATE.
pub fn decode_update(bytes: &[u8], options: &SessionOptions) -> Result<Update, MessageError> {
    let mut messages = decode(bytes, options)?;
    assert_eq!(messages.len(), 1, "one message comes out as one");
    match messages.pop() {
        Some(Message::Update(update)) => Ok(update),
        other => panic!("an UPDATE, not {other:?}"),
    }
}

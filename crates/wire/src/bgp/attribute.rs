//! Path attributes as the wire frames them: flags, type code, length, value (RFC 4271 section 4.3); and all of a
//! route's attributes encoded, but for MP_REACH_NLRI.

use std::net::IpAddr;

use causeway_edge_types::Asn;

use super::{AsPath, Attributes, SessionOptions, as_path};
use crate::reader::Reader;

pub(crate) const ORIGIN: u8 = 1;
pub(crate) const AS_PATH: u8 = 2;
pub(crate) const NEXT_HOP: u8 = 3;
pub(crate) const MULTI_EXIT_DISC: u8 = 4;
pub(crate) const LOCAL_PREF: u8 = 5;
pub(crate) const ATOMIC_AGGREGATE: u8 = 6;
pub(crate) const AGGREGATOR: u8 = 7;
pub(crate) const COMMUNITIES: u8 = 8;
pub(crate) const ORIGINATOR_ID: u8 = 9;
pub(crate) const CLUSTER_LIST: u8 = 10;
pub(crate) const MP_REACH_NLRI: u8 = 14;
pub(crate) const MP_UNREACH_NLRI: u8 = 15;
pub(crate) const EXTENDED_COMMUNITIES: u8 = 16;
pub(crate) const AS4_PATH: u8 = 17;
pub(crate) const AS4_AGGREGATOR: u8 = 18;
pub(crate) const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
pub(crate) const LARGE_COMMUNITIES: u8 = 32;
pub(crate) const ONLY_TO_CUSTOMER: u8 = 35;

pub(crate) const OPTIONAL: u8 = 0x80;
pub(crate) const TRANSITIVE: u8 = 0x40;
pub(crate) const PARTIAL: u8 = 0x20;
const EXTENDED_LENGTH: u8 = 0x10;

/// One attribute where it lies in the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framed<'a> {
    pub flags: u8,
    pub code: u8,
    pub value: &'a [u8],
}

impl<'a> Framed<'a> {
    /// The next attribute, or nothing when it is cut off: then nothing behind it can be found (RFC 7606 section 4).
    pub fn read(reader: &mut Reader<'a>) -> Option<Framed<'a>> {
        let (flags, code) = (reader.u8()?, reader.u8()?);
        let length = if flags & EXTENDED_LENGTH != 0 { reader.u16()? } else { reader.u8()?.into() };
        Some(Framed { flags, code, value: reader.take(length.into())? })
    }

    /// The attribute as a NOTIFICATION quotes it: type, length and value (RFC 4271 section 6.3).
    pub fn quoted(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.value.len() + 4);
        encode(self.flags, self.code, self.value, &mut bytes);
        bytes
    }
}

/// The optional and transitive bits that an attribute which we know must have.
pub(crate) fn flags_of(code: u8) -> Option<u8> {
    Some(match code {
        ORIGIN | AS_PATH | NEXT_HOP | LOCAL_PREF | ATOMIC_AGGREGATE => TRANSITIVE,
        MULTI_EXIT_DISC | ORIGINATOR_ID | CLUSTER_LIST | MP_REACH_NLRI | MP_UNREACH_NLRI => OPTIONAL,
        AGGREGATOR | COMMUNITIES | EXTENDED_COMMUNITIES | AS4_PATH | AS4_AGGREGATOR => OPTIONAL | TRANSITIVE,
        IPV6_EXTENDED_COMMUNITIES | LARGE_COMMUNITIES | ONLY_TO_CUSTOMER => OPTIONAL | TRANSITIVE,
        _ => return None,
    })
}

/// Appends an attribute, its length in one byte or two as it needs. The value must be shorter than 65,536 bytes.
pub(crate) fn encode(flags: u8, code: u8, value: &[u8], out: &mut Vec<u8>) {
    let flags = flags & (OPTIONAL | TRANSITIVE | PARTIAL);
    match u8::try_from(value.len()) {
        Ok(length) => out.extend([flags, code, length]),
        Err(_) => encode_header(flags | EXTENDED_LENGTH, code, value.len(), out),
    }
    out.extend_from_slice(value);
}

fn encode_header(flags: u8, code: u8, length: usize, out: &mut Vec<u8>) {
    out.extend([flags, code]);
    out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
}

/// Appends the header of an optional attribute, always with two bytes of length, so that its size is known beforehand.
pub(crate) fn encode_long_header(code: u8, length: usize, out: &mut Vec<u8>) {
    encode_header(OPTIONAL | EXTENDED_LENGTH, code, length, out);
}

/// Appends the length of all attributes together.
pub(crate) fn encode_total_length(attributes: &[u8], out: &mut Vec<u8>) {
    out.extend(u16::try_from(attributes.len()).unwrap_or(u16::MAX).to_be_bytes());
}

/// Every attribute but MP_REACH_NLRI, in ascending order of type code (RFC 4271 section 5). LOCAL_PREF stays inside of
/// the AS; a two-octet speaker gets AS4_PATH and AS4_AGGREGATOR where its own form can't say it (RFC 6793 section 4.2.2).
pub(crate) fn encode_all(attributes: &Attributes, options: &SessionOptions) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let four_octet = options.four_octet_asn;
    let both = OPTIONAL | TRANSITIVE;

    encode(TRANSITIVE, ORIGIN, &[attributes.origin as u8], &mut out);
    encode(TRANSITIVE, AS_PATH, &path_bytes(&attributes.as_path, four_octet), &mut out);
    if let IpAddr::V4(next_hop) = attributes.next_hop {
        encode(TRANSITIVE, NEXT_HOP, &next_hop.octets(), &mut out);
    }
    if let Some(med) = attributes.med {
        encode(OPTIONAL, MULTI_EXIT_DISC, &med.to_be_bytes(), &mut out);
    }
    if let Some(local_pref) = attributes.local_pref.filter(|_| !options.is_ebgp) {
        encode(TRANSITIVE, LOCAL_PREF, &local_pref.to_be_bytes(), &mut out);
    }
    if attributes.atomic_aggregate {
        encode(TRANSITIVE, ATOMIC_AGGREGATE, &[], &mut out);
    }
    let aggregator = |four_octet| {
        attributes.aggregator.map(|(asn, address)| {
            let mut value = Vec::with_capacity(8);
            as_path::encode_asn(asn, four_octet, &mut value);
            value.extend(address.octets());
            value
        })
    };
    if let Some(value) = aggregator(four_octet) {
        encode(both, AGGREGATOR, &value, &mut out);
    }
    let communities: Vec<u8> = attributes.communities.iter().flat_map(|c| c.to_be_bytes()).collect();
    encode_unless_empty(COMMUNITIES, &communities, &mut out);
    encode_unless_empty(EXTENDED_COMMUNITIES, attributes.extended_communities.as_flattened(), &mut out);
    if !four_octet && attributes.as_path.asns().any(is_long) {
        encode(both, AS4_PATH, &path_bytes(&attributes.as_path, true), &mut out);
    }
    if !four_octet && attributes.aggregator.is_some_and(|(asn, _)| is_long(asn)) {
        encode(both, AS4_AGGREGATOR, &aggregator(true).unwrap_or_default(), &mut out);
    }
    let large: Vec<u8> =
        attributes.large_communities.as_flattened().iter().flat_map(|number| number.to_be_bytes()).collect();
    encode_unless_empty(LARGE_COMMUNITIES, &large, &mut out);
    for unknown in &attributes.unknown_transitive {
        encode(unknown.flags | PARTIAL, unknown.code, &unknown.value, &mut out);
    }
    out
}

fn path_bytes(path: &AsPath, four_octet: bool) -> Vec<u8> {
    let mut value = Vec::new();
    as_path::encode(path, four_octet, &mut value);
    value
}

fn encode_unless_empty(code: u8, value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        encode(OPTIONAL | TRANSITIVE, code, value, out);
    }
}

/// Whether an AS number needs four bytes.
fn is_long(asn: Asn) -> bool {
    asn.0 > u16::MAX.into()
}

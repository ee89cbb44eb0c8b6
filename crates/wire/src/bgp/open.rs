//! OPEN both ways (RFC 4271 sections 4.2 and 6.2), with optional parameters in their first form and in the extended one
//! (RFC 9072), which is used when they are longer than 255 bytes.

use std::net::Ipv4Addr;

use causeway_edge_types::Asn;

use super::as_path::{AS_TRANS, encode_asn};
use super::encode::message;
use super::frame::{HEADER_BYTES, MESSAGE_BYTES_MAX, TYPE_OPEN};
use super::{Capability, MessageError, Open, capability};
use crate::reader::Reader;

const VERSION: u8 = 4;
const PARAMETER_CAPABILITIES: u8 = 2;
/// As a parameter's type, it says that the extended form follows.
const PARAMETER_EXTENDED: u8 = 255;

/// Fixed part of the body, up to the optional parameters' length.
const FIXED_BYTES: usize = 9;
/// What the extended form takes before the parameter itself: marker, length, and the parameter's own header.
const EXTENDED_HEADER_BYTES: usize = 3 + 3;

/// Decodes a body. Whether the AS number is the one expected and the identifier is not our own is for the session to say.
pub(crate) fn decode(body: &[u8]) -> Result<Open, MessageError> {
    let mut reader = Reader::new(body);
    let (Some(version), Some(short_asn), Some(hold_time_s), Some(router_id), Some(parameters_length)) =
        (reader.u8(), reader.u16(), reader.u16(), reader.u32(), reader.u8())
    else {
        return Err(MessageError::header(2, &[], "an OPEN that is cut off"));
    };
    if version != VERSION {
        return Err(MessageError::open(1, &[0, VERSION], "a version other than 4"));
    }
    let capabilities = decode_parameters(reader.rest(), parameters_length)?;
    let long_asn = capabilities.iter().find_map(|capability| match capability {
        Capability::FourOctetAsn(asn) => Some(*asn),
        _ => None,
    });
    let asn = long_asn.unwrap_or(Asn(short_asn.into()));
    // AS_TRANS is nobody's number; in the short field it is only right beside the four-octet capability.
    if asn == Asn(0) || asn == AS_TRANS || short_asn == 0 {
        return Err(MessageError::open(2, &[], "a reserved AS number"));
    }
    // RFC 6286 section 2.1: any number but zero.
    if router_id == 0 {
        return Err(MessageError::open(3, &[], "a BGP identifier of zero"));
    }
    if matches!(hold_time_s, 1 | 2) {
        return Err(MessageError::open(6, &[], "a hold time of one or two seconds"));
    }
    Ok(Open { asn, hold_time_s, router_id: Ipv4Addr::from(router_id), capabilities })
}

fn decode_parameters(bytes: &[u8], length: u8) -> Result<Vec<Capability>, MessageError> {
    let malformed = |reason| MessageError::open(0, &[], reason);
    let mut reader = Reader::new(bytes);
    let is_extended = length != 0 && bytes.first() == Some(&PARAMETER_EXTENDED);
    let expected = if is_extended {
        reader.u8();
        reader.u16().ok_or_else(|| malformed("extended optional parameters without a length"))?
    } else {
        length.into()
    };
    if reader.len() != usize::from(expected) {
        return Err(malformed("optional parameters of another length than the message has"));
    }
    let mut capabilities = Vec::new();
    while !reader.is_empty() {
        let kind = reader.u8();
        let length = if is_extended { reader.u16() } else { reader.u8().map(u16::from) };
        let (Some(kind), Some(length)) = (kind, length) else {
            return Err(malformed("an optional parameter without a header"));
        };
        let value = reader.take(length.into()).ok_or_else(|| malformed("an optional parameter that is cut off"))?;
        if kind != PARAMETER_CAPABILITIES {
            return Err(MessageError::open(4, &[], "an optional parameter other than capabilities"));
        }
        capability::decode_all(value, &mut capabilities)?;
    }
    Ok(capabilities)
}

/// Encodes an OPEN. Capabilities go into one optional parameter, in order; one that would make the message longer than
/// an OPEN may be is left out.
pub fn encode_open(open: &Open) -> Vec<u8> {
    let room = MESSAGE_BYTES_MAX - HEADER_BYTES - FIXED_BYTES - 1 - EXTENDED_HEADER_BYTES;
    let mut capabilities = Vec::new();
    for capability in &open.capabilities {
        let mut encoded = Vec::new();
        capability::encode(capability, &mut encoded);
        if capabilities.len() + encoded.len() <= room {
            capabilities.extend(encoded);
        }
    }
    message(TYPE_OPEN, |body| {
        body.push(VERSION);
        encode_asn(open.asn, false, body);
        body.extend(open.hold_time_s.to_be_bytes());
        body.extend(open.router_id.octets());
        match u8::try_from(capabilities.len()) {
            Ok(0) => body.push(0),
            Ok(length) if length <= u8::MAX - 2 => body.extend([length + 2, PARAMETER_CAPABILITIES, length]),
            _ => {
                // `room` keeps these within the message's 4,096 bytes.
                let length = u16::try_from(capabilities.len()).unwrap_or(u16::MAX);
                body.extend([u8::MAX, PARAMETER_EXTENDED]);
                body.extend((length + 3).to_be_bytes());
                body.push(PARAMETER_CAPABILITIES);
                body.extend(length.to_be_bytes());
            }
        }
        body.extend_from_slice(&capabilities);
    })
}

//! Capabilities (RFC 5492), as they stand in an OPEN.

use causeway_edge_types::Asn;

use super::{Capability, MessageError, multiprotocol};
use crate::reader::Reader;

const MULTI_PROTOCOL: u8 = 1;
const ROUTE_REFRESH: u8 = 2;
const EXTENDED_MESSAGE: u8 = 6;
const GRACEFUL_RESTART: u8 = 64;
const FOUR_OCTET_ASN: u8 = 65;
const ENHANCED_ROUTE_REFRESH: u8 = 70;

const RESTART_STATE: u16 = 0x8000;
const RESTART_NOTIFICATION: u16 = 0x4000;
const RESTART_TIME_MASK: u16 = 0x0fff;
const FORWARDING_STATE: u8 = 0x80;

/// Reads one optional parameter's capabilities. One that is cut off, or a known one of an impossible length, makes the
/// OPEN malformed (NOTIFICATION 2/0).
pub(crate) fn decode_all(bytes: &[u8], capabilities: &mut Vec<Capability>) -> Result<(), MessageError> {
    let malformed = |reason| MessageError::open(0, &[], reason);
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let (Some(code), Some(length)) = (reader.u8(), reader.u8()) else {
            return Err(malformed("a capability without a header"));
        };
        let value = reader.take(usize::from(length)).ok_or_else(|| malformed("a capability that is cut off"))?;
        capabilities.push(decode(code, value).ok_or_else(|| malformed("a capability of a wrong length"))?);
    }
    Ok(())
}

fn decode(code: u8, value: &[u8]) -> Option<Capability> {
    let unknown = || Capability::Unknown { code, value: value.to_vec() };
    match code {
        MULTI_PROTOCOL => {
            let [afi_high, afi_low, _reserved, safi] = *value else { return None };
            let family = multiprotocol::family(u16::from_be_bytes([afi_high, afi_low]), safi);
            Some(family.map_or_else(unknown, Capability::MultiProtocol))
        }
        ROUTE_REFRESH => value.is_empty().then_some(Capability::RouteRefresh),
        EXTENDED_MESSAGE => value.is_empty().then_some(Capability::ExtendedMessage),
        ENHANCED_ROUTE_REFRESH => value.is_empty().then_some(Capability::EnhancedRouteRefresh),
        FOUR_OCTET_ASN => Some(Capability::FourOctetAsn(Asn(u32::from_be_bytes(value.try_into().ok()?)))),
        GRACEFUL_RESTART => decode_graceful_restart(value),
        _ => Some(unknown()),
    }
}

fn decode_graceful_restart(value: &[u8]) -> Option<Capability> {
    let mut reader = Reader::new(value);
    let head = reader.u16()?;
    let mut families = Vec::new();
    while !reader.is_empty() {
        let (afi, safi, flags) = (reader.u16()?, reader.u8()?, reader.u8()?);
        families.extend(multiprotocol::family(afi, safi).map(|family| (family, flags & FORWARDING_STATE != 0)));
    }
    Some(Capability::GracefulRestart {
        has_restarted: head & RESTART_STATE != 0,
        covers_notification: head & RESTART_NOTIFICATION != 0,
        restart_time_s: head & RESTART_TIME_MASK,
        families,
    })
}

/// Appends a capability: code, length, value. One whose value is longer than the length can say is left out.
pub(crate) fn encode(capability: &Capability, out: &mut Vec<u8>) {
    let (code, value) = match capability {
        Capability::MultiProtocol(family) => {
            let (afi, safi) = multiprotocol::afi_safi(*family);
            let [high, low] = afi.to_be_bytes();
            (MULTI_PROTOCOL, vec![high, low, 0, safi])
        }
        Capability::RouteRefresh => (ROUTE_REFRESH, vec![]),
        Capability::ExtendedMessage => (EXTENDED_MESSAGE, vec![]),
        Capability::EnhancedRouteRefresh => (ENHANCED_ROUTE_REFRESH, vec![]),
        Capability::FourOctetAsn(asn) => (FOUR_OCTET_ASN, asn.0.to_be_bytes().to_vec()),
        Capability::GracefulRestart { has_restarted, covers_notification, restart_time_s, families } => {
            let mut head = (*restart_time_s).min(RESTART_TIME_MASK);
            head |= if *has_restarted { RESTART_STATE } else { 0 };
            head |= if *covers_notification { RESTART_NOTIFICATION } else { 0 };
            let mut value = head.to_be_bytes().to_vec();
            for (family, is_preserved) in families {
                let (afi, safi) = multiprotocol::afi_safi(*family);
                value.extend(afi.to_be_bytes());
                value.extend([safi, if *is_preserved { FORWARDING_STATE } else { 0 }]);
            }
            (GRACEFUL_RESTART, value)
        }
        Capability::Unknown { code, value } => (*code, value.clone()),
    };
    if let Ok(length) = u8::try_from(value.len()) {
        out.extend([code, length]);
        out.extend(value);
    }
}

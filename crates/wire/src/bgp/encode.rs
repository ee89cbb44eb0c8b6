//! Messages to bytes: the header, and the messages that need nothing more.

use causeway_edge_types::Family;

use super::frame::{
    HEADER_BYTES, MESSAGE_BYTES_MAX, TYPE_KEEPALIVE, TYPE_NOTIFICATION, TYPE_ROUTE_REFRESH, TYPE_UPDATE,
};
use super::{Notification, attribute, multiprotocol};

/// A message whose body `write` appends. The body must not make it longer than 65,535 bytes; every caller sees to it.
pub(crate) fn message(kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0xff; HEADER_BYTES];
    write(&mut bytes);
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(header) = bytes.first_chunk_mut::<HEADER_BYTES>() {
        [header[16], header[17]] = length;
        header[18] = kind;
    }
    bytes
}

/// Encodes a KEEPALIVE.
pub fn encode_keepalive() -> Vec<u8> {
    message(TYPE_KEEPALIVE, |_| {})
}

/// Encodes a NOTIFICATION; data beyond the 4,096 bytes of a message is cut off.
pub fn encode_notification(notification: &Notification) -> Vec<u8> {
    message(TYPE_NOTIFICATION, |body| {
        body.extend([notification.code, notification.subcode]);
        body.extend(notification.data.iter().take(MESSAGE_BYTES_MAX - HEADER_BYTES - 2));
    })
}

/// Encodes a ROUTE-REFRESH (RFC 2918), `subtype` as RFC 7313 has it: 0 a request, 1 beginning, 2 end.
pub fn encode_route_refresh(family: Family, subtype: u8) -> Vec<u8> {
    let (afi, safi) = multiprotocol::afi_safi(family);
    message(TYPE_ROUTE_REFRESH, |body| {
        body.extend(afi.to_be_bytes());
        body.extend([subtype, safi]);
    })
}

/// Encodes an End-of-RIB marker (RFC 4724 section 2).
pub fn encode_end_of_rib(family: Family) -> Vec<u8> {
    message(TYPE_UPDATE, |body| match family {
        Family::Ipv4 => body.extend([0; 4]),
        Family::Ipv6 => {
            let mut attributes = Vec::new();
            multiprotocol::encode_unreach(family, &[], &mut attributes);
            body.extend([0; 2]);
            attribute::encode_total_length(&attributes, body);
            body.extend(attributes);
        }
    })
}

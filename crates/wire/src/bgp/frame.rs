//! The stream of bytes cut into messages (RFC 4271 sections 4.1 and 6.1, RFC 8654), and one message's bytes decoded.

use smallvec::{SmallVec, smallvec};

use super::message::{Message, Notification, RouteRefresh};
use super::{MessageError, code, multiprotocol, open, update};
use crate::reader::Reader;

/// Bytes of the header that every message begins with.
pub const HEADER_BYTES: usize = 19;

/// The longest message, unless extended messages are agreed on.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4096;

/// The longest message when extended messages are agreed on (RFC 8654).
pub(crate) const EXTENDED_BYTES_MAX: usize = 65_535;

pub(crate) const TYPE_OPEN: u8 = 1;
pub(crate) const TYPE_UPDATE: u8 = 2;
pub(crate) const TYPE_NOTIFICATION: u8 = 3;
pub(crate) const TYPE_KEEPALIVE: u8 = 4;
pub(crate) const TYPE_ROUTE_REFRESH: u8 = 5;

/// What the two ends of a session have agreed on, as far as it changes how bytes are read and written. The default is
/// what holds before the OPENs are exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Both ends have the four-octet AS number capability (RFC 6793).
    pub four_octet_asn: bool,
    /// Both ends have the extended message capability (RFC 8654).
    pub extended_message: bool,
    /// The peer is in another AS.
    pub is_ebgp: bool,
}

impl SessionOptions {
    pub(crate) fn message_bytes_max(&self) -> usize {
        if self.extended_message { EXTENDED_BYTES_MAX } else { MESSAGE_BYTES_MAX }
    }
}

/// How many bytes the first message in `bytes` has; `None` while it is not there in full. A header that can't be right
/// is an error as soon as it is seen, whatever follows.
pub fn frame(bytes: &[u8], options: &SessionOptions) -> Result<Option<usize>, MessageError> {
    if bytes.iter().take(16).any(|byte| *byte != 0xff) {
        return Err(MessageError::header(1, &[], "the marker is not all ones"));
    }
    let mut header = Reader::new(bytes);
    let (Some(_marker), Some(length_field), Some(kind)) = (header.take(16), header.array::<2>(), header.u8()) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(length_field));
    let (least, most) = match kind {
        TYPE_OPEN => (29, MESSAGE_BYTES_MAX),
        TYPE_UPDATE => (23, options.message_bytes_max()),
        TYPE_NOTIFICATION => (21, options.message_bytes_max()),
        TYPE_KEEPALIVE => (HEADER_BYTES, HEADER_BYTES),
        TYPE_ROUTE_REFRESH => (23, options.message_bytes_max()),
        _ => (HEADER_BYTES, options.message_bytes_max()),
    };
    if length < least || length > most {
        return Err(MessageError::header(2, &length_field, "a length that this type of message can't have"));
    }
    if !(TYPE_OPEN..=TYPE_ROUTE_REFRESH).contains(&kind) {
        return Err(MessageError::header(3, &[kind], "an unknown message type"));
    }
    Ok((bytes.len() >= length).then_some(length))
}

/// Decodes one message, `bytes` being exactly what [`frame`] has cut off.
///
/// One message comes out as one, except an UPDATE that announces IPv4 prefixes in its NLRI and others in MP_REACH_NLRI
/// (RFC 7606 section 5.1 wants it understood): that comes out as two UPDATEs, since their next hops differ.
pub fn decode(bytes: &[u8], options: &SessionOptions) -> Result<SmallVec<[Message; 1]>, MessageError> {
    if frame(bytes, options)? != Some(bytes.len()) {
        let length_field = bytes.get(16..18).unwrap_or_default();
        return Err(MessageError::header(2, length_field, "a length that is not the message's"));
    }
    let (Some(kind), Some(body)) = (bytes.get(18), bytes.get(HEADER_BYTES..)) else {
        return Err(MessageError::header(2, &[], "a message without a header"));
    };
    match *kind {
        TYPE_OPEN => Ok(smallvec![Message::Open(open::decode(body)?)]),
        TYPE_UPDATE => Ok(update::decode(body, options)?.into_iter().map(Message::Update).collect()),
        TYPE_NOTIFICATION => Ok(smallvec![Message::Notification(decode_notification(body)?)]),
        TYPE_KEEPALIVE => Ok(smallvec![Message::Keepalive]),
        _ => Ok(smallvec![Message::RouteRefresh(decode_route_refresh(bytes, body)?)]),
    }
}

fn decode_notification(body: &[u8]) -> Result<Notification, MessageError> {
    let [code, subcode, data @ ..] = body else {
        return Err(MessageError::header(2, &[], "a NOTIFICATION without a code"));
    };
    Ok(Notification { code: *code, subcode: *subcode, data: data.to_vec() })
}

/// RFC 2918 section 3, RFC 7313 sections 3.2 and 5. We never agree on outbound route filters (RFC 5291), so a body of
/// another length has no meaning.
fn decode_route_refresh(message: &[u8], body: &[u8]) -> Result<RouteRefresh, MessageError> {
    let [afi_high, afi_low, subtype, safi] = *body else {
        return Err(MessageError::new(code::ROUTE_REFRESH_MESSAGE, 1, message, "a ROUTE-REFRESH of a wrong length"));
    };
    let afi = u16::from_be_bytes([afi_high, afi_low]);
    Ok(RouteRefresh { family: multiprotocol::family(afi, safi), subtype })
}

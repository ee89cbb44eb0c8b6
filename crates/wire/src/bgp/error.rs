//! What is so wrong with a message that the session ends, and the NOTIFICATION that says so.

use super::{Notification, code};

/// A NOTIFICATION is at most 4,096 bytes, header, code and subcode included.
const DATA_BYTES_MAX: usize = 4096 - 21;

/// A message that ends the session (RFC 4271 section 6). What RFC 7606 lets survive never becomes one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (NOTIFICATION {code}/{subcode})")]
pub struct MessageError {
    /// Error code to send.
    pub code: u8,
    /// Error subcode to send.
    pub subcode: u8,
    /// Data to send.
    pub data: Vec<u8>,
    /// What was wrong, in words.
    pub reason: &'static str,
}

impl MessageError {
    /// The NOTIFICATION to send before the session is closed.
    pub fn notification(&self) -> Notification {
        Notification { code: self.code, subcode: self.subcode, data: self.data.clone() }
    }

    pub(crate) fn new(code: u8, subcode: u8, data: &[u8], reason: &'static str) -> MessageError {
        let data = data.get(..DATA_BYTES_MAX).unwrap_or(data);
        MessageError { code, subcode, data: data.to_vec(), reason }
    }

    /// Message header error (RFC 4271 section 6.1).
    pub(crate) fn header(subcode: u8, data: &[u8], reason: &'static str) -> MessageError {
        MessageError::new(code::MESSAGE_HEADER, subcode, data, reason)
    }

    /// OPEN message error (RFC 4271 section 6.2).
    pub(crate) fn open(subcode: u8, data: &[u8], reason: &'static str) -> MessageError {
        MessageError::new(code::OPEN_MESSAGE, subcode, data, reason)
    }

    /// UPDATE message error (RFC 4271 section 6.3).
    pub(crate) fn update(subcode: u8, data: &[u8], reason: &'static str) -> MessageError {
        MessageError::new(code::UPDATE_MESSAGE, subcode, data, reason)
    }
}

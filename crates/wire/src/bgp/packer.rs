//! UPDATEs packed full: one set of attributes and many prefixes become as few messages as hold them.
//!
//! IPv4 prefixes go into the message's own fields and IPv6 ones into MP_REACH_NLRI or MP_UNREACH_NLRI, which then is
//! the first attribute (RFC 7606 section 5.1). Messages are made one by one, as the transport takes them.

use std::net::{IpAddr, Ipv6Addr};

use causeway_edge_types::Family;
use ipnet::IpNet;

use super::encode::message;
use super::frame::{HEADER_BYTES, TYPE_UPDATE};
use super::{Attributes, SessionOptions, attribute, multiprotocol, prefix};

/// The two length fields of an UPDATE.
const LENGTHS_BYTES: usize = 4;

/// Why attributes and prefixes can't be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The attributes leave no room for a prefix: the route can't be told to this peer, and what it was told of the
    /// prefix before is to be withdrawn.
    #[error("{attribute_bytes} bytes of attributes do not fit into a message")]
    AttributesTooLong {
        /// How long they are.
        attribute_bytes: usize,
    },
    /// A prefix is not of the next hop's family.
    #[error("{prefix} can't be announced with a next hop of another family")]
    FamilyMismatch {
        /// Which.
        prefix: IpNet,
    },
}

/// UPDATEs that announce `prefixes` with `attributes`, none longer than the session allows. The next hop decides the
/// family. LOCAL_PREF is left out toward an external peer; a two-octet peer gets AS4_PATH where it needs it.
pub fn pack_announcements<'a>(
    attributes: &Attributes,
    prefixes: &'a [IpNet],
    options: &SessionOptions,
) -> Result<Announcements<'a>, EncodeError> {
    let family = Family::of(attributes.next_hop);
    if let Some(prefix) = prefixes.iter().find(|prefix| Family::of_prefix(prefix) != family) {
        return Err(EncodeError::FamilyMismatch { prefix: *prefix });
    }
    let (next_hop, reach_overhead) = match attributes.next_hop {
        IpAddr::V4(_) => (None, 0),
        IpAddr::V6(next_hop) => (
            Some((next_hop, attributes.next_hop_link_local)),
            multiprotocol::reach_overhead(attributes.next_hop_link_local),
        ),
    };
    let block = attribute::encode_all(attributes, options);
    let overhead = HEADER_BYTES + LENGTHS_BYTES + block.len() + reach_overhead;
    let longest = prefixes.iter().map(prefix::encoded_len).max().unwrap_or(0);
    match options.message_bytes_max().checked_sub(overhead) {
        Some(room) if room >= longest => Ok(Announcements { block, next_hop, room, prefixes }),
        _ => Err(EncodeError::AttributesTooLong { attribute_bytes: block.len() }),
    }
}

/// Yields UPDATE messages; made by [`pack_announcements`].
#[derive(Clone, Debug)]
pub struct Announcements<'a> {
    /// Every attribute but MP_REACH_NLRI.
    block: Vec<u8>,
    /// For MP_REACH_NLRI.
    next_hop: Option<(Ipv6Addr, Option<Ipv6Addr>)>,
    /// Bytes for prefixes in one message; a prefix fits.
    room: usize,
    prefixes: &'a [IpNet],
}

impl Iterator for Announcements<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let prefixes = split_off(&mut self.prefixes, self.room)?;
        Some(message(TYPE_UPDATE, |body| {
            body.extend([0; 2]);
            match self.next_hop {
                Some((next_hop, link_local)) => {
                    let mut attributes = Vec::with_capacity(self.block.len() + 64);
                    multiprotocol::encode_reach(next_hop, link_local, prefixes, &mut attributes);
                    attributes.extend_from_slice(&self.block);
                    attribute::encode_total_length(&attributes, body);
                    body.extend(attributes);
                }
                None => {
                    attribute::encode_total_length(&self.block, body);
                    body.extend_from_slice(&self.block);
                    prefixes.iter().for_each(|prefix| prefix::encode(prefix, body));
                }
            }
        }))
    }
}

/// UPDATEs that withdraw `prefixes`, of either family.
pub fn pack_withdrawals<'a>(prefixes: &'a [IpNet], options: &SessionOptions) -> Withdrawals<'a> {
    let room = options.message_bytes_max() - HEADER_BYTES - LENGTHS_BYTES - multiprotocol::UNREACH_OVERHEAD;
    Withdrawals { room, prefixes }
}

/// Yields UPDATE messages; made by [`pack_withdrawals`].
#[derive(Clone, Debug)]
pub struct Withdrawals<'a> {
    room: usize,
    prefixes: &'a [IpNet],
}

impl Iterator for Withdrawals<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let prefixes = split_off(&mut self.prefixes, self.room)?;
        let mut fields = Vec::with_capacity(self.room);
        let family = prefixes.first().map(Family::of_prefix)?;
        Some(message(TYPE_UPDATE, |body| match family {
            Family::Ipv4 => {
                prefixes.iter().for_each(|prefix| prefix::encode(prefix, &mut fields));
                attribute::encode_total_length(&fields, body);
                body.extend(fields);
                body.extend([0; 2]);
            }
            Family::Ipv6 => {
                multiprotocol::encode_unreach(family, prefixes, &mut fields);
                body.extend([0; 2]);
                attribute::encode_total_length(&fields, body);
                body.extend(fields);
            }
        }))
    }
}

/// Takes as many prefixes of the first one's family from the front as fit into `room` bytes; nothing when there are none.
fn split_off<'a>(prefixes: &mut &'a [IpNet], room: usize) -> Option<&'a [IpNet]> {
    let family = prefixes.first().map(Family::of_prefix)?;
    let mut bytes = 0;
    let fits = |prefix: &&IpNet| {
        bytes += prefix::encoded_len(prefix);
        bytes <= room && Family::of_prefix(prefix) == family
    };
    // At least one, so that the iteration ends.
    let count = prefixes.iter().take_while(fits).count().max(1);
    let (taken, rest) = prefixes.split_at(count);
    *prefixes = rest;
    Some(taken)
}

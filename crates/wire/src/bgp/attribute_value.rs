//! The values of path attributes, each with its verdict when it is malformed (RFC 7606 section 7).

use std::net::Ipv4Addr;

use causeway_edge_types::Asn;

use super::{AsPath, FaultAction, Origin, RawAttribute, SessionOptions, as_path, attribute as code};
use crate::reader::Reader;

/// What is wrong with an attribute and what follows from it.
pub(crate) type Fault = (FaultAction, &'static str);

/// The attributes of one UPDATE, as far as they were found sound.
#[derive(Debug, Default)]
pub(crate) struct Values {
    pub origin: Option<Origin>,
    pub as_path: Option<AsPath>,
    pub as4_path: Option<AsPath>,
    pub next_hop: Option<Ipv4Addr>,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub atomic_aggregate: bool,
    pub aggregator: Option<(Asn, Ipv4Addr)>,
    pub as4_aggregator: Option<(Asn, Ipv4Addr)>,
    pub communities: Vec<u32>,
    pub extended_communities: Vec<[u8; 8]>,
    pub large_communities: Vec<[u32; 3]>,
    pub unknown_transitive: Vec<RawAttribute>,
}

const fn withdraw(reason: &'static str) -> Fault {
    (FaultAction::TreatAsWithdraw, reason)
}

const fn discard(reason: &'static str) -> Fault {
    (FaultAction::DiscardAttribute, reason)
}

/// Whether an attribute has no business in this session, whatever is in it: it is discarded unread.
pub(crate) fn out_of_place(code: u8, options: &SessionOptions) -> Option<&'static str> {
    match code {
        code::LOCAL_PREF | code::ORIGINATOR_ID | code::CLUSTER_LIST if options.is_ebgp => {
            Some("an attribute of internal sessions from an external peer")
        }
        code::AS4_PATH | code::AS4_AGGREGATOR if options.four_octet_asn => {
            Some("an attribute for two-octet speakers from a four-octet one")
        }
        _ => None,
    }
}

impl Values {
    /// Takes the value of an attribute that we know, other than the two multiprotocol ones.
    pub fn take(&mut self, code: u8, flags: u8, value: &[u8], options: &SessionOptions) -> Result<(), Fault> {
        match code {
            code::ORIGIN => self.origin = Some(origin(value)?),
            code::AS_PATH => {
                let format =
                    if options.four_octet_asn { as_path::Format::FourOctet } else { as_path::Format::TwoOctet };
                self.as_path = Some(as_path::decode(value, format).map_err(withdraw)?);
            }
            code::NEXT_HOP => {
                let octets: [u8; 4] = value.try_into().map_err(|_| withdraw("NEXT_HOP is not 4 bytes long"))?;
                self.next_hop = Some(octets.into());
            }
            code::MULTI_EXIT_DISC => {
                self.med = Some(number(value).ok_or(withdraw("MULTI_EXIT_DISC is not 4 bytes long"))?);
            }
            code::LOCAL_PREF => {
                self.local_pref = Some(number(value).ok_or(withdraw("LOCAL_PREF is not 4 bytes long"))?);
            }
            code::ATOMIC_AGGREGATE if value.is_empty() => self.atomic_aggregate = true,
            code::ATOMIC_AGGREGATE => return Err(discard("ATOMIC_AGGREGATE is not empty")),
            code::AGGREGATOR => self.aggregator = Some(aggregator(value, options.four_octet_asn)?),
            code::AS4_AGGREGATOR => self.as4_aggregator = Some(aggregator(value, true)?),
            code::AS4_PATH => {
                self.as4_path = Some(as_path::decode(value, as_path::Format::As4Path).map_err(discard)?);
            }
            code::COMMUNITIES => {
                self.communities = chunks::<4>(value)?.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
            }
            code::EXTENDED_COMMUNITIES => self.extended_communities = chunks::<8>(value)?.to_vec(),
            code::LARGE_COMMUNITIES => {
                self.large_communities = chunks::<12>(value)?.iter().map(large_community).collect();
            }
            // Route reflection is not ours; what an internal peer says of it is checked and not kept.
            code::ORIGINATOR_ID => {
                number(value).ok_or(withdraw("ORIGINATOR_ID is not 4 bytes long"))?;
            }
            code::CLUSTER_LIST => {
                chunks::<4>(value)?;
            }
            // Two that are not ours either, but are passed on, and not malformed ones.
            code::IPV6_EXTENDED_COMMUNITIES => {
                chunks::<20>(value)?;
                self.keep(code, flags, value);
            }
            code::ONLY_TO_CUSTOMER => {
                number(value).ok_or(withdraw("ONLY_TO_CUSTOMER is not 4 bytes long"))?;
                self.keep(code, flags, value);
            }
            _ => self.keep(code, flags, value),
        }
        Ok(())
    }

    /// Keeps an optional transitive attribute as it came, to be passed on.
    fn keep(&mut self, code: u8, flags: u8, value: &[u8]) {
        let flags = flags & (code::OPTIONAL | code::TRANSITIVE | code::PARTIAL);
        self.unknown_transitive.push(RawAttribute { flags, code, value: value.to_vec() });
    }

    /// Puts what a two-octet speaker said in two places together (RFC 6793 section 4.2.3). It waits until every
    /// attribute is read, since they come in any order.
    pub fn merge_four_octet(&mut self) {
        let as4_path = self.as4_path.take();
        if let (Some((asn, _)), Some(as4_aggregator)) = (self.aggregator, self.as4_aggregator.take()) {
            if asn != as_path::AS_TRANS {
                // Somebody on the way aggregated anew and did not know of the long forms: both are stale.
                return;
            }
            self.aggregator = Some(as4_aggregator);
        }
        if let (Some(path), Some(as4_path)) = (self.as_path.take_if(|_| as4_path.is_some()), as4_path) {
            self.as_path = Some(as_path::merge(path, as4_path));
        }
    }
}

fn origin(value: &[u8]) -> Result<Origin, Fault> {
    match value {
        [0] => Ok(Origin::Igp),
        [1] => Ok(Origin::Egp),
        [2] => Ok(Origin::Incomplete),
        [_] => Err(withdraw("ORIGIN has an undefined value")),
        _ => Err(withdraw("ORIGIN is not one byte long")),
    }
}

fn aggregator(value: &[u8], four_octet: bool) -> Result<(Asn, Ipv4Addr), Fault> {
    let mut reader = Reader::new(value);
    let asn = if four_octet { reader.u32() } else { reader.u16().map(u32::from) };
    match (asn, reader.array::<4>(), reader.is_empty()) {
        (Some(0), _, _) => Err(discard("AS 0 in AGGREGATOR")),
        (Some(asn), Some(address), true) => Ok((Asn(asn), address.into())),
        _ => Err(discard("AGGREGATOR has a wrong length")),
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

/// A list whose length must be a multiple of `N`, and not zero (RFC 7606 sections 7.8, 7.10, 7.14 and 7.15).
fn chunks<const N: usize>(value: &[u8]) -> Result<&[[u8; N]], Fault> {
    match value.as_chunks::<N>() {
        (chunks, []) if !chunks.is_empty() => Ok(chunks),
        _ => Err(withdraw("a list that is empty or of a wrong length")),
    }
}

fn large_community(bytes: &[u8; 12]) -> [u32; 3] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_be_bytes)
}

//! UPDATE decoded, with the verdicts of RFC 7606: what is malformed costs a route or an attribute, and the session only
//! where it is not known any more which routes are meant.
//!
//! ```text
//!   lengths ─▶ withdrawn prefixes, attributes, announced prefixes
//!                  attributes: frame ─▶ place ─▶ repeated? ─▶ flags ─▶ value          faults are collected
//!   mandatory attributes there? ─▶ the strongest fault decides ─▶ announced, or withdrawn instead
//! ```

use std::net::{IpAddr, Ipv6Addr};

use causeway_edge_types::Family;
use ipnet::IpNet;
use smallvec::{SmallVec, smallvec};

use super::attribute::{self, Framed};
use super::attribute_value::{Values, out_of_place};
use super::multiprotocol::{self, Reach, Unreach};
use super::{AttributeFault, Attributes, FaultAction, MessageError, SessionOptions, Update, prefix};
use crate::reader::Reader;

const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
const UNRECOGNIZED_WELL_KNOWN: u8 = 2;
const OPTIONAL_ATTRIBUTE_ERROR: u8 = 9;
const INVALID_NETWORK_FIELD: u8 = 10;

/// Decodes a body. Two UPDATEs come of one that announces with two next hops.
pub(crate) fn decode(body: &[u8], options: &SessionOptions) -> Result<SmallVec<[Update; 1]>, MessageError> {
    let mut reader = Reader::new(body);
    let too_long = || MessageError::update(MALFORMED_ATTRIBUTE_LIST, &[], "lengths that exceed the message");
    let withdrawn_bytes = sized(&mut reader).ok_or_else(too_long)?;
    let attribute_bytes = sized(&mut reader).ok_or_else(too_long)?;
    let announced_bytes = reader.rest();

    let mut walk = Walk::new(options);
    let withdrawn = walk.prefixes(withdrawn_bytes)?;
    let announced = walk.prefixes(announced_bytes)?;
    walk.attributes(attribute_bytes)?;
    let has_announced = !announced_bytes.is_empty();
    if let Some(family) = walk.end_of_rib(attribute_bytes, withdrawn_bytes.is_empty() && !has_announced) {
        return Ok(smallvec![Update { end_of_rib: Some(family), ..Update::default() }]);
    }
    walk.finish(withdrawn, announced, has_announced)
}

/// A field behind its two-byte length.
fn sized<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = reader.u16()?;
    reader.take(length.into())
}

/// What has been found on the way through one UPDATE.
struct Walk<'o> {
    options: &'o SessionOptions,
    values: Values,
    reach: Option<Reach>,
    unreach: Option<Unreach>,
    /// MP_REACH_NLRI is there, for whatever family.
    has_reach: bool,
    /// Which type codes have been seen.
    seen: [bool; 256],
    /// The attributes end in the middle of one.
    is_cut_off: bool,
    faults: Vec<AttributeFault>,
}

impl<'o> Walk<'o> {
    fn new(options: &'o SessionOptions) -> Walk<'o> {
        Walk {
            options,
            values: Values::default(),
            reach: None,
            unreach: None,
            has_reach: false,
            seen: [false; 256],
            is_cut_off: false,
            faults: Vec::new(),
        }
    }

    fn fault(&mut self, code: u8, action: FaultAction, reason: &'static str) {
        self.faults.push(AttributeFault { code, action, reason });
    }

    fn note_ignored(&mut self, code: u8, ignored: usize) {
        if ignored > 0 {
            self.fault(code, FaultAction::IgnorePrefix, "multicast prefixes in unicast routing");
        }
    }

    /// The message's own fields of prefixes.
    fn prefixes(&mut self, bytes: &[u8]) -> Result<Vec<IpNet>, MessageError> {
        let mut ignored = 0;
        let prefixes = prefix::decode_all(bytes, Family::Ipv4, &mut ignored)
            .map_err(|reason| MessageError::update(INVALID_NETWORK_FIELD, &[], reason))?;
        self.note_ignored(0, ignored);
        Ok(prefixes)
    }

    fn attributes(&mut self, bytes: &[u8]) -> Result<(), MessageError> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let rest = reader;
            let Some(framed) = Framed::read(&mut reader) else {
                // The length of all attributes still says where the prefixes begin (RFC 7606 section 4).
                self.is_cut_off = true;
                let code = rest.clone().take(2).map_or(0, |head| head[1]);
                self.fault(code, FaultAction::TreatAsWithdraw, "an attribute that is cut off");
                break;
            };
            self.attribute(framed)?;
        }
        Ok(())
    }

    fn attribute(&mut self, framed: Framed) -> Result<(), MessageError> {
        let Framed { flags, code, value } = framed;
        let is_multiprotocol = matches!(code, attribute::MP_REACH_NLRI | attribute::MP_UNREACH_NLRI);
        if std::mem::replace(&mut self.seen[usize::from(code)], true) {
            // RFC 7606 section 3 (g): the first one counts.
            if is_multiprotocol {
                let reason = "MP_REACH_NLRI or MP_UNREACH_NLRI twice";
                return Err(MessageError::update(MALFORMED_ATTRIBUTE_LIST, &[], reason));
            }
            self.fault(code, FaultAction::DiscardAttribute, "an attribute that was there before");
            return Ok(());
        }
        if let Some(reason) = out_of_place(code, self.options) {
            self.fault(code, FaultAction::DiscardAttribute, reason);
            return Ok(());
        }
        let known_flags = attribute::flags_of(code);
        let kind = flags & (attribute::OPTIONAL | attribute::TRANSITIVE);
        if known_flags.is_some_and(|known| known != kind) {
            self.fault(code, FaultAction::TreatAsWithdraw, "attribute flags that conflict with the type");
            // The prefixes to withdraw are still needed.
            return if is_multiprotocol { self.multiprotocol(framed) } else { Ok(()) };
        }
        if is_multiprotocol {
            return self.multiprotocol(framed);
        }
        if known_flags.is_none() && flags & attribute::OPTIONAL == 0 {
            let reason = "an unknown well-known attribute";
            return Err(MessageError::update(UNRECOGNIZED_WELL_KNOWN, &framed.quoted(), reason));
        }
        if known_flags.is_none() && flags & attribute::TRANSITIVE == 0 {
            // RFC 4271 section 5: quietly ignored.
            return Ok(());
        }
        if let Err((action, reason)) = self.values.take(code, flags, value, self.options) {
            self.fault(code, action, reason);
        }
        Ok(())
    }

    fn multiprotocol(&mut self, framed: Framed) -> Result<(), MessageError> {
        let mut ignored = 0;
        let error = |reason| MessageError::update(OPTIONAL_ATTRIBUTE_ERROR, &framed.quoted(), reason);
        let is_foreign = if framed.code == attribute::MP_REACH_NLRI {
            self.has_reach = true;
            self.reach = multiprotocol::decode_reach(framed.value, &mut ignored).map_err(error)?;
            self.reach.is_none()
        } else {
            self.unreach = multiprotocol::decode_unreach(framed.value, &mut ignored).map_err(error)?;
            self.unreach.is_none()
        };
        if is_foreign {
            self.fault(framed.code, FaultAction::DiscardAttribute, "an address family that we do not speak");
        }
        self.note_ignored(framed.code, ignored);
        Ok(())
    }

    /// An UPDATE with nothing in it, or with nothing but an empty MP_UNREACH_NLRI (RFC 4724 section 2).
    fn end_of_rib(&self, attribute_bytes: &[u8], is_otherwise_empty: bool) -> Option<Family> {
        let is_alone = is_otherwise_empty && self.faults.is_empty();
        match &self.unreach {
            None if is_alone && attribute_bytes.is_empty() => Some(Family::Ipv4),
            Some(unreach) if is_alone && !unreach.has_prefixes && !self.has_other_attributes() => Some(unreach.family),
            _ => None,
        }
    }

    fn has_other_attributes(&self) -> bool {
        (0u8..=255).any(|code| code != attribute::MP_UNREACH_NLRI && self.seen[usize::from(code)])
    }

    /// A well-known attribute that has to be there (RFC 7606 section 3 (d)). A malformed one counts as there: its fault
    /// says what became of it.
    fn require(&mut self, code: u8, reason: &'static str) {
        if !self.seen[usize::from(code)] {
            self.fault(code, FaultAction::TreatAsWithdraw, reason);
        }
    }

    fn require_host(&mut self, code: u8, next_hop: IpAddr) {
        if !multiprotocol::is_host(next_hop) {
            self.fault(code, FaultAction::TreatAsWithdraw, "a next hop that can't be a host");
        }
    }

    fn is_withdraw(&self) -> bool {
        self.faults.iter().any(|fault| fault.action == FaultAction::TreatAsWithdraw)
    }

    fn finish(
        mut self,
        mut withdrawn: Vec<IpNet>,
        announced: Vec<IpNet>,
        has_announced: bool,
    ) -> Result<SmallVec<[Update; 1]>, MessageError> {
        let has_reach = self.has_reach && self.reach.as_ref().is_none_or(|reach| reach.has_prefixes);
        if !has_announced && !has_reach && self.is_withdraw() && (self.is_cut_off || self.has_other_attributes()) {
            // RFC 7606 section 5.2: nothing says that the prefixes meant were found.
            let reason = "malformed attributes without a prefix";
            return Err(MessageError::update(MALFORMED_ATTRIBUTE_LIST, &[], reason));
        }
        if has_announced || has_reach {
            self.require(attribute::ORIGIN, "ORIGIN is missing");
            self.require(attribute::AS_PATH, "AS_PATH is missing");
        }
        if has_announced {
            self.require(attribute::NEXT_HOP, "NEXT_HOP is missing");
            if let Some(next_hop) = self.values.next_hop {
                self.require_host(attribute::NEXT_HOP, next_hop.into());
            }
        }
        let reach = self.reach.take();
        if let Some(reach) = reach.as_ref().filter(|reach| reach.has_prefixes) {
            self.require_host(attribute::MP_REACH_NLRI, reach.next_hop);
        }
        self.values.merge_four_octet();
        withdrawn.extend(self.unreach.take().map(|unreach| unreach.prefixes).unwrap_or_default());

        let mut updates: SmallVec<[Update; 1]> = SmallVec::new();
        let classic = (announced, self.values.next_hop.map(IpAddr::from), None);
        let multiprotocol = reach
            .map_or((vec![], None, None), |reach| (reach.prefixes, Some(reach.next_hop), reach.next_hop_link_local));
        let is_withdraw = self.is_withdraw();
        for (announced, next_hop, link_local) in [classic, multiprotocol] {
            let (false, Some(next_hop)) = (is_withdraw || announced.is_empty(), next_hop) else {
                withdrawn.extend(announced);
                continue;
            };
            // The second time is rare, so the values are moved the first time and copied then.
            let attributes = match updates.first().and_then(|first| first.attributes.clone()) {
                Some(attributes) => Some(Attributes { next_hop, next_hop_link_local: link_local, ..attributes }),
                None => attributes_of(std::mem::take(&mut self.values), next_hop, link_local),
            };
            match attributes {
                Some(_) => updates.push(Update { announced, attributes, ..Update::default() }),
                None => withdrawn.extend(announced),
            }
        }
        if updates.is_empty() {
            updates.push(Update::default());
        }
        // There is one at least.
        if let Some(first) = updates.first_mut() {
            first.withdrawn = withdrawn;
            first.faults = self.faults;
        }
        Ok(updates)
    }
}

/// The attributes of an announcement; nothing when a mandatory one is not there.
fn attributes_of(values: Values, next_hop: IpAddr, next_hop_link_local: Option<Ipv6Addr>) -> Option<Attributes> {
    Some(Attributes {
        origin: values.origin?,
        as_path: values.as_path?,
        next_hop,
        next_hop_link_local,
        med: values.med,
        local_pref: values.local_pref,
        atomic_aggregate: values.atomic_aggregate,
        aggregator: values.aggregator,
        communities: values.communities,
        extended_communities: values.extended_communities,
        large_communities: values.large_communities,
        unknown_transitive: values.unknown_transitive,
    })
}

//! MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760, RFC 2545 for IPv6 next hops), and the families by their numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use causeway_edge_types::Family;
use ipnet::IpNet;

use super::{attribute, prefix};
use crate::reader::Reader;

const AFI_IPV4: u16 = 1;
const AFI_IPV6: u16 = 2;
const SAFI_UNICAST: u8 = 1;

/// Which family these numbers are, if it is one that we speak.
pub(crate) fn family(afi: u16, safi: u8) -> Option<Family> {
    match (afi, safi) {
        (AFI_IPV4, SAFI_UNICAST) => Some(Family::Ipv4),
        (AFI_IPV6, SAFI_UNICAST) => Some(Family::Ipv6),
        _ => None,
    }
}

/// The numbers of a family.
pub(crate) fn afi_safi(family: Family) -> (u16, u8) {
    match family {
        Family::Ipv4 => (AFI_IPV4, SAFI_UNICAST),
        Family::Ipv6 => (AFI_IPV6, SAFI_UNICAST),
    }
}

/// What MP_REACH_NLRI says.
#[derive(Debug)]
pub(crate) struct Reach {
    pub next_hop: IpAddr,
    pub next_hop_link_local: Option<Ipv6Addr>,
    pub prefixes: Vec<IpNet>,
    /// It had prefixes, though all of them may have been ignored.
    pub has_prefixes: bool,
}

/// What MP_UNREACH_NLRI says.
#[derive(Debug)]
pub(crate) struct Unreach {
    pub family: Family,
    pub prefixes: Vec<IpNet>,
    /// It had prefixes, though all of them may have been ignored.
    pub has_prefixes: bool,
}

/// Reads MP_REACH_NLRI; nothing comes of a family that we do not speak. An error ends the session: where the prefixes
/// are, and so what to withdraw, is not known (RFC 7606 sections 5.3 and 7.11).
pub(crate) fn decode_reach(value: &[u8], ignored: &mut usize) -> Result<Option<Reach>, &'static str> {
    let mut reader = Reader::new(value);
    let (Some(afi), Some(safi), Some(next_hop_length)) = (reader.u16(), reader.u8(), reader.u8()) else {
        return Err("MP_REACH_NLRI is cut off before its next hop");
    };
    let Some(family) = family(afi, safi) else { return Ok(None) };
    let next_hop = reader.take(next_hop_length.into()).ok_or("MP_REACH_NLRI is cut off in its next hop")?;
    let (next_hop, next_hop_link_local) =
        decode_next_hop(next_hop, family).ok_or("MP_REACH_NLRI with a next hop of a wrong length")?;
    let _reserved = reader.u8().ok_or("MP_REACH_NLRI is cut off after its next hop")?;
    let bytes = reader.rest();
    let prefixes = prefix::decode_all(bytes, family, ignored)?;
    Ok(Some(Reach { next_hop, next_hop_link_local, prefixes, has_prefixes: !bytes.is_empty() }))
}

fn decode_next_hop(bytes: &[u8], family: Family) -> Option<(IpAddr, Option<Ipv6Addr>)> {
    let mut reader = Reader::new(bytes);
    match (family, bytes.len()) {
        (Family::Ipv4, 4) => Some((Ipv4Addr::from(reader.array::<4>()?).into(), None)),
        (Family::Ipv6, 16 | 32) => {
            let next_hop = Ipv6Addr::from(reader.array::<16>()?);
            // Some speakers repeat the global address here; only a link-local one says anything.
            let second = reader.array::<16>().map(Ipv6Addr::from).filter(Ipv6Addr::is_unicast_link_local);
            Some((next_hop.into(), second))
        }
        _ => None,
    }
}

/// Reads MP_UNREACH_NLRI; nothing comes of a family that we do not speak.
pub(crate) fn decode_unreach(value: &[u8], ignored: &mut usize) -> Result<Option<Unreach>, &'static str> {
    let mut reader = Reader::new(value);
    let (Some(afi), Some(safi)) = (reader.u16(), reader.u8()) else {
        return Err("MP_UNREACH_NLRI is cut off before its prefixes");
    };
    let Some(family) = family(afi, safi) else { return Ok(None) };
    let bytes = reader.rest();
    let prefixes = prefix::decode_all(bytes, family, ignored)?;
    Ok(Some(Unreach { family, prefixes, has_prefixes: !bytes.is_empty() }))
}

/// Whether an address can be a next hop at all: a host's, and not our own loopback (RFC 4271 section 6.3).
pub(crate) fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !matches!(address.octets()[0], 0 | 127 | 224..=255),
        IpAddr::V6(address) => {
            !address.is_unspecified()
                && !address.is_loopback()
                && !address.is_multicast()
                && address.to_ipv4_mapped().is_none()
        }
    }
}

/// Bytes that MP_REACH_NLRI takes beside its prefixes.
pub(crate) fn reach_overhead(next_hop_link_local: Option<Ipv6Addr>) -> usize {
    4 + 2 + 1 + 1 + if next_hop_link_local.is_some() { 32 } else { 16 } + 1
}

/// Bytes that MP_UNREACH_NLRI takes beside its prefixes.
pub(crate) const UNREACH_OVERHEAD: usize = 4 + 2 + 1;

/// Appends MP_REACH_NLRI for IPv6.
pub(crate) fn encode_reach(
    next_hop: Ipv6Addr,
    next_hop_link_local: Option<Ipv6Addr>,
    prefixes: &[IpNet],
    out: &mut Vec<u8>,
) {
    let length: usize = prefixes.iter().map(prefix::encoded_len).sum();
    attribute::encode_long_header(attribute::MP_REACH_NLRI, length + reach_overhead(next_hop_link_local) - 4, out);
    out.extend(AFI_IPV6.to_be_bytes());
    out.extend([SAFI_UNICAST, if next_hop_link_local.is_some() { 32 } else { 16 }]);
    out.extend(next_hop.octets());
    out.extend(next_hop_link_local.iter().flat_map(|address| address.octets()));
    out.push(0);
    prefixes.iter().for_each(|prefix| prefix::encode(prefix, out));
}

/// Appends MP_UNREACH_NLRI.
pub(crate) fn encode_unreach(family: Family, prefixes: &[IpNet], out: &mut Vec<u8>) {
    let (afi, safi) = afi_safi(family);
    let length: usize = prefixes.iter().map(prefix::encoded_len).sum();
    attribute::encode_long_header(attribute::MP_UNREACH_NLRI, length + UNREACH_OVERHEAD - 4, out);
    out.extend(afi.to_be_bytes());
    out.push(safi);
    prefixes.iter().for_each(|prefix| prefix::encode(prefix, out));
}

//! Prefixes as the wire has them: a length in bits and as many bytes as it needs (RFC 4271 section 4.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use causeway_edge_types::Family;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::reader::Reader;

/// Why a run of prefixes can't be read (RFC 7606 section 5.3). Where one ends is then unknown, so there is no way on.
pub(crate) type Unreadable = &'static str;

/// Reads prefixes until the bytes end. Bits after a prefix's length are cleared; multicast prefixes, which have no place
/// in unicast routing, are left out and counted (RFC 4271 section 6.3: ignored, not an error of the message).
pub(crate) fn decode_all(bytes: &[u8], family: Family, ignored: &mut usize) -> Result<Vec<IpNet>, Unreadable> {
    let mut prefixes = Vec::with_capacity(count(bytes, family)?);
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let prefix = decode(&mut reader, family)?;
        if is_multicast(&prefix) {
            *ignored += 1;
        } else {
            prefixes.push(prefix);
        }
    }
    Ok(prefixes)
}

/// How many prefixes there are; the walk over the lengths is cheaper than growing a vector.
fn count(bytes: &[u8], family: Family) -> Result<usize, Unreadable> {
    let mut reader = Reader::new(bytes);
    let mut count = 0;
    while !reader.is_empty() {
        decode(&mut reader, family)?;
        count += 1;
    }
    Ok(count)
}

fn decode(reader: &mut Reader, family: Family) -> Result<IpNet, Unreadable> {
    let length = reader.u8().ok_or("a prefix without a length")?;
    if length > bits(family) {
        return Err("a prefix longer than an address");
    }
    let bytes = reader.take(usize::from(length).div_ceil(8)).ok_or("a prefix that is cut off")?;
    let prefix = match family {
        Family::Ipv4 => Ipv4Net::new(Ipv4Addr::from(padded::<4>(bytes)), length).map(IpNet::V4),
        Family::Ipv6 => Ipv6Net::new(Ipv6Addr::from(padded::<16>(bytes)), length).map(IpNet::V6),
    };
    Ok(prefix.map_err(|_| "a prefix longer than an address")?.trunc())
}

fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut address = [0; N];
    for (to, from) in address.iter_mut().zip(bytes) {
        *to = *from;
    }
    address
}

fn bits(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 32,
        Family::Ipv6 => 128,
    }
}

fn is_multicast(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(prefix) => prefix.prefix_len() >= 4 && prefix.network().is_multicast(),
        IpNet::V6(prefix) => prefix.prefix_len() >= 8 && prefix.network().is_multicast(),
    }
}

/// How many bytes a prefix takes.
pub(crate) fn encoded_len(prefix: &IpNet) -> usize {
    1 + usize::from(prefix.prefix_len()).div_ceil(8)
}

/// Appends a prefix.
pub(crate) fn encode(prefix: &IpNet, out: &mut Vec<u8>) {
    out.push(prefix.prefix_len());
    let count = usize::from(prefix.prefix_len()).div_ceil(8);
    match prefix.network() {
        IpAddr::V4(address) => out.extend(address.octets().into_iter().take(count)),
        IpAddr::V6(address) => out.extend(address.octets().into_iter().take(count)),
    }
}

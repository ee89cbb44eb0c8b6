//! The subnets of a peering's links, out of a body.

use std::str::FromStr;

use causeway_model::{LinkSubnets, Problem};

use super::reader::Reader;

/// The two subnets below `at` (`properties.` or `properties.ipv6PeeringConfig.`). One that is given alone goes with the
/// old other; two that are absent are the old ones. A /29 (or a /125) given once is split in two by `split`.
pub fn link_subnets<N: FromStr + Copy>(
    read: &mut Reader<'_>,
    at: &str,
    form: &str,
    before: Option<LinkSubnets<N>>,
    split: impl Fn(N) -> Option<LinkSubnets<N>>,
) -> Option<LinkSubnets<N>> {
    let (one, other) = (format!("{at}primaryPeerAddressPrefix"), format!("{at}secondaryPeerAddressPrefix"));
    let problems = read.problems.len();
    let primary: Option<N> = read.parsed(&one, "InvalidPeerAddressPrefix", form);
    let secondary: Option<N> = read.parsed(&other, "InvalidPeerAddressPrefix", form);
    if read.problems.len() > problems {
        // There are subnets; that they can't be read has been said.
        read.blamed.push("properties.primaryPeerAddressPrefix");
        return None;
    }
    if let (Some(block), None, None) = (primary, secondary, before)
        && let Some(halves) = split(block)
    {
        return Some(halves);
    }
    match (primary.or(before.map(|old| old.primary)), secondary.or(before.map(|old| old.secondary))) {
        (Some(primary), Some(secondary)) => Some(LinkSubnets { primary, secondary }),
        (None, None) => None,
        (Some(_), None) => missing(read, &other),
        (None, Some(_)) => missing(read, &one),
    }
}

fn missing<N>(read: &mut Reader<'_>, path: &str) -> Option<LinkSubnets<N>> {
    read.problems.push(Problem::bad_request(
        "MissingRequiredProperty",
        path,
        format!("{path} is missing; each of the two links has a subnet of its own."),
    ));
    None
}

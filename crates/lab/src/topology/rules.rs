//! The rules of a topology's fields. What the API refuses is the API's to say; here are the rules that keep a lab from
//! being half made.

use causeway_model::PROVIDER_BANDWIDTHS_MBPS;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Network, PeeringOrder, Site};

/// Interface names are short and the fabric's subnet is a /24.
pub(super) const CUSTOMERS_MAX: usize = 50;
pub(super) const SITE_IPV4: &str = "must be an IPv4 prefix of /8 to /28 with no bits set after its length";
pub(super) const SITE_IPV6: &str = "must be an IPv6 prefix of /32 to /64 with no bits set after its length";
pub(super) const LINK_IPV4: &str = "must be a /30 (IPv4) with no bits set after its length";
pub(super) const LINK_IPV6: &str = "must be a /126 (IPv6) with no bits set after its length";
pub(super) const NETWORK_IPV4: &str = "must be an IPv4 prefix of /8 to /23 with no bits set after its length";
pub(super) const NETWORK_IPV6: &str = "must be an IPv6 prefix of /32 to /63 with no bits set after its length";

/// A prefix that stands in this crate.
pub(super) fn net4(text: &str) -> Ipv4Net {
    text.parse().expect("a prefix written here")
}

/// A prefix that stands in this crate.
pub(super) fn net6(text: &str) -> Ipv6Net {
    text.parse().expect("a prefix written here")
}

pub(super) fn is_net4(net: &Ipv4Net, from: u8, to: u8) -> bool {
    (from..=to).contains(&net.prefix_len()) && net.trunc() == *net
}

pub(super) fn is_net6(net: &Ipv6Net, from: u8, to: u8) -> bool {
    (from..=to).contains(&net.prefix_len()) && net.trunc() == *net
}

/// A word that names nodes and namespaces.
pub(super) fn word(text: &str) -> Result<String, String> {
    is_word(text).then(|| text.to_owned()).ok_or_else(|| WORD.to_owned())
}

/// The rule of [`is_word`].
pub(crate) const WORD: &str = "must be a word of 1 to 10 small letters and digits that begins with a letter";

/// Whether `text` may name a lab or a customer. No hyphen: `cw-a-` must not begin another lab's names.
pub(crate) fn is_word(text: &str) -> bool {
    (1..=10).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

/// A name that goes into the API's paths.
pub(super) fn resource_name(text: &str) -> Result<String, String> {
    let good = (1..=60).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c));
    let rule = "must be 1 to 60 letters, digits, blanks and -_. and begin with a letter or digit";
    good.then(|| text.to_owned()).ok_or_else(|| rule.to_owned())
}

/// A TCP MD5 key (fact 45).
pub(super) fn shared_key(text: &str) -> Result<String, String> {
    let good = (1..=25).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric());
    good.then(|| text.to_owned())
        .ok_or_else(|| format!("has {} characters; a key is 1 to 25 letters and digits", text.chars().count()))
}

pub(super) fn are_bandwidths(list: &[u32]) -> bool {
    !list.is_empty() && list.iter().all(|mbps| PROVIDER_BANDWIDTHS_MBPS.contains(mbps))
}

pub(super) fn bandwidths_rule() -> String {
    format!("must be a list out of {PROVIDER_BANDWIDTHS_MBPS:?}")
}

/// What of a customer's prefixes overlaps: site, links and network are apart.
pub(super) fn overlaps(site: &Site, peering: &PeeringOrder, network: &Network) -> Vec<String> {
    let all: [(&str, IpNet); 8] = [
        ("site.ipv4", site.ipv4.into()),
        ("site.ipv6", site.ipv6.into()),
        ("peering.primary_ipv4", peering.ipv4[0].into()),
        ("peering.secondary_ipv4", peering.ipv4[1].into()),
        ("peering.primary_ipv6", peering.ipv6[0].into()),
        ("peering.secondary_ipv6", peering.ipv6[1].into()),
        ("network.ipv4", network.ipv4.into()),
        ("network.ipv6", network.ipv6.into()),
    ];
    let mut out = Vec::new();
    for (index, (one, a)) in all.iter().enumerate() {
        for (other, b) in &all[index + 1..] {
            if a.contains(b) || b.contains(a) {
                out.push(format!("{one} {a} overlaps with {other} {b}; site, links and network must be apart"));
            }
        }
    }
    out
}

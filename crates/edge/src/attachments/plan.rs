//! What is to be done so that the kernel has the host interfaces that the configuration asks for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use causeway_edge_types::{Attachment, AttachmentId};
use ipnet::IpNet;

use crate::checksum::fnv1a;

/// A host interface as it is in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its namespace is there.
    pub has_namespace: bool,
    /// The data plane's end is there.
    pub has_edge_end: bool,
    /// Both ends are there, and they are each other's.
    pub is_joined: bool,
    /// The MTU of both ends; the smaller where they differ.
    pub mtu: u32,
    /// The kernel's end has this MAC address.
    pub mac: [u8; 6],
    /// Its addresses.
    pub addresses: BTreeSet<IpNet>,
    /// Its prefixes whose hosts are neighbours, beside those that addresses bring with them.
    pub on_link: BTreeSet<IpNet>,
}

/// One thing to do for one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Step {
    DeleteEdgeEnd,
    DeleteNamespace,
    CreateNamespace,
    /// Namespace settings; they are written again on every adoption, so that a newer version's settings hold.
    Settle,
    CreatePair {
        mtu: u32,
        mac: [u8; 6],
    },
    SetMtu(u32),
    RemoveOnLink(IpNet),
    RemoveAddress(IpNet),
    AddAddress(IpNet),
    AddOnLink(IpNet),
}

/// The steps from what was found to what is wanted, for each attachment by itself. Attachments with nothing to do are
/// left out; removals of attachments that are not wanted are included.
pub fn plan(
    edge_name: &str,
    wanted: &[Attachment],
    found: &BTreeMap<AttachmentId, Found>,
) -> BTreeMap<AttachmentId, Vec<Step>> {
    let mut out = BTreeMap::new();
    for attachment in wanted {
        let steps = steps_toward(edge_name, attachment, found.get(&attachment.id).unwrap_or(&Found::default()));
        if !steps.is_empty() {
            out.insert(attachment.id, steps);
        }
    }
    let kept: BTreeSet<AttachmentId> = wanted.iter().map(|attachment| attachment.id).collect();
    for (id, left_over) in found {
        if !kept.contains(id) {
            out.insert(*id, removal(left_over));
        }
    }
    out
}

fn steps_toward(edge_name: &str, wanted: &Attachment, found: &Found) -> Vec<Step> {
    let mac = host_mac(edge_name, wanted.id);
    let mtu = u32::from(wanted.mtu);
    let mut steps = Vec::new();
    let is_usable = found.has_namespace && found.is_joined && found.mac == mac;
    let (addresses, on_link) = if is_usable {
        if found.mtu != mtu {
            steps.push(Step::SetMtu(mtu));
        }
        (found.addresses.clone(), found.on_link.clone())
    } else {
        // A half of a pair is of no use: begin anew.
        steps.extend(removal(found));
        steps.extend([Step::CreateNamespace, Step::Settle, Step::CreatePair { mtu, mac }]);
        (BTreeSet::new(), BTreeSet::new())
    };
    let wanted_addresses: BTreeSet<IpNet> = wanted.addresses.iter().copied().collect();
    let wanted_on_link = on_link_routes(wanted);
    // A prefix may move from a route to an address or back: take away first, addresses last, give addresses first.
    steps.extend(on_link.difference(&wanted_on_link).map(|prefix| Step::RemoveOnLink(*prefix)));
    steps.extend(addresses.difference(&wanted_addresses).map(|address| Step::RemoveAddress(*address)));
    steps.extend(wanted_addresses.difference(&addresses).map(|address| Step::AddAddress(*address)));
    steps.extend(wanted_on_link.difference(&on_link).map(|prefix| Step::AddOnLink(*prefix)));
    steps
}

fn removal(found: &Found) -> Vec<Step> {
    let mut steps = Vec::new();
    if found.has_edge_end {
        steps.push(Step::DeleteEdgeEnd);
    }
    if found.has_namespace {
        steps.push(Step::DeleteNamespace);
    }
    steps
}

/// The on-link prefixes that need a route: those whose route does not come with an address.
fn on_link_routes(wanted: &Attachment) -> BTreeSet<IpNet> {
    let brought: BTreeSet<IpNet> = wanted.addresses.iter().map(IpNet::trunc).collect();
    wanted.on_link.iter().map(IpNet::trunc).filter(|prefix| !brought.contains(prefix)).collect()
}

/// The MAC address of the kernel's end: the same after every restart, so that no neighbour has to learn another, and
/// locally administered.
pub fn host_mac(edge_name: &str, id: AttachmentId) -> [u8; 6] {
    let hash = fnv1a(edge_name.bytes().chain([0]).chain(id.0.to_be_bytes()));
    let spread = (hash ^ (hash >> 40)).to_be_bytes();
    [0x02, spread[3], spread[4], spread[5], spread[6], spread[7]]
}

#[cfg(test)]
mod tests {
    use causeway_edge_types::{Encapsulation, Tags, VrfId};

    use super::*;

    fn attachment(id: u32, addresses: &[&str], on_link: &[&str]) -> Attachment {
        Attachment {
            id: AttachmentId(id),
            vrf: VrfId(1),
            encapsulation: Encapsulation::Port { port: "p0".into(), tags: Tags::default() },
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            on_link: on_link.iter().map(|a| a.parse().unwrap()).collect(),
            mtu: 1500,
            label: String::new(),
        }
    }

    fn found_as(wanted: &Attachment) -> Found {
        Found {
            has_namespace: true,
            has_edge_end: true,
            is_joined: true,
            mtu: u32::from(wanted.mtu),
            mac: host_mac("e1", wanted.id),
            addresses: wanted.addresses.iter().copied().collect(),
            on_link: on_link_routes(wanted),
        }
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn from_nothing_everything_is_made_in_order() {
        let wanted = attachment(7, &["192.0.2.1/30"], &["198.51.100.0/24"]);
        let mac = host_mac("e1", wanted.id);
        let steps = plan("e1", &[wanted], &BTreeMap::new());
        assert_eq!(
            steps[&AttachmentId(7)],
            [
                Step::CreateNamespace,
                Step::Settle,
                Step::CreatePair { mtu: 1500, mac },
                Step::AddAddress(net("192.0.2.1/30")),
                Step::AddOnLink(net("198.51.100.0/24")),
            ]
        );
    }

    #[test]
    fn what_is_as_wanted_is_not_touched() {
        let wanted = attachment(7, &["192.0.2.1/30", "2001:db8::1/126"], &["198.51.100.0/24"]);
        let found = BTreeMap::from([(wanted.id, found_as(&wanted))]);
        assert_eq!(plan("e1", &[wanted], &found), BTreeMap::new());
    }

    #[test]
    fn a_prefix_that_an_address_brings_needs_no_route() {
        let wanted = attachment(7, &["198.51.100.1/24"], &["198.51.100.0/24"]);
        let steps = plan("e1", &[wanted], &BTreeMap::new());
        assert!(!steps[&AttachmentId(7)].iter().any(|step| matches!(step, Step::AddOnLink(_))));
    }

    #[test]
    fn changes_are_made_in_place() {
        let before = attachment(7, &["192.0.2.1/30"], &["198.51.100.0/24"]);
        let mut after = attachment(7, &["192.0.2.5/30"], &["203.0.113.0/24"]);
        after.mtu = 9000;
        let found = BTreeMap::from([(before.id, found_as(&before))]);
        assert_eq!(
            plan("e1", &[after], &found)[&AttachmentId(7)],
            [
                Step::SetMtu(9000),
                Step::RemoveOnLink(net("198.51.100.0/24")),
                Step::RemoveAddress(net("192.0.2.1/30")),
                Step::AddAddress(net("192.0.2.5/30")),
                Step::AddOnLink(net("203.0.113.0/24")),
            ]
        );
    }

    #[test]
    fn what_is_not_wanted_any_more_goes_with_its_namespace() {
        let gone = attachment(7, &["192.0.2.1/30"], &[]);
        let found = BTreeMap::from([(gone.id, found_as(&gone))]);
        assert_eq!(plan("e1", &[], &found)[&AttachmentId(7)], [Step::DeleteEdgeEnd, Step::DeleteNamespace]);
    }

    #[test]
    fn half_a_pair_is_made_anew() {
        let wanted = attachment(7, &["192.0.2.1/30"], &[]);
        let half = Found { has_edge_end: false, is_joined: false, ..found_as(&wanted) };
        let steps = plan("e1", &[wanted], &BTreeMap::from([(AttachmentId(7), half)]));
        assert_eq!(steps[&AttachmentId(7)][..2], [Step::DeleteNamespace, Step::CreateNamespace]);
    }

    #[test]
    fn mac_addresses_are_local_unicast_and_differ() {
        let mut seen = BTreeSet::new();
        for edge in ["e1", "e2", "gw-1"] {
            for id in 1..2000 {
                let mac = host_mac(edge, AttachmentId(id));
                assert_eq!(mac[0] & 0b11, 0b10, "locally administered, unicast");
                assert!(seen.insert(mac), "{mac:?} given twice");
            }
        }
    }
}

//! What can be wrong with an [`EdgeConfig`] as a document, all of it at once.

use std::collections::BTreeMap;

use crate::{Attachment, AttachmentId, EdgeConfig, Encapsulation, PeerConfig, Problem, Tags, VrfId};

pub(crate) fn problems(config: &EdgeConfig) -> Vec<Problem> {
    let mut out = Vec::new();
    let mut vrfs: BTreeMap<VrfId, ()> = BTreeMap::new();
    for vrf in &config.vrfs {
        number(&mut out, "vrf", vrf.id.0);
        if vrfs.insert(vrf.id, ()).is_some() {
            out.push(Problem::new("DuplicateVrf", format!("vrf {}", vrf.id), format!("VRF {} is given twice", vrf.id)));
        }
    }
    let mut attachments: BTreeMap<AttachmentId, Option<&Attachment>> = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut take = |out: &mut Vec<Problem>, id: AttachmentId, place: String| {
        if let Some(other) = places.insert(place.clone(), id) {
            let message = format!("{place} is used by {other} and by {id}: one place has one owner");
            out.push(Problem::new("DuplicatePlace", format!("attachment {id}"), message));
        }
    };
    for attachment in &config.attachments {
        let target = format!("attachment {}", attachment.id);
        number(&mut out, "attachment", attachment.id.0);
        if attachments.insert(attachment.id, Some(attachment)).is_some() {
            out.push(Problem::new("DuplicateAttachment", &target, format!("{target} is given twice")));
        }
        if !vrfs.contains_key(&attachment.vrf) {
            let message = format!("{target} is in VRF {}, which is not configured", attachment.vrf);
            out.push(Problem::new("UnknownVrf", &target, message));
        }
        match &attachment.encapsulation {
            Encapsulation::Port { port, tags } => {
                check_tags(&mut out, &target, tags);
                take(&mut out, attachment.id, place(&port.0, tags));
            }
            Encapsulation::Vxlan { vni, local, remote } => {
                if vni.0 == 0 || vni.0 > 0xff_ffff {
                    let message = format!("VNI {vni} is not in 1 to 16777215 (RFC 7348)");
                    out.push(Problem::new("BadVni", &target, message));
                }
                if local.is_ipv4() != remote.is_ipv4() {
                    let message = format!("the tunnel's ends {local} and {remote} are of different families");
                    out.push(Problem::new("BadTunnel", &target, message));
                }
                take(&mut out, attachment.id, format!("VNI {vni} from {remote}"));
            }
        }
    }
    for cross in &config.cross_connects {
        let target = format!("cross-connect {}", cross.id);
        for id in [cross.id, cross.reverse_id] {
            number(&mut out, "cross-connect", id.0);
            if attachments.insert(id, None).is_some() {
                out.push(Problem::new("DuplicateAttachment", &target, format!("number {id} is used twice")));
            }
        }
        for side in [&cross.access, &cross.uplink] {
            check_tags(&mut out, &target, &side.tags);
            take(&mut out, cross.id, place(&side.port.0, &side.tags));
        }
    }
    for vrf in &config.vrfs {
        let mut seen = BTreeMap::new();
        for peer in &vrf.peers {
            if seen.insert(peer.id, ()).is_some() {
                let target = format!("peer {}", peer.id);
                out.push(Problem::new("DuplicatePeer", &target, format!("{target} is given twice")));
            }
            check_peer(&mut out, vrf.id, peer, &attachments);
        }
    }
    out
}

fn number(out: &mut Vec<Problem>, what: &str, number: u32) {
    if number == 0 || number > 65_535 {
        let message = format!("{what} number {number} is not in 1 to 65535");
        out.push(Problem::new("BadNumber", format!("{what} {number}"), message));
    }
}

fn check_tags(out: &mut Vec<Problem>, target: &str, tags: &Tags) {
    for tag in [tags.s_tag, tags.c_tag].into_iter().flatten() {
        if tag == 0 || tag > 4094 {
            out.push(Problem::new("BadTag", target, format!("tag {tag} is not in 1 to 4094 (IEEE 802.1Q)")));
        }
    }
    if tags.s_tag.is_some() && tags.c_tag.is_none() {
        out.push(Problem::new("BadTag", target, "an S-tag needs a C-tag inside it"));
    }
}

fn check_peer(
    out: &mut Vec<Problem>,
    vrf: VrfId,
    peer: &PeerConfig,
    attachments: &BTreeMap<AttachmentId, Option<&Attachment>>,
) {
    let target = format!("peer {}", peer.id);
    match attachments.get(&peer.id.attachment).copied().flatten() {
        Some(attachment) if attachment.vrf == vrf => {
            if !attachment.addresses.iter().any(|own| own.addr() == peer.local_address) {
                let message = format!("{} is not an address of attachment {}", peer.local_address, attachment.id);
                out.push(Problem::new("UnknownAddress", &target, message));
            }
        }
        Some(attachment) => {
            let message = format!("its attachment is in VRF {}, it is in VRF {vrf}", attachment.vrf);
            out.push(Problem::new("WrongVrf", &target, message));
        }
        None => out.push(Problem::new("UnknownAttachment", &target, "its attachment is not configured")),
    }
    if peer.local_address.is_ipv4() != peer.id.address.is_ipv4() {
        let message = format!("{} and {} are of different families", peer.local_address, peer.id.address);
        out.push(Problem::new("BadPeer", &target, message));
    }
    if matches!(peer.hold_time_s, 1 | 2) {
        let message = format!("hold time {} s is neither 0 nor at least 3 (RFC 4271 section 4.2)", peer.hold_time_s);
        out.push(Problem::new("BadHoldTime", &target, message));
    }
    if let Some(bfd) = peer.bfd
        && (bfd.detect_mult == 0 || bfd.min_tx_ms == 0 || bfd.min_rx_ms == 0)
    {
        out.push(Problem::new("BadBfd", &target, "BFD intervals and the multiplier are at least 1"));
    }
}

fn place(port: &str, tags: &Tags) -> String {
    format!("port {port} S-tag {:?} C-tag {:?}", tags.s_tag.unwrap_or(0), tags.c_tag.unwrap_or(0))
}

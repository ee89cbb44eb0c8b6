//! Configurations for tests, short to write.

use std::net::Ipv4Addr;

use causeway_edge_types::{
    Asn, Attachment, AttachmentId, BfdConfig, EdgeConfig, EdgeId, Encapsulation, ExportPolicy, ImportPolicy,
    PeerConfig, PeerId, PortName, Side, Tags, VrfConfig, VrfId,
};
use ipnet::IpNet;

pub fn prefix(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

/// The `index`th of many distinct prefixes.
pub fn numbered(index: u32) -> IpNet {
    IpNet::new(Ipv4Addr::from(0x0a00_0000 + index * 256).into(), 24).expect("a prefix")
}

pub fn peer_id(attachment: u32, address: &str) -> PeerId {
    PeerId { attachment: AttachmentId(attachment), address: address.parse().expect("an address") }
}

pub fn edge(name: &str, last: u8) -> EdgeConfig {
    EdgeConfig::empty(EdgeId::from(name), Ipv4Addr::new(192, 0, 2, last))
}

pub fn vrf(id: u32, asn: u32) -> VrfConfig {
    VrfConfig { id: VrfId(id), local_asn: Asn(asn), route_limit: 100_000, originate: vec![], peers: vec![] }
}

/// An attachment on a port of its own, `p<id>`, with our address and its subnet.
pub fn attachment(id: u32, vrf: u32, addresses: &[&str]) -> Attachment {
    let port = PortName(format!("p{id}"));
    Attachment {
        id: AttachmentId(id),
        vrf: VrfId(vrf),
        encapsulation: Encapsulation::Port { port, tags: Tags::default() },
        addresses: addresses.iter().map(|own| prefix(own)).collect(),
        on_link: vec![],
        mtu: 1500,
        label: String::new(),
    }
}

pub fn peer(id: PeerId, local: &str, remote_asn: u32, side: Side) -> PeerConfig {
    PeerConfig {
        id,
        local_address: local.parse().expect("an address"),
        remote_asn: Asn(remote_asn),
        side,
        passive: false,
        md5_key: None,
        hold_time_s: 9,
        bfd: None,
        restart_time_s: 30,
        import: ImportPolicy {
            max_prefixes: 100_000,
            refuse_overlap: vec![],
            accept_default: true,
            enforce_first_as: true,
            weight: 0,
        },
        export: ExportPolicy { learned_from: vec![Side::Access, Side::Fabric], ..ExportPolicy::default() },
        path_beyond: vec![],
    }
}

pub const BFD: BfdConfig = BfdConfig { min_tx_ms: 300, min_rx_ms: 300, detect_mult: 3 };

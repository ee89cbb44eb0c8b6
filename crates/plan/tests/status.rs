//! What a customer sees, from the statuses that nodes would send for `golden/connected`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use causeway_edge_types::*;
use causeway_model::{
    Circuit, Gateway, GatewayConnection, Link, PeeringKind, ProviderState, ProvisioningState, Snapshot,
};
use causeway_plan::status::{
    ArpSide, ConnectionStatus, GatewayPeerState, Observed, RouteOrigin, RouteSummaryEntry, Traffic, up_down,
};
use causeway_plan::{allocate, edge_configs};

const KIND: PeeringKind = PeeringKind::AzurePrivatePeering;

fn load(case: &str) -> Snapshot {
    let path = format!("{}/tests/golden/{case}/snapshot.json", env!("CARGO_MANIFEST_DIR"));
    let mut snapshot: Snapshot = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    snapshot.allocations = allocate(&snapshot).unwrap();
    snapshot
}

fn only<T>(map: &BTreeMap<String, T>) -> &T {
    assert_eq!(map.len(), 1);
    map.values().next().unwrap()
}

fn circuit(snapshot: &Snapshot) -> &Circuit {
    only(&snapshot.circuits)
}

fn gateway(snapshot: &Snapshot) -> &Gateway {
    only(&snapshot.gateways)
}

fn connection(snapshot: &Snapshot) -> &GatewayConnection {
    only(&snapshot.connections)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// What each node says when it has done what it was told and every session is in `state`.
fn statuses(snapshot: &Snapshot, state: BgpState) -> BTreeMap<EdgeId, EdgeStatus> {
    let status = |config: &EdgeConfig| {
        let peers = config.vrfs.iter().flat_map(|vrf| vrf.peers.iter().map(move |peer| (vrf, peer)));
        let peers = peers.map(|(vrf, peer)| PeerStatus {
            vrf: vrf.id,
            id: peer.id,
            side: peer.side,
            remote_asn: peer.remote_asn,
            state,
            in_state_ms: 753_000,
            bfd: Some(BfdState::Up),
            prefixes_accepted: 5,
            prefixes_filtered: 1,
            prefixes_advertised: 2,
            messages_received: 11,
            messages_sent: 12,
            last_error: String::new(),
        });
        let counters = config.attachments.iter().map(|attachment| AttachmentCounters {
            attachment: attachment.id,
            packets_in: 1,
            bytes_in: 10 + u64::from(attachment.id.0),
            packets_out: 2,
            bytes_out: 20 + u64::from(attachment.id.0),
            packets_to_host: 0,
        });
        let routes = config.vrfs.iter().flat_map(|vrf| {
            let own = vrf.originate.iter().map(|prefix| RouteStatus {
                vrf: vrf.id,
                prefix: *prefix,
                next_hops: vec![],
                as_path: String::new(),
                learned_from: None,
                weight: 0,
            });
            let hops: Vec<PeerId> =
                vrf.peers.iter().map(|peer| peer.id).filter(|peer| peer.address.is_ipv4()).collect();
            own.chain((!hops.is_empty()).then(|| RouteStatus {
                vrf: vrf.id,
                prefix: "192.0.2.128/25".parse().unwrap(),
                learned_from: hops.first().copied(),
                next_hops: hops,
                as_path: "64500".into(),
                weight: 10,
            }))
        });
        EdgeStatus {
            edge: config.edge.clone(),
            boot_id: "b".into(),
            observed_generation: 1,
            problems: vec![],
            ports: vec![],
            peers: peers.collect(),
            counters: counters.collect(),
            drops: vec![],
            neighbors: vec![],
            routes: routes.collect(),
            routes_truncated: false,
        }
    };
    edge_configs(snapshot).configs.values().map(|config| (config.edge.clone(), status(config))).collect()
}

#[test]
fn a_link_shows_its_edge_its_sessions_and_its_bytes() {
    let snapshot = load("connected");
    let statuses = statuses(&snapshot, BgpState::Established);
    let observed = Observed::new(&snapshot, &statuses);
    let link = observed.peering_link(circuit(&snapshot), KIND, Link::Secondary).unwrap();
    assert_eq!((link.edge.0.as_str(), link.port.as_str(), link.is_reported), ("edge2", "prov0", true));
    let sessions: Vec<_> =
        link.sessions.iter().map(|one| (one.cloud_address, one.customer_address, one.state)).collect();
    let established = BgpState::Established;
    assert_eq!(
        sessions,
        [
            (address("192.0.2.69"), address("192.0.2.70"), established),
            (address("2001:db8:0:1::5"), address("2001:db8:0:1::6"), established)
        ]
    );
    assert_eq!(link.sessions[0].bfd, Some(BfdState::Up));
    assert_eq!((link.traffic.bytes_in, link.traffic.bytes_out), (11, 21), "the tunnels' bytes are not the customer's");
    let whole = observed.traffic(circuit(&snapshot), None);
    assert_eq!((whole.primary.bytes_in, whole.secondary.bytes_out), (11, 21));
    assert_eq!(observed.port_name(circuit(&snapshot), Link::Primary).unwrap(), "edge1/prov0");
}

#[test]
fn an_edge_that_has_not_spoken_is_shown_as_idle() {
    let snapshot = load("connected");
    let none: BTreeMap<EdgeId, EdgeStatus> = BTreeMap::new();
    let observed = Observed::new(&snapshot, &none);
    let link = observed.peering_link(circuit(&snapshot), KIND, Link::Primary).unwrap();
    assert!(!link.is_reported);
    assert!(link.sessions.iter().all(|session| session.state == BgpState::Idle));
    assert_eq!(observed.routes_summary(circuit(&snapshot), KIND, Link::Primary), vec![]);
    assert_eq!(observed.connection_status(connection(&snapshot)), ConnectionStatus::Unknown);
}

#[test]
fn tables_of_a_link() {
    let snapshot = load("connected");
    let mut statuses = statuses(&snapshot, BgpState::Established);
    let neighbor = |attachment, of: &str, mac: &str| NeighborStatus {
        attachment: AttachmentId(attachment),
        address: address(of),
        mac: mac.into(),
    };
    statuses.get_mut(&"edge1".into()).unwrap().neighbors = vec![
        neighbor(2, "192.0.2.66", "00:00:5e:00:53:99"),
        neighbor(1, "192.0.2.66", "00:00:5e:00:53:01"),
        neighbor(1, "192.0.2.65", "00:00:5e:00:53:02"),
        neighbor(1, "2001:db8:0:1::2", ""),
    ];
    let observed = Observed::new(&snapshot, &statuses);
    let circuit = circuit(&snapshot);
    let arp: Vec<_> = observed
        .arp_table(circuit, KIND, Link::Primary)
        .into_iter()
        .map(|row| (row.side, row.address, row.mac))
        .collect();
    assert_eq!(
        arp,
        [
            (ArpSide::OnPrem, address("192.0.2.66"), Some("00:00:5e:00:53:01".into())),
            (ArpSide::Microsoft, address("192.0.2.65"), Some("00:00:5e:00:53:02".into())),
            (ArpSide::OnPrem, address("2001:db8:0:1::2"), None),
        ],
        "another attachment's neighbour is not shown, one that is not resolved is"
    );
    let routes = observed.routes_table(circuit, KIND, Link::Primary);
    let hops: Vec<_> = routes.iter().map(|row| row.next_hop.unwrap().to_string()).collect();
    assert_eq!(hops, ["192.0.2.66", "169.254.128.18", "169.254.128.22"], "one row for each next hop");
    assert_eq!((routes[0].path.as_str(), routes[0].weight), ("64500", 10));
    let summary = observed.routes_summary(circuit, KIND, Link::Primary);
    let first = RouteSummaryEntry {
        neighbor: address("192.0.2.66"),
        version: 4,
        asn: 64_500,
        up_down: "00:12:33".into(),
        state_or_prefixes: "6".into(),
    };
    assert_eq!((summary.len(), &summary[0]), (2, &first));
}

#[test]
fn a_session_that_is_not_up_shows_its_state() {
    let snapshot = load("connected");
    let statuses = statuses(&snapshot, BgpState::Active);
    let observed = Observed::new(&snapshot, &statuses);
    assert_eq!(observed.routes_summary(circuit(&snapshot), KIND, Link::Primary)[0].state_or_prefixes, "Active");
    assert_eq!(observed.connection_status(connection(&snapshot)), ConnectionStatus::Connecting);
    let peers = observed.gateway_peers(gateway(&snapshot));
    assert!(peers.iter().all(|peer| peer.state == GatewayPeerState::Connecting && peer.connected_ms == 0));
    assert_eq!(observed.gateway_advertised_routes(gateway(&snapshot), peers[0].neighbor), vec![]);
}

#[test]
fn a_gateway_shows_its_peers_and_routes() {
    let snapshot = load("connected");
    let statuses = statuses(&snapshot, BgpState::Established);
    let observed = Observed::new(&snapshot, &statuses);
    let peers = observed.gateway_peers(gateway(&snapshot));
    assert_eq!(peers.len(), 8, "two instances, two edges, two families");
    assert_eq!((peers[0].local_address, peers[0].asn), (Some(address("203.0.113.228")), 12_076));
    assert_eq!((peers[0].state, peers[0].connected_ms), (GatewayPeerState::Connected, 753_000));
    let learned = observed.gateway_learned_routes(gateway(&snapshot));
    let of_first: Vec<_> = learned.iter().filter(|row| row.local_address == Some(address("203.0.113.228"))).collect();
    let origins: Vec<_> = of_first.iter().map(|row| (row.network.to_string(), row.origin)).collect();
    assert_eq!(
        origins,
        [
            ("203.0.113.0/24".into(), RouteOrigin::Network),
            ("192.0.2.128/25".into(), RouteOrigin::EBgp),
            ("192.0.2.128/25".into(), RouteOrigin::EBgp)
        ]
    );
    let told = observed.gateway_advertised_routes(gateway(&snapshot), address("169.254.128.17"));
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].network.to_string(), told[0].as_path.as_str()), ("203.0.113.0/24".into(), "65515"));
    assert_eq!(observed.connection_status(connection(&snapshot)), ConnectionStatus::Connected);
    let traffic = observed.connection_traffic(connection(&snapshot));
    assert_eq!(traffic, Traffic { packets_in: 4, bytes_in: 46, packets_out: 8, bytes_out: 86 });
}

#[test]
fn what_is_not_live_is_not_shown() {
    let mut snapshot = load("connected");
    let statuses = statuses(&snapshot, BgpState::Established);
    for circuit in snapshot.circuits.values_mut() {
        circuit.cross_connection.state = ProviderState::NotProvisioned;
    }
    let observed = Observed::new(&snapshot, &statuses);
    assert_eq!(observed.peering_link(circuit(&snapshot), KIND, Link::Primary), None);
    assert_eq!(observed.routes_table(circuit(&snapshot), KIND, Link::Primary), vec![]);
    assert_eq!(observed.arp_table(circuit(&snapshot), KIND, Link::Primary), vec![]);
    assert_eq!(observed.connection_status(connection(&snapshot)), ConnectionStatus::NotConnected);
}

#[test]
fn a_connection_that_failed_is_not_connected() {
    let mut snapshot = load("connected");
    for connection in snapshot.connections.values_mut() {
        connection.provisioning_state = ProvisioningState::Failed;
    }
    let statuses = statuses(&snapshot, BgpState::Established);
    let observed = Observed::new(&snapshot, &statuses);
    assert_eq!(observed.connection_status(connection(&snapshot)), ConnectionStatus::NotConnected);
    assert_eq!(observed.gateway_peers(gateway(&snapshot)), vec![]);
}

#[test]
fn a_change_concerns_its_nodes_and_no_others() {
    let snapshot = load("same-addresses");
    let none: BTreeMap<EdgeId, EdgeStatus> = BTreeMap::new();
    let observed = Observed::new(&snapshot, &none);
    let names = |nodes: Vec<EdgeId>| nodes.into_iter().map(|node| node.0).collect::<Vec<_>>();
    let first = snapshot.circuits.values().next().unwrap();
    assert_eq!(names(observed.nodes_of_circuit(first)), ["edge1", "edge2", "gw1-0", "gw1-1", "xc1"]);
    let second = snapshot.connections.values().last().unwrap();
    assert_eq!(names(observed.nodes_of_connection(second)), ["edge1", "edge2", "gw2-0", "gw2-1", "xc1"]);
    let gateway = snapshot.gateways.values().last().unwrap();
    assert_eq!(names(observed.nodes_of_gateway(gateway)), ["gw2-0", "gw2-1"]);
}

#[test]
fn ages() {
    let hours = 3_600_000;
    assert_eq!(up_down(0), "00:00:00");
    assert_eq!(up_down(23 * hours + 59 * 60_000 + 59_999), "23:59:59");
    assert_eq!(up_down(3 * 24 * hours + 4 * hours), "3d04h");
    assert_eq!(up_down((8 * 7 + 4) * 24 * hours), "8w4d");
}

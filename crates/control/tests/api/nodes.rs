//! Nodes and control: statuses become tables, and of a pair one is changed at a time.

use std::time::{Duration, Instant};

use causeway_client::Client;
use causeway_edge_types::{
    AttachmentCounters, BgpState, EdgeConfig, EdgeId, EdgeStatus, NeighborStatus, PeerId, PeerStatus, RouteStatus, Side,
};
use serde_json::json;

use crate::common::Server;
use crate::story::{circuit_body, peering_body};

/// A node that applies whatever it is given, when it is told to.
struct Node {
    client: Client,
    name: &'static str,
    config: EdgeConfig,
}

impl Node {
    fn new(server: &Server, name: &'static str) -> Node {
        let path = format!("/providers/Causeway.Fabric/nodes/{name}/credentials");
        let client = server.client(&server.operator.post(&path, None).expect("credentials"));
        let config = client.next_config(name, 0, Duration::from_secs(10)).expect("answered").expect("a configuration");
        let mut node = Node { client, name, config };
        node.apply(node.config.clone());
        node
    }

    fn next(&self, wait: Duration) -> Option<EdgeConfig> {
        self.client.next_config(self.name, self.config.generation, wait).expect("answered")
    }

    fn apply(&mut self, config: EdgeConfig) {
        self.config = config;
        let status = self.status();
        self.client.report(&status).expect("heard");
    }

    fn status(&self) -> EdgeStatus {
        EdgeStatus {
            edge: EdgeId::from(self.name),
            boot_id: "boot".into(),
            observed_generation: self.config.generation,
            problems: vec![],
            ports: vec![],
            peers: vec![],
            counters: vec![],
            drops: vec![],
            neighbors: vec![],
            routes: vec![],
            routes_truncated: false,
        }
    }
}

/// A provisioned circuit with a private peering; the circuit's path.
fn provisioned(server: &Server) -> String {
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let ordered = server.customer.put(&circuit, &circuit_body()).expect("ordered");
    server.customer.put(&format!("{circuit}/peerings/AzurePrivatePeering"), &peering_body()).expect("peered");
    let key = ordered["properties"]["serviceKey"].as_str().expect("a key");
    let cross = format!(
        "/subscriptions/{}/resourceGroups/CrossConnection-Area51/providers/Microsoft.Network/expressRouteCrossConnections/{key}",
        server.file.subscription
    );
    server
        .provider
        .put(&cross, &json!({"properties": {"serviceProviderProvisioningState": "Provisioned"}}))
        .expect("provisioned");
    circuit
}

#[test]
fn what_is_new_reaches_both_of_a_pair_at_once_and_what_changes_one_after_the_other() {
    let server = Server::with_fabric();
    let mut edges = [Node::new(&server, "edge1"), Node::new(&server, "edge2")];
    let started = Instant::now();
    let circuit = provisioned(&server);
    for edge in &mut edges {
        let config = edge.next(Duration::from_secs(10)).expect("a configuration");
        assert_eq!(config.vrfs.len(), 1);
        edge.config = config;
    }
    assert!(started.elapsed() < Duration::from_millis(1_500), "neither waits for the other: {:?}", started.elapsed());
    for edge in &mut edges {
        edge.apply(edge.config.clone());
    }

    // A change of what carries traffic: the second's comes only when the first has applied its own.
    let peering = format!("{circuit}/peerings/AzurePrivatePeering");
    server.customer.put(&peering, &json!({"properties": {"vlanId": 200}})).expect("changed");
    let [first, second] = &mut edges;
    let changed = first.next(Duration::from_secs(10)).expect("the first's change");
    assert_eq!(second.next(Duration::from_secs(1)), None, "the second waits");
    first.apply(changed);
    let changed = second.next(Duration::from_secs(10)).expect("the second's change");
    second.apply(changed);

    // A first that does not answer keeps the second waiting for a while only.
    server.customer.put(&peering, &json!({"properties": {"vlanId": 300}})).expect("changed");
    assert!(first.next(Duration::from_secs(10)).is_some());
    assert!(second.next(Duration::from_secs(10)).is_some());
}

#[test]
fn what_an_edge_sees_is_what_its_customer_is_shown() {
    let server = Server::with_fabric();
    let mut edge = Node::new(&server, "edge1");
    let circuit = provisioned(&server);
    let config = edge.next(Duration::from_secs(10)).expect("a configuration");
    let (vrf, attachment) = (config.vrfs[0].id, config.attachments[0].id);
    let peer = config.vrfs[0].peers[0].id;
    edge.config = config;
    let mut status = edge.status();
    status.peers = vec![PeerStatus {
        vrf,
        id: peer,
        side: Side::Access,
        remote_asn: causeway_edge_types::Asn(10001),
        state: BgpState::Established,
        in_state_ms: 65_000,
        bfd: None,
        prefixes_accepted: 3,
        prefixes_filtered: 0,
        prefixes_advertised: 1,
        messages_received: 9,
        messages_sent: 8,
        last_error: String::new(),
    }];
    status.neighbors = vec![NeighborStatus { attachment, address: peer.address, mac: "02:00:00:00:00:01".into() }];
    status.counters = vec![AttachmentCounters { attachment, bytes_in: 1_000, bytes_out: 2_000, ..Default::default() }];
    status.routes = vec![RouteStatus {
        vrf,
        prefix: "192.0.2.0/24".parse().expect("a prefix"),
        next_hops: vec![PeerId { attachment, address: peer.address }],
        as_path: "10001".into(),
        learned_from: Some(peer),
        weight: 0,
    }];
    edge.client.report(&status).expect("heard");

    let peering = format!("{circuit}/peerings/AzurePrivatePeering");
    let table = |path: &str| server.customer.post(&format!("{peering}/{path}"), None).expect(path);
    assert_eq!(table("arpTables/primary")["value"][0]["macAddress"], "02:00:00:00:00:01");
    assert_eq!(table("arpTables/primary")["value"][0]["interface"], "On-Prem");
    assert_eq!(table("routeTables/primary")["value"][0]["network"], "192.0.2.0/24");
    let summary = table("routeTablesSummary/primary");
    assert_eq!(
        summary["value"][0],
        json!({"neighbor": "102.0.0.2", "v": 4, "as": 10001, "upDown": "00:01:05", "statePfxRcd": "3"})
    );
    assert_eq!(table("arpTables/secondary"), json!({"value": []}));
    let stats = server.customer.get(&format!("{circuit}/stats")).expect("stats");
    assert_eq!((&stats["primaryBytesIn"], &stats["primaryBytesOut"]), (&json!(1_000), &json!(2_000)));
    let nodes = server.operator.get("/providers/Causeway.Fabric/nodes").expect("nodes");
    assert_eq!(nodes["value"][0]["observedGeneration"], nodes["value"][0]["wantedGeneration"]);
    assert!(nodes["value"][1]["lastSeenS"].is_null());
    let seen = server.operator.get("/providers/Causeway.Fabric/nodes/edge1/status").expect("a status");
    assert_eq!(seen["boot_id"], "boot");
}

#[test]
fn a_node_that_is_ahead_of_control_is_given_a_higher_generation() {
    let server = Server::with_fabric();
    let edge = Node::new(&server, "edge1");
    let config = edge.client.next_config("edge1", 41, Duration::from_secs(10)).expect("answered").expect("newer");
    assert_eq!(config.generation, 42);
}

//! Bad input: each is refused with an error that names the field, the value and the rule, and changes nothing.

use std::time::Duration;

use causeway_client::ApiError;
use serde_json::{Value, json};

use crate::common::{Server, refused};
use crate::story::{circuit_body, connection_body, gateway_body, network_body, peering_body};

/// A body with one field changed.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is not there")) = value;
    body
}

/// What an error says, on its own or in its details.
fn says(error: &ApiError, code: &str, words: &[&str]) {
    let messages: Vec<&str> = std::iter::once((error.code.as_str(), error.message.as_str()))
        .chain(error.details.iter().map(|detail| (detail.code.as_str(), detail.message.as_str())))
        .filter(|(found, _)| *found == code)
        .map(|(_, message)| message)
        .collect();
    assert!(!messages.is_empty(), "no {code} in {error}");
    for word in words {
        assert!(messages.iter().any(|message| message.contains(word)), "no '{word}' in {messages:?}");
    }
}

#[test]
fn a_bad_order_is_refused_with_every_problem_and_nothing_is_made() {
    let server = Server::with_fabric();
    let circuits = format!("{}/expressRouteCircuits", server.network());
    let circuit = format!("{circuits}/circuit1");
    let put = |body: Value| refused(server.customer.put(&circuit, &body));
    let of = "/properties/serviceProviderProperties";

    let provider = put(with(circuit_body(), &format!("{of}/serviceProviderName"), json!("Nobody")));
    assert_eq!(provider.status, 400);
    says(&provider, "ServiceProviderNotFound", &["'Nobody'", "Ibiza Test Provider"]);
    let location = put(with(circuit_body(), &format!("{of}/peeringLocation"), json!("Nowhere")));
    says(&location, "PeeringLocationNotFound", &["'Nowhere'", "Area51"]);
    let bandwidth = put(with(circuit_body(), &format!("{of}/bandwidthInMbps"), json!(75)));
    says(&bandwidth, "InvalidBandwidth", &["75", "50, 100, 200, 500, 1000"]);
    assert_eq!(bandwidth.target.as_deref(), Some("properties.serviceProviderProperties.bandwidthInMbps"));
    let all =
        put(json!({"sku": {"tier": "Basic", "family": "MeteredData"}, "properties": {"serviceProviderProperties":
        {"serviceProviderName": 7, "bandwidthInMbps": "fast"}}}));
    assert_eq!(all.status, 400);
    assert_eq!(all.details.len(), 5, "location, tier, provider, peering location and bandwidth: {all}");
    says(&all, "InvalidPropertyValue", &["'Basic'", "Local, Standard, Premium"]);
    let direct =
        put(json!({"location": "westus", "properties": {"expressRoutePort": {"id": "/x"}, "bandwidthInGbps": 1}}));
    says(&direct, "NotImplemented", &["expressRoutePort"]);
    let name = refused(server.customer.put(&format!("{circuits}/a%20b"), &circuit_body()));
    says(&name, "InvalidResourceName", &["a b"]);
    assert_eq!(server.customer.get(&circuits).expect("a list"), json!({"value": []}));
}

#[test]
fn a_bad_peering_is_refused_and_nothing_is_changed() {
    let server = Server::with_fabric();
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let peering = format!("{circuit}/peerings/AzurePrivatePeering");
    assert_eq!(refused(server.customer.put(&peering, &peering_body())).code, "ParentResourceNotFound");
    server.customer.put(&circuit, &circuit_body()).expect("ordered");
    let put = |pointer: &str, value: Value| {
        refused(server.customer.put(&peering, &with(peering_body(), &format!("/properties/{pointer}"), value)))
    };
    let wide = put("primaryPeerAddressPrefix", json!("102.0.0.0/28"));
    assert_eq!((wide.status, wide.target.as_deref()), (400, Some("properties.primaryPeerAddressPrefix")));
    says(&wide, "InvalidPeerAddressPrefix", &["102.0.0.0/28", "/30"]);
    says(&put("secondaryPeerAddressPrefix", json!("102.0.0.0/30")), "PeerAddressPrefixesOverlap", &["102.0.0.0/30"]);
    says(&put("primaryPeerAddressPrefix", json!("102.0.0/30")), "InvalidPeerAddressPrefix", &["'102.0.0/30'"]);
    for asn in [12076, 65515, 65520] {
        says(&put("peerASN", json!(asn)), "ReservedAsn", &[&asn.to_string()]);
    }
    says(&put("peerASN", json!(4_294_967_296u64)), "PropertyOutOfRange", &["4294967296"]);
    for vlan in [0, 4095] {
        says(&put("vlanId", json!(vlan)), "PropertyOutOfRange", &[&vlan.to_string(), "4094"]);
    }
    let key = "K".repeat(26);
    let long = put("sharedKey", json!(key));
    says(&long, "InvalidSharedKey", &["26", "25"]);
    assert!(!long.to_string().contains(&key), "a key is in no error");
    says(&put("sharedKey", json!("no spaces")), "InvalidSharedKey", &["sharedKey"]);
    says(&put("peeringType", json!("MicrosoftPeering")), "PeeringTypeMismatch", &["MicrosoftPeering"]);
    let unknown = refused(server.customer.put(&format!("{circuit}/peerings/Sideways"), &peering_body()));
    says(&unknown, "InvalidPeeringName", &["Sideways", "AzurePrivatePeering"]);
    let many = refused(server.customer.put(
        &peering,
        &json!({"properties": {"peerASN": 65515, "vlanId": 9999,
        "primaryPeerAddressPrefix": "102.0.0.0/28", "secondaryPeerAddressPrefix": "102.0.0.8/30"}}),
    ));
    assert_eq!(many.status, 400);
    assert!(many.details.len() >= 2, "{many}");
    assert_eq!(server.customer.get(&format!("{circuit}/peerings")).expect("a list"), json!({"value": []}));

    // A VLAN used twice: the other kind is not offered yet, and both rules are told.
    server.customer.put(&peering, &peering_body()).expect("peered");
    let second = refused(server.customer.put(
        &format!("{circuit}/peerings/MicrosoftPeering"),
        &json!({"properties": {"peerASN": 10002, "vlanId": 101, "primaryPeerAddressPrefix": "104.0.0.0/30",
                "secondaryPeerAddressPrefix": "105.0.0.0/30"}}),
    ));
    says(&second, "VlanIdInUse", &["101"]);
    says(&second, "PeeringTypeNotSupported", &["MicrosoftPeering"]);
    let before = server.customer.get(&peering).expect("there");
    put("vlanId", json!(0));
    assert_eq!(server.customer.get(&peering).expect("there"), before, "etag and all");
}

#[test]
fn networks_gateways_and_connections_are_refused_by_their_rules() {
    let server = Server::with_fabric();
    let base = server.network();
    let circuit = format!("{base}/expressRouteCircuits/circuit1");
    let network = format!("{base}/virtualNetworks/vnet1");
    let gateway = format!("{base}/virtualNetworkGateways/gw1");
    let connection = format!("{base}/connections/conn1");
    let ordered = server.customer.put(&circuit, &circuit_body()).expect("ordered");
    let key = ordered["properties"]["serviceKey"].as_str().expect("a key");
    server.customer.put(&format!("{circuit}/peerings/AzurePrivatePeering"), &peering_body()).expect("peered");

    let bad = refused(server.customer.put(
        &network,
        &json!({"location": "westus", "properties": {"addressSpace":
        {"addressPrefixes": ["10.1.0.0/16", "all"]}, "subnets": [{"name": "s", "properties": {}}]}}),
    ));
    says(&bad, "InvalidAddressPrefix", &["\"all\""]);
    says(&bad, "MissingRequiredProperty", &["subnet 's'"]);
    says(&refused(server.customer.put(&gateway, &gateway_body(&network))), "InvalidResourceReference", &["not there"]);

    // A virtual network that overlaps with the peering's subnets can't be joined.
    let overlapping = json!({"location": "westus", "properties": {"addressSpace": {"addressPrefixes": ["102.0.0.0/16"]},
        "subnets": [{"name": "GatewaySubnet", "properties": {"addressPrefix": "102.0.255.0/27"}}]}});
    server.customer.put(&network, &overlapping).expect("a network");
    server.customer.put(&gateway, &gateway_body(&network)).expect("a gateway");
    let subscription = &server.file.subscription;
    let cross = format!(
        "/subscriptions/{subscription}/resourceGroups/CrossConnection-Area51/providers/Microsoft.Network/expressRouteCrossConnections/{key}"
    );
    let state = |state: &str| json!({"properties": {"serviceProviderProvisioningState": state}});
    says(&refused(server.provider.put(&cross, &state("Sideways"))), "InvalidPropertyValue", &["'Sideways'"]);
    server.provider.put(&cross, &state("Provisioned")).expect("provisioned");
    let body = connection_body(&gateway, &circuit);
    let overlap = refused(server.customer.put(&connection, &body));
    says(&overlap, "VirtualNetworkOverlapsPeering", &["102.0.0.0/16", "102.0.0.0/30"]);
    assert_eq!(refused(server.customer.get(&connection)).status, 404);
    says(
        &refused(server.customer.put(&connection, &with(body, "/properties/routingWeight", json!(40_000)))),
        "PropertyOutOfRange",
        &["40000", "32000"],
    );
    let nowhere = refused(server.customer.put(&connection, &connection_body(&gateway, "circuit1")));
    says(&nowhere, "LinkedInvalidPropertyId", &["circuit1"]);
    server.customer.put(&network, &network_body()).expect_err("a gateway is in the way of its subnet");
    let provider_error = refused(server.provider.put(
        &cross,
        &json!({"properties": {"accessServices": [
        {"peering": "AzurePrivatePeering", "crossConnect": "xc9", "primaryPort": "access1", "secondaryPort": "access1",
         "accessTag": 5000}]}}),
    ));
    says(&provider_error, "PropertyOutOfRange", &["accessServices[0].accessTag", "5000"]);
    says(&provider_error, "CrossConnectNotFound", &["xc9"]);
}

#[test]
fn requests_that_are_none_are_refused_in_arms_words() {
    let server = Server::with_fabric();
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let raw = |method: &str, path: &str, body: Option<&[u8]>| {
        server.customer.call_raw(method, path, &[], body, Duration::ZERO).expect("answered")
    };
    for body in ["{\"location\": ", "[1]", "\"x\"", "{}}", "\u{0}"] {
        let answer = raw("PUT", &circuit, Some(body.as_bytes()));
        assert_eq!((answer.status, &answer.body["error"]["code"]), (400, &json!("InvalidRequestContent")), "{body}");
    }
    let huge = format!("{{\"location\": \"{}\"}}", "x".repeat(9 << 20));
    // The server may close before it has read everything; either way nothing is accepted.
    let answer = server.customer.call_raw("PUT", &circuit, &[], Some(huge.as_bytes()), Duration::ZERO);
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 413));
    let endpoint = &server.endpoint;
    let code = |method: &str, path: &str| {
        let answer = raw(method, path, None);
        (answer.status, answer.body["error"]["code"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(code("GET", &format!("{endpoint}{circuit}")), (400, "MissingApiVersionParameter".into()));
    assert_eq!(code("GET", &format!("{circuit}?api-version=2015-01-01")), (400, "InvalidApiVersionParameter".into()));
    assert_eq!(code("GET", &circuit), (404, "ResourceNotFound".into()));
    assert_eq!(code("GET", &format!("{circuit}/peerings/AzurePrivatePeering")), (404, "ResourceNotFound".into()));
    assert_eq!(code("GET", &format!("{}/unicorns/u1", server.network())), (404, "InvalidResourceType".into()));
    assert_eq!(code("DELETE", "/subscriptions"), (405, "MethodNotAllowed".into()));
    assert_eq!(code("GET", "/subscriptions/x/resourceGroups"), (400, "InvalidSubscriptionId".into()));
    let nobody = "99999999-9999-9999-9999-999999999999";
    assert_eq!(code("GET", &format!("/subscriptions/{nobody}/resourceGroups")), (404, "SubscriptionNotFound".into()));
    let group = format!("/subscriptions/{}/resourceGroups/nowhere", server.file.subscription);
    assert_eq!(code("GET", &group), (404, "ResourceGroupNotFound".into()));
    let in_nowhere = format!("{group}/providers/Microsoft.Network/expressRouteCircuits/c1");
    assert_eq!(code("GET", &in_nowhere), (404, "ResourceGroupNotFound".into()));
    assert_eq!(code("GET", "/%zz"), (400, "InvalidRequestUri".into()));
    server.customer.put(&circuit, &circuit_body()).expect("ordered");
    assert_eq!(code("GET", &format!("{circuit}/peerings/AzurePrivatePeering")), (404, "NotFound".into()));
}

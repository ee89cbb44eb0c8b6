//! ARM's contract, as clients poll it: statuses, headers, operations, etags, and the forms of bodies.

use std::time::{Duration, Instant};

use causeway_client::{Client, Response};
use serde_json::{Value, json};

use crate::common::{GROUP, Server};
use crate::story::{circuit_body, connection_body, gateway_body, network_body, peering_body};

fn raw(client: &Client, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Response {
    let bytes = body.map(|body| body.to_string().into_bytes());
    client.call_raw(method, path, headers, bytes.as_deref(), Duration::ZERO).expect("answered")
}

/// Polls an operation until it is over.
fn wait(client: &Client, url: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let answer = raw(client, "GET", url, &[], None);
        assert_eq!(answer.status, 200, "an operation's status is always 200");
        if answer.body["status"] != "InProgress" {
            return answer.body;
        }
        assert!(Instant::now() < deadline, "an operation ends by itself");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn puts_deletes_and_actions_answer_as_clients_poll_them() {
    let server = Server::with_fabric();
    let client = &server.customer;
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let created = raw(client, "PUT", &circuit, &[], Some(&circuit_body()));
    assert_eq!(created.status, 201);
    assert_eq!(created.body["properties"]["provisioningState"], "Updating");
    assert_eq!(created.body["properties"]["circuitProvisioningState"], "Disabled");
    assert_eq!(created.body["properties"]["serviceKey"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(created.header("azure-asyncnotification"), Some("Enabled"));
    assert_eq!(created.header("retry-after"), Some("1"));
    assert_eq!(created.header("location"), None);
    let operation = created.header("azure-asyncoperation").expect("an operation").to_owned();
    assert!(operation.starts_with(&format!(
        "{}/subscriptions/{}/providers/Microsoft.Network/locations/westus/operations/",
        server.endpoint, server.file.subscription
    )));
    assert_eq!(wait(client, &operation), json!({"status": "Succeeded"}));
    assert_eq!(raw(&server.provider, "GET", &operation, &[], None).status, 404, "an operation is its client's own");
    let again = raw(client, "PUT", &circuit, &[], Some(&circuit_body()));
    assert_eq!(again.status, 200);
    assert!(again.body["properties"]["stag"].is_number());

    let peering = format!("{circuit}/peerings/AzurePrivatePeering");
    let child = raw(client, "PUT", &peering, &[], Some(&peering_body()));
    assert_eq!((child.status, child.header("azure-asyncnotification")), (201, None));
    assert_eq!(child.body["properties"]["azureASN"], 0);
    assert_eq!(child.body["properties"]["lastModifiedBy"], "");
    wait(client, child.header("azure-asyncoperation").expect("an operation"));
    let action = raw(client, "POST", &format!("{peering}/routeTables/secondary"), &[], None);
    assert_eq!((action.status, &action.body), (202, &Value::Null));
    assert_eq!(action.header("azure-asyncoperation"), None);
    let location = action.header("location").expect("a location").to_owned();
    assert!(location.contains("/operationResults/"));
    let result = raw(client, "GET", &location, &[], None);
    assert_eq!((result.status, &result.body), (200, &json!({"value": []})));
    let stats = client.get(&format!("{circuit}/stats")).expect("stats");
    assert_eq!((&stats["primaryBytesIn"], &stats["primarybytesIn"]), (&json!(0), &json!(0)));

    let deleted = raw(client, "DELETE", &peering, &[], None);
    assert_eq!((deleted.status, &deleted.body), (202, &Value::Null));
    wait(client, deleted.header("azure-asyncoperation").expect("an operation"));
    assert_eq!(raw(client, "GET", deleted.header("location").expect("a location"), &[], None).status, 204);
    assert_eq!(raw(client, "DELETE", &peering, &[], None).status, 204);
    for header in
        ["x-ms-request-id", "x-ms-correlation-request-id", "x-ms-routing-request-id", "strict-transport-security"]
    {
        assert!(created.header(header).is_some(), "{header}");
    }
    assert_eq!(created.header("cache-control"), Some("no-cache"));
    let asked = [
        ("x-ms-client-request-id", "mine"),
        ("x-ms-return-client-request-id", "true"),
        ("x-ms-correlation-request-id", "c1"),
    ];
    let echoed = raw(client, "GET", &circuit, &asked, None);
    assert_eq!(echoed.header("x-ms-client-request-id"), Some("mine"));
    assert_eq!(echoed.header("x-ms-correlation-request-id"), Some("c1"));
}

#[test]
fn etags_guard_a_resource_and_its_children() {
    let server = Server::with_fabric();
    let client = &server.customer;
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let body = circuit_body();
    assert_eq!(raw(client, "PUT", &circuit, &[("if-match", "*")], Some(&body)).status, 412);
    assert_eq!(raw(client, "DELETE", &circuit, &[("if-match", "*")], None).status, 204);
    client.put(&circuit, &body).expect("ordered");
    let shown = raw(client, "GET", &circuit, &[], None);
    let etag = shown.header("etag").expect("an etag").to_owned();
    assert_eq!(shown.body["etag"], etag.as_str());
    assert_eq!(raw(client, "PUT", &circuit, &[("if-none-match", "*")], Some(&body)).status, 412);
    let peering = format!("{circuit}/peerings/AzurePrivatePeering");
    client.put(&peering, &peering_body()).expect("peered");
    let stale = raw(client, "PUT", &circuit, &[("if-match", &etag)], Some(&body));
    assert_eq!((stale.status, &stale.body["error"]["code"]), (412, &json!("PreconditionFailed")));
    let parent = client.get(&circuit).expect("there");
    let child = client.get(&peering).expect("there");
    assert_eq!(parent["etag"], child["etag"], "one etag for the whole tree");
    let fresh = parent["etag"].as_str().expect("an etag");
    assert_eq!(raw(client, "PUT", &circuit, &[("if-match", fresh)], Some(&body)).status, 200);
    assert_eq!(raw(client, "DELETE", &circuit, &[("if-match", fresh)], None).status, 412);
}

#[test]
fn paths_are_compared_without_regard_to_case_and_shown_in_canonical_spelling() {
    let server = Server::with_fabric();
    let circuit = format!("{}/expressRouteCircuits/Circuit1", server.network());
    server.customer.put(&circuit, &circuit_body()).expect("ordered");
    let shouted = circuit.to_ascii_uppercase().replace("SUBSCRIPTIONS", "Subscriptions");
    let shown = server.customer.get(&shouted).expect("found");
    assert_eq!(shown["id"], circuit.as_str());
    let lower = format!("/subscriptions/{}/resourcegroups/{}", server.file.subscription, GROUP.to_ascii_uppercase());
    assert_eq!(server.customer.get(&lower).expect("found")["name"], GROUP);
}

#[test]
fn groups_are_made_found_and_taken_down_with_all_that_is_in_them() {
    let server = Server::with_fabric();
    let client = &server.customer;
    let group = format!("/subscriptions/{}/resourceGroups/{GROUP}", server.file.subscription);
    assert_eq!(raw(client, "HEAD", &group, &[], None).status, 204);
    assert_eq!(raw(client, "HEAD", &format!("{group}x"), &[], None).status, 404);
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let address = format!("{}/publicIPAddresses/ip1", server.network());
    client.put(&circuit, &circuit_body()).expect("ordered");
    client.put(&address, &json!({"location": "westus", "sku": {"name": "Standard"}})).expect("an address");
    let inside = client.get(&format!("{group}/resources?$expand=provisioningState&$top=10")).expect("a list");
    assert_eq!(inside["value"].as_array().map(Vec::len), Some(2));
    let deleted = raw(client, "DELETE", &group, &[], None);
    assert_eq!(deleted.status, 202);
    client.finish(&deleted).expect("ends");
    assert_eq!(raw(client, "HEAD", &group, &[], None).status, 404);
    assert_eq!(
        client
            .get(&format!(
                "/subscriptions/{}/providers/Microsoft.Network/expressRouteCircuits",
                server.file.subscription
            ))
            .expect("a list"),
        json!({"value": []})
    );
}

/// GUIDs become numbers in the order in which they are met, etags a word; a GUID of zeros stays.
fn plain(server: &Server, value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).expect("JSON").replace(&server.file.subscription, "SUBSCRIPTION");
    let mut seen: Vec<&str> = vec![];
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(next) = rest.chars().next() {
        let guid = rest.get(..36).filter(|word| uuid_like(word) && !word.trim_matches(['0', '-']).is_empty());
        let Some(guid) = guid else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        rest = &rest[36..];
        if out.ends_with("W/\\\"") {
            out.push_str("ETAG");
        } else {
            let number = seen.iter().position(|one| *one == guid).unwrap_or(seen.len());
            if number == seen.len() {
                seen.push(guid);
            }
            out.push_str(&format!("GUID-{number}"));
        }
    }
    out
}

fn uuid_like(word: &str) -> bool {
    let dashes = |at: usize| [8, 13, 18, 23].contains(&at);
    word.bytes().enumerate().all(|(at, byte)| if dashes(at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

#[test]
fn bodies_have_the_forms_that_the_reference_service_was_recorded_with() {
    let server = Server::with_fabric();
    let client = &server.customer;
    let base = server.network();
    let circuit = format!("{base}/expressRouteCircuits/circuit1");
    let peering = format!("{circuit}/peerings/AzurePrivatePeering");
    let created = raw(client, "PUT", &circuit, &[], Some(&circuit_body()));
    insta::assert_snapshot!("circuit-created", plain(&server, &created.body));
    wait(client, created.header("azure-asyncoperation").expect("an operation"));
    let made = raw(client, "PUT", &peering, &[], Some(&peering_body()));
    insta::assert_snapshot!("peering-created", plain(&server, &made.body));
    wait(client, made.header("azure-asyncoperation").expect("an operation"));
    client
        .put(
            &peering,
            &json!({"properties": {"ipv6PeeringConfig": {"primaryPeerAddressPrefix": "2002:db00::/126",
        "secondaryPeerAddressPrefix": "2003:db00::/126"}}}),
        )
        .expect("merged");
    client.put(&format!("{circuit}/authorizations/auth1"), &json!({})).expect("authorized");
    let done = client.get(&circuit).expect("there");
    insta::assert_snapshot!("circuit-done", plain(&server, &done));
    let key = done["properties"]["serviceKey"].as_str().expect("a key");
    let cross = format!(
        "/subscriptions/{}/resourceGroups/CrossConnection-Area51/providers/Microsoft.Network/expressRouteCrossConnections/{key}",
        server.file.subscription
    );
    let provisioned = server
        .provider
        .put(&cross, &json!({"properties": {"serviceProviderProvisioningState": "Provisioned"}}))
        .expect("provisioned");
    insta::assert_snapshot!("cross-connection", plain(&server, &provisioned));
    let network = format!("{base}/virtualNetworks/vnet1");
    let gateway = format!("{base}/virtualNetworkGateways/gw1");
    let connection = format!("{base}/connections/conn1");
    insta::assert_snapshot!(
        "virtual-network",
        plain(&server, &client.put(&network, &network_body()).expect("a network"))
    );
    insta::assert_snapshot!(
        "gateway",
        plain(&server, &client.put(&gateway, &gateway_body(&network)).expect("a gateway"))
    );
    insta::assert_snapshot!(
        "connection",
        plain(&server, &client.put(&connection, &connection_body(&gateway, &circuit)).expect("joined"))
    );
    let providers = client
        .get(&format!(
            "/subscriptions/{}/providers/Microsoft.Network/expressRouteServiceProviders",
            server.file.subscription
        ))
        .expect("a list");
    insta::assert_snapshot!("service-providers", plain(&server, &providers));
}

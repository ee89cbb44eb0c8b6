//! Signing in, and who may do what before there is anything to do it to.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::common::{Server, refused};
use causeway_client::Client;
use serde_json::{Value, json};

#[test]
fn a_client_signs_in_with_two_files_and_secrets_are_their_owners_only() {
    let server = Server::start();
    let mode = |file: &str| server.dir.path().join(file).metadata().expect(file).permissions().mode() & 0o777;
    for file in ["clients.json", "ca-key.pem", "token-key.pem", "causeway.db"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    assert_eq!(server.file.endpoint, server.endpoint);
    let list = server.customer.get("/subscriptions").expect("signed in");
    assert_eq!(list["value"][0]["subscriptionId"], server.file.subscription.as_str());
    assert_eq!(list["value"].as_array().map(Vec::len), Some(1));
    let database = std::fs::read(server.dir.path().join("causeway.db")).expect("read");
    let wal = std::fs::read(server.dir.path().join("causeway.db-wal")).unwrap_or_default();
    let secret = server.file.customer.client_secret.0.as_bytes();
    assert!(![database, wal].iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret)));
}

#[test]
fn a_wrong_secret_and_a_bad_token_are_refused_as_clients_expect_it() {
    let server = Server::start();
    let mut credentials = server.file.credentials(&server.file.customer);
    credentials.client_secret = "wrong".into();
    let stranger = Client::with_ca_file(&server.endpoint, &server.ca(), credentials).expect("a client");
    let error = refused(stranger.get("/subscriptions"));
    assert_eq!((error.status, error.code.as_str()), (401, "invalid_client"));
    assert!(error.message.starts_with("AADSTS7000215:"), "{}", error.message);

    for (authorization, code) in [
        ("", "AuthenticationFailed"),
        ("Basic eDp5", "AuthenticationFailed"),
        ("Bearer nonsense", "InvalidAuthenticationToken"),
    ] {
        let headers = [("authorization", authorization)];
        let answer =
            server.customer.call_raw("GET", "/subscriptions", &headers, None, Duration::ZERO).expect("answered");
        assert_eq!((answer.status, &answer.body["error"]["code"]), (401, &json!(code)));
        let challenge = answer.header("www-authenticate").expect("a challenge");
        let expected = format!("Bearer authorization_uri=\"{}/{}\"", server.endpoint, server.file.tenant);
        assert!(challenge.starts_with(&expected) && challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

#[test]
fn clouds_metadata_leads_to_a_token_by_every_road() {
    let server = Server::start();
    let get = |path: &str| {
        let answer = server.customer.call_raw("GET", path, &[], None, Duration::ZERO).expect(path);
        assert_eq!(answer.status, 200, "{path}");
        answer.body
    };
    let cloud = get("/metadata/endpoints?api-version=2022-09-01");
    assert_eq!(cloud["authentication"]["loginEndpoint"], server.endpoint.as_str());
    assert_eq!(cloud["authentication"]["audiences"][0], format!("{}/", server.endpoint));
    assert!(cloud["resourceManager"].is_string() && cloud["microsoftGraphResourceId"].is_string());
    assert!(get("/metadata/endpoints?api-version=2019-05-01").is_array());
    let tenant = &server.file.tenant;
    for named in [tenant.as_str(), "common", "organizations", "contoso.example"] {
        let document = get(&format!("/{named}/v2.0/.well-known/openid-configuration"));
        assert_eq!(document["token_endpoint"], format!("{}/{tenant}/oauth2/v2.0/token", server.endpoint));
        assert_eq!(document["issuer"].as_str().and_then(|issuer| issuer.split('/').nth(3)), Some(tenant.as_str()));
    }
    for path in ["/adfs/adfs/v2.0/.well-known/openid-configuration", "/adfs/.well-known/openid-configuration"] {
        let document = get(path);
        assert_eq!(document["token_endpoint"], format!("{}/adfs/oauth2/token", server.endpoint));
        assert_eq!(document["issuer"].as_str().and_then(|issuer| issuer.split('/').nth(3)), Some("adfs"));
    }
    let jwks = get(&format!("/{tenant}/discovery/v2.0/keys"));
    assert_eq!(jwks["keys"][0]["alg"], "RS256");
}

#[test]
fn only_the_operator_registers_and_only_a_node_asks_for_its_configuration() {
    let server = Server::with_fabric();
    let list = server.operator.get("/providers/Causeway.Fabric/edges").expect("a list");
    assert_eq!(list["value"][0]["name"], "edge1");
    assert_eq!(list["value"][0]["properties"]["providerPorts"][0]["port"], "prov0");
    for client in [&server.customer, &server.provider] {
        for path in ["edges", "edges/edge1", "nodes", "deployment"] {
            let error = refused(client.get(&format!("/providers/Causeway.Fabric/{path}")));
            assert_eq!((error.status, error.code.as_str()), (403, "AuthorizationFailed"));
        }
    }
    let error = refused(server.operator.next_config("edge1", 0, Duration::ZERO));
    assert_eq!(error.status, 403);
    let answer = server.operator.post("/providers/Causeway.Fabric/nodes/edge1/credentials", None).expect("credentials");
    let node = server.client(&answer);
    let config = node.next_config("edge1", 0, Duration::from_secs(10)).expect("answered").expect("a configuration");
    assert_eq!((config.edge.0.as_str(), config.generation), ("edge1", 1));
    assert_eq!(refused(node.next_config("edge2", 0, Duration::ZERO)).status, 403);
    assert_eq!(refused(node.get("/providers/Causeway.Fabric/edges")).status, 403);
    assert_eq!(node.next_config("edge1", 1, Duration::from_secs(1)).expect("answered"), None);
    server.operator.delete("/providers/Causeway.Fabric/edges/edge1").expect("deleted");
    // Its token is refused, and it gets no other.
    assert_eq!(refused(node.get("/subscriptions")).code, "unauthorized_client");
}

#[test]
fn the_operators_mistakes_are_named() {
    let server = Server::with_fabric();
    let put = |path: &str, properties: Value| {
        refused(server.operator.put(&format!("/providers/Causeway.Fabric/{path}"), &json!({"properties": properties})))
    };
    assert!(put("edges/e9", json!({"peeringLocation": "Area51", "colour": "red"})).message.contains("colour"));
    assert_eq!(put("deployment", json!({"edgeAsn": "x"})).status, 400);
    let taken = put(
        "crossConnects/edge1",
        json!({"provider": "Ibiza Test Provider", "peeringLocation": "Area51",
        "routerId": "192.0.2.9", "primaryUplink": "a", "secondaryUplink": "b", "accessPorts": []}),
    );
    assert_eq!((taken.status, taken.code.as_str()), (409, "NodeNameInUse"));
    assert_eq!(refused(server.operator.get("/providers/Causeway.Fabric/edges/nobody")).status, 404);
}

//! A circuit's life through the public API: ordered, provisioned, peered, joined to a virtual network, taken down.

use std::time::Duration;

use crate::common::{GROUP, Server, refused};
use causeway_client::Client;
use causeway_edge_types::EdgeConfig;
use serde_json::{Value, json};

pub fn circuit_body() -> Value {
    json!({"location": "westus", "tags": {"foo": "doo"},
           "sku": {"name": "Premium_MeteredData", "tier": "Premium", "family": "MeteredData"},
           "properties": {"serviceProviderProperties": {"serviceProviderName": "Ibiza Test Provider",
               "peeringLocation": "Area51", "bandwidthInMbps": 50}}})
}

pub fn peering_body() -> Value {
    json!({"properties": {"peeringType": "AzurePrivatePeering", "peerASN": 10001, "vlanId": 101,
           "primaryPeerAddressPrefix": "102.0.0.0/30", "secondaryPeerAddressPrefix": "103.0.0.0/30",
           "sharedKey": "A1B2C3D4"}})
}

pub fn network_body() -> Value {
    json!({"location": "westus", "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/16", "fd00:1::/48"]},
        "enableDdosProtection": false,
        "subnets": [{"name": "GatewaySubnet", "properties": {"addressPrefixes": ["10.1.255.0/27", "fd00:1:0:ff::/64"]}},
                    {"name": "default", "properties": {"addressPrefix": "10.1.0.0/24", "delegations": []}}]}})
}

pub fn gateway_body(network: &str) -> Value {
    json!({"location": "westus", "properties": {"gatewayType": "ExpressRoute", "vpnType": "RouteBased",
        "sku": {"name": "Standard", "tier": "Standard"}, "activeActive": false,
        "ipConfigurations": [{"name": "ipconfig1", "properties": {"privateIPAllocationMethod": "Dynamic",
            "subnet": {"id": format!("{network}/subnets/GatewaySubnet")}}}]}})
}

pub fn connection_body(gateway: &str, circuit: &str) -> Value {
    json!({"location": "westus", "properties": {"connectionType": "ExpressRoute", "routingWeight": 10,
        "virtualNetworkGateway1": {"id": gateway, "properties": {"ipConfigurations": []}},
        "peer": {"id": circuit}, "authorizationKey": "", "sharedKey": ""}})
}

/// The provider's path of a circuit, found by its key as a provider finds it.
fn cross_connection(server: &Server, key: &str) -> String {
    let subscription = &server.provider.get("/subscriptions").expect("signed in")["value"][0]["subscriptionId"];
    let list = format!(
        "/subscriptions/{}/providers/Microsoft.Network/expressRouteCrossConnections",
        subscription.as_str().expect("a subscription")
    );
    let all = server.provider.get(&list).expect("a list");
    let found =
        all["value"].as_array().expect("a list").iter().find(|one| one["name"] == key).expect("found by its key");
    found["id"].as_str().expect("an id").to_owned()
}

fn node(server: &Server, name: &str) -> Client {
    let path = format!("/providers/Causeway.Fabric/nodes/{name}/credentials");
    server.client(&server.operator.post(&path, None).expect("credentials"))
}

/// The configuration that a node has after everything so far.
fn config(client: &Client, name: &str, after: u64) -> EdgeConfig {
    client.next_config(name, after, Duration::from_secs(10)).expect("answered").expect("a newer configuration")
}

#[test]
fn from_order_to_deletion() {
    let server = Server::with_fabric();
    let customer = &server.customer;
    let base = server.network();
    let circuit = format!("{base}/expressRouteCircuits/circuit1");
    let edge = node(&server, "edge1");
    let empty = config(&edge, "edge1", 0);
    assert!(empty.vrfs.is_empty());

    // Ordered: enabled on our side, not provisioned on the provider's.
    let ordered = customer.put(&circuit, &circuit_body()).expect("ordered");
    assert_eq!(ordered["properties"]["provisioningState"], "Succeeded");
    assert_eq!(ordered["properties"]["circuitProvisioningState"], "Enabled");
    assert_eq!(ordered["properties"]["serviceProviderProvisioningState"], "NotProvisioned");
    let key = ordered["properties"]["serviceKey"].as_str().expect("a key").to_owned();
    assert_ne!(key, "00000000-0000-0000-0000-000000000000");

    // A peering may come first; nothing of it reaches an edge.
    let peering = format!("{circuit}/peerings/AzurePrivatePeering");
    let peered = customer.put(&peering, &peering_body()).expect("peered");
    assert_eq!(peered["properties"]["lastModifiedBy"], "Customer");
    assert_eq!(peered["properties"]["azureASN"], 12076);
    assert!(!peered.to_string().contains("A1B2C3D4"), "the key is never shown");
    assert_eq!(edge.next_config("edge1", empty.generation, Duration::from_secs(1)).expect("answered"), None);
    let none = customer.post(&format!("{peering}/arpTables/primary"), None).expect("a table");
    assert_eq!(none, json!({"value": []}));

    // A virtual network with a gateway; joined too early, the operation fails and the resource says so.
    let network = format!("{base}/virtualNetworks/vnet1");
    let gateway = format!("{base}/virtualNetworkGateways/gw1");
    let connection = format!("{base}/connections/conn1");
    customer.put(&network, &network_body()).expect("a network");
    customer.put(&gateway, &gateway_body(&network)).expect("a gateway");
    let early = refused(customer.put(&connection, &connection_body(&gateway, &circuit)));
    assert_eq!((early.status, early.code.as_str()), (200, "ServiceProviderNotProvisioned"));
    assert_eq!(
        early.message,
        format!(
            "The current cross connection provisioning state 'NotProvisioned' of this service key '{key}' prevents this operation."
        )
    );
    assert_eq!(customer.get(&connection).expect("kept")["properties"]["provisioningState"], "Failed");
    customer.delete(&connection).expect("deleted");

    // The provider finds it by its key and provisions it.
    let cross = cross_connection(&server, &key);
    let mut view = server.provider.get(&cross).expect("seen");
    view["properties"]["serviceProviderProvisioningState"] = json!("Provisioned");
    view["properties"]["serviceProviderNotes"] = json!("rack 7");
    view["properties"]["accessServices"] = json!([{"peering": "AzurePrivatePeering", "crossConnect": "xc1",
        "primaryPort": "access1", "secondaryPort": "access2", "accessTag": null}]);
    let provisioned = server.provider.put(&cross, &view).expect("provisioned");
    assert_eq!(provisioned["properties"]["serviceProviderProvisioningState"], "Provisioned");
    let planned = config(&edge, "edge1", empty.generation);
    assert_eq!((planned.generation, planned.vrfs.len(), planned.attachments.len()), (empty.generation + 1, 1, 1));
    let session = &planned.vrfs[0].peers[0];
    assert_eq!(session.md5_key.as_ref().map(|key| key.expose()), Some("A1B2C3D4"));
    assert_eq!(session.local_address.to_string(), "102.0.0.1");
    let cross_connect = config(&node(&server, "xc1"), "xc1", 0);
    assert_eq!(cross_connect.cross_connects.len(), 2);

    // Joined.
    let joined = customer.put(&connection, &connection_body(&gateway, &circuit)).expect("joined");
    assert_eq!(joined["properties"]["provisioningState"], "Succeeded");
    assert_eq!(joined["properties"]["routingWeight"], 10);
    let tunnels = config(&edge, "edge1", planned.generation);
    assert_eq!(tunnels.attachments.len(), 3, "the access attachment and a tunnel to each gateway instance");

    // What is in use stays.
    let busy = refused(customer.delete(&circuit));
    assert_eq!(busy.status, 409);
    assert!(busy.message.contains(
        "The specified dedicated circuit is not in Deprovisioned state. Please initiate the deprovisioning process with your service provider."
    ));
    assert_eq!(refused(customer.delete(&peering)).status, 409);
    assert_eq!(refused(customer.delete(&gateway)).status, 409);
    assert_eq!(refused(customer.delete(&network)).code, "InUseVirtualNetworkCannotBeDeleted");

    // Taken down in order.
    customer.delete(&connection).expect("deleted");
    view["properties"]["serviceProviderProvisioningState"] = json!("NotProvisioned");
    server.provider.put(&cross, &view).expect("deprovisioned");
    let quiet = config(&edge, "edge1", tunnels.generation + 1);
    assert!(quiet.vrfs.is_empty() && quiet.attachments.is_empty());
    for path in [&peering, &circuit, &gateway, &network] {
        customer.delete(path).expect(path);
        assert!(refused(customer.get(path)).status == 404);
        customer.delete(path).expect("a second time it is not there");
    }
    assert!(server.provider.get(&cross).is_err_and(|error| error.is_not_found()));
}

#[test]
fn an_update_is_the_whole_object_put_back() {
    let server = Server::with_fabric();
    let customer = &server.customer;
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let peering = format!("{circuit}/peerings/AzurePrivatePeering");
    customer.put(&circuit, &circuit_body()).expect("ordered");
    customer.put(&peering, &peering_body()).expect("peered");
    customer.put(&format!("{circuit}/authorizations/auth1"), &json!({"name": "auth1"})).expect("authorized");
    let mut whole = customer.get(&circuit).expect("there");
    let key = whole["properties"]["authorizations"][0]["properties"]["authorizationKey"].clone();
    whole["tags"] = json!({"foo": "boo"});
    whole["properties"]["serviceProviderProperties"]["bandwidthInMbps"] = json!(100);
    // Read-only fields are echoed and ignored, whatever they say.
    whole["properties"]["serviceKey"] = json!("11111111-1111-1111-1111-111111111111");
    whole["properties"]["serviceProviderProvisioningState"] = json!("Provisioned");
    let updated = customer.put(&circuit, &whole).expect("updated");
    assert_eq!(updated["tags"], json!({"foo": "boo"}));
    assert_eq!(updated["properties"]["serviceProviderProperties"]["bandwidthInMbps"], 100);
    assert_eq!(updated["properties"]["serviceProviderProvisioningState"], "NotProvisioned");
    assert_ne!(updated["properties"]["serviceKey"], "11111111-1111-1111-1111-111111111111");
    assert_eq!(updated["properties"]["peerings"][0]["properties"]["vlanId"], 101);
    assert_eq!(updated["properties"]["authorizations"][0]["properties"]["authorizationKey"], key);

    // IPv6 is merged into a peering; the IPv4 subnets and the key stay.
    let ipv6 = json!({"properties": {"ipv6PeeringConfig": {"primaryPeerAddressPrefix": "2002:db00::/126",
        "secondaryPeerAddressPrefix": "2003:db00::/126"}}});
    let both = customer.put(&peering, &ipv6).expect("merged");
    assert_eq!(both["properties"]["primaryPeerAddressPrefix"], "102.0.0.0/30");
    assert_eq!(both["properties"]["ipv6PeeringConfig"]["secondaryPeerAddressPrefix"], "2003:db00::/126");
    let patched = customer.patch(&circuit, &json!({"tags": {"a": "b"}})).expect("patched");
    assert_eq!(patched["tags"], json!({"a": "b"}));
}

#[test]
fn a_second_customer_sees_nothing_and_joins_only_with_a_key() {
    let server = Server::with_fabric();
    let customer = &server.customer;
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let ordered = customer.put(&circuit, &circuit_body()).expect("ordered");
    customer.put(&format!("{circuit}/peerings/AzurePrivatePeering"), &peering_body()).expect("peered");
    let auth = customer.put(&format!("{circuit}/authorizations/auth1"), &json!({})).expect("authorized");
    assert_eq!(auth["properties"]["authorizationUseStatus"], "Available");
    let cross = cross_connection(&server, ordered["properties"]["serviceKey"].as_str().expect("a key"));
    server
        .provider
        .put(&cross, &json!({"properties": {"serviceProviderProvisioningState": "Provisioned"}}))
        .expect("provisioned");

    let other = "22222222-2222-2222-2222-222222222222";
    let path = format!("/providers/Causeway.Fabric/subscriptions/{other}");
    server.operator.put(&path, &json!({"properties": {"displayName": "Other"}})).expect("a subscription");
    let stranger = server.client(&server.operator.post(&format!("{path}/credentials"), None).expect("credentials"));
    let error = refused(stranger.get(&circuit));
    assert_eq!((error.status, error.code.as_str()), (403, "AuthorizationFailed"));
    assert_eq!(
        refused(stranger.get(&format!("/subscriptions/{}/resourceGroups", server.file.subscription))).status,
        403
    );
    assert_eq!(refused(customer.get(&format!("/subscriptions/{other}/resourceGroups"))).status, 403);
    let own = format!("/subscriptions/{other}/resourceGroups/{GROUP}");
    stranger.put(&own, &json!({"location": "westus"})).expect("a group");
    let base = format!("{own}/providers/Microsoft.Network");
    assert_eq!(stranger.get(&format!("{base}/expressRouteCircuits")).expect("a list"), json!({"value": []}));

    let network = format!("{base}/virtualNetworks/vnet1");
    let gateway = format!("{base}/virtualNetworkGateways/gw1");
    let connection = format!("{base}/connections/conn1");
    stranger.put(&network, &network_body()).expect("a network");
    stranger.put(&gateway, &gateway_body(&network)).expect("a gateway");
    let mut body = connection_body(&gateway, &circuit);
    assert_eq!(refused(stranger.put(&connection, &body)).code, "AuthorizationKeyMissing");
    body["properties"]["authorizationKey"] = auth["properties"]["authorizationKey"].clone();
    let joined = stranger.put(&connection, &body).expect("joined");
    assert!(!joined.to_string().contains(auth["properties"]["authorizationKey"].as_str().expect("a key")));
    let used = customer.get(&format!("{circuit}/authorizations/auth1")).expect("there");
    assert_eq!(used["properties"]["authorizationUseStatus"], "InUse");
    stranger.delete(&connection).expect("deleted");
    let free = customer.get(&format!("{circuit}/authorizations/auth1")).expect("there");
    assert_eq!(free["properties"]["authorizationUseStatus"], "Available");
}

#[test]
fn a_provider_sees_its_own_cross_connections_and_nothing_else() {
    let server = Server::with_fabric();
    let circuit = format!("{}/expressRouteCircuits/circuit1", server.network());
    let ordered = server.customer.put(&circuit, &circuit_body()).expect("ordered");
    let key = ordered["properties"]["serviceKey"].as_str().expect("a key");
    let cross = cross_connection(&server, key);
    assert_eq!(refused(server.provider.get(&circuit)).status, 404);
    assert_eq!(refused(server.customer.get(&cross)).status, 403);
    assert_eq!(refused(server.provider.get(&format!("/subscriptions/{}", server.file.subscription))).status, 403);

    // The provider is given to another client: the default one sees nothing of it any more.
    let provider = json!({"properties": {"peeringLocations": ["Area51"], "bandwidthsMbps": [50],
                          "principals": ["33333333-3333-3333-3333-333333333333"]}});
    server
        .operator
        .put("/providers/Causeway.Fabric/serviceProviders/Ibiza%20Test%20Provider", &provider)
        .expect("given");
    assert_eq!(refused(server.provider.get(&cross)).status, 404);
    let put = server.provider.put(&cross, &json!({"properties": {"serviceProviderProvisioningState": "Provisioned"}}));
    assert_eq!(refused(put).status, 404);
    let list = cross.rsplit_once('/').expect("a path").0;
    assert_eq!(server.provider.get(list).expect("a list"), json!({"value": []}));
}

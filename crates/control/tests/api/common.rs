//! A real control on loopback, in a thread of the test's process, and clients of its three parties.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use causeway_client::{ApiError, Client, ClientsFile, Credentials, Error};
use causeway_control::Options;
use serde_json::{Value, json};

pub struct Server {
    pub dir: tempfile::TempDir,
    pub endpoint: String,
    pub file: ClientsFile,
    pub customer: Client,
    pub provider: Client,
    pub operator: Client,
}

pub const GROUP: &str = "rg1";

impl Server {
    pub fn start() -> Server {
        let dir = tempfile::tempdir().expect("a directory");
        let listen: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let options = Options { data: dir.path().to_owned(), listen, is_dev: true, is_bare: true };
        let (ready, listening) = mpsc::channel();
        std::thread::spawn(move || {
            let result = causeway_control::run(&options, |endpoint| ready.send(endpoint.to_owned()).expect("heard"));
            result.expect("control runs");
        });
        let endpoint = listening.recv_timeout(Duration::from_secs(30)).expect("control listens");
        let file = ClientsFile::read(&dir.path().join("clients.json")).expect("clients.json");
        let client = |party| {
            Client::with_ca_file(&endpoint, &dir.path().join("ca.pem"), file.credentials(party)).expect("a client")
        };
        let (customer, provider, operator) = (client(&file.customer), client(&file.provider), client(&file.operator));
        Server { endpoint, customer, provider, operator, file, dir }
    }

    /// A client with other credentials.
    pub fn client(&self, answer: &Value) -> Client {
        let credentials = Credentials {
            tenant: self.file.tenant.clone(),
            client_id: answer["clientId"].as_str().expect("clientId").to_owned(),
            client_secret: answer["clientSecret"].as_str().expect("clientSecret").into(),
        };
        Client::with_ca_file(&self.endpoint, &self.ca(), credentials).expect("a client")
    }

    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// What a deployment of one location has: two edges, a provider with a cross-connect, two gateway nodes.
    pub fn with_fabric() -> Server {
        let server = Server::start();
        let network = format!("{}/virtualNetworks/vnet1", server.network());
        for (path, properties) in fabric(&network) {
            server
                .operator
                .put(&format!("/providers/Causeway.Fabric/{path}"), &json!({"properties": properties}))
                .expect(path);
        }
        server.group(GROUP);
        server
    }

    /// Makes a resource group.
    pub fn group(&self, name: &str) {
        let path = format!("/subscriptions/{}/resourceGroups/{name}", self.file.subscription);
        self.customer.put(&path, &json!({"location": "westus"})).expect("a group");
    }

    /// `/subscriptions/…/providers/Microsoft.Network` of the customer's first group.
    pub fn network(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/{GROUP}/providers/Microsoft.Network", self.file.subscription)
    }
}

/// Paths below `/providers/Causeway.Fabric` and their properties.
pub fn fabric(network: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("peeringLocations/Area51", json!({})),
        (
            "serviceProviders/Ibiza%20Test%20Provider",
            json!({"peeringLocations": ["Area51"], "bandwidthsMbps": [50, 100, 200, 500, 1000], "principals": []}),
        ),
        (
            "edges/edge1",
            json!({"peeringLocation": "Area51", "link": "Primary", "routerId": "192.0.2.1", "vtep": "198.51.100.1",
                   "fabricPort": "fab0", "providerPorts": [{"provider": "Ibiza Test Provider", "port": "prov0"}]}),
        ),
        (
            "edges/edge2",
            json!({"peeringLocation": "Area51", "link": "Secondary", "routerId": "192.0.2.2", "vtep": "198.51.100.2",
                   "fabricPort": "fab0", "providerPorts": [{"provider": "Ibiza Test Provider", "port": "prov0"}]}),
        ),
        (
            "gatewayNodes/gw0",
            json!({"routerId": "192.0.2.3", "vtep": "198.51.100.3", "fabricPort": "fab0", "networkPort": "net0",
                   "virtualNetwork": network, "instance": 0}),
        ),
        (
            "gatewayNodes/gw1",
            json!({"routerId": "192.0.2.4", "vtep": "198.51.100.4", "fabricPort": "fab0", "networkPort": "net0",
                   "virtualNetwork": network, "instance": 1}),
        ),
        (
            "crossConnects/xc1",
            json!({"provider": "Ibiza Test Provider", "peeringLocation": "Area51", "routerId": "192.0.2.5",
                   "primaryUplink": "up1", "secondaryUplink": "up2", "accessPorts": ["access1", "access2"]}),
        ),
    ]
}

/// The API's error.
pub fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> ApiError {
    match result {
        Err(Error::Api(error)) => *error,
        other => panic!("not refused by the API: {other:?}"),
    }
}

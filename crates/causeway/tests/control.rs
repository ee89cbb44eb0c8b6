//! `causeway control` as a process: it starts, ends when it is told to, and after a SIGKILL has everything that it ever
//! acknowledged.
#![allow(missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use causeway_client::{Client, ClientsFile};
use serde_json::{Value, json};

struct Control {
    process: Child,
    endpoint: String,
}

impl Control {
    fn start(dir: &Path) -> Control {
        let mut process = Command::new(env!("CARGO_BIN_EXE_causeway"))
            .args(["control", "--dev", "--bare", "--listen", "127.0.0.1:0", "--data"])
            .arg(dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let endpoint = line.trim().strip_prefix("listening on ").expect("the endpoint").to_owned();
        Control { process, endpoint }
    }

    fn client(&self, dir: &Path, party: &str) -> Client {
        let file = ClientsFile::read(&dir.join("clients.json")).expect("clients.json");
        let credentials = match party {
            "customer" => file.credentials(&file.customer),
            "provider" => file.credentials(&file.provider),
            _ => file.credentials(&file.operator),
        };
        Client::with_ca_file(&self.endpoint, &dir.join("ca.pem"), credentials).expect("a client")
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.process.id()).expect("a pid");
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::try_from(signal).expect("a signal"),
        )
        .expect("signalled");
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn subscription(dir: &Path) -> String {
    ClientsFile::read(&dir.join("clients.json")).expect("clients.json").subscription
}

fn register_a_provider(operator: &Client) {
    operator.put("/providers/Causeway.Fabric/peeringLocations/Ams1", &json!({"properties": {}})).expect("a location");
    let provider = json!({"properties": {"peeringLocations": ["Ams1"], "bandwidthsMbps": [50]}});
    operator.put("/providers/Causeway.Fabric/serviceProviders/P1", &provider).expect("a provider");
}

fn circuit(tag: &str) -> Value {
    json!({"location": "westus", "tags": {"written": tag}, "sku": {"tier": "Standard", "family": "MeteredData"},
        "properties": {"serviceProviderProperties": {"serviceProviderName": "P1", "peeringLocation": "Ams1",
        "bandwidthInMbps": 50}}})
}

#[test]
fn sigterm_ends_it_cleanly_and_a_restart_has_the_same_parties_and_keys() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut control = Control::start(dir.path());
    let before = ClientsFile::read(&dir.path().join("clients.json")).expect("clients.json");
    let ca = std::fs::read(dir.path().join("ca.pem")).expect("ca.pem");
    register_a_provider(&control.client(dir.path(), "operator"));
    control.signal(libc::SIGTERM);
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Some(status) = control.process.try_wait().expect("waited") {
            break status;
        }
        assert!(Instant::now() < deadline, "SIGTERM ends it");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success(), "{status}");

    let again = Control::start(dir.path());
    let after = ClientsFile::read(&dir.path().join("clients.json")).expect("clients.json");
    assert_eq!((&after.tenant, &after.customer), (&before.tenant, &before.customer));
    assert_eq!(after.endpoint, again.endpoint);
    assert_eq!(std::fs::read(dir.path().join("ca.pem")).expect("ca.pem"), ca);
    let list = again.client(dir.path(), "operator").get("/providers/Causeway.Fabric/serviceProviders").expect("a list");
    assert_eq!(list["value"][0]["name"], "P1");
}

#[test]
fn a_second_process_a_public_address_and_no_dev_are_refused_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let _control = Control::start(dir.path());
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_causeway"))
            .args(["control", "--data"])
            .arg(dir.path())
            .args(arguments)
            .output()
            .expect("runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(run(&["--dev", "--listen", "127.0.0.1:0"]).contains("in use by another process"));
    assert!(run(&["--dev", "--listen", "0.0.0.0:0"]).contains("loopback only"));
    assert!(run(&["--listen", "127.0.0.1:0"]).contains("--dev"));
}

/// Everything that was acknowledged, path and what it was written with.
type Acknowledged = Arc<Mutex<Vec<(String, String)>>>;

#[test]
fn nothing_acknowledged_is_lost_to_sigkill() {
    let dir = tempfile::tempdir().expect("a directory");
    let acknowledged: Acknowledged = Acknowledged::default();
    let rounds = 4;
    for round in 0..rounds {
        let mut control = Control::start(dir.path());
        let customer = control.client(dir.path(), "customer");
        verify(&customer, &acknowledged);
        if round == 0 {
            register_a_provider(&control.client(dir.path(), "operator"));
        }
        let group = format!("/subscriptions/{}/resourceGroups/g{round}", subscription(dir.path()));
        customer.put(&group, &json!({"location": "westus"})).expect("a group");
        let wanted = acknowledged.lock().expect("not poisoned").len() + 60;
        let is_over = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (customer, acknowledged, is_over, group) =
                    (customer.clone(), acknowledged.clone(), is_over.clone(), group.clone());
                std::thread::spawn(move || write(writer, &customer, &group, &acknowledged, &is_over))
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        while acknowledged.lock().expect("not poisoned").len() < wanted {
            assert!(Instant::now() < deadline, "writers write");
            std::thread::sleep(Duration::from_millis(1));
        }
        // In the middle of writing.
        control.process.kill().expect("killed");
        control.process.wait().expect("gone");
        is_over.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().expect("a writer ends when nobody answers");
        }
    }
    let control = Control::start(dir.path());
    verify(&control.client(dir.path(), "customer"), &acknowledged);
    assert!(acknowledged.lock().expect("not poisoned").len() >= 60 * rounds);
}

fn write(writer: usize, customer: &Client, group: &str, acknowledged: &Acknowledged, is_over: &AtomicBool) {
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        // Two kinds: one that is done when it is answered, and one that begins an operation and takes numbers.
        let (path, body) = if number % 8 == 0 && number < 96 {
            let path = format!("{group}/providers/Microsoft.Network/expressRouteCircuits/c{writer}-{number}");
            (path, circuit("x"))
        } else {
            (format!("{group}-{writer}-{number}"), json!({"location": "westus", "tags": {"written": "x"}}))
        };
        match customer.call("PUT", &path, Some(&body)) {
            Ok(_) => acknowledged.lock().expect("not poisoned").push((path, "x".to_owned())),
            Err(error) if error.is_transport() => return,
            // A subscription has 50 circuits at most; that is no loss.
            Err(error) => assert!(error.api().is_some_and(|api| api.status == 409 || api.status == 400), "{error}"),
        }
    }
}

fn verify(customer: &Client, acknowledged: &Acknowledged) {
    let all = acknowledged.lock().expect("not poisoned").clone();
    let mut keys = std::collections::BTreeSet::new();
    for (path, tag) in &all {
        let found = customer.get(path).unwrap_or_else(|error| panic!("{path} was acknowledged and is lost: {error}"));
        assert_eq!(found["tags"]["written"], tag.as_str(), "{path}");
        if let Some(stag) = found["properties"]["stag"].as_u64() {
            assert!(keys.insert(stag), "S-tag {stag} was given twice");
        }
    }
    // Circuits whose operation was cut short end by themselves after a restart.
    let circuits: Vec<_> = all.iter().filter(|(path, _)| path.contains("expressRouteCircuits")).collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    for (path, _) in circuits {
        while customer.get(path).expect("there")["properties"]["provisioningState"] != "Succeeded" {
            assert!(Instant::now() < deadline, "{path} is still under way");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

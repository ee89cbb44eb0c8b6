//! An edge's process is killed while packets pass between a customer's host and a cloud host: none is lost, and a new
//! process takes up where it was.
//!
//! ```text
//!   ce: 203.0.113.1 (lo), BIRD ── wan ══ p0 :e1: n0 ══ eth0 :vm 198.51.100.9
//! ```

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use causeway_edge::{EdgeOptions, run as run_edge, teardown};
use causeway_edge_types::{Attachment, AttachmentId, BfdConfig, BgpState, EdgeConfig, EdgeStatus, Encapsulation, Tags};
use nix::sys::signal::Signal;
use support::bench::{SOON, bird_config, config};
use support::bird::{Bird, has_bird};
use support::daemon::{give, join, options};
use support::{Prefix, can_make_namespaces, run, try_run, wait_for};

const NAMESPACE: &str = "CAUSEWAY_TEST_NAMESPACE";
const DATA: &str = "CAUSEWAY_TEST_DATA";

/// No test by itself: the process that the test below starts and kills.
#[test]
#[ignore = "the daemon's process of another test"]
fn daemon_process() {
    let (Ok(namespace), Ok(data)) = (std::env::var(NAMESPACE), std::env::var(DATA)) else { return };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    run_edge(options("e1", &namespace, data.into())).unwrap();
}

/// The daemon in a process of its own.
struct Process(Child);

impl Process {
    fn start(namespace: &str, data: &Path) -> Process {
        let log = std::fs::File::options().create(true).append(true).open(data.join("log")).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["daemon_process", "--exact", "--ignored", "--nocapture"])
            .env(NAMESPACE, namespace)
            .env(DATA, data)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Process(child)
    }

    fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }

    /// SIGKILL, and wait until it is gone.
    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tears an edge down when the test ends, however it ends.
struct Torn<'a>(&'a EdgeOptions);

impl Drop for Torn<'_> {
    fn drop(&mut self) {
        let torn = teardown(self.0);
        if !std::thread::panicking() {
            torn.unwrap();
        }
    }
}

fn edge_config() -> EdgeConfig {
    let mut config = config(1);
    for peer in &mut config.vrfs[0].peers {
        peer.bfd = Some(BfdConfig { min_tx_ms: 100, min_rx_ms: 100, detect_mult: 3 });
    }
    config.attachments.push(Attachment {
        id: AttachmentId(8),
        vrf: config.vrfs[0].id,
        encapsulation: Encapsulation::Port { port: "n0".into(), tags: Tags::default() },
        addresses: vec!["198.51.100.1/24".parse().unwrap(), "2001:db8:51::1/64".parse().unwrap()],
        on_link: vec!["198.51.100.0/24".parse().unwrap(), "2001:db8:51::/64".parse().unwrap()],
        mtu: 1500,
        label: "a network".into(),
    });
    config
}

/// The site's and the network's namespaces, joined to the edge's.
fn world(prefix: &Prefix) -> (String, String, String) {
    let (edge, site, host) = (prefix.namespace("e1"), prefix.namespace("ce"), prefix.namespace("vm"));
    join((&edge, "p0"), (&site, "wan"));
    join((&edge, "n0"), (&host, "eth0"));
    for (space, name) in [(&site, "wan"), (&host, "eth0")] {
        run(&format!("nsenter --net=/run/netns/{space} ethtool -K {name} tx off gro on"));
        run(&format!("ip -n {space} link set {name} mtu 1500"));
    }
    for (space, address, name) in [
        (&site, "192.0.2.2/30", "wan"),
        (&site, "2001:db8::2/126", "wan"),
        (&site, "203.0.113.1/32", "lo"),
        (&site, "2001:db8:113::1/128", "lo"),
        (&host, "198.51.100.9/24", "eth0"),
        (&host, "2001:db8:51::9/64", "eth0"),
    ] {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        run(&format!("ip -n {space} addr add {address} dev {name} {nodad}"));
    }
    run(&format!("ip -n {host} route add default via 198.51.100.1"));
    run(&format!("ip -n {host} -6 route add default via 2001:db8:51::1"));
    (edge, site, host)
}

#[test]
fn a_killed_process_costs_no_packet_and_the_next_one_takes_over() {
    if !can_make_namespaces() || !has_bird() {
        return;
    }
    let prefix = Prefix::new();
    let (edge, site, _host) = world(&prefix);
    let data = tempfile::tempdir().unwrap();
    let given = options("e1", &edge, data.path().to_owned());
    give(&given, &edge_config());
    let torn = Torn(&given);
    let mut process = Process::start(&edge, data.path());
    let kernel = "protocol kernel { ipv4 { export where source = RTS_BGP; }; }\n\
                  protocol kernel { ipv6 { export where source = RTS_BGP; }; }\n";
    let more = "bfd graceful; graceful restart on; graceful restart time 30;";
    let bird = Bird::start(&site, &(bird_config(more) + kernel));
    let status = || -> Option<EdgeStatus> {
        serde_json::from_slice(&std::fs::read(given.status_file.as_ref().unwrap()).ok()?).ok()
    };
    let explain = || {
        let log = std::fs::read_to_string(data.path().join("log")).unwrap_or_default();
        format!("{}\n{log}\n{:#?}", bird.explain(), status())
    };
    let are_up = || bird.is_established("edge4") && bird.is_established("edge6");
    let ping =
        |from: &str, to: &str| try_run(&format!("nsenter --net=/run/netns/{site} ping -c 1 -W 1 -I {from} {to}")).0;
    wait_for("both sessions", SOON, are_up, explain);
    wait_for("IPv4 between the hosts", SOON, || ping("203.0.113.1", "198.51.100.9"), explain);
    wait_for("IPv6 between the hosts", SOON, || ping("2001:db8:113::1", "2001:db8:51::9"), explain);
    let boot_id = status().unwrap().boot_id;

    let mut renamed = edge_config();
    renamed.generation = 2;
    renamed.attachments[1].label = "another name".into();
    give(&given, &renamed);
    process.signal(Signal::SIGHUP);
    let has_read = || status().is_some_and(|status| status.observed_generation == 2);
    wait_for("the file that it was told to read again", SOON, has_read, explain);

    // A packet every 5 ms in each family, while the process is killed and another one started.
    let probe = |from: &str, to: &str| {
        Command::new("nsenter")
            .arg(format!("--net=/run/netns/{site}"))
            .args(["ping", "-q", "-i", "0.005", "-c", "1600", "-W", "2", "-I", from, to])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let probes = [probe("203.0.113.1", "198.51.100.9"), probe("2001:db8:113::1", "2001:db8:51::9")];
    process.kill();
    // Longer than BFD's detection time: the customer's router is to notice, and to keep its routes.
    wait_for("the customer's router to notice", SOON, || !bird.is_established("edge4"), explain);
    let start = Instant::now();
    let mut process = Process::start(&edge, data.path());
    let is_new = || status().is_some_and(|status| status.boot_id != boot_id);
    let is_back = || is_new() && are_up() && status().unwrap().peers.iter().all(|p| p.state == BgpState::Established);
    wait_for("the new process and its sessions", SOON, is_back, explain);
    eprintln!("sessions are back {:?} after the start", start.elapsed());
    for probe in probes {
        let output = probe.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("1600 received"), "{text}\n{}", explain());
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    process.signal(Signal::SIGTERM);
    assert!(process.0.wait().unwrap().success(), "it ends well: {}", explain());
    assert!(ping("203.0.113.1", "198.51.100.9"), "and forwarding goes on");
    drop(torn);
    assert!(!ping("203.0.113.1", "198.51.100.9"), "nothing forwards after the teardown");
}

//! An edge and a customer's router on one wire, without the data plane: a bridge joins the port and the host interface.
//!
//! ```text
//!   edge namespace                     customer's namespace
//!     hx7 ── br0 ── p0 ═══════════════ c0   BIRD
//!      ║
//!     host (namespace <edge>-a7): 192.0.2.1/30, 2001:db8::1/126
//! ```

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use causeway_edge::dataplane::{Asked, Dataplane, HostAttachment, Port, RecordingDataplane, UnderlayHop};
use causeway_edge::{EdgeOptions, OpenedDataplane, run_with};
use causeway_edge_types::*;
use causeway_router::FibChange;

use super::{Prefix, run, wait_for};

/// Long enough for the slowest machine; what is waited for comes much sooner.
pub const SOON: Duration = Duration::from_secs(20);

/// The two namespaces.
pub struct Wire {
    pub prefix: Prefix,
    pub edge: String,
    pub customer: String,
}

impl Wire {
    pub fn new() -> Wire {
        let prefix = Prefix::new();
        let (edge, customer) = (prefix.namespace("e1"), prefix.namespace("ce"));
        run(&format!("ip link add p0 netns {edge} type veth peer name c0 netns {customer}"));
        run(&format!("ip -n {edge} link add br0 type bridge"));
        for name in ["br0", "p0"] {
            run(&format!("ip -n {edge} link set {name} up"));
        }
        run(&format!("ip -n {edge} link set p0 master br0"));
        run(&format!("ip -n {customer} link set c0 up"));
        run(&format!("ip -n {customer} addr add 192.0.2.2/30 dev c0"));
        run(&format!("ip -n {customer} addr add 2001:db8::2/126 dev c0 nodad"));
        Wire { prefix, edge, customer }
    }

    /// Joins the host interface to the wire, once the edge has made it.
    pub fn join(&self) {
        let is_there = || super::try_run(&format!("ip -n {} link set hx7 up master br0", self.edge)).0;
        wait_for("the host interface", SOON, is_there, String::new);
    }
}

/// An edge on a thread of this process, with a data plane that remembers what it was asked.
pub struct Edge {
    pub options: EdgeOptions,
    pub asked: Shared,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Edge {
    pub fn options(wire: &Wire, data: PathBuf) -> EdgeOptions {
        EdgeOptions {
            name: "e1".into(),
            role: "edge".into(),
            netns: Some(format!("/run/netns/{}", wire.edge).into()),
            config_file: Some(data.join("given.json")),
            status_file: Some(data.join("status.json")),
            data,
            pin_root: None,
            control: None,
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    pub fn start(options: EdgeOptions) -> Edge {
        let asked = Shared::default();
        let (given, shared) = (options.clone(), asked.clone());
        let thread = std::thread::spawn(move || {
            run_with(given, move |_| Ok(OpenedDataplane { dataplane: Box::new(shared), has_adopted: false }))
        });
        Edge { options, asked, thread: Some(thread) }
    }

    /// What it says of itself.
    pub fn status(&self) -> Option<EdgeStatus> {
        let text = std::fs::read(self.options.status_file.as_ref()?).ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.options.stop.store(true, Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap())
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let result = self.stop();
        if !std::thread::panicking() {
            result.unwrap();
        }
    }
}

/// A configuration with one customer on port `p0`, untagged.
pub fn config(generation: u64) -> EdgeConfig {
    let id = |address: &str| PeerId { attachment: AttachmentId(7), address: address.parse().unwrap() };
    EdgeConfig {
        generation,
        vrfs: vec![VrfConfig {
            id: VrfId(1),
            local_asn: Asn(12076),
            route_limit: 1000,
            originate: vec!["198.51.100.0/24".parse().unwrap(), "2001:db8:51::/48".parse().unwrap()],
            peers: vec![peer(id("192.0.2.2"), "192.0.2.1"), peer(id("2001:db8::2"), "2001:db8::1")],
        }],
        attachments: vec![Attachment {
            id: AttachmentId(7),
            vrf: VrfId(1),
            encapsulation: Encapsulation::Port { port: "p0".into(), tags: Tags::default() },
            addresses: vec!["192.0.2.1/30".parse().unwrap(), "2001:db8::1/126".parse().unwrap()],
            on_link: vec![],
            mtu: 1500,
            label: "a customer".into(),
        }],
        ..EdgeConfig::empty("e1".into(), Ipv4Addr::new(192, 0, 2, 1))
    }
}

fn peer(id: PeerId, local: &str) -> PeerConfig {
    PeerConfig {
        id,
        local_address: local.parse().unwrap(),
        remote_asn: Asn(64496),
        side: Side::Access,
        passive: false,
        md5_key: None,
        hold_time_s: 90,
        bfd: None,
        restart_time_s: 60,
        import: ImportPolicy {
            max_prefixes: 1000,
            refuse_overlap: vec![],
            accept_default: true,
            enforce_first_as: true,
            weight: 0,
        },
        export: ExportPolicy::default(),
        path_beyond: vec![],
    }
}

/// BIRD's side of [`config`]. `more` goes into both sessions.
pub fn bird_config(more: &str) -> String {
    let session = |name: &str, family: &str, own: &str, edge: &str| {
        format!(
            "protocol bgp {name} {{ local {own} as 64496; neighbor {edge} as 12076; connect delay time 1; \
             error wait time 1, 2; {more} {family} {{ import all; export where source = RTS_STATIC; }}; }}\n"
        )
    };
    "log stderr all; router id 192.0.2.2; protocol device {}\n\
     protocol bfd { interface \"*\" { interval 100 ms; multiplier 3; }; }\n\
     protocol static { ipv4; route 203.0.113.0/24 unreachable; }\n\
     protocol static { ipv6; route 2001:db8:113::/48 unreachable; }\n"
        .to_owned()
        + &session("edge4", "ipv4", "192.0.2.2", "192.0.2.1")
        + &session("edge6", "ipv6", "2001:db8::2", "2001:db8::1")
}

/// A recording data plane that the test can look into while the edge uses it.
#[derive(Clone, Default)]
pub struct Shared(pub Arc<Mutex<RecordingDataplane>>);

impl Shared {
    /// The changes of forwarding so far.
    pub fn fib(&self) -> Vec<FibChange> {
        let asked = self.0.lock().unwrap();
        let changes = asked.asked.iter().filter_map(|asked| match asked {
            Asked::Apply(change) => Some(change.clone()),
            _ => None,
        });
        changes.collect()
    }
}

impl Dataplane for Shared {
    fn configure(
        &mut self,
        ports: &[Port],
        attachments: &[HostAttachment],
        crosses: &[CrossConnect],
    ) -> anyhow::Result<()> {
        self.0.lock().unwrap().configure(ports, attachments, crosses)
    }

    fn apply(&mut self, changes: &[FibChange]) -> anyhow::Result<()> {
        self.0.lock().unwrap().apply(changes)
    }

    fn set_neighbor(
        &mut self,
        id: AttachmentId,
        address: std::net::IpAddr,
        mac: Option<[u8; 6]>,
    ) -> anyhow::Result<()> {
        self.0.lock().unwrap().set_neighbor(id, address, mac)
    }

    fn set_underlay(&mut self, remote: std::net::IpAddr, hop: Option<UnderlayHop>) -> anyhow::Result<()> {
        self.0.lock().unwrap().set_underlay(remote, hop)
    }

    fn counters(&self) -> anyhow::Result<(Vec<AttachmentCounters>, Vec<DropCount>)> {
        self.0.lock().unwrap().counters()
    }

    fn port_mode(&self, port: &PortName) -> String {
        self.0.lock().unwrap().port_mode(port)
    }
}

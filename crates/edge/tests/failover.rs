//! Two edges, a gateway, a customer's BIRD: packets from the cloud host find the customer by the other link when one
//! reports down, and that takes milliseconds.
//!
//! ```text
//!            ┌ wan1 ══ p0 :e1: f0 ══┐                  ┌ n0 :g1: f0 ══┐
//!   ce: BIRD ┤                      ├ fabric (bridge) ═┤              │
//!            └ wan2 ══ p0 :e2: f0 ══┘                  └ eth0 :vm     ┘
//! ```

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::time::Duration;

use causeway_edge_types::{
    Asn, Attachment, AttachmentId, BfdConfig, EdgeConfig, Encapsulation, ExportPolicy, ImportPolicy, PeerConfig,
    PeerId, Side, Tags, Vni, VrfConfig, VrfId,
};
use support::bench::SOON;
use support::bird::{Bird, has_bird};
use support::daemon::{Daemon, give, join, options};
use support::{Prefix, can_make_namespaces, run, try_run, wait_for};

const TUNNEL: AttachmentId = AttachmentId(2);
const ACCESS: AttachmentId = AttachmentId(1);

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn vtep(number: u8) -> IpAddr {
    Ipv4Addr::new(198, 51, 100, number).into()
}

fn attachment(id: AttachmentId, encapsulation: Encapsulation, addresses: &[&str]) -> Attachment {
    Attachment {
        id,
        vrf: VrfId(1),
        encapsulation,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        on_link: vec![],
        mtu: 1400,
        label: String::new(),
    }
}

fn peer(attachment: AttachmentId, local: &str, remote: &str, remote_asn: u32, side: Side) -> PeerConfig {
    PeerConfig {
        id: PeerId { attachment, address: address(remote) },
        local_address: address(local),
        remote_asn: Asn(remote_asn),
        side,
        passive: false,
        md5_key: None,
        hold_time_s: 90,
        bfd: Some(BfdConfig { min_tx_ms: 300, min_rx_ms: 300, detect_mult: 3 }),
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

fn node(name: &str, number: u8, local_asn: u32) -> EdgeConfig {
    let vrf =
        VrfConfig { id: VrfId(1), local_asn: Asn(local_asn), route_limit: 1000, originate: vec![], peers: vec![] };
    EdgeConfig {
        generation: 1,
        vtep: Some(vtep(number)),
        vrfs: vec![vrf],
        ..EdgeConfig::empty(name.into(), Ipv4Addr::new(192, 0, 2, 200 + number))
    }
}

/// Edge 1 or 2. Its link to the customer is 192.0.2.(4n-3)/30, its tunnel 169.254.1.(4n-3)/30.
fn edge(number: u8) -> EdgeConfig {
    let (own, far) = (4 * number - 3, 4 * number - 2);
    let mut config = node(&format!("e{number}"), number, 12076);
    let port = Encapsulation::Port { port: "p0".into(), tags: Tags::default() };
    let tunnel = Encapsulation::Vxlan { vni: Vni(1), local: vtep(number), remote: vtep(11) };
    config.attachments = vec![
        attachment(ACCESS, port, &[&format!("192.0.2.{own}/30")]),
        attachment(TUNNEL, tunnel, &[&format!("169.254.1.{own}/30")]),
    ];
    let customer = peer(ACCESS, &format!("192.0.2.{own}"), &format!("192.0.2.{far}"), 64496, Side::Access);
    let mut gateway = peer(TUNNEL, &format!("169.254.1.{own}"), &format!("169.254.1.{far}"), 65515, Side::Fabric);
    gateway.path_beyond = vec![customer.id];
    gateway.export.learned_from = vec![Side::Access];
    config.vrfs[0].peers = vec![
        PeerConfig { export: ExportPolicy { learned_from: vec![Side::Fabric], ..ExportPolicy::default() }, ..customer },
        gateway,
    ];
    config
}

fn gateway() -> EdgeConfig {
    let mut config = node("g1", 11, 65515);
    config.vrfs[0].originate = vec!["203.0.113.0/24".parse().unwrap()];
    for number in [1, 2] {
        let (far, own) = (4 * number - 3, 4 * number - 2);
        let id = AttachmentId(u32::from(number));
        let tunnel = Encapsulation::Vxlan { vni: Vni(1), local: vtep(11), remote: vtep(number) };
        config.attachments.push(attachment(id, tunnel, &[&format!("169.254.1.{own}/30")]));
        let edge = peer(id, &format!("169.254.1.{own}"), &format!("169.254.1.{far}"), 12076, Side::Fabric);
        config.vrfs[0].peers.push(edge);
    }
    let port = Encapsulation::Port { port: "n0".into(), tags: Tags::default() };
    let mut network = attachment(AttachmentId(3), port, &["203.0.113.1/24"]);
    network.on_link = vec!["203.0.113.0/24".parse().unwrap()];
    config.attachments.push(network);
    config
}

/// A customer's router with a session over each link, spreading over both.
fn customer() -> String {
    let session = |number: u8| {
        let (edge, own) = (4 * number - 3, 4 * number - 2);
        format!(
            "protocol bgp edge{number} {{ local 192.0.2.{own} as 64496; neighbor 192.0.2.{edge} as 12076; bfd graceful; \
             connect delay time 1; error wait time 1, 2; ipv4 {{ import all; export where source = RTS_STATIC; }}; }}\n"
        )
    };
    "log stderr all; router id 192.0.2.2; protocol device {}\n\
     protocol bfd { interface \"*\" { interval 300 ms; multiplier 3; }; }\n\
     protocol static { ipv4; route 198.18.0.0/24 unreachable; }\n\
     protocol kernel { merge paths on; ipv4 { export where source = RTS_BGP; }; }\n"
        .to_owned()
        + &session(1)
        + &session(2)
}

struct World {
    edges: [String; 2],
    gateway: String,
    site: String,
    host: String,
}

fn world(prefix: &Prefix) -> World {
    let edges = [prefix.namespace("e1"), prefix.namespace("e2")];
    let [gateway, site, host, fabric] = ["g1", "ce", "vm", "fab"].map(|name| prefix.namespace(name));
    run(&format!("ip -n {fabric} link add br0 type bridge"));
    run(&format!("ip -n {fabric} link set br0 up"));
    for (at, (space, number)) in [(&edges[0], 1), (&edges[1], 2), (&gateway, 11)].into_iter().enumerate() {
        join((space, "f0"), (&fabric, &format!("s{at}")));
        run(&format!("ip -n {fabric} link set s{at} master br0"));
        run(&format!("nsenter --net=/run/netns/{fabric} ethtool -K s{at} gro on"));
        run(&format!("ip -n {space} addr add 198.51.100.{number}/24 dev f0"));
    }
    for (number, edge) in (1..).zip(&edges) {
        let wan = format!("wan{number}");
        join((edge, "p0"), (&site, &wan));
        prepare(&site, &wan);
        run(&format!("ip -n {site} addr add 192.0.2.{}/30 dev {wan}", 4 * number - 2));
    }
    run(&format!("ip -n {site} addr add 198.18.0.1/32 dev lo"));
    run(&format!("nsenter --net=/run/netns/{site} sysctl -qw net.ipv4.fib_multipath_hash_policy=1"));
    join((&gateway, "n0"), (&host, "eth0"));
    prepare(&host, "eth0");
    run(&format!("ip -n {host} addr add 203.0.113.9/24 dev eth0"));
    run(&format!("ip -n {host} route add default via 203.0.113.1"));
    World { edges, gateway, site, host }
}

fn prepare(space: &str, name: &str) {
    run(&format!("nsenter --net=/run/netns/{space} ethtool -K {name} tx off gro on"));
    run(&format!("ip -n {space} link set {name} mtu 1400"));
}

#[test]
fn a_link_that_reports_down_costs_milliseconds() {
    if !can_make_namespaces() || !has_bird() {
        return;
    }
    let prefix = Prefix::new();
    let world = world(&prefix);
    let mut daemons = vec![];
    let mut data = vec![];
    let nodes = [("e1", &world.edges[0], edge(1)), ("e2", &world.edges[1], edge(2)), ("g1", &world.gateway, gateway())];
    for (name, space, config) in nodes {
        let directory = tempfile::tempdir().unwrap();
        let options = options(name, space, directory.path().to_owned());
        give(&options, &config);
        daemons.push(Daemon::start(options));
        data.push(directory);
    }
    let bird = Bird::start(&world.site, &customer());
    let explain = || {
        let statuses: String = daemons.iter().map(|daemon| format!("{:#?}", daemon.status())).collect();
        format!("{}\n{statuses}", bird.explain())
    };
    let are_up = || bird.is_established("edge1") && bird.is_established("edge2");
    wait_for("both sessions", SOON, are_up, explain);
    let ping = || try_run(&format!("nsenter --net=/run/netns/{} ping -c 1 -W 1 198.18.0.1", world.host)).0;
    wait_for("an answer from the site", SOON, ping, explain);
    let are_both_used =
        || daemons[2].status().is_some_and(|status| status.routes.iter().any(|route| route.next_hops.len() == 2));
    wait_for("both links in use at the gateway", SOON, are_both_used, explain);

    // Eight flows, so that some are on each link; a packet every 2 ms in each.
    let sources: Vec<String> = (9..17).map(|number| format!("203.0.113.{number}")).collect();
    for source in &sources[1..] {
        run(&format!("ip -n {} addr add {source}/24 dev eth0", world.host));
    }
    let probe = |source: &String| {
        Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", world.host))
            .args(["ping", "-q", "-i", "0.002", "-c", "1500", "-W", "1", "-I", source, "198.18.0.1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // Every address is known to the gateway before it counts.
    for source in &sources {
        let warm =
            || try_run(&format!("nsenter --net=/run/netns/{} ping -c 1 -W 1 -I {source} 198.18.0.1", world.host)).0;
        wait_for("an answer from the site", SOON, warm, explain);
    }
    let probes: Vec<_> = sources.iter().map(probe).collect();
    let counted = |at: usize| {
        let status = daemons[at].status();
        status.map_or(0, |status| status.counters.iter().map(|counters| counters.packets_in).sum::<u64>())
    };
    let before = [counted(0), counted(1)];
    wait_for("packets on both links", SOON, || (0..2).all(|at| counted(at) > before[at] + 100), explain);
    run(&format!("ip -n {} link set wan1 down", world.site));
    let mut lost = vec![];
    for probe in probes {
        let text = String::from_utf8_lossy(&probe.wait_with_output().unwrap().stdout).into_owned();
        let received = text.split(" received").next().and_then(|head| head.rsplit(' ').next()?.parse::<u64>().ok());
        lost.push(1500 - received.unwrap_or(0));
    }
    eprintln!("lost of each flow: {lost:?}, each 2 ms");
    let worst = Duration::from_millis(2 * lost.iter().max().unwrap());
    assert!(worst < Duration::from_millis(100), "{worst:?} without packets\n{}", explain());
    assert!(bird.is_established("edge2"), "{}", explain());
}

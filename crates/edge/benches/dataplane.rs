//! What a packet costs: nanoseconds in the program alone, and packets per second through real interfaces, beside a bare
//! XDP redirect (the least that any program on the way would do) and the kernel's own forwarding, in one run.
//!
//! `make bench-dataplane`, as root. The numbers are of the kernel's work; how this file was compiled does not matter. On
//! a shared machine only their ratios mean anything. Generator, boxes and sink share one CPU, since the softirq of each
//! hop runs where the frame was sent.

#[path = "../tests/nodes/mod.rs"]
mod nodes;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use causeway_edge::dataplane::{BenchPrograms, Dataplane, Options, XdpDataplane};
use causeway_router::{FibChange, GroupId, RouteTarget};
use libbpf_rs::{MapCore, MapFlags};
use nodes::chain::{Chain, Router, VRF, ip};
use nodes::packets::{Outer, datagram, ethernet, ipv4, ipv6, kind_of, udp};
use nodes::{Node, TestEdge, can_run};

const LIVE_FRAMES: u32 = 2; // BPF_F_TEST_XDP_LIVE_FRAMES
const ROUNDS: usize = 7;

fn main() {
    if !can_run() {
        return;
    }
    let mut chain = Chain::new("bench", ["10.0.0.1", "10.0.0.2"]);
    per_packet(&mut chain);
    per_second(&mut chain);
}

/// Others on the machine only ever make a run slower, so that the fastest says most about the program.
fn fastest(values: Vec<f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }
}

struct Runner {
    programs: BenchPrograms,
}

impl Runner {
    fn load(router: &Router) -> Runner {
        let (id, options) = (router.edge.id.clone(), router.edge.options());
        let programs = router.node.run(move || BenchPrograms::load(&id, &options)).expect("the bench's programs load");
        Runner { programs }
    }

    fn set(&self, table: &str, key: u32, value: &[u8]) {
        let table = self.programs.table(table).expect("it is there");
        table.update(&key.to_ne_bytes(), value, MapFlags::ANY).expect("it can be written");
    }

    /// These are the packets that go in, one after the other.
    fn packets(&self, packets: &[Vec<u8>]) {
        for (index, packet) in (0..).zip(packets) {
            let mut start = packet.clone();
            start.resize(96, 0);
            self.set("bench_packets", index, &start);
        }
        self.set("bench_settings", 0, &(packets.len() as u32).to_ne_bytes());
        self.set("bench_settings", 1, &0u32.to_ne_bytes());
    }

    fn fd(&self, program: &str) -> i32 {
        self.programs.program(program).expect("it is there").as_fd().as_raw_fd()
    }
}

/// Runs a program on a packet in the thread's namespace, and gives nanoseconds for each time.
fn run(fd: i32, ifindex: u32, packet: &[u8], repeat: u32, flags: u32) -> (u32, f64) {
    let mut context = Vec::new();
    for word in [0, packet.len() as u32, 0, ifindex, 0, 0] {
        context.extend(word.to_ne_bytes());
    }
    let mut options = libbpf_sys::bpf_test_run_opts {
        sz: size_of::<libbpf_sys::bpf_test_run_opts>() as _,
        data_in: packet.as_ptr().cast(),
        data_size_in: packet.len() as u32,
        ctx_in: context.as_mut_ptr().cast(),
        ctx_size_in: context.len() as u32,
        repeat: repeat as i32,
        flags,
        batch_size: if flags == LIVE_FRAMES { 64 } else { 0 },
        ..Default::default()
    };
    let begin = Instant::now();
    // SAFETY: every buffer is as long as we say and lives until the call returns.
    let result = unsafe { libbpf_sys::bpf_prog_test_run_opts(fd, &mut options) };
    assert_eq!(result, 0, "BPF_PROG_TEST_RUN: {}", std::io::Error::last_os_error());
    let nanoseconds = if flags == LIVE_FRAMES {
        begin.elapsed().as_nanos() as f64 / f64::from(repeat)
    } else {
        f64::from(options.duration)
    };
    (options.retval, nanoseconds)
}

fn per_packet(chain: &mut Chain) {
    println!(
        "\nNanoseconds for each packet in the edge's program (BPF_PROG_TEST_RUN, 1,000,000 packets of 128 bytes and"
    );
    println!(
        "more to 4096 random destinations, fastest of {ROUNDS}; the bench's own work, measured alone, is taken off)\n"
    );
    let runner = Runner::load(&chain.edge);
    let (p0, f0) = (chain.edge.node.interface("p0").0, chain.edge.node.interface("f0").0);
    runner.set("bench_settings", 2, &f0.to_ne_bytes());
    let measure = |program: &str, ifindex: u32, packets: &[Vec<u8>]| {
        runner.packets(packets);
        let (fd, first) = (runner.fd(program), packets[0].clone());
        let mut all = Vec::new();
        for _ in 0..ROUNDS {
            let first = first.clone();
            let (action, nanoseconds) = chain.edge.node.run(move || run(fd, ifindex, &first, 1_000_000, 0));
            assert_eq!(action, 4, "{program} does not forward");
            all.push(nanoseconds);
        }
        fastest(all)
    };

    let mut numbers = Numbers(7);
    let host_mac = chain.edge.attachments[0].host_mac;
    let tunnel_mac = chain.edge.attachments[1].host_mac;
    let payload = [0; 64];
    let out4 = |destination: Ipv4Addr| {
        let packet = ipv4(Ipv4Addr::new(192, 0, 2, 1), destination, 64, 17, &udp(4000, 5000, &payload));
        ethernet(host_mac, [2; 6], &[100, 10], 0x0800, &packet)
    };
    let out6 = |destination: Ipv6Addr| {
        let source = Ipv6Addr::new(0x2001, 0xdb8, 0xaaaa, 0, 0, 0, 0, 1);
        ethernet(host_mac, [2; 6], &[100, 10], 0x86dd, &ipv6(source, destination, 64, 17, &udp(4000, 5000, &payload)))
    };
    let outer = Outer {
        destination_mac: [2; 6],
        source_mac: [2; 6],
        source: ip("10.0.0.2"),
        destination: ip("10.0.0.1"),
        vni: 5001,
        source_port: 50000,
    };
    let back = |source: &str, destination: &str| {
        let packet = datagram(ip(source), ip(destination), 64, &payload);
        vec![outer.wrap(&ethernet(tunnel_mac, [2; 6], &[], kind_of(&packet), &packet))]
    };
    let one4 = vec![out4(Ipv4Addr::new(198, 51, 100, 10))];
    let one6 = vec![out6("2001:db8:5::10".parse().expect("an address"))];

    let restore = measure("bench_restore", p0, &one4);
    let floor = measure("bench_redirect", p0, &one4) - restore;
    println!("{:<58} {:>6} {:>10}", "", "ns", "over bare");
    let line = |what: &str, nanoseconds: f64| {
        println!("{what:<58} {:>6.0} {:>10.0}", nanoseconds, nanoseconds - floor);
    };
    line("bare redirect", floor);
    line("cross-connect, no tags to two", {
        // On the provider's tables, with its own copy of the programs.
        let runner = Runner::load(&chain.provider);
        let packet = ethernet([2; 6], [4; 6], &[], 0x0800, &one4[0][22..]);
        runner.packets(std::slice::from_ref(&packet));
        let (fd, a0) = (runner.fd("bench_port"), chain.provider.node.interface("a0").0);
        let mut all = Vec::new();
        for _ in 0..ROUNDS {
            let packet = packet.clone();
            all.push(chain.provider.node.run(move || run(fd, a0, &packet, 1_000_000, 0)).1);
        }
        fastest(all) - restore
    });
    line("two tags to VXLAN, IPv4, 3 routes, one destination", measure("bench_port", p0, &one4) - restore);
    line("two tags to VXLAN, IPv6, 3 routes, one destination", measure("bench_port", p0, &one6) - restore);
    let arriving = back("198.51.100.10", "192.0.2.1");
    line("VXLAN to two tags, IPv4", measure("bench_port", f0, &arriving) - restore);
    let arriving = back("2001:db8:5::10", "2001:db8:aaaa::1");
    line("VXLAN to two tags, IPv6", measure("bench_port", f0, &arriving) - restore);

    let mut prefixes: Vec<IpAddr> = Vec::new();
    for goal in [1_000usize, 4_000, 10_000, 100_000] {
        let begin = Instant::now();
        let before = prefixes.len();
        let mut changes = Vec::new();
        while prefixes.len() < goal {
            let number = numbers.next();
            // 2.0.0.0 to 127.255.255.0, never the same twice for so few of so many.
            let address = Ipv4Addr::from((0x0200_0000 + (number as u32 % 0x7d00_0000)) & 0xffff_ff00);
            prefixes.push(IpAddr::V4(address));
            changes.push(FibChange::Route {
                vrf: VRF,
                prefix: ipnet::IpNet::new(IpAddr::V4(address), 24).expect("a prefix"),
                target: RouteTarget::Group(GroupId(8)),
            });
        }
        let dataplane = chain.edge.dataplane.as_mut().expect("open");
        if let Err(error) = dataplane.apply(&changes) {
            println!("{goal} routes: {error}");
            break;
        }
        let rate = (goal - before) as f64 / begin.elapsed().as_secs_f64();
        let packets: Vec<Vec<u8>> = (0..4096)
            .filter_map(|_| match prefixes[numbers.next() as usize % prefixes.len()] {
                IpAddr::V4(address) if address.octets()[0] != 127 => Some(out4(address)),
                _ => None,
            })
            .collect();
        let what = format!("two tags to VXLAN, IPv4, {goal} routes ({:.0} k routes/s in)", rate / 1000.0);
        line(&what, measure("bench_port", p0, &packets) - restore);
    }
    let mut flips = Vec::new();
    let dataplane = chain.edge.dataplane.as_mut().expect("open");
    for _ in 0..1000 {
        let begin = Instant::now();
        dataplane.apply(&[FibChange::Group { group: GroupId(8), buckets: vec![] }]).expect("down");
        flips.push(begin.elapsed().as_nanos() as f64 / 1000.0);
        dataplane.apply(&[nodes::chain::group(8, nodes::chain::TUNNEL, "169.254.20.2")]).expect("up");
    }
    println!(
        "\nOne flip of a group with {} prefixes behind it: {:.1} µs (median of 1000)",
        prefixes.len(),
        median(flips)
    );
    chain.edge.kill();
    let begin = Instant::now();
    chain.edge.start();
    println!("A new process with all of them adopted, to configured: {:.0} ms", begin.elapsed().as_secs_f64() * 1000.0);
    chain.fill_edge("10.0.0.2", 7);
    let begin = Instant::now();
    chain.edge.apply(&[FibChange::VrfComplete(VRF)]);
    println!("And to sweep them, none having been given again: {:.0} ms", begin.elapsed().as_secs_f64() * 1000.0);
    let empty = TestEdge::new("bench-open");
    let (node, id) = (Node::new(), empty.id.clone());
    let begin = Instant::now();
    node.run(move || XdpDataplane::open(&id, &Options::default()).map(drop)).expect("it opens");
    println!(
        "An empty data plane with room for 65,535 attachments, to open: {:.0} ms",
        begin.elapsed().as_secs_f64() * 1000.0
    );
    let changes: Vec<FibChange> = prefixes
        .iter()
        .map(|address| FibChange::RouteRemoved { vrf: VRF, prefix: ipnet::IpNet::new(*address, 24).expect("a prefix") })
        .collect();
    chain.edge.dataplane.as_mut().expect("open").apply(&changes).expect("the routes go");
}

/// One way of passing frames on, and how many a second come out.
struct Rate {
    sent: f64,
    arrived: f64,
}

/// Sends frames into `from` in the generator's namespace and counts what arrives in the sink's.
fn rate(generator: (&Node, &str), sink: (&Node, &str), runner: &Runner, frame: &[u8], count: u32) -> Rate {
    runner.packets(&[frame.to_vec()]);
    let device = generator.0.interface(generator.1).0;
    let table = runner.programs.table("bench_generator").expect("it is there");
    generator.0.run(move || {
        table.update(&0u32.to_ne_bytes(), &device.to_ne_bytes(), MapFlags::ANY).expect("the device is there");
    });
    attach(sink.0, sink.1, Some(runner.fd("bench_sink")));
    let arrived = || {
        let table = runner.programs.table("bench_arrived").expect("it is there");
        let values = table.lookup_percpu(&0u32.to_ne_bytes(), MapFlags::ANY).expect("readable").unwrap_or_default();
        values.iter().map(|value| u64::from_ne_bytes(value[..8].try_into().expect("eight bytes"))).sum::<u64>()
    };
    let mut all = Vec::new();
    let mut delivered = Vec::new();
    let fd = runner.fd("bench_generate");
    for round in 0..4 {
        let (before, frame) = (arrived(), frame.to_vec());
        // The first round is for neighbours and caches.
        let count = if round == 0 { count / 10 } else { count };
        let (_, nanoseconds) = generator.0.run(move || run(fd, 1, &frame, count, LIVE_FRAMES));
        if round > 0 {
            let settled = Instant::now() + Duration::from_millis(20);
            while Instant::now() < settled {
                std::thread::yield_now();
            }
            all.push(1e6 / nanoseconds);
            delivered.push((arrived() - before) as f64 / f64::from(count));
        }
    }
    attach(sink.0, sink.1, None);
    let best = (0..all.len()).max_by(|one, other| f64::total_cmp(&all[*one], &all[*other])).expect("there are rounds");
    Rate { sent: all[best], arrived: all[best] * delivered[best] }
}

/// Puts a program on an interface by netlink, or takes it off.
fn attach(node: &Node, interface: &str, program: Option<i32>) {
    let ifindex = node.interface(interface).0;
    let result = node.run(move || {
        // SAFETY: the descriptor is open for as long as the bench runs; no options are given.
        unsafe { libbpf_sys::bpf_xdp_attach(ifindex as i32, program.unwrap_or(-1), 4, std::ptr::null()) }
    });
    assert_eq!(result, 0, "XDP on {interface}: {}", std::io::Error::from_raw_os_error(-result));
}

fn per_second(chain: &mut Chain) {
    println!(
        "\nThousands of packets a second through veth, all on one CPU (best of 3; live frames of BPF_PROG_TEST_RUN)\n"
    );
    println!("{:<46} {:>12} {:>12} {:>12} {:>12}", "", "64 B sent", "arrived", "1400 B sent", "arrived");
    let dead = [0x02, 0, 0, 0, 0, 0x99];
    let frames = |mac: [u8; 6], tags: &[u16]| {
        [64usize, 1400].map(|size| {
            let payload = vec![0; size - 14 - 4 * tags.len() - 28];
            let packet = datagram(ip("192.0.2.1"), ip("198.51.100.10"), 64, &payload);
            ethernet(mac, dead, tags, 0x0800, &packet)
        })
    };
    let show = |what: &str, rates: [Rate; 2]| {
        let [small, large] = rates;
        println!(
            "{what:<46} {:>12.0} {:>12.0} {:>12.0} {:>12.0}",
            small.sent, small.arrived, large.sent, large.arrived
        );
    };
    let count = 1_000_000;

    let host = chain.host.interface("h0").1;
    chain.gateway.neighbor(nodes::chain::NETWORK, "198.51.100.10", Some(host));
    let runner = Runner::load(&chain.edge);
    let access_mac = chain.edge.attachments[0].host_mac;

    // One box: the edge, between u0 and f1.
    let into_edge = frames(access_mac, &[100, 10]);
    chain.gateway.detach();
    let one = |chain: &Chain, frames: &[Vec<u8>; 2], count: u32| {
        [0, 1]
            .map(|size| rate((&chain.provider.node, "u0"), (&chain.gateway.node, "f1"), &runner, &frames[size], count))
    };
    let causeway = one(chain, &into_edge, count);
    chain.edge.detach();
    bare(&chain.edge, "p0", "f0", true);
    let floor = one(chain, &into_edge, count);
    bare(&chain.edge, "p0", "f0", false);
    kernel_box(chain);
    let plain = frames(chain.edge.node.interface("p0").1, &[]);
    let kernel = one(chain, &plain, count / 4);
    show("one box: bare XDP redirect", floor);
    show("one box: edge, two tags to VXLAN", causeway);
    show("one box: kernel's ip_forward, neither", kernel);

    // Three boxes: provider, edge and gateway, from c0 to h0.
    for router in [&mut chain.provider, &mut chain.edge, &mut chain.gateway] {
        router.reattach();
    }
    let three = |chain: &Chain, frames: &[Vec<u8>; 2], count: u32| {
        [0, 1].map(|size| rate((&chain.customer, "c0"), (&chain.host, "h0"), &runner, &frames[size], count))
    };
    let untagged = frames(access_mac, &[]);
    let causeway = three(chain, &untagged, count);
    for router in [&mut chain.provider, &mut chain.edge, &mut chain.gateway] {
        router.detach();
    }
    let ways = [("a0", "u0"), ("p0", "f0"), ("f1", "n0")];
    let routers = [&chain.provider, &chain.edge, &chain.gateway];
    let bares: Vec<Runner> =
        routers.iter().zip(ways).filter_map(|(router, way)| bare(router, way.0, way.1, true)).collect();
    let floor = three(chain, &untagged, count);
    for (router, way) in routers.iter().zip(ways) {
        bare(router, way.0, way.1, false);
    }
    drop(bares);
    kernel_chain(chain);
    let plain = frames(chain.provider.node.interface("a0").1, &[]);
    let kernel = three(chain, &plain, count / 8);
    show("three boxes: bare XDP redirect", floor);
    show("three boxes: provider, edge, gateway", causeway);
    show("three boxes: kernel's ip_forward", kernel);
}

/// The least that a box can do: whatever comes in on one port leaves by the other. The programs go with what is
/// returned.
fn bare(router: &Router, from: &str, to: &str, is_on: bool) -> Option<Runner> {
    if !is_on {
        attach(&router.node, from, None);
        return None;
    }
    let runner = Runner::load(router);
    let device = router.node.interface(to).0;
    runner.set("bench_settings", 2, &device.to_ne_bytes());
    attach(&router.node, from, Some(runner.fd("bench_bare")));
    Some(runner)
}

const FORWARD: &str = "echo 1 > /proc/sys/net/ipv4/ip_forward; \
     for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done";

fn kernel_box(chain: &Chain) {
    chain.edge.node.sh(FORWARD);
    chain.edge.node.sh("ip address add 10.1.0.1/30 dev p0; ip address add 10.2.0.1/30 dev f0");
    let next = mac_text(chain.gateway.node.interface("f1").1);
    chain.edge.node.sh(&format!("ip neigh replace 10.2.0.2 lladdr {next} dev f0"));
    chain.edge.node.sh("ip route add 198.51.100.0/24 via 10.2.0.2");
}

fn kernel_chain(chain: &Chain) {
    chain.provider.node.sh(FORWARD);
    chain.provider.node.sh("ip address add 10.1.0.2/30 dev u0");
    chain.provider.node.sh("ip route add 198.51.100.0/24 via 10.1.0.1");
    let next = mac_text(chain.edge.node.interface("p0").1);
    chain.provider.node.sh(&format!("ip neigh replace 10.1.0.1 lladdr {next} dev u0"));
    chain.gateway.node.sh(FORWARD);
    chain.gateway.node.sh("ip address add 198.51.100.1/24 dev n0");
    let host = mac_text(chain.host.interface("h0").1);
    chain.gateway.node.sh(&format!("ip neigh replace 198.51.100.10 lladdr {host} dev n0"));
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

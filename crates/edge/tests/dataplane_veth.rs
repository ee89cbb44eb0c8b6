//! Real packets through real interfaces: customer, provider, edge, gateway and host as in `nodes/chain.rs`.

mod nodes;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use causeway_edge::dataplane::Dataplane;
use causeway_edge_types::AttachmentId;
use causeway_router::{FibChange, GroupId, RouteTarget};
use nodes::chain::{ACCESS, Chain, NETWORK, TUNNEL, VRF, group, ip, route};
use nodes::{Node, can_run, wait_for};

fn udp_in(node: &Node, address: &str, timeout: Duration) -> UdpSocket {
    let address = SocketAddr::new(ip(address), 0);
    let socket = node.run(move || UdpSocket::bind(address)).expect("a socket");
    socket.set_read_timeout(Some(timeout)).expect("a timeout");
    socket
}

/// A server that sends back what it gets; it ends with the flag.
fn echo_server(node: &Node, address: &str, is_over: &Arc<AtomicBool>) -> SocketAddr {
    let socket = udp_in(node, address, Duration::from_millis(50));
    let local = socket.local_addr().expect("bound");
    let is_over = is_over.clone();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !is_over.load(Ordering::Relaxed) {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..length], from);
            }
        }
    });
    local
}

/// One datagram there and back.
fn echoes(socket: &UdpSocket, server: SocketAddr, text: &[u8]) -> bool {
    let mut buffer = [0; 2048];
    socket.send_to(text, server).is_ok()
        && socket.recv_from(&mut buffer).is_ok_and(|(length, _)| &buffer[..length] == text)
}

/// A datagram that must not come back; a short wait is enough to see one that does.
fn is_silent(socket: &UdpSocket, server: SocketAddr, text: &[u8]) -> bool {
    let before = socket.read_timeout().expect("a timeout");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let is_silent = !echoes(socket, server, text);
    socket.set_read_timeout(before).expect("a timeout");
    is_silent
}

struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn customer_and_host_talk_through_tags_vrf_and_tunnel() {
    if !can_run() {
        return;
    }
    for (name, vteps) in [("v4", ["10.0.0.1", "10.0.0.2"]), ("v6", ["fd00::1", "fd00::2"])] {
        let over = Over(Arc::default());
        let mut chain = Chain::new(name, vteps);

        // Sessions' packets: the edge's access address to the customer, and through the tunnel to the gateway.
        for (from, source, to, destination) in [
            (&chain.edge.hosts[0], "169.254.10.1", &chain.customer, "169.254.10.2"),
            (&chain.edge.hosts[0], "2001:db8:10::1", &chain.customer, "2001:db8:10::2"),
            (&chain.edge.hosts[1], "169.254.20.1", &chain.gateway.hosts[0], "169.254.20.2"),
            (&chain.edge.hosts[1], "2001:db8:20::1", &chain.gateway.hosts[0], "2001:db8:20::2"),
        ] {
            let server = echo_server(to, destination, &over.0);
            let socket = udp_in(from, source, Duration::from_secs(1));
            let mut tries = 0;
            wait_for(&format!("{source} reaches {destination}: {}", chain.drops()), || {
                tries += 1;
                echoes(&socket, server, b"session") || tries > 8
            });
            assert!(tries <= 8, "{source} does not reach {destination}: {}", chain.drops());
        }
        assert!(chain.edge.counters(ACCESS).packets_to_host > 0);
        assert_eq!(chain.edge.counters(ACCESS).packets_in, 0);

        // What the kernels said on their own before the underlay was there.
        let drops_before = chain.drops();

        // The customer's own packets. Nobody has told the gateway the host's MAC address: its kernel finds it out.
        for (source, destination) in [("192.0.2.1", "198.51.100.10"), ("2001:db8:aaaa::1", "2001:db8:5::10")] {
            let server = echo_server(&chain.host, destination, &over.0);
            let socket = udp_in(&chain.customer, source, Duration::from_secs(3));
            assert!(echoes(&socket, server, b"glean"), "{name} {source} to {destination}: {}", chain.drops());
            let gleaned = chain.gateway.counters(NETWORK).packets_to_host;
            assert!(gleaned > 0, "the first packet needs the kernel's help");

            let mac = chain.host.interface("h0").1;
            chain.gateway.neighbor(NETWORK, destination, Some(mac));
            let before = chain.gateway.counters(NETWORK);
            for _ in 0..10 {
                assert!(echoes(&socket, server, b"forwarded"), "{name} {source} to {destination}: {}", chain.drops());
            }
            let after = chain.gateway.counters(NETWORK);
            assert_eq!(after.packets_out - before.packets_out, 10, "the others are forwarded by the program");
            let headers = if source.contains(':') { 48 } else { 28 };
            assert_eq!(after.bytes_out - before.bytes_out, 10 * (headers + "forwarded".len() as u64));
        }

        // TCP with segments as large as they get: a wrong checksum anywhere and nothing arrives.
        for (source, destination) in [("192.0.2.1", "198.51.100.10"), ("2001:db8:aaaa::1", "2001:db8:5::10")] {
            transfer(&chain, source, destination);
        }
        assert_eq!(chain.drops(), drops_before, "{name}: nothing was dropped on the way");
        drop(over);
    }
}

fn transfer(chain: &Chain, source: &str, destination: &str) {
    const SIZE: usize = 4 << 20;
    let address = SocketAddr::new(ip(destination), 0);
    let listener = chain.host.run(move || TcpListener::bind(address)).expect("a listener");
    let address = listener.local_addr().expect("bound");
    let receiver = thread::spawn(move || {
        let (mut stream, from) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        let mut received = Vec::with_capacity(SIZE);
        stream.read_to_end(&mut received).expect("all of it");
        stream.write_all(&[1]).expect("thanks");
        (received, from.ip())
    });
    let connect = move || TcpStream::connect_timeout(&address, Duration::from_secs(5));
    let mut stream = chain.customer.run(connect).unwrap_or_else(|error| panic!("{source}: {error}: {}", chain.drops()));
    stream.set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let sent: Vec<u8> = (0..SIZE as u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    stream.write_all(&sent).expect("all of it leaves");
    stream.shutdown(std::net::Shutdown::Write).expect("the end");
    stream.read_exact(&mut [0]).expect("thanks");
    let (received, from) = receiver.join().expect("the receiver");
    assert!(received == sent, "{} bytes of {SIZE} arrived, or others", received.len());
    assert_eq!(from, ip(source), "nobody translates addresses");
}

#[test]
fn forwarding_goes_on_while_no_process_runs_and_the_next_one_adopts_it() {
    if !can_run() {
        return;
    }
    let over = Over(Arc::default());
    let mut chain = Chain::new("restart", ["10.0.0.1", "10.0.0.2"]);
    let mac = chain.host.interface("h0").1;
    chain.gateway.neighbor(NETWORK, "198.51.100.10", Some(mac));
    // Things that the next process will not know of.
    chain.edge.apply(&[
        group(50, ACCESS, "169.254.10.2"),
        route("203.0.113.0/24", RouteTarget::Group(GroupId(50))),
        route("2001:db8:dead::/48", RouteTarget::OnLink(ACCESS)),
        FibChange::VrfComplete(VRF),
    ]);
    chain.edge.neighbor(ACCESS, "192.0.2.77", Some(mac));

    let server = echo_server(&chain.host, "198.51.100.10", &over.0);
    let socket = udp_in(&chain.customer, "192.0.2.1", Duration::from_secs(3));
    assert!(echoes(&socket, server, b"before"), "{}", chain.drops());
    let (answered, lost) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicBool::new(false)); // the pinger stops before the server does
    let pinger = {
        let (answered, lost, is_over) = (answered.clone(), lost.clone(), stop.clone());
        thread::spawn(move || {
            let mut number = 0u64;
            while !is_over.load(Ordering::Relaxed) {
                number += 1;
                let counter = if echoes(&socket, server, &number.to_be_bytes()) { &answered } else { &lost };
                counter.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let pass = |what: &str| {
        let goal = answered.load(Ordering::Relaxed) + 200;
        wait_for(what, || answered.load(Ordering::Relaxed) >= goal);
    };

    pass("packets pass");
    chain.edge.kill();
    pass("packets pass while no process runs");
    chain.edge.start();
    assert!(chain.edge.dataplane.as_ref().expect("open").is_adopted());
    pass("packets pass when the next process has been configured");
    // The same routes under other numbers, and one of the old numbers for something else.
    chain.fill_edge("10.0.0.2", 50);
    pass("packets pass with old and new routes side by side");
    assert!(edge_routes_of(&chain).contains("203.0.113.0/24"), "not swept before its time");
    chain.edge.apply(&[FibChange::VrfComplete(VRF)]);
    pass("packets pass after the sweep");

    stop.store(true, Ordering::Relaxed);
    pinger.join().expect("the pinger");
    assert_eq!(lost.load(Ordering::Relaxed), 0, "of {}: {}", answered.load(Ordering::Relaxed), chain.drops());
    let left = edge_routes_of(&chain);
    for gone in ["203.0.113.0/24", "2001:db8:dead::/48"] {
        assert!(!left.contains(gone), "{gone} is left over: {left:?}");
    }
    for kept in ["192.0.2.0/24", "2001:db8:5::/64", "169.254.10.1/32", "2001:db8:20::1/128"] {
        assert!(left.contains(kept), "{kept} is gone: {left:?}");
    }
    let usage = chain.edge.dataplane.as_ref().expect("open").usage();
    assert_eq!((usage.groups, usage.next_hops, usage.neighbors), (2, 2, 2), "nothing old is left");
}

fn edge_routes_of(chain: &Chain) -> BTreeSet<String> {
    let routes = chain.edge.dataplane.as_ref().expect("open").routes(VRF).expect("readable");
    routes.into_iter().map(|(prefix, _)| prefix.to_string()).collect()
}

#[test]
fn one_flip_moves_every_prefix_and_what_is_gone_stops_at_once() {
    if !can_run() {
        return;
    }
    let over = Over(Arc::default());
    let mut chain = Chain::new("flip", ["10.0.0.1", "10.0.0.2"]);
    let mac = chain.host.interface("h0").1;
    chain.gateway.neighbor(NETWORK, "198.51.100.10", Some(mac));
    let server = echo_server(&chain.host, "198.51.100.10", &over.0);
    let socket = udp_in(&chain.customer, "192.0.2.1", Duration::from_secs(3));
    assert!(echoes(&socket, server, b"up"), "{}", chain.drops());

    chain.edge.apply(&[FibChange::Group { group: GroupId(8), buckets: vec![] }]);
    assert!(is_silent(&socket, server, b"down"));
    assert!(chain.edge.drops().contains("next_hop_down"), "{}", chain.drops());
    chain.edge.apply(&[group(8, TUNNEL, "169.254.20.2")]);
    assert!(echoes(&socket, server, b"up again"), "{}", chain.drops());

    // Deprovisioned: nothing passes the provider any more, and its counters go with it.
    let provider = &mut chain.provider;
    let mut dataplane = provider.dataplane.take().expect("open");
    let ports = provider.ports.clone();
    let (dataplane, result) = provider.node.run(move || {
        let result = dataplane.configure(&ports, &[], &[]);
        (dataplane, result)
    });
    provider.dataplane = Some(dataplane);
    result.expect("configured");
    assert!(is_silent(&socket, server, b"nothing passes"));
    assert!(provider.drops().contains("unknown_tags"), "{}", chain.drops());
    let (counters, _) = chain.provider.dataplane.as_ref().expect("open").counters().expect("counters");
    assert_eq!(counters.iter().map(|one| one.attachment).collect::<Vec<AttachmentId>>(), vec![]);
}

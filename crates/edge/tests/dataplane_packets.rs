//! Packet in, verdict and packet out, byte for byte, by BPF_PROG_TEST_RUN: the program alone, without a second machine.
//! The edge is that of `nodes/bench.rs`.

mod nodes;

use causeway_edge::dataplane::{Dataplane, flow_seed};
use causeway_edge_types::AttachmentId;
use causeway_router::{FibChange, GROUP_BUCKETS, GroupId, NextHop};
use nodes::bench::*;
use nodes::can_run;
use nodes::packets::{Outer, datagram, ethernet, flow_hash, ipv4, kind_of, one_hop_on, udp};

const PAYLOAD: &[u8] = b"a payload that is long enough for any Ethernet";

#[test]
fn tagged_frames_go_into_the_tunnel_of_their_own_vrf() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("into");
    let v4 = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, PAYLOAD);
    let v6 = datagram(ip("2001:db8:aaaa::5"), ip("2001:db8:cccc::1"), 64, PAYLOAD);
    for packet in [&v4, &v6] {
        for (attachment, tunnel, gateway) in [(1, 3, GATEWAY), (2, 4, OTHER_GATEWAY)] {
            let inner = ethernet(gateway, host_mac(tunnel), &[], kind_of(packet), &one_hop_on(packet));
            let expected = bench.tunnel_out(tunnel, packet).wrap(&inner);
            bench.expect_out(bench.p0, &from_customer(attachment, packet), &expected);
        }
    }
    let bytes = (v4.len() + v6.len()) as u64;
    for (attachment, is_in) in [(1, true), (2, true), (3, false), (4, false)] {
        let counters = bench.counters(attachment);
        let (seen, none) = if is_in {
            ((counters.packets_in, counters.bytes_in), (counters.packets_out, counters.bytes_out))
        } else {
            ((counters.packets_out, counters.bytes_out), (counters.packets_in, counters.bytes_in))
        };
        assert_eq!((seen, none), ((2, bytes), (0, 0)), "attachment {attachment}");
    }
}

#[test]
fn tunnelled_frames_leave_by_the_port_of_their_own_vrf() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("outof");
    let v4 = datagram(ip("10.20.1.1"), ip("203.0.113.5"), 64, PAYLOAD);
    let v6 = datagram(ip("2001:db8:cccc::1"), ip("2001:db8:aaaa::5"), 2, PAYLOAD);
    for packet in [&v4, &v6] {
        for (tunnel, attachment, customer, c_tag) in [(3, 1, CUSTOMER, 10), (4, 2, OTHER_CUSTOMER, 20)] {
            let inner = ethernet(host_mac(tunnel), GATEWAY, &[], kind_of(packet), packet);
            let expected =
                ethernet(customer, host_mac(attachment), &[100, c_tag], kind_of(packet), &one_hop_on(packet));
            bench.expect_out(bench.f0, &bench.tunnel_in(tunnel).wrap(&inner), &expected);
        }
    }
}

#[test]
fn what_is_for_the_edge_goes_to_the_host_interface_without_tags() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("host");
    let arp = [0u8; 28];
    for destination in [BROADCAST, host_mac(1)] {
        let frame = ethernet(destination, CUSTOMER, &[100, 10], 0x0806, &arp);
        bench.expect_out(bench.p0, &frame, &ethernet(destination, CUSTOMER, &[], 0x0806, &arp));
    }
    // A TTL of 1 is enough to reach the edge itself, as BGP's packets have it.
    // A neighbour that asks whether we are still there comes from its link-local address.
    for (source, own) in [("192.0.2.2", "192.0.2.1"), ("2001:db8:1::2", "2001:db8:1::1"), ("fe80::2", "2001:db8:1::1")]
    {
        let packet = datagram(ip(source), ip(own), 1, PAYLOAD);
        let expected = ethernet(host_mac(1), CUSTOMER, &[], kind_of(&packet), &packet);
        bench.expect_out(bench.p0, &from_customer(1, &packet), &expected);
    }
    let solicitation = datagram(ip("fe80::2"), ip("ff02::1:ff00:1"), 255, PAYLOAD);
    let group_mac = [0x33, 0x33, 0xff, 0, 0, 1];
    let frame = ethernet(group_mac, CUSTOMER, &[100, 10], 0x86dd, &solicitation);
    bench.expect_out(bench.p0, &frame, &ethernet(group_mac, CUSTOMER, &[], 0x86dd, &solicitation));
    let link_local = datagram(ip("fe80::2"), ip("fe80::1"), 255, PAYLOAD);
    bench.expect_out(
        bench.p0,
        &from_customer(1, &link_local),
        &ethernet(host_mac(1), CUSTOMER, &[], 0x86dd, &link_local),
    );
    let through_tunnel = datagram(ip("192.0.2.10"), ip("192.0.2.9"), 1, PAYLOAD);
    let inner = ethernet(host_mac(3), GATEWAY, &[], 0x0800, &through_tunnel);
    bench.expect_out(bench.f0, &bench.tunnel_in(3).wrap(&inner), &inner);
    assert_eq!(bench.counters(1).packets_to_host, 7);
    assert_eq!(bench.counters(1).packets_in, 0, "they are counted apart");
}

#[test]
fn the_kernel_s_own_frames_get_tags_or_tunnel() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("kernel");
    let packet = datagram(ip("192.0.2.1"), ip("192.0.2.2"), 1, PAYLOAD);
    let frame = ethernet(CUSTOMER, host_mac(1), &[], 0x0800, &packet);
    let verdict = bench.put(bench.hosts[0], true, &frame);
    assert_eq!(verdict.action, XDP_REDIRECT, "{:?}", verdict.reason);
    assert_eq!(hex(&verdict.packet), hex(&ethernet(CUSTOMER, host_mac(1), &[100, 10], 0x0800, &packet)));

    for tunnel in [3, 4] {
        let frame = ethernet(BROADCAST, host_mac(tunnel), &[], 0x0806, &[0; 28]);
        let verdict = bench.put(bench.hosts[tunnel as usize - 1], true, &frame);
        assert_eq!(verdict.action, XDP_REDIRECT, "{:?}", verdict.reason);
        // The flow's port and DSCP CS6 are the only differences from a customer's packet; take the port as it came.
        let mut expected = bench.tunnel_out(tunnel, &packet).wrap(&frame);
        let (service, port) = if tunnel == 3 { (15, 34) } else { (14, 54) };
        expected[port..port + 2].copy_from_slice(&verdict.packet[port..port + 2]);
        if tunnel == 3 {
            expected[service] = 0xc0;
            expected[24..26].fill(0);
            let sum = nodes::packets::checksum(&expected[14..34]).to_be_bytes();
            expected[24..26].copy_from_slice(&sum);
        } else {
            expected[service] = 0x6c;
        }
        assert_eq!(hex(&verdict.packet), hex(&expected));
    }
    assert_eq!(bench.counters(1).packets_out, 0, "they are no customer's packets");
}

#[test]
fn cross_connects_exchange_tags_both_ways_and_keep_the_priority() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("cross");
    let packet = datagram(ip("192.0.2.2"), ip("192.0.2.1"), 1, PAYLOAD);
    let with_priority = |tag: u16| 0xa000 | tag;
    let access = ethernet(HOST, CUSTOMER, &[with_priority(7)], 0x0800, &packet);
    let uplink = ethernet(HOST, CUSTOMER, &[with_priority(200), with_priority(7)], 0x0800, &packet);
    bench.expect_out(bench.p0, &access, &uplink);
    bench.expect_out(bench.p1, &uplink, &access);
    // Whatever is inside, IP or not.
    let odd = ethernet(BROADCAST, CUSTOMER, &[7], 0x88cc, PAYLOAD);
    bench.expect_out(bench.p0, &odd, &ethernet(BROADCAST, CUSTOMER, &[200, 7], 0x88cc, PAYLOAD));
    // An outer tag of 0x88a8 is understood as well.
    let mut service = uplink.clone();
    service[12..14].copy_from_slice(&[0x88, 0xa8]);
    bench.expect_out(bench.p1, &service, &access);
    let (there, back) = (bench.counters(10), bench.counters(11));
    assert_eq!((there.packets_in, there.packets_out), (2, 2));
    assert_eq!((back.packets_in, back.packets_out), (2, 2));
    assert_eq!(back.bytes_in, 2 * packet.len() as u64);
}

#[test]
fn hosts_on_the_link_are_reached_by_their_own_address_or_by_the_kernel_s_help() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("link");
    let from = |packet: &[u8]| ethernet(host_mac(5), SPINE, &[], kind_of(packet), packet);
    for (source, known) in [("198.51.100.9", "198.51.100.7"), ("2001:db8:5::9", "2001:db8:5::7")] {
        let packet = datagram(ip(source), ip(known), 64, PAYLOAD);
        let expected = ethernet(HOST, host_mac(5), &[], kind_of(&packet), &one_hop_on(&packet));
        bench.expect_out(bench.p0, &from(&packet), &expected);
    }
    // Nobody knows this one: the kernel gets it as it came, TTL and all, to resolve and to forward.
    let packet = datagram(ip("198.51.100.9"), ip("198.51.100.8"), 64, PAYLOAD);
    bench.expect_out(bench.p0, &from(&packet), &from(&packet));
    assert_eq!(bench.counters(5).packets_to_host, 1, "it is counted where it is resolved");
    assert_eq!((bench.counters(5).packets_in, bench.counters(5).packets_out), (2, 2));
}

#[test]
fn what_can_t_be_forwarded_is_dropped_and_counted_by_reason() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("drops");
    let (p0, f0) = (bench.p0, bench.f0);
    let to = |destination: &str, ttl| datagram(ip("203.0.113.5"), ip(destination), ttl, PAYLOAD);
    let good = to("10.20.1.1", 64);

    let tags = |tags: &[u16]| ethernet(host_mac(1), CUSTOMER, tags, 0x0800, &good);
    for unknown in [&[100, 30][..], &[101, 10], &[100], &[10], &[10, 100], &[0, 10], &[100, 0]] {
        bench.expect_drop(p0, &tags(unknown), "unknown_tags");
    }
    bench.expect_drop(bench.p1, &tags(&[]), "unknown_tags");
    bench.expect_drop(f0, &tags(&[100, 10]), "unknown_tags");

    bench.expect_drop(p0, &from_customer(1, &to("198.51.100.77", 64)), "no_route");
    bench.expect_drop(p0, &from_customer(1, &to("10.20.1.1", 1)), "ttl_expired");
    bench.expect_drop(p0, &from_customer(1, &to("10.20.9.1", 64)), "next_hop_down");
    bench.expect_drop(p0, &from_customer(1, &to("10.20.8.1", 64)), "neighbor_unknown");
    bench.expect_drop(p0, &from_customer(1, &to("10.20.7.1", 64)), "wrong_vrf");
    bench.expect_drop(p0, &from_customer(1, &to("192.0.2.9", 64)), "foreign_address");
    for nowhere in ["224.0.0.5", "255.255.255.255", "127.0.0.1", "0.0.0.1"] {
        bench.expect_drop(p0, &from_customer(1, &to(nowhere, 64)), "not_unicast");
    }
    for nobody in ["127.0.0.1", "0.0.0.0", "224.0.0.1"] {
        let packet = datagram(ip(nobody), ip("10.20.1.1"), 64, PAYLOAD);
        bench.expect_drop(p0, &from_customer(1, &packet), "bad_source");
    }
    for nobody in ["fe80::5", "::", "::1", "ff02::1"] {
        let packet = datagram(ip(nobody), ip("2001:db8:cccc::1"), 64, PAYLOAD);
        bench.expect_drop(p0, &from_customer(1, &packet), "bad_source");
    }
    let packet = datagram(ip("2001:db8:aaaa::5"), ip("ff05::1"), 64, PAYLOAD);
    bench.expect_drop(p0, &from_customer(1, &packet), "not_unicast");
    bench.expect_drop(p0, &ethernet(CUSTOMER, CUSTOMER, &[100, 10], 0x0800, &good), "wrong_mac");
    bench.expect_drop(p0, &ethernet(BROADCAST, CUSTOMER, &[100, 10], 0x0800, &good), "not_unicast");
    bench.expect_drop(p0, &ethernet(host_mac(1), CUSTOMER, &[100, 10], 0x8847, &good), "not_ip");

    // Exactly as large as the way out carries, and one byte more.
    let fits = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, &[0; 1400 - 28]);
    assert_eq!(bench.put(p0, false, &from_customer(1, &fits)).action, XDP_REDIRECT);
    let too_big = datagram(ip("203.0.113.5"), ip("10.20.1.1"), 64, &[0; 1401 - 28]);
    bench.expect_drop(p0, &from_customer(1, &too_big), "too_big");

    let damage = |at: usize, value: u8| {
        let mut packet = good.clone();
        packet[at] = value;
        from_customer(1, &packet)
    };
    bench.expect_drop(p0, &damage(0, 0x44), "malformed"); // a header of 16 bytes
    bench.expect_drop(p0, &damage(0, 0x65), "malformed"); // version 6 in an IPv4 frame
    bench.expect_drop(p0, &damage(2, 0x40), "malformed"); // longer than the frame
    let mut cut = from_customer(1, &good);
    cut.truncate(22 + 19);
    bench.expect_drop(p0, &cut, "malformed");

    let inner = ethernet(host_mac(3), GATEWAY, &[], 0x0800, &datagram(ip("10.20.1.1"), ip("203.0.113.5"), 64, PAYLOAD));
    let tunnel = bench.tunnel_in(3);
    bench.expect_drop(f0, &Outer { vni: 5003, ..tunnel }.wrap(&inner), "unknown_tunnel");
    bench.expect_drop(f0, &Outer { vni: 5002, ..tunnel }.wrap(&inner), "unknown_tunnel");
    bench.expect_drop(f0, &Outer { source: ip("10.0.0.3"), ..tunnel }.wrap(&inner), "unknown_tunnel");
    bench.expect_drop(f0, &Outer { destination: ip("10.0.0.9"), ..tunnel }.wrap(&inner), "unknown_tunnel");
    let mut stranger = inner.clone();
    stranger[5] = 0x77;
    bench.expect_drop(f0, &tunnel.wrap(&stranger), "wrong_mac");
    let tagged = ethernet(host_mac(3), GATEWAY, &[5], 0x0800, &good);
    bench.expect_drop(f0, &tunnel.wrap(&tagged), "unknown_tags");
    bench.with(|dataplane, _, _, _| dataplane.set_underlay(ip("10.0.0.2"), None));
    let verdict = bench.put(p0, false, &from_customer(1, &good));
    assert_eq!(verdict.reason.as_deref(), Some("no_underlay"));
}

#[test]
fn the_fabric_s_own_packets_are_the_kernel_s_and_no_other_port_s_are() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("fabric");
    let own = [
        ethernet(BROADCAST, SPINE, &[], 0x0806, &[0; 28]),
        ethernet(bench.f0_mac, SPINE, &[], 0x0800, &datagram(ip("10.0.0.2"), ip("10.0.0.1"), 64, PAYLOAD)),
        ethernet(bench.f0_mac, SPINE, &[], 0x86dd, &datagram(ip("fd00::2"), ip("fd00::1"), 64, PAYLOAD)),
        ethernet(
            bench.f0_mac,
            SPINE,
            &[],
            0x0800,
            &ipv4("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap(), 9, 1, PAYLOAD),
        ),
        ethernet([1, 0x80, 0xc2, 0, 0, 0xe], SPINE, &[], 0x88cc, PAYLOAD),
    ];
    for frame in own {
        assert_eq!(bench.put(bench.f0, false, &frame).action, XDP_PASS);
        bench.expect_drop(bench.p1, &frame, "unknown_tags");
    }
    let cut = ethernet(
        bench.f0_mac,
        SPINE,
        &[],
        0x0800,
        &ipv4("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap(), 9, 17, &udp(1, 4789, &[8, 0, 0, 0])),
    );
    bench.expect_drop(bench.f0, &cut, "malformed");
}

#[test]
fn flows_spread_over_buckets_and_fragments_stay_together() {
    if !can_run() {
        return;
    }
    let mut bench = Bench::new("spread");
    bench.with(|dataplane, _, _, _| {
        let hop = |attachment, address: &str| NextHop { attachment: AttachmentId(attachment), address: ip(address) };
        let (one, other) = (hop(1, "192.0.2.2"), hop(3, "192.0.2.10"));
        let buckets = (0..GROUP_BUCKETS).map(|bucket| if bucket % 2 == 0 { one } else { other }).collect();
        dataplane.apply(&[FibChange::Group { group: GroupId(103), buckets }])
    });
    let seed = flow_seed(&bench.edge.id);
    let mut seen = [0, 0];
    for port in 0..40u16 {
        let inner = udp(1000 + port, 443, PAYLOAD);
        let mut packet = ipv4("203.0.113.5".parse().unwrap(), "10.20.1.1".parse().unwrap(), 64, 17, &inner);
        if port >= 38 {
            packet[6] = 0x20; // the first of several fragments: its ports must not count
        }
        let hash = flow_hash(seed, &packet);
        let expected = if hash.is_multiple_of(2) {
            ethernet(CUSTOMER, host_mac(1), &[100, 10], 0x0800, &one_hop_on(&packet))
        } else {
            let inner = ethernet(GATEWAY, host_mac(3), &[], 0x0800, &one_hop_on(&packet));
            bench.tunnel_out(3, &packet).wrap(&inner)
        };
        seen[hash as usize % 2] += 1;
        if port >= 38 {
            packet[10..12].fill(0);
            let sum = nodes::packets::checksum(&packet[..20]).to_be_bytes();
            packet[10..12].copy_from_slice(&sum);
            let expected_inner = one_hop_on(&packet);
            let verdict = bench.put(bench.p0, false, &from_customer(1, &packet));
            assert!(verdict.packet.ends_with(&expected_inner));
            continue;
        }
        bench.expect_out(bench.p0, &from_customer(1, &packet), &expected);
    }
    assert!(seen[0] > 5 && seen[1] > 5, "one of two next hops has nearly everything: {seen:?}");
}

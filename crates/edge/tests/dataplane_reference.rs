//! Any frame at all, put into the program and into the reference of `nodes/reference.rs`: they agree on its fate, byte for
//! byte and by the reason's word.

mod nodes;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use causeway_edge::dataplane::{UnderlayHop, flow_seed};
use nodes::bench::*;
use nodes::can_run;
use nodes::packets::{Mac, Outer, ethernet, ipv4, ipv6, kind_of};
use nodes::reference::{Fate, Reference};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

const ADDRESSES4: [&str; 19] = [
    "203.0.113.5",
    "10.20.1.1",
    "192.0.2.1",
    "192.0.2.2",
    "192.0.2.9",
    "192.0.2.10",
    "198.51.100.1",
    "198.51.100.7",
    "198.51.100.8",
    "10.20.9.1",
    "10.20.8.1",
    "10.20.7.1",
    "0.0.0.0",
    "0.1.2.3",
    "127.0.0.1",
    "224.0.0.5",
    "240.1.1.1",
    "255.255.255.255",
    "8.8.8.8",
];
const ADDRESSES6: [&str; 17] = [
    "2001:db8:aaaa::5",
    "2001:db8:cccc::1",
    "2001:db8:1::1",
    "2001:db8:1::2",
    "2001:db8:5::1",
    "2001:db8:5::7",
    "2001:db8:5::8",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "::",
    "::1",
    "::2:3",
    "ff02::1",
    "ff12::1",
    "ff05::2",
    "2001:db8:ffff::1",
];

/// Numbers that stand for the choices; what they choose depends on the machine's interfaces.
#[derive(Clone, Debug)]
struct Recipe {
    port: usize,
    destination_mac: usize,
    tags: Vec<u16>,
    tag_kind: bool,
    kind: Option<u16>,
    packet: Vec<u8>,
    tunnel: Option<(bool, u32, usize, usize)>,
    padding: usize,
    damage: Vec<(usize, u8)>,
    cut: Option<usize>,
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..64),
        1 => (1340usize..1420).prop_map(|size| vec![7; size]),
    ];
    let ttl = select(vec![0u8, 1, 2, 64, 255]);
    let protocol = select(vec![17u8, 6, 1, 44, 132]);
    let four = (
        select(&ADDRESSES4[..]),
        select(&ADDRESSES4[..]),
        any::<u8>(),
        select(vec![0u16, 0x4000, 0x2000, 0x0010]),
        0usize..3,
    );
    let six = (select(&ADDRESSES6[..]), select(&ADDRESSES6[..]), any::<u8>());
    (any::<bool>(), four, six, ttl, protocol, payload).prop_map(|(is_four, four, six, ttl, protocol, payload)| {
        if !is_four {
            let address = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
            let mut packet = ipv6(address(six.0), address(six.1), ttl, protocol, &payload);
            packet[0] |= six.2 >> 4;
            packet[1] = six.2 << 4;
            return packet;
        }
        let address = |text: &str| text.parse::<Ipv4Addr>().expect("an address");
        let (source, destination, service, fragment, options) = four;
        let mut rest = vec![1; options * 4];
        rest.extend(payload);
        let mut packet = ipv4(address(source), address(destination), ttl, protocol, &rest);
        packet[0] += options as u8;
        packet[1] = service;
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet[10..12].fill(0);
        let sum = nodes::packets::checksum(&packet[..20 + options * 4]).to_be_bytes();
        packet[10..12].copy_from_slice(&sum);
        packet
    })
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let tags = select(vec![
        vec![],
        vec![],
        vec![100, 10],
        vec![100, 10],
        vec![100, 20],
        vec![100, 10],
        vec![],
        vec![7],
        vec![0xa007],
        vec![10],
        vec![100, 10],
        vec![0x3000 | 100, 0x4000 | 10],
        vec![100, 20],
        vec![200, 7],
        vec![100, 30],
        vec![0, 10],
        vec![100, 0],
        vec![7, 7, 7],
        vec![100, 10, 5],
    ]);
    let kind =
        prop_oneof![12 => Just(None), 1 => select(vec![Some(0x0806u16), Some(0x88cc), Some(0x0800), Some(0x86dd)])];
    let tunnel = prop_oneof![
        1 => Just(None),
        5 => (select(vec![5001u32, 5002, 5001, 5002, 5003]), 0u8..12, select(vec![0usize, 0, 0, 0, 1, 2]), select(vec![0usize, 0, 0, 0, 1, 2]))
            .prop_map(|(vni, odd, source, destination)| Some(((vni == 5001) != (odd == 0), vni, source, destination))),
    ];
    let damage = prop_oneof![
        2 => Just(vec![]),
        1 => proptest::collection::vec((0usize..110, any::<u8>()), 1..3),
    ];
    let cut = prop_oneof![5 => Just(None), 1 => (14usize..120).prop_map(Some)];
    (
        select(vec![0usize, 0, 0, 0, 1, 2, 2, 2]),
        0usize..9,
        tags,
        any::<bool>(),
        kind,
        packet(),
        tunnel,
        0usize..9,
        damage,
        cut,
    )
        .prop_map(|(port, destination_mac, tags, tag_kind, kind, packet, tunnel, padding, damage, cut)| Recipe {
            port,
            destination_mac,
            tags,
            tag_kind,
            kind,
            packet,
            tunnel,
            padding,
            damage,
            cut,
        })
}

impl Recipe {
    fn frame(&self, bench: &Bench) -> (u32, Vec<u8>) {
        let broadcast: Mac = [0xff; 6];
        let group = [0x33, 0x33, 0, 0, 0, 1];
        // The right one more often than not, so that most frames get somewhere.
        let by_tags = match self.tags[..] {
            [.., 20] => 2,
            [] => 5,
            _ => 1,
        };
        let by_tunnel = self.tunnel.map_or(by_tags, |(_, vni, _, _)| if vni == 5001 { 3 } else { 4 });
        let destination = match self.destination_mac {
            0 => broadcast,
            1 => group,
            2 => CUSTOMER,
            _ => host_mac(if self.port == 2 { by_tunnel } else { by_tags }),
        };
        let kind = self.kind.unwrap_or(kind_of(&self.packet));
        let mut payload = self.packet.clone();
        payload.extend(vec![0; self.padding]);
        let (port, mut frame) = match self.tunnel {
            Some((is_four, vni, source, destination_address)) if self.port == 2 => {
                let pool =
                    if is_four { ["10.0.0.2", "10.0.0.1", "10.0.0.9"] } else { ["fd00::2", "fd00::1", "fd00::9"] };
                let outer = Outer {
                    destination_mac: bench.f0_mac,
                    source_mac: SPINE,
                    // Index 0 and 1 are the right ends for most of the draws.
                    source: ip(pool[if source == 1 { 0 } else { source }]),
                    destination: ip(pool[if destination_address == 0 { 1 } else { destination_address }]),
                    vni,
                    source_port: 50000,
                };
                (bench.f0, outer.wrap(&ethernet(destination, OTHER_GATEWAY, &[], kind, &payload)))
            }
            _ => {
                let port = [bench.p0, bench.p1, bench.f0][self.port];
                (port, ethernet(destination, OTHER_GATEWAY, &self.tags, kind, &payload))
            }
        };
        if self.tag_kind && frame[12..14] == [0x81, 0] {
            frame[12..14].copy_from_slice(&[0x88, 0xa8]);
        }
        for (at, value) in &self.damage {
            if let Some(byte) = frame.get_mut(*at) {
                *byte = *value;
            }
        }
        if let Some(cut) = self.cut {
            frame.truncate(cut);
        }
        (port, frame)
    }
}

#[test]
fn the_program_agrees_with_the_reference_on_any_frame() {
    if !can_run() {
        return;
    }
    let bench = Bench::new("reference");
    let hop = UnderlayHop { ifindex: bench.f0, source_mac: bench.f0_mac, destination_mac: SPINE };
    let mut reference = Reference {
        seed: flow_seed(&bench.edge.id),
        ports: bench.ports(),
        attachments: bench.attachments(),
        cross_connects: cross_connects(),
        groups: Default::default(),
        routes: vec![],
        neighbors: neighbors().into_iter().map(|(id, address, mac)| ((id, address), mac)).collect(),
        underlay: ["10.0.0.2", "fd00::2"].map(|remote| (ip(remote), hop)).into_iter().collect(),
    };
    reference.apply(&routes());
    let bench = RefCell::new(bench);
    let seen = RefCell::new(std::collections::BTreeMap::<String, u32>::new());
    let config = Config { cases: Config::default().cases.max(3000), failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&recipe(), |recipe| {
        let mut bench = bench.borrow_mut();
        let (port, frame) = recipe.frame(&bench);
        let verdict = bench.put(port, false, &frame);
        let fate = match (verdict.action, &verdict.reason) {
            (XDP_DROP, Some(reason)) => format!("dropped: {reason}"),
            (XDP_PASS, None) => "kernel".to_owned(),
            (XDP_REDIRECT, None) => format!("sent: {}", hex(&verdict.packet)),
            other => format!("strange: {other:?}"),
        };
        let expected = match reference.fate(port, &frame) {
            Fate::Dropped(reason) => format!("dropped: {reason}"),
            Fate::Kernel => "kernel".to_owned(),
            Fate::Sent(bytes) => format!("sent: {}", hex(&bytes)),
        };
        let kind = if expected.starts_with("sent") { "sent" } else { expected.as_str() };
        *seen.borrow_mut().entry(kind.to_owned()).or_default() += 1;
        prop_assert_eq!(fate, expected, "frame {}", hex(&frame));
        Ok(())
    });
    println!("fates: {:?}", seen.borrow());
    if let Err(error) = result {
        panic!("{error}");
    }
    // A generator that never gets anywhere would agree as well.
    assert!(seen.borrow().get("sent").is_some_and(|count| *count > 200), "too few were sent: {:?}", seen.borrow());
    assert!(seen.borrow().len() > 12, "too few kinds of fates: {:?}", seen.borrow());
}

/// For the reference's sake: addresses of one family only in what it is given.
#[test]
fn the_pools_hold_addresses() {
    assert!(ADDRESSES4.iter().all(|text| text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4())));
    assert!(ADDRESSES6.iter().all(|text| text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6())));
}

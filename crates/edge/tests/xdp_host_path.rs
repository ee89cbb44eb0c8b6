//! The whole daemon over the real data plane: control packets of two customers with the same addresses, each under its
//! own tags, reach the edge and come back.

mod support;

use causeway_edge_types::{AttachmentId, CrossConnect, EdgeConfig, Encapsulation, PortName, TaggedPort, Tags};
use support::bench::{SOON, config};
use support::daemon::{Daemon, give, join, options};
use support::{Prefix, can_make_namespaces, run as command, try_run, wait_for};

/// Two attachments with the same addresses under different tags.
fn two_customers() -> EdgeConfig {
    let mut config = config(1);
    let tags = |s_tag: u16| Tags { s_tag: Some(s_tag), c_tag: Some(10) };
    config.attachments[0].encapsulation = Encapsulation::Port { port: "p0".into(), tags: tags(100) };
    let mut second = config.attachments[0].clone();
    second.id = AttachmentId(8);
    second.vrf = causeway_edge_types::VrfId(2);
    second.encapsulation = Encapsulation::Port { port: "p0".into(), tags: tags(200) };
    let mut vrf = config.vrfs[0].clone();
    vrf.id = second.vrf;
    vrf.peers.iter_mut().for_each(|peer| peer.id.attachment = second.id);
    config.attachments.push(second);
    config.vrfs.push(vrf);
    config
}

/// The provider's router: each customer's untagged port to the edge's port under its own S-tag.
fn provider_config() -> EdgeConfig {
    let mut config = EdgeConfig::empty("pe".into(), std::net::Ipv4Addr::new(192, 0, 2, 254));
    config.generation = 1;
    for (number, s_tag) in [(1, 100), (3, 200)] {
        config.cross_connects.push(CrossConnect {
            id: AttachmentId(number),
            reverse_id: AttachmentId(number + 1),
            access: TaggedPort { port: PortName(format!("a{s_tag}")), tags: Tags::default() },
            uplink: TaggedPort { port: "u0".into(), tags: Tags { s_tag: Some(s_tag), c_tag: Some(10) } },
            label: String::new(),
        });
    }
    config
}

/// A port `p0` of the edge, the provider's router on its other end, and two customers there.
///
/// ```text
///   ce100: wan ── a100 ┐
///                      pe: u0 ══ p0 :e1
///   ce200: wan ── a200 ┘
/// ```
fn wire(prefix: &Prefix) -> (String, String, Vec<String>) {
    let (edge, provider) = (prefix.namespace("e1"), prefix.namespace("pe"));
    join((&edge, "p0"), (&provider, "u0"));
    let customers = [100, 200].map(|s_tag| {
        let customer = prefix.namespace(&format!("ce{s_tag}"));
        join((&provider, &format!("a{s_tag}")), (&customer, "wan"));
        command(&format!("nsenter --net=/run/netns/{customer} ethtool -K wan tx off gro on"));
        command(&format!("ip -n {customer} link set wan mtu 1500"));
        command(&format!("ip -n {customer} addr add 192.0.2.2/30 dev wan"));
        command(&format!("ip -n {customer} addr add 2001:db8::2/126 dev wan nodad"));
        customer
    });
    (edge, provider, customers.to_vec())
}

#[test]
fn two_customers_with_the_same_addresses_reach_the_edge_each_for_himself() {
    if !can_make_namespaces() {
        return;
    }
    let prefix = Prefix::new();
    let (edge, provider, customers) = wire(&prefix);
    let (data, provider_data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cross_options = options("pe", &provider, provider_data.path().to_owned());
    give(&cross_options, &provider_config());
    let _provider = Daemon::start(cross_options);
    let options = options("e1", &edge, data.path().to_owned());
    give(&options, &two_customers());
    let mut daemon = Daemon::start(options.clone());

    let ping = |customer: &str, address: &str| {
        try_run(&format!("nsenter --net=/run/netns/{customer} ping -c 1 -W 1 {address}")).0
    };
    let explain = || {
        let neighbors = customers.iter().map(|customer| command(&format!("ip -n {customer} neigh")));
        format!(
            "{:#?}\n{}\n{}",
            daemon.status(),
            neighbors.collect::<String>(),
            command(&format!("ip -n {edge} -s link"))
        )
    };
    for customer in &customers {
        for address in ["192.0.2.1", "2001:db8::1"] {
            wait_for(&format!("{address} from {customer}"), SOON, || ping(customer, address), explain);
        }
    }
    let macs = customers.iter().map(|customer| {
        let line = command(&format!("ip -n {customer} neigh show 192.0.2.1 dev wan"));
        line.split_whitespace().nth(2).map(str::to_owned)
    });
    let macs: Vec<Option<String>> = macs.collect();
    assert!(macs[0].is_some() && macs[0] != macs[1], "one host interface each: {macs:?}");

    // It ends; what it made goes on answering, and the next one takes it up.
    daemon.stop().unwrap();
    assert!(ping(&customers[0], "192.0.2.1"), "nobody needs to run for this");
    std::fs::remove_file(options.config_file.as_ref().unwrap()).unwrap();
    let _ = std::fs::remove_file(options.status_file.as_ref().unwrap());
    let restarted = Daemon::start(options.clone());
    let is_up = || restarted.status().is_some_and(|status| status.neighbors.len() >= 4 && status.problems.is_empty());
    wait_for("the restarted daemon", SOON, is_up, || format!("{:#?}", restarted.status()));
    assert!(ping(&customers[1], "192.0.2.1"));
    drop(restarted);
    drop(daemon);
    assert!(!command(&format!("ip -n {edge} -br link")).contains("hx"));
    assert!(!ping(&customers[0], "192.0.2.1"), "torn down");
}

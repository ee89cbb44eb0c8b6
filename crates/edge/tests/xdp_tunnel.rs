//! A tunnel between an edge and a gateway over the real data plane; and a port that appears late.

mod support;

use std::net::Ipv4Addr;

use causeway_edge_types::{
    Asn, Attachment, AttachmentId, EdgeConfig, Encapsulation, PortName, Tags, Vni, VrfConfig, VrfId,
};
use support::bench::SOON;
use support::daemon::{Daemon, give, join, options};
use support::{Prefix, can_make_namespaces, run, try_run, wait_for};

/// One end of a tunnel, `own` and `far` being the last numbers of the two ends' addresses.
fn tunnel_end(name: &str, own: u8, far: u8) -> EdgeConfig {
    let vtep = |number: u8| Ipv4Addr::new(198, 51, 100, number).into();
    let mut config = EdgeConfig::empty(name.into(), Ipv4Addr::new(192, 0, 2, own));
    config.generation = 1;
    config.vtep = Some(vtep(own));
    config.vrfs =
        vec![VrfConfig { id: VrfId(1), local_asn: Asn(64496), route_limit: 100, originate: vec![], peers: vec![] }];
    config.attachments = vec![Attachment {
        id: AttachmentId(9),
        vrf: VrfId(1),
        encapsulation: Encapsulation::Vxlan { vni: Vni(500), local: vtep(own), remote: vtep(far) },
        addresses: vec![
            format!("203.0.113.{own}/30").parse().unwrap(),
            format!("2001:db8:9::{own}/126").parse().unwrap(),
        ],
        on_link: vec![],
        mtu: 1400,
        label: String::new(),
    }];
    config
}

#[test]
fn what_is_inside_a_tunnel_passes_once_the_underlay_is_resolved() {
    if !can_make_namespaces() {
        return;
    }
    let prefix = Prefix::new();
    let (edge, gateway) = (prefix.namespace("e1"), prefix.namespace("g1"));
    join((&edge, "f0"), (&gateway, "f0"));
    for (space, number) in [(&edge, 1), (&gateway, 2)] {
        run(&format!("ip -n {space} addr add 198.51.100.{number}/24 dev f0"));
    }
    let data = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let edge_options = options("e1", &edge, data[0].path().to_owned());
    let gateway_options = options("g1", &gateway, data[1].path().to_owned());
    give(&edge_options, &tunnel_end("e1", 1, 2));
    give(&gateway_options, &tunnel_end("g1", 2, 1));
    let daemons = [Daemon::start(edge_options), Daemon::start(gateway_options)];
    let explain = || daemons.iter().map(|daemon| format!("{:#?}", daemon.status())).collect::<String>();
    let ping = |address: &str| try_run(&format!("nsenter --net=/run/netns/{edge}-a9 ping -c 1 -W 1 {address}")).0;
    for address in ["203.0.113.2", "2001:db8:9::2"] {
        wait_for(address, SOON, || ping(address), explain);
    }
}

#[test]
fn a_port_that_appears_late_is_taken_up() {
    if !can_make_namespaces() {
        return;
    }
    let prefix = Prefix::new();
    let (edge, customer) = (prefix.namespace("e1"), prefix.namespace("ce"));
    let data = tempfile::tempdir().unwrap();
    let options = options("e1", &edge, data.path().to_owned());
    let mut config = tunnel_end("e1", 1, 2);
    config.vtep = None;
    config.attachments[0].encapsulation = Encapsulation::Port { port: "late0".into(), tags: Tags::default() };
    give(&options, &config);
    let daemon = Daemon::start(options);
    let explain = || format!("{:#?}", daemon.status());
    let port = |is_up: bool| {
        daemon.status().is_some_and(|status| {
            status.observed_generation == 1
                && status.ports.iter().any(|port| port.port == PortName("late0".into()) && port.is_up == is_up)
        })
    };
    wait_for("the missing port in the status", SOON, || port(false), explain);

    let appear = || {
        join((&edge, "late0"), (&customer, "wan"));
        run(&format!("nsenter --net=/run/netns/{customer} ethtool -K wan tx off gro on"));
        run(&format!("ip -n {customer} addr add 203.0.113.2/30 dev wan"));
    };
    let ping = || try_run(&format!("nsenter --net=/run/netns/{customer} ping -c 1 -W 1 203.0.113.1")).0;
    appear();
    wait_for("an answer", SOON, ping, explain);
    wait_for("the port in the status", SOON, || port(true), explain);

    // It is taken out and put back: another interface by the same name.
    run(&format!("ip -n {edge} link del late0"));
    wait_for("the missing port in the status", SOON, || port(false), explain);
    appear();
    wait_for("an answer again", SOON, ping, explain);
}

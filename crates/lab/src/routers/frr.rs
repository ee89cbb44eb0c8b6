//! FRRouting: zebra, bgpd and bfdd, each with a file of its own, in the namespace of the router. Their sockets are in the
//! lab's own directory, so that several of them don't meet.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use causeway_model::Deployment;

use super::{CeSession, ConfigFile, neighbors};
use crate::machine::tools;
use crate::topology::Customer;

/// Where Debian's package has the daemons.
const DAEMONS: &str = "/usr/lib/frr";

pub(super) fn daemons(namespace: &str, directory: &Path) -> Vec<(&'static str, Command)> {
    ["zebra", "bfdd", "bgpd"]
        .map(|name| {
            let mut command = tools::inside(namespace, &format!("{DAEMONS}/{name}"));
            // The package's daemons want their user to be in this group; as its own group it needs no change of /etc/group.
            command.args(["-u", "root", "-g", "frrvty", "-P", "0", "--log", "stdout"]);
            command.args(["--vty_socket".as_ref(), directory.as_os_str()]);
            command.arg("-z").arg(directory.join("zserv.api"));
            command.arg("-f").arg(directory.join(format!("{name}.conf")));
            command.arg("-i").arg(directory.join(format!("{name}.pid")));
            (name, command)
        })
        .into()
}

pub(super) fn vtysh_options(_namespace: &str, directory: &Path) -> Vec<String> {
    vec!["--vty_socket".into(), directory.display().to_string()]
}

pub(super) fn configs(customer: &Customer, deployment: &Deployment) -> Vec<ConfigFile> {
    let neighbors = neighbors(customer, deployment);
    let (interval, multiplier) = (deployment.bfd_interval_ms, deployment.bfd_multiplier);
    let mut bgp = format!(
        "router bgp {}\n bgp router-id {}\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
         bgp graceful-restart\n bgp bestpath as-path multipath-relax\n",
        customer.site.asn,
        customer.site.router_addresses()[0].addr()
    );
    for neighbor in &neighbors {
        let remote = neighbor.remote;
        let _ = writeln!(bgp, " neighbor {remote} remote-as {}", deployment.edge_asn);
        let _ = writeln!(bgp, " neighbor {remote} interface {}", neighbor.ifname);
        let _ = writeln!(bgp, " neighbor {remote} update-source {}", neighbor.local);
        let _ = writeln!(bgp, " neighbor {remote} bfd {multiplier} {interval} {interval}");
        let _ = writeln!(bgp, " neighbor {remote} timers {} {}", deployment.hold_time_s / 3, deployment.hold_time_s);
        let _ = writeln!(bgp, " neighbor {remote} timers connect 2");
        if let Some(key) = &customer.peering.shared_key {
            let _ = writeln!(bgp, " neighbor {remote} password {}", key.expose());
        }
    }
    for (word, is_v4, prefix) in
        [("ipv4", true, customer.site.ipv4.to_string()), ("ipv6", false, customer.site.ipv6.to_string())]
    {
        let _ = writeln!(bgp, " address-family {word} unicast\n  network {prefix}");
        for neighbor in neighbors.iter().filter(|neighbor| neighbor.remote.is_ipv4() == is_v4) {
            let _ = writeln!(bgp, "  neighbor {} activate", neighbor.remote);
        }
        bgp.push_str(" exit-address-family\n");
    }
    vec![
        ConfigFile { name: "zebra.conf", text: "hostname ce\n".into() },
        ConfigFile { name: "bfdd.conf", text: "hostname ce\n".into() },
        ConfigFile { name: "bgpd.conf", text: bgp },
    ]
}

pub(super) fn sessions(namespace: &str, directory: &Path) -> anyhow::Result<Vec<CeSession>> {
    let mut command = tools::inside(namespace, "vtysh");
    command.args(vtysh_options(namespace, directory)).args(["-c", "show bgp neighbors json"]);
    parse(&tools::run(&mut command, "")?)
}

pub(super) fn bfd_up(namespace: &str, directory: &Path) -> anyhow::Result<usize> {
    let mut command = tools::inside(namespace, "vtysh");
    command.args(vtysh_options(namespace, directory)).args(["-c", "show bfd peers json"]);
    let said: serde_json::Value =
        serde_json::from_str(&tools::run(&mut command, "")?).context("what vtysh says of BFD")?;
    Ok(said.as_array().into_iter().flatten().filter(|peer| peer["status"] == "up").count())
}

fn parse(text: &str) -> anyhow::Result<Vec<CeSession>> {
    let said: serde_json::Value = serde_json::from_str(text).context("what vtysh says")?;
    let all = said.as_object().into_iter().flatten();
    let mut out: Vec<CeSession> = all
        .filter(|(peer, _)| peer.parse::<IpAddr>().is_ok())
        .map(|(peer, about)| CeSession {
            name: peer.clone(),
            peer: peer.clone(),
            peer_id: about["remoteRouterId"].as_str().filter(|id| *id != "0.0.0.0").map(str::to_owned),
            state: about["bgpState"].as_str().unwrap_or("unknown").to_owned(),
        })
        .collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    #[test]
    fn the_configuration_of_a_site() {
        let topology = Topology::parse(crate::topology::DEFAULT).expect("good");
        insta::assert_snapshot!(configs(&topology.customers[0], &topology.deployment)[2].text);
    }

    #[test]
    fn sessions_are_read_from_what_vtysh_prints() {
        let sessions = parse(
            r#"{"192.0.2.1":{"bgpState":"Established","remoteRouterId":"100.64.0.1"},
                "192.0.2.5":{"bgpState":"Active","remoteRouterId":"0.0.0.0"}, "vrfId": 0}"#,
        )
        .expect("parsed");
        assert_eq!(sessions.len(), 2);
        assert!(sessions[0].is_established());
        assert_eq!(sessions[1].peer_id, None);
    }
}

//! BIRD 2.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use causeway_model::Deployment;

use super::{CeSession, neighbors};
use crate::machine::tools;
use crate::topology::Customer;

pub(super) fn socket(directory: &Path) -> PathBuf {
    directory.join("bird.ctl")
}

pub(super) fn daemon(namespace: &str, directory: &Path) -> Command {
    let mut command = tools::inside(namespace, "bird");
    command.arg("-f").arg("-c").arg(directory.join("bird.conf")).arg("-s").arg(socket(directory));
    command.arg("-P").arg(directory.join("bird.pid"));
    command
}

/// Both links are used at the same time (`merge paths`), a failure is found by BFD or by the carrier, and a router at the
/// far end that restarts keeps its routes.
pub(super) fn config(customer: &Customer, deployment: &Deployment) -> String {
    let mut out = format!(
        "log stderr all;\n\
         debug protocols {{ states }};\n\
         router id {};\n\
         protocol device {{ scan time 5; }}\n\
         protocol direct site {{ ipv4; ipv6; interface \"lan0\"; }}\n",
        customer.site.router_addresses()[0].addr()
    );
    for family in [4, 6] {
        let _ = write!(
            out,
            "protocol kernel kernel{family} {{\n\
             \x20 ipv{family} {{ import none; export where source = RTS_BGP; }};\n\
             \x20 merge paths yes;\n}}\n"
        );
    }
    if customer.site.more_prefixes > 0 {
        out.push_str("protocol static many {\n  ipv4;\n");
        for number in 0..customer.site.more_prefixes {
            let _ = writeln!(out, "  route {}/32 blackhole;", std::net::Ipv4Addr::from(0x0a80_0000 + number));
        }
        out.push_str("}\n");
    }
    let (interval, multiplier) = (deployment.bfd_interval_ms, deployment.bfd_multiplier);
    let _ = write!(
        out,
        "protocol bfd {{\n\
         \x20 interface \"wan*\" {{ min rx interval {interval} ms; min tx interval {interval} ms; multiplier {multiplier}; }};\n\
         }}\n"
    );
    for neighbor in neighbors(customer, deployment) {
        let family = if neighbor.local.is_ipv4() { 4 } else { 6 };
        let password = customer.peering.shared_key.as_ref();
        let password = password.map_or_else(String::new, |key| format!("  password \"{}\";\n", key.expose()));
        let _ = write!(
            out,
            "protocol bgp {name} {{\n\
             \x20 local {local} as {asn};\n\
             \x20 neighbor {remote} as {edge_asn};\n\
             \x20 interface \"{ifname}\";\n\
             \x20 direct;\n\
             \x20 bfd on;\n\
             \x20 check link on;\n\
             \x20 graceful restart on;\n\
             \x20 hold time {hold};\n\
             \x20 connect delay time 1;\n\
             \x20 connect retry time 2;\n\
             \x20 error wait time 1, 4;\n\
             {password}\
             \x20 ipv{family} {{ import all; export where source = RTS_DEVICE || source = RTS_STATIC; next hop self; }};\n\
             }}\n",
            name = neighbor.name,
            local = neighbor.local,
            remote = neighbor.remote,
            ifname = neighbor.ifname,
            asn = customer.site.asn,
            edge_asn = deployment.edge_asn,
            hold = deployment.hold_time_s,
        );
    }
    out
}

pub(super) fn sessions(directory: &Path) -> anyhow::Result<Vec<CeSession>> {
    let mut command = Command::new("birdc");
    command.arg("-r").arg("-s").arg(socket(directory)).args(["show", "protocols", "all"]);
    Ok(parse(&tools::run(&mut command, "")?))
}

pub(super) fn bfd_up(directory: &Path) -> anyhow::Result<usize> {
    let mut command = Command::new("birdc");
    command.arg("-r").arg("-s").arg(socket(directory)).args(["show", "bfd", "sessions"]);
    Ok(parse_bfd(&tools::run(&mut command, "")?))
}

/// Sessions that are up out of `show bfd sessions`: address, interface, state, and more.
fn parse_bfd(text: &str) -> usize {
    text.lines().filter(|line| line.split_whitespace().nth(2) == Some("Up")).count()
}

/// Sessions out of `show protocols all`: a line for each protocol, its details indented below it.
fn parse(text: &str) -> Vec<CeSession> {
    let mut out: Vec<CeSession> = Vec::new();
    let mut is_bgp = false;
    for line in text.lines() {
        if !line.starts_with(' ') {
            let mut words = line.split_whitespace();
            let (name, kind) = (words.next().unwrap_or(""), words.next());
            is_bgp = kind == Some("BGP");
            if is_bgp {
                let session = CeSession { name: name.into(), peer: String::new(), peer_id: None, state: String::new() };
                out.push(session);
            }
        } else if let (true, Some(session), Some((key, value))) = (is_bgp, out.last_mut(), line.split_once(':')) {
            match key.trim() {
                "BGP state" => value.trim().clone_into(&mut session.state),
                "Neighbor address" => value.trim().clone_into(&mut session.peer),
                "Neighbor ID" => session.peer_id = Some(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    #[test]
    fn the_configuration_of_the_built_in_site() {
        let topology = Topology::parse(crate::topology::DEFAULT).expect("good");
        insta::assert_snapshot!(config(&topology.customers[0], &topology.deployment));
    }

    #[test]
    fn bfd_sessions_that_are_up_are_counted() {
        let text = "BIRD 2.0.12 ready.\nbfd1:\n\
            IP address                Interface  State      Since         Interval  Timeout\n\
            192.0.2.1                 wan0       Up         11:43:22.908    0.300    0.900\n\
            192.0.2.5                 wan1       Init       11:43:14.961    1.000    3.000\n\
            2001:db8:ffff::1          wan0       Up         11:43:24.238    0.300    0.900\n";
        assert_eq!(parse_bfd(text), 2);
    }

    #[test]
    fn sessions_are_read_from_what_bird_prints() {
        let text = "BIRD 2.0.12 ready.\n\
            Name       Proto      Table      State  Since         Info\n\
            device1    Device     ---        up     10:00:00.000\n\
            primary4   BGP        ---        up     10:00:02.000  Established\n\
            \x20 BGP state:          Established\n\
            \x20   Neighbor address: 192.0.2.1%wan0\n\
            \x20   Neighbor AS:      12076\n\
            \x20   Neighbor ID:      100.64.0.1\n\
            \n\
            primary6   BGP        ---        start  10:00:02.000  Connect\n\
            \x20 BGP state:          Connect\n\
            \x20   Neighbor address: 2001:db8:ffff::1%wan0\n";
        let sessions = parse(text);
        assert_eq!(sessions.len(), 2);
        assert!(sessions[0].is_established());
        assert_eq!(sessions[0].peer_id.as_deref(), Some("100.64.0.1"));
        assert_eq!(sessions[1].peer, "2001:db8:ffff::1%wan0");
        assert_eq!(sessions[1].state, "Connect");
        assert_eq!(sessions[1].peer_id, None);
    }
}

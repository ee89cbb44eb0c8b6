//! What a lab needs of the machine, looked at before anything is made.

use crate::topology::{RouterKind, Topology};

use super::tools::is_there;

/// Capabilities that a lab needs: their bit numbers in the kernel's sets (capabilities(7)).
const CAPABILITIES: [(u32, &str); 3] = [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW"), (21, "CAP_SYS_ADMIN")];

/// Everything that is missing, in words.
pub fn missing(topology: &Topology) -> Vec<String> {
    let mut out = Vec::new();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lacking = lacking_capabilities(&status);
    if !lacking.is_empty() {
        out.push(format!("the capabilities {}: run as root", lacking.join(", ")));
    }
    let mut programs =
        vec![("ip", "iproute2"), ("nsenter", "util-linux"), ("ethtool", "ethtool"), ("ping", "iputils-ping")];
    for customer in &topology.customers {
        let router = match customer.site.router {
            RouterKind::Bird => [("bird", "bird2"), ("birdc", "bird2")],
            RouterKind::Frr => [("vtysh", "frr"), ("/usr/lib/frr/bgpd", "frr")],
        };
        programs.extend(router);
    }
    programs.dedup();
    for (program, package) in programs {
        if !is_there(program) && !out.iter().any(|line| line.starts_with(&format!("{program} "))) {
            out.push(format!("{program} (Debian package {package})"));
        }
    }
    out
}

fn lacking_capabilities(status: &str) -> Vec<&'static str> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    CAPABILITIES.iter().filter(|(bit, _)| effective >> bit & 1 == 0).map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_user_lacks_everything_and_root_nothing() {
        assert_eq!(lacking_capabilities("Name:\tx\nCapEff:\t0000000000000000\n").len(), 3);
        assert_eq!(lacking_capabilities("CapEff:\t000001ffffffffff\n"), Vec::<&str>::new());
        assert_eq!(lacking_capabilities("CapEff:\t0000000000003000\n"), ["CAP_SYS_ADMIN"]);
    }
}

//! Makes what a blueprint draws: namespaces, wires, bridges, addresses.
//!
//! Few large steps rather than many small ones, since each run of a tool costs milliseconds: all namespaces and wires in
//! one `ip -batch`, then one batch and one shell for each namespace.
//!
//! Settings that an XDP program next door needs (each was learned from packets that did not arrive):
//! - no VLAN offload: the tags must stand in the frame, not beside it;
//! - no checksum and segmentation offload: what leaves a kernel's stack must be a finished packet;
//! - GRO on: only then does a veth take what the far end's program redirects to it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::Context;
use serde::Serialize;

use super::{netns, tools};
use crate::blueprint::{Blueprint, Bridge, Cable, Node, Role, namespace};

/// Makes everything. What exists already is an error.
pub fn make(lab: &str, blueprint: &Blueprint) -> anyhow::Result<()> {
    let mut lines: Vec<String> =
        blueprint.nodes.iter().map(|node| format!("netns add {}", namespace(lab, &node.name))).collect();
    tools::ip(None, &lines)?;
    // Before any interface is there, so that each is born with these settings.
    for node in &blueprint.nodes {
        netns::enter(&namespace(lab, &node.name), || settings(node.role))?;
    }
    lines = blueprint
        .pairs
        .iter()
        .map(|pair| {
            let (a, b) = (namespace(lab, &pair.a.node), namespace(lab, &pair.b.node));
            let (if_a, if_b, mtu) = (&pair.a.ifname, &pair.b.ifname, pair.mtu);
            format!("link add name {if_a} netns {a} mtu {mtu} type veth peer name {if_b} netns {b} mtu {mtu}")
        })
        .collect();
    tools::ip(None, &lines)?;
    // Everywhere before anything is up: a veth decides when it is brought up whether it takes redirected frames, and it
    // does so by the GRO setting of its far end, which is in another namespace.
    in_each_node(blueprint, |node| offloads(lab, blueprint, node))?;
    in_each_node(blueprint, |node| finish(lab, blueprint, node))
}

/// Does something for all nodes at the same time.
fn in_each_node(blueprint: &Blueprint, work: impl Fn(&Node) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = blueprint.nodes.iter().map(|node| scope.spawn(move || work(node))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
    })
}

/// Kernel settings of a namespace.
fn settings(role: Role) -> anyhow::Result<()> {
    let mut wanted = vec![
        // Addresses are usable at once; nobody else can have them.
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/default/dad_transmits", "0"),
        ("ipv6/conf/default/accept_ra", "0"),
        ("ipv6/conf/default/router_solicitations", "0"),
    ];
    match role {
        Role::Ce => wanted.extend([
            ("ipv4/ip_forward", "1"),
            ("ipv6/conf/all/forwarding", "1"),
            // Both links are used, flow by flow.
            ("ipv4/fib_multipath_hash_policy", "1"),
            ("ipv6/fib_multipath_hash_policy", "1"),
            // A dead link's routes are not used while the routing daemon has not taken them out yet.
            ("ipv4/conf/all/ignore_routes_with_linkdown", "1"),
            ("ipv4/conf/default/ignore_routes_with_linkdown", "1"),
            ("ipv6/conf/all/ignore_routes_with_linkdown", "1"),
            ("ipv6/conf/default/ignore_routes_with_linkdown", "1"),
        ]),
        // Nothing of these is the kernel's own business.
        Role::Provider | Role::Fabric | Role::Segment => {
            wanted.extend([("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")])
        }
        // Both instances of the gateway are used, flow by flow, as long as they answer.
        Role::Vm => wanted.extend([
            ("ipv4/fib_multipath_hash_policy", "1"),
            ("ipv6/fib_multipath_hash_policy", "1"),
            ("ipv4/fib_multipath_use_neigh", "1"),
        ]),
        Role::Host | Role::Edge | Role::Gateway => {}
    }
    for (key, value) in wanted {
        let path = format!("/proc/sys/net/{key}");
        fs::write(&path, value).with_context(|| format!("setting {path} to {value}"))?;
    }
    if role != Role::Ce {
        // The kernel's packet filter must not see what only crosses a bridge; a machine without it has no such keys.
        for key in ["iptables", "ip6tables", "arptables"] {
            let _ = fs::write(format!("/proc/sys/net/bridge/bridge-nf-call-{key}"), "0");
        }
    }
    Ok(())
}

/// Offload settings of a namespace's interfaces.
fn offloads(lab: &str, blueprint: &Blueprint, node: &Node) -> anyhow::Result<()> {
    let lines: Vec<String> = blueprint
        .interfaces(&node.name)
        .iter()
        .map(|(ifname, _)| {
            format!("ethtool -K {ifname} tx off tso off gso off txvlan off tx-vlan-stag-hw-insert off gro on")
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    // ethtool says on its output which features changed along with others; that is no news.
    tools::run(tools::inside(&namespace(lab, &node.name), "sh").args(["-ec", &lines.join("\n")]), "").map(drop)
}

/// The inside of one namespace.
fn finish(lab: &str, blueprint: &Blueprint, node: &Node) -> anyhow::Result<()> {
    let name = namespace(lab, &node.name);
    let interfaces = blueprint.interfaces(&node.name);
    let mut lines = vec!["link set dev lo up".to_owned()];
    for bridge in blueprint.bridges.iter().filter(|bridge| bridge.node == node.name) {
        let ifname = &bridge.ifname;
        lines.push(format!(
            "link add name {ifname} mtu {} type bridge stp_state 0 mcast_snooping 0 forward_delay 0",
            bridge.mtu
        ));
        lines.extend(bridge.ports.iter().flat_map(|port| plug(bridge, port)));
        lines.push(format!("link set dev {ifname} up"));
    }
    for (ifname, address) in &node.addresses {
        lines.push(format!("address add {address} dev {ifname}"));
    }
    lines.extend(interfaces.iter().map(|(ifname, _)| format!("link set dev {ifname} up")));
    for is_v4 in [true, false] {
        let hops: Vec<String> = node
            .gateways
            .iter()
            .filter(|gateway| gateway.is_ipv4() == is_v4)
            .map(|gateway| format!(" nexthop via {gateway}"))
            .collect();
        if !hops.is_empty() {
            lines.push(format!("route add {}{}", if is_v4 { "0.0.0.0/0" } else { "::/0" }, hops.concat()));
        }
    }
    tools::ip(Some(&name), &lines)
}

/// Puts a port into its bridge.
fn plug(bridge: &Bridge, port: &str) -> Vec<String> {
    let mut lines = vec![format!("link set dev {port} master {}", bridge.ifname)];
    if bridge.ports.len() == 2 {
        // A bridge that only joins two ports is a wire: it learns nothing and sends on everything.
        lines.push(format!("link set dev {port} type bridge_slave learning off"));
    }
    lines
}

/// How a cable is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both ends see that the carrier is gone.
    Reported,
    /// Frames vanish, the carrier stays.
    Silent,
}

/// Cuts cables, at the same time where they are in one place.
pub fn cut(lab: &str, cables: &[&Cable], how: Cut) -> anyhow::Result<()> {
    let how = match how {
        Cut::Reported => "down",
        // Out of its bridge, a port still has its carrier and its frames go nowhere.
        Cut::Silent => "nomaster",
    };
    in_each_place(lab, cables, |cable| {
        cable.handles.iter().map(|handle| format!("link set dev {handle} {how}")).collect()
    })
}

/// Heals cables, however they were cut.
pub fn heal(lab: &str, blueprint: &Blueprint, cables: &[&Cable]) -> anyhow::Result<()> {
    in_each_place(lab, cables, |cable| {
        let mut lines = Vec::new();
        for bridge in blueprint.bridges.iter().filter(|bridge| bridge.node == cable.node) {
            for handle in cable.handles.iter().filter(|handle| bridge.ports.contains(handle)) {
                lines.extend(plug(bridge, handle));
                lines.push(format!("link set dev {handle} up"));
            }
        }
        lines
    })
}

fn in_each_place(lab: &str, cables: &[&Cable], lines: impl Fn(&Cable) -> Vec<String>) -> anyhow::Result<()> {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for cable in cables {
        places.entry(&cable.node).or_default().extend(lines(cable));
    }
    places.into_iter().try_for_each(|(node, lines)| tools::ip(Some(&namespace(lab, node)), &lines))
}

/// How a cable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CableState {
    /// Its ends see no carrier.
    Down,
    /// Its ends see a carrier and frames vanish.
    Silent,
    /// It passes frames.
    Up,
}

/// The state of every cable whose handles are in `node`.
pub fn cable_states(lab: &str, blueprint: &Blueprint, node: &str) -> anyhow::Result<Vec<(String, CableState)>> {
    let mut command = Command::new("ip");
    let said = tools::run(command.args(["-n", &namespace(lab, node), "-j", "link", "show"]), "")?;
    let said: Vec<serde_json::Value> = serde_json::from_str(&said).context("ip -j link")?;
    let state = |handle: &String| {
        let about = said.iter().find(|about| about["ifname"] == handle.as_str());
        match about {
            Some(about) if !about["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "UP")) => {
                CableState::Down
            }
            Some(about) if about["master"].is_null() => CableState::Silent,
            Some(_) => CableState::Up,
            None => CableState::Down,
        }
    };
    let cables = blueprint.cables.iter().filter(|cable| cable.node == node);
    Ok(cables
        .map(|cable| (cable.name.clone(), cable.handles.iter().map(state).min().unwrap_or(CableState::Up)))
        .collect())
}

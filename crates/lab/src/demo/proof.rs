//! What is there when everything is well: packets both ways, sessions and routes as the customer's router itself sees
//! them, both tags on the provider's uplink.

use anyhow::ensure;

use super::said;
use crate::blueprint::{Strand, names};
use crate::lab::Lab;
use crate::probe;
use crate::progress::Progress;
use crate::topology::RouterKind;
use crate::up::ping;

/// Pings from each side to the other, IPv4 and IPv6.
pub(super) fn packets_both_ways(lab: &Lab, progress: &mut Progress) -> anyhow::Result<()> {
    for (index, customer) in lab.topology.customers.iter().enumerate() {
        let (host, vm) = (customer.node(index, "host"), customer.node(index, "vm"));
        let pairs = customer.site.host_addresses().into_iter().zip(customer.network.host_addresses());
        for (here, there) in pairs {
            for (from, to, address) in [(&host, &vm, there.addr()), (&vm, &host, here.addr())] {
                progress.step(&format!("{from} reaches {to} at {address}"), |_| {
                    ensure!(ping(lab, from, &address.to_string(), "2")?, "no answer");
                    Ok(())
                })?;
            }
        }
    }
    Ok(())
}

/// Prints sessions and routes in the words of the router.
pub(super) fn the_routers_view(lab: &Lab, progress: &mut Progress) -> anyhow::Result<()> {
    for (index, customer) in lab.topology.customers.iter().enumerate() {
        let ce = customer.node(index, "ce");
        let commands: &[&[&str]] = match customer.site.router {
            RouterKind::Bird => &[&["birdc", "-r", "show", "protocols"], &["birdc", "-r", "show", "route"]],
            RouterKind::Frr => &[&["vtysh", "-c", "show bgp summary"], &["vtysh", "-c", "show ip route bgp"]],
        };
        for words in commands {
            progress.step(&format!("{ce}: {}", words.join(" ").replace(" -r", "")), |notes| {
                let text = said(lab, &ce, words)?;
                ensure!(!text.trim().is_empty(), "it says nothing");
                notes.say(text.trim());
                Ok(())
            })?;
        }
        progress.step("BGP is up with two different edges", |notes| {
            let sessions = lab.sessions(index)?;
            ensure!(sessions.len() == 4 && sessions.iter().all(|one| one.is_established()), "not all: {sessions:?}");
            let mut edges: Vec<&str> = sessions.iter().filter_map(|one| one.peer_id.as_deref()).collect();
            edges.sort_unstable();
            edges.dedup();
            ensure!(edges.len() == 2, "the far ends are {edges:?}");
            notes.say(edges.join(" and "));
            Ok(())
        })?;
    }
    Ok(())
}

/// Looks at frames on the provider's uplinks.
pub(super) fn both_tags(lab: &Lab, progress: &mut Progress) -> anyhow::Result<()> {
    let customer = &lab.topology.customers[0];
    progress.step("frames on the provider's uplinks carry both tags", |notes| {
        for strand in Strand::BOTH {
            let flow = probe::flows(lab, 0, Some(strand))?.swap_remove(0);
            let ifname = format!("up-{}", strand.word());
            let frame = probe::capture(&flow, &lab.namespace("provider"), &ifname)?;
            let tags = probe::tags(&frame);
            ensure!(tags.len() == 2, "a frame on {ifname} has the tags {tags:?}");
            ensure!(tags[1] == customer.peering.vlan_id, "the C-tag is {}, not {}", tags[1], customer.peering.vlan_id);
            notes.say(format!("{ifname}: S-tag {}, C-tag {}, toward {}", tags[0], tags[1], names::edge(strand)));
        }
        Ok(())
    })
}

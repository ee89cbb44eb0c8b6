//! The customers' routers: software that we did not write, since only a stranger proves that we speak the protocol.

mod bird;
mod frr;

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use causeway_model::Deployment;
use serde::Serialize;

use crate::blueprint::{Strand, names};
use crate::topology::{Customer, RouterKind};

/// A file that a routing daemon reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Its name in the router's directory.
    pub name: &'static str,
    /// What is in it.
    pub text: String,
}

/// A session as the router itself sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CeSession {
    /// The router's name for it.
    pub name: String,
    /// The far end's address.
    pub peer: String,
    /// The far end's BGP identifier, once it has said it: two different ones are two different edges.
    pub peer_id: Option<String>,
    /// The state, as the router calls it.
    pub state: String,
}

impl CeSession {
    /// Routes are exchanged.
    pub fn is_established(&self) -> bool {
        self.state == "Established"
    }
}

/// One session to be configured.
struct Neighbor {
    name: String,
    ifname: String,
    local: IpAddr,
    remote: IpAddr,
}

fn neighbors(customer: &Customer, deployment: &Deployment) -> Vec<Neighbor> {
    let mut out = Vec::new();
    for strand in Strand::BOTH {
        for (cloud, ours) in customer.peering.ends(strand.index(), deployment.endpoint_order) {
            let family = if ours.addr().is_ipv4() { 4 } else { 6 };
            out.push(Neighbor {
                name: format!("{}{family}", strand.word()),
                ifname: names::wan(strand),
                local: ours.addr(),
                remote: cloud.addr(),
            });
        }
    }
    out
}

/// The files of a customer's router.
pub fn files(customer: &Customer, deployment: &Deployment) -> Vec<ConfigFile> {
    match customer.site.router {
        RouterKind::Bird => vec![ConfigFile { name: "bird.conf", text: bird::config(customer, deployment) }],
        RouterKind::Frr => frr::configs(customer, deployment),
    }
}

/// The daemons of a customer's router: a name and a command for each, to be run in the router's namespace. `directory`
/// holds the files.
pub fn daemons(kind: RouterKind, namespace: &str, directory: &Path) -> Vec<(&'static str, Command)> {
    match kind {
        RouterKind::Bird => vec![("bird", bird::daemon(namespace, directory))],
        RouterKind::Frr => frr::daemons(namespace, directory),
    }
}

/// What a person types to talk to the router (`birdc`, `vtysh`), completed so that it finds this one among several.
pub fn complete(kind: RouterKind, namespace: &str, directory: &Path, command: &[String]) -> Vec<String> {
    let more: Vec<String> = match (kind, command.first().map(String::as_str)) {
        (RouterKind::Bird, Some("birdc" | "birdcl")) => {
            vec!["-s".into(), bird::socket(directory).display().to_string()]
        }
        (RouterKind::Frr, Some("vtysh")) => frr::vtysh_options(namespace, directory),
        _ => vec![],
    };
    let mut out = command.to_vec();
    let at = out.len().min(1);
    out.splice(at..at, more);
    out
}

/// The router's sessions.
pub fn sessions(kind: RouterKind, namespace: &str, directory: &Path) -> anyhow::Result<Vec<CeSession>> {
    match kind {
        RouterKind::Bird => bird::sessions(directory),
        RouterKind::Frr => frr::sessions(namespace, directory),
    }
}

/// How many of the router's BFD sessions are up.
pub fn bfd_up(kind: RouterKind, namespace: &str, directory: &Path) -> anyhow::Result<usize> {
    match kind {
        RouterKind::Bird => bird::bfd_up(directory),
        RouterKind::Frr => frr::bfd_up(namespace, directory),
    }
}

//! A lab that is there, or is being made: its record, its drawing and its daemons.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::Signal;

use crate::blueprint::{Blueprint, Node, Role, namespace};
use crate::machine::process::{self, Running};
use crate::machine::tools;
use crate::parties::operator::node_name;
use crate::routers;
use crate::state::{Place, State};
use crate::topology::{Customer, Topology};

/// Control is a daemon without a namespace of its own: it listens on loopback, where its clients are.
pub const CONTROL: &str = "control";

/// How much our daemons log.
const LOG: &str = "CAUSEWAY_LOG";

/// One lab.
#[derive(Debug)]
pub struct Lab {
    /// Where its files are.
    pub place: Place,
    /// Its record.
    pub state: State,
    /// Its topology.
    pub topology: Topology,
    /// Its drawing.
    pub blueprint: Blueprint,
}

impl Lab {
    /// A lab of this record.
    pub fn new(state: State) -> anyhow::Result<Lab> {
        let topology = state.topology()?;
        Ok(Lab { place: Place::of(&state.lab), blueprint: Blueprint::of(&topology), topology, state })
    }

    /// A lab that is there.
    pub fn open(name: &str) -> anyhow::Result<Lab> {
        Lab::new(Place::of(name).read()?)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.state.lab
    }

    /// The full name of a node's namespace.
    pub fn namespace(&self, node: &str) -> String {
        namespace(self.name(), node)
    }

    /// A node by its short name; an error that lists them where there is none.
    pub fn node(&self, name: &str) -> anyhow::Result<&Node> {
        self.blueprint.node(name).with_context(|| {
            let all: Vec<&str> = self.blueprint.nodes.iter().map(|node| node.name.as_str()).collect();
            format!("there is no node \"{name}\" in lab \"{}\"; there are {}", self.name(), all.join(", "))
        })
    }

    /// The customer of a node.
    pub fn customer(&self, node: &Node) -> Option<&Customer> {
        self.topology.customers.get(node.customer?)
    }

    /// A command in a node's namespace.
    pub fn inside(&self, node: &str, program: &str) -> Command {
        tools::inside(&self.namespace(node), program)
    }

    /// What a person typed for a node, as it is run there.
    pub fn completed(&self, node: &Node, command: &[String]) -> Vec<String> {
        match self.customer(node) {
            Some(customer) if node.role == Role::Ce => routers::complete(
                customer.site.router,
                &self.namespace(&node.name),
                &self.place.path(&node.name),
                command,
            ),
            _ => command.to_vec(),
        }
    }

    /// The routers' sessions of a customer.
    pub fn sessions(&self, index: usize) -> anyhow::Result<Vec<routers::CeSession>> {
        let customer = &self.topology.customers[index];
        let ce = customer.node(index, "ce");
        routers::sessions(customer.site.router, &self.namespace(&ce), &self.place.path(&ce))
    }

    /// How many BFD sessions of a customer's router are up.
    pub fn bfd_up(&self, index: usize) -> anyhow::Result<usize> {
        let customer = &self.topology.customers[index];
        let ce = customer.node(index, "ce");
        routers::bfd_up(customer.site.router, &self.namespace(&ce), &self.place.path(&ce))
    }

    /// The nodes that run a daemon of ours.
    pub fn our_nodes(&self) -> impl Iterator<Item = &Node> {
        self.blueprint.nodes.iter().filter(|node| matches!(node.role, Role::Edge | Role::Gateway | Role::Provider))
    }

    /// Whether a node runs a daemon: one of ours, or a router.
    pub fn runs_daemon(&self, node: &str) -> bool {
        self.commands(node).is_ok()
    }

    /// Where a node finds its credentials.
    pub fn credentials_file(&self, node: &str) -> PathBuf {
        self.place.path(&format!("{node}.credentials.json"))
    }

    /// The daemons of a node with their names: control's, one of ours, or a router's.
    fn commands(&self, name: &str) -> anyhow::Result<Vec<(String, Command)>> {
        if name == CONTROL {
            let mut command = Command::new(&self.state.program);
            command.arg("control").arg("--dev").arg("--bare").arg("--data").arg(self.place.control());
            command.args(["--listen", &self.state.listen]);
            return Ok(vec![(CONTROL.to_owned(), command)]);
        }
        let node = self.node(name)?;
        let role = match node.role {
            Role::Edge => "edge",
            Role::Gateway => "gateway",
            Role::Provider => "cross-connect",
            Role::Ce => {
                let customer = self.customer(node).context("a router is a customer's")?;
                let daemons =
                    routers::daemons(customer.site.router, &self.namespace(name), &self.place.path(name)).into_iter();
                return Ok(daemons.map(|(daemon, command)| (format!("{name}.{daemon}"), command)).collect());
            }
            Role::Host | Role::Vm | Role::Fabric | Role::Segment => bail!("{name} runs no daemon"),
        };
        let mut command = Command::new(&self.state.program);
        command.arg(role).args(["--name", &node_name(self.name(), name)]);
        command.arg("--netns").arg(crate::machine::netns::path(&self.namespace(name)));
        command.args(["--control", &self.state.endpoint()]);
        command.arg("--ca").arg(self.place.control().join("ca.pem"));
        command.arg("--credentials").arg(self.credentials_file(name));
        command.arg("--data").arg(self.place.node(name)?);
        Ok(vec![(name.to_owned(), command)])
    }

    /// Starts the daemons of a node that are not running; how many that were.
    pub fn start(&self, node: &str) -> anyhow::Result<usize> {
        let running = self.running(node)?;
        let mut started = 0;
        for (name, mut command) in self.commands(node)? {
            if !running.iter().any(|one| one.node == name) {
                // Their logs are what is left to look at when something went wrong.
                if std::env::var_os(LOG).is_none() {
                    command.env(LOG, "info");
                }
                process::start(self.name(), &name, &mut command, &self.place.log(&name))?;
                started += 1;
            }
        }
        Ok(started)
    }

    /// The running daemons of a node.
    pub fn running(&self, node: &str) -> anyhow::Result<Vec<Running>> {
        let mut all = process::find(self.name(), None)?;
        all.retain(|one| one.node == node || one.node.strip_prefix(node).is_some_and(|rest| rest.starts_with('.')));
        Ok(all)
    }

    /// Kills the daemons of a node as a crash would, and waits until they are gone; how many that were.
    pub fn kill(&self, node: &str) -> anyhow::Result<usize> {
        self.commands(node)?;
        let victims = self.running(node)?;
        for victim in &victims {
            process::signal(victim.pid, Signal::SIGKILL)?;
        }
        crate::progress::wait_for("killing", Duration::from_secs(5), || {
            let left = self.running(node)?;
            Ok(if left.is_empty() { Ok(()) } else { Err(format!("{} still there", left.len())) })
        })?;
        Ok(victims.len())
    }

    /// The ends of the logs of daemons that should run and do not, for an error that they explain.
    pub fn obituaries(&self) -> String {
        let mut out = String::new();
        let running = process::find(self.name(), None).unwrap_or_default();
        let nodes = std::iter::once(CONTROL).chain(self.blueprint.nodes.iter().map(|node| node.name.as_str()));
        for (name, _) in nodes.filter_map(|node| self.commands(node).ok()).flatten() {
            let log = self.place.log(&name);
            if log.exists() && !running.iter().any(|one| one.node == name) {
                out.push_str(&format!("\n{name} has ended; the end of {}:\n{}", log.display(), process::tail(&log, 5)));
            }
        }
        out
    }
}

/// A free port on loopback. Somebody could take it before control does; then control says so.
pub fn free_listen() -> anyhow::Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr().context("the free port")?.to_string())
}

/// The program that runs as daemons: this one.
pub fn this_program() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("the path of this program")
}

/// Writes the files of a customer's router.
pub fn write_router_files(directory: &Path, customer: &Customer, topology: &Topology) -> anyhow::Result<()> {
    for file in routers::files(customer, &topology.deployment) {
        crate::state::write_private(&directory.join(file.name), &file.text)?;
    }
    Ok(())
}

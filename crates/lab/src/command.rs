//! The words of `causeway lab`.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use crate::blueprint::Cable;
use crate::lab::Lab;
use crate::machine::network::{self, Cut};
use crate::machine::sweep;
use crate::progress::Progress;
use crate::state::Place;
use crate::{bench, demo, down, probe, status, topology, up};

/// The name of a lab.
#[derive(Debug, Args)]
pub struct Name {
    /// The lab's name.
    #[arg(long, default_value = "lab", value_name = "NAME")]
    name: String,
}

/// How to print.
#[derive(Debug, Args)]
pub struct Json {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Where a topology comes from.
#[derive(Debug, Args)]
pub struct TopologySource {
    /// A topology file; the built-in one where none is given.
    #[arg(long, value_name = "FILE", conflicts_with = "two_customers")]
    topology: Option<PathBuf>,
    /// The built-in topology of two customers with the same addresses.
    #[arg(long)]
    two_customers: bool,
}

impl TopologySource {
    fn text(&self) -> anyhow::Result<String> {
        match &self.topology {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("topology {}", path.display())),
            None if self.two_customers => Ok(topology::TWO_CUSTOMERS.to_owned()),
            None => Ok(topology::DEFAULT.to_owned()),
        }
    }
}

/// `causeway lab …`
#[allow(missing_docs, reason = "a field that is only flattened would show its text as help")]
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a built-in topology, to be changed and given to `up`.
    Topology {
        /// The one of two customers with the same addresses.
        #[arg(long)]
        two_customers: bool,
    },
    /// Make a lab, and order, provision and connect a circuit in it.
    Up {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        source: TopologySource,
        #[command(flatten)]
        json: Json,
    },
    /// Show nodes, cables and sessions.
    Status {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        json: Json,
    },
    /// Run a command on a node: `lab exec ce -- birdc show protocols`.
    Exec {
        #[command(flatten)]
        name: Name,
        /// The node (`lab status` lists them).
        node: String,
        /// The command.
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Cut a link: `primary`, `secondary`, or one cable.
    Cut {
        #[command(flatten)]
        name: Name,
        /// The link (`lab status` lists them).
        link: String,
        /// Frames vanish and the carrier stays, so that nobody is told.
        #[arg(long)]
        silent: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Heal a link.
    Heal {
        #[command(flatten)]
        name: Name,
        /// The link.
        link: String,
        #[command(flatten)]
        json: Json,
    },
    /// Kill a node's daemon with SIGKILL: an edge, a gateway, the provider, a router (`ce`) or `control`.
    Kill {
        #[command(flatten)]
        name: Name,
        /// The node.
        node: String,
        #[command(flatten)]
        json: Json,
    },
    /// Start a node's daemon again.
    Start {
        #[command(flatten)]
        name: Name,
        /// The node.
        node: String,
        #[command(flatten)]
        json: Json,
    },
    /// Send one packet each millisecond both ways between two nodes and say what was lost.
    Probe {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        options: probe::Arguments,
        #[command(flatten)]
        json: Json,
    },
    /// Take a lab down; nothing of it is left.
    Down {
        #[command(flatten)]
        name: Name,
        #[command(flatten)]
        json: Json,
    },
    /// List the labs of this machine.
    List {
        #[command(flatten)]
        json: Json,
    },
    /// Tell the whole story: order, provision, connect, cut, heal, kill, and take everything down.
    Demo {
        /// The lab's name.
        #[arg(long, default_value = "demo", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        source: TopologySource,
    },
    /// Measure how long a lab takes to come up and what each failure costs; takes some minutes.
    Bench {
        /// The lab's name.
        #[arg(long, default_value = "bench", value_name = "NAME")]
        name: String,
        /// How often each thing is measured.
        #[arg(long, default_value_t = 5, value_name = "N")]
        runs: usize,
        #[command(flatten)]
        json: Json,
    },
}

impl Command {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Topology { two_customers } => {
                print(if two_customers { topology::TWO_CUSTOMERS } else { topology::DEFAULT }.trim_end())
            }
            Command::Up { name, source, json } => bring_up(&name.name, &source.text()?, json.json),
            Command::Status { name, json } => {
                let status = status::look(&Lab::open(&name.name)?)?;
                show(json.json, &status, || status.to_string())
            }
            Command::Exec { name, node, command } => execute(&Lab::open(&name.name)?, &node, &command),
            Command::Cut { name, link, silent, json } => {
                let lab = Lab::open(&name.name)?;
                let how = if silent { Cut::Silent } else { Cut::Reported };
                let cables = cables(&lab, &link)?;
                network::cut(lab.name(), &cables, how)?;
                show_cables(json.json, &cables, if silent { "silent" } else { "down" })
            }
            Command::Heal { name, link, json } => {
                let lab = Lab::open(&name.name)?;
                let cables = cables(&lab, &link)?;
                network::heal(lab.name(), &lab.blueprint, &cables)?;
                show_cables(json.json, &cables, "up")
            }
            Command::Kill { name, node, json } => {
                let count = Lab::open(&name.name)?.kill(&node)?;
                show(json.json, &json!({ "node": node, "killed": count }), || format!("{node}: {count} killed"))
            }
            Command::Start { name, node, json } => {
                let count = Lab::open(&name.name)?.start(&node)?;
                show(json.json, &json!({ "node": node, "started": count }), || format!("{node}: {count} started"))
            }
            Command::Probe { name, options, json } => {
                let report = options.run(&Lab::open(&name.name)?)?;
                show(json.json, &report, || report.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            }
            Command::Down { name, json } => {
                let removed = down::down(&name.name)?;
                show(json.json, &removed, || {
                    let remains = &removed.remains;
                    format!(
                        "lab \"{}\" is down: {} processes, {} namespaces, {} directories of pins removed",
                        removed.lab,
                        remains.processes.len(),
                        remains.namespaces.len(),
                        remains.pins.len()
                    )
                })
            }
            Command::List { json } => list(json.json),
            Command::Demo { name, source } => demo::run(&name, &source.text()?),
            Command::Bench { name, runs, json } => {
                let rows = bench::run(&name, runs.max(1))?;
                show(json.json, &rows, || rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

fn bring_up(name: &str, topology: &str, json: bool) -> anyhow::Result<()> {
    let mut progress = if json { Progress::kept() } else { Progress::shown() };
    let lab = up::up(name, topology, &mut progress)?;
    let seconds = progress.elapsed().as_secs_f64();
    let about = json!({
        "lab": name,
        "endpoint": lab.state.endpoint(),
        "directory": lab.place.path(""),
        "seconds": seconds,
        "steps": progress.steps(),
    });
    show(json, &about, || {
        format!(
            "\nlab \"{name}\" is up after {seconds:.1} s. The API is at {}, its CA and clients in {}.\n\
             Next: causeway lab status, … exec ce -- birdc show protocols, … cut primary, … down",
            lab.state.endpoint(),
            lab.place.control().display(),
        )
    })
}

/// Becomes the command: its exit status and its terminal are ours.
fn execute(lab: &Lab, node: &str, command: &[String]) -> anyhow::Result<()> {
    let node = lab.node(node)?;
    let words = lab.completed(node, command);
    let (program, arguments) = words.split_first().context("a command is given")?;
    Err(lab.inside(&node.name, program).args(arguments).exec()).context("nsenter")
}

fn cables<'a>(lab: &'a Lab, link: &str) -> anyhow::Result<Vec<&'a Cable>> {
    let found = lab.blueprint.cables_of(link);
    anyhow::ensure!(
        !found.is_empty(),
        "there is no link \"{link}\" in lab \"{}\"; there are {}",
        lab.name(),
        lab.blueprint.link_words().join(", ")
    );
    Ok(found)
}

fn show_cables(json: bool, cables: &[&Cable], state: &str) -> anyhow::Result<()> {
    let names: Vec<&str> = cables.iter().map(|cable| cable.name.as_str()).collect();
    show(json, &json!({ "cables": names, "state": state }), || format!("{}: {state}", names.join(", ")))
}

#[derive(Serialize)]
struct Listed {
    lab: String,
    phase: String,
}

fn list(json: bool) -> anyhow::Result<()> {
    let mut labs = Vec::new();
    for name in Place::all()? {
        let phase = match Place::of(&name).read() {
            Ok(state) => serde_json::to_value(state.phase)?.as_str().unwrap_or_default().to_owned(),
            Err(_) if sweep::remains(&name)?.is_empty() => "empty".to_owned(),
            Err(_) => "broken".to_owned(),
        };
        labs.push(Listed { lab: name, phase });
    }
    show(json, &labs, || {
        if labs.is_empty() {
            return "no labs".to_owned();
        }
        labs.iter().map(|lab| format!("{:<12} {}", lab.lab, lab.phase)).collect::<Vec<_>>().join("\n")
    })
}

fn show(json: bool, value: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    if json { print(&serde_json::to_string_pretty(value)?) } else { print(&text()) }
}

/// A reader that went away is no failure of ours.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}

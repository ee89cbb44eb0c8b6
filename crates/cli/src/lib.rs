//! The operator's commands, over the public API: what a person asks a deployment, on one screen.
//!
//! ```text
//!   DIR (ca.pem, clients.json) ──▶ Client as one party ──▶ GET ──▶ a table, or the JSON as it came
//! ```

mod access;
mod table;

use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

pub use access::{Access, Party};
use table::{Column, table};

/// Commands that only look.
#[allow(missing_docs, reason = "a field that is only flattened would show its text as help")]
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the nodes: edges, gateways and cross-connects, and how far each has come.
    Nodes {
        #[command(flatten)]
        output: Output,
    },
    /// List the BGP sessions of a node, or of all.
    Sessions {
        /// The node; all of them where none is named.
        node: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// List the routes of a node.
    Routes {
        /// The node.
        node: String,
        #[command(flatten)]
        output: Output,
    },
    /// Look at circuits.
    #[command(subcommand)]
    Circuit(Circuit),
}

/// `causeway circuit …`
#[allow(missing_docs, reason = "a field that is only flattened would show its text as help")]
#[derive(Debug, Subcommand)]
pub enum Circuit {
    /// List the circuits of the customer's subscription.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Show one circuit as the API shows it.
    Show {
        /// Its name.
        circuit: String,
        #[command(flatten)]
        access: Access,
    },
}

/// How to reach the API, and how to print.
#[derive(Debug, Args)]
pub struct Output {
    #[command(flatten)]
    access: Access,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

const FABRIC: &str = "/providers/Causeway.Fabric";

impl Command {
    /// Asks and prints.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Nodes { output } => {
                let nodes = values(output.access.client(Party::Operator)?.get(&format!("{FABRIC}/nodes"))?)?;
                output.show(&nodes, table::NODES)
            }
            Command::Sessions { node, output } => {
                let mut sessions = Vec::new();
                for (node, status) in statuses(&output.access, node)? {
                    for peer in status["peers"].as_array().into_iter().flatten() {
                        sessions.push(with_node(peer, &node));
                    }
                }
                output.show(&sessions, table::SESSIONS)
            }
            Command::Routes { node, output } => {
                let mut routes = Vec::new();
                for (node, status) in statuses(&output.access, Some(node))? {
                    for route in status["routes"].as_array().into_iter().flatten() {
                        routes.push(with_node(route, &node));
                    }
                }
                output.show(&routes, table::ROUTES)
            }
            Command::Circuit(Circuit::List { output }) => {
                let circuits = circuits(&output.access)?;
                output.show(&circuits, table::CIRCUITS)
            }
            Command::Circuit(Circuit::Show { circuit, access }) => {
                let found = circuits(&access)?.into_iter().find(|one| one["name"] == circuit.as_str());
                let found = found.with_context(|| format!("there is no circuit \"{circuit}\" in the subscription"))?;
                print(&serde_json::to_string_pretty(&found)?)
            }
        }
    }
}

impl Output {
    fn show(&self, rows: &[Value], columns: &[Column]) -> anyhow::Result<()> {
        if self.json { print(&serde_json::to_string_pretty(rows)?) } else { print(table(rows, columns).trim_end()) }
    }
}

/// The last status of a node, or of every node that has told one.
fn statuses(access: &Access, node: Option<String>) -> anyhow::Result<Vec<(String, Value)>> {
    let client = access.client(Party::Operator)?;
    let of = |node: &str| client.get(&format!("{FABRIC}/nodes/{node}/status"));
    if let Some(node) = node {
        let status = of(&node)?;
        return Ok(vec![(node, status)]);
    }
    let nodes = values(client.get(&format!("{FABRIC}/nodes"))?)?;
    let heard = nodes.iter().filter(|node| !node["lastSeenS"].is_null()).filter_map(|node| node["name"].as_str());
    heard.map(|node| Ok((node.to_owned(), of(node)?))).collect()
}

fn with_node(value: &Value, node: &str) -> Value {
    let mut out = json!({ "node": node });
    if let (Some(out), Some(fields)) = (out.as_object_mut(), value.as_object()) {
        out.extend(fields.clone());
    }
    out
}

fn circuits(access: &Access) -> anyhow::Result<Vec<Value>> {
    let path = format!("/subscriptions/{}/providers/Microsoft.Network/expressRouteCircuits", access.subscription()?);
    values(access.client(Party::Customer)?.get(&path)?)
}

fn values(answer: Value) -> anyhow::Result<Vec<Value>> {
    Ok(answer["value"].as_array().context("the API's answer has no list")?.clone())
}

/// A reader that went away is no failure of ours.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}

//! The one binary: a thin dispatcher. Each command lives in its own crate; here are only its words.

mod control;
mod log;
mod node;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An open private on-ramp between on-premises networks and a cloud.
#[derive(Debug, Parser)]
#[command(name = "causeway", version, about, arg_required_else_help = true)]
struct Arguments {
    /// What is logged, to standard error: off, error, warn, info, debug or trace.
    #[arg(long, global = true, env = "CAUSEWAY_LOG", default_value = "warn", value_name = "LEVEL")]
    log: log::Level,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane: the API, the store and the reconciler.
    Control(control::Control),
    /// Run an edge router.
    Edge(node::Node),
    /// Run an instance of a virtual network's gateway.
    Gateway(node::Node),
    /// Run a provider's router.
    CrossConnect(node::Node),
    /// A whole on-ramp on this machine.
    #[command(subcommand)]
    Lab(causeway_lab::Command),
    #[command(flatten)]
    Look(causeway_cli::Command),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.log);
    let result = match arguments.command {
        Command::Control(control) => control.run(),
        Command::Edge(node) => node.run("edge"),
        Command::Gateway(node) => node.run("gateway"),
        Command::CrossConnect(node) => node.run("cross-connect"),
        Command::Lab(lab) => lab.run(),
        Command::Look(look) => look.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causeway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

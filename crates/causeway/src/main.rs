//! The one binary: a thin dispatcher. Each command lives in its own crate; here are only its words.

mod control;
mod log;

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
    /// A whole on-ramp on this machine.
    #[command(subcommand)]
    Lab(causeway_lab::Command),
    #[command(flatten)]
    Look(causeway_cli::Command),
    /// Run the control plane: the API, the store and the reconciler.
    Control(control::Control),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.log);
    let result = match arguments.command {
        Command::Lab(lab) => lab.run(),
        Command::Look(look) => look.run(),
        Command::Control(control) => control.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("causeway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! Running other programs, and saying what they said when they fail.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

/// Runs `command` with `input` on its standard input; its output, or an error with its own words.
pub fn run(command: &mut Command, input: &str) -> anyhow::Result<String> {
    let output = output(command, input)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", words(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The same, whatever its exit status.
pub fn output(command: &mut Command, input: &str) -> anyhow::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting {}", words(command)))?;
    let mut stdin = child.stdin.take().context("the child has a standard input")?;
    // Small inputs only, so that writing all of it before reading can't block on a full pipe.
    let written = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().with_context(|| format!("waiting for {}", words(command)))?;
    if output.status.success() {
        written.with_context(|| format!("writing to {}", words(command)))?;
    }
    Ok(output)
}

/// `ip -batch`, in a namespace or in ours.
pub fn ip(namespace: Option<&str>, lines: &[String]) -> anyhow::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut command = Command::new("ip");
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    let mut input = lines.join("\n");
    input.push('\n');
    run(command.args(["-batch", "-"]), &input).map(|_| ()).with_context(|| {
        let place = namespace.map_or_else(String::new, |namespace| format!(" in {namespace}"));
        format!("configuring interfaces{place}")
    })
}

/// A command that runs in a namespace. `nsenter` and not `ip netns exec`, which hides bpffs.
pub fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", super::netns::path(namespace).display())).arg("--").arg(program);
    command
}

/// Whether a program is on the path.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

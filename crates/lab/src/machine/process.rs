//! The lab's processes. Each carries its lab and node in its environment, so that it is found again without anybody
//! having kept its number: after a crash of whoever started it, and never another process that got the number since.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LAB: &str = "CAUSEWAY_LAB";
const NODE: &str = "CAUSEWAY_LAB_NODE";

/// A running process of a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its number.
    pub pid: i32,
    /// The node that it is the daemon of (`edge1`, `ce.zebra`).
    pub node: String,
    /// Its command.
    pub command: String,
}

/// Starts a daemon of `lab`'s `node`, its output appended to `log`. It lives in a session of its own: what stops the
/// terminal's foreground job does not stop the lab.
pub fn start(lab: &str, node: &str, command: &mut Command, log: &Path) -> anyhow::Result<i32> {
    let out = OpenOptions::new().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
    let err = out.try_clone().context("a second handle of the log")?;
    command.env(LAB, lab).env(NODE, node).stdin(Stdio::null()).stdout(out).stderr(err);
    // SAFETY: setsid is async-signal-safe and touches nothing of ours.
    unsafe {
        command.pre_exec(|| nix::unistd::setsid().map(|_| ()).map_err(std::io::Error::from));
    }
    let child = command.spawn().with_context(|| format!("starting {node}: {:?}", command.get_program()))?;
    // Not waited for: the lab outlives us. While we live, a dead child is seen as a zombie, which `find` leaves out.
    Ok(child.id() as i32)
}

/// Every process of `lab`, of one node or of all.
pub fn find(lab: &str, node: Option<&str>) -> anyhow::Result<Vec<Running>> {
    let mut out = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let Ok(pid) = entry.context("/proc")?.file_name().to_string_lossy().parse::<i32>() else { continue };
        // A process that ends while we look at it is none.
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        let value = |key: &str| {
            environment.split(|byte| *byte == 0).find_map(|entry| {
                let text = std::str::from_utf8(entry).ok()?;
                text.strip_prefix(key)?.strip_prefix('=').map(str::to_owned)
            })
        };
        if value(LAB).as_deref() != Some(lab) {
            continue;
        }
        let name = value(NODE).unwrap_or_default();
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // A zombie has no command line any more.
        if command.is_empty() || node.is_some_and(|node| node != name) {
            continue;
        }
        let words: Vec<String> = command
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        out.push(Running { pid, node: name, command: words.join(" ") });
    }
    out.sort_by(|a, b| (&a.node, a.pid).cmp(&(&b.node, b.pid)));
    Ok(out)
}

/// Processes that are in one of these namespaces, whoever started them.
pub fn inside(namespaces: &[String]) -> Vec<i32> {
    use std::os::unix::fs::MetadataExt;
    let wanted: Vec<(u64, u64)> = namespaces
        .iter()
        .filter_map(|name| fs::metadata(super::netns::path(name)).ok())
        .map(|meta| (meta.dev(), meta.ino()))
        .collect();
    let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
    let mut out: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok())
        .filter(|pid| *pid != std::process::id() as i32)
        .filter(|pid| {
            fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|meta| wanted.contains(&(meta.dev(), meta.ino())))
        })
        .collect();
    out.sort_unstable();
    out
}

/// Sends a signal; that the process is gone already is no error.
pub fn signal(pid: i32, signal: Signal) -> anyhow::Result<()> {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("sending {signal} to {pid}")),
    }
}

/// Asks every process that `list` names to end, then makes it.
pub fn end(list: impl Fn() -> anyhow::Result<Vec<i32>>, patience: Duration) -> anyhow::Result<()> {
    for (how, patience) in [(Signal::SIGTERM, patience), (Signal::SIGKILL, Duration::from_secs(5))] {
        for pid in list()? {
            signal(pid, how)?;
        }
        let deadline = Instant::now() + patience;
        loop {
            let left = list()?;
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    bail!("processes {:?} do not end", list()?)
}

/// The last lines of a log, for an error that they explain.
pub fn tail(log: &Path, lines: usize) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(8_192)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Ok(text) => {
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => error.to_string(),
    }
}

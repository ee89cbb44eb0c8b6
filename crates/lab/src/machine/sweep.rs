//! What a lab has on the machine, found by its name alone, and the removal of all of it. It needs no record of what was
//! made, so it is as good after a crash or a half-way failure as after an orderly run.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::{netns, process, tools};

/// Where edges pin their maps and links, each in a directory of its namespace's name or of its own.
const PINS: &str = "/sys/fs/bpf/causeway";

/// What there is of a lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// Processes: daemons by what their environment says, others by the namespace that they are in.
    pub processes: Vec<i32>,
    /// Namespaces, also those that the edges made for attachments.
    pub namespaces: Vec<String>,
    /// Directories of pinned maps and links.
    pub pins: Vec<PathBuf>,
}

impl Remains {
    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        *self == Remains::default()
    }
}

/// Looks.
pub fn remains(lab: &str) -> anyhow::Result<Remains> {
    let namespaces = netns::list(&format!("cw-{lab}-"))?;
    let mut processes: Vec<i32> = process::find(lab, None)?.into_iter().map(|running| running.pid).collect();
    processes.extend(process::inside(&namespaces));
    processes.sort_unstable();
    processes.dedup();
    let mut pins = Vec::new();
    match fs::read_dir(PINS) {
        Ok(entries) => {
            for entry in entries {
                let entry = entry.context(PINS)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with(&format!("{lab}-")) || name.starts_with(&format!("cw-{lab}-")) {
                    pins.push(entry.path());
                }
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).context(PINS),
    }
    pins.sort();
    Ok(Remains { processes, namespaces, pins })
}

/// Removes everything, going on past what fails and telling of it at the end.
pub fn remove(lab: &str) -> anyhow::Result<Remains> {
    let found = remains(lab)?;
    let mut failed = Vec::new();
    let mut note = |result: anyhow::Result<()>| {
        if let Err(error) = result {
            failed.push(format!("{error:#}"));
        }
    };
    note(process::end(|| remains(lab).map(|remains| remains.processes), Duration::from_secs(2)));
    // Only now: a daemon that still lived could have made more.
    let left = remains(lab)?;
    for directory in &left.pins {
        note(fs::remove_dir_all(directory).with_context(|| directory.display().to_string()));
    }
    let lines: Vec<String> = left.namespaces.iter().map(|name| format!("netns del {name}")).collect();
    if tools::ip(None, &lines).is_err() {
        // A batch stops at the first line that fails; then one by one.
        for line in lines {
            note(tools::ip(None, &[line]));
        }
    }
    let _ = fs::remove_dir(Path::new(PINS));
    if failed.is_empty() { Ok(found) } else { Err(anyhow::anyhow!(failed.join("; "))) }
}

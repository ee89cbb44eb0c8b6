//! Named network namespaces.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::sched::{CloneFlags, setns};

const DIR: &str = "/run/netns";

/// Where a namespace is mounted.
pub fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// The namespaces whose names begin with `prefix`, in order.
pub fn list(prefix: &str) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(DIR) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error).context(DIR),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.context(DIR)?.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Does `work` in a namespace, on a thread of its own, so that no other work ever finds itself there.
pub fn enter<T: Send>(name: &str, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    let file = File::open(path(name)).with_context(|| format!("namespace {name}"))?;
    let result = std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(&file, CloneFlags::CLONE_NEWNET).with_context(|| format!("entering namespace {name}"))?;
            work()
        });
        thread.join()
    });
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

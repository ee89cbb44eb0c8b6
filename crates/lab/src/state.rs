//! What a lab keeps on disk: one directory, with a record that is written before each thing is made. Taking a lab down
//! does not need it (see [`crate::machine::sweep`]); everything else does.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::blueprint::Blueprint;
use crate::topology::Topology;

/// Where labs are, unless `CAUSEWAY_LABS` says otherwise.
const LABS: &str = "/run/causeway/labs";

/// A lab's directory.
#[derive(Clone, Debug)]
pub struct Place {
    /// The lab's name.
    pub lab: String,
    directory: PathBuf,
}

/// How far a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// `lab up` is at work, or has failed.
    Making,
    /// It is there.
    Up,
}

/// The record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The lab's name.
    pub lab: String,
    /// How far it is.
    pub phase: Phase,
    /// The topology, as it was given.
    pub topology: String,
    /// Where control listens.
    pub listen: String,
    /// The program that the daemons are.
    pub program: PathBuf,
}

impl State {
    /// The topology; it was checked before it was kept.
    pub fn topology(&self) -> anyhow::Result<Topology> {
        Topology::parse(&self.topology).map_err(|problems| anyhow::anyhow!("the topology kept is broken: {problems:?}"))
    }

    /// The blueprint of it.
    pub fn blueprint(&self) -> anyhow::Result<Blueprint> {
        Ok(Blueprint::of(&self.topology()?))
    }

    /// Control's address.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.listen)
    }
}

fn labs() -> PathBuf {
    std::env::var_os("CAUSEWAY_LABS").map_or_else(|| PathBuf::from(LABS), PathBuf::from)
}

impl Place {
    /// The place of a lab, which need not be there.
    pub fn of(lab: &str) -> Place {
        Place { lab: lab.to_owned(), directory: labs().join(lab) }
    }

    /// The names of all labs that have a directory.
    pub fn all() -> anyhow::Result<Vec<String>> {
        let entries = match fs::read_dir(labs()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(error).context(labs().display().to_string()),
        };
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| !name.contains('.'));
        names.sort();
        Ok(names)
    }

    /// Something in the lab's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A node's directory, made if it is not there; its owner's only.
    pub fn node(&self, node: &str) -> anyhow::Result<PathBuf> {
        let path = self.directory.join(node);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// A node's log.
    pub fn log(&self, node: &str) -> PathBuf {
        self.directory.join(format!("{node}.log"))
    }

    /// Control's directory.
    pub fn control(&self) -> PathBuf {
        self.path("control")
    }

    /// Whether there is a directory.
    pub fn exists(&self) -> bool {
        self.directory.exists()
    }

    /// Makes the directory and takes the lab for this process: `up` and `down` of one lab take turns.
    pub fn lock(&self) -> anyhow::Result<Flock<File>> {
        let base = labs();
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&base).with_context(|| base.display().to_string())?;
        let path = base.join(format!("{}.lock", self.lab));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| path.display().to_string())?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| match error {
            nix::errno::Errno::EWOULDBLOCK => {
                anyhow::anyhow!("another process is bringing lab \"{}\" up or down at this moment", self.lab)
            }
            error => anyhow::Error::from(error).context(path.display().to_string()),
        })
    }

    /// Writes the record, whole or not at all. It holds the customers' keys, so it is its owner's only.
    pub fn write(&self, state: &State) -> anyhow::Result<()> {
        self.node("")?;
        write_private(&self.path("state.json"), &serde_json::to_string_pretty(state).context("the record")?)
    }

    /// The record; an error that says what to do where there is none.
    pub fn read(&self) -> anyhow::Result<State> {
        let path = self.path("state.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("there is no lab \"{}\"; `causeway lab up --name {0}` makes it", self.lab)
            }
            Err(error) => return Err(error).context(path.display().to_string()),
        };
        serde_json::from_str(&text).with_context(|| format!("{} is damaged; take the lab down", path.display()))
    }

    /// Removes the directory and the lock.
    pub fn remove(&self) -> anyhow::Result<()> {
        let gone = |result: std::io::Result<()>, path: &Path| match result {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context(path.display().to_string()),
            _ => Ok(()),
        };
        gone(fs::remove_dir_all(&self.directory), &self.directory)?;
        let lock = labs().join(format!("{}.lock", self.lab));
        gone(fs::remove_file(&lock), &lock)?;
        // The last lab takes the empty directory along.
        let _ = fs::remove_dir(labs());
        Ok(())
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        fs::rename(&new, path)
    };
    write().with_context(|| path.display().to_string())
}

//! The last configuration, on disk. An edge starts from it before it has reached control, and goes on with it for as
//! long as control is away.
//!
//! ```text
//!   config.new ──fsync──▶ (config ──rename──▶ config.previous) ──rename──▶ config ──▶ fsync of the directory
//! ```
//!
//! At every point of that there is a whole configuration on disk. Each file begins with a line that says how long the
//! rest is and what its checksum is; a damaged newest one gives way to the one before. Files hold MD5 keys, so only
//! their owner reads them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use causeway_edge_types::{EdgeConfig, EdgeId};

use crate::checksum::fnv1a;

const MAGIC: &str = "causeway-edge-config-1";

/// A directory that holds the last two configurations.
#[derive(Clone, Debug)]
pub struct ConfigStore {
    directory: PathBuf,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The newest configuration that is whole.
    pub config: Option<EdgeConfig>,
    /// What was wrong with newer ones, in words.
    pub complaints: Vec<String>,
}

impl ConfigStore {
    /// Opens the directory; makes it where it is missing.
    pub fn open(directory: &Path) -> anyhow::Result<ConfigStore> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
        Ok(ConfigStore { directory: directory.to_owned() })
    }

    /// The newest whole configuration of this edge.
    pub fn load(&self, edge: &EdgeId) -> Loaded {
        let mut loaded = Loaded::default();
        for name in ["config", "config.previous"] {
            let path = self.directory.join(name);
            match read(&path, edge) {
                Ok(Some(config)) => {
                    loaded.config = Some(config);
                    break;
                }
                Ok(None) => {}
                Err(error) => loaded.complaints.push(format!("{}: {error:#}", path.display())),
            }
        }
        loaded
    }

    /// Keeps a configuration; it is on disk when this returns.
    pub fn save(&self, config: &EdgeConfig) -> anyhow::Result<()> {
        let (new, current, previous) =
            (self.directory.join("config.new"), self.directory.join("config"), self.directory.join("config.previous"));
        let body = serde_json::to_vec(config)?;
        let header = format!("{MAGIC} {} {:016x}\n", body.len(), fnv1a(body.iter().copied()));
        let keep = || -> io::Result<()> {
            // One that a crash left may have another mode.
            let _ = fs::remove_file(&new);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(header.as_bytes())?;
            file.write_all(&body)?;
            file.sync_all()?;
            match fs::rename(&current, &previous) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::rename(&new, &current)?;
            File::open(&self.directory)?.sync_all()
        };
        keep().with_context(|| format!("cannot keep the configuration in {}", self.directory.display()))
    }
}

fn read(path: &Path, edge: &EdgeId) -> anyhow::Result<Option<EdgeConfig>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let end = bytes.iter().position(|byte| *byte == b'\n').context("damaged: no header")?;
    let header = std::str::from_utf8(&bytes[..end]).context("damaged: no header")?;
    let body = &bytes[end + 1..];
    let wanted = format!("{MAGIC} {} {:016x}", body.len(), fnv1a(body.iter().copied()));
    anyhow::ensure!(header == wanted, "damaged: length or checksum is not as written");
    let config: EdgeConfig = serde_json::from_slice(body).context("written by another version")?;
    anyhow::ensure!(config.edge == *edge, "of another edge, {}", config.edge);
    let problems = config.problems();
    anyhow::ensure!(problems.is_empty(), "has problems: {}", problems[0]);
    Ok(Some(config))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config(generation: u64) -> EdgeConfig {
        EdgeConfig { generation, ..EdgeConfig::empty("e1".into(), Ipv4Addr::new(192, 0, 2, 1)) }
    }

    fn generation(store: &ConfigStore) -> Option<u64> {
        store.load(&"e1".into()).config.map(|config| config.generation)
    }

    #[test]
    fn the_newest_is_found_again_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = ConfigStore::open(&directory.path().join("deep/er")).unwrap();
        assert_eq!(generation(&store), None);
        for number in 1..=3 {
            store.save(&config(number)).unwrap();
            assert_eq!(generation(&store), Some(number));
        }
        for file in fs::read_dir(directory.path().join("deep/er")).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn every_damage_to_the_newest_gives_way_to_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let store = ConfigStore::open(directory.path()).unwrap();
        store.save(&config(1)).unwrap();
        store.save(&config(2)).unwrap();
        let path = directory.path().join("config");
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(generation(&store), Some(1), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, &flipped).unwrap();
            let loaded = store.load(&"e1".into());
            assert_eq!(loaded.config.map(|config| config.generation), Some(1), "flipped at {at}");
            assert_eq!(loaded.complaints.len(), 1);
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(generation(&store), Some(1), "a crash between the renames");
        fs::write(directory.path().join("config.previous"), b"").unwrap();
        assert_eq!(generation(&store), None);
    }

    #[test]
    fn another_edges_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let store = ConfigStore::open(directory.path()).unwrap();
        store.save(&config(1)).unwrap();
        let loaded = store.load(&"e2".into());
        assert!(loaded.config.is_none());
        assert!(loaded.complaints[0].contains("another edge"), "{:?}", loaded.complaints);
    }
}

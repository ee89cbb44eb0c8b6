//! The store: every desired thing as a row of one SQLite file, changed by one thread.
//!
//! ```text
//!   Store::commit(Commit) ──▶ queue ──▶ writer thread: up to 512 commits in one transaction ──▶ COMMIT (fsync)
//!                                          └─ then, in order: each commit's `then` (publish, acknowledge)
//! ```
//!
//! WAL and synchronous=FULL, set and read back. Nothing is acknowledged before its transaction is on the disk. When a
//! transaction can't be committed nobody knows what is on the disk, so the process aborts and the next one reads it.
//! One process at a time: the file `lock` beside the database is held for as long as the store is open.

mod schema;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde_json::Value;

pub use writer::Commit;

/// A row as it is read at start.
#[derive(Clone, Debug)]
pub struct Row {
    /// `table/key`.
    pub key: String,
    /// The revision that wrote it.
    pub revision: u64,
    /// What it holds.
    pub value: Value,
}

/// One row's change.
#[derive(Clone, Debug)]
pub struct Write {
    /// `table/key`.
    pub key: String,
    /// What it holds from now on; none when it goes.
    pub value: Option<Value>,
}

/// Who asked for a change, kept with it.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The client's id, or `reconciler`.
    pub who: String,
    /// What was done (`PUT`).
    pub action: String,
    /// To what: a resource's id.
    pub scope: String,
    /// The request's id.
    pub request: String,
}

/// What went wrong when a store was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file could not be opened or made.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// SQLite refused.
    #[error("{path}: {source}")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {reason}")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    queue: Option<mpsc::Sender<Commit>>,
    writer: Option<JoinHandle<()>>,
    _lock: File,
}

/// A store just opened, with everything that is in it.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Every row.
    pub rows: Vec<Row>,
    /// The last revision.
    pub revision: u64,
}

impl Store {
    /// Opens `dir/causeway.db`, making it when it is not there.
    pub fn open(dir: &Path) -> Result<Opened, OpenError> {
        let lock = schema::lock(&dir.join("lock"))?;
        let path = dir.join("causeway.db");
        let connection = schema::open(&path)?;
        let (rows, revision) =
            schema::read_all(&connection).map_err(|source| OpenError::Sqlite { path: path.clone(), source })?;
        let (queue, commits) = mpsc::channel();
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer::run(connection, &commits))
            .map_err(|source| OpenError::File { path, source })?;
        Ok(Opened { store: Store { queue: Some(queue), writer: Some(writer), _lock: lock }, rows, revision })
    }

    /// Hands a commit to the writer. Commits are made in the order in which they are handed over.
    pub fn commit(&self, commit: Commit) {
        let handed_over = self.queue.as_ref().is_some_and(|queue| queue.send(commit).is_ok());
        if !handed_over {
            // The writer ends only when the store is dropped or the process aborts.
            tracing::error!("the store's writer is gone");
            std::process::abort();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;

    use super::*;

    fn put(revision: u64, key: &str, value: Value, done: &Arc<Mutex<Vec<u64>>>) -> Commit {
        let done = done.clone();
        Commit {
            revision,
            writes: vec![Write { key: key.to_owned(), value: Some(value) }],
            audit: None,
            then: Box::new(move || done.lock().expect("not poisoned").push(revision)),
        }
    }

    #[test]
    fn what_was_committed_is_there_after_reopening_in_order() {
        let dir = tempfile::tempdir().expect("a directory");
        let done = Arc::new(Mutex::new(vec![]));
        let opened = Store::open(dir.path()).expect("opens");
        assert_eq!((opened.rows.len(), opened.revision), (0, 0));
        for revision in 1..=100 {
            opened.store.commit(put(revision, &format!("t/{}", revision % 10), json!(revision), &done));
        }
        drop(opened);
        assert_eq!(*done.lock().expect("not poisoned"), (1..=100).collect::<Vec<_>>());
        let again = Store::open(dir.path()).expect("opens again");
        assert_eq!((again.rows.len(), again.revision), (10, 100));
        let row = again.rows.iter().find(|row| row.key == "t/0").expect("there");
        assert_eq!((row.revision, &row.value), (100, &json!(100)));
    }

    #[test]
    fn a_second_process_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Store::open(dir.path()).expect("opens");
        assert!(matches!(Store::open(dir.path()), Err(OpenError::InUse(_))));
        drop(first);
        Store::open(dir.path()).expect("free again");
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("causeway.db");
        let garbage = vec![b'x'; 8192];
        std::fs::write(&path, &garbage).expect("written");
        assert!(Store::open(dir.path()).is_err());
        assert_eq!(std::fs::read(&path).expect("there"), garbage);
    }
}

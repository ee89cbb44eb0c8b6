//! The one thread that writes.

use std::sync::mpsc::Receiver;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, TransactionBehavior, params};

use super::{Audit, Write};

/// At most this many commits share one transaction.
const BATCH: usize = 512;

/// A change to be made durable.
pub struct Commit {
    /// Its revision: one more than the last one's.
    pub revision: u64,
    /// Rows that change.
    pub writes: Vec<Write>,
    /// Who asked for it; none for what nobody asked for.
    pub audit: Option<Audit>,
    /// Called when it is on the disk.
    pub then: Box<dyn FnOnce() + Send>,
}

impl std::fmt::Debug for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the writes: they hold keys.
        f.debug_struct("Commit").field("revision", &self.revision).field("writes", &self.writes.len()).finish()
    }
}

/// Writes until everybody who might hand over a commit is gone.
pub(super) fn run(mut connection: Connection, commits: &Receiver<Commit>) {
    while let Ok(first) = commits.recv() {
        let mut batch = vec![first];
        batch.extend(commits.try_iter().take(BATCH - 1));
        if let Err(error) = write(&mut connection, &batch) {
            // What is on the disk is unknown now; going on would be to guess.
            eprintln!("causeway control: the store can't commit, stopping: {error}");
            std::process::abort();
        }
        for commit in batch {
            (commit.then)();
        }
    }
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

fn write(connection: &mut Connection, batch: &[Commit]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut put =
            transaction.prepare_cached("INSERT OR REPLACE INTO kv (key, revision, value) VALUES (?1, ?2, ?3)")?;
        let mut delete = transaction.prepare_cached("DELETE FROM kv WHERE key = ?1")?;
        let mut audit = transaction.prepare_cached(
            "INSERT INTO audit (revision, at_unix, who, action, scope, request) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for commit in batch {
            let revision = commit.revision.cast_signed();
            for Write { key, value } in &commit.writes {
                match value {
                    Some(value) => put.execute(params![key, revision, value.to_string()])?,
                    None => delete.execute(params![key])?,
                };
            }
            if let Some(Audit { who, action, scope, request }) = &commit.audit {
                audit.execute(params![revision, now.cast_signed(), who, action, scope, request])?;
            }
        }
        if let Some(last) = batch.last() {
            transaction.execute(
                "INSERT OR REPLACE INTO meta (name, number) VALUES ('revision', ?1)",
                params![last.revision.cast_signed()],
            )?;
        }
    }
    transaction.commit()
}

//! The database file: opening it safely, its two tables, and reading everything at start.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{OpenError, Row};

/// Before this release of SQLite a write and a checkpoint at once could damage a WAL.
const SQLITE_MIN: i32 = 3_051_003;
/// Grows when the tables change.
const FORMAT: i64 = 1;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS kv (
        key TEXT PRIMARY KEY, revision INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID, STRICT;
    CREATE TABLE IF NOT EXISTS audit (
        id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, at_unix INTEGER NOT NULL,
        who TEXT NOT NULL, action TEXT NOT NULL, scope TEXT NOT NULL, request TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID, STRICT;
";

/// How long a process that was killed may take to be gone; whoever starts control again at once waits for it.
const PREDECESSOR_ENDS: Duration = Duration::from_secs(3);

pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let deadline = Instant::now() + PREDECESSOR_ENDS;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(OpenError::File { path: path.to_owned(), source }),
        }
    }
}

pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    let damaged = |reason: String| OpenError::Damaged { path: path.to_owned(), reason };
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(damaged(format!("SQLite {} is too old to be trusted with a WAL", rusqlite::version())));
    }
    // Made before SQLite makes it, so that nobody else may ever read the keys in it.
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let connection = Connection::open(path).map_err(sqlite)?;
    let check: String = connection.query_row("PRAGMA quick_check", [], |row| row.get(0)).map_err(sqlite)?;
    if check != "ok" {
        return Err(damaged(check));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(sqlite)?;
    if mode != "wal" {
        return Err(damaged(format!("its journal mode is {mode}; WAL needs a local file system")));
    }
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;").map_err(sqlite)?;
    let synchronous: i64 = connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).map_err(sqlite)?;
    if synchronous != 2 {
        return Err(damaged(format!("synchronous is {synchronous} and must be 2 (FULL)")));
    }
    let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(sqlite)?;
    if format > FORMAT {
        return Err(damaged(format!("its format {format} is of a later release than this one's {FORMAT}")));
    }
    connection.execute_batch(TABLES).map_err(sqlite)?;
    connection.pragma_update(None, "user_version", FORMAT).map_err(sqlite)?;
    Ok(connection)
}

pub(super) fn read_all(connection: &Connection) -> rusqlite::Result<(Vec<Row>, u64)> {
    let revision: Option<i64> =
        connection.query_row("SELECT max(number) FROM meta WHERE name = 'revision'", [], |row| row.get(0))?;
    let mut statement = connection.prepare("SELECT key, revision, value FROM kv ORDER BY key")?;
    let rows = statement.query_map([], |row| {
        let text: String = row.get(2)?;
        let value = serde_json::from_str(&text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error))
        })?;
        Ok(Row { key: row.get(0)?, revision: row.get::<_, i64>(1)?.unsigned_abs(), value })
    })?;
    Ok((rows.collect::<rusqlite::Result<_>>()?, revision.unwrap_or(0).unsigned_abs()))
}

//! The status in a file, for a person or a script: whole at every moment, replaced at each change and each second.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::board::StatusBoard;

/// Writes the file until the board is closed. Runs on a thread of its own.
pub fn write_forever(path: &Path, board: &Arc<StatusBoard>) {
    let new = path.with_extension("new");
    let mut seen = 0;
    let mut has_complained = false;
    while let Some((version, status)) = board.wait(seen, Duration::from_secs(1)) {
        seen = version;
        let Some(status) = status else { continue };
        let text = match serde_json::to_vec(&status) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!("the status cannot be written: {error}");
                board.pause(Duration::from_secs(1));
                continue;
            }
        };
        if let Err(error) = fs::write(&new, text).and_then(|()| fs::rename(&new, path))
            && !has_complained
        {
            tracing::warn!("cannot write {}: {error}", path.display());
            has_complained = true;
        }
        board.pause(Duration::from_millis(20));
    }
}

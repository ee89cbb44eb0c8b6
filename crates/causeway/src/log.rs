//! Logging to standard error.

use std::str::FromStr;

use tracing_subscriber::filter::LevelFilter;

/// The least important line that is logged.
#[derive(Clone, Copy, Debug)]
pub struct Level(LevelFilter);

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Level).map_err(|_| format!("'{text}' is none of off, error, warn, info, debug, trace"))
    }
}

/// Starts logging.
pub fn start(level: Level) {
    use std::io::IsTerminal;
    tracing_subscriber::fmt()
        .with_max_level(level.0)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

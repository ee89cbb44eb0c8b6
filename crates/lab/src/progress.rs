//! Telling what is being done while it is done: one line for each step, with what it took.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Who reads along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// A person at a terminal: colours, and a line that says what is going on at this moment.
    Terminal,
    /// A person, later: a log.
    Log,
    /// Nobody: the steps are asked for at the end.
    Nobody,
}

/// A step that is done.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was done.
    pub what: String,
    /// How long it took.
    pub seconds: f64,
    /// What was found out, line by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The steps so far.
#[derive(Debug)]
pub struct Progress {
    reader: Reader,
    started: Instant,
    steps: Vec<Step>,
}

/// Lines that a step has to say.
#[derive(Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    /// One line, or several.
    pub fn say(&mut self, text: impl AsRef<str>) {
        self.0.extend(text.as_ref().lines().map(str::to_owned));
    }
}

impl Progress {
    /// On standard output.
    pub fn shown() -> Progress {
        let is_terminal = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let reader = if is_terminal { Reader::Terminal } else { Reader::Log };
        Progress { reader, started: Instant::now(), steps: vec![] }
    }

    /// Kept only.
    pub fn kept() -> Progress {
        Progress { reader: Reader::Nobody, started: Instant::now(), steps: vec![] }
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// A heading.
    pub fn chapter(&self, title: &str) {
        match self.reader {
            Reader::Terminal => print_line(&format!("\n\x1b[1m{title}\x1b[0m")),
            Reader::Log => print_line(&format!("\n{title}")),
            Reader::Nobody => {}
        }
    }

    /// Does a step and tells of it.
    pub fn step<T>(&mut self, what: &str, work: impl FnOnce(&mut Notes) -> anyhow::Result<T>) -> anyhow::Result<T> {
        if self.reader == Reader::Terminal {
            print!("  \x1b[33m…\x1b[0m {what}");
            let _ = std::io::stdout().flush();
        }
        let started = Instant::now();
        let mut notes = Notes::default();
        let result = crate::interrupt::check().and_then(|()| work(&mut notes));
        let seconds = started.elapsed().as_secs_f64();
        let mark = if result.is_ok() { '✓' } else { '✗' };
        match self.reader {
            Reader::Terminal => {
                let colour = if result.is_ok() { 32 } else { 31 };
                print_line(&format!("\r\x1b[K  \x1b[{colour}m{mark}\x1b[0m {what} \x1b[2m{seconds:.2} s\x1b[0m"));
            }
            Reader::Log => print_line(&format!("  {mark} {what} ({seconds:.2} s)")),
            Reader::Nobody => {}
        }
        if self.reader != Reader::Nobody {
            notes.0.iter().for_each(|note| print_line(&format!("      {note}")));
        }
        self.steps.push(Step { what: what.to_owned(), seconds, notes: notes.0 });
        result
    }
}

/// A reader that went away is no reason to fail.
fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Waits until `look` finds something; until then it says what it is missing.
pub fn wait_for<T>(
    what: &str,
    patience: Duration,
    mut look: impl FnMut() -> anyhow::Result<Result<T, String>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        crate::interrupt::check()?;
        match look()? {
            Ok(found) => return Ok(found),
            Err(missing) if Instant::now() > deadline => {
                anyhow::bail!("{what}: not within {} s: {missing}", patience.as_secs())
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

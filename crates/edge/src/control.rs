//! The channel to control: one thread waits for configurations, another reports status. Control being away is an
//! ordinary state: it is retried for ever, with growing, spread-out pauses, and nothing else notices.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use causeway_client::{Client, Credentials};
use causeway_edge_types::{EdgeConfig, EdgeId, EdgeStatus};

use crate::board::StatusBoard;
use crate::checksum::fnv1a;
use crate::intake::Intake;

/// How long one request waits for a newer configuration.
const POLL_WAIT: Duration = Duration::from_secs(20);
/// Status is reported at least this often: control takes an edge that it has not heard for 10 s to be away.
const REPORT_EVERY: Duration = Duration::from_secs(3);
/// And at most this often.
const REPORT_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(100);

/// Where control is, and who we are there.
#[derive(Clone, Debug)]
pub struct ControlOptions {
    /// Its address, `https://127.0.0.1:PORT`.
    pub url: String,
    /// The certificate to trust.
    pub ca_pem: PathBuf,
    /// A file with tenant, client id and client secret; read at every connection, so that it may appear or change
    /// later.
    pub credentials: PathBuf,
}

/// Somewhere that configurations come from and status goes to.
pub trait ConfigSource {
    /// A configuration newer than `after`; none if there was none within `wait`.
    fn next_config(&self, after: u64, wait: Duration) -> anyhow::Result<Option<EdgeConfig>>;
    /// Tells what this edge sees.
    fn report(&self, status: &EdgeStatus) -> anyhow::Result<()>;
}

/// Control, over HTTPS.
#[derive(Debug)]
pub struct ControlSource {
    client: Client,
    edge: EdgeId,
}

impl ControlSource {
    /// Reads certificate and credentials; does not connect yet.
    pub fn open(options: &ControlOptions, edge: &EdgeId) -> anyhow::Result<ControlSource> {
        let credentials = Credentials::read(&options.credentials)?;
        let client = Client::with_ca_file(&options.url, &options.ca_pem, credentials)?;
        Ok(ControlSource { client, edge: edge.clone() })
    }
}

impl ConfigSource for ControlSource {
    fn next_config(&self, after: u64, wait: Duration) -> anyhow::Result<Option<EdgeConfig>> {
        Ok(self.client.next_config(&self.edge.0, after, wait)?)
    }

    fn report(&self, status: &EdgeStatus) -> anyhow::Result<()> {
        Ok(self.client.report(status)?)
    }
}

/// Pauses between tries: each up to twice as long as the one before, spread evenly from nothing, so that a thousand
/// edges do not come back at the same instant.
#[derive(Debug)]
pub struct Backoff {
    ceiling: Duration,
    random: u64,
}

impl Backoff {
    /// A new one; `seed` differs from edge to edge.
    pub fn new(seed: u64) -> Backoff {
        Backoff { ceiling: RETRY_FIRST, random: fnv1a(seed.to_be_bytes()) | 1 }
    }

    /// How long to pause after one more failure. Never nothing at all.
    pub fn next_pause(&mut self) -> Duration {
        // Xorshift (Marsaglia): spread is all that is asked of it.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = (self.random >> 32) as u32;
        let pause = self.ceiling.mul_f64(f64::from(part) / f64::from(u32::MAX));
        self.ceiling = (self.ceiling * 2).min(RETRY_MAX);
        pause.max(Duration::from_millis(10))
    }

    /// It worked: begin anew.
    pub fn reset(&mut self) {
        self.ceiling = RETRY_FIRST;
    }
}

/// Fetches configurations until the board is closed. Runs on a thread of its own.
pub fn fetch_forever<S: ConfigSource>(
    open: impl Fn() -> anyhow::Result<S>,
    intake: &Intake,
    board: &Arc<StatusBoard>,
    seed: u64,
) {
    let mut backoff = Backoff::new(seed);
    let mut quiet = Quiet::default();
    let mut source = None;
    while !board.is_closed() {
        let before = Instant::now();
        let fetched = opened(&mut source, &open).and_then(|source| source.next_config(intake.generation(), POLL_WAIT));
        match fetched {
            Ok(config) => {
                backoff.reset();
                quiet.worked("control answers");
                let is_early = before.elapsed() < POLL_WAIT / 2;
                let generation = intake.generation();
                config.into_iter().for_each(|config| intake.offer(config));
                // A control that answers at once with nothing new must not make us spin, nor one whose newest is refused
                // here and which answers with it again.
                if is_early && intake.generation() == generation {
                    board.pause(Duration::from_millis(500));
                }
            }
            Err(error) => {
                quiet.failed(&format!("control does not answer: {error:#}"));
                source = None;
                board.pause(backoff.next_pause());
            }
        }
    }
}

/// Reports status until the board is closed. Runs on a thread of its own.
pub fn report_forever<S: ConfigSource>(open: impl Fn() -> anyhow::Result<S>, board: &Arc<StatusBoard>, seed: u64) {
    let mut backoff = Backoff::new(seed.rotate_left(32));
    let mut quiet = Quiet::default();
    let mut source = None;
    let mut seen = 0;
    while let Some((version, status)) = board.wait(seen, REPORT_EVERY) {
        let Some(status) = status else {
            seen = version;
            continue;
        };
        match opened(&mut source, &open).and_then(|source| source.report(&status)) {
            Ok(()) => {
                seen = version;
                backoff.reset();
                quiet.worked("control takes status");
                board.pause(REPORT_PAUSE);
            }
            Err(error) => {
                quiet.failed(&format!("control does not take status: {error:#}"));
                source = None;
                board.pause(backoff.next_pause());
            }
        }
    }
}

fn opened<'a, S>(source: &'a mut Option<S>, open: &impl Fn() -> anyhow::Result<S>) -> anyhow::Result<&'a S> {
    if source.is_none() {
        *source = Some(open()?);
    }
    source.as_ref().ok_or_else(|| anyhow::anyhow!("not open"))
}

/// Says a thing when it changes and not each time it is so.
#[derive(Debug, Default)]
struct Quiet {
    last: Option<String>,
}

impl Quiet {
    fn worked(&mut self, text: &str) {
        if self.last.take().is_some() {
            tracing::info!("{text} again");
        }
    }

    fn failed(&mut self, text: &str) {
        if self.last.as_deref() != Some(text) {
            tracing::warn!("{text}; going on with what we have");
            self.last = Some(text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_nothing() {
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            let pauses: Vec<Duration> = (0..50).map(|_| backoff.next_pause()).collect();
            assert!(pauses.iter().all(|pause| *pause >= Duration::from_millis(10) && *pause <= RETRY_MAX));
            assert!(pauses[0] <= RETRY_FIRST);
            assert!(pauses.iter().any(|pause| *pause > Duration::from_secs(2)), "seed {seed}");
            backoff.reset();
            assert!(backoff.next_pause() <= RETRY_FIRST);
        }
    }

    #[test]
    fn edges_spread() {
        let mut firsts: Vec<Duration> = (0..100).map(|seed| Backoff::new(seed * 977).next_pause()).collect();
        firsts.sort();
        firsts.dedup();
        assert!(firsts.len() > 40, "{} different pauses of 100", firsts.len());
    }
}

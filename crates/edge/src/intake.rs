//! How a configuration comes in: from disk, from control, or from a file. Whoever brings it, it passes the same gate
//! (`admit`, pure), is kept on disk, and only then handed to the router's thread.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use causeway_edge_types::{EdgeConfig, EdgeId, Problem};

use crate::board::StatusBoard;
use crate::mailbox::{Command, RouterMailbox};
use crate::store::ConfigStore;

/// What to do with a configuration that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it and apply it.
    Apply,
    /// It is the one that is applied already.
    Known,
    /// Go on with the one that is applied.
    Refuse(Vec<Problem>),
}

/// Decides about a configuration: it must be this edge's, sound, and not older than the current one.
pub fn admit(edge: &EdgeId, current: Option<&EdgeConfig>, offered: &EdgeConfig) -> Verdict {
    let mut problems = offered.problems();
    if offered.edge != *edge {
        let message = format!("this is {edge}, the configuration is {}'s", offered.edge);
        problems.push(Problem::new("WrongEdge", "edge", message));
    }
    if let Some(current) = current
        && offered.generation < current.generation
    {
        let message =
            format!("generation {} is older than {}, which is applied", offered.generation, current.generation);
        problems.push(Problem::new("OldGeneration", "generation", message));
    }
    if !problems.is_empty() {
        return Verdict::Refuse(problems);
    }
    if current == Some(offered) { Verdict::Known } else { Verdict::Apply }
}

/// The gate, with what is behind it.
#[derive(Debug)]
pub struct Intake {
    edge: EdgeId,
    store: ConfigStore,
    router: RouterMailbox,
    board: Arc<StatusBoard>,
    current: Mutex<Option<Arc<EdgeConfig>>>,
}

impl Intake {
    /// A gate with nothing behind it yet.
    pub fn new(edge: EdgeId, store: ConfigStore, router: RouterMailbox, board: Arc<StatusBoard>) -> Intake {
        Intake { edge, store, router, board, current: Mutex::new(None) }
    }

    /// The generation that is applied or about to be; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |config| config.generation)
    }

    /// Takes up the configuration that is on disk.
    pub fn load(&self) {
        let loaded = self.store.load(&self.edge);
        for complaint in loaded.complaints {
            tracing::warn!("configuration on disk: {complaint}");
        }
        let Some(config) = loaded.config else { return };
        tracing::info!(generation = config.generation, "going on with the configuration on disk");
        let config = Arc::new(config);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(config.clone());
        self.router.send(Command::Config(config));
    }

    /// Offers a configuration.
    pub fn offer(&self, offered: EdgeConfig) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match admit(&self.edge, current.as_deref(), &offered) {
            Verdict::Known => drop(self.board.set_refusal(vec![])),
            Verdict::Refuse(problems) => {
                // It may be offered again and again; that it is refused is said once.
                if self.board.set_refusal(problems.clone()) {
                    for problem in problems {
                        tracing::warn!(generation = offered.generation, "configuration refused: {problem}");
                    }
                }
            }
            Verdict::Apply => {
                tracing::info!(generation = offered.generation, "configuration received");
                let problems = match self.store.save(&offered) {
                    Ok(()) => vec![],
                    // Forwarding matters more than the next start.
                    Err(error) => {
                        tracing::error!("{error:#}");
                        vec![Problem::new("NotKept", "configuration", format!("{error:#}"))]
                    }
                };
                self.board.set_refusal(problems);
                let config = Arc::new(offered);
                *current = Some(config.clone());
                self.router.send(Command::Config(config));
            }
        }
    }

    /// Offers what is in a file.
    pub fn offer_file(&self, path: &Path) -> anyhow::Result<()> {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let config =
            serde_json::from_slice(&text).with_context(|| format!("{} is no configuration", path.display()))?;
        self.offer(config);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn config(edge: &str, generation: u64) -> EdgeConfig {
        EdgeConfig { generation, ..EdgeConfig::empty(edge.into(), Ipv4Addr::new(192, 0, 2, 1)) }
    }

    fn codes(verdict: Verdict) -> Vec<String> {
        match verdict {
            Verdict::Refuse(problems) => problems.into_iter().map(|problem| problem.code).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn newer_ones_are_applied_and_older_ones_refused() {
        let edge = "e1".into();
        assert_eq!(admit(&edge, None, &config("e1", 1)), Verdict::Apply);
        assert_eq!(admit(&edge, Some(&config("e1", 4)), &config("e1", 5)), Verdict::Apply);
        assert_eq!(admit(&edge, Some(&config("e1", 5)), &config("e1", 5)), Verdict::Known);
        assert_eq!(codes(admit(&edge, Some(&config("e1", 5)), &config("e1", 4))), ["OldGeneration"]);
    }

    #[test]
    fn every_reason_to_refuse_is_given() {
        let mut bad = config("e2", 1);
        bad.vrfs = vec![causeway_edge_types::VrfConfig {
            id: causeway_edge_types::VrfId(0),
            local_asn: causeway_edge_types::Asn(64496),
            route_limit: 1,
            originate: vec![],
            peers: vec![],
        }];
        let verdict = admit(&"e1".into(), Some(&config("e1", 5)), &bad);
        assert_eq!(codes(verdict), ["BadNumber", "WrongEdge", "OldGeneration"]);
    }
}

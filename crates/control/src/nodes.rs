//! What nodes say and wait for. Observed, so in memory only: after a restart each node says it again within seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use causeway_edge_types::{EdgeId, EdgeStatus, Problem};
use tokio::sync::watch;

/// A node that was not heard for this long is away.
const AWAY_AFTER: Duration = Duration::from_secs(10);
/// What a node said is shown for this long.
const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// The last that a node said.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What.
    pub status: Arc<EdgeStatus>,
    /// When.
    pub at: Instant,
}

/// What is known of all nodes.
#[derive(Debug)]
pub struct Nodes {
    heard: RwLock<BTreeMap<String, Heard>>,
    /// Generations that nodes say they have, when that is newer than what control remembers (a restored store).
    claims: Mutex<BTreeMap<String, u64>>,
    /// What the planner could not plan, of late.
    problems: Mutex<Vec<Problem>>,
    changes: watch::Sender<u64>,
}

impl Default for Nodes {
    fn default() -> Self {
        Nodes {
            heard: RwLock::default(),
            claims: Mutex::default(),
            problems: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
}

impl Nodes {
    /// Keeps a status; says whether it acknowledges a generation that was not acknowledged before.
    pub fn hear(&self, name: &str, status: EdgeStatus) -> bool {
        let mut heard = self.heard.write().unwrap_or_else(PoisonError::into_inner);
        let generation = status.observed_generation;
        let before = heard.insert(name.to_owned(), Heard { status: Arc::new(status), at: Instant::now() });
        before.is_none_or(|before| before.status.observed_generation != generation)
    }

    /// The last that a node said.
    pub fn heard(&self, name: &str) -> Option<Heard> {
        self.heard.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// What each node said, as far as it is recent enough to be believed.
    pub fn recent(&self) -> BTreeMap<EdgeId, Arc<EdgeStatus>> {
        let heard = self.heard.read().unwrap_or_else(PoisonError::into_inner);
        let recent = heard.values().filter(|heard| heard.at.elapsed() < BELIEVED_FOR);
        recent.map(|heard| (heard.status.edge.clone(), heard.status.clone())).collect()
    }

    /// Forgets a node that is no more.
    pub fn forget(&self, name: &str) {
        self.heard.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Notes that a node has a generation already.
    pub fn claim(&self, name: &str, generation: u64) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), generation);
    }

    /// The newest generation that a node is known to have.
    pub fn claimed(&self, name: &str) -> u64 {
        let claimed = self.claims.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().unwrap_or(0);
        claimed.max(self.heard(name).map_or(0, |heard| heard.status.observed_generation))
    }

    /// A node that is there and has not yet applied `generation`.
    pub fn is_behind(&self, name: &str, generation: u64) -> bool {
        self.heard(name)
            .is_some_and(|heard| heard.at.elapsed() < AWAY_AFTER && heard.status.observed_generation < generation)
    }

    /// Keeps what the planner could not plan; says whether it is news.
    pub fn cannot_plan(&self, problems: &[Problem]) -> bool {
        let mut held = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = *held != problems;
        if is_news {
            *held = problems.to_vec();
        }
        is_news
    }

    /// What the planner could not plan.
    pub fn problems(&self) -> Vec<Problem> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wakes everybody who waits for a configuration.
    pub fn configs_changed(&self, revision: u64) {
        self.changes.send_replace(revision);
    }

    /// To wait for configurations with. Subscribe before looking.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

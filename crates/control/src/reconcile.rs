//! The reconciler: makes what is handed to nodes what the planner says, and finishes operations.
//!
//! ```text
//!   bell or timer ──▶ world ──▶ operations done ──▶ plan::edge_configs ──▶ compare with what each node was given
//!                                                       └─▶ different: generation + 1, stored; waiting nodes wake up
//! ```
//!
//! The bell says nothing; each round looks at everything. An operation is done when its change is planned and stored: a
//! node that is away gets it when it is back, and is not waited for. Of a pair of nodes the second is given its change
//! when the first has applied its own, or after [`PATIENCE`], so that a change that breaks a node breaks one; what only
//! adds reaches both at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use causeway_edge_types::EdgeConfig;
use causeway_plan::Planned;

use crate::app::App;
use crate::complete::complete;
use crate::operation::OperationStatus;
use crate::pairs::{first_of_pair, only_adds};
use crate::world::World;

/// How long the second of a pair waits for the first.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often everything is looked at without being asked.
const RESYNC: Duration = Duration::from_secs(5);

/// The reconciler's memory: since when each node has been kept waiting.
#[derive(Debug, Default)]
pub struct Reconciler {
    waiting_since: BTreeMap<String, Instant>,
}

/// Reconciles until the process ends.
pub async fn run(app: Arc<App>) {
    let mut reconciler = Reconciler::default();
    loop {
        let is_waiting = reconciler.round(&app).await;
        let pause = if is_waiting { Duration::from_millis(50) } else { RESYNC };
        tokio::select! {
            () = app.bell.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What one round found.
struct Found {
    /// Configurations to hand out, with their generations.
    configs: Vec<(String, EdgeConfig)>,
    /// Nodes that are no more.
    gone: Vec<String>,
    /// Operations that are under way.
    is_busy: bool,
}

impl Reconciler {
    /// Looks at everything once; says whether a node is kept waiting.
    pub async fn round(&mut self, app: &App) -> bool {
        let world = app.world();
        // Planned as it will be when the operations are done.
        let (planned, found) = {
            let mut draft = crate::world::Draft::new(world.clone());
            complete(&mut draft, u64::MAX);
            let planned = causeway_plan::edge_configs(&draft.world.snapshot);
            let found = self.find(app, &world, &planned);
            (planned, found)
        };
        if !found.configs.is_empty() || !found.gone.is_empty() || found.is_busy {
            let (_, world) = match app
                .change::<_, std::convert::Infallible>(None, |draft| {
                    // Only those that were under way when this round planned: later ones are the next round's.
                    let up_to = world.revision;
                    complete(draft, up_to);
                    for (name, config) in found.configs {
                        draft.put(&name, config);
                    }
                    for name in &found.gone {
                        draft.remove::<EdgeConfig>(name);
                    }
                    Ok(())
                })
                .await
            {
                Ok(changed) => changed,
                Err(never) => match never {},
            };
            app.nodes.configs_changed(world.revision);
        }
        for name in &found.gone {
            app.nodes.forget(name);
        }
        if app.nodes.cannot_plan(&planned.problems) {
            for problem in &planned.problems {
                tracing::warn!(code = problem.code, about = problem.target, "{}", problem.message);
            }
        }
        !self.waiting_since.is_empty()
    }

    fn find(&mut self, app: &App, world: &World, planned: &Planned) -> Found {
        let mut configs = vec![];
        self.waiting_since.retain(|name, _| planned.configs.keys().any(|node| node.0.eq_ignore_ascii_case(name)));
        for (node, wanted) in &planned.configs {
            let name = node.0.to_ascii_lowercase();
            let given = world.configs.get(&name);
            let generation = given.map_or(0, |config| config.generation);
            let claimed = app.nodes.claimed(&name);
            let is_same = given
                .is_some_and(|given| EdgeConfig { generation, ..wanted.clone() } == *given && claimed <= generation);
            if is_same {
                self.waiting_since.remove(&name);
                continue;
            }
            if !given.is_some_and(|given| only_adds(given, wanted)) && self.has_to_wait(app, world, planned, &name) {
                continue;
            }
            self.waiting_since.remove(&name);
            configs.push((name, EdgeConfig { generation: generation.max(claimed) + 1, ..wanted.clone() }));
        }
        let gone = world
            .configs
            .keys()
            .filter(|name| !planned.configs.keys().any(|node| node.0.eq_ignore_ascii_case(name)))
            .cloned()
            .collect();
        let is_busy = world.operations.values().any(|operation| operation.status == OperationStatus::InProgress);
        Found { configs, gone, is_busy }
    }

    /// Whether the first of this node's pair has a change to apply yet.
    fn has_to_wait(&mut self, app: &App, world: &World, planned: &Planned, name: &str) -> bool {
        let Some(first) = first_of_pair(&world.snapshot, name) else { return false };
        let given = world.configs.get(&first);
        let is_behind = given.is_some_and(|given| app.nodes.is_behind(&first, given.generation));
        // The first's own change goes out in this very round, and the second's follows when it is applied.
        let is_changing = planned.configs.iter().any(|(node, wanted)| {
            node.0.eq_ignore_ascii_case(&first)
                && given.is_none_or(|given| EdgeConfig { generation: given.generation, ..wanted.clone() } != *given)
        }) && app.nodes.is_behind(&first, u64::MAX);
        if !is_behind && !is_changing {
            return false;
        }
        self.waiting_since.entry(name.to_owned()).or_insert_with(Instant::now).elapsed() < PATIENCE
    }
}

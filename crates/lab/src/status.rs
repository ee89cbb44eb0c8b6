//! What a lab looks like at this moment.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::lab::{CONTROL, Lab};
use crate::machine::network::{self, CableState};
use crate::parties::Parties;
use crate::parties::operator::node_name;
use crate::routers::CeSession;
use crate::state::Phase;

/// All of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    lab: String,
    phase: Phase,
    endpoint: String,
    control_directory: std::path::PathBuf,
    nodes: Vec<NodeStatus>,
    cables: Vec<CableStatus>,
    sessions: Vec<SessionStatus>,
    /// Why something could not be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    node: String,
    namespace: Option<String>,
    processes: Vec<i32>,
    runs_daemon: bool,
    /// What control says of it: wanted and observed generation, last seen, problems.
    #[serde(skip_serializing_if = "Value::is_null")]
    control: Value,
}

#[derive(Debug, Serialize)]
struct CableStatus {
    cable: String,
    state: CableState,
}

#[derive(Debug, Serialize)]
struct SessionStatus {
    customer: String,
    #[serde(flatten)]
    session: CeSession,
}

/// Looks. What can't be seen is told as a problem, not as a failure: a broken lab is looked at most of all.
pub fn look(lab: &Lab) -> anyhow::Result<Status> {
    let mut problems = Vec::new();
    let known = match of_control(lab) {
        Ok(known) => known,
        Err(error) => {
            problems.push(format!("control: {error:#}"));
            vec![]
        }
    };
    let mut nodes = Vec::new();
    for name in std::iter::once(CONTROL).chain(lab.blueprint.nodes.iter().map(|node| node.name.as_str())) {
        let full = node_name(lab.name(), name);
        nodes.push(NodeStatus {
            node: name.to_owned(),
            namespace: (name != CONTROL).then(|| lab.namespace(name)),
            processes: lab.running(name)?.iter().map(|running| running.pid).collect(),
            runs_daemon: lab.runs_daemon(name),
            control: known.iter().find(|node| node["name"] == full.as_str()).cloned().unwrap_or_default(),
        });
    }
    let mut places: Vec<&str> = lab.blueprint.cables.iter().map(|cable| cable.node.as_str()).collect();
    places.sort_unstable();
    places.dedup();
    let mut cables = Vec::new();
    for place in places {
        match network::cable_states(lab.name(), &lab.blueprint, place) {
            Ok(states) => cables.extend(states.into_iter().map(|(cable, state)| CableStatus { cable, state })),
            Err(error) => problems.push(format!("{place}: {error:#}")),
        }
    }
    let mut sessions = Vec::new();
    for (index, customer) in lab.topology.customers.iter().enumerate() {
        match lab.sessions(index) {
            Ok(found) => sessions
                .extend(found.into_iter().map(|session| SessionStatus { customer: customer.name.clone(), session })),
            Err(error) => problems.push(format!("{}: {error:#}", customer.node(index, "ce"))),
        }
    }
    Ok(Status {
        lab: lab.name().to_owned(),
        phase: lab.state.phase,
        endpoint: lab.state.endpoint(),
        control_directory: lab.place.control(),
        nodes,
        cables,
        sessions,
        problems,
    })
}

fn of_control(lab: &Lab) -> anyhow::Result<Vec<Value>> {
    let parties = Parties::open(&lab.place.control(), &lab.state.endpoint())?;
    let nodes = parties.operator.get("/providers/Causeway.Fabric/nodes")?;
    Ok(nodes["value"].as_array().cloned().unwrap_or_default())
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = if self.phase == Phase::Up { "up" } else { "half made" };
        writeln!(f, "lab \"{}\" is {phase}; the API is at {}", self.lab, self.endpoint)?;
        writeln!(f, "\nnodes")?;
        for node in &self.nodes {
            let process = match (node.runs_daemon, node.processes.as_slice()) {
                (false, _) => String::new(),
                (true, []) => "not running".to_owned(),
                (true, pids) => format!("running ({})", pids.iter().map(i32::to_string).collect::<Vec<_>>().join(" ")),
            };
            write!(f, "  {:<16} {process:<20}", node.node)?;
            if !node.control.is_null() {
                let number = |key: &str| node.control[key].as_u64().map_or("-".to_owned(), |number| number.to_string());
                write!(f, " generation {} of {}", number("observedGeneration"), number("wantedGeneration"))?;
                for problem in node.control["problems"].as_array().into_iter().flatten() {
                    write!(f, "; {}", problem["message"].as_str().unwrap_or_default())?;
                }
            }
            writeln!(f)?;
        }
        writeln!(f, "\ncables")?;
        for cable in &self.cables {
            let state = match cable.state {
                CableState::Up => "up",
                CableState::Down => "down",
                CableState::Silent => "silent: frames vanish",
            };
            writeln!(f, "  {:<16} {state}", cable.cable)?;
        }
        writeln!(f, "\nsessions of the customers' routers")?;
        for SessionStatus { customer, session } in &self.sessions {
            let peer_id = session.peer_id.as_deref().unwrap_or("");
            writeln!(f, "  {customer:<10} {:<11} {:<24} {:<12} {peer_id}", session.name, session.peer, session.state)?;
        }
        for problem in &self.problems {
            writeln!(f, "\n{problem}")?;
        }
        Ok(())
    }
}

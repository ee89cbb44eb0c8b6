//! What a lab takes to come up, and what a failure costs, over and over: the figures of docs/performance.md.
//!
//! Each failure is measured by a probe that sends a packet each millisecond both ways over the link that fails; an outage
//! is the longest time without a packet that arrived. The floor is a probe over the same path with nothing failing.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Serialize;

use crate::blueprint::{Strand, names};
use crate::lab::Lab;
use crate::machine::network::{self, Cut};
use crate::parties::{Parties, operator};
use crate::probe::{self, Probe, Report};
use crate::progress::{Progress, Step, wait_for};
use crate::up::{wait_for_bfd, wait_for_nodes, wait_for_path, wait_for_sessions};
use crate::{down, up};

const INTERVAL: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);
/// Just below the 10,000 that a Premium circuit takes from its customer; the site's own prefix comes on top.
const MANY_PREFIXES: u32 = 9_990;

/// One row: what was measured, and each run's figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What.
    pub what: String,
    /// In `s` or `ms`.
    pub unit: &'static str,
    /// One figure for each run, in order.
    pub runs: Vec<f64>,
    /// Packets lost in all runs and flows, where packets were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u32>,
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted.first().unwrap_or(&0.0), sorted.last().unwrap_or(&0.0));
        let middle = sorted.get(sorted.len() / 2).unwrap_or(&0.0);
        let lost = self.lost.map_or_else(String::new, |lost| format!("  {lost} packets lost in all"));
        write!(f, "{:<62} {middle:>8.1} {:<2} ({low:.1} to {high:.1}){lost}", self.what, self.unit)
    }
}

/// Measures everything, `runs` times each, in labs of its own that are taken down again.
pub fn run(name: &str, runs: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (mut first_packet, mut established) = (vec![], vec![]);
    for _ in 0..runs {
        in_lab(name, "", |_, progress| {
            first_packet.push(progress.elapsed().as_secs_f64());
            let took = |words: &str| step(progress.steps(), words).map(|step| step.seconds);
            established.push(took("configures the private peering")? + took("BGP is established")?);
            Ok(())
        })?;
    }
    rows.push(Row { what: "lab up to the first packet".into(), unit: "s", runs: first_packet, lost: None });
    let what = "PUT of the peering to Established with BIRD, both edges";
    rows.push(Row { what: what.into(), unit: "s", runs: established, lost: None });
    for more in [0, MANY_PREFIXES] {
        let topology =
            format!("[[customer]]\n[customer.circuit]\ntier = \"Premium\"\n[customer.site]\nmore_prefixes = {more}\n");
        rows.extend(in_lab(name, &topology, |lab, _| failures(lab, more, runs))?);
    }
    Ok(rows)
}

/// The step whose description has these words.
fn step<'a>(steps: &'a [Step], words: &str) -> anyhow::Result<&'a Step> {
    steps.iter().find(|step| step.what.contains(words)).with_context(|| format!("no step was about: {words}"))
}

/// Does something in a lab of its own.
fn in_lab<T>(name: &str, topology: &str, work: impl FnOnce(&Lab, &Progress) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut progress = Progress::kept();
    let result = up::up(name, topology, &mut progress).and_then(|lab| work(&lab, &progress));
    let removed = down::down(name);
    let value = result?;
    removed?;
    Ok(value)
}

fn failures(lab: &Lab, more: u32, runs: usize) -> anyhow::Result<Vec<Row>> {
    let parties = Parties::open(&lab.place.control(), &lab.state.endpoint())?;
    let prefixes = more + 1;
    settle(lab, &parties, prefixes)?;
    let mut rows = Vec::new();
    let mut measure = |what: String, fail: &dyn Fn() -> anyhow::Result<()>, mend: &dyn Fn() -> anyhow::Result<()>| {
        let (mut outages, mut lost) = (vec![], 0);
        for _ in 0..runs {
            let probe = Probe::start(probe::flows(lab, 0, Some(Strand::Primary))?, INTERVAL)?;
            std::thread::sleep(Duration::from_millis(300));
            fail()?;
            std::thread::sleep(Duration::from_millis(1_700));
            let reports = probe.finish();
            mend()?;
            settle(lab, &parties, prefixes)?;
            ensure!(reports.iter().all(|report| report.lost < report.sent), "{what}: nothing arrived");
            outages.push(reports.iter().map(|report| report.longest_outage_ms).fold(0.0, f64::max));
            lost += reports.iter().map(|report: &Report| report.lost).sum::<u32>();
        }
        rows.push(Row { what, unit: "ms", runs: outages, lost: Some(lost) });
        anyhow::Ok(())
    };
    let cables = lab.blueprint.cables_of(Strand::Primary.word());
    let edge = names::edge(Strand::Primary);
    let heal = || network::heal(lab.name(), &lab.blueprint, &cables);
    let behind = format!("{prefixes} prefixes");
    measure(format!("nothing fails, {behind}: worst flow's outage"), &|| Ok(()), &|| Ok(()))?;
    let cut = |how: Cut| network::cut(lab.name(), &cables, how);
    measure(format!("link reports down, {behind}: worst flow's outage"), &|| cut(Cut::Reported), &heal)?;
    measure(format!("link fails silently, {behind}: worst flow's outage"), &|| cut(Cut::Silent), &heal)?;
    let restart = || {
        ensure!(lab.kill(&edge)? == 1, "{edge} was not running");
        lab.start(&edge).map(drop)
    };
    measure(format!("SIGKILL and restart of an edge, {behind}: worst flow's outage"), &restart, &|| Ok(()))?;
    Ok(rows)
}

/// Waits until everything is as it was before anything failed, on every router.
fn settle(lab: &Lab, parties: &Parties, prefixes: u32) -> anyhow::Result<()> {
    wait_for_nodes(lab, parties, PATIENCE)?;
    wait_for_sessions(lab, 0, PATIENCE)?;
    wait_for_bfd(lab, 0, PATIENCE)?;
    wait_for("the gateways know every prefix from both edges", PATIENCE, || {
        for instance in [0, 1].map(|instance| names::gateway(0, &lab.topology.customers[0].name, instance)) {
            let node = operator::node_name(lab.name(), &instance);
            let path = format!("/providers/Causeway.Fabric/nodes/{node}/status");
            let status = parties.operator.get(&path)?;
            let peers = status["peers"].as_array().map_or(&[][..], Vec::as_slice);
            let full = peers.iter().filter(|peer| peer["prefixes_accepted"].as_u64() >= Some(prefixes.into())).count();
            if full < 2 {
                return Ok(Err(format!("{instance} has {full} full sessions")));
            }
        }
        Ok(Ok(()))
    })?;
    wait_for_path(lab, 0, Strand::Primary, PATIENCE)
}

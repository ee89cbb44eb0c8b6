//! An edge's process is killed while packets cross it: forwarding is pinned in the kernel and goes on.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::failure::INTERVAL;
use crate::blueprint::{Strand, names};
use crate::lab::Lab;
use crate::parties::Parties;
use crate::probe::{self, Probe};
use crate::progress::Progress;
use crate::up::{wait_for_nodes, wait_for_sessions};

/// Kills, starts again, and wants no packet lost.
pub(super) fn kill_an_edge(lab: &Lab, progress: &mut Progress) -> anyhow::Result<()> {
    let edge = names::edge(Strand::Primary);
    let parties = Parties::open(&lab.place.control(), &lab.state.endpoint())?;
    progress.step(&format!("{edge} is killed with SIGKILL and started again; forwarding goes on"), |notes| {
        let probe = Probe::start(probe::flows(lab, 0, Some(Strand::Primary))?, INTERVAL)?;
        std::thread::sleep(Duration::from_millis(200));
        ensure!(lab.kill(&edge)? == 1, "{edge} was not running");
        let killed = Instant::now();
        std::thread::sleep(Duration::from_millis(200));
        lab.start(&edge)?;
        wait_for_nodes(lab, &parties, Duration::from_secs(15))?;
        wait_for_sessions(lab, 0, Duration::from_secs(30))?;
        notes.say(format!("its sessions are up again {:.1} s after the kill", killed.elapsed().as_secs_f64()));
        std::thread::sleep(Duration::from_millis(300));
        let reports = probe.finish();
        reports.iter().for_each(|report| notes.say(report.to_string()));
        for report in &reports {
            ensure!(report.lost == 0, "{}: {} packets lost", report.flow, report.lost);
        }
        Ok(())
    })
}

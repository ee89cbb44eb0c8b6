//! A link is cut while packets cross it, and healed.

use std::time::Duration;

use anyhow::ensure;

use crate::blueprint::Strand;
use crate::lab::Lab;
use crate::machine::network::{self, Cut};
use crate::probe::{self, Probe};
use crate::progress::Progress;
use crate::up::{wait_for_bfd, wait_for_path, wait_for_sessions};

/// Between two packets of a flow.
pub(super) const INTERVAL: Duration = Duration::from_millis(1);
/// Forwarding is back within this time, however the link failed.
const OUTAGE_MAX_MS: f64 = 1_000.0;

/// Cuts the primary link, tells what was lost, heals it, and sees the path come back.
pub(super) fn cut_and_heal(lab: &Lab, progress: &mut Progress, how: Cut) -> anyhow::Result<()> {
    let cables = lab.blueprint.cables_of(Strand::Primary.word());
    let words = match how {
        Cut::Reported => "the primary link is cut: both ends lose their carrier",
        Cut::Silent => "the primary link is cut silently: frames vanish, BFD has to find out",
    };
    progress.step(words, |notes| {
        let probe = Probe::start(probe::flows(lab, 0, Some(Strand::Primary))?, INTERVAL)?;
        std::thread::sleep(Duration::from_millis(300));
        network::cut(lab.name(), &cables, how)?;
        std::thread::sleep(Duration::from_millis(2_000));
        let reports = probe.finish();
        reports.iter().for_each(|report| notes.say(report.to_string()));
        for report in &reports {
            ensure!(report.lost < report.sent, "{}: nothing arrived", report.flow);
            ensure!(
                report.longest_outage_ms <= OUTAGE_MAX_MS,
                "{}: out for {} ms, more than {OUTAGE_MAX_MS}",
                report.flow,
                report.longest_outage_ms
            );
        }
        Ok(())
    })?;
    progress.step("it is healed, and packets cross it again", |notes| {
        let probe = Probe::start(probe::flows(lab, 0, None)?, INTERVAL)?;
        network::heal(lab.name(), &lab.blueprint, &cables)?;
        wait_for_sessions(lab, 0, Duration::from_secs(30))?;
        wait_for_path(lab, 0, Strand::Primary, Duration::from_secs(10))?;
        wait_for_bfd(lab, 0, Duration::from_secs(10))?;
        let reports = probe.finish();
        let lost: u32 = reports.iter().map(|report| report.lost).sum();
        notes.say(format!(
            "{lost} packets of {} lost by healing",
            reports.iter().map(|report| report.sent).sum::<u32>()
        ));
        Ok(())
    })
}

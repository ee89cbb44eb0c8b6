//! The whole story, told to a person and held to what it claims: it succeeds only if every step did, and leaves nothing,
//! whatever happens.

mod crash;
mod failure;
mod proof;

use anyhow::Context;

use crate::interrupt;
use crate::machine::sweep;
use crate::progress::Progress;
use crate::{down, up};

/// Tells it.
pub fn run(name: &str, topology: &str) -> anyhow::Result<()> {
    interrupt::watch()?;
    let mut progress = Progress::shown();
    let told = tell(name, topology, &mut progress);
    if told.as_ref().is_err_and(|error| error.downcast_ref::<up::Refused>().is_some()) {
        // Nothing of ours is there, so there is nothing to take away.
        return told;
    }
    interrupt::forget();
    progress.chapter("The end");
    let removed = progress.step("everything is taken down", |notes| {
        let removed = down::down(name)?.remains;
        notes.say(format!("{} processes, {} namespaces", removed.processes.len(), removed.namespaces.len()));
        let left = sweep::remains(name)?;
        anyhow::ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    });
    told.and(removed)?;
    progress.chapter(&format!("All of it held, in {:.1} s.", progress.elapsed().as_secs_f64()));
    Ok(())
}

fn tell(name: &str, topology: &str, progress: &mut Progress) -> anyhow::Result<()> {
    let lab = up::up(name, topology, progress)?;
    let first_packet = progress.elapsed().as_secs_f64();
    progress.chapter("What the customer has");
    proof::packets_both_ways(&lab, progress)?;
    proof::the_routers_view(&lab, progress)?;
    proof::both_tags(&lab, progress)?;
    progress.chapter("A link fails");
    failure::cut_and_heal(&lab, progress, crate::machine::network::Cut::Reported)?;
    failure::cut_and_heal(&lab, progress, crate::machine::network::Cut::Silent)?;
    progress.chapter("An edge's process crashes");
    crash::kill_an_edge(&lab, progress)?;
    progress.chapter(&format!("From nothing to the first packet between the hosts: {first_packet:.1} s."));
    Ok(())
}

/// What a program prints, or an error.
fn said(lab: &crate::lab::Lab, node: &str, words: &[&str]) -> anyhow::Result<String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let words = lab.completed(lab.node(node)?, &words);
    let (program, arguments) = words.split_first().context("a command")?;
    crate::machine::tools::run(lab.inside(node, program).args(arguments), "")
}

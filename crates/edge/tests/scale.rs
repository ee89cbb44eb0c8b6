//! Many attachments on one edge: how long it takes to make them, to add one more, and to adopt them all.

mod support;

use std::time::{Duration, Instant};

use causeway_edge_types::{AttachmentId, EdgeConfig, Encapsulation, Tags, VrfId};
use support::bench::config;
use support::daemon::{Daemon, give, join, options};
use support::{Prefix, can_make_namespaces, wait_for};

const LIMIT: Duration = Duration::from_secs(120);

/// `count` customers on one port, all with the same addresses.
fn customers(generation: u64, count: u32) -> EdgeConfig {
    let mut all = config(generation);
    let (attachment, vrf) = (all.attachments.remove(0), all.vrfs.remove(0));
    for number in 1..=count {
        let mut attachment = attachment.clone();
        attachment.id = AttachmentId(number);
        attachment.vrf = VrfId(number);
        let tags = Tags { s_tag: Some(number as u16), c_tag: Some(10) };
        attachment.encapsulation = Encapsulation::Port { port: "p0".into(), tags };
        all.attachments.push(attachment);
        let mut vrf = vrf.clone();
        vrf.id = VrfId(number);
        vrf.peers.iter_mut().for_each(|peer| peer.id.attachment = AttachmentId(number));
        all.vrfs.push(vrf);
    }
    all
}

/// `CAUSEWAY_SCALE=1000 cargo nextest run -p causeway-edge --test scale --no-capture`
#[test]
fn many_attachments_are_made_added_to_and_adopted() {
    if !can_make_namespaces() {
        return;
    }
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).try_init();
    let count = std::env::var("CAUSEWAY_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(50);
    let prefix = Prefix::new();
    let (edge, far) = (prefix.namespace("e1"), prefix.namespace("far"));
    join((&edge, "p0"), (&far, "u0"));
    let data = tempfile::tempdir().unwrap();
    let given = options("e1", &edge, data.path().to_owned());
    let applied = |daemon: &Daemon, generation: u64| {
        let is_applied =
            || daemon.status().is_some_and(|s| s.observed_generation == generation && s.problems.is_empty());
        wait_for(&format!("generation {generation}"), LIMIT, is_applied, || {
            format!("{:?}", daemon.status().map(|status| (status.observed_generation, status.problems)))
        });
    };

    give(&given, &customers(1, count));
    let start = Instant::now();
    let mut daemon = Daemon::start(given.clone());
    applied(&daemon, 1);
    let made = start.elapsed();

    daemon.stop().unwrap();
    std::fs::remove_file(given.status_file.as_ref().unwrap()).unwrap();
    let start = Instant::now();
    let mut daemon = Daemon::restart(daemon);
    applied(&daemon, 1);
    let adopted = start.elapsed();

    daemon.stop().unwrap();
    give(&given, &customers(2, count + 1));
    let daemon = Daemon::restart(daemon);
    applied(&daemon, 2);
    eprintln!("{count} attachments: made in {made:?}, adopted in {adopted:?}");
    let start = Instant::now();
    drop(daemon);
    eprintln!("ended and torn down in {:?}", start.elapsed());
}

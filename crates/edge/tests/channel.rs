//! The channel to control, with a control that the test plays: away, slow, wrong, and back.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use causeway_edge::board::StatusBoard;
use causeway_edge::control::{ConfigSource, fetch_forever, report_forever};
use causeway_edge::intake::Intake;
use causeway_edge::mailbox::{Command, RouterMailbox};
use causeway_edge::store::ConfigStore;
use causeway_edge_types::{EdgeConfig, EdgeStatus};

const SOON: Duration = Duration::from_secs(10);

/// What control does at each call, in order; when there is nothing left it waits as long as it is asked to.
#[derive(Clone, Default)]
struct Control(Arc<(Mutex<Script>, Condvar)>);

#[derive(Default)]
struct Script {
    answers: VecDeque<Option<EdgeConfig>>,
    asked: Vec<(Instant, u64)>,
    is_deaf: bool,
    heard: Vec<(Instant, EdgeStatus)>,
}

impl Control {
    fn with<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        let result = act(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Script) -> bool) {
        let script = self.0.0.lock().unwrap();
        let (script, timeout) = self.0.1.wait_timeout_while(script, SOON, |script| !is_so(script)).unwrap();
        assert!(!timeout.timed_out(), "{what}: asked {:?}, heard {}", script.asked, script.heard.len());
    }
}

impl ConfigSource for Control {
    fn next_config(&self, after: u64, wait: Duration) -> anyhow::Result<Option<EdgeConfig>> {
        let answer = self.with(|script| {
            script.asked.push((Instant::now(), after));
            script.answers.pop_front()
        });
        match answer {
            Some(Some(config)) => Ok(Some(config)),
            Some(None) => Err(anyhow!("away")),
            None => {
                let script = self.0.0.lock().unwrap();
                drop(self.0.1.wait_timeout_while(script, wait, |script| script.answers.is_empty()).unwrap());
                Ok(None)
            }
        }
    }

    fn report(&self, status: &EdgeStatus) -> anyhow::Result<()> {
        self.with(|script| {
            if script.is_deaf {
                return Err(anyhow!("away"));
            }
            script.heard.push((Instant::now(), status.clone()));
            Ok(())
        })
    }
}

fn config(generation: u64) -> EdgeConfig {
    EdgeConfig { generation, ..EdgeConfig::empty("e1".into(), Ipv4Addr::new(192, 0, 2, 1)) }
}

fn status(observed_generation: u64) -> EdgeStatus {
    EdgeStatus {
        edge: "e1".into(),
        boot_id: "b".into(),
        observed_generation,
        problems: vec![],
        ports: vec![],
        peers: vec![],
        counters: vec![],
        drops: vec![],
        neighbors: vec![],
        routes: vec![],
        routes_truncated: false,
    }
}

struct Bench {
    control: Control,
    board: Arc<StatusBoard>,
    intake: Arc<Intake>,
    inbox: Receiver<Command>,
    directory: tempfile::TempDir,
    _poll: mio::Poll,
}

impl Bench {
    fn new() -> Bench {
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let (sender, inbox) = std::sync::mpsc::channel();
        let board = Arc::new(StatusBoard::default());
        let directory = tempfile::tempdir().unwrap();
        let store = ConfigStore::open(directory.path()).unwrap();
        let intake = Arc::new(Intake::new("e1".into(), store, RouterMailbox::new(sender, waker), board.clone()));
        Bench { control: Control::default(), board, intake, inbox, directory, _poll: poll }
    }

    fn fetch(&self) -> std::thread::JoinHandle<()> {
        let (control, intake, board) = (self.control.clone(), self.intake.clone(), self.board.clone());
        std::thread::spawn(move || fetch_forever(|| Ok(control.clone()), &intake, &board, 7))
    }

    fn report(&self) -> std::thread::JoinHandle<()> {
        let (control, board) = (self.control.clone(), self.board.clone());
        std::thread::spawn(move || report_forever(|| Ok(control.clone()), &board, 7))
    }

    fn applied(&self) -> u64 {
        match self.inbox.recv_timeout(SOON).unwrap() {
            Command::Config(config) => config.generation,
            other => panic!("{other:?}"),
        }
    }

    fn on_disk(&self) -> Option<u64> {
        let store = ConfigStore::open(self.directory.path()).unwrap();
        store.load(&"e1".into()).config.map(|config| config.generation)
    }

    fn end(&self, thread: std::thread::JoinHandle<()>) {
        self.board.close();
        self.control.with(|script| script.answers.push_back(None));
        thread.join().unwrap();
    }
}

#[test]
fn a_control_that_is_away_is_asked_again_and_its_configuration_is_kept_before_it_is_applied() {
    let bench = Bench::new();
    bench.control.with(|script| script.answers.extend([None, None, None, Some(config(5))]));
    let thread = bench.fetch();
    assert_eq!(bench.applied(), 5);
    assert_eq!(bench.on_disk(), Some(5));
    bench.control.wait("the next question", |script| script.asked.len() == 5);
    bench.control.with(|script| {
        let after: Vec<u64> = script.asked.iter().map(|(_, after)| *after).collect();
        assert_eq!(after, [0, 0, 0, 0, 5]);
        let pauses: Vec<Duration> = script.asked.windows(2).map(|two| two[1].0 - two[0].0).collect();
        assert!(pauses[..3].iter().all(|pause| *pause >= Duration::from_millis(10)), "it must not spin: {pauses:?}");
    });
    bench.end(thread);
}

#[test]
fn what_is_older_or_anothers_is_refused_and_said() {
    let bench = Bench::new();
    let mut others = config(9);
    others.edge = "e2".into();
    bench
        .control
        .with(|script| script.answers.extend([Some(config(5)), Some(config(4)), Some(others), Some(config(6))]));
    bench.board.publish(status(5), true);
    let reporter = bench.report();
    let thread = bench.fetch();
    assert_eq!(bench.applied(), 5);
    for code in ["OldGeneration", "WrongEdge"] {
        bench.control.wait(code, |script| {
            script.heard.iter().any(|(_, status)| status.problems.iter().any(|problem| problem.code == code))
        });
    }
    assert_eq!(bench.applied(), 6, "and the refused ones never came through");
    bench
        .control
        .wait("no more problems", |script| script.heard.last().is_some_and(|(_, status)| status.problems.is_empty()));
    bench.end(thread);
    reporter.join().unwrap();
}

#[test]
fn a_control_that_repeats_itself_does_not_make_the_edge_spin() {
    let bench = Bench::new();
    bench.control.with(|script| script.answers.extend(std::iter::repeat_n(Some(config(5)), 1000)));
    let start = Instant::now();
    let thread = bench.fetch();
    assert_eq!(bench.applied(), 5);
    bench.control.wait("a few questions", |script| script.asked.len() >= 4);
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    assert!(bench.inbox.try_recv().is_err(), "what is known is not applied again");
    bench.control.with(|script| script.answers.clear());
    bench.end(thread);
}

#[test]
fn a_control_that_offers_what_is_refused_does_not_make_the_edge_spin() {
    let bench = Bench::new();
    let mut others = config(9);
    others.edge = "e2".into();
    bench.control.with(|script| script.answers.extend(std::iter::repeat_n(Some(others), 1000)));
    let start = Instant::now();
    let thread = bench.fetch();
    bench.control.wait("a few questions", |script| script.asked.len() >= 4);
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    bench.control.with(|script| script.answers.clear());
    bench.end(thread);
}

#[test]
fn news_are_reported_at_once_and_not_lost_while_control_is_away() {
    let bench = Bench::new();
    let thread = bench.report();
    let start = Instant::now();
    bench.board.publish(status(1), true);
    bench.control.wait("the first status", |script| script.heard.len() == 1);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());

    bench.control.with(|script| script.is_deaf = true);
    bench.board.publish(status(2), true);
    bench.board.publish(status(3), true);
    bench.control.with(|script| script.is_deaf = false);
    bench.control.wait("the last status", |script| {
        script.heard.last().is_some_and(|(_, status)| status.observed_generation == 3)
    });

    // A storm of news is one or two reports.
    let before = bench.control.with(|script| script.heard.len());
    for generation in 10..500 {
        bench.board.publish(status(generation), true);
    }
    bench.control.wait("the last of the storm", |script| {
        script.heard.last().is_some_and(|(_, status)| status.observed_generation == 499)
    });
    let reports = bench.control.with(|script| script.heard.len()) - before;
    assert!(reports <= 4, "{reports} reports for a storm");
    bench.end(thread);
}

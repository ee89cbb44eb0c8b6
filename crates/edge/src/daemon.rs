//! The daemon: its threads, and how it begins and ends.
//!
//! ```text
//!   calling thread   signals; waits                     stays in its namespace, where control is
//!   router           RouterDriver                       in the edge's namespace
//!   bfd              BfdDriver                          sockets only, made by the router's thread
//!   config, report   the channel to control             with the calling thread
//!   status           the status file
//! ```
//!
//! It ends without a word to its peers and leaves host interfaces and forwarding as they are, so that a new process
//! goes on where it was (RFC 4724): ending and crashing look the same from outside. [`teardown`] is what removes them.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use causeway_edge_types::EdgeId;
use causeway_router::{BfdInput, Router};
use mio::{Poll, Waker};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::attachments::Hosts;
use crate::bfd_driver::{BfdCommand, BfdDriver};
use crate::board::StatusBoard;
use crate::capabilities;
use crate::checksum::fnv1a;
use crate::control::{self, ControlOptions, ControlSource};
use crate::crew::Crew;
use crate::dataplane::{DEFAULT_ROOT, Dataplane, Options, XdpDataplane, unpin_all};
use crate::driver::{Parts, RouterDriver, WAKER};
use crate::intake::Intake;
use crate::mailbox::{Command, RouterMailbox};
use crate::netns::Namespace;
use crate::signals::{Signal, Signals};
use crate::status_file;
use crate::store::ConfigStore;
use crate::sysctl;

/// What the daemon is told when it starts.
#[derive(Clone, Debug)]
pub struct EdgeOptions {
    /// The edge's name.
    pub name: String,
    /// What it is, for logs: `edge`, `gateway`, `cross-connect`.
    pub role: String,
    /// The namespace of its ports; the calling thread's where none is given.
    pub netns: Option<PathBuf>,
    /// Where it keeps its last configuration.
    pub data: PathBuf,
    /// Where the data plane's pins are, on a bpffs; where none is given, below the default root by the name of `netns`,
    /// so that deployments side by side may use the same names for their edges.
    pub pin_root: Option<PathBuf>,
    /// Where control is; without it the edge goes by its configuration on disk and by `config_file`.
    pub control: Option<ControlOptions>,
    /// A configuration as JSON, read at the start and at SIGHUP.
    pub config_file: Option<PathBuf>,
    /// Where to write the status as JSON, at each change and each second.
    pub status_file: Option<PathBuf>,
    /// Ends the daemon when it becomes true, as SIGTERM does.
    pub stop: Arc<AtomicBool>,
}

/// What forwards, as it was found or made.
pub struct OpenedDataplane {
    /// The data plane.
    pub dataplane: Box<dyn Dataplane>,
    /// It goes on with what an earlier process left.
    pub has_adopted: bool,
}

/// Runs an edge until it is told to stop (by SIGTERM, SIGINT or `stop`).
pub fn run(options: EdgeOptions) -> anyhow::Result<()> {
    run_with(options, |options| {
        let edge = EdgeId(options.name.clone());
        let opened = XdpDataplane::open(&edge, &Options { pin_root: pin_root(options), ..Options::default() })?;
        Ok(OpenedDataplane { has_adopted: opened.is_adopted(), dataplane: Box::new(opened) })
    })
}

/// Removes what an edge has made in the kernel, also after its process has crashed: programs, tables, host interfaces,
/// their namespaces. After it, nothing is forwarded.
pub fn teardown(options: &EdgeOptions) -> anyhow::Result<()> {
    teardown_with(options, |options| {
        let root = pin_root(options);
        unpin_all(&root, &EdgeId(options.name.clone()))?;
        // The default root goes with the last edge.
        let _ = std::fs::remove_dir(&root);
        let _ = std::fs::remove_dir(DEFAULT_ROOT);
        Ok(())
    })
}

/// Runs an edge until it is told to stop, with the data plane that `open_dataplane` gives. It is called on the router's
/// thread, inside the edge's namespace.
pub fn run_with(
    options: EdgeOptions,
    open_dataplane: impl FnOnce(&EdgeOptions) -> anyhow::Result<OpenedDataplane> + Send + 'static,
) -> anyhow::Result<()> {
    capabilities::check()?;
    let edge = EdgeId(options.name.clone());
    let store = ConfigStore::open(&options.data)?;
    let _lock = lock(&options.data)?;
    raise_file_limit();
    sysctl::make_room_for_neighbors();
    let mut signals = Signals::take()?;
    let namespace = match &options.netns {
        Some(path) => Namespace::open(path)?,
        None => Namespace::current()?,
    };
    let boot_id = boot_id();
    let seed = fnv1a(boot_id.bytes());

    let poll = Poll::new().context("cannot make a poll")?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).context("cannot make a waker")?);
    let (sender, inbox) = mpsc::channel();
    let mailbox = RouterMailbox::new(sender, waker);
    let board = Arc::new(StatusBoard::default());
    let (bfd, bfd_mailbox) = BfdDriver::new(seed, mailbox.clone()).context("cannot set BFD up")?;

    let (ready_sender, ready) = mpsc::channel();
    let mut crew = Crew::default();
    {
        let (options, board, name, bfd) = (options.clone(), board.clone(), edge.clone(), bfd_mailbox.clone());
        crew.start("router", move || {
            let opened = namespace.enter_for_good().and_then(|()| open_dataplane(&options)).and_then(|opened| {
                if opened.has_adopted {
                    bfd.send(BfdCommand::Input(BfdInput::Restarted));
                }
                let router = if opened.has_adopted { Router::new_restarting(seed) } else { Router::new(seed) };
                RouterDriver::new(Parts {
                    name,
                    boot_id,
                    namespace_prefix: namespace_prefix(&options),
                    poll,
                    inbox,
                    bfd,
                    board,
                    router,
                    dataplane: opened.dataplane,
                    publish_every: Duration::from_secs(if options.status_file.is_some() { 1 } else { 5 }),
                })
            });
            match opened {
                Ok(driver) => {
                    let _ = ready_sender.send(Ok(()));
                    driver.run()
                }
                Err(error) => {
                    let _ = ready_sender.send(Err(error));
                    Ok(())
                }
            }
        })?;
    }
    match ready.recv() {
        Ok(opened) => opened?,
        // It has panicked: there is a better reason than that it did not answer.
        Err(gone) => return crew.dismiss().and(Err(gone.into())),
    }
    crew.start("bfd", move || Ok(bfd.run()?))?;
    tracing::info!(edge = %edge, role = %options.role, "started");

    let intake = Arc::new(Intake::new(edge.clone(), store, mailbox.clone(), board.clone()));
    intake.load();
    read_config_file(&options, &intake);
    start_helpers(&options, &edge, &intake, &board, seed, &mut crew)?;

    let result = wait(&options, &mut signals, &intake, &crew);
    mailbox.send(Command::Stop);
    bfd_mailbox.send(BfdCommand::Stop);
    board.close();
    // Why a thread ended says more than that it did.
    let result = crew.dismiss().and(result);
    tracing::info!(edge = %edge, "stopped; forwarding goes on");
    result
}

/// Removes what the daemon has made in the kernel: host interfaces and their namespaces. The data plane's own remains
/// are removed by `close_dataplane`, which is called inside the edge's namespace.
pub fn teardown_with(
    options: &EdgeOptions,
    close_dataplane: impl FnOnce(&EdgeOptions) -> anyhow::Result<()> + Send,
) -> anyhow::Result<()> {
    capabilities::check()?;
    // Without its namespace there is nothing left but the attachments' namespaces.
    let namespace = match &options.netns {
        Some(path) => Namespace::open(path).ok(),
        None => Some(Namespace::current()?),
    };
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            if let Some(namespace) = namespace {
                namespace.enter_for_good()?;
            }
            close_dataplane(options)?;
            let mut hosts = Hosts::open(&options.name, &namespace_prefix(options))?;
            match hosts.remove_others(&[]).first() {
                Some(problem) => anyhow::bail!("{problem}"),
                None => Ok(()),
            }
        });
        work.join().map_err(|_| anyhow::anyhow!("the teardown panicked"))?
    })
}

/// What the names of the attachments' namespaces begin with: the name of the edge's own.
fn namespace_prefix(options: &EdgeOptions) -> String {
    let name = options.netns.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    name.unwrap_or(&options.name).to_owned()
}

fn pin_root(options: &EdgeOptions) -> PathBuf {
    let by_namespace = || match options.netns {
        // bpffs takes no dots in names.
        Some(_) => Path::new(DEFAULT_ROOT).join(namespace_prefix(options).replace('.', "_")),
        None => PathBuf::from(DEFAULT_ROOT),
    };
    options.pin_root.clone().unwrap_or_else(by_namespace)
}

fn start_helpers(
    options: &EdgeOptions,
    edge: &EdgeId,
    intake: &Arc<Intake>,
    board: &Arc<StatusBoard>,
    seed: u64,
    crew: &mut Crew,
) -> anyhow::Result<()> {
    if let Some(path) = options.status_file.clone() {
        let board = board.clone();
        crew.start_helper("status", move || status_file::write_forever(&path, &board))?;
    }
    if let Some(control) = options.control.clone() {
        let (edge, intake, board) = (edge.clone(), intake.clone(), board.clone());
        let open = move || ControlSource::open(&control, &edge);
        let (open_too, board_too) = (open.clone(), board.clone());
        crew.start_helper("config", move || control::fetch_forever(open, &intake, &board, seed))?;
        crew.start_helper("report", move || control::report_forever(open_too, &board_too, seed))?;
    }
    Ok(())
}

fn wait(options: &EdgeOptions, signals: &mut Signals, intake: &Intake, crew: &Crew) -> anyhow::Result<()> {
    loop {
        match signals.wait(Duration::from_millis(100)) {
            Some(Signal::Stop) => return Ok(()),
            Some(Signal::Reload) => read_config_file(options, intake),
            None => {}
        }
        if options.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        crew.check()?;
    }
}

fn read_config_file(options: &EdgeOptions, intake: &Intake) {
    if let Some(path) = &options.config_file
        && let Err(error) = intake.offer_file(path)
    {
        tracing::error!("{error:#}");
    }
}

/// How long a process that was killed may take to be gone: its maps and sockets are closed before its lock is.
const PREDECESSOR_ENDS: Duration = Duration::from_secs(3);

/// Two processes must not drive one edge. One that is just ending is waited for: whoever restarts a killed daemon at once
/// should not have to know how long the kernel takes to clean up after it.
fn lock(data: &Path) -> anyhow::Result<Flock<File>> {
    let path = data.join("lock");
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
    let deadline = Instant::now() + PREDECESSOR_ENDS;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file = back,
            Err((_, error)) => anyhow::bail!("another process runs with {}: {error}", data.display()),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An attachment takes about a dozen descriptors; the usual limit is for eighty of them.
fn raise_file_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn boot_id() -> String {
    let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    match random.trim() {
        "" => format!("{}-{}", std::process::id(), crate::clock::now().0),
        uuid => uuid.to_owned(),
    }
}

//! BFD's thread. It does nothing else, runs before everything else where the machine lets it (SCHED_FIFO), and sleeps
//! on a timer of nanoseconds: a session of 10 ms x 3 must not fall because a thread was late.
//!
//! ```text
//!   router's thread ──BfdCommand──▶ BfdEngine ──BfdNotice──▶ router's thread
//!   UDP 3784 (per attachment) ────▶           ──Transmit───▶ UDP, a source port for each session
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use causeway_edge_types::{AttachmentId, Moment, PeerId};
use causeway_router::{BfdEngine, BfdInput, BfdOutput, BfdSessionConfig};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::clock;
use crate::mailbox::{Command, RouterMailbox};
use crate::sockets::{BfdReceiver, BfdSender};

/// Packets read from one socket in one turn, so that a flood on one attachment does not starve the others.
const READS_PER_TURN: usize = 16;
/// How long one that had more rests. This thread runs before all others: a flood that it read as fast as it comes would
/// leave them nothing.
const REST: Duration = Duration::from_millis(1);

const WAKER: Token = Token(0);
const TIMER: Token = Token(1);
const FIRST_RECEIVER: usize = 2;

/// Where packets of an attachment arrive.
pub type ReceiverKey = (AttachmentId, IpAddr);

/// What BFD's thread is told.
#[derive(Debug)]
pub enum BfdCommand {
    /// These are the sessions, and these are sockets for those that had none. Sockets that no session uses are closed.
    Sessions {
        /// All of them.
        sessions: Vec<BfdSessionConfig>,
        /// New receivers.
        receivers: Vec<(ReceiverKey, BfdReceiver)>,
        /// New senders.
        senders: Vec<(PeerId, BfdSender)>,
    },
    /// Anything else for the engine.
    Input(BfdInput),
    /// Leave.
    Stop,
}

/// Puts commands in and rings.
#[derive(Clone, Debug)]
pub struct BfdMailbox {
    sender: Sender<BfdCommand>,
    waker: Arc<Waker>,
}

impl BfdMailbox {
    /// Sends a command.
    pub fn send(&self, command: BfdCommand) {
        if self.sender.send(command).is_ok() {
            let _ = self.waker.wake();
        }
    }
}

/// The thread's state.
pub struct BfdDriver {
    engine: BfdEngine,
    poll: Poll,
    timer: TimerFd,
    inbox: Receiver<BfdCommand>,
    router: RouterMailbox,
    receivers: BTreeMap<usize, (ReceiverKey, BfdReceiver)>,
    senders: BTreeMap<PeerId, BfdSender>,
    readable: VecDeque<usize>,
    next_receiver: usize,
    armed: Option<Moment>,
}

impl BfdDriver {
    /// A driver, and the way to speak to it.
    pub fn new(seed: u64, router: RouterMailbox) -> io::Result<(BfdDriver, BfdMailbox)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_fd().as_raw_fd()), TIMER, Interest::READABLE)?;
        let (sender, inbox) = std::sync::mpsc::channel();
        let driver = BfdDriver {
            engine: BfdEngine::new(seed),
            poll,
            timer,
            inbox,
            router,
            receivers: BTreeMap::new(),
            senders: BTreeMap::new(),
            readable: VecDeque::new(),
            next_receiver: FIRST_RECEIVER,
            armed: None,
        };
        Ok((driver, BfdMailbox { sender, waker }))
    }

    /// Runs until it is told to stop.
    pub fn run(mut self) -> io::Result<()> {
        take_precedence();
        let mut events = Events::with_capacity(1024);
        loop {
            let timeout = (!self.readable.is_empty()).then_some(REST);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            let now = clock::now();
            for event in &events {
                match event.token() {
                    WAKER => {}
                    // Reading it makes it quiet until it is set again.
                    TIMER => {
                        let _ = self.timer.wait();
                        self.armed = None;
                    }
                    Token(at) if !self.readable.contains(&at) => self.readable.push_back(at),
                    Token(_) => {}
                }
            }
            // What has arrived counts before time does: a late thread is no silent peer.
            self.read(now);
            self.engine.handle_timeout(now);
            self.drain();
            while let Ok(command) = self.inbox.try_recv() {
                match command {
                    BfdCommand::Stop => return Ok(()),
                    BfdCommand::Input(input) => self.engine.handle_input(now, input),
                    BfdCommand::Sessions { sessions, receivers, senders } => {
                        self.open_sockets(receivers, senders);
                        self.engine.handle_input(now, BfdInput::Sessions(sessions.clone()));
                        // Those that go have a last word, so their sockets go after it.
                        self.drain();
                        self.close_sockets(&sessions);
                    }
                }
                self.drain();
            }
            self.arm();
        }
    }

    fn read(&mut self, now: Moment) {
        let mut buffer = [0; 256];
        for _ in 0..self.readable.len() {
            let Some(at) = self.readable.pop_front() else { return };
            for turn in 0..=READS_PER_TURN {
                let Some((key, receiver)) = self.receivers.get(&at) else { break };
                if turn == READS_PER_TURN {
                    self.readable.push_back(at);
                    break;
                }
                // An error is an ICMP answer to something that we sent: the sessions' timers speak for it.
                let Ok(Some((from, ttl, length))) = receiver.receive(&mut buffer) else { break };
                let peer = PeerId { attachment: key.0, address: from };
                let bytes = buffer[..length].to_vec();
                self.engine.handle_input(now, BfdInput::Packet { peer, ttl, bytes });
                self.drain();
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            let BfdOutput::Transmit { peer, local: _, bytes } = output;
            if let Some(sender) = self.senders.get(&peer) {
                sender.send(&bytes);
            }
        }
        while let Some(notice) = self.engine.poll_event() {
            self.router.send(Command::Bfd(notice));
        }
    }

    fn open_sockets(&mut self, receivers: Vec<(ReceiverKey, BfdReceiver)>, senders: Vec<(PeerId, BfdSender)>) {
        for (key, receiver) in receivers {
            // The one before was in a namespace that is gone.
            self.receivers.retain(|_, (before, _)| *before != key);
            let at = self.next_receiver;
            self.next_receiver += 1;
            let fd = receiver.as_raw_fd();
            if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), Token(at), Interest::READABLE) {
                tracing::error!("BFD cannot listen on attachment {}: {error}", key.0);
                continue;
            }
            self.receivers.insert(at, (key, receiver));
        }
        self.senders.extend(senders);
    }

    fn close_sockets(&mut self, sessions: &[BfdSessionConfig]) {
        let used: BTreeSet<ReceiverKey> = sessions.iter().map(|s| (s.peer.attachment, s.local)).collect();
        self.receivers.retain(|_, (key, _)| used.contains(key));
        let peers: BTreeSet<PeerId> = sessions.iter().map(|session| session.peer).collect();
        self.senders.retain(|peer, _| peers.contains(peer));
    }

    fn arm(&mut self) {
        let next = self.engine.poll_timeout();
        if next == self.armed {
            return;
        }
        let result = match next {
            None => self.timer.unset(),
            Some(moment) => {
                // Zero would switch the timer off; a moment that has passed fires at once.
                let nanos = moment.0.max(1);
                let at = TimeSpec::new((nanos / 1_000_000_000) as _, (nanos % 1_000_000_000) as _);
                self.timer.set(Expiration::OneShot(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)
            }
        };
        match result {
            Ok(()) => self.armed = next,
            Err(error) => tracing::error!("BFD cannot set its timer: {error}"),
        }
    }
}

/// Runs before ordinary threads where the machine allows it, and without slack on timers where it does not.
fn take_precedence() {
    let parameters = libc::sched_param { sched_priority: 50 };
    // SAFETY: both calls read plain values and act on the calling thread.
    let result = unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1000u64);
        libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters)
    };
    if result != 0 {
        let error = io::Error::last_os_error();
        tracing::info!("BFD runs as an ordinary thread (CAP_SYS_NICE is missing: {error})");
    }
}

//! The router's thread. It lives in the edge's namespace and owns the router, the data plane and every BGP socket.
//!
//! ```text
//!   turn:  poll ─▶ carriers ─▶ BFD notices, configuration ─▶ neighbours ─▶ peers that connect ─▶ bytes ─▶ timers
//!                    └──────────────── after each single input: every output of the router ────────────┘
//! ```
//!
//! What moves traffic away from a failure comes first in a turn, whatever else is waiting. Reads are bounded, so that
//! a turn is short. The clock is read once a turn.

mod bfd_sockets;
mod configure;
mod edge_space;
mod housekeeping;
mod listeners;
mod outputs;
mod report;
mod transports;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use anyhow::Context;
use causeway_edge_types::{AttachmentId, EdgeConfig, EdgeId, Moment, PortName, Problem, RouteStatus};
use causeway_router::{GroupId, Input, NextHop, Router, TransportId};
use mio::event::Event as Readiness;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::attachments::Hosts;
use crate::bfd_driver::BfdMailbox;
use crate::board::StatusBoard;
use crate::clock;
use crate::dataplane::{Dataplane, HostAttachment, Port};
use crate::mailbox::Command;
use crate::netlink::KernelEvent;

use bfd_sockets::BfdSockets;
use edge_space::EdgeSpace;
use housekeeping::Housekeeping;
use listeners::Listeners;
use transports::{Happened, Transports};

/// The bell of [`crate::mailbox::RouterMailbox`].
pub const WAKER: Token = Token(0);

const KIND_SHIFT: u32 = 56;
const EDGE_EVENTS: u64 = 1;
const HOST_EVENTS: u64 = 2;
const LISTENER: u64 = 3;
const TRANSPORT: u64 = 4;

/// How many things that happened to connections are handled in one turn, before the poll is asked again.
const HAPPENED_PER_TURN: usize = 256;

/// How many events of one host interface are read in one turn: a customer's router can cause as many as it likes.
const EVENTS_PER_TURN: usize = 256;

/// The state of the router's thread.
pub struct RouterDriver {
    name: EdgeId,
    boot_id: String,
    poll: Poll,
    inbox: Receiver<Command>,
    bfd: BfdMailbox,
    board: Arc<StatusBoard>,
    router: Router,
    dataplane: Box<dyn Dataplane>,
    space: EdgeSpace,
    hosts: Hosts,
    listeners: Listeners,
    transports: Transports,
    bfd_sockets: BfdSockets,
    happened: VecDeque<Happened>,
    config: Option<Arc<EdgeConfig>>,
    observed_generation: u64,
    problems: BTreeMap<&'static str, Vec<Problem>>,
    /// What the data plane was last told.
    told: Vec<HostAttachment>,
    told_ports: Vec<Port>,
    /// Host interfaces with more events than were read in one turn.
    unread_hosts: BTreeSet<AttachmentId>,
    carriers: BTreeMap<PortName, bool>,
    group_hops: BTreeMap<GroupId, BTreeSet<NextHop>>,
    housekeeping: Housekeeping,
    routes: Vec<RouteStatus>,
    routes_until: Moment,
    has_news: bool,
}

/// What a driver is made of.
pub struct Parts {
    /// The edge.
    pub name: EdgeId,
    /// A new one for each process.
    pub boot_id: String,
    /// What the names of the attachments' namespaces begin with.
    pub namespace_prefix: String,
    /// A poll with a waker at [`WAKER`].
    pub poll: Poll,
    /// Where that waker's mailbox ends.
    pub inbox: Receiver<Command>,
    /// BFD's thread.
    pub bfd: BfdMailbox,
    /// Where status goes.
    pub board: Arc<StatusBoard>,
    /// The router.
    pub router: Router,
    /// What forwards.
    pub dataplane: Box<dyn Dataplane>,
    /// Figures are put up this often, without news.
    pub publish_every: Duration,
}

impl RouterDriver {
    /// A driver on the calling thread, which is in the edge's namespace.
    pub fn new(parts: Parts) -> anyhow::Result<RouterDriver> {
        let space = EdgeSpace::open()?;
        let fd = space.events.as_raw_fd();
        parts.poll.registry().register(&mut SourceFd(&fd), token(EDGE_EVENTS, 0), Interest::READABLE)?;
        let hosts = Hosts::open(&parts.name.0, &parts.namespace_prefix)?;
        Ok(RouterDriver {
            name: parts.name,
            boot_id: parts.boot_id,
            poll: parts.poll,
            inbox: parts.inbox,
            bfd: parts.bfd,
            board: parts.board,
            router: parts.router,
            dataplane: parts.dataplane,
            space,
            hosts,
            listeners: Listeners::default(),
            transports: Transports::new(),
            bfd_sockets: BfdSockets::default(),
            happened: VecDeque::new(),
            config: None,
            observed_generation: 0,
            problems: BTreeMap::new(),
            told: vec![],
            told_ports: vec![],
            unread_hosts: BTreeSet::new(),
            carriers: BTreeMap::new(),
            group_hops: BTreeMap::new(),
            housekeeping: Housekeeping::new(parts.publish_every),
            routes: vec![],
            routes_until: Moment::ZERO,
            has_news: true,
        })
    }

    /// Runs until it is told to stop. Forwarding stays as it is when it returns.
    pub fn run(mut self) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, self.sleep(clock::now())) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result.context("cannot poll")?,
            }
            let now = clock::now();
            if self.turn(now, &events).is_break() {
                return Ok(());
            }
        }
    }

    /// How long to sleep if nothing happens.
    fn sleep(&self, now: Moment) -> Option<Duration> {
        if self.transports.has_readable() || !self.happened.is_empty() || !self.unread_hosts.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = [self.router.poll_timeout(), self.housekeeping.next(self.has_news)].into_iter().flatten().min();
        next.map(|moment| moment.since(now))
    }

    fn turn(&mut self, now: Moment, events: &Events) -> std::ops::ControlFlow<()> {
        let is_of = |kind: u64| move |event: &&Readiness| split(event.token()).0 == kind;
        if events.iter().any(|event| is_of(EDGE_EVENTS)(&event)) {
            self.take_edge_events(now);
        }
        self.take_commands(now)?;
        let mut hosts = std::mem::take(&mut self.unread_hosts);
        hosts.extend(events.iter().filter(is_of(HOST_EVENTS)).map(|e| AttachmentId(split(e.token()).1 as u32)));
        for id in hosts {
            self.take_host_events(id);
        }
        for event in events.iter().filter(is_of(LISTENER)) {
            self.accept(now, split(event.token()).1);
        }
        for event in events.iter().filter(is_of(TRANSPORT)) {
            let is_readable = event.is_readable() || event.is_read_closed() || event.is_error();
            let id = TransportId(split(event.token()).1);
            self.happened.extend(self.transports.ready(id, is_readable, event.is_writable() || event.is_error()));
        }
        self.settle(now);
        for _ in 0..self.transports.readable_count() {
            let router = &mut self.router;
            let happened = self
                .transports
                .read_next(|transport, bytes| router.handle_input(now, Input::Bytes { transport, bytes }));
            self.happened.extend(happened);
            self.drain(now);
        }
        self.settle(now);
        if self.router.poll_timeout().is_some_and(|moment| moment <= now) {
            self.router.handle_timeout(now);
            self.drain(now);
            self.settle(now);
        }
        self.keep_house(now);
        std::ops::ControlFlow::Continue(())
    }

    /// Gives the router what happened to connections, each with its outputs drained.
    fn settle(&mut self, now: Moment) {
        for _ in 0..HAPPENED_PER_TURN {
            let Some(happened) = self.happened.pop_front() else { return };
            self.router.handle_input(
                now,
                match happened {
                    Happened::Connected(transport) => Input::Connected(transport),
                    Happened::Closed(transport, reason) => Input::Closed { transport, reason },
                    Happened::Queued(transport, bytes) => Input::Queued { transport, bytes },
                },
            );
            self.drain(now);
        }
    }

    fn take_edge_events(&mut self, now: Moment) {
        let news = self.space.take_events();
        for (port, is_up) in news.carriers {
            self.tell_carrier(now, port, is_up);
        }
        if news.has_other_links || news.has_underlay_news && self.lacks_port() {
            self.configure_dataplane();
        } else if news.has_underlay_news {
            self.update_underlay();
        }
    }

    /// Tells the router of a port's carrier, if the configuration names the port and it is not known already.
    fn tell_carrier(&mut self, now: Moment, port: PortName, is_up: bool) {
        let Some(known) = self.carriers.get_mut(&port) else { return };
        if *known == is_up {
            return;
        }
        *known = is_up;
        self.has_news = true;
        self.router.handle_input(now, Input::Link { port: port.clone(), is_up });
        self.drain(now);
        tracing::info!(%port, "{}", if is_up { "carrier is there" } else { "carrier is gone" });
    }

    fn take_commands(&mut self, now: Moment) -> std::ops::ControlFlow<()> {
        let (mut notices, mut others) = (vec![], vec![]);
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::Bfd(notice) => notices.push(notice),
                other => others.push(other),
            }
        }
        for notice in notices {
            self.has_news = true;
            self.router.handle_input(now, Input::Bfd(notice));
            self.drain(now);
        }
        for command in others {
            match command {
                Command::Config(config) => self.apply(now, config),
                Command::Stop => return std::ops::ControlFlow::Break(()),
                Command::Bfd(_) => {}
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn take_host_events(&mut self, id: AttachmentId) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let mut changed = BTreeMap::new();
        let (events, has_more) = host.events.take(EVENTS_PER_TURN);
        if has_more {
            self.unread_hosts.insert(id);
        }
        for event in events {
            match event {
                KernelEvent::Neighbor(neighbor) if host.is_of_use(&neighbor) => {
                    let before = host.neighbors.insert(neighbor.address, neighbor);
                    if before.and_then(|before| before.mac) != neighbor.mac {
                        changed.insert(neighbor.address, neighbor.mac);
                    }
                    // The kernel forgets what failed long ago, and so do we.
                    if neighbor.mac.is_none() {
                        host.neighbors.remove(&neighbor.address);
                    }
                }
                KernelEvent::Lost => {
                    let Ok(all) = host.netlink.neighbors() else { continue };
                    let before = std::mem::take(&mut host.neighbors);
                    host.take_all(all);
                    let now = &host.neighbors;
                    changed.extend(before.keys().filter(|a| !now.contains_key(a)).map(|a| (*a, None)));
                    changed.extend(now.iter().map(|(address, neighbor)| (*address, neighbor.mac)));
                }
                _ => {}
            }
        }
        for (address, mac) in changed {
            self.has_news = true;
            self.tell_neighbor(id, address, mac);
        }
    }

    fn accept(&mut self, now: Moment, number: u64) {
        for (peer, stream) in self.listeners.accept(number) {
            if self.transports.are_too_many(peer.attachment) {
                continue;
            }
            let id = self.transports.next_accepted();
            let registry = self.poll.registry();
            let token = token(TRANSPORT, id.0);
            match self.transports.add_accepted(registry, token, id, peer.attachment, stream) {
                Ok(()) => {
                    self.router.handle_input(now, Input::Accepted { transport: id, peer });
                    self.drain(now);
                }
                Err(error) => tracing::warn!(%peer, "cannot take a connection: {error}"),
            }
        }
    }
}

fn token(kind: u64, number: u64) -> Token {
    Token(((kind << KIND_SHIFT) | number) as usize)
}

fn split(token: Token) -> (u64, u64) {
    let token = token.0 as u64;
    (token >> KIND_SHIFT, token & ((1 << KIND_SHIFT) - 1))
}

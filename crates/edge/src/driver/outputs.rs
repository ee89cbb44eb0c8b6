//! What the router wants done, done.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::Context;
use causeway_edge_types::{AttachmentId, Moment, PeerId, Problem, Secret};
use causeway_router::{BfdInput, Event, FibChange, NextHop, Output, TransportId};

use super::transports::Happened;
use super::{RouterDriver, TRANSPORT, token};
use crate::bfd_driver::BfdCommand;
use crate::netlink::is_link_local;
use crate::sockets;

/// Consecutive changes of forwarding go to the data plane together, up to this many.
const FIB_BATCH: usize = 4096;

impl RouterDriver {
    /// Carries out every output that is waiting, in order.
    pub(super) fn drain(&mut self, now: Moment) {
        let mut batch = Vec::new();
        while let Some(output) = self.router.poll_output() {
            if let Output::Fib(change) = output {
                batch.push(change);
                if batch.len() >= FIB_BATCH {
                    self.forward(&mut batch);
                }
                continue;
            }
            // Peers are told of a route only after it is there.
            self.forward(&mut batch);
            match output {
                Output::Fib(_) => {}
                Output::Connect { transport, peer, local } => self.connect(transport, peer, local),
                Output::Send { transport, bytes } => self.happened.extend(self.transports.send(transport, &bytes)),
                Output::Close(transport) => self.transports.close(transport, now),
                Output::Bfd(BfdInput::Sessions(sessions)) => {
                    self.bfd_sockets.set_sessions(sessions);
                    self.update_bfd_sockets();
                }
                Output::Bfd(input) => self.bfd.send(BfdCommand::Input(input)),
            }
        }
        self.forward(&mut batch);
        while let Some(event) = self.router.poll_event() {
            self.has_news = true;
            self.log(event);
        }
    }

    fn forward(&mut self, batch: &mut Vec<FibChange>) {
        if batch.is_empty() {
            return;
        }
        self.has_news = true;
        if let Err(error) = self.dataplane.apply(batch) {
            tracing::error!("forwarding is not as it should be: {error:#}");
            let problem = Problem::new("Dataplane", "forwarding", format!("{error:#}"));
            self.problems.insert("forwarding", vec![problem]);
        }
        for change in batch.drain(..) {
            match change {
                FibChange::Group { group, buckets } => {
                    let hops: BTreeSet<NextHop> = buckets.into_iter().collect();
                    for hop in &hops {
                        self.resolve(*hop);
                    }
                    self.group_hops.insert(group, hops);
                }
                FibChange::GroupRemoved(group) => drop(self.group_hops.remove(&group)),
                _ => {}
            }
        }
    }

    /// Makes the kernel ask for a next hop's MAC address if it is not known.
    pub(super) fn resolve(&mut self, hop: NextHop) {
        if let Some(host) = self.hosts.get_mut(hop.attachment)
            && host.neighbors.get(&hop.address).is_none_or(|neighbor| neighbor.mac.is_none())
        {
            // If it cannot be asked now, housekeeping asks again.
            let _ = host.netlink.probe_neighbor(host.host_index, hop.address);
        }
    }

    pub(super) fn tell_neighbor(&mut self, attachment: AttachmentId, address: IpAddr, mac: Option<[u8; 6]>) {
        // Nothing is ever forwarded to a link-local address.
        if is_link_local(address) {
            return;
        }
        if let Err(error) = self.dataplane.set_neighbor(attachment, address, mac) {
            tracing::error!(%attachment, %address, "cannot set a neighbour: {error:#}");
        }
    }

    pub(super) fn update_underlay(&mut self) {
        let Some(config) = self.config.clone() else { return };
        match self.space.underlay_changes(&config) {
            Ok(changes) => {
                for (remote, hop) in changes {
                    tracing::info!(%remote, "{}", if hop.is_some() { "tunnel end is reached" } else { "tunnel end is not reached" });
                    if let Err(error) = self.dataplane.set_underlay(remote, hop) {
                        tracing::error!(%remote, "cannot set the underlay: {error:#}");
                    }
                }
            }
            Err(error) => tracing::error!("{error:#}"),
        }
    }

    fn connect(&mut self, transport: TransportId, peer: PeerId, local: IpAddr) {
        if let Err(error) = self.begin_connection(transport, peer, local) {
            self.happened.push_back(Happened::Closed(transport, format!("{error:#}")));
        }
    }

    fn begin_connection(&mut self, transport: TransportId, peer: PeerId, local: IpAddr) -> anyhow::Result<()> {
        let host = self.hosts.get(peer.attachment).context("the attachment has no host interface")?;
        let key = self.md5_key(peer);
        let stream = host.namespace.within(|| Ok(sockets::connect(local, peer.address, key.as_ref())?))?;
        let token = token(TRANSPORT, transport.0);
        self.transports.add_connecting(self.poll.registry(), token, transport, peer.attachment, stream)?;
        Ok(())
    }

    fn md5_key(&self, peer: PeerId) -> Option<Secret> {
        let mut peers = self.config.iter().flat_map(|config| &config.vrfs).flat_map(|vrf| &vrf.peers);
        peers.find(|config| config.id == peer).and_then(|config| config.md5_key.clone())
    }

    pub(super) fn update_bfd_sockets(&mut self) {
        let (command, problems) = self.bfd_sockets.update(&self.hosts);
        self.bfd.send(command);
        self.set_problems("bfd", problems);
    }

    pub(super) fn set_problems(&mut self, about: &'static str, problems: Vec<Problem>) {
        let before = self.problems.insert(about, problems.clone()).unwrap_or_default();
        if before != problems {
            self.has_news = true;
            for problem in problems.iter().filter(|problem| !before.contains(problem)) {
                tracing::warn!("{problem}");
            }
        }
    }

    fn log(&mut self, event: Event) {
        match event {
            Event::SessionUp { peer, hold_time_s } => tracing::info!(%peer, hold_time_s, "session is up"),
            Event::SessionDown { peer, reason } => tracing::warn!(%peer, "session is down: {reason}"),
            Event::Note { peer, text } => tracing::info!(%peer, "{text}"),
            Event::Configured { generation } => {
                tracing::info!(generation, "configuration is applied");
                self.observed_generation = generation;
            }
        }
    }
}

//! Applies a configuration, make before break:
//!
//! 1. Host interfaces that are new or changed are made.
//! 2. The data plane is told of them, beside those that are about to go.
//! 3. Listeners, keys, then the router: it says farewell to peers that are gone and takes their routes out, while their
//!    attachments still forward.
//! 4. The data plane is told of those that stay only, and the others' host interfaces are removed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use causeway_edge_types::{AttachmentId, EdgeConfig, Encapsulation, Moment, Problem};
use causeway_router::Input;
use mio::Interest;
use mio::unix::SourceFd;

use super::{HOST_EVENTS, LISTENER, RouterDriver, token};
use crate::dataplane::HostAttachment;
use crate::ports;

impl RouterDriver {
    /// Applies a configuration that has passed the gate.
    pub(super) fn apply(&mut self, now: Moment, config: Arc<EdgeConfig>) {
        self.config = Some(config.clone());
        self.has_news = true;
        self.problems.remove("forwarding");

        self.bring_up_hosts(&config);
        self.tell_dataplane(&config, true);
        self.update_underlay();

        self.update_listeners(&config);

        // A port without carrier is known before a session over it is begun.
        let named = ports::named_ports(&config);
        self.carriers.retain(|port, _| named.contains(port));
        for port in named {
            let is_up = self.space.is_up(&port);
            self.carriers.insert(port.clone(), is_up);
            self.router.handle_input(now, Input::Link { port, is_up });
            self.drain(now);
        }
        self.router.handle_input(now, Input::Config(config.clone()));
        self.drain(now);

        self.tell_dataplane(&config, false);
        let problems = self.hosts.remove_others(&config.attachments);
        self.set_problems("removal", problems);
        if self.bfd_sockets.is_incomplete() {
            self.update_bfd_sockets();
        }
    }

    pub(super) fn update_listeners(&mut self, config: &EdgeConfig) {
        let (registry, hosts) = (self.poll.registry(), &self.hosts);
        let problems = self.listeners.update(registry, |number| token(LISTENER, number), config, hosts);
        self.set_problems("listeners", problems);
    }

    /// Makes the host interfaces; those that are new are watched, and what hung on an old one is let go.
    pub(super) fn bring_up_hosts(&mut self, config: &EdgeConfig) {
        let before: Vec<_> = self
            .hosts
            .iter()
            .map(|host| {
                let neighbors: Vec<IpAddr> = host.neighbors.keys().copied().collect();
                (host.attachment.id, host.namespace.identity().ok(), neighbors)
            })
            .collect();
        let problems = self.hosts.bring_up(&config.attachments);
        self.set_problems("host interfaces", problems);
        for (id, identity, neighbors) in before {
            let is_same = self.hosts.get(id).is_some_and(|host| host.namespace.identity().ok() == identity);
            if !is_same {
                self.listeners.forget(id);
                self.bfd_sockets.forget(id);
                self.happened.extend(self.transports.abandon(id));
                for address in neighbors {
                    self.tell_neighbor(id, address, None);
                }
            }
        }
        let mut unwatched = vec![];
        for host in self.hosts.iter_mut().filter(|host| !host.is_watched) {
            let fd = host.events.as_raw_fd();
            let token = token(HOST_EVENTS, u64::from(host.attachment.id.0));
            match self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE) {
                Ok(()) => host.is_watched = true,
                Err(error) => unwatched.push((host.attachment.id, error)),
            }
        }
        let problems = unwatched.into_iter().map(|(id, error)| {
            Problem::new("HostInterface", format!("attachment {id}"), format!("cannot watch its neighbours: {error}"))
        });
        self.set_problems("watches", problems.collect());
    }

    /// Tells the data plane again what it is made of, since links came or went.
    pub(super) fn configure_dataplane(&mut self) {
        if let Some(config) = self.config.clone() {
            self.tell_dataplane(&config, false);
            self.update_underlay();
        }
    }

    /// Whether there is a port now that the data plane should drive and does not know: the tunnel end point's address, or
    /// a route to a far end, has come to an interface that was no fabric port before.
    pub(super) fn lacks_port(&mut self) -> bool {
        let Some(config) = self.config.clone() else { return false };
        let wanted = self.space.ports_to_drive(&config).unwrap_or_default();
        wanted.iter().any(|port| !self.told_ports.contains(port))
    }

    /// Tells the data plane its ports, attachments and cross-connects; with `keep_leaving` also the attachments that
    /// are configured no more, as far as nobody else has taken their place.
    fn tell_dataplane(&mut self, config: &EdgeConfig, keep_leaving: bool) {
        let ports = match self.space.ports(config) {
            Ok(ports) => ports,
            Err(error) => {
                let problem = Problem::new("Dataplane", "ports", format!("{error:#}"));
                return self.set_problems("ports", vec![problem]);
            }
        };
        self.set_problems("ports", vec![]);
        let has_port = |attachment: &HostAttachment| match &attachment.attachment.encapsulation {
            Encapsulation::Port { port, .. } => ports.iter().any(|there| there.name == *port),
            Encapsulation::Vxlan { .. } => true,
        };
        let wanted: BTreeSet<AttachmentId> = config.attachments.iter().map(|attachment| attachment.id).collect();
        let staying = self.hosts.iter().filter(|host| wanted.contains(&host.attachment.id));
        let mut attachments: Vec<HostAttachment> = staying.map(|host| host.for_dataplane()).filter(has_port).collect();
        if keep_leaving {
            let taken: BTreeSet<_> = attachments.iter().map(|there| ports::place(&there.attachment)).collect();
            let leaving = self.told.iter().filter(|there| {
                !wanted.contains(&there.attachment.id)
                    && !taken.contains(&ports::place(&there.attachment))
                    && has_port(there)
            });
            let leaving: Vec<HostAttachment> = leaving.cloned().collect();
            attachments.extend(leaving);
        }
        let has_both = |cross: &&causeway_edge_types::CrossConnect| {
            [&cross.access, &cross.uplink].iter().all(|side| ports.iter().any(|port| port.name == side.port))
        };
        let crosses: Vec<_> = config.cross_connects.iter().filter(has_both).cloned().collect();
        let result = self.dataplane.configure(&ports, &attachments, &crosses);
        self.told_ports = ports;
        if let Err(error) = result {
            let problem = Problem::new("Dataplane", "ports and attachments", format!("{error:#}"));
            return self.set_problems("dataplane", vec![problem]);
        }
        self.set_problems("dataplane", vec![]);
        // What is new to the data plane hears of its neighbours.
        let new: Vec<AttachmentId> =
            attachments.iter().filter(|now| !self.told.contains(now)).map(|now| now.attachment.id).collect();
        self.told = attachments;
        for id in new {
            let known: Vec<_> = self.hosts.get(id).map_or(vec![], |host| host.neighbors.values().copied().collect());
            for neighbor in known {
                self.tell_neighbor(id, neighbor.address, neighbor.mac);
            }
        }
    }
}

//! The edge's own namespace: its ports, and the underlay that tunnels run over.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context;
use causeway_edge_types::{EdgeConfig, PortName};

use crate::attachments::edge_end_number;
use crate::dataplane::{Port, UnderlayHop};
use crate::ethtool::Ethtool;
use crate::netlink::{KernelEvent, KernelEvents, Link, Neighbor, Netlink, RouteLookup, Topic};
use crate::ports;

/// What is known of the edge's namespace.
#[derive(Debug)]
pub struct EdgeSpace {
    /// Changes there.
    pub events: KernelEvents,
    netlink: Netlink,
    ethtool: Ethtool,
    links: BTreeMap<u32, Link>,
    neighbors: BTreeMap<(u32, IpAddr), Neighbor>,
    hops: BTreeMap<IpAddr, Option<UnderlayHop>>,
}

/// What a turn's events amount to.
#[derive(Debug, Default)]
pub struct SpaceNews {
    /// Ports whose carrier came or went, by name, with how it is now.
    pub carriers: Vec<(PortName, bool)>,
    /// Links came or went: the data plane's ports are to be looked up again.
    pub has_other_links: bool,
    /// The underlay may have changed.
    pub has_underlay_news: bool,
}

impl EdgeSpace {
    /// Opens the calling thread's namespace.
    pub fn open() -> anyhow::Result<EdgeSpace> {
        // Subscribe before the snapshot, so that nothing falls between.
        let events = KernelEvents::open(&[Topic::Links, Topic::Neighbors, Topic::Routes])
            .context("cannot open a netlink socket")?;
        let netlink = Netlink::open().context("cannot open a netlink socket")?;
        let ethtool = Ethtool::open().context("cannot open an ethtool socket")?;
        let (links, neighbors, hops) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut space = EdgeSpace { events, netlink, ethtool, links, neighbors, hops };
        space.read_all()?;
        Ok(space)
    }

    fn read_all(&mut self) -> anyhow::Result<()> {
        let links = self.netlink.links().context("cannot list links")?;
        self.links = links.into_iter().map(|link| (link.index, link)).collect();
        let neighbors = self.netlink.neighbors().context("cannot list neighbours")?;
        self.neighbors = neighbors.into_iter().map(|n| ((n.index, n.address), n)).collect();
        Ok(())
    }

    /// Takes in what the kernel told.
    pub fn take_events(&mut self) -> SpaceNews {
        let mut news = SpaceNews::default();
        for event in self.events.drain() {
            match event {
                KernelEvent::Link(link) => self.take_link(link, &mut news),
                KernelEvent::LinkGone(link) => {
                    self.links.remove(&link.index);
                    news.has_other_links |= edge_end_number(&link.name).is_none();
                    news.carriers.push((PortName(link.name), false));
                }
                KernelEvent::Neighbor(neighbor) => {
                    let key = (neighbor.index, neighbor.address);
                    match neighbor.mac {
                        Some(_) => drop(self.neighbors.insert(key, neighbor)),
                        None => drop(self.neighbors.remove(&key)),
                    }
                    news.has_underlay_news = true;
                }
                KernelEvent::Routes => news.has_underlay_news = true,
                KernelEvent::Lost => {
                    let before = self.links.clone();
                    if let Err(error) = self.read_all() {
                        tracing::error!("{error:#}");
                    }
                    for link in before.values().filter(|link| !self.links.contains_key(&link.index)) {
                        news.carriers.push((PortName(link.name.clone()), false));
                    }
                    for link in self.links.values() {
                        news.carriers.push((PortName(link.name.clone()), link.is_up));
                    }
                    news.has_other_links = true;
                    news.has_underlay_news = true;
                }
            }
        }
        news
    }

    fn take_link(&mut self, link: Link, news: &mut SpaceNews) {
        let is_host_interface = edge_end_number(&link.name).is_some();
        let before = self.links.insert(link.index, link.clone());
        let is_same = before.as_ref().is_some_and(|before| before.name == link.name && before.mac == link.mac);
        let former = before.as_ref().filter(|before| before.name != link.name);
        news.carriers.extend(former.map(|before| (PortName(before.name.clone()), false)));
        if former.is_some() || before.as_ref().map(|before| before.is_up) != Some(link.is_up) {
            news.carriers.push((PortName(link.name.clone()), link.is_up));
            news.has_underlay_news = true;
        }
        // Our own host interfaces come and go with the configuration, which knows of it.
        news.has_other_links |= !is_same && !is_host_interface;
    }

    /// Whether a port exists and has carrier.
    pub fn is_up(&self, port: &PortName) -> bool {
        self.links.values().any(|link| link.name == port.0 && link.is_up)
    }

    /// The ports that the data plane should drive.
    pub fn ports_to_drive(&mut self, config: &EdgeConfig) -> anyhow::Result<Vec<Port>> {
        let addresses = self.netlink.addresses().context("cannot list addresses")?;
        let routes = self.routes(&ports::tunnel_remotes(config))?;
        Ok(ports::ports_to_drive(config, &self.links, &addresses, &routes))
    }

    /// The same, made fit for it.
    pub fn ports(&mut self, config: &EdgeConfig) -> anyhow::Result<Vec<Port>> {
        let ports = self.ports_to_drive(config)?;
        for port in &ports {
            self.ethtool.prepare_port(&port.name.0);
        }
        Ok(ports)
    }

    /// What has changed in how the tunnels' far ends are reached; asks the kernel to resolve what is not.
    pub fn underlay_changes(&mut self, config: &EdgeConfig) -> anyhow::Result<Vec<(IpAddr, Option<UnderlayHop>)>> {
        let remotes = ports::tunnel_remotes(config);
        let routes = self.routes(&remotes)?;
        let (hops, unresolved) = ports::underlay(&remotes, &routes, &self.links, &self.neighbors);
        for route in unresolved {
            // If it cannot be asked now, the next look asks again.
            let _ = self.netlink.probe_neighbor(route.index, route.neighbor);
        }
        let before = |remote: &IpAddr| self.hops.get(remote).copied().flatten();
        // What was never reached is not told as lost: the data plane may go on with what an earlier process knew.
        let changed = hops.iter().filter(|(remote, hop)| before(remote) != **hop).map(|(remote, hop)| (*remote, *hop));
        let gone = self.hops.iter().filter(|(remote, hop)| hop.is_some() && !hops.contains_key(remote));
        let changes = gone.map(|(remote, _)| (*remote, None)).chain(changed).collect();
        self.hops = hops;
        Ok(changes)
    }

    /// Whether every far end is reached.
    pub fn is_underlay_complete(&self) -> bool {
        self.hops.values().all(Option::is_some)
    }

    /// Asks again for underlay neighbours that the kernel has not heard of for a while: packets that the data plane
    /// forwards do not count as use there.
    pub fn refresh_neighbors(&mut self, config: &EdgeConfig) {
        let Ok(routes) = self.routes(&ports::tunnel_remotes(config)) else { return };
        for route in routes.values().collect::<BTreeSet<_>>() {
            let neighbor = self.neighbors.get(&(route.index, route.neighbor));
            if neighbor.is_some_and(|neighbor| neighbor.is_stale) {
                let _ = self.netlink.probe_neighbor(route.index, route.neighbor);
            }
        }
    }

    fn routes(&mut self, remotes: &BTreeSet<IpAddr>) -> anyhow::Result<BTreeMap<IpAddr, RouteLookup>> {
        let mut out = BTreeMap::new();
        for remote in remotes {
            let found = self.netlink.lookup(*remote).with_context(|| format!("cannot look up a route to {remote}"))?;
            out.extend(found.map(|route| (*remote, route)));
        }
        Ok(out)
    }
}

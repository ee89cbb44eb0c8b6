//! Carries out the plan for the host interfaces, and holds what they give: namespaces to make sockets in, and the
//! neighbours seen there. Thin: what to do was decided in `plan`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context;
use causeway_edge_types::{Attachment, AttachmentId, Problem};

use super::{Found, Step, plan};
use crate::dataplane::HostAttachment;
use crate::ethtool::Ethtool;
use crate::netlink::{KernelEvents, Link, Neighbor, Netlink, Topic, VethPair};
use crate::netns::{Namespace, list_named, remove_named};
use crate::sysctl;

/// The name of the kernel's end of every host interface, inside its namespace.
pub const HOST_END: &str = "host";

/// A host interface in use.
#[derive(Debug)]
pub struct Host {
    /// What it was made for.
    pub attachment: Attachment,
    /// Where its addresses and sockets are.
    pub namespace: Namespace,
    /// Index of the data plane's end, in the edge's namespace.
    pub edge_index: u32,
    /// Index of the kernel's end, in the attachment's.
    pub host_index: u32,
    /// MAC address of the kernel's end.
    pub mac: [u8; 6],
    /// Neighbours and their changes.
    pub events: KernelEvents,
    /// Requests in the attachment's namespace.
    pub netlink: Netlink,
    /// The neighbours as last told.
    pub neighbors: BTreeMap<IpAddr, Neighbor>,
    /// Whoever polls has taken up `events`.
    pub is_watched: bool,
}

impl Host {
    /// Whether it is a neighbour that packets may ever be forwarded to: on this link, in one of its subnets. The kernel
    /// takes up whatever a customer's router says of itself; those that can't matter must fill no table of ours.
    pub fn is_of_use(&self, neighbor: &Neighbor) -> bool {
        let subnets = self.attachment.addresses.iter().chain(&self.attachment.on_link);
        neighbor.index == self.host_index && subnets.into_iter().any(|subnet| subnet.contains(&neighbor.address))
    }

    /// These are all neighbours that the kernel knows.
    pub fn take_all(&mut self, all: Vec<Neighbor>) {
        let of_use = all.into_iter().filter(|neighbor| self.is_of_use(neighbor));
        self.neighbors = of_use.map(|neighbor| (neighbor.address, neighbor)).collect();
    }

    /// What the data plane is told of it.
    pub fn for_dataplane(&self) -> HostAttachment {
        HostAttachment { attachment: self.attachment.clone(), host_ifindex: self.edge_index, host_mac: self.mac }
    }
}

/// All host interfaces of one edge. It lives on a thread that is in the edge's namespace.
#[derive(Debug)]
pub struct Hosts {
    edge_name: String,
    prefix: String,
    netlink: Netlink,
    hosts: BTreeMap<AttachmentId, Host>,
}

impl Hosts {
    /// Opens the edge's namespace, which the calling thread is in. `prefix` begins the names of the attachments'
    /// namespaces: `<prefix>-a<ID>`.
    pub fn open(edge_name: &str, prefix: &str) -> anyhow::Result<Hosts> {
        let netlink = Netlink::open().context("cannot open a netlink socket")?;
        let (edge_name, prefix) = (edge_name.to_owned(), prefix.to_owned());
        Ok(Hosts { edge_name, prefix, netlink, hosts: BTreeMap::new() })
    }

    /// The host interface of an attachment, where there is one.
    pub fn get(&self, id: AttachmentId) -> Option<&Host> {
        self.hosts.get(&id)
    }

    /// The host interface of an attachment, where there is one.
    pub fn get_mut(&mut self, id: AttachmentId) -> Option<&mut Host> {
        self.hosts.get_mut(&id)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// All of them, in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Host> {
        self.hosts.values_mut()
    }

    /// Makes what is wanted so. What is there already is adopted and changed in place; one that fails does not keep
    /// the others from being made.
    pub fn bring_up(&mut self, wanted: &[Attachment]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let changed: Vec<Attachment> = wanted
            .iter()
            .filter(|attachment| self.hosts.get(&attachment.id).is_none_or(|host| host.attachment != **attachment))
            .cloned()
            .collect();
        let mut found = BTreeMap::new();
        for attachment in &changed {
            match self.inspect(attachment.id) {
                Ok(mut state) => {
                    // In another place or another VRF the neighbours are others, and what the kernel knows of the ones
                    // before must not be taken for theirs.
                    state.is_joined &= self.hosts.get(&attachment.id).is_none_or(|host| {
                        let before = &host.attachment;
                        before.encapsulation == attachment.encapsulation && before.vrf == attachment.vrf
                    });
                    found.insert(attachment.id, state);
                }
                Err(error) => problems.push(problem(attachment.id, &error)),
            }
        }
        let inspected: Vec<Attachment> = changed.into_iter().filter(|a| found.contains_key(&a.id)).collect();
        let steps = plan(&self.edge_name, &inspected, &found);
        for attachment in inspected {
            let steps = steps.get(&attachment.id).map_or(&[][..], Vec::as_slice);
            if let Err(error) = self.bring_up_one(&attachment, steps) {
                self.hosts.remove(&attachment.id);
                problems.push(problem(attachment.id, &error));
            }
        }
        problems
    }

    /// Removes every host interface that is not wanted, also those of an earlier process.
    pub fn remove_others(&mut self, wanted: &[Attachment]) -> Vec<Problem> {
        let kept: BTreeSet<AttachmentId> = wanted.iter().map(|attachment| attachment.id).collect();
        let there = match self.there() {
            Ok(there) => there,
            Err(error) => return vec![Problem::new("HostInterface", "host interfaces", format!("{error:#}"))],
        };
        let mut problems = Vec::new();
        for id in there.difference(&kept) {
            self.hosts.remove(id);
            let found = Found { has_edge_end: true, has_namespace: true, ..Found::default() };
            for step in plan(&self.edge_name, &[], &BTreeMap::from([(*id, found)])).remove(id).unwrap_or_default() {
                if let Err(error) = self.carry_out(*id, &step, None) {
                    problems.push(problem(*id, &error));
                }
            }
        }
        problems
    }

    /// The numbers of all attachments that have anything in the kernel.
    fn there(&mut self) -> anyhow::Result<BTreeSet<AttachmentId>> {
        let mut out: BTreeSet<AttachmentId> = self.hosts.keys().copied().collect();
        let start = format!("{}-a", self.prefix);
        out.extend(list_named()?.iter().filter_map(|name| number_after(name, &start)));
        let links = self.netlink.links().context("cannot list links")?;
        out.extend(links.iter().filter_map(|link| edge_end_number(&link.name)));
        Ok(out)
    }

    fn inspect(&mut self, id: AttachmentId) -> anyhow::Result<Found> {
        let edge_end = self.netlink.link(&edge_end(id)).context("cannot read a link")?;
        let mut found = Found { has_edge_end: edge_end.is_some(), ..Found::default() };
        let Some(namespace) = Namespace::open_named(&self.namespace_name(id))? else { return Ok(found) };
        found.has_namespace = true;
        let mut netlink = namespace.within(|| Ok(Netlink::open()?))?;
        let host_end = netlink.link(HOST_END).context("cannot read a link")?;
        if let (Some(edge_end), Some(host_end)) = (edge_end, host_end) {
            found.is_joined =
                edge_end.peer_index == Some(host_end.index) && host_end.peer_index == Some(edge_end.index);
            found.mtu = edge_end.mtu.min(host_end.mtu);
            found.mac = host_end.mac;
            found.addresses =
                netlink.addresses()?.into_iter().filter(|(at, _)| *at == host_end.index).map(|(_, net)| net).collect();
            found.on_link = netlink.on_link_routes(host_end.index)?;
        }
        Ok(found)
    }

    fn bring_up_one(&mut self, attachment: &Attachment, steps: &[Step]) -> anyhow::Result<()> {
        let id = attachment.id;
        // Adopted or new, settings and flags are as this version wants them.
        let is_new = steps.contains(&Step::Settle);
        if is_new {
            self.hosts.remove(&id);
        }
        let (before_pair, after_pair): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| is_structure(step));
        for step in before_pair {
            self.carry_out(id, step, None)?;
        }
        let name = self.namespace_name(id);
        let namespace = Namespace::open_named(&name)?.with_context(|| format!("namespace {name} is gone"))?;
        let entered = namespace.enter()?;
        if !is_new {
            sysctl::set_attachment_namespace()?;
        }
        let mut netlink = Netlink::open()?;
        Ethtool::open()?.prepare_host_end(HOST_END).context("cannot set the host interface's offloads")?;
        // Subscribe before the snapshot, so that nothing falls between.
        let events = KernelEvents::open(&[Topic::Neighbors])?;
        drop(entered);
        let host_end = netlink.link(HOST_END)?.context("the host interface is gone")?;
        let edge_end = self.netlink.link(&edge_end(id))?.context("the host interface is gone")?;
        self.netlink.set_up(edge_end.index, None)?;
        netlink.set_up(host_end.index, None)?;
        for step in after_pair {
            self.carry_out(id, step, Some((&mut netlink, &host_end, &edge_end)))
                .with_context(|| format!("at {step:?}"))?;
        }
        let found = netlink.neighbors()?;
        let mut host = Host {
            attachment: attachment.clone(),
            edge_index: edge_end.index,
            host_index: host_end.index,
            mac: host_end.mac,
            neighbors: BTreeMap::new(),
            namespace,
            events,
            netlink,
            is_watched: false,
        };
        host.take_all(found);
        self.hosts.insert(id, host);
        Ok(())
    }

    /// Carries out one step; `inside` is there once the pair is.
    fn carry_out(
        &mut self,
        id: AttachmentId,
        step: &Step,
        inside: Option<(&mut Netlink, &Link, &Link)>,
    ) -> anyhow::Result<()> {
        let name = self.namespace_name(id);
        match (step, inside) {
            (Step::DeleteEdgeEnd, _) => {
                if let Some(link) = self.netlink.link(&edge_end(id))? {
                    self.netlink.delete_link(link.index)?;
                }
            }
            (Step::DeleteNamespace, _) => remove_named(&name)?,
            (Step::CreateNamespace, _) => drop(Namespace::create_named(&name)?),
            (Step::Settle, _) => {
                let namespace = Namespace::open_named(&name)?.context("its namespace is gone")?;
                namespace.within(|| {
                    sysctl::set_attachment_namespace()?;
                    let mut netlink = Netlink::open()?;
                    if let Some(loopback) = netlink.link("lo")? {
                        netlink.set_up(loopback.index, None)?;
                    }
                    Ok(())
                })?;
            }
            (Step::CreatePair { mtu, mac }, _) => {
                let namespace = Namespace::open_named(&name)?.context("its namespace is gone")?;
                let pair = VethPair {
                    name: &edge_end(id),
                    peer_name: HOST_END,
                    peer_namespace: &namespace,
                    peer_mac: *mac,
                    mtu: *mtu,
                };
                self.netlink.create_veth(pair).context("cannot make a veth pair (CAP_NET_ADMIN)")?;
            }
            (Step::SetMtu(mtu), Some((netlink, host_end, edge_end))) => {
                self.netlink.set_mtu(edge_end.index, *mtu)?;
                netlink.set_mtu(host_end.index, *mtu)?;
            }
            (Step::RemoveOnLink(prefix), Some((netlink, host_end, _))) => {
                netlink.remove_on_link_route(host_end.index, *prefix)?;
            }
            (Step::RemoveAddress(address), Some((netlink, host_end, _))) => {
                netlink.remove_address(host_end.index, *address)?;
            }
            (Step::AddAddress(address), Some((netlink, host_end, _))) => {
                netlink.add_address(host_end.index, *address)?;
            }
            (Step::AddOnLink(prefix), Some((netlink, host_end, _))) => {
                netlink.add_on_link_route(host_end.index, *prefix)?;
            }
            (_, None) => anyhow::bail!("{step:?} needs the host interface, which is not there"),
        }
        Ok(())
    }

    fn namespace_name(&self, id: AttachmentId) -> String {
        format!("{}-a{id}", self.prefix)
    }
}

/// Steps that make or remove the interface itself.
fn is_structure(step: &Step) -> bool {
    matches!(
        step,
        Step::DeleteEdgeEnd | Step::DeleteNamespace | Step::CreateNamespace | Step::Settle | Step::CreatePair { .. }
    )
}

/// The name of the data plane's end.
pub fn edge_end(id: AttachmentId) -> String {
    format!("hx{id}")
}

/// The attachment whose data plane's end has this name, if it is such a name.
pub fn edge_end_number(name: &str) -> Option<AttachmentId> {
    number_after(name, "hx")
}

fn number_after(name: &str, start: &str) -> Option<AttachmentId> {
    let digits = name.strip_prefix(start)?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok().map(AttachmentId)).flatten()
}

fn problem(id: AttachmentId, error: &anyhow::Error) -> Problem {
    Problem::new("HostInterface", format!("attachment {id}"), format!("{error:#}"))
}

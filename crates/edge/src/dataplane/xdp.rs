//! The XDP data plane: what is asked for becomes entries of the program's tables and programs on interfaces.
//!
//! A configuration is applied make before break: tries and devices, then attachments, then the ways in (places, tunnels,
//! host interfaces), then programs on interfaces; what is gone goes in the opposite order. A part that fails is reported,
//! and the others are done all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use anyhow::{Context, Result, anyhow};
use causeway_edge_types::{
    AttachmentCounters, AttachmentId, CrossConnect, DropCount, EdgeId, Encapsulation, PortName, TaggedPort, VrfId,
};
use causeway_router::FibChange;
use ipnet::IpNet;
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use super::fib::Fib;
use super::layout::{
    ATTACHMENT_CROSS, ATTACHMENT_PORT, ATTACHMENT_VXLAN, AttachmentEntry, CountersEntry, Place, RouteEntry, Tunnel,
    address_bytes, bytes_of, drop_reasons,
};
use super::links::{Links, Role};
use super::program::{Loaded, Options};
use super::table::{Slots, Table, sum_cpus};
use super::tries::Tries;
use super::underlay::Underlay;
use super::{Dataplane, HostAttachment, Port, UnderlayHop};

/// The data plane of one edge, in the network namespace of the thread that opens and configures it.
pub struct XdpDataplane {
    loaded: Loaded,
    attachments: Slots<AttachmentEntry>,
    places: Table<Place, u32>,
    tunnels: Table<Tunnel, u32>,
    host_interfaces: Table<u32, u32>,
    fabric_ports: Table<u32, u32>,
    devices: Table<u32, u32>,
    underlay: Underlay,
    fib: Fib,
    links: Links,
    counters: MapHandle,
    drops: MapHandle,
    ports: BTreeMap<PortName, u32>,
}

/// How full the tables are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Attachments, and directions of cross-connects.
    pub attachments: usize,
    /// Next-hop groups.
    pub groups: usize,
    /// Next hops.
    pub next_hops: usize,
    /// Neighbours with a MAC address.
    pub neighbors: usize,
}

/// What a configuration comes to.
#[derive(Default)]
struct Wanted {
    attachments: BTreeMap<u32, AttachmentEntry>,
    places: BTreeMap<Place, u32>,
    tunnels: BTreeMap<Tunnel, u32>,
    host_interfaces: BTreeMap<u32, u32>,
    fabric_ports: BTreeSet<u32>,
    roles: BTreeMap<u32, Role>,
    local: BTreeMap<(VrfId, IpNet), AttachmentId>,
    vrf_of: BTreeMap<AttachmentId, VrfId>,
    errors: Vec<anyhow::Error>,
}

impl XdpDataplane {
    /// Loads the program, and takes over what an earlier process of this edge has left pinned; that goes on forwarding
    /// as it is until `configure` and `apply` say otherwise.
    pub fn open(edge: &EdgeId, options: &Options) -> Result<XdpDataplane> {
        let loaded = Loaded::load(edge, options)?;
        let attachments: Slots<AttachmentEntry> =
            Slots::load("attachments", loaded.table("attachments")?, loaded.is_adopted)?;
        let vrfs: BTreeSet<VrfId> =
            attachments.entries().values().filter(|entry| entry.vrf != 0).map(|entry| VrfId(entry.vrf)).collect();
        let fib = Fib::load(
            Tries::new(loaded.table("routes4")?, loaded.table("routes6")?, options.routes_per_vrf),
            Slots::load("groups", loaded.table("groups")?, loaded.is_adopted)?,
            Slots::load("next_hops", loaded.table("next_hops")?, loaded.is_adopted)?,
            Table::load("neighbors", loaded.table("neighbors")?)?,
            &vrfs,
        )?;
        Ok(XdpDataplane {
            attachments,
            places: Table::load("places", loaded.table("places")?)?,
            tunnels: Table::load("tunnels", loaded.table("tunnels")?)?,
            host_interfaces: Table::load("host_interfaces", loaded.table("host_interfaces")?)?,
            fabric_ports: Table::load("fabric_ports", loaded.table("fabric_ports")?)?,
            devices: Table::load("devices", loaded.table("devices")?)?,
            underlay: Underlay::load(Slots::load("underlay", loaded.table("underlay")?, loaded.is_adopted)?),
            fib,
            links: Links::adopt(&loaded.directory.join("links"))?,
            counters: loaded.table("counters")?,
            drops: loaded.table("drops")?,
            ports: BTreeMap::new(),
            loaded,
        })
    }

    /// Whether an earlier process' tables were taken over.
    pub fn is_adopted(&self) -> bool {
        self.loaded.is_adopted
    }

    /// Takes the programs off all interfaces and leaves the tables as they are; `configure` puts them back.
    pub fn detach_all(&mut self) -> Result<()> {
        let mut errors = Vec::new();
        let port = self.loaded.port_program()?;
        self.links.sync(&BTreeMap::new(), |_| super::program::descriptor(&port), &mut errors);
        all_of(errors)
    }

    /// Every route of a VRF, as the program has it.
    pub fn routes(&self, vrf: VrfId) -> Result<Vec<(IpNet, RouteEntry)>> {
        self.fib.routes(vrf)
    }

    /// How full the tables are.
    pub fn usage(&self) -> Usage {
        let (groups, next_hops, neighbors) = self.fib.usage();
        Usage { attachments: self.attachments.entries().len(), groups, next_hops, neighbors }
    }

    /// The loaded program, for tests and benches that run it by hand.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn grow(&mut self, wanted: &Wanted, errors: &mut Vec<anyhow::Error>) {
        let mut note = |result: Result<()>| errors.extend(result.err());
        note(self.fib.grow(&wanted.vrf_of, &wanted.local));
        for ifindex in wanted.roles.keys() {
            note(self.devices.ensure(*ifindex, *ifindex).with_context(|| format!("interface {ifindex}")));
        }
        for (id, entry) in &wanted.attachments {
            if !self.attachments.entries().contains_key(id) {
                note(clear_counters(&self.counters, *id));
            }
            let mut entry = *entry;
            if entry.kind == ATTACHMENT_VXLAN {
                match self.underlay.index(entry.remote) {
                    Ok(index) => entry.underlay = index,
                    Err(error) => note(Err(error)),
                }
            }
            note(self.attachments.put(*id, entry));
        }
        wanted.host_interfaces.iter().for_each(|(key, id)| note(self.host_interfaces.put(*key, *id)));
        wanted.places.iter().for_each(|(key, id)| note(self.places.put(*key, *id)));
        wanted.tunnels.iter().for_each(|(key, id)| note(self.tunnels.put(*key, *id)));
        wanted.fabric_ports.iter().for_each(|ifindex| note(self.fabric_ports.put(*ifindex, 1)));
    }

    fn shrink(&mut self, wanted: &Wanted, errors: &mut Vec<anyhow::Error>) {
        let mut note = |result: Result<()>| errors.extend(result.err());
        note(self.fabric_ports.retain(|key| wanted.fabric_ports.contains(key)));
        note(self.tunnels.retain(|key| wanted.tunnels.contains_key(key)));
        note(self.places.retain(|key| wanted.places.contains_key(key)));
        note(self.host_interfaces.retain(|key| wanted.host_interfaces.contains_key(key)));
        let gone: Vec<u32> =
            self.attachments.entries().keys().filter(|id| !wanted.attachments.contains_key(id)).copied().collect();
        gone.into_iter().for_each(|id| note(self.attachments.clear(id)));
        note(self.fib.shrink(&wanted.local));
        note(self.devices.retain(|ifindex| wanted.roles.contains_key(ifindex)));
        let remotes: BTreeSet<[u8; 16]> = wanted.tunnels.keys().map(|tunnel| tunnel.remote).collect();
        note(self.underlay.retain(&remotes));
    }
}

impl Dataplane for XdpDataplane {
    fn configure(
        &mut self,
        ports: &[Port],
        attachments: &[HostAttachment],
        cross_connects: &[CrossConnect],
    ) -> anyhow::Result<()> {
        let mut wanted = Wanted::new(ports, attachments, cross_connects);
        let mut errors = std::mem::take(&mut wanted.errors);
        self.ports = ports.iter().map(|port| (port.name.clone(), port.ifindex)).collect();
        self.grow(&wanted, &mut errors);
        let (port, host) = (self.loaded.port_program()?, self.loaded.host_program()?);
        let program = |role: Role| -> BorrowedFd<'_> {
            match role {
                Role::Port => super::program::descriptor(&port),
                Role::Host => super::program::descriptor(&host),
            }
        };
        self.links.sync(&wanted.roles, program, &mut errors);
        self.shrink(&wanted, &mut errors);
        all_of(errors)
    }

    fn apply(&mut self, changes: &[FibChange]) -> anyhow::Result<()> {
        all_of(changes.iter().filter_map(|change| self.fib.apply(change).err()).collect())
    }

    fn set_neighbor(&mut self, attachment: AttachmentId, address: IpAddr, mac: Option<[u8; 6]>) -> anyhow::Result<()> {
        self.fib.set_neighbor(attachment, address, mac)
    }

    fn set_underlay(&mut self, remote: IpAddr, hop: Option<UnderlayHop>) -> anyhow::Result<()> {
        self.underlay.set(address_bytes(remote), hop)
    }

    fn counters(&self) -> anyhow::Result<(Vec<AttachmentCounters>, Vec<DropCount>)> {
        let mut counters = Vec::new();
        for id in self.attachments.entries().keys() {
            let sum: CountersEntry = sum_cpus(&self.counters, *id, |sum: &mut CountersEntry, one: CountersEntry| {
                sum.packets_in += one.packets_in;
                sum.bytes_in += one.bytes_in;
                sum.packets_out += one.packets_out;
                sum.bytes_out += one.bytes_out;
                sum.packets_to_host += one.packets_to_host;
                sum.packets_from_host += one.packets_from_host;
            })?;
            counters.push(AttachmentCounters {
                attachment: AttachmentId(*id),
                packets_in: sum.packets_in,
                bytes_in: sum.bytes_in,
                packets_out: sum.packets_out,
                bytes_out: sum.bytes_out,
                packets_to_host: sum.packets_to_host,
            });
        }
        let mut drops = Vec::new();
        for (index, reason) in (0..).zip(drop_reasons()) {
            let packets: u64 = sum_cpus(&self.drops, index, |sum: &mut u64, one: u64| *sum += one)?;
            drops.push(DropCount { reason: reason.to_owned(), packets });
        }
        Ok((counters, drops))
    }

    fn port_mode(&self, port: &PortName) -> String {
        let mode = self.ports.get(port).and_then(|ifindex| self.links.mode(*ifindex));
        mode.map_or("none", |mode| mode.word()).to_owned()
    }
}

impl Wanted {
    fn new(ports: &[Port], attachments: &[HostAttachment], cross_connects: &[CrossConnect]) -> Wanted {
        let mut wanted = Wanted::default();
        let by_name: BTreeMap<&PortName, &Port> = ports.iter().map(|port| (&port.name, port)).collect();
        for port in ports {
            wanted.roles.insert(port.ifindex, Role::Port);
            if port.is_fabric {
                wanted.fabric_ports.insert(port.ifindex);
            }
        }
        for attachment in attachments {
            wanted.add_attachment(attachment, &by_name);
        }
        for cross in cross_connects {
            wanted.add_direction(cross.id, &cross.access, &cross.uplink, &by_name);
            wanted.add_direction(cross.reverse_id, &cross.uplink, &cross.access, &by_name);
        }
        wanted
    }

    fn add_attachment(&mut self, host: &HostAttachment, ports: &BTreeMap<&PortName, &Port>) {
        let attachment = &host.attachment;
        let id = attachment.id.0;
        let mut entry = AttachmentEntry {
            vrf: attachment.vrf.0,
            mtu: attachment.mtu,
            host_ifindex: host.host_ifindex,
            host_mac: host.host_mac,
            ..AttachmentEntry::default()
        };
        match &attachment.encapsulation {
            Encapsulation::Port { port, tags } => {
                let Some(port) = ports.get(port) else {
                    self.errors.push(anyhow!("attachment {id} is on port {port}, which is not there"));
                    return;
                };
                entry.kind = ATTACHMENT_PORT;
                entry.port_ifindex = port.ifindex;
                entry.s_tag = tags.s_tag.unwrap_or(0);
                entry.c_tag = tags.c_tag.unwrap_or(0);
                self.places.insert(Place::new(port.ifindex, tags), id);
            }
            Encapsulation::Vxlan { vni, local, remote } => {
                entry.kind = ATTACHMENT_VXLAN;
                entry.vni = vni.0;
                entry.local = address_bytes(*local);
                entry.remote = address_bytes(*remote);
                self.tunnels.insert(Tunnel { vni: vni.0, remote: entry.remote }, id);
            }
        }
        for own in &attachment.addresses {
            self.local.insert((attachment.vrf, IpNet::from(own.addr())), attachment.id);
        }
        self.vrf_of.insert(attachment.id, attachment.vrf);
        self.host_interfaces.insert(host.host_ifindex, id);
        self.roles.insert(host.host_ifindex, Role::Host);
        self.attachments.insert(id, entry);
    }

    fn add_direction(
        &mut self,
        id: AttachmentId,
        from: &TaggedPort,
        to: &TaggedPort,
        ports: &BTreeMap<&PortName, &Port>,
    ) {
        let (Some(from_port), Some(to_port)) = (ports.get(&from.port), ports.get(&to.port)) else {
            let missing = if ports.contains_key(&from.port) { &to.port } else { &from.port };
            self.errors.push(anyhow!("cross-connect {id} is on port {missing}, which is not there"));
            return;
        };
        let entry = AttachmentEntry {
            kind: ATTACHMENT_CROSS,
            port_ifindex: to_port.ifindex,
            host_ifindex: from_port.ifindex,
            vni: u32::from(from.tags.s_tag.unwrap_or(0)) << 16 | u32::from(from.tags.c_tag.unwrap_or(0)),
            s_tag: to.tags.s_tag.unwrap_or(0),
            c_tag: to.tags.c_tag.unwrap_or(0),
            ..AttachmentEntry::default()
        };
        self.places.insert(Place::new(from_port.ifindex, &from.tags), id.0);
        self.attachments.insert(id.0, entry);
    }
}

/// An attachment that takes another's former number begins at zero.
fn clear_counters(counters: &MapHandle, id: u32) -> Result<()> {
    let zero = bytes_of(&CountersEntry::default()).to_vec();
    let cpus = libbpf_rs::num_possible_cpus().context("counting CPUs")?;
    counters.update_percpu(bytes_of(&id), &vec![zero; cpus], MapFlags::ANY).context("clearing counters")
}

fn all_of(errors: Vec<anyhow::Error>) -> Result<()> {
    if errors.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = errors.iter().map(|error| format!("{error:#}")).collect();
    Err(anyhow!("{}", words.join("; ")))
}

//! Each VRF's two longest-prefix tries, and the two tables that lead to them by the VRF's number.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, anyhow};
use causeway_edge_types::{Family, VrfId};
use ipnet::IpNet;
use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle, MapType};

use super::layout::{RouteEntry, bytes_of, from_bytes};

/// The tries of all VRFs.
pub struct Tries {
    outer4: MapHandle,
    outer6: MapHandle,
    routes_per_vrf: u32,
    tries: BTreeMap<(VrfId, Family), MapHandle>,
}

impl Tries {
    /// Takes the two tables; no VRF is known yet.
    pub fn new(outer4: MapHandle, outer6: MapHandle, routes_per_vrf: u32) -> Tries {
        Tries { outer4, outer6, routes_per_vrf, tries: BTreeMap::new() }
    }

    /// The VRFs that have tries.
    pub fn vrfs(&self) -> BTreeSet<VrfId> {
        self.tries.keys().map(|(vrf, _)| *vrf).collect()
    }

    /// Takes the tries that a VRF has already, with their routes.
    pub fn adopt(&mut self, vrf: VrfId) -> Result<Vec<(IpNet, RouteEntry)>> {
        for family in [Family::Ipv4, Family::Ipv6] {
            let outer = self.outer(family);
            let Some(id) = outer.lookup(bytes_of(&vrf.0), MapFlags::ANY).context("reading a VRF's trie")? else {
                continue;
            };
            let id: u32 = from_bytes(&id).ok_or_else(|| anyhow!("a trie's number is not a number"))?;
            let trie = MapHandle::from_map_id(id).context("opening a VRF's trie")?;
            self.tries.insert((vrf, family), trie);
        }
        self.routes(vrf)
    }

    /// Every route of a VRF.
    pub fn routes(&self, vrf: VrfId) -> Result<Vec<(IpNet, RouteEntry)>> {
        let mut routes = Vec::new();
        for family in [Family::Ipv4, Family::Ipv6] {
            let Some(trie) = self.tries.get(&(vrf, family)) else { continue };
            for key in trie.keys() {
                let entry = trie.lookup(&key, MapFlags::ANY).context("reading a VRF's trie")?;
                if let (Some(prefix), Some(entry)) = (prefix_of(&key), entry.as_deref().and_then(from_bytes)) {
                    routes.push((prefix, entry));
                }
            }
        }
        Ok(routes)
    }

    /// Makes the tries of a VRF that has none.
    pub fn ensure(&mut self, vrf: VrfId) -> Result<()> {
        for (family, key_size) in [(Family::Ipv4, 8), (Family::Ipv6, 20)] {
            if self.tries.contains_key(&(vrf, family)) {
                continue;
            }
            let options = libbpf_sys::bpf_map_create_opts {
                sz: size_of::<libbpf_sys::bpf_map_create_opts>() as _,
                map_flags: libbpf_sys::BPF_F_NO_PREALLOC,
                ..Default::default()
            };
            let value_size = size_of::<RouteEntry>() as u32;
            let limit = self.routes_per_vrf;
            let trie = MapHandle::create(MapType::LpmTrie, Some("vrf_trie"), key_size, value_size, limit, &options)
                .with_context(|| format!("making a trie for VRF {vrf}"))?;
            let descriptor = trie.as_fd().as_raw_fd();
            self.outer(family)
                .update(bytes_of(&vrf.0), &descriptor.to_ne_bytes(), MapFlags::ANY)
                .with_context(|| format!("adding VRF {vrf}"))?;
            self.tries.insert((vrf, family), trie);
        }
        Ok(())
    }

    /// Removes a VRF with all its routes.
    pub fn drop_vrf(&mut self, vrf: VrfId) -> Result<()> {
        for family in [Family::Ipv4, Family::Ipv6] {
            if self.tries.remove(&(vrf, family)).is_some() {
                self.outer(family).delete(bytes_of(&vrf.0)).with_context(|| format!("removing VRF {vrf}"))?;
            }
        }
        Ok(())
    }

    /// What is at exactly this prefix.
    pub fn get(&self, vrf: VrfId, prefix: &IpNet) -> Result<Option<RouteEntry>> {
        // A lookup finds the longest match; whether it is this very prefix is only seen by asking for the next key after
        // it, so the keys are compared. It is asked for addresses of ours alone, which are few.
        let Some(trie) = self.tries.get(&(vrf, Family::of_prefix(prefix))) else { return Ok(None) };
        let wanted = key_of(prefix);
        if !trie.keys().any(|key| key == wanted) {
            return Ok(None);
        }
        let entry = trie.lookup(&wanted, MapFlags::ANY).context("reading a VRF's trie")?;
        Ok(entry.as_deref().and_then(from_bytes))
    }

    /// Puts a route.
    pub fn put(&self, vrf: VrfId, prefix: &IpNet, entry: RouteEntry) -> Result<()> {
        let trie = self
            .tries
            .get(&(vrf, Family::of_prefix(prefix)))
            .ok_or_else(|| anyhow!("{prefix} is for VRF {vrf}, which is not configured"))?;
        trie.update(&key_of(prefix), bytes_of(&entry), MapFlags::ANY).map_err(|error| {
            let limit = trie.max_entries();
            if trie.keys().count() >= limit as usize {
                anyhow!("VRF {vrf} holds no more than {limit} routes of a family: {prefix} is not forwarded")
            } else {
                anyhow!(error).context(format!("adding {prefix} to VRF {vrf}"))
            }
        })
    }

    /// Removes a route, if it is there.
    pub fn remove(&self, vrf: VrfId, prefix: &IpNet) -> Result<()> {
        let Some(trie) = self.tries.get(&(vrf, Family::of_prefix(prefix))) else { return Ok(()) };
        match trie.delete(&key_of(prefix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {prefix} from VRF {vrf}"))
            }
            _ => Ok(()),
        }
    }

    fn outer(&self, family: Family) -> &MapHandle {
        match family {
            Family::Ipv4 => &self.outer4,
            Family::Ipv6 => &self.outer6,
        }
    }
}

fn key_of(prefix: &IpNet) -> Vec<u8> {
    let mut key = u32::from(prefix.prefix_len()).to_ne_bytes().to_vec();
    match prefix.addr() {
        IpAddr::V4(address) => key.extend(address.octets()),
        IpAddr::V6(address) => key.extend(address.octets()),
    }
    key
}

fn prefix_of(key: &[u8]) -> Option<IpNet> {
    let (length, address) = key.split_first_chunk::<4>()?;
    let length = u8::try_from(u32::from_ne_bytes(*length)).ok()?;
    let address = match address.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    IpNet::new(address, length).ok()
}

//! How tunnels' far ends are reached. Every tunnel to one far end shares one entry, so that a change there is one write.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};

use super::UnderlayHop;
use super::layout::UnderlayEntry;
use super::table::Slots;

/// The table of far ends, and where each is in it.
pub struct Underlay {
    hops: Slots<UnderlayEntry>,
    index_of: BTreeMap<[u8; 16], u32>,
    /// What was said of each far end, also of one that no tunnel has now: it is said once, and a tunnel may come later.
    said: BTreeMap<[u8; 16], UnderlayHop>,
    hint: u32,
}

impl Underlay {
    /// Takes the table with what is in it.
    pub fn load(hops: Slots<UnderlayEntry>) -> Underlay {
        let index_of = hops.entries().iter().map(|(index, entry)| (entry.remote, *index)).collect();
        Underlay { hops, index_of, said: BTreeMap::new(), hint: 0 }
    }

    /// The place of a far end, reached or not.
    pub fn index(&mut self, remote: [u8; 16]) -> Result<u16> {
        let index = match self.index_of.get(&remote) {
            Some(index) => *index,
            None => {
                let index = self.hops.free_index(&mut self.hint)?;
                self.hops.put(index, entry(remote, self.said.get(&remote)))?;
                self.index_of.insert(remote, index);
                index
            }
        };
        u16::try_from(index).context("the table of far ends is larger than an attachment can point into")
    }

    /// A far end is reached like this now, or not at all.
    pub fn set(&mut self, remote: [u8; 16], hop: Option<UnderlayHop>) -> Result<()> {
        match hop {
            Some(hop) => drop(self.said.insert(remote, hop)),
            None => drop(self.said.remove(&remote)),
        }
        match self.index_of.get(&remote) {
            Some(index) => self.hops.put(*index, entry(remote, hop.as_ref())),
            None => Ok(()),
        }
    }

    /// Takes far ends that no tunnel has out of the table.
    pub fn retain(&mut self, wanted: &BTreeSet<[u8; 16]>) -> Result<()> {
        let gone: Vec<[u8; 16]> = self.index_of.keys().filter(|remote| !wanted.contains(*remote)).copied().collect();
        for remote in gone {
            if let Some(index) = self.index_of.remove(&remote) {
                self.hops.clear(index)?;
            }
        }
        Ok(())
    }
}

fn entry(remote: [u8; 16], hop: Option<&UnderlayHop>) -> UnderlayEntry {
    let nowhere = UnderlayHop { ifindex: 0, source_mac: [0; 6], destination_mac: [0; 6] };
    let UnderlayHop { ifindex, source_mac, destination_mac } = *hop.unwrap_or(&nowhere);
    UnderlayEntry { ifindex, source: source_mac, destination: destination_mac, remote }
}

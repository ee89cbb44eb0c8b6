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
    hint: u32,
}

impl Underlay {
    /// Takes the table with what is in it.
    pub fn load(hops: Slots<UnderlayEntry>) -> Underlay {
        let index_of = hops.entries().iter().map(|(index, entry)| (entry.remote, *index)).collect();
        Underlay { hops, index_of, hint: 0 }
    }

    /// The place of a far end, reached or not.
    pub fn index(&mut self, remote: [u8; 16]) -> Result<u16> {
        let index = match self.index_of.get(&remote) {
            Some(index) => *index,
            None => {
                let index = self.hops.free_index(&mut self.hint)?;
                self.hops.put(index, UnderlayEntry { remote, ..UnderlayEntry::default() })?;
                self.index_of.insert(remote, index);
                index
            }
        };
        u16::try_from(index).context("the table of far ends is larger than an attachment can point into")
    }

    /// A far end is reached like this now, or not at all.
    pub fn set(&mut self, remote: [u8; 16], hop: Option<UnderlayHop>) -> Result<()> {
        let index = u32::from(self.index(remote)?);
        let mut entry = UnderlayEntry { remote, ..UnderlayEntry::default() };
        if let Some(UnderlayHop { ifindex, source_mac, destination_mac }) = hop {
            entry = UnderlayEntry { ifindex, source: source_mac, destination: destination_mac, remote };
        }
        self.hops.put(index, entry)
    }

    /// Forgets far ends that no tunnel has.
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

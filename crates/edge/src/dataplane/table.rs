//! A table of the program with types, and what we know is in it. Writing what is there already costs nothing, and
//! becoming another set of entries is a comparison.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle};

use super::layout::{Plain, bytes_of, from_bytes};

/// A hash: an entry is there or is not.
pub struct Table<K, V> {
    name: &'static str,
    map: MapHandle,
    known: BTreeMap<K, V>,
}

impl<K: Plain + Ord, V: Plain> Table<K, V> {
    /// Takes a table with what is in it.
    pub fn load(name: &'static str, map: MapHandle) -> Result<Self> {
        let mut known = BTreeMap::new();
        for key in map.keys() {
            let value = map.lookup(&key, MapFlags::ANY).with_context(|| format!("reading table {name}"))?;
            if let (Some(key), Some(value)) = (from_bytes(&key), value.as_deref().and_then(from_bytes)) {
                known.insert(key, value);
            }
        }
        Ok(Table { name, map, known })
    }

    /// What is in it.
    pub fn entries(&self) -> &BTreeMap<K, V> {
        &self.known
    }

    /// Puts an entry.
    pub fn put(&mut self, key: K, value: V) -> Result<()> {
        if self.known.get(&key) == Some(&value) {
            return Ok(());
        }
        self.map
            .update(bytes_of(&key), bytes_of(&value), MapFlags::ANY)
            .with_context(|| format!("writing table {}", self.name))?;
        self.known.insert(key, value);
        Ok(())
    }

    /// Puts an entry that the kernel may have taken out by itself. One that is still there is not written again: in a
    /// table of devices that leaves a moment in which it is missing.
    pub fn ensure(&mut self, key: K, value: V) -> Result<()> {
        let there = self.map.lookup(bytes_of(&key), MapFlags::ANY);
        let there = there.with_context(|| format!("reading table {}", self.name))?;
        if there.as_deref().and_then(from_bytes) != Some(value) {
            self.known.remove(&key);
        }
        self.put(key, value)
    }

    /// Takes an entry out, if it is there.
    pub fn remove(&mut self, key: &K) -> Result<()> {
        if self.known.remove(key).is_none() {
            return Ok(());
        }
        match self.map.delete(bytes_of(key)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing from table {}", self.name))
            }
            _ => Ok(()),
        }
    }

    /// Takes out every entry whose key is not wanted.
    pub fn retain(&mut self, is_wanted: impl Fn(&K) -> bool) -> Result<()> {
        let gone: Vec<K> = self.known.keys().filter(|key| !is_wanted(key)).copied().collect();
        gone.iter().try_for_each(|key| self.remove(key))
    }
}

/// An array: every index has a value, and the default one says that nothing is there.
pub struct Slots<V> {
    name: &'static str,
    map: MapHandle,
    known: BTreeMap<u32, V>,
}

impl<V: Plain + Default> Slots<V> {
    /// Takes an array; with what is in it, if another process may have filled it.
    pub fn load(name: &'static str, map: MapHandle, is_adopted: bool) -> Result<Self> {
        let mut known = BTreeMap::new();
        if is_adopted {
            let all = map
                .lookup_batch(4096, MapFlags::ANY, MapFlags::ANY)
                .with_context(|| format!("reading table {name}"))?;
            for (key, value) in all {
                if let (Some(key), Some(value)) = (from_bytes(&key), from_bytes(&value))
                    && value != V::default()
                {
                    known.insert(key, value);
                }
            }
        }
        Ok(Slots { name, map, known })
    }

    /// The indexes that hold something, and what.
    pub fn entries(&self) -> &BTreeMap<u32, V> {
        &self.known
    }

    /// Puts a value.
    pub fn put(&mut self, index: u32, value: V) -> Result<()> {
        if self.known.get(&index) == Some(&value) {
            return Ok(());
        }
        if index >= self.map.max_entries() {
            let (name, size) = (self.name, self.map.max_entries());
            return Err(anyhow!("{index} is beyond table {name}, which has {size} entries"));
        }
        self.map
            .update(bytes_of(&index), bytes_of(&value), MapFlags::ANY)
            .with_context(|| format!("writing table {}", self.name))?;
        if value == V::default() {
            self.known.remove(&index);
        } else {
            self.known.insert(index, value);
        }
        Ok(())
    }

    /// Takes a value out.
    pub fn clear(&mut self, index: u32) -> Result<()> {
        if self.known.contains_key(&index) { self.put(index, V::default()) } else { Ok(()) }
    }

    /// The smallest index of those from 1 on that hold nothing and are not in `reserved`.
    pub fn free_index(&self, hint: &mut u32) -> Result<u32> {
        let size = self.map.max_entries();
        for _ in 1..size {
            *hint = if *hint + 1 >= size { 1 } else { *hint + 1 };
            if !self.known.contains_key(hint) {
                return Ok(*hint);
            }
        }
        Err(anyhow!("table {} is full with {size} entries", self.name))
    }
}

/// The sum of a per-CPU value over all CPUs.
pub fn sum_cpus<V: Plain, T: Default>(map: &MapHandle, index: u32, add: impl Fn(&mut T, V)) -> Result<T> {
    let mut sum = T::default();
    let values = map.lookup_percpu(bytes_of(&index), MapFlags::ANY).context("reading counters")?;
    for value in values.unwrap_or_default() {
        if let Some(value) = from_bytes(&value) {
            add(&mut sum, value);
        }
    }
    Ok(sum)
}

//! Loading the program, onto the tables that an earlier process left or onto new ones.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use causeway_edge_types::EdgeId;
use libbpf_rs::{MapCore, MapHandle, Object, ObjectBuilder, PrintLevel, Program};

use super::layout::MAX_NUMBER;
use super::pins;

static CAUSEWAY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/causeway.bpf.o"));
static BENCH: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bench.bpf.o"));

/// The tables that are pinned; all of them, or none is adopted.
const TABLES: [&str; 14] = [
    "fabric_ports",
    "places",
    "tunnels",
    "host_interfaces",
    "attachments",
    "groups",
    "next_hops",
    "neighbors",
    "underlay",
    "devices",
    "counters",
    "drops",
    "routes4",
    "routes6",
];

/// How a data plane is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where pins are; on a bpffs. Two deployments on one machine need two, if their edges' names may be the same.
    pub pin_root: PathBuf,
    /// At most this many routes of each family in each VRF. It is a bound, not a cost.
    pub routes_per_vrf: u32,
    /// Attachments are numbered below this; their entries and counters are allocated at once (64 bytes each, and 48
    /// more for each CPU).
    pub max_attachments: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { pin_root: PathBuf::from(pins::DEFAULT_ROOT), routes_per_vrf: 100_000, max_attachments: MAX_NUMBER }
    }
}

/// The program, verified by the kernel, with its tables.
pub struct Loaded {
    object: Object,
    /// The directory of its pins.
    pub directory: PathBuf,
    /// The tables were there before.
    pub is_adopted: bool,
}

impl Loaded {
    /// Loads the program onto pinned tables; where they are missing or of another shape, onto new ones.
    pub fn load(edge: &EdgeId, options: &Options) -> Result<Loaded> {
        require_capabilities()?;
        // What libbpf has to say goes where everything else goes; its own print would be in the middle of a status line.
        libbpf_rs::set_print(Some((PrintLevel::Info, |level, text| {
            let text = text.trim_end();
            match level {
                PrintLevel::Warn => tracing::warn!("libbpf: {text}"),
                _ => tracing::debug!("libbpf: {text}"),
            }
        })));
        let directory = pins::prepare(&options.pin_root, edge)?;
        let pinned = TABLES.iter().filter(|table| directory.join(table).exists()).count();
        if pinned != TABLES.len() {
            renew(&directory)?;
        }
        let is_adopted = pinned == TABLES.len();
        match load_object(CAUSEWAY, edge, options, &directory) {
            Ok(object) => Ok(Loaded { object, directory, is_adopted }),
            Err(error) if is_adopted => {
                tracing::warn!(%error, "pinned tables can't be adopted and are made anew");
                renew(&directory)?;
                let object = load_object(CAUSEWAY, edge, options, &directory)?;
                Ok(Loaded { object, directory, is_adopted: false })
            }
            Err(error) => Err(error),
        }
    }

    /// A table by its name.
    pub fn table(&self, name: &str) -> Result<MapHandle> {
        table(&self.object, name)
    }

    /// The program for ports.
    pub fn port_program(&self) -> Result<Program<'_>> {
        program(&self.object, "causeway_port")
    }

    /// The program for host interfaces.
    pub fn host_program(&self) -> Result<Program<'_>> {
        program(&self.object, "causeway_host")
    }
}

/// The programs for measuring, on the tables of an open data plane.
pub struct BenchPrograms {
    object: Object,
}

impl BenchPrograms {
    /// Loads them onto the tables that `edge` has pinned.
    pub fn load(edge: &EdgeId, options: &Options) -> Result<BenchPrograms> {
        let directory = pins::prepare(&options.pin_root, edge)?;
        Ok(BenchPrograms { object: load_object(BENCH, edge, options, &directory)? })
    }

    /// A table by its name.
    pub fn table(&self, name: &str) -> Result<MapHandle> {
        table(&self.object, name)
    }

    /// A program by its name.
    pub fn program(&self, name: &str) -> Result<Program<'_>> {
        program(&self.object, name)
    }
}

/// The number by which the kernel knows a program.
pub fn program_id(program: BorrowedFd<'_>) -> Result<u32> {
    Program::id_from_fd(program).context("asking for the program's number")
}

fn renew(directory: &Path) -> Result<()> {
    pins::remove_tree(directory)?;
    pins::make_directory(&directory.join("links"))
}

fn load_object(bytes: &[u8], edge: &EdgeId, options: &Options, directory: &Path) -> Result<Object> {
    // The object is read as ELF in place, which wants alignment; a vector of its own has it.
    let bytes = bytes.to_vec();
    let mut open = ObjectBuilder::default().open_memory(&bytes).context("reading the XDP program")?;
    for mut map in open.maps_mut() {
        let name = map.name().to_string_lossy().into_owned();
        if name == ".rodata.seed" {
            map.set_initial_value(&flow_seed(edge).to_ne_bytes()).context("setting the flows' seed")?;
        } else if TABLES.contains(&name.as_str()) {
            map.set_pin_path(directory.join(&name)).with_context(|| format!("naming the pin of table {name}"))?;
        }
        if name == "attachments" || name == "counters" {
            map.set_max_entries(options.max_attachments).with_context(|| format!("sizing table {name}"))?;
        }
    }
    open.load().context("loading the XDP program (it needs Linux 5.18 or later with BPF, and no lockdown)")
}

fn table(object: &Object, name: &str) -> Result<MapHandle> {
    let map = object.maps().find(|map| map.name() == name).ok_or_else(|| anyhow!("the program has no table {name}"))?;
    MapHandle::try_from(&map).with_context(|| format!("opening table {name}"))
}

fn program<'object>(object: &'object Object, name: &str) -> Result<Program<'object>> {
    object.progs().find(|program| program.name() == name).ok_or_else(|| anyhow!("there is no program {name}"))
}

/// Different for every edge, and the same after a restart: FNV-1a over the edge's name.
pub fn flow_seed(edge: &EdgeId) -> u32 {
    edge.0.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Names what is missing before the kernel says no more than "operation not permitted".
fn require_capabilities() -> Result<()> {
    let status = std::fs::read_to_string("/proc/thread-self/status").context("reading this thread's capabilities")?;
    let effective = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
        .ok_or_else(|| anyhow!("this thread's capabilities can't be read"))?;
    let missing: Vec<&str> = [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")]
        .into_iter()
        .filter(|(bit, _)| effective & (1 << bit) == 0)
        .map(|(_, name)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(anyhow!("the XDP data plane can't be opened without {}: run as root", missing.join(" and ")))
}

/// A program's descriptor.
pub fn descriptor<'program>(program: &'program Program<'_>) -> BorrowedFd<'program> {
    program.as_fd()
}

//! What outlives the process: tables and links pinned in bpffs, in a directory of the edge's own.
//!
//! `ROOT/<edge>/v<layout>/<table>` and `ROOT/<edge>/v<layout>/links/<ifindex>`. A link that is pinned keeps its program on
//! its interface, and the program its tables: packets are forwarded while no daemon runs.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use causeway_edge_types::EdgeId;

use super::layout::LAYOUT_VERSION;

/// Where bpffs is on every Linux.
pub const BPFFS: &str = "/sys/fs/bpf";
/// Where pins are, unless the caller says otherwise.
pub const DEFAULT_ROOT: &str = "/sys/fs/bpf/causeway";

/// How an XDP program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the driver.
    Native,
    /// In the stack, for drivers that have no XDP: correct, and slower.
    Generic,
}

impl Mode {
    /// As status has it.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Native => "native",
            Mode::Generic => "generic",
        }
    }
}

/// The directory of one edge's pins.
pub fn edge_directory(root: &Path, edge: &EdgeId) -> PathBuf {
    // bpffs takes no dots in names, and an edge's name is not ours: what is unusual in it is written as its number.
    let mut name = String::new();
    for byte in edge.0.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            other => name.push_str(&format!("={other:02x}")),
        }
    }
    root.join(if name.is_empty() { "=".to_owned() } else { name })
}

/// Mounts bpffs where it is not mounted, removes pins of other layouts, and makes the directories.
pub fn prepare(root: &Path, edge: &EdgeId) -> Result<PathBuf> {
    if !is_bpffs(Path::new(BPFFS)) {
        let point = Path::new(BPFFS);
        nix::mount::mount(Some("bpf"), point, Some("bpf"), nix::mount::MsFlags::empty(), Some("mode=0700"))
            .with_context(|| format!("mounting bpffs on {BPFFS} (it needs CAP_SYS_ADMIN)"))?;
    }
    let directory = edge_directory(root, edge);
    let current = format!("v{LAYOUT_VERSION}");
    for entry in list(&directory)? {
        if entry.file_name().is_none_or(|name| name != current.as_str()) {
            remove_tree(&entry)?;
        }
    }
    let directory = directory.join(current);
    make_directory(&directory.join("links"))?;
    if !is_bpffs(&directory) {
        bail!("{} is not on a bpffs: pins need one", directory.display());
    }
    Ok(directory)
}

/// Makes a directory with those above it. Another edge that goes down at this moment may take the root away between two
/// of them, so it is tried again.
pub fn make_directory(path: &Path) -> Result<()> {
    for _ in 0..100 {
        match fs::create_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result.with_context(|| format!("making {}", path.display())),
        }
    }
    bail!("{} can't be made: what is above it keeps vanishing", path.display())
}

/// Removes everything that this edge has pinned: its interfaces forward nothing after it. That there is nothing to
/// remove is no error.
pub fn unpin_all(root: &Path, edge: &EdgeId) -> Result<()> {
    let directory = edge_directory(root, edge);
    remove_tree(&directory)?;
    // The root, and what it is in, go with the last edge; a directory that is not empty stays by itself.
    for above in root.ancestors().take_while(|above| above.starts_with(BPFFS) && *above != Path::new(BPFFS)) {
        if fs::remove_dir(above).is_err() {
            break;
        }
    }
    Ok(())
}

/// Removes pins below a directory, and detaches those that are links.
pub fn remove_tree(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    if path.is_dir() {
        for entry in list(path)? {
            remove_tree(&entry)?;
        }
        return fs::remove_dir(path).with_context(|| format!("removing {}", path.display()));
    }
    if path.parent().and_then(Path::file_name).is_some_and(|name| name == "links")
        && let Ok(link) = XdpLink::open(path)
    {
        return link.remove();
    }
    fs::remove_file(path).with_context(|| format!("removing the pin {}", path.display()))
}

/// The entries of a directory; none where it does not exist.
pub fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<_>>()
            .with_context(|| format!("reading {}", directory.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error).with_context(|| format!("reading {}", directory.display())),
    }
}

fn is_bpffs(path: &Path) -> bool {
    nix::sys::statfs::statfs(path).is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::BPF_FS_MAGIC)
}

/// A program on an interface, pinned.
#[derive(Debug)]
pub struct XdpLink {
    fd: OwnedFd,
    pin: PathBuf,
}

impl XdpLink {
    /// Puts a program on an interface of this thread's network namespace, in the driver if it can.
    pub fn attach(program: BorrowedFd<'_>, ifindex: u32, pin: PathBuf) -> Result<(XdpLink, Mode)> {
        let native = create_link(program, ifindex, libbpf_sys::XDP_FLAGS_DRV_MODE);
        let (fd, mode) = match native {
            Ok(fd) => (fd, Mode::Native),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                bail!("interface {ifindex} has another XDP program, which is not ours to remove");
            }
            Err(error) => {
                let fd = create_link(program, ifindex, libbpf_sys::XDP_FLAGS_SKB_MODE).map_err(|generic| {
                    anyhow!(
                        "interface {ifindex} takes no XDP program, neither native ({error}) nor generic ({generic})"
                    )
                })?;
                tracing::warn!(ifindex, %error, "XDP is generic on an interface: its driver refused the program");
                (fd, Mode::Generic)
            }
        };
        let name = c_path(&pin)?;
        // SAFETY: the descriptor is open and the path ends with a zero.
        if unsafe { libbpf_sys::bpf_obj_pin(fd.as_raw_fd(), name.as_ptr()) } != 0 {
            let error = io::Error::last_os_error();
            return Err(error).with_context(|| format!("pinning {}", pin.display()));
        }
        Ok((XdpLink { fd, pin }, mode))
    }

    /// Takes a pinned link.
    pub fn open(pin: &Path) -> Result<XdpLink> {
        let name = c_path(pin)?;
        // SAFETY: the path ends with a zero.
        let fd = unsafe { libbpf_sys::bpf_obj_get(name.as_ptr()) };
        if fd < 0 {
            return Err(io::Error::last_os_error()).with_context(|| format!("opening {}", pin.display()));
        }
        // SAFETY: the kernel just gave us this descriptor.
        Ok(XdpLink { fd: unsafe { OwnedFd::from_raw_fd(fd) }, pin: pin.to_owned() })
    }

    /// The interface that it is on; none when the interface is gone.
    pub fn ifindex(&self) -> Option<u32> {
        let mut info = libbpf_sys::bpf_link_info::default();
        let mut length = size_of_val(&info) as u32;
        // SAFETY: the structure is as long as we say.
        if unsafe { libbpf_sys::bpf_link_get_info_by_fd(self.fd.as_raw_fd(), &mut info, &mut length) } != 0 {
            return None;
        }
        if info.type_ != libbpf_sys::BPF_LINK_TYPE_XDP {
            return None;
        }
        // SAFETY: the kernel says that it is an XDP link, so that this is the field that it has filled.
        let ifindex = unsafe { info.__bindgen_anon_1.xdp.ifindex };
        (ifindex != 0).then_some(ifindex)
    }

    /// Replaces the program, without a packet seeing none.
    pub fn replace(&self, program: BorrowedFd<'_>) -> Result<()> {
        // SAFETY: both descriptors are open; no options are given.
        let result = unsafe { libbpf_sys::bpf_link_update(self.fd.as_raw_fd(), program.as_raw_fd(), std::ptr::null()) };
        if result != 0 {
            return Err(io::Error::last_os_error()).with_context(|| format!("replacing {}", self.pin.display()));
        }
        Ok(())
    }

    /// Takes the program off the interface, now.
    pub fn remove(self) -> Result<()> {
        // SAFETY: the descriptor is open. That the interface is gone already is as good.
        unsafe { libbpf_sys::bpf_link_detach(self.fd.as_raw_fd()) };
        fs::remove_file(&self.pin).with_context(|| format!("removing the pin {}", self.pin.display()))
    }
}

/// How the program is attached on an interface of this thread's network namespace, and the program's number.
pub fn query(ifindex: u32) -> Option<(Mode, u32)> {
    let mut options =
        libbpf_sys::bpf_xdp_query_opts { sz: size_of::<libbpf_sys::bpf_xdp_query_opts>() as _, ..Default::default() };
    // SAFETY: the structure is as long as it says.
    if unsafe { libbpf_sys::bpf_xdp_query(i32::try_from(ifindex).ok()?, 0, &mut options) } != 0 {
        return None;
    }
    match u32::from(options.attach_mode) {
        libbpf_sys::XDP_ATTACHED_DRV => Some((Mode::Native, options.drv_prog_id)),
        libbpf_sys::XDP_ATTACHED_SKB => Some((Mode::Generic, options.skb_prog_id)),
        _ => None,
    }
}

fn create_link(program: BorrowedFd<'_>, ifindex: u32, flags: u32) -> io::Result<OwnedFd> {
    let options = libbpf_sys::bpf_link_create_opts {
        sz: size_of::<libbpf_sys::bpf_link_create_opts>() as _,
        flags,
        ..Default::default()
    };
    let ifindex = i32::try_from(ifindex).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open and the structure as long as it says.
    let fd = unsafe { libbpf_sys::bpf_link_create(program.as_raw_fd(), ifindex, libbpf_sys::BPF_XDP, &options) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just gave us this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).with_context(|| format!("{} has a zero in it", path.display()))
}

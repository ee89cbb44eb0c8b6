//! Network namespaces. A namespace belongs to a thread: whoever makes a socket enters the namespace where it should
//! live, makes it, and leaves; the socket stays there for good.
//!
//! Every attachment has a namespace of its own, so that two customers who use the same addresses never meet. It is
//! named like one that `ip netns` made (a bind mount below `/run/netns`), so that `ip netns exec` and `nsenter --net`
//! look into it, and so that it outlives the daemon: a restarted one finds it with its interface, its addresses and
//! its neighbours as they were.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

/// Where named namespaces are, by convention of `ip netns`.
pub const NAMED: &str = "/run/netns";

/// An open network namespace; it lives at least as long as this.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

/// While this lives, the thread is in another namespace; dropped, it goes back.
#[derive(Debug)]
pub struct Entered {
    previous: File,
}

impl Namespace {
    /// The namespace of the calling thread.
    pub fn current() -> anyhow::Result<Namespace> {
        Namespace::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// The namespace bound at a path.
    pub fn open(path: &Path) -> anyhow::Result<Namespace> {
        let file = File::open(path).with_context(|| format!("no network namespace at {}", path.display()))?;
        Ok(Namespace { file })
    }

    /// The namespace with this name below [`NAMED`], if there is one.
    pub fn open_named(name: &str) -> anyhow::Result<Option<Namespace>> {
        let path = named_path(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
        };
        // A plain file by that name is what is left of a namespace whose mount is gone.
        let namespace = Namespace { file };
        let is_live = namespace.enter().is_ok();
        Ok(is_live.then_some(namespace))
    }

    /// Makes a namespace and names it. A stale file of that name is taken over.
    pub fn create_named(name: &str) -> anyhow::Result<Namespace> {
        share_mounts()?;
        let path = named_path(name);
        File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        // On a thread of its own, which then ends: the caller never leaves its namespace.
        std::thread::scope(|scope| {
            scope
                .spawn(|| -> anyhow::Result<()> {
                    unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace (CAP_SYS_ADMIN)")?;
                    let own = "/proc/thread-self/ns/net";
                    mount(Some(own), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                        .with_context(|| format!("cannot bind a namespace to {}", path.display()))
                })
                .join()
                .map_err(|_| anyhow::anyhow!("making a namespace panicked"))?
        })?;
        Namespace::open(&path)
    }

    /// Enters the namespace with the calling thread until the guard is dropped.
    pub fn enter(&self) -> anyhow::Result<Entered> {
        let previous = File::open("/proc/thread-self/ns/net").context("cannot open the thread's own namespace")?;
        setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET)
            .context("cannot enter a network namespace (CAP_SYS_ADMIN)")?;
        Ok(Entered { previous })
    }

    /// Enters the namespace with the calling thread for good.
    pub fn enter_for_good(&self) -> anyhow::Result<()> {
        setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace (CAP_SYS_ADMIN)")
    }

    /// Runs `act` inside the namespace.
    pub fn within<T>(&self, act: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let _entered = self.enter()?;
        act()
    }

    /// What tells this namespace from every other one that exists now.
    pub fn identity(&self) -> anyhow::Result<(u64, u64)> {
        let metadata = self.file.metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Err(error) = setns(self.previous.as_fd(), CloneFlags::CLONE_NEWNET) {
            // A thread that goes on in another customer's namespace would mix them up: nothing is worse.
            eprintln!("cannot leave a network namespace: {error}");
            std::process::abort();
        }
    }
}

/// The path of a named namespace.
pub fn named_path(name: &str) -> PathBuf {
    Path::new(NAMED).join(name)
}

/// The names below [`NAMED`].
pub fn list_named() -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(NAMED) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(error).with_context(|| format!("cannot list {NAMED}")),
    };
    let mut names: Vec<String> = entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Removes a named namespace; its interfaces and addresses go with it as soon as no socket holds it.
pub fn remove_named(name: &str) -> anyhow::Result<()> {
    let path = named_path(name);
    // Not mounted is as good as unmounted.
    let _ = umount2(&path, MntFlags::MNT_DETACH);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Makes [`NAMED`] a shared mount, so that namespaces made here are seen by processes with other mount namespaces, and
/// are gone there too when they are removed.
fn share_mounts() -> anyhow::Result<()> {
    fs::create_dir_all(NAMED)?;
    let share = || mount(None::<&str>, NAMED, None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>);
    if share().is_ok() {
        return Ok(());
    }
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(NAMED), NAMED, None::<&str>, bind, None::<&str>)
        .with_context(|| format!("cannot mount {NAMED} (CAP_SYS_ADMIN)"))?;
    share().with_context(|| format!("cannot share {NAMED}"))
}

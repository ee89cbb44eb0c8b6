//! Which interface has which program.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::pins::{self, Mode, XdpLink};
use super::program::program_id;

/// What an interface is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A port.
    Port,
    /// The data plane's end of a host interface.
    Host,
}

struct Attached {
    link: XdpLink,
    mode: Mode,
    /// What it was given by this process; none while it still runs an earlier process' program.
    role: Option<Role>,
}

/// The links of one edge by interface.
pub struct Links {
    directory: PathBuf,
    attached: BTreeMap<u32, Attached>,
}

impl Links {
    /// Takes the links that are pinned in a directory, and removes those whose interface is gone.
    pub fn adopt(directory: &Path) -> Result<Links> {
        let mut attached = BTreeMap::new();
        for pin in pins::list(directory)? {
            let named = pin.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
            let link = XdpLink::open(&pin)?;
            match link.ifindex() {
                Some(ifindex) if named == Some(ifindex) => {
                    attached.insert(ifindex, Attached { link, mode: Mode::Native, role: None });
                }
                _ => link.remove()?,
            }
        }
        Ok(Links { directory: directory.to_owned(), attached })
    }

    /// How an interface's program is attached, where it is.
    pub fn mode(&self, ifindex: u32) -> Option<Mode> {
        self.attached.get(&ifindex).map(|attached| attached.mode)
    }

    /// Puts programs on the interfaces that want one, and takes them off all others.
    pub fn sync<'program>(
        &mut self,
        roles: &BTreeMap<u32, Role>,
        program: impl Fn(Role) -> BorrowedFd<'program>,
        errors: &mut Vec<anyhow::Error>,
    ) {
        for (&ifindex, &role) in roles {
            errors.extend(self.put(ifindex, role, program(role)).err());
        }
        let gone: Vec<u32> = self.attached.keys().filter(|ifindex| !roles.contains_key(ifindex)).copied().collect();
        for ifindex in gone {
            if let Some(attached) = self.attached.remove(&ifindex) {
                errors.extend(attached.link.remove().err());
            }
        }
    }

    fn put(&mut self, ifindex: u32, role: Role, program: BorrowedFd<'_>) -> Result<()> {
        if let Some(attached) = self.attached.get_mut(&ifindex) {
            let is_there = attached.link.ifindex() == Some(ifindex);
            if is_there && attached.role == Some(role) {
                return Ok(());
            }
            if is_there && attached.link.replace(program).is_ok() {
                // Another namespace may have an interface of the same number; then the link is not on ours.
                let ours = program_id(program)?;
                if let Some((mode, id)) = pins::query(ifindex)
                    && id == ours
                {
                    attached.mode = mode;
                    attached.role = Some(role);
                    return Ok(());
                }
            }
            if let Some(attached) = self.attached.remove(&ifindex) {
                attached.link.remove()?;
            }
        }
        let (link, mode) = XdpLink::attach(program, ifindex, self.directory.join(ifindex.to_string()))?;
        self.attached.insert(ifindex, Attached { link, mode, role: Some(role) });
        Ok(())
    }
}

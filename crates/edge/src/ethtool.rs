//! Offloads of an interface, by the ethtool ioctl. XDP sees frames as they are handed over, so whatever the kernel
//! leaves for hardware to finish (checksums, tags, segmentation) has to be finished before.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

// linux/sockios.h and linux/ethtool.h.
const SIOCETHTOOL: libc::c_ulong = 0x8946;
/// Each offload has a command that reads it, and by one more the command that sets it.
const ETHTOOL_GTXCSUM: u32 = 0x16;
const ETHTOOL_GTSO: u32 = 0x1e;
const ETHTOOL_GGRO: u32 = 0x2b;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_SFLAGS: u32 = 0x26;
const FLAG_TX_VLAN: u32 = 1 << 7;
const FLAG_RX_VLAN: u32 = 1 << 8;

#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// A socket for ethtool requests in the namespace that it was opened in.
#[derive(Debug)]
pub struct Ethtool {
    socket: OwnedFd,
}

impl Ethtool {
    /// Opens a socket in the calling thread's namespace.
    pub fn open() -> io::Result<Ethtool> {
        let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        Ok(Ethtool { socket })
    }

    /// Makes the kernel's end of a host interface fit for XDP on the other: checksums are computed (packets that leave
    /// by XDP go to real wires), nothing is left to be segmented, and NAPI runs (GRO switches it on), without which
    /// nothing redirected to the pair arrives.
    pub fn prepare_host_end(&self, name: &str) -> io::Result<()> {
        self.set(name, ETHTOOL_GTXCSUM, 0)?;
        self.set(name, ETHTOOL_GTSO, 0)?;
        self.set(name, ETHTOOL_GGRO, 1)
    }

    /// Makes a port fit for XDP: tags stay in the frame, where the program looks for them. What a driver cannot switch
    /// is left as it is: hardware without an offload refuses to switch it off.
    pub fn prepare_port(&self, name: &str) {
        let _ = self.set(name, ETHTOOL_GGRO, 1);
        if let Ok(flags) = self.exchange(name, ETHTOOL_GFLAGS, 0) {
            let wanted = flags & !(FLAG_RX_VLAN | FLAG_TX_VLAN);
            if wanted != flags {
                let _ = self.exchange(name, ETHTOOL_SFLAGS, wanted);
            }
        }
    }

    /// Sets an offload, if it is not so already: what the other end's XDP program rules out for good can be read and
    /// not set.
    fn set(&self, name: &str, read_command: u32, wanted: u32) -> io::Result<()> {
        if self.exchange(name, read_command, 0)? == wanted {
            return Ok(());
        }
        self.exchange(name, read_command + 1, wanted).map(drop)
    }

    fn exchange(&self, name: &str, command: u32, data: u32) -> io::Result<u32> {
        let mut value = Value { command, data };
        // SAFETY: an all-zero `ifreq` is a valid one.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "interface name too long"));
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        // SAFETY: the kernel reads and writes `request` and the `value` it points to, both of which outlive the call.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value.data) }
    }
}

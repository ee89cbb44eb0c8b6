//! TCP MD5 signatures (RFC 2385): the kernel signs and checks; we give it the keys.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use causeway_edge_types::Secret;

/// The longest key that the kernel takes (TCP_MD5SIG_MAXKEYLEN).
pub const MD5_KEY_MAX: usize = 80;

/// linux/tcp.h, struct tcp_md5sig.
#[repr(C)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    ifindex: i32,
    key: [u8; MD5_KEY_MAX],
}

const TCP_MD5SIG: libc::c_int = 14;

/// Sets the key for segments to and from a peer, or takes it away. A listener holds one for each peer; connections that
/// it accepts have theirs from the start.
pub fn set_md5_key(socket: &impl AsFd, peer: IpAddr, key: Option<&Secret>) -> io::Result<()> {
    let key = key.map_or(&[][..], |key| key.expose().as_bytes());
    if key.len() > MD5_KEY_MAX {
        let message = format!("the MD5 key has {} bytes, the kernel takes {MD5_KEY_MAX}", key.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let address = socket2::SockAddr::from(std::net::SocketAddr::new(peer, 0));
    let mut signature = TcpMd5Sig {
        // SAFETY: an all-zero `sockaddr_storage` is a valid one.
        address: unsafe { std::mem::zeroed() },
        flags: 0,
        prefix_length: 0,
        key_length: key.len() as u16,
        ifindex: 0,
        key: [0; MD5_KEY_MAX],
    };
    // SAFETY: `address` has `len` readable bytes, and a `sockaddr_storage` holds any socket address.
    unsafe {
        std::ptr::copy_nonoverlapping(
            address.as_ptr().cast::<u8>(),
            (&raw mut signature.address).cast::<u8>(),
            address.len() as usize,
        );
    }
    signature.key[..key.len()].copy_from_slice(key);
    // SAFETY: the kernel reads one `TcpMd5Sig`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_MD5SIG,
            (&raw const signature).cast(),
            size_of::<TcpMd5Sig>() as libc::socklen_t,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // Taking away a key that is not there.
    if key.is_empty() && error.raw_os_error() == Some(libc::ENOENT) { Ok(()) } else { Err(error) }
}

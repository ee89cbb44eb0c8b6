//! BFD's UDP sockets (RFC 5881): packets leave with TTL 255 from a source port of their session, and arrive with the
//! TTL that tells whether they were forwarded on the way.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::BFD_UDP_PORT;

/// The first and last source port (RFC 5881 section 4).
const SOURCE_UDP_PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;

/// Where packets to one of our addresses arrive.
#[derive(Debug)]
pub struct BfdReceiver {
    socket: Socket,
}

/// Where the packets of one session leave.
#[derive(Debug)]
pub struct BfdSender {
    socket: Socket,
    peer: socket2::SockAddr,
}

impl BfdReceiver {
    /// Opens it in the calling thread's namespace.
    pub fn open(local: IpAddr) -> io::Result<BfdReceiver> {
        let socket = bfd_socket(local)?;
        socket.set_reuse_address(true)?;
        match local {
            IpAddr::V4(_) => set_flag(&socket, libc::IPPROTO_IP, libc::IP_RECVTTL)?,
            IpAddr::V6(_) => set_flag(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT)?,
        }
        socket.bind(&SocketAddr::new(local, BFD_UDP_PORT).into())?;
        Ok(BfdReceiver { socket })
    }

    /// One packet: who sent it, the TTL that it came with, and its length in `buffer`; nothing if none is waiting.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(IpAddr, u8, usize)>> {
        let mut control = [MaybeUninit::<u64>::uninit(); 16];
        // SAFETY: all-zero `sockaddr_storage` and `msghdr` are valid ones.
        let (mut from, mut message): (libc::sockaddr_storage, libc::msghdr) = unsafe { std::mem::zeroed() };
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = size_of_val(&from) as libc::socklen_t;
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        // SAFETY: `message` points to buffers of the lengths that it says, all of which outlive the call.
        let length = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
        if length < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        }
        let from = match i32::from(from.ss_family) {
            // SAFETY: the kernel says that it wrote an address of this family.
            libc::AF_INET => unsafe {
                let from = &*(&raw const from).cast::<libc::sockaddr_in>();
                IpAddr::V4(u32::from_be(from.sin_addr.s_addr).into())
            },
            // SAFETY: as above.
            libc::AF_INET6 => unsafe {
                let from = &*(&raw const from).cast::<libc::sockaddr_in6>();
                IpAddr::V6(from.sin6_addr.s6_addr.into())
            },
            _ => return Ok(None),
        };
        Ok(Some((from, ttl_of(&message), length as usize)))
    }
}

/// The TTL or hop limit in the control messages; 0, which no session takes, where there is none.
fn ttl_of(message: &libc::msghdr) -> u8 {
    // SAFETY: `message` is as recvmsg left it, and its control buffer is still there.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let is_ttl = matches!(
                ((*header).cmsg_level, (*header).cmsg_type),
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT)
            );
            if is_ttl {
                let ttl = std::ptr::read_unaligned(libc::CMSG_DATA(header).cast::<libc::c_int>());
                return u8::try_from(ttl).unwrap_or(0);
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    0
}

impl BfdSender {
    /// Opens it in the calling thread's namespace, on the first source port that is free there.
    pub fn open(local: IpAddr, peer: IpAddr) -> io::Result<BfdSender> {
        let socket = bfd_socket(local)?;
        match local {
            IpAddr::V4(_) => {
                socket.set_ttl_v4(255)?;
                socket.set_tos_v4(0xc0)?;
            }
            IpAddr::V6(_) => {
                socket.set_unicast_hops_v6(255)?;
                socket.set_tclass_v6(0xc0)?;
            }
        }
        for udp_port in SOURCE_UDP_PORTS {
            match socket.bind(&SocketAddr::new(local, udp_port).into()) {
                Ok(()) => {
                    return Ok(BfdSender { socket, peer: SocketAddr::new(peer, BFD_UDP_PORT).into() });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    /// Sends a packet. One that cannot be sent is lost, as one on the wire would be: BFD is there to notice.
    pub fn send(&self, bytes: &[u8]) {
        let _ = self.socket.send_to(bytes, &self.peer);
    }
}

impl AsRawFd for BfdReceiver {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn bfd_socket(local: IpAddr) -> io::Result<Socket> {
    let domain = if local.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn set_flag(socket: &Socket, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads one int, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

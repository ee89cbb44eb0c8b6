//! BGP's TCP sockets: listeners and connections, with TTL 255 (RFC 5082 lets a peer insist on it) and no delay.

use std::io;
use std::net::{IpAddr, SocketAddr};

use causeway_edge_types::Secret;
use socket2::{Domain, Protocol, Socket, Type};

use super::{BGP_TCP_PORT, set_md5_key};

/// A storm of peers that come back together must not lose one to a full queue.
const BACKLOG: i32 = 4096;

/// Opens a listener on one address in the calling thread's namespace.
pub fn listen(local: IpAddr) -> io::Result<mio::net::TcpListener> {
    let socket = bgp_socket(local)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(local, BGP_TCP_PORT).into())?;
    socket.listen(BACKLOG)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

/// Begins a connection from an address of ours, in the calling thread's namespace. It is there once the socket is
/// writable and has no error.
pub fn connect(local: IpAddr, peer: IpAddr, key: Option<&Secret>) -> io::Result<mio::net::TcpStream> {
    let socket = bgp_socket(local)?;
    if key.is_some() {
        set_md5_key(&socket, peer, key)?;
    }
    socket.bind(&SocketAddr::new(local, 0).into())?;
    match socket.connect(&SocketAddr::new(peer, BGP_TCP_PORT).into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(mio::net::TcpStream::from_std(socket.into())),
    }
}

/// Sets an accepted connection up like one that we made.
pub fn prepare_accepted(stream: &mio::net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    if stream.local_addr()?.is_ipv4() { socket.set_ttl_v4(255) } else { socket.set_unicast_hops_v6(255) }
}

fn bgp_socket(local: IpAddr) -> io::Result<Socket> {
    let domain = if local.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    match local {
        IpAddr::V4(_) => socket.set_ttl_v4(255)?,
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_unicast_hops_v6(255)?;
        }
    }
    socket.set_tcp_nodelay(true)?;
    // Network control (CS6): a full link must not starve the sessions that manage it.
    match local {
        IpAddr::V4(_) => socket.set_tos_v4(0xc0)?,
        IpAddr::V6(_) => socket.set_tclass_v6(0xc0)?,
    }
    Ok(socket)
}

//! What the kernel tells of its own accord: links that gain or lose their carrier, neighbours that are found or lost,
//! routes that change.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netlink_packet_core::NetlinkPayload;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::{Link, Neighbor, messages};

/// One thing that the kernel told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// A link is like this now.
    Link(Link),
    /// A link is gone.
    LinkGone(Link),
    /// A neighbour is like this now.
    Neighbor(Neighbor),
    /// A route or an address has changed, whichever.
    Routes,
    /// Events were lost, since too many came at once: everything is to be read again.
    Lost,
}

/// What to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Links.
    Links,
    /// Neighbours.
    Neighbors,
    /// Routes and addresses of both families.
    Routes,
}

/// A socket that hears of changes in the namespace that it was opened in.
#[derive(Debug)]
pub struct KernelEvents {
    socket: Socket,
}

// linux/rtnetlink.h, enum rtnetlink_groups.
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_NEIGH: u32 = 3;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV4_ROUTE: u32 = 7;
const RTNLGRP_IPV6_IFADDR: u32 = 9;
const RTNLGRP_IPV6_ROUTE: u32 = 11;

impl KernelEvents {
    /// Opens a socket in the calling thread's namespace.
    pub fn open(topics: &[Topic]) -> io::Result<KernelEvents> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        for topic in topics {
            let groups: &[u32] = match topic {
                Topic::Links => &[RTNLGRP_LINK],
                Topic::Neighbors => &[RTNLGRP_NEIGH],
                Topic::Routes => &[RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR],
            };
            for group in groups {
                socket.add_membership(*group)?;
            }
        }
        Ok(KernelEvents { socket })
    }

    /// Everything that has been told since the last call; never blocks.
    pub fn drain(&mut self) -> Vec<KernelEvent> {
        self.take(usize::MAX).0
    }

    /// The same, but no more than `limit` messages at a time, and whether there are more: who causes the events may
    /// cause them faster than they are read.
    pub fn take(&mut self, limit: usize) -> (Vec<KernelEvent>, bool) {
        let mut out = Vec::new();
        for _ in 0..limit {
            let datagram = match self.socket.recv_from_full() {
                Ok((datagram, _)) => datagram,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    out.push(KernelEvent::Lost);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return (out, false),
            };
            for message in messages(&datagram) {
                let NetlinkPayload::InnerMessage(inner) = message.payload else { continue };
                out.extend(event(&inner));
            }
        }
        (out, true)
    }
}

fn event(message: &RouteNetlinkMessage) -> Option<KernelEvent> {
    match message {
        RouteNetlinkMessage::NewLink(link) => Link::from_message(link).map(KernelEvent::Link),
        RouteNetlinkMessage::DelLink(link) => Link::from_message(link).map(KernelEvent::LinkGone),
        RouteNetlinkMessage::NewNeighbour(neighbor) => {
            Neighbor::from_message(neighbor, false).map(KernelEvent::Neighbor)
        }
        RouteNetlinkMessage::DelNeighbour(neighbor) => {
            Neighbor::from_message(neighbor, true).map(KernelEvent::Neighbor)
        }
        RouteNetlinkMessage::NewRoute(_)
        | RouteNetlinkMessage::DelRoute(_)
        | RouteNetlinkMessage::NewAddress(_)
        | RouteNetlinkMessage::DelAddress(_) => Some(KernelEvent::Routes),
        _ => None,
    }
}

impl AsRawFd for KernelEvents {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

//! The kernel's links, addresses, routes and neighbours, over rtnetlink: blocking requests on a socket that lives in
//! the namespace it was opened in, and events on another (`events`).

mod addresses;
mod events;
mod links;
mod neighbors;
mod routes;

pub(crate) use addresses::is_link_local;
pub use events::*;
pub use links::*;
pub use neighbors::*;
pub use routes::*;

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// A socket for requests.
#[derive(Debug)]
pub struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens a socket in the calling thread's namespace; requests on it act there, whichever thread makes them.
    pub fn open() -> io::Result<Netlink> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // A dump asks for what it wants and gets only that.
        socket.set_netlink_get_strict_chk(true)?;
        Ok(Netlink { socket, sequence: 0 })
    }

    /// One request; the answers before its acknowledgement.
    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.exchange(message, NLM_F_REQUEST | NLM_F_ACK | flags).map(|(answers, _)| answers)
    }

    /// The whole of a table. A table that changed while it was read is read again.
    fn dump(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut answers = vec![];
        for _ in 0..8 {
            let (read, is_consistent) = self.exchange(message.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            answers = read;
            if is_consistent {
                break;
            }
        }
        Ok(answers)
    }

    fn exchange(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<(Vec<RouteNetlinkMessage>, bool)> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        request.header.sequence_number = self.sequence;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;

        let mut answers = Vec::new();
        let mut is_consistent = true;
        loop {
            let (datagram, _) = self.socket.recv_from_full()?;
            for answer in messages(&datagram) {
                if answer.header.sequence_number != self.sequence {
                    continue;
                }
                is_consistent &= answer.header.flags & NLM_F_DUMP_INTR == 0;
                match answer.payload {
                    NetlinkPayload::Done(_) => return Ok((answers, is_consistent)),
                    NetlinkPayload::Error(error) => match error.code {
                        None => return Ok((answers, is_consistent)),
                        Some(_) => return Err(error.to_io()),
                    },
                    NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                    _ => {}
                }
            }
        }
    }
}

/// Takes a datagram apart. A message that cannot be read is left out: it is about something newer than we know.
fn messages(datagram: &[u8]) -> Vec<NetlinkMessage<RouteNetlinkMessage>> {
    let mut out = Vec::new();
    let mut rest = datagram;
    while rest.len() >= 16 {
        let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        if length < 16 || length > rest.len() {
            break;
        }
        if let Ok(message) = NetlinkMessage::deserialize(&rest[..length]) {
            out.push(message);
        }
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    out
}

/// The requests succeed also when what they ask for is so already.
trait Already {
    fn or_already(self, errno: i32) -> io::Result<()>;
}

impl Already for io::Result<Vec<RouteNetlinkMessage>> {
    fn or_already(self, errno: i32) -> io::Result<()> {
        match self {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(errno) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

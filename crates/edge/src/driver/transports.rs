//! The TCP connections under BGP sessions: bytes in, bytes out, and what happened to each. It knows no BGP.
//!
//! Reads are bounded: each ready connection gives at most one buffer a turn, so that a peer with a full table does not
//! hold up the others. Writes go to the kernel at once as far as it takes them; the rest waits here, and the router is
//! told how much, since it is the router that bounds it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::Shutdown;

use causeway_edge_types::{AttachmentId, Moment};
use causeway_router::TransportId;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// How long a connection that we close may take to drain.
const LINGER: std::time::Duration = std::time::Duration::from_secs(1);

/// How many connections one attachment may have, with those that are being closed. A session needs two at most.
const PER_ATTACHMENT_MAX: usize = 64;

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It is there.
    Connected(TransportId),
    /// It is gone.
    Closed(TransportId, String),
    /// This many bytes are still waiting here.
    Queued(TransportId, usize),
}

#[derive(Debug)]
struct Transport {
    stream: TcpStream,
    attachment: AttachmentId,
    is_connecting: bool,
    /// Set once the router has closed it: what comes is thrown away, and nothing more is told.
    closing_until: Option<Moment>,
    unsent: VecDeque<u8>,
}

/// All connections.
#[derive(Debug)]
pub struct Transports {
    open: BTreeMap<TransportId, Transport>,
    readable: VecDeque<TransportId>,
    next_accepted: u64,
    buffer: Box<[u8]>,
}

impl Transports {
    /// None yet.
    pub fn new() -> Transports {
        let buffer = vec![0; 64 * 1024].into_boxed_slice();
        Transports { open: BTreeMap::new(), readable: VecDeque::new(), next_accepted: 2, buffer }
    }

    /// A connection that the router asked for has begun.
    pub fn add_connecting(
        &mut self,
        registry: &Registry,
        token: Token,
        id: TransportId,
        attachment: AttachmentId,
        stream: TcpStream,
    ) -> io::Result<()> {
        self.insert(registry, token, id, attachment, stream, true)
    }

    /// The next number for a connection that a peer made: even, since the router's own are odd.
    pub fn next_accepted(&mut self) -> TransportId {
        let id = TransportId(self.next_accepted);
        self.next_accepted += 2;
        id
    }

    /// Whether an attachment has so many connections that one more is not taken: whoever connects again and again uses
    /// up what is his and not what is everybody's.
    pub fn are_too_many(&self, attachment: AttachmentId) -> bool {
        self.open.values().filter(|transport| transport.attachment == attachment).count() >= PER_ATTACHMENT_MAX
    }

    /// A peer has connected.
    pub fn add_accepted(
        &mut self,
        registry: &Registry,
        token: Token,
        id: TransportId,
        attachment: AttachmentId,
        stream: TcpStream,
    ) -> io::Result<()> {
        self.insert(registry, token, id, attachment, stream, false)
    }

    fn insert(
        &mut self,
        registry: &Registry,
        token: Token,
        id: TransportId,
        attachment: AttachmentId,
        mut stream: TcpStream,
        is_connecting: bool,
    ) -> io::Result<()> {
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let unsent = VecDeque::new();
        self.open.insert(id, Transport { stream, attachment, is_connecting, closing_until: None, unsent });
        Ok(())
    }

    /// Sends bytes, after those that wait already.
    pub fn send(&mut self, id: TransportId, bytes: &[u8]) -> Option<Happened> {
        let transport = self.open.get_mut(&id).filter(|transport| transport.closing_until.is_none())?;
        transport.unsent.extend(bytes);
        self.flush(id)
    }

    /// Closes a connection, once what waits has left.
    pub fn close(&mut self, id: TransportId, now: Moment) {
        let Some(transport) = self.open.get_mut(&id) else { return };
        if transport.is_connecting {
            self.open.remove(&id);
            return;
        }
        transport.closing_until = Some(now + LINGER);
        self.flush(id);
    }

    /// Every connection over an attachment ends at once, since the attachment's namespace is gone.
    pub fn abandon(&mut self, attachment: AttachmentId) -> Vec<Happened> {
        let ids: Vec<TransportId> =
            self.open.iter().filter(|(_, transport)| transport.attachment == attachment).map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.gone(id, "its attachment is gone".to_owned())).collect()
    }

    /// The poll says that something is to be done.
    pub fn ready(&mut self, id: TransportId, is_readable: bool, is_writable: bool) -> Option<Happened> {
        let transport = self.open.get_mut(&id)?;
        if transport.is_connecting {
            let failed = match transport.stream.take_error() {
                Ok(None) => None,
                Ok(Some(error)) | Err(error) => Some(error),
            };
            if let Some(error) = failed {
                return self.gone(id, error.to_string());
            }
            return match transport.stream.peer_addr() {
                Ok(_) => {
                    transport.is_connecting = false;
                    if is_readable {
                        self.readable.push_back(id);
                    }
                    Some(Happened::Connected(id))
                }
                // Not yet.
                Err(_) => None,
            };
        }
        if is_readable && !self.readable.contains(&id) {
            self.readable.push_back(id);
        }
        if is_writable && !transport.unsent.is_empty() { self.flush(id) } else { None }
    }

    /// Whether there is something to read without polling.
    pub fn has_readable(&self) -> bool {
        !self.readable.is_empty()
    }

    /// How many connections have something to read now: the bound of one turn.
    pub fn readable_count(&self) -> usize {
        self.readable.len()
    }

    /// Reads once from the next connection that has something; what came is handed to `take`.
    pub fn read_next(&mut self, take: impl FnOnce(TransportId, &[u8])) -> Option<Happened> {
        let id = self.readable.pop_front()?;
        let transport = self.open.get_mut(&id)?;
        match transport.stream.read(&mut self.buffer) {
            Ok(0) => self.gone(id, "closed by the peer".to_owned()),
            Ok(length) => {
                // There may be more; the poll tells of it only once.
                self.readable.push_back(id);
                if transport.closing_until.is_none() {
                    take(id, &self.buffer[..length]);
                }
                None
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.readable.push_back(id);
                None
            }
            Err(error) => self.gone(id, error.to_string()),
        }
    }

    /// Drops connections that we closed and that do not end by themselves; when to look again.
    pub fn expire(&mut self, now: Moment) -> Option<Moment> {
        self.open.retain(|_, transport| transport.closing_until.is_none_or(|until| until > now));
        self.open.values().filter_map(|transport| transport.closing_until).min()
    }

    fn flush(&mut self, id: TransportId) -> Option<Happened> {
        let transport = self.open.get_mut(&id)?;
        if transport.is_connecting {
            return Some(Happened::Queued(id, transport.unsent.len()));
        }
        while !transport.unsent.is_empty() {
            match transport.stream.write(transport.unsent.as_slices().0) {
                Ok(length) => drop(transport.unsent.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.gone(id, error.to_string()),
            }
        }
        if transport.closing_until.is_some() {
            if transport.unsent.is_empty() {
                // The peer reads what was sent last, then the end; we stay until it closes too, so that its unread
                // bytes do not turn our end into a reset that overtakes our last message.
                let _ = transport.stream.shutdown(Shutdown::Write);
            }
            return None;
        }
        Some(Happened::Queued(id, transport.unsent.len()))
    }

    /// Forgets a connection; the router hears of it unless it was the router that closed it.
    fn gone(&mut self, id: TransportId, reason: String) -> Option<Happened> {
        let transport = self.open.remove(&id)?;
        transport.closing_until.is_none().then_some(Happened::Closed(id, reason))
    }
}

impl Default for Transports {
    fn default() -> Self {
        Transports::new()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream as StdStream};
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    struct Bench {
        poll: Poll,
        transports: Transports,
        happened: Vec<Happened>,
        bytes: Vec<u8>,
    }

    impl Bench {
        fn new() -> Bench {
            Bench { poll: Poll::new().unwrap(), transports: Transports::new(), happened: vec![], bytes: vec![] }
        }

        fn connect(&mut self, id: u64, to: &TcpListener) -> StdStream {
            let stream = TcpStream::connect(to.local_addr().unwrap()).unwrap();
            let id = TransportId(id);
            let token = Token(id.0 as usize);
            self.transports.add_connecting(self.poll.registry(), token, id, AttachmentId(1), stream).unwrap();
            to.accept().unwrap().0
        }

        fn turn(&mut self) {
            let mut events = Events::with_capacity(16);
            self.poll.poll(&mut events, Some(Duration::from_millis(20))).unwrap();
            for event in &events {
                let id = TransportId(event.token().0 as u64);
                let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                self.happened.extend(self.transports.ready(id, readable, event.is_writable()));
            }
            for _ in 0..self.transports.readable_count() {
                let bytes = &mut self.bytes;
                let happened = self.transports.read_next(|_, read| bytes.extend(read));
                self.happened.extend(happened);
            }
        }

        fn turn_until(&mut self, is_so: impl Fn(&Bench) -> bool) {
            let start = std::time::Instant::now();
            while !is_so(self) {
                assert!(start.elapsed() < Duration::from_secs(5), "{:?}", self.happened);
                self.turn();
            }
        }
    }

    #[test]
    fn bytes_pass_both_ways_and_the_end_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut bench = Bench::new();
        let mut peer = bench.connect(1, &listener);
        bench.turn_until(|bench| bench.happened == [Happened::Connected(TransportId(1))]);
        peer.write_all(b"hello").unwrap();
        bench.turn_until(|bench| bench.bytes == b"hello");
        assert_eq!(bench.transports.send(TransportId(1), b"you"), Some(Happened::Queued(TransportId(1), 0)));
        let mut got = [0; 3];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"you");
        drop(peer);
        bench.turn_until(|bench| matches!(bench.happened.last(), Some(Happened::Closed(TransportId(1), _))));
        assert_eq!(bench.transports.send(TransportId(1), b"?"), None);
    }

    #[test]
    fn a_refused_connection_is_told_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut bench = Bench::new();
        let stream = TcpStream::connect(address).unwrap();
        bench
            .transports
            .add_connecting(bench.poll.registry(), Token(1), TransportId(1), AttachmentId(1), stream)
            .unwrap();
        bench.turn_until(|bench| !bench.happened.is_empty());
        bench.turn();
        assert!(
            matches!(&bench.happened[..], [Happened::Closed(TransportId(1), reason)] if reason.contains("refused"))
        );
    }

    #[test]
    fn a_peer_that_does_not_read_fills_the_queue_and_empties_it_later() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut bench = Bench::new();
        let mut peer = bench.connect(1, &listener);
        bench.turn_until(|bench| !bench.happened.is_empty());
        let block = vec![7; 1 << 20];
        let mut sent = 0;
        let queued = loop {
            sent += block.len();
            match bench.transports.send(TransportId(1), &block) {
                Some(Happened::Queued(_, 0)) => {}
                Some(Happened::Queued(_, queued)) => break queued,
                other => panic!("{other:?}"),
            }
            assert!(sent < 1 << 28);
        };
        assert!(queued <= sent);
        let reader = std::thread::spawn(move || {
            let mut got = vec![0; sent];
            peer.read_exact(&mut got).map(|()| got.iter().all(|byte| *byte == 7))
        });
        bench.turn_until(|bench| bench.happened.last() == Some(&Happened::Queued(TransportId(1), 0)));
        assert!(reader.join().unwrap().unwrap());
    }

    #[test]
    fn an_attachment_has_a_bound_of_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut bench = Bench::new();
        let mut peers = vec![];
        while !bench.transports.are_too_many(AttachmentId(1)) {
            peers.push(bench.connect(1 + 2 * peers.len() as u64, &listener));
            assert!(peers.len() < 1000, "no bound");
        }
        assert!(!bench.transports.are_too_many(AttachmentId(2)), "another's is not used up");
    }

    #[test]
    fn the_last_words_arrive_although_the_peer_was_still_talking() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut bench = Bench::new();
        let mut peer = bench.connect(1, &listener);
        bench.turn_until(|bench| !bench.happened.is_empty());
        peer.write_all(&[1; 4096]).unwrap();
        bench.transports.send(TransportId(1), b"cease");
        bench.transports.close(TransportId(1), Moment::ZERO);
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"cease");
        drop(peer);
        let told = bench.happened.len();
        bench.turn_until(|bench| bench.transports.open.is_empty());
        assert_eq!(bench.happened[told..], [], "who closes needs not be told");
    }
}

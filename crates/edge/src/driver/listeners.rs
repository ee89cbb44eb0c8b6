//! Where peers connect: one listener for each of our addresses that sessions use, with the MD5 keys of their peers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use causeway_edge_types::{AttachmentId, EdgeConfig, PeerId, Problem, Secret};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::attachments::{Host, Hosts};
use crate::sockets;

/// The place of a listener: the attachment and our address on it.
pub type Place = (AttachmentId, IpAddr);

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    number: u64,
    keys: BTreeMap<IpAddr, Secret>,
}

/// All listeners.
#[derive(Debug, Default)]
pub struct Listeners {
    open: BTreeMap<Place, Listener>,
    next_number: u64,
}

impl Listeners {
    /// Makes listeners and keys as the configuration wants them. `token` names a listener's number to the poll. What
    /// fails is told, and tried again at the next call.
    pub fn update(
        &mut self,
        registry: &Registry,
        token: impl Fn(u64) -> Token,
        config: &EdgeConfig,
        hosts: &Hosts,
    ) -> Vec<Problem> {
        let mut wanted: BTreeMap<Place, BTreeMap<IpAddr, Secret>> = BTreeMap::new();
        for peer in config.vrfs.iter().flat_map(|vrf| &vrf.peers) {
            let keys = wanted.entry((peer.id.attachment, peer.local_address)).or_default();
            keys.extend(peer.md5_key.clone().map(|key| (peer.id.address, key)));
        }
        self.open.retain(|place, _| wanted.contains_key(place));
        let mut problems = Vec::new();
        for (place, keys) in wanted {
            // An attachment without a host interface has its own problem.
            let Some(host) = hosts.get(place.0) else { continue };
            if let Err(error) = self.update_one(registry, &token, place, keys, host) {
                let message = format!("cannot listen on {}: {error:#}", place.1);
                problems.push(Problem::new("Listener", format!("attachment {}", place.0), message));
            }
        }
        problems
    }

    fn update_one(
        &mut self,
        registry: &Registry,
        token: impl Fn(u64) -> Token,
        place: Place,
        keys: BTreeMap<IpAddr, Secret>,
        host: &Host,
    ) -> anyhow::Result<()> {
        if !self.open.contains_key(&place) {
            let mut socket = host.namespace.within(|| Ok(sockets::listen(place.1)?))?;
            // Keys before the poll: nobody is accepted without the key that he should have.
            set_keys(&socket, &BTreeMap::new(), &keys)?;
            self.next_number += 1;
            registry.register(&mut socket, token(self.next_number), Interest::READABLE)?;
            self.open.insert(place, Listener { socket, number: self.next_number, keys });
            return Ok(());
        }
        if let Some(listener) = self.open.get_mut(&place)
            && listener.keys != keys
        {
            set_keys(&listener.socket, &listener.keys, &keys)?;
            listener.keys = keys;
        }
        Ok(())
    }

    /// Closes the listeners of an attachment.
    pub fn forget(&mut self, attachment: AttachmentId) {
        self.open.retain(|(of, _), _| *of != attachment);
    }

    /// Everybody who waits at a listener.
    pub fn accept(&mut self, number: u64) -> Vec<(PeerId, TcpStream)> {
        let mut out = Vec::new();
        let Some((place, listener)) = self.open.iter().find(|(_, listener)| listener.number == number) else {
            return out;
        };
        loop {
            match listener.socket.accept() {
                Ok((stream, from)) => {
                    if sockets::prepare_accepted(&stream).is_ok() {
                        out.push((PeerId { attachment: place.0, address: from.ip() }, stream));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return out,
                // Somebody who left before he was accepted, or a limit of the machine: the next one may do better.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!("cannot accept on attachment {}: {error}", place.0);
                    return out;
                }
            }
        }
    }
}

fn set_keys(
    socket: &TcpListener,
    before: &BTreeMap<IpAddr, Secret>,
    after: &BTreeMap<IpAddr, Secret>,
) -> io::Result<()> {
    let peers: BTreeSet<&IpAddr> = before.keys().chain(after.keys()).collect();
    for peer in peers {
        if before.get(peer) != after.get(peer) {
            sockets::set_md5_key(socket, *peer, after.get(peer))?;
        }
    }
    Ok(())
}

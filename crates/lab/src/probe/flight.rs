//! The flying: one sender thread that serves every flow in turn, one receiver thread for each place.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::account::{Report, account};
use super::{LENGTH, Packet};
use crate::machine::netns;

/// Where packets come from or go to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The namespace.
    pub namespace: String,
    /// The address and UDP port there; port 0 takes any.
    pub address: SocketAddr,
}

/// One direction between two places.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its name in the report.
    pub name: String,
    /// From where.
    pub from: Endpoint,
    /// To where.
    pub to: Endpoint,
}

/// A probe in flight.
pub struct Probe {
    flows: Vec<Flow>,
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Vec<Duration>>>,
    receivers: Vec<JoinHandle<Vec<Packet>>>,
}

/// A socket that is bound in a namespace.
pub(super) fn socket(endpoint: &Endpoint) -> anyhow::Result<UdpSocket> {
    netns::enter(&endpoint.namespace, || {
        UdpSocket::bind(endpoint.address).with_context(|| format!("{} in {}", endpoint.address, endpoint.namespace))
    })
}

impl Probe {
    /// Begins: `interval` is between two packets of one flow.
    pub fn start(flows: Vec<Flow>, interval: Duration) -> anyhow::Result<Probe> {
        let (stop_sending, stop_receiving) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        // All sockets first: no packet may fly before the last receiver is there.
        let mut places: BTreeMap<Endpoint, UdpSocket> = BTreeMap::new();
        for flow in &flows {
            if !places.contains_key(&flow.to) {
                let receiver = socket(&flow.to)?;
                receiver.set_read_timeout(Some(Duration::from_millis(20))).context("a read timeout")?;
                places.insert(flow.to.clone(), receiver);
            }
        }
        let sockets = flows.iter().map(|flow| socket(&flow.from)).collect::<anyhow::Result<Vec<_>>>()?;
        let receivers = places
            .into_values()
            .map(|socket| {
                let stop = stop_receiving.clone();
                std::thread::spawn(move || receive(&socket, &stop))
            })
            .collect();
        let began = Instant::now();
        let senders = flows
            .iter()
            .zip(sockets)
            .enumerate()
            .map(|(number, (flow, socket))| {
                let (stop, to) = (stop_sending.clone(), flow.to.address);
                std::thread::spawn(move || send(&socket, to, number as u32, began, interval, &stop))
            })
            .collect();
        Ok(Probe { flows, stop_sending, stop_receiving, senders, receivers })
    }

    /// Ends, waits for what is still on its way, and accounts.
    pub fn finish(self) -> Vec<Report> {
        self.stop_sending.store(true, Ordering::Relaxed);
        let sent: Vec<Vec<Duration>> = self.senders.into_iter().map(join).collect();
        // A packet that takes longer than this is as good as lost.
        std::thread::sleep(Duration::from_millis(200));
        self.stop_receiving.store(true, Ordering::Relaxed);
        let arrived: Vec<Packet> = self.receivers.into_iter().flat_map(join).collect();
        let of =
            |number: usize| arrived.iter().filter(|packet| packet.flow == number as u32).copied().collect::<Vec<_>>();
        let all = self.flows.into_iter().zip(&sent).enumerate();
        all.map(|(number, (flow, sent))| account(flow.name, sent, &of(number))).collect()
    }
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Sends until it is told to stop; the times of sending. A packet that can't be sent (no route at this moment) counts as
/// sent: the host would have lost it just so.
fn send(
    socket: &UdpSocket,
    to: SocketAddr,
    flow: u32,
    began: Instant,
    interval: Duration,
    stop: &AtomicBool,
) -> Vec<Duration> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let at = began.elapsed();
        let packet = Packet { flow, number: times.len() as u32, sent_ns: at.as_nanos() as u64 };
        let _ = socket.send_to(&packet.encode(), to);
        times.push(at);
        // From deadline to deadline, so that the pace holds; a machine that was away does not catch up in a burst.
        let now = began.elapsed();
        let next = at + interval;
        if next > now {
            std::thread::sleep(next - now);
        }
    }
    times
}

fn receive(socket: &UdpSocket, stop: &AtomicBool) -> Vec<Packet> {
    let mut out = Vec::new();
    let mut buffer = [0; LENGTH + 1];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, _)) => out.extend(Packet::decode(&buffer[..length])),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stop.load(Ordering::Relaxed) {
                    return out;
                }
            }
            // An ICMP error of an earlier packet; none of ours sends from here.
            Err(_) => {}
        }
    }
}

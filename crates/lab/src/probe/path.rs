//! Which flows cross a cable: seen on the cable itself, so that a cut of it is a cut of these flows.

use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::Packet;
use super::flight::{Endpoint, Flow, socket};
use crate::machine::netns;

/// A socket that sees every frame of an interface, in both directions.
fn tap(namespace: &str, ifname: &str) -> anyhow::Result<OwnedFd> {
    netns::enter(namespace, || {
        let all = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: plain calls of the socket API; the descriptor is owned from the moment it is there.
        unsafe {
            let raw = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(all));
            if raw < 0 {
                return Err(std::io::Error::last_os_error()).context("a packet socket");
            }
            let socket = OwnedFd::from_raw_fd(raw);
            let name = std::ffi::CString::new(ifname).context("an interface's name")?;
            let index = libc::if_nametoindex(name.as_ptr());
            if index == 0 {
                bail!("there is no interface {ifname} in {namespace}");
            }
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = all;
            address.sll_ifindex = index as i32;
            let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            if libc::bind(raw, (&raw const address).cast(), length) < 0 {
                return Err(std::io::Error::last_os_error()).context("binding a packet socket");
            }
            Ok(socket)
        }
    })
}

/// The next frame of a probe on a tap, with what is in it; none by `deadline`.
fn next(tap: &OwnedFd, deadline: Instant) -> Option<(Vec<u8>, Packet)> {
    let mut buffer = vec![0u8; 2048];
    while Instant::now() < deadline {
        let mut poll = libc::pollfd { fd: tap.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, one buffer of the length given.
        let length = unsafe {
            if libc::poll(&raw mut poll, 1, 10) <= 0 {
                continue;
            }
            libc::recv(tap.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT)
        };
        if let Ok(length) = usize::try_from(length)
            && let Some(packet) = Packet::find(&buffer[..length])
        {
            buffer.truncate(length);
            return Some((buffer, packet));
        }
    }
    None
}

fn send_one(flow: &Flow, number: u32) -> anyhow::Result<()> {
    let packet = Packet { flow: number, number: 0, sent_ns: 0 };
    socket(&flow.from)?.send_to(&packet.encode(), flow.to.address).with_context(|| flow.name.clone())?;
    Ok(())
}

/// Somebody who receives the flow for a while. Without one, the answer is an ICMP error, which has the packet in it and
/// goes back on a path of its own. A probe that is under way receives already.
fn listen(flow: &Flow) -> Option<UdpSocket> {
    socket(&flow.to).ok()
}

/// Flows that only look for their path are numbered from here, so that a probe that is under way is not confused.
const LOOKING: u32 = 1_000_000;

/// Which of these flows cross the interface `ifname` in `namespace`: each sends one packet.
pub fn crossing(flows: &[Flow], namespace: &str, ifname: &str) -> anyhow::Result<Vec<bool>> {
    let tap = tap(namespace, ifname)?;
    let _receivers: Vec<_> = flows.iter().filter_map(listen).collect();
    for (flow, number) in flows.iter().zip(LOOKING..) {
        send_one(flow, number)?;
    }
    let deadline = Instant::now() + Duration::from_millis(200);
    let mut out = vec![false; flows.len()];
    while let (true, Some((_, packet))) = (out.contains(&false), next(&tap, deadline)) {
        if let Some(flow) = packet.flow.checked_sub(LOOKING).and_then(|number| out.get_mut(number as usize)) {
            *flow = true;
        }
    }
    Ok(out)
}

/// A frame of this flow as it crosses the interface.
pub fn capture(flow: &Flow, namespace: &str, ifname: &str) -> anyhow::Result<Vec<u8>> {
    let tap = tap(namespace, ifname)?;
    let _receiver = listen(flow);
    send_one(flow, LOOKING)?;
    let deadline = Instant::now() + Duration::from_secs(1);
    while let Some((frame, packet)) = next(&tap, deadline) {
        if packet.flow == LOOKING {
            return Ok(frame);
        }
    }
    bail!("{}: no frame of it is seen on {ifname}", flow.name)
}

/// The tags of a frame, outermost first.
pub fn tags(frame: &[u8]) -> Vec<u16> {
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    let mut out = Vec::new();
    let mut at = 12;
    while let (Some(0x8100 | 0x88a8), Some(tag)) = (word(at), word(at + 2)) {
        out.push(tag & 0x0fff);
        at += 4;
    }
    out
}

/// A flow like `flow` that crosses the cable: another port of the sender takes another path (paths are chosen by hash).
pub fn find_crossing(flow: &Flow, namespace: &str, ifname: &str) -> anyhow::Result<Flow> {
    const PORTS: std::ops::Range<u16> = 40_000..40_032;
    let candidates: Vec<Flow> = PORTS
        .map(|port| {
            let mut address = flow.from.address;
            address.set_port(port);
            Flow { from: Endpoint { namespace: flow.from.namespace.clone(), address }, ..flow.clone() }
        })
        .collect();
    let tap = tap(namespace, ifname)?;
    let _receiver = listen(flow);
    for (flow, number) in candidates.iter().zip(LOOKING..) {
        send_one(flow, number)?;
    }
    let deadline = Instant::now() + Duration::from_millis(200);
    while let Some((_, packet)) = next(&tap, deadline) {
        if let Some(flow) = packet.flow.checked_sub(LOOKING).and_then(|number| candidates.get(number as usize)) {
            return Ok(flow.clone());
        }
    }
    bail!("{}: no flow of {} crosses {ifname}", flow.name, PORTS.len())
}

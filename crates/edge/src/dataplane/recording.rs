//! A data plane that forwards nothing and remembers what it was asked, for tests of those who ask.

use std::collections::BTreeMap;
use std::net::IpAddr;

use causeway_edge_types::{AttachmentCounters, AttachmentId, CrossConnect, DropCount, PortName};
use causeway_router::FibChange;

use super::{Dataplane, HostAttachment, Port, UnderlayHop};

/// One call of a [`Dataplane`], as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// [`Dataplane::configure`].
    Configure {
        /// The ports given.
        ports: Vec<Port>,
        /// The attachments given.
        attachments: Vec<HostAttachment>,
        /// The cross-connects given.
        cross_connects: Vec<CrossConnect>,
    },
    /// [`Dataplane::apply`], one entry for each change.
    Apply(FibChange),
    /// [`Dataplane::set_neighbor`].
    Neighbor {
        /// On which attachment.
        attachment: AttachmentId,
        /// Which neighbour.
        address: IpAddr,
        /// Its MAC address now.
        mac: Option<[u8; 6]>,
    },
    /// [`Dataplane::set_underlay`].
    Underlay {
        /// Which far end.
        remote: IpAddr,
        /// How it is reached now.
        hop: Option<UnderlayHop>,
    },
}

/// Remembers every call in order.
#[derive(Clone, Debug, Default)]
pub struct RecordingDataplane {
    /// What was asked, the oldest first.
    pub asked: Vec<Asked>,
    /// What [`Dataplane::counters`] answers.
    pub counters: Vec<AttachmentCounters>,
    /// What [`Dataplane::counters`] answers beside it.
    pub drops: Vec<DropCount>,
    /// What [`Dataplane::port_mode`] answers; `none` for a port that is not in it.
    pub port_modes: BTreeMap<PortName, String>,
}

impl Dataplane for RecordingDataplane {
    fn configure(
        &mut self,
        ports: &[Port],
        attachments: &[HostAttachment],
        cross_connects: &[CrossConnect],
    ) -> anyhow::Result<()> {
        self.asked.push(Asked::Configure {
            ports: ports.to_vec(),
            attachments: attachments.to_vec(),
            cross_connects: cross_connects.to_vec(),
        });
        Ok(())
    }

    fn apply(&mut self, changes: &[FibChange]) -> anyhow::Result<()> {
        self.asked.extend(changes.iter().cloned().map(Asked::Apply));
        Ok(())
    }

    fn set_neighbor(&mut self, attachment: AttachmentId, address: IpAddr, mac: Option<[u8; 6]>) -> anyhow::Result<()> {
        self.asked.push(Asked::Neighbor { attachment, address, mac });
        Ok(())
    }

    fn set_underlay(&mut self, remote: IpAddr, hop: Option<UnderlayHop>) -> anyhow::Result<()> {
        self.asked.push(Asked::Underlay { remote, hop });
        Ok(())
    }

    fn counters(&self) -> anyhow::Result<(Vec<AttachmentCounters>, Vec<DropCount>)> {
        Ok((self.counters.clone(), self.drops.clone()))
    }

    fn port_mode(&self, port: &PortName) -> String {
        self.port_modes.get(port).cloned().unwrap_or_else(|| "none".to_owned())
    }
}

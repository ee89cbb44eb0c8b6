//! What the edge sees, for others to read.

use std::fmt::Write;

use causeway_edge_types::{EdgeStatus, Moment, NeighborStatus, PortStatus, Problem};

use super::RouterDriver;
use crate::netlink::is_link_local;

impl RouterDriver {
    /// Puts up a status; `is_news` says that more than figures has changed.
    pub(super) fn publish(&mut self, now: Moment, is_news: bool) {
        let mut problems: Vec<Problem> = self.problems.values().flatten().cloned().collect();
        let (counters, drops) = self.dataplane.counters().unwrap_or_else(|error| {
            problems.push(Problem::new("Dataplane", "counters", format!("{error:#}")));
            (vec![], vec![])
        });
        let ports = self.carriers.iter().map(|(port, is_up)| PortStatus {
            port: port.clone(),
            is_up: *is_up,
            xdp_mode: self.dataplane.port_mode(port),
        });
        let neighbors = self.hosts.iter().flat_map(|host| {
            host.neighbors.values().filter(|neighbor| !is_link_local(neighbor.address)).map(|neighbor| NeighborStatus {
                attachment: host.attachment.id,
                address: neighbor.address,
                mac: neighbor.mac.map_or(String::new(), mac_text),
            })
        });
        let status = EdgeStatus {
            edge: self.name.clone(),
            boot_id: self.boot_id.clone(),
            observed_generation: self.observed_generation,
            ports: ports.collect(),
            neighbors: neighbors.collect(),
            peers: self.router.peers(now),
            routes: vec![],
            routes_truncated: false,
            counters,
            drops,
            problems,
        };
        self.board.publish(status, is_news);
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.iter().enumerate().fold(String::new(), |mut text, (at, byte)| {
        let _ = write!(text, "{}{byte:02x}", if at == 0 { "" } else { ":" });
        text
    })
}

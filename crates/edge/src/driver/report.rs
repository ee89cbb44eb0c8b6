//! What the edge sees, for others to read.

use std::fmt::Write;
use std::time::Duration;

use causeway_edge_types::{EdgeStatus, Moment, NeighborStatus, PortStatus, Problem};

use super::RouterDriver;
use crate::netlink::is_link_local;

/// A status lists at most this many routes.
const ROUTES_MAX: usize = 10_000;
/// Routes are read again this often without news: what changes without another next hop is no news.
const ROUTES_EVERY: Duration = Duration::from_secs(5);

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
        if is_news || now >= self.routes_until {
            self.routes_until = now + ROUTES_EVERY;
            self.routes = self.router.route_statuses().take(ROUTES_MAX + 1).collect();
        }
        let status = EdgeStatus {
            edge: self.name.clone(),
            boot_id: self.boot_id.clone(),
            observed_generation: self.observed_generation,
            ports: ports.collect(),
            neighbors: neighbors.collect(),
            peers: self.router.peer_statuses(now),
            routes: self.routes.iter().take(ROUTES_MAX).cloned().collect(),
            routes_truncated: self.routes.len() > ROUTES_MAX,
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

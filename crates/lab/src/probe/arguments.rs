//! The probe between a customer's host and its virtual network's machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context;

use super::{Endpoint, Flow, Probe, Report, find_crossing};
use crate::blueprint::Strand;
use crate::lab::Lab;

/// The UDP port that probes are sent to.
const PORT: u16 = 7007;

/// `causeway lab probe …`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// For how long, in seconds.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    seconds: f64,
    /// Milliseconds between two packets of one flow.
    #[arg(long, default_value_t = 1.0, value_name = "MS")]
    interval: f64,
    /// Take flows that cross this link: `primary` or `secondary`.
    #[arg(long, value_name = "LINK")]
    crossing: Option<String>,
    /// Whose host and machine; the first customer's where none is named.
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
}

impl Arguments {
    /// Probes.
    pub fn run(&self, lab: &Lab) -> anyhow::Result<Vec<Report>> {
        let customers = &lab.topology.customers;
        let index = match &self.customer {
            None => 0,
            Some(name) => customers
                .iter()
                .position(|customer| customer.name == *name)
                .with_context(|| format!("there is no customer \"{name}\" in lab \"{}\"", lab.name()))?,
        };
        let strand = match self.crossing.as_deref() {
            None => None,
            Some(word) => Some(
                Strand::BOTH
                    .into_iter()
                    .find(|strand| strand.word() == word)
                    .with_context(|| format!("--crossing {word}: must be primary or secondary"))?,
            ),
        };
        for (what, value) in [("seconds", self.seconds), ("interval", self.interval)] {
            anyhow::ensure!(value.is_finite() && value > 0.0 && value < 86_400.0, "--{what} {value}: must be above 0");
        }
        let probe = Probe::start(flows(lab, index, strand)?, Duration::from_secs_f64(self.interval / 1000.0))?;
        std::thread::sleep(Duration::from_secs_f64(self.seconds));
        Ok(probe.finish())
    }
}

/// Four flows, both families and both directions; on one strand where one is named.
pub fn flows(lab: &Lab, index: usize, strand: Option<Strand>) -> anyhow::Result<Vec<Flow>> {
    let customer = &lab.topology.customers[index];
    let (host, vm) = (customer.node(index, "host"), customer.node(index, "vm"));
    let place = |node: &str, address: IpAddr, port| Endpoint {
        namespace: lab.namespace(node),
        address: SocketAddr::new(address, port),
    };
    let mut out = Vec::new();
    for (here, there) in customer.site.host_addresses().into_iter().zip(customer.network.host_addresses()) {
        let family = if here.addr().is_ipv4() { "IPv4" } else { "IPv6" };
        let ends = [(&host, here.addr(), &vm, there.addr()), (&vm, there.addr(), &host, here.addr())];
        for (from, from_address, to, to_address) in ends {
            out.push(Flow {
                name: format!("{family} {from} to {to}"),
                from: place(from, from_address, 0),
                to: place(to, to_address, PORT),
            });
        }
    }
    match strand {
        None => Ok(out),
        Some(strand) => {
            let cable = format!("up-{}", strand.word());
            out.iter().map(|flow| find_crossing(flow, &lab.namespace("provider"), &cable)).collect()
        }
    }
}

//! Brings a lab up: looks at everything that could be wrong, then makes it, then lets the three parties do their work.

use std::time::Duration;

use anyhow::{Context, bail};
use causeway_client::Client;

use crate::blueprint::{Role, Strand};
use crate::lab::{CONTROL, Lab, free_listen, this_program, write_router_files};
use crate::machine::{network, requirements, sweep, tools};
use crate::parties::customer::Account;
use crate::parties::{Parties, operator, provider};
use crate::probe;
use crate::progress::{Progress, wait_for};
use crate::state::{Phase, Place, State};
use crate::topology::{Topology, rules};

/// How long our own daemons may take for one thing.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long routers may take to find each other.
const CONVERGENCE: Duration = Duration::from_secs(30);

/// The lab was not begun: nothing was made, and nothing is to be taken away.
#[derive(Debug)]
pub struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not begun")
    }
}

impl std::error::Error for Refused {}

/// Looks at the name, the topology and the machine; everything that is wrong, or a lab to be made.
fn check(name: &str, topology_text: &str) -> anyhow::Result<Topology> {
    let mut wrong = Vec::new();
    if !rules::is_word(name) {
        wrong.push(format!("the lab's name \"{name}\": {}", rules::WORD));
    }
    let topology = Topology::parse(topology_text).unwrap_or_else(|problems| {
        wrong.extend(problems.iter().map(|problem| format!("topology: {problem}")));
        Topology::parse("").unwrap_or_else(|_| unreachable!("an empty topology is good"))
    });
    wrong.extend(requirements::missing(&topology).into_iter().map(|what| format!("this machine lacks {what}")));
    if !wrong.is_empty() {
        return Err(anyhow::Error::new(Refused).context(format!("nothing was made:\n  {}", wrong.join("\n  "))));
    }
    Ok(topology)
}

/// Brings it up.
pub fn up(name: &str, topology_text: &str, progress: &mut Progress) -> anyhow::Result<Lab> {
    check(name, topology_text)?;
    let place = Place::of(name);
    let _turn = place.lock().context(Refused)?;
    if place.exists() || !sweep::remains(name)?.is_empty() {
        bail!(
            "lab \"{name}\" is there already, or something is left of it; `causeway lab down --name {name}` removes it"
        );
    }
    let state = State {
        lab: name.to_owned(),
        phase: Phase::Making,
        topology: topology_text.to_owned(),
        listen: free_listen()?,
        program: this_program()?,
    };
    place.write(&state)?;
    let mut lab = Lab::new(state)?;
    make(&lab, progress).map_err(|error| {
        let ended = lab.obituaries();
        error.context(format!(
            "lab \"{name}\" is half made; its logs are in {}; `causeway lab down --name {name}` removes it{ended}",
            place.path("").display()
        ))
    })?;
    lab.state.phase = Phase::Up;
    place.write(&lab.state)?;
    Ok(lab)
}

fn make(lab: &Lab, progress: &mut Progress) -> anyhow::Result<()> {
    progress.chapter("The machine");
    progress.step("namespaces, cables and addresses", |notes| {
        network::make(lab.name(), &lab.blueprint)?;
        notes.say(format!("{} namespaces, {} cables", lab.blueprint.nodes.len(), lab.blueprint.pairs.len()));
        Ok(())
    })?;
    progress.step("the customers' routers start", |_| start_routers(lab))?;
    let parties = progress.step("control starts", |notes| {
        let parties = start_control(lab)?;
        notes.say(lab.state.endpoint());
        Ok(parties)
    })?;

    progress.chapter("The operator");
    let accounts = progress.step("registers location, provider and nodes", |_| {
        operator::register(&parties.operator, lab.name(), &lab.topology)?;
        accounts(lab, &parties)
    })?;
    progress.step("edges, gateways and cross-connect start", |_| start_nodes(lab, &parties))?;

    for (index, account) in accounts.iter().enumerate() {
        provision(lab, &parties, account, index, progress)?;
    }
    Ok(())
}

/// What the parties do for one customer.
fn provision(
    lab: &Lab,
    parties: &Parties,
    account: &Account,
    index: usize,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let customer = &lab.topology.customers[index];
    progress.chapter(&format!("Customer {}", customer.name));
    let service_key = progress.step("the customer orders a circuit", |notes| {
        account.make_group()?;
        let key = account.order_circuit(&lab.topology, customer)?;
        notes
            .say(format!("{} Mbit/s at {}, service key {key}", customer.circuit.bandwidth_mbps, lab.topology.location));
        Ok(key)
    })?;
    progress.step("the customer makes a virtual network and its gateway", |notes| {
        account.make_network(customer)?;
        notes.say(format!("{} and {}", customer.network.ipv4, customer.network.ipv6));
        Ok(())
    })?;
    progress.step("the provider finds the circuit by its key and provisions it", |notes| {
        let cross_connection = provider::find(parties, &service_key)?;
        for state in ["Provisioning", "Provisioned"] {
            provider::set_state(&parties.provider, lab.name(), &cross_connection, state, index)?;
        }
        if let Some(s_tag) = cross_connection["properties"]["sTag"].as_u64() {
            notes.say(format!("S-tag {s_tag}"));
        }
        Ok(())
    })?;
    progress.step("the customer configures the private peering", |notes| {
        account.configure_peering(customer)?;
        notes.say(format!("AS {}, C-tag {}", customer.site.asn, customer.peering.vlan_id));
        Ok(())
    })?;
    progress.step("BGP is established with both edges, as the customer's router sees it", |notes| {
        let sessions = wait_for_sessions(lab, index, CONVERGENCE)?;
        for session in sessions {
            let peer_id = session.peer_id.unwrap_or_default();
            notes.say(format!("{:<11} {:<22} {} {peer_id}", session.name, session.peer, session.state));
        }
        Ok(())
    })?;
    progress.step("the customer joins the gateway to the circuit", |_| account.connect())?;
    progress.step("the first packets pass, IPv4 and IPv6", |_| {
        customer.network.host_addresses().iter().try_for_each(|address| {
            wait_for_ping(lab, &customer.node(index, "host"), &address.addr().to_string(), CONVERGENCE)
        })
    })?;
    progress.step("packets cross both links, both ways, and BFD watches them", |_| {
        Strand::BOTH.into_iter().try_for_each(|strand| wait_for_path(lab, index, strand, CONVERGENCE))?;
        wait_for_bfd(lab, index, CONVERGENCE)
    })
}

fn start_control(lab: &Lab) -> anyhow::Result<Parties> {
    lab.start(CONTROL)?;
    let clients = lab.place.control().join("clients.json");
    wait_for("control starts", PATIENCE, || {
        if lab.running(CONTROL)?.is_empty() {
            bail!("control has ended");
        }
        // The file is there before control listens; whether it listens is asked of the port.
        let listens = std::net::TcpStream::connect(&lab.state.listen).is_ok();
        Ok(if listens && clients.exists() { Ok(()) } else { Err("it does not listen yet".to_owned()) })
    })?;
    Parties::open(&lab.place.control(), &lab.state.endpoint())
}

fn start_routers(lab: &Lab) -> anyhow::Result<()> {
    for node in lab.blueprint.nodes.iter().filter(|node| node.role == Role::Ce) {
        let customer = lab.customer(node).context("a router is a customer's")?;
        write_router_files(&lab.place.node(&node.name)?, customer, &lab.topology)?;
        lab.start(&node.name)?;
    }
    Ok(())
}

fn accounts(lab: &Lab, parties: &Parties) -> anyhow::Result<Vec<Account>> {
    let ca = lab.place.control().join("ca.pem");
    let mut out = Vec::new();
    for (index, customer) in lab.topology.customers.iter().enumerate() {
        let (subscription, credentials) = operator::admit(parties, lab.name(), &lab.topology, index)?;
        // Kept for whoever goes on as this customer, with any client.
        credentials.write(&lab.place.path(&format!("{}.customer.json", customer.name)))?;
        let client = Client::with_ca_file(&lab.state.endpoint(), &ca, credentials)?;
        out.push(Account { client, subscription, name: customer.name.clone() });
    }
    Ok(out)
}

fn start_nodes(lab: &Lab, parties: &Parties) -> anyhow::Result<()> {
    for node in lab.our_nodes() {
        let credentials = operator::node_credentials(parties, lab.name(), &node.name)?;
        credentials.write(&lab.credentials_file(&node.name))?;
        lab.start(&node.name)?;
    }
    wait_for_nodes(lab, parties, PATIENCE)
}

/// Waits until every node has told control that it did what control wants of it.
pub fn wait_for_nodes(lab: &Lab, parties: &Parties, patience: Duration) -> anyhow::Result<()> {
    let wanted = lab.our_nodes().count();
    wait_for("the nodes speak to control", patience, || {
        let nodes = parties.operator.get("/providers/Causeway.Fabric/nodes")?;
        let all = nodes["value"].as_array().map_or(&[][..], Vec::as_slice);
        let late: Vec<&str> = all
            .iter()
            .filter(|node| node["lastSeenS"].is_null() || node["observedGeneration"] != node["wantedGeneration"])
            .filter_map(|node| node["name"].as_str())
            .collect();
        let silent = all.len() < wanted || !late.is_empty();
        Ok(if silent { Err(format!("not yet: {}", late.join(", "))) } else { Ok(()) })
    })
}

/// Waits until all sessions of a customer's router are established, with two different routers.
pub fn wait_for_sessions(
    lab: &Lab,
    index: usize,
    patience: Duration,
) -> anyhow::Result<Vec<crate::routers::CeSession>> {
    wait_for("BGP with both edges", patience, || {
        // The router's own socket may not be there yet.
        let sessions = lab.sessions(index).unwrap_or_default();
        let missing: Vec<String> = sessions
            .iter()
            .filter(|session| !session.is_established())
            .map(|session| format!("{} is {}", session.name, session.state))
            .collect();
        if sessions.is_empty() || !missing.is_empty() {
            return Ok(Err(missing.join(", ")));
        }
        let peers: std::collections::BTreeSet<_> = sessions.iter().map(|session| session.peer_id.clone()).collect();
        Ok(if peers.len() == 2 { Ok(sessions) } else { Err(format!("the far ends are {peers:?}, not two routers")) })
    })
}

/// Waits until BFD is up for every session of a customer's router. Before that, BGP works and a silent failure is only
/// found by its hold time (RFC 5882 section 4.1 lets a session come up without BFD).
pub fn wait_for_bfd(lab: &Lab, index: usize, patience: Duration) -> anyhow::Result<()> {
    wait_for("BFD with both edges", patience, || {
        let (up, wanted) = (lab.bfd_up(index)?, lab.sessions(index)?.len());
        Ok(if up == wanted { Ok(()) } else { Err(format!("{up} of {wanted} sessions are up")) })
    })
}

/// Waits until a node reaches an address.
pub fn wait_for_ping(lab: &Lab, node: &str, address: &str, patience: Duration) -> anyhow::Result<()> {
    wait_for(&format!("ping from {node} to {address}"), patience, || {
        Ok(if ping(lab, node, address, "0.2")? { Ok(()) } else { Err("no answer".to_owned()) })
    })
}

/// Waits until packets of both families cross a strand in both directions.
pub fn wait_for_path(lab: &Lab, index: usize, strand: Strand, patience: Duration) -> anyhow::Result<()> {
    wait_for(&format!("packets across the {} link", strand.word()), patience, || {
        Ok(probe::flows(lab, index, Some(strand)).map(drop).map_err(|error| format!("{error:#}")))
    })
}

/// One packet and its answer.
pub fn ping(lab: &Lab, node: &str, address: &str, wait_s: &str) -> anyhow::Result<bool> {
    let mut command = lab.inside(node, "ping");
    Ok(tools::output(command.args(["-n", "-c", "1", "-W", wait_s, address]), "")?.status.success())
}

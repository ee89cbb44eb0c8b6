//! One peer: its session, what it has told and been told, and whether it can be forwarded to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use causeway_edge_types::{Asn, Attachment, BfdState, Encapsulation, Family, Moment, PeerConfig, PortName};
use causeway_wire::bgp::Attributes;
use ipnet::IpNet;

use crate::policy::{ExportRules, ImportRules};
use crate::rib::AdjIn;
use crate::session::{Session, Settings};
use crate::{BfdDiagnostic, BfdNotice};

/// More bytes than this waiting in the driver, and the peer is told nothing new until half of them are gone. What it
/// must be told is kept as a set of prefixes, so that a slow peer costs no memory.
const QUEUE_BYTES_MAX: usize = 512 * 1024;

/// Where the peer is, as far as its attachment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The port of its attachment; a tunnel has none.
    pub(crate) port: Option<PortName>,
    /// Our addresses of the session's family there, with their subnets.
    pub(crate) own_addresses: Vec<IpNet>,
}

impl Place {
    pub(crate) fn of(attachment: Option<&Attachment>, family: Family) -> Place {
        let port = match attachment.map(|attachment| &attachment.encapsulation) {
            Some(Encapsulation::Port { port, .. }) => Some(port.clone()),
            _ => None,
        };
        let addresses = attachment.map(|attachment| attachment.addresses.as_slice()).unwrap_or_default();
        let own_addresses = addresses.iter().filter(|own| Family::of_prefix(own) == family).copied().collect();
        Place { port, own_addresses }
    }
}

/// A walk over adj_in in bounded steps: paths of no use go, and every prefix is decided on again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep {
    /// The last prefix that was visited.
    pub(crate) after: Option<IpNet>,
    /// Import policy has changed: every path gets a new verdict.
    pub(crate) judges: bool,
}

pub(crate) struct Peer {
    pub(crate) config: PeerConfig,
    pub(crate) local_asn: Asn,
    pub(crate) place: Place,
    pub(crate) session: Session,
    /// The peer's identifier in its last session; stale paths are compared with it.
    pub(crate) router_id: Ipv4Addr,
    pub(crate) adj_in: AdjIn,
    pub(crate) sweep: Option<Sweep>,
    /// Until when stale paths are kept.
    pub(crate) stale_until: Option<Moment>,
    pub(crate) adj_out: BTreeMap<IpNet, Arc<Attributes>>,
    /// Prefixes of which the peer may have to be told something.
    pub(crate) to_tell: BTreeSet<IpNet>,
    /// Those of them that it is told even if it knows: it has asked for everything again.
    pub(crate) to_repeat: BTreeSet<IpNet>,
    /// The peer has asked for everything again. It gets it once it has been told what waits already: a thousand requests
    /// in a row cost what one costs.
    pub(crate) wants_all_again: bool,
    /// The peer waits for the end of our table.
    pub(crate) owes_end_of_rib: bool,
    pub(crate) is_congested: bool,
    pub(crate) link_is_up: bool,
    pub(crate) bfd: Option<BfdNotice>,
    /// Until then BFD's being up may be the earlier process's of a peer that has restarted, and its end no failure.
    pub(crate) bfd_is_doubted_until: Option<Moment>,
    /// BFD was up and has lost the peer since.
    pub(crate) bfd_has_failed: bool,
    /// What the BFD engine was last told to say for us.
    pub(crate) says_path_down: bool,
    import_rules: Arc<ImportRules>,
    export_rules: Arc<ExportRules>,
}

impl Peer {
    pub(crate) fn new(config: PeerConfig, local_asn: Asn, place: Place, session: Session, link_is_up: bool) -> Peer {
        let import_rules = Arc::new(import_rules(&config, local_asn, &place));
        let export_rules = Arc::new(export_rules(&config, local_asn));
        Peer {
            config,
            local_asn,
            place,
            session,
            router_id: Ipv4Addr::UNSPECIFIED,
            adj_in: AdjIn::default(),
            sweep: None,
            stale_until: None,
            adj_out: BTreeMap::new(),
            to_tell: BTreeSet::new(),
            to_repeat: BTreeSet::new(),
            wants_all_again: false,
            owes_end_of_rib: false,
            is_congested: false,
            link_is_up,
            bfd: None,
            bfd_is_doubted_until: None,
            bfd_has_failed: false,
            says_path_down: false,
            import_rules,
            export_rules,
        }
    }

    pub(crate) fn settings(config: &PeerConfig, local_asn: Asn, router_id: Ipv4Addr) -> Settings {
        Settings {
            peer: config.id,
            local_address: config.local_address,
            local_asn,
            router_id,
            remote_asn: config.remote_asn,
            hold_time_s: config.hold_time_s,
            restart_time_s: config.restart_time_s,
        }
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.config.id.address)
    }

    pub(crate) fn is_ebgp(&self) -> bool {
        self.local_asn != self.config.remote_asn
    }

    pub(crate) fn import_rules(&self) -> Arc<ImportRules> {
        self.import_rules.clone()
    }

    pub(crate) fn export_rules(&self) -> Arc<ExportRules> {
        self.export_rules.clone()
    }

    /// To be called when the configuration or the place has changed.
    pub(crate) fn refresh_rules(&mut self) {
        self.import_rules = Arc::new(import_rules(&self.config, self.local_asn, &self.place));
        self.export_rules = Arc::new(export_rules(&self.config, self.local_asn));
    }

    /// Where packets go that follow a path of this peer's.
    pub(crate) fn forwarding_address(&self, attributes: &Attributes) -> IpAddr {
        self.import_rules.forwarding_address(attributes)
    }

    /// The peer is gone or silent, and what it told is still in use: it is restarting.
    pub(crate) fn is_restarting(&self) -> bool {
        self.adj_in.keeps_stale()
    }

    /// Whether packets may be sent to the peer: its link is there, its session is there or about to come back with
    /// forwarding preserved, and BFD has nothing against it.
    pub(crate) fn is_alive(&self) -> bool {
        self.link_is_up
            && (self.session.is_established() || self.adj_in.keeps_stale())
            && !self.bfd_has_failed
            && !self.has_no_path_beyond()
    }

    /// The peer says that what is behind it can't be reached (RFC 5880 section 6.8.17).
    pub(crate) fn has_no_path_beyond(&self) -> bool {
        self.bfd.is_some_and(|bfd| bfd.remote_diagnostic == BfdDiagnostic::ConcatenatedPathDown)
    }

    pub(crate) fn bfd_state(&self) -> Option<BfdState> {
        self.config.bfd.map(|_| self.bfd.map_or(BfdState::Down, |bfd| bfd.state))
    }

    /// Visits adj_in from its beginning.
    pub(crate) fn begin_sweep(&mut self, judges: bool) {
        let judges = judges || self.sweep.is_some_and(|sweep| sweep.judges);
        self.sweep = (!self.adj_in.is_empty()).then_some(Sweep { after: None, judges });
    }

    pub(crate) fn may_be_told(&self) -> bool {
        self.session.is_established() && !self.is_congested
    }

    /// Whether there is anything to tell it, if it may be told.
    pub(crate) fn has_to_be_told(&self) -> bool {
        !self.to_tell.is_empty() || self.wants_all_again || self.owes_end_of_rib
    }

    pub(crate) fn queued(&mut self, bytes: usize) {
        self.is_congested = if self.is_congested { bytes > QUEUE_BYTES_MAX / 2 } else { bytes > QUEUE_BYTES_MAX };
    }
}

fn import_rules(config: &PeerConfig, local_asn: Asn, place: &Place) -> ImportRules {
    ImportRules {
        local_asn,
        remote_asn: config.remote_asn,
        peer_address: config.id.address,
        own_addresses: place.own_addresses.clone(),
        policy: config.import.clone(),
    }
}

fn export_rules(config: &PeerConfig, local_asn: Asn) -> ExportRules {
    ExportRules {
        peer: config.id,
        local_asn,
        is_ebgp: local_asn != config.remote_asn,
        local_address: config.local_address,
        policy: config.export.clone(),
    }
}

//! OPEN: what we say in ours, and what we make of theirs (RFC 4271 section 6.2, RFC 5492).

use std::net::Ipv4Addr;
use std::time::Duration;

use causeway_edge_types::Family;
use causeway_wire::bgp::{Capability, Notification, Open, SessionOptions, code};

use super::Settings;

/// OPEN Message Error subcodes.
const BAD_PEER_AS: u8 = 2;
const BAD_BGP_IDENTIFIER: u8 = 3;
const UNACCEPTABLE_HOLD_TIME: u8 = 6;
const UNSUPPORTED_CAPABILITY: u8 = 7;

/// The restart time is a field of 12 bits (RFC 4724 section 3).
const RESTART_TIME_S_MAX: u16 = 0xfff;

/// What two OPENs have agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Negotiated {
    pub(crate) router_id: Ipv4Addr,
    /// Zero: no keepalives and no hold timer.
    pub(crate) hold_time_s: u16,
    pub(crate) options: SessionOptions,
    pub(crate) has_route_refresh: bool,
    /// Both ends do graceful restart for the session's family.
    pub(crate) restart: Option<PeerRestart>,
}

/// What the peer says about its restarts (RFC 4724 section 3, RFC 8538 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerRestart {
    pub(crate) has_restarted: bool,
    /// Both ends let a NOTIFICATION end a session gracefully.
    pub(crate) covers_notification: bool,
    pub(crate) restart_time: Duration,
    pub(crate) forwarding_preserved: bool,
}

/// Our OPEN. `has_restarted` and `forwarding_preserved` are the R and F bits.
pub(super) fn ours(settings: &Settings, has_restarted: bool, forwarding_preserved: bool) -> Open {
    let mut capabilities = vec![
        Capability::MultiProtocol(settings.family()),
        Capability::RouteRefresh,
        Capability::FourOctetAsn(settings.local_asn),
    ];
    if settings.restart_time_s > 0 {
        capabilities.push(Capability::GracefulRestart {
            has_restarted,
            covers_notification: true,
            restart_time_s: settings.restart_time_s.min(RESTART_TIME_S_MAX),
            families: vec![(settings.family(), forwarding_preserved)],
        });
    }
    Open { asn: settings.local_asn, hold_time_s: settings.hold_time_s, router_id: settings.router_id, capabilities }
}

/// Agrees on what `theirs` offers, or says with which NOTIFICATION it is refused.
pub(super) fn negotiate(settings: &Settings, theirs: &Open) -> Result<Negotiated, Notification> {
    let refuse = |subcode| Notification::new(code::OPEN_MESSAGE, subcode);
    if theirs.asn != settings.remote_asn {
        return Err(refuse(BAD_PEER_AS));
    }
    // Within an AS, identifiers are unique; between two, the pair of AS number and identifier is (RFC 6286).
    let is_own = theirs.router_id == settings.router_id && !settings.is_ebgp();
    if theirs.router_id.is_unspecified() || is_own {
        return Err(refuse(BAD_BGP_IDENTIFIER));
    }
    if matches!(theirs.hold_time_s, 1 | 2) {
        return Err(refuse(UNACCEPTABLE_HOLD_TIME));
    }
    if !speaks(settings.family(), theirs) {
        let mut refusal = refuse(UNSUPPORTED_CAPABILITY);
        let afi = if settings.family() == Family::Ipv4 { 1 } else { 2 };
        refusal.data = vec![1, 4, 0, afi, 0, 1];
        return Err(refusal);
    }
    let has = |wanted: fn(&Capability) -> bool| theirs.capabilities.iter().any(wanted);
    Ok(Negotiated {
        router_id: theirs.router_id,
        hold_time_s: settings.hold_time_s.min(theirs.hold_time_s),
        options: SessionOptions {
            four_octet_asn: has(|c| matches!(c, Capability::FourOctetAsn(_))),
            extended_message: false,
            is_ebgp: settings.is_ebgp(),
        },
        has_route_refresh: has(|c| matches!(c, Capability::RouteRefresh)),
        restart: if settings.restart_time_s > 0 { restart(settings.family(), theirs) } else { None },
    })
}

/// A peer that names no family at all speaks IPv4 (RFC 4760 section 8).
fn speaks(family: Family, theirs: &Open) -> bool {
    let mut named = theirs.capabilities.iter().filter_map(|capability| match capability {
        Capability::MultiProtocol(family) => Some(Some(*family)),
        Capability::Unknown { code: 1, .. } => Some(None),
        _ => None,
    });
    match named.next() {
        None => family == Family::Ipv4,
        Some(first) => first == Some(family) || named.any(|other| other == Some(family)),
    }
}

fn restart(family: Family, theirs: &Open) -> Option<PeerRestart> {
    theirs.capabilities.iter().find_map(|capability| match capability {
        Capability::GracefulRestart { has_restarted, covers_notification, restart_time_s, families } => {
            // A peer that lists no family only helps others (it keeps routes and sends End-of-RIB).
            let (_, forwarding_preserved) = families.iter().find(|(listed, _)| *listed == family)?;
            Some(PeerRestart {
                has_restarted: *has_restarted,
                covers_notification: *covers_notification,
                restart_time: Duration::from_secs((*restart_time_s).into()),
                forwarding_preserved: *forwarding_preserved,
            })
        }
        _ => None,
    })
}

/// Whether the peer marks the end of its table: whoever knows graceful restart does (RFC 4724 section 2).
pub(super) fn marks_end_of_rib(theirs: &Open) -> bool {
    theirs.capabilities.iter().any(|c| matches!(c, Capability::GracefulRestart { .. }))
}

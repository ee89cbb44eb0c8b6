//! A virtual network's gateway: where it lives, and which SKU may become which.

use crate::limits::{GATEWAY_SKUS, gateway_circuits};
use crate::{GATEWAY_SUBNET, Gateway, Problem, ResourceId, Snapshot};

const SKU: &str = "properties.sku.name";
const SUBNET: &str = "properties.ipConfigurations.subnet.id";

/// SKUs that can become one another without a new gateway, smallest first (fact 80).
const FAMILIES: [&[&str]; 2] =
    [&["standard", "highperformance", "ultraperformance"], &["ergw1az", "ergw2az", "ergw3az", "ergwscale"]];

/// The only steps down.
const STEPS_DOWN: [(&str, &str); 2] = [("highperformance", "standard"), ("ergw2az", "ergw1az")];

pub(super) fn put(snapshot: &Snapshot, new: &Gateway, out: &mut Vec<Problem>) {
    let old = snapshot.gateways.get(&new.id.key());
    if gateway_circuits(&new.sku).is_none() {
        let names: Vec<&str> = GATEWAY_SKUS.iter().map(|(name, _)| *name).collect();
        let message = format!("SKU '{}' is not one of an ExpressRoute gateway's: {}", new.sku, names.join(", "));
        out.push(Problem::bad_request("InvalidGatewaySkuSpecified", SKU, message));
    } else if let Some(old) = old {
        sku_change(snapshot, old, new, out);
    }
    match old {
        Some(old) if old.subnet != new.subnet => {
            let message = format!("subnet is '{}' and can't become '{}': make another gateway", old.subnet, new.subnet);
            out.push(Problem::bad_request("GatewayPropertyCannotBeChanged", SUBNET, message));
        }
        Some(_) => {}
        None => {
            super::name(new.id.name(), "gateway", out);
            place(snapshot, new, out);
        }
    }
}

/// The subnet it lives in (fact 76).
fn place(snapshot: &Snapshot, new: &Gateway, out: &mut Vec<Problem>) {
    let mut bad = |code: &str, message: String| out.push(Problem::bad_request(code, SUBNET, message));
    let subnet = new.subnet.as_str();
    if !new.subnet.name().eq_ignore_ascii_case(GATEWAY_SUBNET) {
        bad(
            "GatewayNotOnGatewaySubnet",
            format!(
                "subnet '{subnet}' is not named '{GATEWAY_SUBNET}': a gateway lives in the subnet of exactly that name"
            ),
        );
    }
    let network = new.subnet.key().rfind("/subnets/").map(|at| ResourceId::new(&new.subnet.as_str()[..at]));
    let network = network.and_then(|id| snapshot.virtual_networks.get(&id.key()));
    let Some(network) = network else {
        bad("InvalidResourceReference", format!("the virtual network of subnet '{subnet}' is not there"));
        return;
    };
    let found = network.subnets.iter().find(|(name, _)| name.eq_ignore_ascii_case(new.subnet.name()));
    match found {
        None => bad("InvalidResourceReference", format!("subnet '{subnet}' is not there")),
        Some((_, prefixes)) => {
            if !prefixes.iter().any(|prefix| prefix.addr().is_ipv4()) {
                bad(
                    "GatewaySubnetTooSmall",
                    format!("subnet '{subnet}' has no IPv4 prefix: a gateway needs a /29 at least"),
                );
            }
            for prefix in prefixes {
                let longest = if prefix.addr().is_ipv4() { 29 } else { 64 };
                if prefix.prefix_len() > longest {
                    let message =
                        format!("{GATEWAY_SUBNET} '{prefix}' is too small: a gateway needs a /{longest} at least");
                    bad("GatewaySubnetTooSmall", message);
                }
            }
        }
    }
    if let Some(other) = super::network::gateway(snapshot, &network.id)
        && other.id != new.id
    {
        let message = format!("virtual network '{}' has gateway '{}' already: it has one", network.id.name(), other.id);
        out.push(Problem::conflict("MaxGatewayCountInVnetReached", SUBNET, message));
    }
}

fn sku_change(snapshot: &Snapshot, old: &Gateway, new: &Gateway, out: &mut Vec<Problem>) {
    let (before, after) = (old.sku.to_ascii_lowercase(), new.sku.to_ascii_lowercase());
    if before == after {
        return;
    }
    let mut refuse = |rule: String| {
        let message = format!("SKU '{}' can't become '{}': {rule}", old.sku, new.sku);
        out.push(Problem::bad_request("GatewaySkuChangeNotAllowed", SKU, message));
    };
    let rank = |sku: &str| {
        FAMILIES
            .iter()
            .enumerate()
            .find_map(|(family, skus)| Some((family, skus.iter().position(|name| *name == sku)?)))
    };
    match (rank(&before), rank(&after)) {
        (Some((one, low)), Some((other, high))) if one == other => {
            if high < low && !STEPS_DOWN.contains(&(before.as_str(), after.as_str())) {
                refuse("only HighPerformance to Standard and ErGw2AZ to ErGw1AZ go down".into());
            }
        }
        _ => refuse("the two are of different families; make another gateway".into()),
    }
    let used = snapshot.connections.values().filter(|connection| connection.gateway == new.id).count();
    let limit = gateway_circuits(&new.sku).unwrap_or(0);
    if used > limit {
        refuse(format!("it can be joined to {limit} circuits and the gateway is joined to {used}"));
    }
}

pub(super) fn delete(
    snapshot: &Snapshot,
    gateway: &Gateway,
    stays: &dyn Fn(&ResourceId) -> bool,
    out: &mut Vec<Problem>,
) {
    let connections = snapshot.connections.values().filter(|connection| connection.gateway == gateway.id);
    let left: Vec<&str> = connections.filter(|other| stays(&other.id)).map(|other| other.id.as_str()).collect();
    if !left.is_empty() {
        let message = format!(
            "gateway '{}' has gateway connections, which must be deleted first: {}",
            gateway.id.name(),
            left.join(", ")
        );
        out.push(Problem::conflict("InUseGatewayCannotBeDeleted", "properties.ipConfigurations", message));
    }
}

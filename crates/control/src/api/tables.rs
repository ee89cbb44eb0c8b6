//! The tables of a peering's links, out of what its edges said.

use causeway_model::{Circuit, Link, PeeringKind};
use causeway_plan::status::{ArpEntry, ArpSide, CircuitTraffic, Observed};
use serde_json::{Value, json};

use super::family::{Call, no_such_action};
use super::refused::Refused;

/// Bytes of both links. The reference service spells the fields with a large B, its clients with a small one; both are
/// there.
pub fn stats(traffic: CircuitTraffic) -> Value {
    let (one, other) = (traffic.primary, traffic.secondary);
    json!({
        "primaryBytesIn": one.bytes_in, "primaryBytesOut": one.bytes_out,
        "secondaryBytesIn": other.bytes_in, "secondaryBytesOut": other.bytes_out,
        "primarybytesIn": one.bytes_in, "primarybytesOut": one.bytes_out,
        "secondarybytesIn": other.bytes_in, "secondarybytesOut": other.bytes_out,
    })
}

/// `arpTables`, `routeTables` or `routeTablesSummary` of one link. The owner's and the provider's summaries differ in
/// their words: `asn_field` is `as` for the one and `asn` for the other.
pub fn of_peering(call: &Call<'_>, circuit: &Circuit, kind: PeeringKind, asn_field: &str) -> Result<Value, Refused> {
    let [table, device_path] = &call.target.tail[..] else { return Err(no_such_action(call)) };
    let link = match device_path.to_ascii_lowercase().as_str() {
        "primary" => Link::Primary,
        "secondary" => Link::Secondary,
        _ => {
            let message = format!("devicePath is '{device_path}', but has to be primary or secondary.");
            return Err(Refused::new(400, "InvalidDevicePath", message));
        }
    };
    let statuses = call.nodes.recent();
    let observed = Observed::new(&call.world.snapshot, &statuses);
    let rows: Vec<Value> = match table.to_ascii_lowercase().as_str() {
        "arptables" => observed.arp_table(circuit, kind, link).into_iter().map(arp).collect(),
        "routetables" => observed
            .routes_table(circuit, kind, link)
            .into_iter()
            .map(|route| {
                json!({
                    "network": route.network.to_string(),
                    "nextHop": route.next_hop.map(|hop| hop.to_string()).unwrap_or_default(),
                    "locPrf": route.local_preference.map(|value| value.to_string()).unwrap_or_default(),
                    "weight": route.weight,
                    "path": route.path,
                })
            })
            .collect(),
        "routetablessummary" => observed
            .routes_summary(circuit, kind, link)
            .into_iter()
            .map(|peer| {
                let mut row = json!({"neighbor": peer.neighbor.to_string()});
                if asn_field == "as" {
                    row["v"] = json!(peer.version);
                }
                row[asn_field] = json!(peer.asn);
                row["upDown"] = json!(peer.up_down);
                let state = if asn_field == "as" { "statePfxRcd" } else { "stateOrPrefixesReceived" };
                row[state] = json!(peer.state_or_prefixes);
                row
            })
            .collect(),
        _ => return Err(no_such_action(call)),
    };
    Ok(json!({"value": rows}))
}

fn arp(entry: ArpEntry) -> Value {
    let interface = match entry.side {
        ArpSide::OnPrem => "On-Prem",
        ArpSide::Microsoft => "Microsoft",
    };
    json!({
        "age": 0,
        "interface": interface,
        "ipAddress": entry.address.to_string(),
        "macAddress": entry.mac.unwrap_or_else(|| "Incomplete".to_owned()),
    })
}

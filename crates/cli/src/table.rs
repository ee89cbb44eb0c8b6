//! JSON objects as a table for a person.

use serde_json::Value;

/// A heading, and where its value is (a JSON pointer).
pub(crate) type Column = (&'static str, &'static str);

pub(crate) const NODES: &[Column] = &[
    ("NODE", "/name"),
    ("ROLE", "/role"),
    ("WANTED", "/wantedGeneration"),
    ("APPLIED", "/observedGeneration"),
    ("SEEN (S AGO)", "/lastSeenS"),
    ("PROBLEMS", "/problems"),
];
pub(crate) const SESSIONS: &[Column] = &[
    ("NODE", "/node"),
    ("VRF", "/vrf"),
    ("PEER", "/id/address"),
    ("ATTACHMENT", "/id/attachment"),
    ("AS", "/remote_asn"),
    ("SIDE", "/side"),
    ("STATE", "/state"),
    ("BFD", "/bfd"),
    ("ACCEPTED", "/prefixes_accepted"),
    ("ADVERTISED", "/prefixes_advertised"),
];
pub(crate) const ROUTES: &[Column] =
    &[("VRF", "/vrf"), ("PREFIX", "/prefix"), ("NEXT HOPS", "/next_hops"), ("AS PATH", "/as_path")];
pub(crate) const CIRCUITS: &[Column] = &[
    ("CIRCUIT", "/name"),
    ("PROVIDER", "/properties/serviceProviderProperties/serviceProviderName"),
    ("LOCATION", "/properties/serviceProviderProperties/peeringLocation"),
    ("MBIT/S", "/properties/serviceProviderProperties/bandwidthInMbps"),
    ("CIRCUIT STATE", "/properties/circuitProvisioningState"),
    ("PROVIDER STATE", "/properties/serviceProviderProvisioningState"),
    ("SERVICE KEY", "/properties/serviceKey"),
];

/// The table, each line with its end.
pub(crate) fn table(rows: &[Value], columns: &[Column]) -> String {
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|(heading, _)| (*heading).to_owned()).collect()];
    lines.extend(rows.iter().map(|row| columns.iter().map(|(_, at)| cell(row.pointer(at))).collect()));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    lines
        .iter()
        .map(|line| {
            let cells: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = width)).collect();
            format!("{}\n", cells.join("  ").trim_end())
        })
        .collect()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) if list.is_empty() => "-".to_owned(),
        Some(Value::Array(list)) => list.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(", "),
        // A peer is its address; a problem its words.
        Some(Value::Object(object)) => {
            let named = object.get("address").or_else(|| object.get("message"));
            named.map_or_else(|| Value::Object(object.clone()).to_string(), |value| cell(Some(value)))
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nodes_as_a_person_sees_them() {
        let rows = [
            json!({ "name": "lab-edge1", "role": "edge", "wantedGeneration": 3, "observedGeneration": 3, "lastSeenS": 1,
                    "problems": [] }),
            json!({ "name": "lab-gw0", "role": "gateway", "wantedGeneration": 2, "observedGeneration": null,
                    "lastSeenS": null, "problems": [{ "code": "X", "message": "no port net0" }] }),
        ];
        insta::assert_snapshot!(table(&rows, NODES));
    }

    #[test]
    fn routes_show_the_addresses_of_their_next_hops() {
        let rows = [json!({ "vrf": 1, "prefix": "10.10.0.0/24", "as_path": "64500",
            "next_hops": [{ "attachment": 1, "address": "192.0.2.2" }] })];
        insta::assert_snapshot!(table(&rows, ROUTES));
    }
}

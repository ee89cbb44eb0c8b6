//! Golden folders: `snapshot.json` in, `allocations.json`, `configs.txt` and `problems.txt` out, with a README that says
//! what to look for. `UPDATE_GOLDEN=1 cargo test -p causeway-plan --test golden` writes the outputs anew; the change then
//! shows in the diff.

use std::fs;
use std::path::Path;

use causeway_edge_types::EdgeConfig;
use causeway_model::Snapshot;
use causeway_plan::{allocate, edge_configs};

#[test]
fn golden_folders() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let is_update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut cases: Vec<_> =
        fs::read_dir(&root).expect("tests/golden is there").map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 9, "cases are missing: {cases:?}");
    let mut wrong = Vec::new();
    for case in &cases {
        assert!(case.join("README.md").exists(), "{} has no README.md", case.display());
        for (file, text) in outputs(case) {
            let path = case.join(file);
            if is_update {
                fs::write(&path, &text).expect("the output can be written");
            } else if fs::read_to_string(&path).unwrap_or_default() != text {
                wrong.push(format!("{}: is now\n{text}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 writes them anew\n{}", wrong.join("\n"));
}

fn outputs(case: &Path) -> [(&'static str, String); 3] {
    let text = fs::read_to_string(case.join("snapshot.json")).expect("a case has a snapshot.json");
    let mut snapshot: Snapshot = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", case.display()));
    snapshot.allocations = allocate(&snapshot).unwrap_or_else(|why| panic!("{}: {why:?}", case.display()));
    let planned = edge_configs(&snapshot);
    for config in planned.configs.values() {
        assert_eq!(config.problems(), vec![], "{}: an edge would refuse it", case.display());
    }
    let problems: String = planned.problems.iter().map(|problem| format!("{problem}\n")).collect();
    [
        ("allocations.json", json(&snapshot.allocations)),
        ("configs.txt", planned.configs.values().map(readable).collect()),
        ("problems.txt", problems),
    ]
}

fn json(value: &impl serde::Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).expect("it serializes"))
}

/// A configuration with one line for each thing in it, so that a person can read it and a diff shows what changed.
fn readable(config: &EdgeConfig) -> String {
    let mut lines =
        vec![format!("{}  router id {}  tunnel end point {:?}", config.edge, config.router_id, config.vtep)];
    for vrf in &config.vrfs {
        let mut head = vrf.clone();
        head.peers.clear();
        lines.push(format!("  vrf {}", line(&head)));
        lines.extend(vrf.peers.iter().map(|peer| format!("    peer {}", line(peer))));
    }
    lines.extend(config.attachments.iter().map(|attachment| format!("  attachment {}", line(attachment))));
    lines.extend(config.cross_connects.iter().map(|cross| format!("  cross-connect {}", line(cross))));
    lines.join("\n") + "\n\n"
}

fn line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("it serializes")
}

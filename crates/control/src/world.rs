//! Everything that control holds, at one revision: the model's snapshot and what is beside it.
//!
//! A [`World`] is a value: whoever has one sees one revision of everything. A [`Draft`] is a world being changed; it
//! notes each row that it writes, so that what is published and what is stored are the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use causeway_edge_types::EdgeConfig;
use causeway_model::{
    Circuit, CrossConnectNode, Deployment, EdgeNode, Gateway, GatewayConnection, GatewayNode, PeeringLocation,
    ResourceGroup, ServiceProvider, Snapshot, VirtualNetwork,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::RegisteredClient;
use crate::operation::Operation;
use crate::store::{Row, Write};

/// A customer's or a provider's subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its GUID, lower case.
    pub id: String,
    /// Its name.
    pub display_name: String,
}

/// A public address: kept and shown because clients make one for a gateway; nothing needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublicAddress {
    /// Its id.
    pub id: causeway_model::ResourceId,
    /// Everything else, as it is shown.
    pub body: Value,
}

/// Everything at one revision. Maps are keyed like the snapshot's.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct World {
    pub revision: u64,
    pub snapshot: Arc<Snapshot>,
    pub subscriptions: Arc<BTreeMap<String, Subscription>>,
    pub clients: Arc<BTreeMap<String, RegisteredClient>>,
    pub public_addresses: Arc<BTreeMap<String, PublicAddress>>,
    pub operations: Arc<BTreeMap<String, Operation>>,
    /// The configuration that each node was last given, with its generation.
    pub configs: Arc<BTreeMap<String, EdgeConfig>>,
    /// What a client said of a resource that the model has no word for, by the resource's key; shown as it was said.
    pub said: Arc<BTreeMap<String, Value>>,
    /// The revision that last wrote a row, by `table/key`.
    pub revisions: Arc<BTreeMap<String, u64>>,
}

/// What is kept in a table of its own.
pub trait Kept: Serialize + DeserializeOwned + Clone {
    /// The table's name.
    const TABLE: &'static str;
    /// Where it is in a world.
    fn map(world: &mut World) -> &mut BTreeMap<String, Self>;
}

macro_rules! kept {
    ($($type:ty, $table:literal, $world:ident => $map:expr;)*) => {
        $(impl Kept for $type {
            const TABLE: &'static str = $table;
            fn map($world: &mut World) -> &mut BTreeMap<String, Self> { $map }
        })*

        /// Puts one row where it belongs.
        fn place(world: &mut World, table: &str, key: &str, value: Value) -> Result<(), String> {
            match table {
                $($table => {
                    let kept = serde_json::from_value::<$type>(value).map_err(|error| error.to_string())?;
                    <$type as Kept>::map(world).insert(key.to_owned(), kept);
                })*
                DEPLOYMENT => {
                    Arc::make_mut(&mut world.snapshot).deployment =
                        serde_json::from_value(value).map_err(|error| error.to_string())?;
                }
                ALLOCATION => {
                    let (space, owner) = key.split_once(ALLOCATION_SEPARATOR).ok_or("no owner")?;
                    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or("no number")?;
                    Arc::make_mut(&mut world.snapshot)
                        .allocations
                        .spaces
                        .entry(space.to_owned())
                        .or_default()
                        .insert(owner.to_owned(), number);
                }
                _ => return Err(format!("no table is called {table}")),
            }
            Ok(())
        }
    };
}

const DEPLOYMENT: &str = "deployment";
const ALLOCATION: &str = "allocations";
/// Neither a space nor an owner has this in it.
const ALLOCATION_SEPARATOR: char = '\t';

kept! {
    PeeringLocation, "locations", world => &mut Arc::make_mut(&mut world.snapshot).locations;
    ServiceProvider, "providers", world => &mut Arc::make_mut(&mut world.snapshot).providers;
    EdgeNode, "edges", world => &mut Arc::make_mut(&mut world.snapshot).edges;
    GatewayNode, "gateway-nodes", world => &mut Arc::make_mut(&mut world.snapshot).gateway_nodes;
    CrossConnectNode, "cross-connects", world => &mut Arc::make_mut(&mut world.snapshot).cross_connects;
    ResourceGroup, "groups", world => &mut Arc::make_mut(&mut world.snapshot).resource_groups;
    Circuit, "circuits", world => &mut Arc::make_mut(&mut world.snapshot).circuits;
    VirtualNetwork, "networks", world => &mut Arc::make_mut(&mut world.snapshot).virtual_networks;
    Gateway, "gateways", world => &mut Arc::make_mut(&mut world.snapshot).gateways;
    GatewayConnection, "connections", world => &mut Arc::make_mut(&mut world.snapshot).connections;
    Subscription, "subscriptions", world => Arc::make_mut(&mut world.subscriptions);
    RegisteredClient, "clients", world => Arc::make_mut(&mut world.clients);
    PublicAddress, "public-addresses", world => Arc::make_mut(&mut world.public_addresses);
    Operation, "operations", world => Arc::make_mut(&mut world.operations);
    EdgeConfig, "configs", world => Arc::make_mut(&mut world.configs);
    Value, "said", world => Arc::make_mut(&mut world.said);
}

impl World {
    /// Out of the store's rows.
    pub fn from_rows(rows: Vec<Row>, revision: u64) -> Result<World, String> {
        let mut world = World { revision, ..World::default() };
        for row in rows {
            let (table, key) = row.key.split_once('/').ok_or_else(|| format!("row {}: no table", row.key))?;
            place(&mut world, table, key, row.value).map_err(|reason| format!("row {}: {reason}", row.key))?;
            if table != ALLOCATION && table != "operations" && table != "configs" {
                Arc::make_mut(&mut world.revisions).insert(row.key, row.revision);
            }
        }
        Ok(world)
    }

    /// The revision that last wrote this; 0 when it is not there.
    pub fn revision_of<T: Kept>(&self, key: &str) -> u64 {
        self.revisions.get(&format!("{}/{key}", T::TABLE)).copied().unwrap_or(0)
    }

    /// What was said of a resource beyond the model, `Null` when nothing was.
    pub fn said_of(&self, key: &str) -> &Value {
        self.said.get(key).unwrap_or(&Value::Null)
    }
}

/// A world being changed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// As it is so far; its revision is the one that it will have.
    pub world: World,
    /// Rows that were written, in order.
    pub writes: Vec<Write>,
}

impl Draft {
    /// Starts from `world`.
    pub fn new(world: World) -> Draft {
        let mut draft = Draft { world, writes: vec![] };
        draft.world.revision += 1;
        draft
    }

    fn write(&mut self, table: &str, key: &str, value: Option<Value>) {
        let row = format!("{table}/{key}");
        if table != "operations" && table != "configs" {
            let revisions = Arc::make_mut(&mut self.world.revisions);
            match value {
                Some(_) => revisions.insert(row.clone(), self.world.revision),
                None => revisions.remove(&row),
            };
        }
        self.writes.push(Write { key: row, value });
    }

    /// Puts one thing.
    pub fn put<T: Kept>(&mut self, key: &str, kept: T) {
        // Serializing plain data of ours to a JSON value does not fail: no map has keys that are no strings.
        let value = serde_json::to_value(&kept).unwrap_or_default();
        T::map(&mut self.world).insert(key.to_owned(), kept);
        self.write(T::TABLE, key, Some(value));
    }

    /// Takes one thing away.
    pub fn remove<T: Kept>(&mut self, key: &str) {
        if T::map(&mut self.world).remove(key).is_some() {
            self.write(T::TABLE, key, None);
        }
    }

    /// Puts the deployment's settings.
    pub fn put_deployment(&mut self, deployment: Deployment) {
        let value = serde_json::to_value(&deployment).unwrap_or_default();
        Arc::make_mut(&mut self.world.snapshot).deployment = deployment;
        self.write(DEPLOYMENT, "", Some(value));
    }

    /// Puts the numbers that the planner gave out, writing only those that differ.
    pub fn put_allocations(&mut self, allocations: causeway_model::Allocations) {
        let before = self.world.snapshot.allocations.clone();
        if before == allocations {
            return;
        }
        for (space, owners) in &before.spaces {
            for owner in owners.keys() {
                if allocations.get(space, owner).is_none() {
                    let key = format!("{ALLOCATION}/{space}{ALLOCATION_SEPARATOR}{owner}");
                    self.writes.push(Write { key, value: None });
                }
            }
        }
        for (space, owners) in &allocations.spaces {
            for (owner, number) in owners {
                if before.get(space, owner) != Some(*number) {
                    let key = format!("{ALLOCATION}/{space}{ALLOCATION_SEPARATOR}{owner}");
                    self.writes.push(Write { key, value: Some(Value::from(*number)) });
                }
            }
        }
        Arc::make_mut(&mut self.world.snapshot).allocations = allocations;
    }

    /// Keeps what a client said beyond the model; `Null` forgets it.
    pub fn say(&mut self, key: &str, said: Value) {
        if said.is_null() {
            self.remove::<Value>(key);
        } else if self.world.said.get(key) != Some(&said) {
            self.put::<Value>(key, said);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_world_is_what_its_rows_say() {
        let mut draft = Draft::new(World::default());
        draft.put("ams1", PeeringLocation { name: "Ams1".into() });
        draft.put("gone", PeeringLocation { name: "Gone".into() });
        draft.remove::<PeeringLocation>("gone");
        draft.put_deployment(Deployment { edge_asn: 64500, ..Deployment::default() });
        draft.say("/subscriptions/x", json!({"activeActive": true}));
        let mut allocations = causeway_model::Allocations::default();
        allocations.take("s-tag/ams1", "/subscriptions/x/c1", 1, 10);
        draft.put_allocations(allocations);

        let mut rows = BTreeMap::new();
        for write in &draft.writes {
            match &write.value {
                Some(value) => rows.insert(write.key.clone(), value.clone()),
                None => rows.remove(&write.key),
            };
        }
        let rows = rows.into_iter().map(|(key, value)| Row { key, revision: 1, value }).collect();
        let read = World::from_rows(rows, 1).expect("reads");
        assert_eq!(read.snapshot, draft.world.snapshot);
        assert_eq!(read.said, draft.world.said);
        assert_eq!(read.revisions, draft.world.revisions);
        assert_eq!(read.revision, draft.world.revision);
    }

    #[test]
    fn an_unknown_row_is_no_world() {
        let row = Row { key: "ghosts/x".into(), revision: 1, value: json!(1) };
        assert!(World::from_rows(vec![row], 1).is_err());
    }
}

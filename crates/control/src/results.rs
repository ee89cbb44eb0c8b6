//! Results of actions (`arpTables`, `getLearnedRoutes`), kept a while for the client to fetch. They are observed, not
//! desired, so they are in memory only; after a restart the client asks again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Results that are kept; the oldest goes first.
const KEPT: usize = 1_000;

/// One result.
#[derive(Clone, Debug)]
struct Held {
    id: String,
    client: String,
    value: Value,
}

/// The results of late.
#[derive(Debug, Default)]
pub struct Results {
    held: Mutex<VecDeque<Held>>,
}

impl Results {
    /// Keeps a result for the client that asked; the id to fetch it by.
    pub fn keep(&self, client: &str, value: Value) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() == KEPT {
            held.pop_front();
        }
        held.push_back(Held { id: id.clone(), client: client.to_owned(), value });
        id
    }

    /// The result with this id, if this client asked for it.
    pub fn get(&self, client: &str, id: &str) -> Option<Value> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|one| one.id.eq_ignore_ascii_case(id) && one.client == client).map(|one| one.value.clone())
    }
}

//! What all calls share: the world, the way to change it, and what nodes were last heard to say.
//!
//! ```text
//!   change ──▶ head (proposed) ──▶ store's queue ──▶ disk ──▶ published (what GET shows) ──▶ acknowledged
//! ```
//!
//! Changes are decided one at a time against `head`, the newest world, whether or not it is on the disk yet; so many can
//! wait for one fsync together. Nobody sees a world, and nobody is answered, before it is on the disk.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context, Result, anyhow};
use tokio::sync::{Notify, oneshot};

use crate::identity::SigningKey;
use crate::nodes::Nodes;
use crate::store::{Audit, Commit, Store};
use crate::world::{Draft, World};

/// The state of a running control.
#[derive(Debug)]
pub struct App {
    /// The tenant's GUID.
    pub tenant: String,
    /// The key of tokens.
    pub key: SigningKey,
    /// Rung when something changed that the reconciler has to look at.
    pub bell: Notify,
    /// What nodes say, and who is waiting for a configuration.
    pub nodes: Nodes,
    /// Results of finished actions.
    pub results: crate::results::Results,
    head: Mutex<World>,
    published: Arc<RwLock<World>>,
    store: Store,
}

impl App {
    /// Opens what is kept in `dir`. The tenant is made at the first start, by `first_start`.
    pub fn open(dir: &Path, first_start: impl FnOnce(&mut Draft) -> Result<()>) -> Result<App> {
        let opened = Store::open(dir)?;
        let mut world = World::from_rows(opened.rows, opened.revision)
            .map_err(|reason| anyhow!("{}: {reason}", dir.join("causeway.db").display()))?;
        if !world.said.contains_key(crate::first_start::TENANT) {
            let mut draft = Draft::new(world);
            first_start(&mut draft)?;
            let (done, committed) = std::sync::mpsc::channel();
            opened.store.commit(Commit {
                revision: draft.world.revision,
                writes: draft.writes,
                audit: None,
                then: Box::new(move || {
                    let _ = done.send(());
                }),
            });
            committed.recv().context("committing the first start")?;
            world = draft.world;
        }
        let tenant = world.said_of(crate::first_start::TENANT).as_str().context("the store has no tenant")?.to_owned();
        Ok(App {
            tenant,
            key: SigningKey::open(dir)?,
            bell: Notify::new(),
            nodes: Nodes::default(),
            results: crate::results::Results::default(),
            head: Mutex::new(world.clone()),
            published: Arc::new(RwLock::new(world)),
            store: opened.store,
        })
    }

    /// The newest world that is on the disk.
    pub fn world(&self) -> World {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets `decide` change the newest world and makes the result durable. When `decide` refuses, nothing changes. The
    /// world given back is the one that the change made.
    pub async fn change<T, E>(
        &self,
        audit: Option<Audit>,
        decide: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<(T, World), E> {
        let (value, world, committed) = {
            let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
            let mut draft = Draft::new(head.clone());
            let value = decide(&mut draft)?;
            let world = draft.world;
            let (acknowledge, committed) = oneshot::channel();
            let (published, publish) = (self.published.clone(), world.clone());
            self.store.commit(Commit {
                revision: world.revision,
                writes: draft.writes,
                audit,
                then: Box::new(move || {
                    *published.write().unwrap_or_else(PoisonError::into_inner) = publish;
                    let _ = acknowledge.send(());
                }),
            });
            *head = world.clone();
            (value, world, committed)
        };
        if committed.await.is_err() {
            // The writer drops an acknowledgement only with itself, and it goes only with the process.
            tracing::error!("a commit was not acknowledged");
            std::process::abort();
        }
        Ok((value, world))
    }
}

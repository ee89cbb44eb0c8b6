//! `causeway edge`, `gateway` and `cross-connect`: one daemon in three roles. Its configuration says which parts of it
//! are used; the role is for its logs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use causeway_edge::{ControlOptions, EdgeOptions, run, teardown};

/// Arguments of a node's daemon.
#[derive(Debug, clap::Args)]
pub struct Node {
    /// The node's name, as the operator registered it.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The network namespace of its ports (`/run/netns/…`); the one it is started in where none is given.
    #[arg(long, value_name = "PATH")]
    netns: Option<PathBuf>,
    /// Where control is, `https://HOST:PORT`.
    #[arg(long, value_name = "URL", requires_all = ["ca", "credentials"])]
    control: Option<String>,
    /// The certificate that control is trusted by.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The node's credentials: JSON with tenant, client_id and client_secret.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// A configuration as JSON, where there is no control; read again at SIGHUP.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to write the status as JSON.
    #[arg(long, value_name = "FILE")]
    status: Option<PathBuf>,
    /// Where the last configuration is kept.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Remove what a daemon of this name left in the kernel, and end.
    #[arg(long)]
    teardown: bool,
}

impl Node {
    /// Runs until it is told to end.
    pub fn run(self, role: &str) -> anyhow::Result<()> {
        let control = match (self.control, self.ca, self.credentials) {
            (Some(url), Some(ca_pem), Some(credentials)) => Some(ControlOptions { url, ca_pem, credentials }),
            _ => None,
        };
        let options = EdgeOptions {
            name: self.name,
            role: role.to_owned(),
            netns: self.netns,
            data: self.data,
            pin_root: None,
            control,
            config_file: self.config,
            status_file: self.status,
            stop: Arc::new(AtomicBool::new(false)),
        };
        if self.teardown { teardown(&options) } else { run(options) }
    }
}

//! The whole daemon over the real data plane.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use causeway_edge::{EdgeOptions, run, teardown};
use causeway_edge_types::{EdgeConfig, EdgeStatus};

/// A daemon on a thread of this process; what it made is torn down when it is dropped.
pub struct Daemon {
    pub options: EdgeOptions,
    thread: Option<std::thread::JoinHandle<anyhow::Result<()>>>,
    is_torn: bool,
}

impl Daemon {
    pub fn start(options: EdgeOptions) -> Daemon {
        options.stop.store(false, std::sync::atomic::Ordering::Relaxed);
        let given = options.clone();
        Daemon { options, thread: Some(std::thread::spawn(move || run(given))), is_torn: false }
    }

    /// Another one in its place, once it has been stopped.
    pub fn restart(mut stopped: Daemon) -> Daemon {
        assert!(stopped.thread.is_none(), "still running");
        let options = stopped.options.clone();
        // What it made is the next one's now.
        stopped.is_torn = true;
        Daemon::start(options)
    }

    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.options.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap())
    }

    pub fn status(&self) -> Option<EdgeStatus> {
        serde_json::from_slice(&std::fs::read(self.options.status_file.as_ref()?).ok()?).ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.is_torn {
            return;
        }
        let stopped = self.stop();
        let torn = teardown(&self.options);
        if !std::thread::panicking() {
            stopped.unwrap();
            torn.unwrap();
        }
    }
}

/// Options of a daemon in this namespace; its configuration is a file in `data`.
pub fn options(name: &str, edge: &str, data: PathBuf) -> EdgeOptions {
    EdgeOptions {
        name: name.into(),
        role: "edge".into(),
        netns: Some(format!("/run/netns/{edge}").into()),
        pin_root: None,
        config_file: Some(data.join("given.json")),
        status_file: Some(data.join("status.json")),
        data,
        control: None,
        stop: Arc::new(AtomicBool::new(false)),
    }
}

/// Joins two namespaces by a veth pair that carries 1500 bytes under two tags.
pub fn join(one: (&str, &str), other: (&str, &str)) {
    let ((space, name), (other_space, other_name)) = (one, other);
    super::run(&format!(
        "ip link add {name} netns {space} mtu 1508 type veth peer name {other_name} netns {other_space} mtu 1508"
    ));
    super::run(&format!("ip -n {space} link set {name} up"));
    super::run(&format!("ip -n {other_space} link set {other_name} up"));
}

/// Writes the configuration that a daemon reads at its start and at SIGHUP.
pub fn give(options: &EdgeOptions, config: &EdgeConfig) {
    std::fs::write(options.config_file.as_ref().unwrap(), serde_json::to_vec(config).unwrap()).unwrap();
}

//! Network namespaces without names: a thread lives in each, and with the thread it is gone, also after a panic.
#![allow(dead_code)]

pub mod bench;
pub mod chain;
pub mod packets;
pub mod reference;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use causeway_edge::dataplane::{DEFAULT_ROOT, Options, unpin_all};
use causeway_edge_types::EdgeId;

/// Whether this machine lets us test; if not, a line says what is missing and the test is over.
pub fn can_run() -> bool {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: it needs root for network namespaces and BPF");
        return false;
    }
    for tool in ["ip", "ethtool"] {
        if Command::new(tool).arg("--version").output().is_err() {
            println!("skipped: it needs the command {tool}");
            return false;
        }
    }
    true
}

type Task = Box<dyn FnOnce() + Send>;

/// A network namespace with a thread in it.
pub struct Node {
    tasks: Option<mpsc::Sender<Task>>,
    thread: Option<thread::JoinHandle<()>>,
    tid: i32,
}

impl Node {
    pub fn new() -> Node {
        let (tasks, inbox) = mpsc::channel::<Task>();
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::spawn(move || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a new network namespace");
            ready.send(nix::unistd::gettid().as_raw()).expect("the test waits");
            for task in inbox {
                task();
            }
        });
        let tid = is_ready.recv().expect("the namespace is there");
        let node = Node { tasks: Some(tasks), thread: Some(thread), tid };
        node.sh("ip link set lo up");
        node
    }

    /// Runs something in the namespace and waits for it.
    pub fn run<T: Send + 'static>(&self, task: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let task = Box::new(move || drop(answer.send(task())));
        self.tasks.as_ref().expect("alive").send(task).expect("the node's thread is alive");
        answered.recv().expect("the task in the namespace came to its end")
    }

    /// Runs a shell command in the namespace.
    pub fn sh(&self, command: &str) -> String {
        let line = command.to_owned();
        self.run(move || sh(&line))
    }

    /// The interface's index and MAC address.
    pub fn interface(&self, name: &str) -> (u32, [u8; 6]) {
        let line = self.sh(&format!("ip -o link show {name}"));
        let ifindex = line.split(':').next().expect("an index").trim().parse().expect("a number");
        let mac = line.split("link/ether ").nth(1).expect("a MAC address").split(' ').next().expect("a MAC address");
        let mut bytes = [0; 6];
        for (byte, text) in bytes.iter_mut().zip(mac.split(':')) {
            *byte = u8::from_str_radix(text, 16).expect("hexadecimal");
        }
        (ifindex, bytes)
    }

    /// Joins `name` here with `other_name` there, both up, offloads as the data plane needs them.
    pub fn link(&self, name: &str, other: &Node, other_name: &str) {
        self.sh(&format!("ip link add {name} type veth peer name {other_name} netns {}", other.tid));
        for (node, name) in [(self, name), (other, other_name)] {
            // A tentative link-local address sends no neighbour solicitation, and the first packet would wait for it.
            node.sh(&format!("echo 0 > /proc/sys/net/ipv6/conf/{name}/accept_dad"));
            node.sh(&format!("ip link set {name} mtu 3000 up"));
            node.sh(&format!("ethtool -K {name} tx off gro on txvlan off rxvlan off"));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("sh runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A name for an edge of one test; what it has pinned goes with it.
pub struct TestEdge {
    pub id: EdgeId,
}

impl TestEdge {
    pub fn new(name: &str) -> TestEdge {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        TestEdge { id: EdgeId(format!("cwt{}-{count}-{name}", std::process::id())) }
    }

    /// Small tables, so that tests are quick.
    pub fn options(&self) -> Options {
        Options { max_attachments: 64, ..Options::default() }
    }
}

impl Drop for TestEdge {
    fn drop(&mut self) {
        unpin_all(Path::new(DEFAULT_ROOT), &self.id).expect("the test's pins can be removed");
    }
}

/// Waits until something holds, or says what did not.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::yield_now();
    }
}

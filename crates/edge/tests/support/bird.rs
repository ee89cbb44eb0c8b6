//! A real BIRD as the customer's router.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::run;

/// BIRD in a namespace, with a directory of its own; gone when it is dropped.
pub struct Bird {
    child: Child,
    directory: tempfile::TempDir,
}

/// Whether BIRD is installed; says so where it is not.
pub fn has_bird() -> bool {
    let has = Command::new("bird").arg("--version").output().is_ok();
    if !has {
        eprintln!("SKIPPED: needs BIRD (Debian package bird2)");
    }
    has
}

impl Bird {
    /// Starts BIRD with this configuration.
    pub fn start(namespace: &str, config: &str) -> Bird {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("bird.conf"), config).unwrap();
        let child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{namespace}"))
            .args(["bird", "-f", "-c"])
            .arg(at("bird.conf"))
            .arg("-s")
            .arg(at("bird.ctl"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("bird.log")).unwrap())
            .spawn()
            .unwrap();
        Bird { child, directory }
    }

    /// What `birdc` answers.
    pub fn ask(&self, question: &str) -> String {
        super::try_run(&format!("birdc -s {} {question}", self.control().display())).1
    }

    /// Whether a session is Established.
    pub fn is_established(&self, protocol: &str) -> bool {
        self.ask(&format!("show protocols {protocol}")).contains("Established")
    }

    /// Starts it with another configuration without a restart.
    pub fn reconfigure(&self, config: &str) {
        std::fs::write(self.directory.path().join("bird.conf"), config).unwrap();
        run(&format!("birdc -s {} configure", self.control().display()));
    }

    /// Everything there is to know, for a failed test.
    pub fn explain(&self) -> String {
        let log = std::fs::read_to_string(self.directory.path().join("bird.log")).unwrap_or_default();
        format!("{}\n{}\n{log}", self.ask("show protocols all"), self.ask("show bfd sessions"))
    }

    fn control(&self) -> PathBuf {
        self.directory.path().join("bird.ctl")
    }
}

impl Drop for Bird {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

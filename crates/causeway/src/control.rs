//! `causeway control`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use causeway_control::Options;

/// Run the control plane: the API, the store and the reconciler.
#[derive(Debug, clap::Args)]
pub struct Control {
    /// A development server: makes its own certificate and clients, and listens on loopback only.
    #[arg(long)]
    dev: bool,
    /// With --dev: begin without the locations, edges and providers that a development server has.
    #[arg(long, requires = "dev")]
    bare: bool,
    /// Where everything is kept; made when it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where to listen; port 0 picks one that is free.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
}

impl Control {
    /// Runs until it is told to end.
    pub fn run(self) -> anyhow::Result<()> {
        let options = Options { data: self.data, listen: self.listen, is_dev: self.dev, is_bare: self.bare };
        causeway_control::run(&options, |endpoint| {
            println!("listening on {endpoint}");
            // Whoever started us may have closed its end; that is no reason to stop.
            let _ = std::io::stdout().flush();
        })
    }
}

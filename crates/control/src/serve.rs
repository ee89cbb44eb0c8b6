//! The process: opens what is kept, listens, and ends when it is told to.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::{api, certificates, dev_fabric, first_start, reconcile};

/// How long a client may take for the TLS handshake, and for a request's headers.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADERS: Duration = Duration::from_secs(120);

/// How `causeway control` is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where everything is kept.
    pub data: PathBuf,
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// A development server: it makes its own parties, and listens on loopback only.
    pub is_dev: bool,
    /// A development server without the locations and providers that it otherwise starts with.
    pub is_bare: bool,
}

/// Runs control until SIGTERM or SIGINT. `ready` is called with the endpoint once it listens.
pub fn run(options: &Options, ready: impl FnOnce(&str)) -> Result<()> {
    if !options.is_dev {
        bail!("only --dev is there so far: a server that makes its own certificate and clients");
    }
    if !options.listen.ip().is_loopback() {
        bail!("--listen {}: a development server listens on loopback only", options.listen);
    }
    prepare(&options.data)?;
    let tls = certificates::server_config(&options.data)?;
    let app = Arc::new(App::open(&options.data, |draft| {
        if !options.is_bare {
            dev_fabric::seed(draft)?;
        }
        first_start::first_start(&options.data, draft)
    })?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let result = runtime.block_on(serve(options, app, TlsAcceptor::from(tls), ready));
    // Calls that wait for a configuration are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(500));
    result
}

fn prepare(dir: &Path) -> Result<()> {
    let named = || dir.display().to_string();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(named)?;
    let mode = fs::metadata(dir).with_context(named)?.permissions().mode();
    if mode & 0o022 != 0 {
        bail!("{}: others may write to it (mode {:o}); keys would not be safe there", named(), mode & 0o777);
    }
    Ok(())
}

async fn serve(options: &Options, app: Arc<App>, tls: TlsAcceptor, ready: impl FnOnce(&str)) -> Result<()> {
    let listener = TcpListener::bind(options.listen).await.with_context(|| options.listen.to_string())?;
    let endpoint = format!("https://{}", listener.local_addr()?);
    first_start::tell_endpoint(&options.data, &endpoint)?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let mut reconciler = tokio::spawn(reconcile::run(app.clone()));
    let router = api::router(app.clone());
    tracing::info!(endpoint, data = %options.data.display(), "listening");
    ready(&endpoint);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, tls.clone(), router.clone()));
                }
                Err(error) => {
                    // Out of descriptors, as a rule: others close theirs in a moment.
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            // Without it nothing that is ordered would ever reach an edge: better to end, and to be started again.
            ended = &mut reconciler => bail!("the reconciler ended: {ended:?}"),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("ending");
    reconciler.abort();
    Ok(())
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, router: Router) {
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "no TLS handshake"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

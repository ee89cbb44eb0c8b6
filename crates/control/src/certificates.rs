//! The server's own certificate authority and certificate, made at the first start and kept.
//!
//! `ca.pem` is what clients trust; `ca-key.pem` and `server-key.pem` are for the owner's eyes only. The server's
//! certificate is made anew at each start, so that it never runs out; the authority stays for ten years.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

/// The names and addresses that the certificate is for: loopback only.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What the listener needs, with the files of `dir` made where they are not there yet.
pub fn server_config(dir: &Path) -> Result<Arc<ServerConfig>> {
    let authority_key = key(&dir.join("ca-key.pem"))?;
    let authority = dir.join("ca.pem");
    if !authority.exists() {
        let certificate = authority_params().self_signed(&authority_key).context("making the authority")?;
        write_whole(&authority, certificate.pem().as_bytes(), 0o644)?;
    }
    let authority_params = authority_params();
    let issuer = Issuer::from_params(&authority_params, &authority_key);
    let server_key = KeyPair::generate().context("making the server's key")?;
    let certificate = server_params()?.signed_by(&server_key, &issuer).context("making the server's certificate")?;
    let chain = vec![certificate.der().clone()];
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .context("the server's certificate")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("Causeway development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2044, 1, 1);
    params
}

fn server_params() -> Result<CertificateParams> {
    let mut params = CertificateParams::new(NAMES.map(str::to_owned)).context("the certificate's names")?;
    params.distinguished_name = name("Causeway control");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    // A day before now, for clients whose clocks are behind; at most 397 days long, as some clients insist.
    let now = OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(1);
    params.not_after = now + time::Duration::days(365);
    Ok(params)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn key(path: &Path) -> Result<KeyPair> {
    if path.exists() {
        let pem = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return KeyPair::from_pem(&pem).with_context(|| path.display().to_string());
    }
    let key = KeyPair::generate().context("making the authority's key")?;
    write_whole(path, key.serialize_pem().as_bytes(), 0o600)?;
    Ok(key)
}

/// Writes a file whole or not at all, with `mode` from its first byte on.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let new = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&new);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The rename itself is durable only with its directory.
        path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
    };
    write().with_context(|| path.display().to_string())
}

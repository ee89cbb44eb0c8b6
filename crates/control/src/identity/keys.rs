//! The key that tokens are signed with: RSA, 2048 bits, made at the first start.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::certificates::write_whole;

/// The signing key in the forms that it is needed in.
pub struct SigningKey {
    /// To sign with.
    pub encoding: EncodingKey,
    /// To verify with.
    pub decoding: DecodingKey,
    /// Its id, in tokens and in the JWKS.
    pub id: String,
    jwks: Value,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads `dir/token-key.pem`, making it when it is not there.
    pub fn open(dir: &Path) -> Result<SigningKey> {
        let path = dir.join("token-key.pem");
        let key = if path.exists() {
            let pem = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            RsaPrivateKey::from_pkcs8_pem(&pem).with_context(|| path.display().to_string())?
        } else {
            let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).context("making the token key")?;
            let pem = key.to_pkcs8_pem(LineEnding::LF).context("the token key")?;
            write_whole(&path, pem.as_bytes(), 0o600)?;
            key
        };
        let public = RsaPublicKey::from(&key);
        let spki = public.to_public_key_der().context("the token key")?;
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(spki.as_bytes())[..20]);
        let (n, e) =
            (URL_SAFE_NO_PAD.encode(public.n().to_bytes_be()), URL_SAFE_NO_PAD.encode(public.e().to_bytes_be()));
        let pem = key.to_pkcs8_pem(LineEnding::LF).context("the token key")?;
        Ok(SigningKey {
            encoding: EncodingKey::from_rsa_pem(pem.as_bytes()).context("the token key")?,
            decoding: DecodingKey::from_rsa_components(&n, &e).context("the token key")?,
            jwks: json!({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id, "n": n, "e": e}]}),
            id,
        })
    }

    /// The JSON Web Key Set (RFC 7517).
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }
}

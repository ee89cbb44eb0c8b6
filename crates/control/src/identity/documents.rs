//! The documents that a client reads before it signs in: the cloud's endpoints and OpenID Connect discovery.

use serde_json::{Value, json};

/// `GET /metadata/endpoints`: an object from 2022 on, an array of one before.
pub fn metadata_endpoints(base: &str, tenant: &str, api_version: &str) -> Value {
    let cloud = json!({
        "name": "Causeway",
        "portal": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": [format!("{base}/")],
            "tenant": tenant,
            "identityProvider": "AAD",
        },
        "resourceManager": format!("{base}/"),
        "graph": format!("{base}/"),
        "graphAudience": format!("{base}/"),
        "microsoftGraphResourceId": format!("{base}/"),
        "media": "", "batch": "", "vmImageAliasDoc": "", "sqlManagement": "", "gallery": "",
        "activeDirectoryDataLake": "",
        "suffixes": {"storage": "storage.invalid", "keyVaultDns": "vault.invalid"},
    });
    if api_version < "2022" { json!([cloud]) } else { cloud }
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`. `named` is the tenant as the client named it: a GUID, a domain,
/// `common`, `organizations` or `adfs`; the client takes the tenant out of the issuer and of the token endpoint.
pub fn openid_configuration(base: &str, tenant: &str, named: &str) -> Value {
    let ad_fs = named.eq_ignore_ascii_case("adfs");
    let (root, token) = if ad_fs {
        (format!("{base}/adfs"), format!("{base}/adfs/oauth2/token"))
    } else {
        (format!("{base}/{tenant}"), format!("{base}/{tenant}/oauth2/v2.0/token"))
    };
    json!({
        "issuer": if ad_fs { format!("{root}/") } else { format!("{root}/v2.0") },
        "authorization_endpoint": if ad_fs { format!("{root}/oauth2/authorize") } else { format!("{root}/oauth2/v2.0/authorize") },
        "token_endpoint": token,
        "device_authorization_endpoint": if ad_fs { format!("{root}/oauth2/devicecode") } else { format!("{root}/oauth2/v2.0/devicecode") },
        "jwks_uri": if ad_fs { format!("{root}/discovery/keys") } else { format!("{root}/discovery/v2.0/keys") },
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "response_types_supported": ["code", "token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
        "tenant_region_scope": Value::Null,
        "cloud_instance_name": "causeway",
    })
}

//! TLS to etcd: the authority that signs its certificates, and this host's own certificate.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use session_limit_core::model::fleet_settings::Fleet;
use session_limit_core::system::error_text;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Returns how TLS is spoken, as the settings say; `None` where they name no authority.
///
/// # Errors
/// One line that names the file and what is wrong with it.
pub fn client_config(fleet: &Fleet) -> Result<Option<Arc<ClientConfig>>, String> {
    let Some(ca) = &fleet.ca else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| format!("{ca}: cannot be used: {error}"))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let mut config = match (&fleet.certificate, &fleet.key) {
        (Some(certificate), Some(key)) => {
            let private = PrivateKeyDer::from_pem_slice(&secret(key)?)
                .map_err(|error| format!("{key}: holds no private key: {error}"))?;
            builder
                .with_client_auth_cert(certificates(certificate)?, private)
                .map_err(|error| format!("{key}: is not the key of {certificate}: {error}"))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{path}: is no PEM file: {error}"))?;
    if found.is_empty() {
        return Err(format!("{path}: holds no certificate"));
    }
    Ok(found)
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{path}: cannot be read: {}", error_text(&error)))
}

/// Reads a file that no other user may read.
///
/// # Errors
/// One line that names the file and what is wrong with it.
pub fn secret(path: &str) -> Result<Vec<u8>, String> {
    use std::os::unix::fs::MetadataExt;
    let bytes = read(path)?;
    let mode = fs::metadata(Path::new(path)).map_or(0, |meta| meta.mode());
    if mode & 0o007 != 0 {
        return Err(format!("{path}: is open to all users, expected mode 0600 or 0640"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "x").unwrap();
        let text = path.to_str().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(secret(text).unwrap_err().contains("expected mode 0600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(secret(text).unwrap(), b"x");
        assert!(certificates(text).unwrap_err().contains("holds no certificate"));
        assert!(certificates("/none").unwrap_err().starts_with("/none: cannot be read: No such"));
    }
}

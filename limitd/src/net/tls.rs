//! Certificate and key: from files, or a self-signed pair that is made at the first start.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use session_limit_core::model::service_settings::Service;
use session_limit_core::system::error_text;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;

use super::certificate_dates;

/// Where the self-signed pair is kept, unless systemd names another directory.
pub const STATE_DIRECTORY: &str = "/var/lib/session-limitd";

/// Returns how TLS is spoken, as the settings say.
///
/// # Errors
/// One line that names the file and what is wrong with it.
pub fn server_config(service: &Service) -> Result<Arc<ServerConfig>, String> {
    let (certificate, key) = match (&service.certificate, &service.key) {
        (Some(certificate), Some(key)) => (PathBuf::from(certificate), PathBuf::from(key)),
        _ => self_signed()?,
    };
    load(&certificate, &key)
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let unusable = |path: &Path, problem: String| format!("{}: {problem}", path.display());
    let read = |path: &Path| {
        fs::read(path)
            .map_err(|error| unusable(path, format!("cannot be read: {}", error_text(&error))))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(certificate, format!("is no PEM file: {error}")))?;
    let first = chain.first();
    let first = first.ok_or_else(|| unusable(certificate, "holds no certificate".to_owned()))?;
    certificate_dates::check(first, SystemTime::now())
        .map_err(|problem| unusable(certificate, problem))?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|error| unusable(key, format!("holds no private key: {error}")))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| {
            let certificate = certificate.display();
            unusable(key, format!("is not the key of {certificate}: {error}"))
        })?;
    let mut config = config;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Returns the self-signed pair, made where there is none.
fn self_signed() -> Result<(PathBuf, PathBuf), String> {
    let directory =
        std::env::var_os("STATE_DIRECTORY").map_or(STATE_DIRECTORY.into(), PathBuf::from);
    let (certificate, key) = (directory.join("self-signed.pem"), directory.join("self-signed.key"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let names = [host, "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let pair = rcgen::generate_simple_self_signed(names)
        .map_err(|error| format!("a self-signed certificate cannot be made: {error}"))?;
    for (path, text, mode) in
        [(&key, pair.key_pair.serialize_pem(), 0o600), (&certificate, pair.cert.pem(), 0o644)]
    {
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| {
            format!("{}: cannot be written: {}", path.display(), error_text(&error))
        })?;
    }
    crate::log::line(&format!("{}: made a self-signed certificate", certificate.display()));
    Ok((certificate, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) =
            (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
        fs::write(&certificate, pair.cert.pem()).unwrap();
        fs::write(&key, pair.key_pair.serialize_pem()).unwrap();
        (certificate, key)
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = pair(directory.path(), "one");
        let (_, other_key) = pair(directory.path(), "two");
        assert!(load(&certificate, &key).is_ok());
        let problem = |certificate: &Path, key: &Path| load(certificate, key).unwrap_err();
        assert!(problem(&certificate, &other_key).contains("two.key: is not the key of"));
        assert!(
            problem(Path::new("/none.pem"), &key).starts_with("/none.pem: cannot be read: No such")
        );
        assert!(problem(&key, &key).contains("holds no certificate"));
        assert!(problem(&certificate, &certificate).contains("holds no private key"));
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let pair = rcgen::KeyPair::generate().unwrap();
        fs::write(&certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
        assert!(problem(&certificate, &key).ends_with("one.pem: has expired"));
    }
}

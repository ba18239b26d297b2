//! TLS of the door: certificate and key from files, read again when they change; a broken file keeps the old ones.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often the files' times are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Hands out the current configuration; lives in the accept loop.
pub struct Acceptor {
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<ServerConfig>,
    seen: (Option<SystemTime>, Option<SystemTime>),
    looked: Instant,
}

impl Acceptor {
    pub fn load(certificate: &Path, key: &Path) -> Result<Acceptor, String> {
        Ok(Acceptor {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            config: read(certificate, key)?,
            seen: (modified(certificate), modified(key)),
            looked: Instant::now(),
        })
    }

    /// The configuration for a connection that begins now.
    pub fn current(&mut self) -> Arc<ServerConfig> {
        if self.looked.elapsed() >= LOOK_EVERY {
            self.looked = Instant::now();
            let seen = (modified(&self.certificate), modified(&self.key));
            if seen != self.seen {
                self.seen = seen;
                match read(&self.certificate, &self.key) {
                    Ok(config) => {
                        self.config = config;
                        log::info!("the certificate was renewed from {}", self.certificate.display());
                    }
                    Err(e) => log::error!("{e}; the certificate read before stays in use"),
                }
            }
        }
        self.config.clone()
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let fail = |path: &Path, e: &dyn std::fmt::Display| format!("failed to read {}: {e}", path.display());
    let chain: Vec<CertificateDer> = CertificateDer::pem_file_iter(certificate)
        .map_err(|e| fail(certificate, &e))?
        .collect::<Result<_, _>>()
        .map_err(|e| fail(certificate, &e))?;
    if chain.is_empty() {
        return Err(format!("failed to read {}: no certificate in it", certificate.display()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| fail(key, &e))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("failed to set up TLS: {e}"))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|e| format!("failed to use {} with {}: {e}", certificate.display(), key.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

//! Self-signed certificates, made anew for each start as a fresh installation would have them.

use crate::demo::access::hex;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What a node shows to its clients.
#[derive(Clone)]
pub struct Certificate {
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate: upper-case pairs with colons, as Proxmox shows it.
    pub fingerprint: String,
}

impl Certificate {
    /// Makes a certificate for a node's name and address.
    pub fn make(name: &str, address: Ipv4Addr) -> Result<Certificate, String> {
        let fail = |e: &dyn std::fmt::Display| format!("failed to make certificate of {name}: {e}");
        let names = vec![name.to_owned(), "localhost".to_owned(), address.to_string()];
        let key = rcgen::KeyPair::generate().map_err(|e| fail(&e))?;
        let mut wanted = rcgen::CertificateParams::new(names).map_err(|e| fail(&e))?;
        wanted.distinguished_name.push(rcgen::DnType::CommonName, name);
        let made = wanted.self_signed(&key).map_err(|e| fail(&e))?;
        let der: CertificateDer<'static> = made.der().clone();
        let fingerprint = fingerprint(&der);
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| fail(&e))?
            .with_no_client_auth()
            .with_single_cert(vec![der], key)
            .map_err(|e| fail(&e))?;
        Ok(Certificate { config: Arc::new(config), fingerprint })
    }
}

fn fingerprint(der: &[u8]) -> String {
    let digest = hex(ring::digest::digest(&ring::digest::SHA256, der).as_ref()).to_uppercase();
    let pairs: Vec<&str> = (0..digest.len()).step_by(2).filter_map(|i| digest.get(i..i + 2)).collect();
    pairs.join(":")
}

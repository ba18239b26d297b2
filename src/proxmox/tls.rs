//! Which certificates are accepted: one `ClientConfig` for each policy, shared by all who use that policy.

use super::{Error, Fingerprint, Tls};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Where distributions keep the bundle of known authorities, in the order tried. `SSL_CERT_FILE` comes first.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];

/// The configuration for a policy. Those for `Verify` and `Off` are made once and shared by all connections.
pub(crate) fn config(policy: Tls) -> Result<Arc<ClientConfig>, Error> {
    static VERIFY: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
    static OFF: OnceLock<Option<Arc<ClientConfig>>> = OnceLock::new();
    let made = match policy {
        Tls::Verify => {
            VERIFY.get_or_init(|| known_authorities(bundle().as_deref()).and_then(|v| build(Rule::Known(v)))).clone()
        }
        Tls::Off => OFF.get_or_init(|| build(Rule::Any)).clone(),
        Tls::Pin(pin) => build(Rule::Only(Fingerprint(pin))),
    };
    made.ok_or_else(|| Error::Tls { fingerprint: None, reason: "no TLS configuration is possible".into() })
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

fn build(rule: Rule) -> Option<Arc<ClientConfig>> {
    let verifier = Verifier { rule, provider: provider() };
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Some(Arc::new(config))
}

/// The file with the authorities that this machine knows.
fn bundle() -> Option<PathBuf> {
    let named = std::env::var("SSL_CERT_FILE").ok().map(PathBuf::from);
    named.into_iter().chain(BUNDLES.map(PathBuf::from)).find(|f| f.is_file())
}

/// Mozilla's list, and this machine's own (which may hold a company's authority).
fn known_authorities(bundle: Option<&Path>) -> Option<Arc<WebPkiServerVerifier>> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(Ok(certificates)) = bundle.map(CertificateDer::pem_file_iter) {
        let before: HashSet<_> = roots.roots.iter().map(|r| r.subject.to_vec()).collect();
        let mut own = RootCertStore::empty();
        own.add_parsable_certificates(certificates.flatten());
        roots.roots.extend(own.roots.into_iter().filter(|r| !before.contains(r.subject.as_ref())));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok()
}

/// What makes a certificate acceptable.
#[derive(Debug)]
enum Rule {
    Known(Arc<WebPkiServerVerifier>),
    Any,
    Only(Fingerprint),
}

/// Decides about the certificate by the rule. That the host holds the certificate's key is checked in every case.
#[derive(Debug)]
struct Verifier {
    rule: Rule,
    provider: Arc<CryptoProvider>,
}

/// Why a certificate was refused, with its fingerprint, so that a person can decide to trust it.
#[derive(Debug)]
pub(super) struct Refused {
    pub seen: Fingerprint,
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refused {}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let seen = Fingerprint::of(end_entity);
        let verdict = match &self.rule {
            Rule::Any => Ok(()),
            Rule::Only(pin) if *pin == seen => Ok(()),
            Rule::Only(_) => Err("it is not the pinned one".to_owned()),
            Rule::Known(known) => known
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map(|_| ())
                .map_err(|why| why.to_string()),
        };
        verdict.map(|()| ServerCertVerified::assertion()).map_err(|reason| {
            let refused = OtherError(Arc::new(Refused { seen, reason }));
            rustls::Error::InvalidCertificate(CertificateError::Other(refused))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A failed handshake as this room's error, with the fingerprint seen when the certificate was the cause.
pub(super) fn failed(error: &rustls::Error) -> Error {
    if let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error
        && let Some(refused) = cause.downcast_ref::<Refused>()
    {
        return Error::Tls { fingerprint: Some(refused.seen), reason: super::error::clean(&refused.reason, 200) };
    }
    Error::Tls { fingerprint: None, reason: super::error::clean(&error.to_string(), 200) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    #[test]
    fn a_certificate_of_the_machine_s_own_authority_is_good_for_its_name_only() {
        let key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        let leaf_key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["pve.lan".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
        let file = std::env::temp_dir().join(format!("pulse-bundle-{}.pem", std::process::id()));
        std::fs::write(&file, root.pem()).unwrap();
        let verdict = |bundle: Option<&Path>, name: &str| {
            let rule = Rule::Known(known_authorities(bundle).unwrap());
            let name = ServerName::try_from(name.to_owned()).unwrap();
            Verifier { rule, provider: provider() }.verify_server_cert(leaf.der(), &[], &name, &[], UnixTime::now())
        };
        assert!(verdict(Some(&file), "pve.lan").is_ok() && verdict(Some(&file), "10.0.0.1").is_ok());
        let refused = |bundle: Option<&Path>, name: &str| match failed(&verdict(bundle, name).unwrap_err()) {
            Error::Tls { fingerprint, .. } => fingerprint,
            other => panic!("{other}"),
        };
        assert_eq!(refused(Some(&file), "other.lan"), Some(Fingerprint::of(leaf.der())));
        assert_eq!(refused(None, "pve.lan"), Some(Fingerprint::of(leaf.der())));
        std::fs::remove_file(&file).unwrap();
    }
}

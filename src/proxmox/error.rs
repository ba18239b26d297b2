//! What can go wrong when a Proxmox host is asked, classified by what happened and never by words.

use super::fingerprint::Fingerprint;
use std::fmt;

/// One flat list. Texts are short and free of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The configured address is not a URL that can be asked.
    Address(String),
    /// Nothing answers there: name not found, refused, reset, no route.
    Connect(String),
    /// The TLS handshake failed. `fingerprint` is that of the certificate the host showed, if it came that far.
    Tls { fingerprint: Option<Fingerprint>, reason: String },
    /// A deadline passed: which one.
    Timeout(&'static str),
    /// An HTTP status other than success, and what the answer says about it.
    Status(u16, String),
    /// The answer is cut off, is not JSON, or is JSON of another shape.
    Body(String),
    /// The answer is longer than the limit, in bytes.
    TooLarge(usize),
    /// The host points elsewhere; it is not followed.
    Redirect(u16, String),
    /// The login was refused: status and reason.
    Login(u16, String),
}

impl Error {
    /// The way to the host is broken, as opposed to an answer that is an error: only this speaks against an endpoint.
    pub fn is_transport(&self) -> bool {
        matches!(self, Error::Connect(_) | Error::Tls { .. } | Error::Timeout(_))
    }
    /// The credentials are refused (401, 403, failed login).
    pub fn is_auth(&self) -> bool {
        matches!(self, Error::Status(401 | 403, _) | Error::Login(..))
    }
    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Status(code, _) | Error::Redirect(code, _) | Error::Login(code, _) => Some(*code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Address(why) => write!(f, "failed to read the address: {why}"),
            Error::Connect(why) => write!(f, "failed to connect: {why}"),
            Error::Tls { fingerprint: Some(seen), reason } => {
                write!(f, "failed to trust the certificate: {reason} (SHA-256 {seen})")
            }
            Error::Tls { fingerprint: None, reason } => write!(f, "failed to set up TLS: {reason}"),
            Error::Timeout(stage) => write!(f, "failed to get an answer in time: {stage}"),
            Error::Status(code, text) if text.is_empty() => write!(f, "the host answered {code}"),
            Error::Status(code, text) => write!(f, "the host answered {code}: {text}"),
            Error::Body(why) => write!(f, "failed to read the answer: {why}"),
            Error::TooLarge(limit) => write!(f, "failed to read the answer: longer than {limit} bytes"),
            Error::Redirect(code, to) => write!(f, "the host answered {code} and points to {to}"),
            Error::Login(code, why) => write!(f, "failed to log in ({code}): {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// At most `max` characters of outside text on one line, without control characters.
pub(super) fn clean(text: &str, max: usize) -> String {
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max).collect();
    one_line.trim().to_owned()
}

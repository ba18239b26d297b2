//! The two Proxmox APIs: how to get in, how to ask, how to read what comes back.
//! It knows nothing of what is done with the answers, holds no figures and decides nothing.

mod access;
mod client;
mod connector;
mod error;
mod fingerprint;
pub mod lenient;
pub mod pbs;
mod peer;
pub mod pve;
mod rows;
mod ticket;
mod tls;

pub use access::{Access, Auth, Kind, Tls};
pub(crate) use client::stranger;
pub use client::{BACKUP_LIMIT, Client, LIST_LIMIT};
pub(crate) use connector::TlsConnector;
pub use error::Error;
pub use fingerprint::Fingerprint;
pub use lenient::{Answer, List};
pub use peer::peer_fingerprint;
pub(crate) use tls::config as tls_config;

/// A text as one segment of a path: everything but letters, digits and `-._~` is percent-encoded.
pub fn segment(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

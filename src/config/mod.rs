//! The data directory and the environment: what is configured, and how it is read, kept and written.
//! A drop-in for 4.9's directory: its files open here, and what is written here opens there. Knows no HTTP.

mod cidr;
mod env;
pub mod fields;
mod secret;
mod settings;
mod system;

pub use cidr::Cidr;
pub use env::{ACCOUNT, EnvFile, Environment, Vars};
pub use secret::Secret;
pub use settings::{
    AuthSettings, DEFAULT_DATA_DIR, DEFAULT_PORT, HttpsFiles, ProxyAuth, Settings, UpdateSettings, data_dir,
};
pub use system::System;

/// JSON as 4.9's files have it: indented by two spaces.
pub(crate) fn pretty(value: &serde_json::Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

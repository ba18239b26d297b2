//! The data directory and the environment: what is configured, and how it is read, kept and written.
//! A drop-in for 4.9's directory: its files open here, and what is written here opens there. Knows no HTTP.

pub mod address;
pub mod base64;
mod cidr;
mod dir;
pub mod durable;
mod env;
mod env_edit;
pub mod fields;
mod guests;
mod joined;
mod kept;
mod live;
mod node_request;
mod nodes;
pub mod sealed;
mod secret;
mod settings;
pub mod staged;
mod system;
pub mod transfer;
mod writer;

pub use cidr::Cidr;
pub use dir::{
    ALERTS, DataDir, DataFile, EMAIL, ENV, GUEST_METADATA, KEY_FILE, Loaded, METRICS, NODES, RECOVERY, SYSTEM, WATCHED,
    WEBHOOKS,
};
pub use env::{ACCOUNT, EnvFile, Environment, Vars};
pub use guests::{GuestMetadata, GuestNote};
pub use joined::data_dir;
pub use kept::{Kept, Turn};
pub use live::{Effect, Live, Opened};
pub use node_request::{NodeRequest, Refusal};
pub use nodes::{ClusterEndpoint, Monitor, Node, Nodes, parse_id};
pub use secret::Secret;
pub use settings::{AuthSettings, DEFAULT_DATA_DIR, DEFAULT_PORT, HttpsFiles, ProxyAuth, Settings, UpdateSettings};
pub use system::System;
pub use writer::{Change, Done, Outside, Refused, Writer};

/// JSON as 4.9's files have it: indented by two spaces.
pub(crate) fn pretty(value: &serde_json::Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

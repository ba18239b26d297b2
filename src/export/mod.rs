//! Metrics for other systems: pages written from the state in memory, their way to receivers, and long histories read
//! back from where they went. Decides nothing and asks no Proxmox host for anything.

pub mod guests;
pub mod own;
pub mod pbs;
pub mod peer;
pub mod pull;
pub mod push;
pub mod pve;
pub mod settings;
pub mod summary;
mod text;

pub use settings::Settings;
pub use text::{Format, Labels, Page};

//! Connecting a Proxmox host by itself: one-time codes, and the script that an administrator runs on the host.
//! Nothing here answers a request or changes the configuration; that is `web::setup`.

mod address;
mod codes;
mod script;

pub use address::{pulse_host, pulse_url, shell_safe_host, shell_safe_secret};
pub use codes::{Codes, LIFETIME};
pub use script::{Script, quote};

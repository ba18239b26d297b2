//! The settings in force. Plain values; whoever uses one does not know where it came from.

use super::{Cidr, Secret};
use crate::order::{self, Pairs};
use log::LevelFilter;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything the program takes from its surroundings, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `PULSE_DATA_DIR`; `/etc/pulse` otherwise.
    pub data_dir: PathBuf,
    /// `BIND_ADDRESS`; all IPv4 addresses otherwise.
    pub bind: IpAddr,
    /// `FRONTEND_PORT`, `PORT`, then `frontendPort` of system.json, then 7655.
    pub port: u16,
    /// Present when `HTTPS_ENABLED` is on and both files are named.
    pub https: Option<HttpsFiles>,
    pub log_level: LevelFilter,
    pub auth: AuthSettings,
    /// What `ALLOWED_ORIGINS` or the page set, as written; empty is same-origin only.
    pub allowed_origins: Vec<String>,
    pub allow_embedding: bool,
    pub allowed_embed_origins: Vec<String>,
    pub discovery_enabled: bool,
    /// `PULSE_BACKFILL`; on unless set otherwise: charts of a new connection begin with what Proxmox recorded.
    pub backfill: bool,
    /// `auto`, or ranges separated by commas.
    pub discovery_subnet: String,
    /// A request to Proxmox may take this long.
    pub connection_timeout: Duration,
    /// Time between two cycles of a PVE connection.
    pub pve_polling: Duration,
    pub pbs_polling: Duration,
    pub update: UpdateSettings,
    pub theme: String,
    /// `PULSE_DOCKER=true`.
    pub docker: bool,
    /// `INVOCATION_ID` is set: systemd started the process.
    pub systemd: bool,
    /// `PULSE_MOCK_MODE=true`: nothing is polled and nodes cannot be changed.
    pub mock: bool,
    /// Peers whose forwarding headers count (`PULSE_TRUSTED_PROXIES`); empty trusts nobody.
    pub trusted_proxies: Vec<Cidr>,
    /// `PULSE_TRUSTED_NETWORKS`, informational; `None` when not set.
    pub trusted_networks: Option<Vec<Cidr>>,
    /// Wire keys whose value the environment decides; the page shows them locked.
    pub locked: order::Set<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Credentials and rules as configured; hashing and judging is the auth room's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuthSettings {
    /// `PULSE_AUTH_USER`.
    pub user: String,
    /// `PULSE_AUTH_PASS`: plain, or a bcrypt hash (60 characters starting `$2`).
    pub password: Secret,
    /// `API_TOKEN`: plain, or the 64 hex digits of its SHA3-256.
    pub api_token: Secret,
    /// `DISABLE_AUTH`.
    pub disabled: bool,
    /// `REQUIRE_AUTH`: the status says that there is authentication.
    pub required: bool,
    /// Present when `PROXY_AUTH_SECRET` is set.
    pub proxy: Option<ProxyAuth>,
    /// `ALLOW_UNPROTECTED_EXPORT`.
    pub allow_unprotected_export: bool,
    /// Any of `PULSE_AUDIT_LOG`, `AUDIT_LOG_ENABLED`, `ENABLE_AUDIT_LOG`.
    pub audit_log: bool,
}

/// `PROXY_AUTH_*` (contract rest.md 2.6). Empty header names mean "not used".
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProxyAuth {
    pub secret: Secret,
    pub user_header: String,
    pub role_header: String,
    /// `|` when not set.
    pub role_separator: String,
    /// `admin` when not set.
    pub admin_role: String,
    pub logout_url: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateSettings {
    /// `stable` or `rc`, as chosen; empty means stable.
    pub channel: String,
    pub auto: bool,
    pub check_every_hours: i64,
    /// `HH:MM` of the automatic update.
    pub time: String,
    /// `PULSE_UPDATE_SERVER`; `None` is the public one.
    pub server: Option<String>,
}

pub const DEFAULT_DATA_DIR: &str = "/etc/pulse";
pub const DEFAULT_PORT: u16 = 7655;
impl Settings {
    /// `envOverrides` of the wire: each locked key with `true`.
    pub fn env_overrides(&self) -> serde_json::Map<String, serde_json::Value> {
        self.locked.iter().map(|key| ((*key).to_owned(), true.into())).mapped()
    }

    /// Any credential that would stop a stranger is configured.
    pub fn has_credentials(&self) -> bool {
        let a = &self.auth;
        !a.user.is_empty() || !a.password.is_empty() || !a.api_token.is_empty() || a.proxy.is_some()
    }
}

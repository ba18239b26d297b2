//! A Proxmox VE node.

use super::Time;
use serde::{Deserialize, Serialize};

/// Bytes of a memory or a file system. `usage` is percent 0..100.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    pub total: i64,
    pub used: i64,
    pub free: i64,
    pub usage: f64,
}

impl Usage {
    /// Usage of `used` out of `total` bytes, free being what is left; clamped to 0..100 %.
    pub fn of(total: i64, used: i64) -> Usage {
        Usage::with_free(total, used, total.saturating_sub(used).max(0))
    }
    /// As `of`, with a free figure of its own (a file system keeps a reserve).
    pub fn with_free(total: i64, used: i64, free: i64) -> Usage {
        let usage = if total > 0 { (used as f64 / total as f64 * 100.0).clamp(0.0, 100.0) } else { 0.0 };
        Usage { total, used, free, usage }
    }
}

/// CPU of a node; `mhz` is text on the wire.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuInfo {
    pub model: String,
    pub cores: i64,
    pub sockets: i64,
    pub mhz: String,
}

/// A system service of a node that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    pub state: String,
}

/// A temperature a host publishes, in degrees Celsius.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    pub sensor: String,
    pub celsius: f64,
}

/// One node of a PVE connection. Keys up to `clusterName` are the 4.9 contract; the rest are additions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// `<instance>-<node>`, always both parts.
    pub id: String,
    pub name: String,
    pub instance: String,
    pub host: String,
    /// `online`, `offline` or `unknown`.
    pub status: String,
    /// Always `node`.
    pub r#type: String,
    /// Fraction 0..1 of all cores.
    pub cpu: f64,
    pub memory: Usage,
    pub disk: Usage,
    /// Seconds.
    pub uptime: i64,
    pub load_average: Option<Vec<f64>>,
    pub kernel_version: String,
    pub pve_version: String,
    pub cpu_info: CpuInfo,
    pub last_seen: Time,
    /// `healthy` or `error`.
    pub connection_health: String,
    pub is_cluster_member: bool,
    pub cluster_name: String,

    /// Where the memory figure comes from, e.g. `memavailable`, `nodes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Usage>,
    /// Fraction 0..1 of time waiting for I/O.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_wait: Option<f64>,
    /// Pending package updates; absent when not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates_pending: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// When the first certificate of the node runs out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expiry: Option<Time>,
    /// The running kernel is older than the newest installed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot_pending: Option<bool>,
    /// Services that should run and do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_services: Vec<Service>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub temperatures: Vec<Temperature>,
    /// Why the connection fails, in words for the page; absent when healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

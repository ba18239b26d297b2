//! A guest: virtual machine (`qemu`) or container (`lxc`).

use super::{Time, Usage};
use serde::{Deserialize, Serialize};

/// One file system inside a guest, as its agent reports it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filesystem {
    pub mountpoint: String,
    pub r#type: String,
    pub total: i64,
    pub used: i64,
    pub device: String,
    /// Whether it counts towards the guest's `disk` figure.
    pub counted: bool,
}

/// VMs and containers have the same keys. Keys up to `lastSeen` are the 4.9 contract; the rest are additions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guest {
    /// `<instance>-<node>-<vmid>`, or `<node>-<vmid>` when both names are equal.
    pub id: String,
    pub vmid: i64,
    pub name: String,
    pub node: String,
    pub instance: String,
    /// PVE's word: `running`, `stopped`, `paused`, `unknown`, …
    pub status: String,
    /// `qemu` or `lxc`.
    pub r#type: String,
    /// Fraction 0..1 of its cores.
    pub cpu: f64,
    pub cpus: i64,
    pub memory: Usage,
    pub disk: Usage,
    /// Bytes per second, as are the next three.
    pub network_in: i64,
    pub network_out: i64,
    pub disk_read: i64,
    pub disk_write: i64,
    /// Seconds.
    pub uptime: i64,
    pub template: bool,
    pub last_backup: Time,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lock: String,
    pub last_seen: Time,

    /// Where the memory figure comes from, e.g. `agent-meminfo`, `freemem`, `status`, `resources`, `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_source: Option<String>,
    /// Where the disk figure comes from: `agent`, `lxc`, `allocated`, `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_source: Option<String>,
    /// Why the disk figure is not known: `agent-disabled`, `agent-timeout`, `no-permission:VM.GuestAgent.Audit`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_status: Option<String>,
    /// Age in seconds of the oldest figure shown; absent when all are of this cycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_age: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ha_state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// Covered by a backup job; absent when not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_covered: Option<bool>,
    /// What `disk` is the sum of, and what was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filesystems: Vec<Filesystem>,
}

impl Guest {
    /// The name that follows a guest through migration: `<instance>:<vmid>`.
    pub fn stable_key(&self) -> String {
        format!("{}:{}", self.instance, self.vmid)
    }
    pub fn is_running(&self) -> bool {
        self.status == "running"
    }
}

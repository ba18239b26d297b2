//! The whole document of `/api/state`, and how one connection's part of it is replaced.

use super::{
    AlertBrief, Ceph, Cluster, Coverage, Guest, Lent, Node, PbsBackup, PbsInstance, PhysicalDisk, PveBackups,
    ReplicationJob, ResolvedAlert, Storage, Time, ZfsPool,
};
use crate::order::Map;
use serde::{Deserialize, Serialize};

/// Keys up to `lastUpdate` are the 4.9 contract, in its order; the rest are additions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub nodes: Vec<Node>,
    /// Shared with what was published, so that publishing copies nothing that did not change.
    pub vms: Vec<Lent<Guest>>,
    pub containers: Vec<Lent<Guest>>,
    pub storage: Vec<Storage>,
    pub pbs: Vec<PbsInstance>,
    pub pbs_backups: Lent<Vec<PbsBackup>>,
    /// Always empty, as in 4.9.
    pub metrics: Vec<serde_json::Value>,
    pub pve_backups: Lent<PveBackups>,
    pub performance: Performance,
    pub connection_health: Map<String, bool>,
    pub stats: Stats,
    pub active_alerts: Vec<AlertBrief>,
    pub recently_resolved: Vec<ResolvedAlert>,
    pub last_update: Time,

    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Cluster>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replication: Vec<ReplicationJob>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ceph: Vec<Ceph>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zfs_pools: Vec<ZfsPool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub physical_disks: Vec<PhysicalDisk>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backup_coverage: Vec<Coverage>,
}

impl State {
    /// Virtual machines, then containers.
    pub fn guests(&self) -> impl Iterator<Item = &Guest> + Clone {
        self.vms.iter().chain(&self.containers).map(|g| &**g)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Performance {
    pub api_call_duration: Option<Map<String, f64>>,
    /// Seconds the slowest connection's last cycle took.
    pub last_poll_duration: f64,
    pub polling_start_time: Time,
    pub total_api_calls: i64,
    pub failed_api_calls: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    pub start_time: Time,
    /// Seconds.
    pub uptime: i64,
    pub polling_cycles: i64,
    pub web_socket_clients: i64,
    /// A constant of the wire, not the product's version.
    pub version: String,
}

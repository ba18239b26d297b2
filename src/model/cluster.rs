//! What belongs to a whole connection: cluster, HA, replication, Ceph, pools, disks. All of it is added to 4.9's documents.

use super::Time;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    pub instance: String,
    pub name: String,
    pub quorate: bool,
    pub members: Vec<ClusterMember>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ha: Vec<HaResource>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterMember {
    pub name: String,
    pub online: bool,
    pub ip: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub local: bool,
}

fn is_false(v: &bool) -> bool {
    !*v
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HaResource {
    /// `vm:100`, `ct:101`.
    pub sid: String,
    pub state: String,
    pub node: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationJob {
    pub instance: String,
    pub id: String,
    pub vmid: i64,
    pub source: String,
    pub target: String,
    pub last_sync: Time,
    pub next_sync: Time,
    /// Seconds the last run took.
    pub duration: f64,
    pub fail_count: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    pub enabled: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ceph {
    pub instance: String,
    /// `HEALTH_OK`, `HEALTH_WARN`, `HEALTH_ERR`.
    pub health: String,
    pub checks: Vec<String>,
    pub total: i64,
    pub used: i64,
    pub free: i64,
    pub usage: f64,
    pub osds: i64,
    pub osds_up: i64,
    pub osds_in: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ZfsPool {
    pub instance: String,
    pub node: String,
    pub name: String,
    /// `ONLINE`, `DEGRADED`, `FAULTED`, …
    pub health: String,
    pub size: i64,
    pub allocated: i64,
    pub free: i64,
    /// Percent.
    pub fragmentation: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhysicalDisk {
    pub instance: String,
    pub node: String,
    pub device: String,
    pub model: String,
    pub serial: String,
    pub size: i64,
    /// `ssd`, `hdd`, `nvme`, `unknown`.
    pub r#type: String,
    /// SMART: `PASSED`, `FAILED`, `UNKNOWN`.
    pub health: String,
    /// Percent of the rated life that is left; absent when the disk does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wearout: Option<f64>,
    /// What uses it: `ZFS`, `LVM`, `partitions`, …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub used: String,
}

/// Guests that no backup job covers (`/cluster/backup-info/not-backed-up`), and backups that no guest is left of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    pub instance: String,
    pub uncovered: Vec<i64>,
    /// Numbers with backups on the connection's storages and without a guest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<i64>,
}

//! A Proxmox Backup Server, its datastores and its backups.

use super::Time;
use serde::{Deserialize, Serialize};

/// Keys up to `lastSeen` are the 4.9 contract.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PbsInstance {
    /// `pbs-<name>`.
    pub id: String,
    pub name: String,
    pub host: String,
    /// `online` or `offline`.
    pub status: String,
    pub version: String,
    /// Percent 0..100 (4.9 passed PBS's fraction through; its page shows percent).
    pub cpu: f64,
    /// Percent 0..100.
    pub memory: f64,
    pub memory_used: i64,
    pub memory_total: i64,
    /// Seconds.
    pub uptime: i64,
    pub datastores: Option<Vec<Datastore>>,
    pub backup_jobs: Option<Vec<PbsJob>>,
    pub sync_jobs: Option<Vec<PbsJob>>,
    pub verify_jobs: Option<Vec<PbsJob>>,
    pub prune_jobs: Option<Vec<PbsJob>>,
    pub garbage_jobs: Option<Vec<PbsJob>>,
    pub connection_health: String,
    pub last_seen: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Datastore {
    pub name: String,
    pub total: i64,
    pub used: i64,
    pub free: i64,
    pub usage: f64,
    /// `available`, or what PBS says (`maintenance`, `unavailable`).
    pub status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<Namespace>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deduplication_factor: f64,
    /// Last garbage collection, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc_state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc_last: Option<Time>,
}

fn is_zero(v: &f64) -> bool {
    *v == 0.0
}

/// A namespace; the root has the empty path. `depth` counts the slashes in the path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    pub path: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent: String,
    pub depth: i64,
}

/// A job of a PBS (sync, verify, prune, garbage collection). Which of the `last…` keys is set tells the kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PbsJob {
    pub id: String,
    pub store: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verify: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_prune: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_garbage: Option<Time>,
    pub next_run: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// One snapshot in a PBS datastore.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PbsBackup {
    /// `pbs-<instance>-<datastore>-<namespace>-<type>-<backupId>-<epoch s>`.
    pub id: String,
    pub instance: String,
    pub datastore: String,
    pub namespace: String,
    /// `vm`, `ct` or `host`.
    pub backup_type: String,
    /// Text: the backup id of a host need not be a number.
    pub vmid: String,
    pub backup_time: Time,
    pub size: i64,
    pub protected: bool,
    pub verified: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// Verification state in PBS's word (`ok`, `failed`); absent when never verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
}

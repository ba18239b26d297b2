//! What a PVE knows of backups: vzdump tasks, files on storages, guest snapshots.

use super::Time;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PveBackups {
    pub backup_tasks: Vec<BackupTask>,
    pub storage_backups: Vec<StorageBackup>,
    pub guest_snapshots: Vec<GuestSnapshot>,
}

/// A vzdump task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTask {
    /// `<instance>-<UPID>`.
    pub id: String,
    pub node: String,
    pub r#type: String,
    /// 0 for a task over several guests.
    pub vmid: i64,
    /// `OK`, an error text, or empty while it runs.
    pub status: String,
    pub start_time: Time,
    pub end_time: Time,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// The connection, so that nobody has to take the id apart.
    #[serde(default)]
    pub instance: String,
}

fn is_zero(v: &i64) -> bool {
    *v == 0
}

/// A backup file on a storage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageBackup {
    /// `<instance>-<volid>`.
    pub id: String,
    pub storage: String,
    /// Node name; the storage name for PBS and shared storages.
    pub node: String,
    /// `qemu`, `lxc`, `host` or `unknown`.
    pub r#type: String,
    pub vmid: i64,
    pub time: Time,
    /// Seconds since 1970.
    pub ctime: i64,
    pub size: i64,
    pub format: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    pub protected: bool,
    pub volid: String,
    #[serde(rename = "isPBS")]
    pub is_pbs: bool,
    pub verified: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub verification: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub encryption: String,
    #[serde(default)]
    pub instance: String,
}

/// A snapshot of a guest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuestSnapshot {
    /// `<instance>-<node>-<vmid>-<name>`.
    pub id: String,
    pub name: String,
    pub node: String,
    /// `qemu` or `lxc`.
    pub r#type: String,
    pub vmid: i64,
    pub time: Time,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent: String,
    /// Whether the machine's memory is part of it.
    pub vmstate: bool,
    /// Bytes, where the storage tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    #[serde(default)]
    pub instance: String,
}

//! Answers about a cluster as a whole.

use crate::proxmox::lenient::{Maybe, boolean, integer, number, object, size, text};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An item of `/cluster/resources`: node, guest or storage, by `kind`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// `node`, `qemu`, `lxc`, `storage`, …
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub node: String,
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub status: String,
    #[serde(deserialize_with = "integer")]
    pub vmid: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub cpu: Option<f64>,
    #[serde(deserialize_with = "number")]
    pub maxcpu: Option<f64>,
    #[serde(deserialize_with = "size")]
    pub mem: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxmem: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub disk: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub maxdisk: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub netin: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub netout: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub diskread: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub diskwrite: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub uptime: Option<i64>,
    #[serde(deserialize_with = "boolean")]
    pub template: Option<bool>,
    #[serde(deserialize_with = "text")]
    pub tags: String,
    #[serde(deserialize_with = "text")]
    pub lock: String,
    #[serde(deserialize_with = "text")]
    pub hastate: String,
    #[serde(deserialize_with = "text")]
    pub pool: String,
}

/// An item of `/cluster/status`: the cluster itself or a member.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClusterItem {
    /// `cluster` or `node`.
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub name: String,
    #[serde(deserialize_with = "text")]
    pub ip: String,
    #[serde(deserialize_with = "boolean")]
    pub online: Option<bool>,
    #[serde(deserialize_with = "boolean")]
    pub local: Option<bool>,
    #[serde(deserialize_with = "boolean")]
    pub quorate: Option<bool>,
}

/// An item of `/cluster/backup-info/not-backed-up`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UncoveredItem {
    #[serde(deserialize_with = "integer")]
    pub vmid: Option<i64>,
}

/// An item of `/nodes/{node}/replication` (all but `id` unlisted) or `/cluster/replication`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ReplicationItem {
    #[serde(deserialize_with = "text")]
    pub id: String,
    #[serde(deserialize_with = "integer")]
    pub guest: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub source: String,
    #[serde(deserialize_with = "text")]
    pub target: String,
    #[serde(deserialize_with = "integer")]
    pub last_sync: Option<i64>,
    #[serde(deserialize_with = "integer")]
    pub next_sync: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub duration: Option<f64>,
    #[serde(deserialize_with = "integer")]
    pub fail_count: Option<i64>,
    #[serde(deserialize_with = "text")]
    pub error: String,
    #[serde(deserialize_with = "boolean")]
    pub disable: Option<bool>,
}

/// An item of `/cluster/ha/status/current`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HaItem {
    #[serde(rename = "type", deserialize_with = "text")]
    pub kind: String,
    #[serde(deserialize_with = "text")]
    pub id: String,
    #[serde(deserialize_with = "text")]
    pub sid: String,
    #[serde(deserialize_with = "text")]
    pub node: String,
    #[serde(deserialize_with = "text")]
    pub state: String,
}

/// `/cluster/ceph/status`: Ceph's own document.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephStatus {
    #[serde(deserialize_with = "object")]
    pub health: CephHealth,
    #[serde(deserialize_with = "object")]
    pub pgmap: CephSpace,
    #[serde(deserialize_with = "object")]
    pub osdmap: CephOsds,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephHealth {
    #[serde(deserialize_with = "text")]
    pub status: String,
    #[serde(deserialize_with = "object")]
    pub checks: BTreeMap<String, Maybe<CephCheck>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephCheck {
    #[serde(deserialize_with = "object")]
    pub summary: CephSummary,
    #[serde(deserialize_with = "boolean")]
    pub muted: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephSummary {
    #[serde(deserialize_with = "text")]
    pub message: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephSpace {
    #[serde(deserialize_with = "size")]
    pub bytes_total: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub bytes_used: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub bytes_avail: Option<i64>,
}

/// Old releases of Ceph nest the map once more.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CephOsds {
    #[serde(deserialize_with = "size")]
    pub num_osds: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub num_up_osds: Option<i64>,
    #[serde(deserialize_with = "size")]
    pub num_in_osds: Option<i64>,
    pub osdmap: Maybe<Box<CephOsds>>,
}

/// `/version` of both products.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct VersionAnswer {
    #[serde(deserialize_with = "text")]
    pub version: String,
    #[serde(deserialize_with = "text")]
    pub release: String,
    #[serde(deserialize_with = "text")]
    pub repoid: String,
}

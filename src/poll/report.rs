//! What a connection's thread tells the owner after each cycle: a complete view of the connection, ready to be shown.
//! Plain values. The owner replaces; it never merges.

use crate::history::past::Batch;
use crate::model::{
    BackupTask, Ceph, Cluster, Coverage, Guest, GuestSnapshot, Node, Now, PbsBackup, PbsInstance, PhysicalDisk,
    ReplicationJob, Storage, StorageBackup, Time, ZfsPool,
};
use crate::order::Map;
use crate::proxmox::pve::{ClusterItem, ReplicationItem, Resource, Subscription, UncoveredItem};
use std::sync::Arc;
use std::time::Duration;

pub use crate::proxmox::Kind;

/// One finished cycle of one connection.
#[derive(Debug, Clone)]
pub struct Report {
    /// The configured name of the connection.
    pub instance: String,
    pub kind: Kind,
    /// When the cycle ended.
    pub at: Now,
    /// How long the cycle took.
    pub took: Duration,
    /// The connection answered in this cycle. False already at the first failure; the lists in `live` keep their
    /// last figures until `offline`.
    pub reachable: bool,
    /// Three polls in a row failed: nodes are offline, guests unknown, live figures zero.
    pub offline: bool,
    /// Why the last poll failed; `None` when it worked.
    pub failure: Option<Failure>,
    /// Complete for the instance: replaces all of it, an empty list included.
    pub live: Live,
    /// Only what changed since the last report.
    pub slow: Slow,
    pub statistics: Statistics,
    /// What Proxmox recorded before Pulse was there.
    pub past: Option<Batch>,
    /// The members of the cluster, when they were asked for and differ from what the target named.
    pub endpoints: Option<Vec<Endpoint>>,
}

/// Figures of every cycle.
#[derive(Debug, Clone, Default)]
pub struct Live {
    pub nodes: Vec<Node>,
    pub vms: Vec<Guest>,
    pub containers: Vec<Guest>,
    pub storage: Vec<Storage>,
    /// Only for a PBS.
    pub pbs: Option<PbsInstance>,
    /// Only when the connection is part of a cluster.
    pub cluster: Option<Cluster>,
    /// What PVE said, in its own words and figures, for exporters; nothing here is asked for their sake.
    pub said: Arc<Said>,
    /// PVE's or PBS's own version, when known.
    pub version: Option<Version>,
}

/// Answers of PVE as they are: raw figures, absent where PVE left them out.
#[derive(Debug, Default)]
pub struct Said {
    /// Nodes, guests (templates too) and storages.
    pub resources: Arc<Vec<Resource>>,
    /// The cluster, if there is one, and its members.
    pub members: Vec<ClusterItem>,
    pub version: Option<Version>,
    /// `None`: not known.
    pub uncovered: Option<Vec<UncoveredItem>>,
    pub replication: Vec<ReplicationItem>,
    /// By node.
    pub subscriptions: Vec<(String, Subscription)>,
    /// Containers that say whether they start with their node.
    pub onboot: Vec<Onboot>,
}

/// Whether a guest starts with its node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Onboot {
    pub node: String,
    pub vmid: i64,
    pub starts: bool,
}

/// The answer of `/version`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    pub version: String,
    pub release: String,
    pub repoid: String,
}

/// Lists that are fetched on slower cadences. `None`: unchanged since the last report.
/// `Some`: complete for the instance, including what was held from earlier because a part could not be fetched.
#[derive(Debug, Clone, Default)]
pub struct Slow {
    pub backup_tasks: Option<Vec<BackupTask>>,
    pub storage_backups: Option<Vec<StorageBackup>>,
    pub guest_snapshots: Option<Vec<GuestSnapshot>>,
    pub pbs_backups: Option<Vec<PbsBackup>>,
    /// Backups are missing from what is told only because they could not be looked at for a day.
    pub backups_aged: bool,
    pub replication: Option<Vec<ReplicationJob>>,
    /// `Some(None)`: there is no Ceph (any more).
    pub ceph: Option<Option<Ceph>>,
    pub zfs_pools: Option<Vec<ZfsPool>>,
    pub physical_disks: Option<Vec<PhysicalDisk>>,
    /// `Some(None)`: not known (no permission, or an old PVE).
    pub coverage: Option<Option<Coverage>>,
}

/// Why a poll failed, by what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: FailureClass,
    /// Words for the page and the log; without secrets.
    pub message: String,
    /// SHA-256 of the certificate that was refused.
    pub fingerprint: Option<[u8; 32]>,
    /// Failed polls in a row, this one included.
    pub consecutive: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// Nothing answers: name resolution, refused, reset, no route.
    Connect,
    Tls,
    Timeout,
    /// Credentials refused (401, 403 or a failed login).
    Auth,
    /// It answers, but with an error or with something that is not the API.
    Answer,
}

/// How polling goes: for diagnostics and the API.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Cycles since the thread began.
    pub cycles: u64,
    /// Requests since the thread began, logins included, and how many of them failed.
    pub requests_total: u64,
    pub requests_failed: u64,
    /// Requests within the last minute.
    pub requests_last_minute: u32,
    /// Mean seconds a request of a kind took, e.g. `cluster/resources`, within the last cycle.
    pub call_seconds: Map<String, f64>,
    pub endpoints: Vec<EndpointState>,
    /// The last distinct errors, newest first, at most 20.
    pub errors: Vec<ErrorSeen>,
    /// Per node (empty name: the cluster or the server): privileges that answers said are missing.
    pub missing_privileges: Map<String, Vec<String>>,
    /// What fails since it was last answered well, and when that was; its last answer is what is shown.
    pub stale: Vec<(String, Time)>,
    /// Times the thread panicked and was started again.
    pub panics: u32,
    /// Whether the last cycle ran out of time and left work for the next.
    pub over_budget: bool,
    /// How far the past has come into the charts; `None` when that is over, or not wanted.
    pub past: Option<Progress>,
}

/// So much of something is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
}

/// One way to reach the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    pub url: String,
    pub healthy: bool,
    /// Requests go here at present.
    pub current: bool,
    pub last_ok: Time,
    pub last_error: Option<String>,
}

/// An error that some request met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorSeen {
    pub first: Time,
    pub last: Time,
    pub count: u64,
    /// What was asked, e.g. `nodes/alpha/storage`.
    pub subject: String,
    pub message: String,
}

/// A member of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// The node's name.
    pub node: String,
    /// `https://10.0.0.1:8006`.
    pub url: String,
    pub ip: String,
    pub online: bool,
    /// SHA-256 of its certificate, as the cluster says.
    pub fingerprint: Option<[u8; 32]>,
}

//! The wire documents: what `/api/state` and the WebSocket show, one file a noun.
//! Plain values with serde and nothing else: no I/O, no clocks, no decisions.

mod alert;
mod backup;
mod cluster;
mod guest;
mod lent;
mod node;
mod pbs;
mod state;
mod storage;
mod time;
mod zones;

pub use alert::{Alert, AlertBrief, ResolvedAlert};
pub use backup::{BackupTask, GuestSnapshot, PveBackups, StorageBackup};
pub use cluster::{Ceph, Cluster, ClusterMember, Coverage, HaResource, PhysicalDisk, ReplicationJob, ZfsPool};
pub use guest::{Filesystem, Guest};
pub use lent::Lent;
pub use node::{CpuInfo, Node, Service, Temperature, Usage};
pub use pbs::{Datastore, Namespace, PbsBackup, PbsInstance, PbsJob};
pub use state::{Performance, State, Stats};
pub use storage::Storage;
pub use time::{Now, Time, local_zone};
pub use zones::zone;

//! Everything a PBS is asked for: path, cadence, patience, and the type of the answer.

use crate::poll::derive::pbs::JobKind;
use crate::proxmox::pbs::*;
use crate::proxmox::pve::VersionAnswer;
use crate::proxmox::{BACKUP_LIMIT, Client, Error, List, segment};
use std::time::Duration;

/// A thing to be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Version,
    Status,
    /// Space of all datastores at once.
    Usage,
    Datastores,
    /// Space of one datastore, where the former is not to be had.
    StoreStatus(String),
    Garbage,
    Jobs(JobKind),
    Namespaces(String),
    /// Datastore and namespace.
    Snapshots(String, String),
}

/// An answer, still in PBS's words.
#[derive(Debug)]
pub(super) enum Got {
    Version(VersionAnswer),
    Status(Box<ServerStatus>),
    Usage(Vec<DatastoreUsage>),
    Datastores(Vec<DatastoreItem>),
    StoreStatus(Box<DatastoreStatus>),
    Garbage(Vec<Garbage>),
    Jobs(Vec<JobItem>),
    Namespaces(Vec<NamespaceItem>),
    Snapshots(Vec<SnapshotItem>),
}

impl Topic {
    /// The path with its changing parts left out.
    pub fn kind(&self) -> &'static str {
        match self {
            Topic::Version => "version",
            Topic::Status => "nodes/localhost/status",
            Topic::Usage => "status/datastore-usage",
            Topic::Datastores => "admin/datastore",
            Topic::StoreStatus(_) => "admin/datastore/{store}/status",
            Topic::Garbage => "admin/gc",
            Topic::Jobs(JobKind::Sync) => "admin/sync",
            Topic::Jobs(JobKind::Verify) => "admin/verify",
            Topic::Jobs(JobKind::Prune) => "admin/prune",
            Topic::Namespaces(_) => "admin/datastore/{store}/namespace",
            Topic::Snapshots(..) => "admin/datastore/{store}/snapshots",
        }
    }

    /// What the log and diagnostics call it.
    pub fn subject(&self) -> String {
        match self {
            Topic::StoreStatus(store) | Topic::Namespaces(store) => self.kind().replacen("{store}", store, 1),
            Topic::Snapshots(store, ns) => format!("{} {ns}", self.kind().replacen("{store}", store, 1)),
            _ => self.kind().to_owned(),
        }
    }

    pub fn period(&self) -> Duration {
        Duration::from_secs(match self {
            Topic::Status => 20,
            Topic::Usage | Topic::StoreStatus(_) => 60,
            Topic::Snapshots(..) => 120,
            Topic::Datastores | Topic::Garbage | Topic::Jobs(_) | Topic::Namespaces(_) => 600,
            Topic::Version => 6 * 3600,
        })
    }

    /// The privilege that a refusal asks for (the published schema's `permissions`).
    pub fn privilege(&self) -> &'static str {
        match self {
            Topic::Status | Topic::Version => "Sys.Audit",
            _ => "Datastore.Audit",
        }
    }

    /// Long lists are asked for beside the cycle.
    pub fn is_long(&self) -> bool {
        matches!(self, Topic::Snapshots(..))
    }

    pub fn patience(&self, usual: Duration) -> Duration {
        if self.is_long() { usual.max(Duration::from_secs(60)) } else { usual }
    }

    /// Path and query below `/api2/json/`.
    pub fn path(&self) -> String {
        match self {
            Topic::StoreStatus(store) => format!("admin/datastore/{}/status", segment(store)),
            Topic::Namespaces(store) => format!("admin/datastore/{}/namespace", segment(store)),
            Topic::Snapshots(store, ns) if ns.is_empty() => format!("admin/datastore/{}/snapshots", segment(store)),
            Topic::Snapshots(store, ns) => {
                format!("admin/datastore/{}/snapshots?ns={}", segment(store), segment(ns))
            }
            other => other.kind().to_owned(),
        }
    }

    /// Asks. `within` is the longest it may take.
    pub fn fetch(&self, client: &Client, within: Duration) -> Result<Got, Error> {
        let path = self.path();
        let path = path.as_str();
        Ok(match self {
            Topic::Version => Got::Version(client.get(path, within)?),
            Topic::Status => Got::Status(client.get(path, within)?),
            Topic::Usage => Got::Usage(client.get::<List<_>>(path, within)?.0),
            Topic::Datastores => Got::Datastores(client.get::<List<_>>(path, within)?.0),
            Topic::StoreStatus(_) => Got::StoreStatus(client.get(path, within)?),
            Topic::Garbage => Got::Garbage(client.get::<List<_>>(path, within)?.0),
            Topic::Jobs(_) => Got::Jobs(client.get::<List<_>>(path, within)?.0),
            Topic::Namespaces(_) => Got::Namespaces(client.get::<List<_>>(path, within)?.0),
            Topic::Snapshots(..) => Got::Snapshots(client.get_bounded::<List<_>>(path, within, BACKUP_LIMIT)?.0),
        })
    }
}

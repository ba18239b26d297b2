//! What a connection's thread is told: where, as whom, and what to watch.

use super::report::Endpoint;
use crate::proxmox::{Access, Kind};
use std::time::Duration;

/// One configured connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The configured name; part of every id.
    pub instance: String,
    pub kind: Kind,
    pub access: Access,
    /// Members of the cluster as the configuration knows them; more are found while polling.
    pub endpoints: Vec<Endpoint>,
    pub monitor: Monitor,
    /// Time from the start of one cycle to the start of the next; at least 5 s, 10 s unless configured otherwise.
    pub interval: Duration,
    /// How many stages of what Proxmox recorded are in the charts already (`history::past::Stage`).
    pub past: usize,
}

/// The connection's switches, as the configuration names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Monitor {
    pub vms: bool,
    pub containers: bool,
    pub storage: bool,
    pub backups: bool,
    pub datastores: bool,
    pub sync_jobs: bool,
    pub verify_jobs: bool,
    pub prune_jobs: bool,
    pub garbage_jobs: bool,
}

impl Monitor {
    /// Everything on.
    pub fn all() -> Monitor {
        Monitor {
            vms: true,
            containers: true,
            storage: true,
            backups: true,
            datastores: true,
            sync_jobs: true,
            verify_jobs: true,
            prune_jobs: true,
            garbage_jobs: true,
        }
    }
}

impl Target {
    /// The time between cycles, held to 5 s … 1 h.
    pub(super) fn period(&self) -> Duration {
        self.interval.clamp(Duration::from_secs(5), Duration::from_secs(3600))
    }
}

//! What the lists of backups and snapshots say about each guest, found once when a list changes and not at each look.

use super::instances::Instances;
use crate::model::{State, Time};
use std::collections::HashMap;

/// What is known of one guest.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GuestFacts {
    /// The last finished vzdump failed, and when it ended.
    pub failed: Option<Time>,
    pub oldest_snapshot: Option<Time>,
    /// When the newest backup was made, if it is on a PBS and was never verified.
    pub unverified: Option<Time>,
}

/// By (connection, vmid); tasks over several guests by (connection, node).
#[derive(Debug, Default)]
pub struct Backups {
    guests: HashMap<(u32, i64), GuestFacts>,
    failed_jobs: HashMap<(u32, String), Time>,
    /// Backups with a failed verification by (PBS, datastore).
    broken: HashMap<(u32, String), u32>,
}

/// Whether a finished task failed; `None` while it runs.
pub fn outcome(status: &str) -> Option<bool> {
    match status {
        "" | "running" => None,
        "OK" => Some(false),
        // PVE's "finished, with warnings".
        other => Some(!other.starts_with("WARNINGS")),
    }
}

impl Backups {
    /// Reads the lists. `unverified`: somebody watches verification, so the long list of files must be read too.
    pub fn of(state: &State, instances: &Instances, unverified: bool) -> Backups {
        let mut facts = Backups::default();
        facts.read_tasks(state, instances);
        for snapshot in &state.pve_backups.guest_snapshots {
            let Some(instance) = instances.pve(&snapshot.instance) else { continue };
            let guest = facts.guests.entry((instance, snapshot.vmid)).or_default();
            if snapshot.time.is_set() && guest.oldest_snapshot.is_none_or(|t| snapshot.time < t) {
                guest.oldest_snapshot = Some(snapshot.time);
            }
        }
        for backup in state.pbs_backups.iter().filter(|b| b.verification.as_deref() == Some("failed")) {
            if let Some(instance) = instances.pbs(&backup.instance) {
                *facts.broken.entry((instance, backup.datastore.clone())).or_default() += 1;
            }
        }
        if unverified {
            facts.read_verification(state, instances);
        }
        facts
    }

    /// The newest finished task of each guest and of each node counts, in whatever order they come.
    fn read_tasks(&mut self, state: &State, instances: &Instances) {
        let mut newest: HashMap<(u32, i64, &str), (Time, bool)> = HashMap::new();
        for task in &state.pve_backups.backup_tasks {
            let (Some(instance), Some(failed)) = (instances.pve(&task.instance), outcome(&task.status)) else {
                continue;
            };
            let node = if task.vmid == 0 { task.node.as_str() } else { "" };
            let ended = if task.end_time.is_set() { task.end_time } else { task.start_time };
            let last = newest.entry((instance, task.vmid, node)).or_insert((ended, failed));
            if ended > last.0 {
                *last = (ended, failed);
            }
        }
        for ((instance, vmid, node), (ended, failed)) in newest {
            if failed && vmid == 0 {
                self.failed_jobs.insert((instance, node.to_owned()), ended);
            } else if failed {
                self.guests.entry((instance, vmid)).or_default().failed = Some(ended);
            }
        }
    }

    fn read_verification(&mut self, state: &State, instances: &Instances) {
        let mut newest: HashMap<(u32, i64), (Time, bool)> = HashMap::new();
        for backup in state.pve_backups.storage_backups.iter().filter(|b| b.is_pbs && b.vmid > 0) {
            let Some(instance) = instances.pve(&backup.instance) else { continue };
            let last = newest.entry((instance, backup.vmid)).or_insert((backup.time, backup.verified));
            if backup.time > last.0 {
                *last = (backup.time, backup.verified);
            }
        }
        for (key, (time, verified)) in newest {
            if !verified && time.is_set() {
                self.guests.entry(key).or_default().unverified = Some(time);
            }
        }
    }

    pub fn guest(&self, instance: u32, vmid: i64) -> GuestFacts {
        self.guests.get(&(instance, vmid)).copied().unwrap_or_default()
    }
    /// When the node's last job over several guests failed, if it did.
    pub fn failed_job(&self, instance: u32, node: &str) -> Option<Time> {
        // Few entries: no key is built for the look-up.
        self.failed_jobs.iter().find(|((i, n), _)| *i == instance && n == node).map(|(_, t)| *t)
    }
    /// Backups of a datastore that failed verification.
    pub fn broken(&self, instance: u32, datastore: &str) -> u32 {
        self.broken.iter().find(|((i, d), _)| *i == instance && d == datastore).map_or(0, |(_, n)| *n)
    }
}

//! What is remembered of each node of a connection: its last answers, its storages, its disks, its tasks.

use crate::model::{
    BackupTask, Node, Now, PhysicalDisk, ReplicationJob, Service, StorageBackup, Temperature, Time, ZfsPool,
};
use crate::order::Map;
use crate::poll::derive::node::{self as derive, Detail, Seen};
use crate::poll::derive::{Source, backup, cluster, disks, storage};
use crate::poll::hold::{Held, held, held_daily};
use crate::proxmox::pve::{
    CertificateItem, ContentItem, DiskItem, NodeStatus, ReplicationItem, ServiceItem, SmartReport, StorageItem,
    Subscription, TaskItem, ZfsItem,
};
use std::collections::HashSet;

/// The status of a node is shown no longer than this.
const FRESH_MS: u64 = 3 * 60 * 1000;
/// Tasks of the month up to the newest are shown, at most this many of a node.
const TASK_AGE_SECS: i64 = 30 * 24 * 3600;
const TASKS_MAX: usize = 2000;
/// The limit of one question, as in its path.
const TASKS_ASKED: usize = 500;
/// A task can be logged a little later than it began.
const TASK_OVERLAP_SECS: i64 = 600;

/// One node.
#[derive(Default)]
pub(super) struct Kept {
    pub seen: Seen,
    pub status: Option<Held<NodeStatus>>,
    pub storage: Option<Held<Vec<StorageItem>>>,
    pub updates: Option<Held<i64>>,
    pub subscription: Option<Held<Subscription>>,
    pub certificate: Option<Held<Time>>,
    pub services: Option<Held<Vec<Service>>>,
    pub zfs: Option<Held<Vec<ZfsPool>>>,
    pub disks: Option<Held<Vec<DiskItem>>>,
    pub smart: Map<String, Held<SmartReport>>,
    pub replication: Option<Held<Vec<ReplicationJob>>>,
    /// The same in PVE's words.
    pub replication_said: Option<Held<Vec<ReplicationItem>>>,
    /// vzdump tasks by their UPID.
    tasks: Map<String, BackupTask>,
    /// The newest start of an answer, seconds.
    tasks_until: Option<i64>,
    /// Its document when it was last online.
    before: Option<Node>,
}

impl Kept {
    /// The document as of now.
    pub fn document(&mut self, source: &Source, now: Now) -> Node {
        let ms = now.mono_ms;
        let mut made = derive::node(
            source,
            &self.seen,
            &Detail {
                status: self.status.as_ref().and_then(|s| s.within(ms, FRESH_MS)),
                local_storage: held(&self.storage, ms).and_then(|s| storage::local(s)),
                updates: held_daily(&self.updates, ms).copied(),
                subscription: held_daily(&self.subscription, ms).map(|s| s.status.as_str()),
                certificate_expiry: held_daily(&self.certificate, ms).copied(),
                failed_services: held(&self.services, ms).map_or(&[][..], Vec::as_slice),
                before: self.before.as_ref(),
            },
        );
        if self.seen.is_online() {
            made.temperatures = self.temperatures(ms);
            self.before = Some(made.clone());
        }
        made
    }

    fn temperatures(&self, mono_ms: u64) -> Vec<Temperature> {
        let smart = self.smart.iter().filter_map(|(device, held)| Some((device, held.get(mono_ms)?)));
        smart.filter_map(|(device, report)| disks::temperature(device, report)).collect()
    }

    /// Tasks from this second on may be new; 0 when none is known. By the clock of the node, which need not be ours.
    pub fn tasks_since(&self) -> i64 {
        let Some(newest) = self.tasks_until else { return 0 };
        let running = self.tasks.values().filter(|t| !t.end_time.is_set()).map(|t| t.start_time.unix_secs()).min();
        let overlapping = newest.saturating_sub(TASK_OVERLAP_SECS);
        overlapping.min(running.unwrap_or(overlapping)).max(newest.saturating_sub(TASK_AGE_SECS)).max(1)
    }

    /// Takes in tasks from `since` on. Gives whether anything is new, and whether a backup ended.
    pub fn took_tasks(&mut self, instance: &str, items: &[TaskItem], since: i64) -> (bool, bool) {
        let node = self.seen.name.clone();
        let (mut new, mut ended) = (false, false);
        let mut shown = HashSet::new();
        for task in items.iter().filter_map(|i| backup::task(instance, &node, i)) {
            self.tasks_until = self.tasks_until.max(Some(task.start_time.unix_secs()));
            shown.insert(task.id.clone());
            if self.tasks.get(&task.id) != Some(&task) {
                new = true;
                ended |= task.end_time.is_set();
                self.tasks.insert(task.id.clone(), task);
            }
        }
        let oldest = self.tasks_until.unwrap_or(0).saturating_sub(TASK_AGE_SECS);
        let before = self.tasks.len();
        // What the answer would have shown and does not, is gone; so is what is too old.
        let complete = shown.len() < TASKS_ASKED;
        self.tasks.retain(|id, t| {
            let start = t.start_time.unix_secs();
            start >= oldest && (start < since || shown.contains(id) || !complete)
        });
        while self.tasks.len() > TASKS_MAX {
            let oldest = self.tasks.values().min_by_key(|t| t.start_time).map(|t| t.id.clone());
            oldest.and_then(|id| self.tasks.remove(&id));
        }
        (new || self.tasks.len() != before, ended)
    }

    pub fn tasks(&self) -> impl Iterator<Item = &BackupTask> {
        self.tasks.values()
    }

    pub fn took_services(&mut self, items: &[ServiceItem], now: Now) {
        self.services = Some(Held::new(derive::failed_services(items), now));
    }
    pub fn took_certificates(&mut self, items: &[CertificateItem], now: Now) {
        self.certificate = derive::certificate_expiry(items).map(|t| Held::new(t, now));
    }
    pub fn took_zfs(&mut self, instance: &str, items: &[ZfsItem], now: Now) -> bool {
        let pools = items.iter().filter_map(|i| disks::pool(instance, &self.seen.name, i)).collect();
        replace(&mut self.zfs, pools, now)
    }
    pub fn took_replication(&mut self, instance: &str, items: &[ReplicationItem], now: Now) -> bool {
        let jobs = items.iter().filter_map(|i| cluster::replication(instance, &self.seen.name, i)).collect();
        replace(&mut self.replication, jobs, now)
    }
    /// Takes the list in; reports of disks that are gone are forgotten.
    pub fn took_disks(&mut self, items: Vec<DiskItem>, now: Now) -> bool {
        self.smart.retain(|device, _| items.iter().any(|i| i.devpath == *device));
        replace(&mut self.disks, items, now)
    }

    /// Disks with what their own reports say.
    pub fn disks(&self, instance: &str, mono_ms: u64) -> Vec<PhysicalDisk> {
        let all = held(&self.disks, mono_ms).map_or(&[][..], Vec::as_slice);
        let smart = |i: &DiskItem| self.smart.get(&i.devpath).and_then(|s| s.get(mono_ms));
        all.iter().map(|i| disks::disk(instance, &self.seen.name, i, smart(i))).collect()
    }
}

/// Puts a new answer in place; true when it says something else than the one before.
pub(super) fn replace<T: PartialEq>(place: &mut Option<Held<T>>, value: T, now: Now) -> bool {
    let changed = held(place, now.mono_ms) != Some(&value);
    *place = Some(Held::new(value, now));
    changed
}

/// Backup files of a storage as the node asked shows them.
pub(super) fn files(place: backup::Place, items: &[ContentItem]) -> Vec<StorageBackup> {
    items.iter().filter_map(|i| backup::file(place, i)).collect()
}

//! Storages of a cluster, what they hold, and the backup files on them.

use super::{Guest, Kind, MIB, Pve};
use crate::demo::noise::Wave;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    Dir,
    LvmThin,
    ZfsPool,
    Nfs,
    Rbd,
    Pbs,
}

impl StorageKind {
    pub fn name(self) -> &'static str {
        match self {
            StorageKind::Dir => "dir",
            StorageKind::LvmThin => "lvmthin",
            StorageKind::ZfsPool => "zfspool",
            StorageKind::Nfs => "nfs",
            StorageKind::Rbd => "rbd",
            StorageKind::Pbs => "pbs",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Storage {
    pub name: String,
    pub kind: StorageKind,
    pub content: &'static str,
    pub shared: bool,
    pub enabled: bool,
    /// The nodes (by index) that it is limited to; empty: all.
    pub only_on: Vec<usize>,
    /// Nodes (by index) on which it is not reachable.
    pub inactive_on: Vec<usize>,
    pub total: u64,
    pub used: Wave,
    /// For a PBS: index of its host, datastore and namespace.
    pub pbs: Option<(usize, String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StorageFigures {
    pub active: bool,
    pub total: u64,
    pub used: u64,
}

/// A finished backup on a storage.
#[derive(Debug, Clone)]
pub struct BackupFile<'a> {
    pub guest: &'a Guest,
    pub time: i64,
    pub size: u64,
    pub protected: bool,
    pub encrypted: bool,
    /// `None` while it was not verified.
    pub verified: Option<bool>,
}

impl Storage {
    /// What it shows on a node at second `t`; local storages differ from node to node.
    pub fn at(&self, node: usize, t: i64) -> StorageFigures {
        let active = self.enabled && self.known_on(node) && !self.inactive_on.contains(&node);
        if !active {
            return StorageFigures::default();
        }
        let scale = if self.shared { 1.0 } else { 1.0 - 0.07 * (node % 5) as f64 };
        let used = (self.used.at(t as f64) * scale) as u64;
        StorageFigures { active, total: self.total, used: used.min(self.total) }
    }
    /// Whether a node has it in its list at all.
    pub fn known_on(&self, node: usize) -> bool {
        self.only_on.is_empty() || self.only_on.contains(&node)
    }
    pub fn takes_backups(&self) -> bool {
        self.content.split(',').any(|c| c == "backup")
    }
}

impl Pve {
    /// The backup files that a node sees on a storage at second `t`.
    pub fn backup_files<'a>(
        &'a self,
        storage: &'a Storage,
        node: usize,
        t: i64,
    ) -> impl Iterator<Item = BackupFile<'a>> + 'a {
        let here = move |g: &&Guest| storage.shared || self.node_of(g, t) == node;
        self.guests.iter().filter(here).flat_map(move |guest| guest.backups(t, &storage.name))
    }
}

impl Guest {
    /// Its backup files on a storage at second `t`, newest first.
    pub fn backups<'a>(&'a self, t: i64, storage: &str) -> impl Iterator<Item = BackupFile<'a>> + 'a {
        let plan = self.plan.as_ref().filter(|plan| plan.storage == storage);
        plan.into_iter().flat_map(move |plan| {
            plan.runs(self, t).filter(move |run| run.ok && run.end <= t).map(move |run| BackupFile {
                guest: self,
                time: run.start,
                size: run.size,
                protected: run.protected,
                encrypted: plan.encrypted,
                verified: plan.verified(self, &run, t),
            })
        })
    }
    /// A rough size of one backup.
    pub fn backup_size(&self, t: i64) -> u64 {
        (self.root_used(t) / 100 * 42).max(64 * MIB)
    }
}

/// `vma.zst` or `tar.zst`, as a backup file on an ordinary storage ends.
pub fn file_format(kind: Kind) -> &'static str {
    if kind == Kind::Qemu { "vma.zst" } else { "tar.zst" }
}

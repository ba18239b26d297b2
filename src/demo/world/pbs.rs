//! A Proxmox Backup Server: datastores, namespaces, and the groups that the clusters' plans fill.

use super::{DAY, GIB, Guest, Kind, World};
use crate::demo::noise::{Wave, hash};
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
pub struct Pbs {
    pub seed: u64,
    pub name: String,
    pub privileges: BTreeSet<String>,
    pub booted: i64,
    pub skew_secs: i64,
    pub datastores: Vec<Datastore>,
    pub cpu: Wave,
    pub memory: Wave,
}

#[derive(Debug, Clone)]
pub struct Datastore {
    pub name: String,
    pub comment: Option<&'static str>,
    pub total: u64,
    pub used: Wave,
    /// Without the root namespace.
    pub namespaces: Vec<String>,
    /// Set when the backing disk is gone: the error that its status shows.
    pub broken: Option<String>,
    pub maintenance: Option<&'static str>,
}

/// All snapshots of one guest or host in one namespace.
pub struct Group<'a> {
    pub kind: &'static str,
    pub id: String,
    pub comment: Option<&'a str>,
    pub owner: &'static str,
    pub snapshots: Vec<PbsSnapshot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PbsSnapshot {
    pub time: i64,
    pub size: u64,
    pub protected: bool,
    pub encrypted: bool,
    pub verified: Option<bool>,
    pub disks: usize,
}

/// Who writes backups, as the owner of groups shows it.
const OWNER: &str = "backup@pbs!pve";

impl World {
    /// The groups of a namespace at second `t`, newest snapshot first in each. `None`: no such datastore or
    /// namespace.
    pub fn groups(&self, pbs: usize, store: &str, ns: &str, t: i64) -> Option<Vec<Group<'_>>> {
        let it = self.pbs(pbs)?;
        let datastore = it.datastores.iter().find(|d| d.name == store)?;
        if !ns.is_empty() && !datastore.namespaces.iter().any(|n| n == ns) {
            return None;
        }
        let mut groups = Vec::new();
        for (_, pve) in self.all_pve() {
            let fits = |s: &&super::Storage| s.pbs.as_ref().is_some_and(|p| p.0 == pbs && p.1 == store && p.2 == ns);
            for storage in pve.storages.iter().filter(fits) {
                groups.extend(pve.guests.iter().filter_map(|g| guest_group(g, &storage.name, t)));
            }
        }
        groups.extend(it.own_groups(store, ns, t));
        Some(groups)
    }
}

fn guest_group<'a>(guest: &'a Guest, storage: &str, t: i64) -> Option<Group<'a>> {
    let disks = if guest.kind == Kind::Qemu { 1 + guest.vmid as usize % 2 } else { 1 };
    let snapshots: Vec<PbsSnapshot> = guest
        .backups(t, storage)
        .map(|file| PbsSnapshot {
            time: file.time,
            size: file.size,
            protected: file.protected,
            encrypted: file.encrypted,
            verified: file.verified,
            disks,
        })
        .collect();
    (!snapshots.is_empty()).then(|| Group {
        kind: guest.kind.backup_type(),
        id: guest.vmid.to_string(),
        comment: Some(guest.name.as_str()),
        owner: OWNER,
        snapshots,
    })
}

impl Pbs {
    /// What no cluster of the simulation writes: a file server's own backups, and what is left of a guest that
    /// was deleted long ago.
    fn own_groups(&self, store: &str, ns: &str, t: i64) -> Vec<Group<'static>> {
        let first = self.datastores.first().is_some_and(|d| d.name == store);
        if !first || !ns.is_empty() {
            return Vec::new();
        }
        let made = |id: &str, kind, day: i64, count: i64, encrypted| Group {
            kind,
            id: id.to_owned(),
            comment: None,
            owner: "root@pam",
            snapshots: (0..count).map(|k| self.snapshot(day - k * DAY, encrypted, t)).collect(),
        };
        let today = (t - 5 * 3600).div_euclid(DAY) * DAY + 5 * 3600;
        let gone = t.div_euclid(DAY) * DAY - 200 * DAY;
        vec![made("fileserver", "host", today, 4, true), made("9001", "vm", gone, 2, false)]
    }

    fn snapshot(&self, time: i64, encrypted: bool, t: i64) -> PbsSnapshot {
        PbsSnapshot {
            time,
            size: 40 * GIB + hash(self.seed, time.unsigned_abs(), 9) % GIB,
            protected: false,
            encrypted,
            verified: (t - time > DAY).then_some(true),
            disks: 1,
        }
    }
}

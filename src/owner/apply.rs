//! Replacing one connection's part of the state by its newest report. Lists keep a stable order.

use crate::model::{BackupTask, Guest, GuestSnapshot, Lent, PbsBackup, State, StorageBackup};
use crate::order::sort_by;
use crate::poll::{Kind, Report};
use std::cmp::Ordering;

/// Puts a report into the state. Returns whether backups changed (then `lastBackup` must be found anew).
pub fn report(state: &mut State, report: Report) -> bool {
    let name = report.instance;
    match report.kind {
        Kind::Pve => {
            replace(&mut state.nodes, report.live.nodes, |n| n.instance == name);
            replace(&mut state.vms, shared(report.live.vms), |g| g.instance == name);
            replace(&mut state.containers, shared(report.live.containers), |g| g.instance == name);
            replace(&mut state.storage, report.live.storage, |s| s.instance == name);
            replace(&mut state.clusters, report.live.cluster.into_iter().collect(), |c| c.instance == name);
            state.connection_health.insert(name.clone(), report.reachable);
        }
        Kind::Pbs => {
            let fresh: Vec<_> = report.live.pbs.into_iter().collect();
            match state.pbs.iter().position(|p| p.name == name) {
                Some(at) => drop(state.pbs.splice(at..=at, fresh)),
                None => state.pbs.extend(fresh),
            }
            state.connection_health.insert(format!("pbs-{name}"), report.reachable);
        }
    }
    sort_live(state);
    let slow = report.slow;
    let mut backups = false;
    if let Some(list) = slow.backup_tasks {
        let newest_first = |a: &BackupTask, b: &BackupTask| (b.start_time, &a.id).cmp(&(a.start_time, &b.id));
        let (there, mine) = (&state.pve_backups.backup_tasks, |t: &BackupTask| t.instance == name);
        if let Some(all) = renewed(there, list, mine, newest_first) {
            state.pve_backups.backup_tasks = all;
            backups = true;
        }
    }
    if let Some(list) = slow.storage_backups {
        let newest_first = |a: &StorageBackup, b: &StorageBackup| (b.time, &a.id).cmp(&(a.time, &b.id));
        let (there, mine) = (&state.pve_backups.storage_backups, |f: &StorageBackup| f.instance == name);
        if let Some(all) = renewed(there, list, mine, newest_first) {
            state.pve_backups.storage_backups = all;
            backups = true;
        }
    }
    if let Some(list) = slow.guest_snapshots {
        let newest_first = |a: &GuestSnapshot, b: &GuestSnapshot| (b.time, &a.id).cmp(&(a.time, &b.id));
        let (there, mine) = (&state.pve_backups.guest_snapshots, |s: &GuestSnapshot| s.instance == name);
        if let Some(all) = renewed(there, list, mine, newest_first) {
            state.pve_backups.guest_snapshots = all;
        }
    }
    if let Some(list) = slow.pbs_backups {
        let newest_first = |a: &PbsBackup, b: &PbsBackup| (b.backup_time, &a.id).cmp(&(a.backup_time, &b.id));
        if let Some(all) = renewed(&state.pbs_backups, list, |b| b.instance == name, newest_first) {
            *state.pbs_backups = all;
            backups = true;
        }
    }
    if let Some(list) = slow.replication {
        replace(&mut state.replication, list, |j| j.instance == name);
    }
    if let Some(ceph) = slow.ceph {
        replace(&mut state.ceph, ceph.into_iter().collect(), |c| c.instance == name);
    }
    if let Some(list) = slow.zfs_pools {
        replace(&mut state.zfs_pools, list, |z| z.instance == name);
    }
    if let Some(list) = slow.physical_disks {
        replace(&mut state.physical_disks, list, |d| d.instance == name);
    }
    if let Some(coverage) = slow.coverage {
        replace(&mut state.backup_coverage, coverage.into_iter().collect(), |c| c.instance == name);
    }
    state.last_update = report.at.wall;
    backups
}

/// Takes everything of a deleted connection out of the state.
pub fn forget(state: &mut State, kind: Kind, name: &str) {
    match kind {
        Kind::Pve => {
            state.nodes.retain(|n| n.instance != name);
            state.vms.retain(|g| g.instance != name);
            state.containers.retain(|g| g.instance != name);
            state.storage.retain(|s| s.instance != name);
            state.clusters.retain(|c| c.instance != name);
            let backups = &mut *state.pve_backups;
            backups.backup_tasks.retain(|t| t.instance != name);
            backups.storage_backups.retain(|b| b.instance != name);
            backups.guest_snapshots.retain(|s| s.instance != name);
            state.replication.retain(|j| j.instance != name);
            state.ceph.retain(|c| c.instance != name);
            state.zfs_pools.retain(|z| z.instance != name);
            state.physical_disks.retain(|d| d.instance != name);
            state.backup_coverage.retain(|c| c.instance != name);
            state.connection_health.remove(name);
        }
        Kind::Pbs => {
            state.pbs.retain(|p| p.name != name);
            state.pbs_backups.retain(|b| b.instance != name);
            state.connection_health.remove(&format!("pbs-{name}"));
        }
    }
}

fn replace<T>(list: &mut Vec<T>, fresh: Vec<T>, mine: impl Fn(&T) -> bool) {
    list.retain(|item| !mine(item));
    list.extend(fresh);
}

/// The list with one connection's part replaced, in its order; nothing when that part is as it was: large lists are
/// reported often and change rarely, and who reads them shares them until somebody writes.
fn renewed<T: Clone + PartialEq>(
    list: &[T],
    mut fresh: Vec<T>,
    mine: impl Fn(&T) -> bool,
    order: impl Fn(&T, &T) -> Ordering + Copy,
) -> Option<Vec<T>> {
    sort_by(&mut fresh, order);
    if list.iter().filter(|item| mine(item)).eq(&fresh) {
        return None;
    }
    fresh.extend(list.iter().filter(|item| !mine(item)).cloned());
    sort_by(&mut fresh, order);
    Some(fresh)
}

/// Orders of the contract with a second key each, so that rows never jump between equal first keys.
fn sort_live(state: &mut State) {
    sort_by(&mut state.nodes, |a, b| (&a.name, &a.instance).cmp(&(&b.name, &b.instance)));
    sort_by(&mut state.vms, by_vmid);
    sort_by(&mut state.containers, by_vmid);
    sort_by(&mut state.storage, |a, b| (&a.instance, &a.name, &a.node).cmp(&(&b.instance, &b.name, &b.node)));
}

fn shared(guests: Vec<Guest>) -> Vec<Lent<Guest>> {
    guests.into_iter().map(Lent::from).collect()
}

fn by_vmid(a: &Lent<Guest>, b: &Lent<Guest>) -> Ordering {
    (a.vmid, &a.instance, &a.node).cmp(&(b.vmid, &b.instance, &b.node))
}

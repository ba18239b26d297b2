//! A backup server's figures, datastores, jobs and backups.

use super::cluster::line;
use super::ids;
use crate::model::{Datastore, Namespace, PbsBackup, PbsInstance, PbsJob, Time, Usage};
use crate::proxmox::pbs::{
    DatastoreItem, DatastoreStatus, DatastoreUsage, Garbage, JobItem, NamespaceItem, ServerStatus, SnapshotItem,
};

/// Namespaces kept for one datastore.
const NAMESPACES_MAX: usize = 1000;
/// File names kept for one backup.
const FILES_MAX: usize = 32;

/// Fills the live figures of a server in. `cpu` is percent on our wire, a fraction on PBS's (contract 8.1 number 5).
pub fn server(into: &mut PbsInstance, status: &ServerStatus) {
    into.cpu = super::fraction(status.cpu) * 100.0;
    let total = status.memory.total.unwrap_or(0);
    let memory = Usage::of(total, status.memory.used.unwrap_or(0).min(total));
    into.memory = memory.usage;
    into.memory_used = memory.used;
    into.memory_total = memory.total;
    into.uptime = status.uptime.unwrap_or(0);
}

/// What a datastore is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Store<'a> {
    /// From `/status/datastore-usage`.
    pub usage: Option<&'a DatastoreUsage>,
    /// From `/admin/datastore/{store}/status`, where the former is not to be had.
    pub status: Option<&'a DatastoreStatus>,
    /// From `/admin/datastore`.
    pub item: Option<&'a DatastoreItem>,
    pub garbage: Option<&'a Garbage>,
    pub namespaces: Option<&'a [NamespaceItem]>,
    /// Why the figures could not be fetched.
    pub error: Option<&'a str>,
}

/// The document of a datastore. One whose figures are not to be had says so (contract 8.1 number 38).
pub fn datastore(name: &str, known: &Store) -> Datastore {
    let usage = known.usage;
    let status = known.status;
    let total = usage.and_then(|u| u.total).or(status.and_then(|s| s.total)).unwrap_or(0);
    let used = usage.and_then(|u| u.used).or(status.and_then(|s| s.used)).unwrap_or(0);
    let free = usage.and_then(|u| u.avail).or(status.and_then(|s| s.avail));
    let error = usage.map(|u| line(&u.error)).filter(|e| !e.is_empty()).or(known.error.map(line)).unwrap_or_default();
    let gc = known.garbage;
    let of_usage = usage.map(|u| &u.gc_status).or(status.map(|s| &s.gc_status));
    Datastore {
        name: name.to_owned(),
        total,
        used,
        free: free.unwrap_or_else(|| total.saturating_sub(used).max(0)),
        usage: Usage::of(total, used).usage,
        status: store_status(known, &error).to_owned(),
        error,
        namespaces: known.namespaces.map(namespaces),
        deduplication_factor: of_usage.and_then(deduplication).or(gc.and_then(deduplication)).unwrap_or(0.0),
        gc_state: gc.map(|g| g.last_run_state.clone()).filter(|s| !s.is_empty()),
        gc_last: gc.and_then(|g| g.last_run_endtime).filter(|t| *t > 0).map(Time::from_unix),
    }
}

fn store_status(known: &Store, error: &str) -> &'static str {
    let maintained = known.item.is_some_and(|i| !i.maintenance.is_empty());
    let unmounted = known.usage.is_some_and(|u| u.mount_status == "notmounted");
    match () {
        _ if maintained => "maintenance",
        _ if unmounted => "unavailable",
        _ if !error.is_empty() => "error",
        _ => "available",
    }
}

/// Bytes referred to for each byte on the disk, to two places.
fn deduplication(gc: &Garbage) -> Option<f64> {
    let (index, disk) = (gc.index_data_bytes?, gc.disk_bytes.filter(|d| *d > 0)?);
    Some((index as f64 / disk as f64 * 100.0).round() / 100.0).filter(|f| *f > 0.0)
}

/// The root first, then the others in the server's order. The depth counts slashes.
fn namespaces(items: &[NamespaceItem]) -> Vec<Namespace> {
    let root = Namespace { path: String::new(), parent: String::new(), depth: 0 };
    let others = items.iter().filter(|n| !n.ns.is_empty()).map(|n| Namespace {
        path: n.ns.clone(),
        parent: n.ns.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned()),
        depth: i64::try_from(n.ns.matches('/').count()).unwrap_or(0),
    });
    std::iter::once(root).chain(others).take(NAMESPACES_MAX).collect()
}

/// Which kind a job list holds; it decides where the time of the last run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    Sync,
    Verify,
    Prune,
}

pub fn job(kind: JobKind, item: &JobItem) -> Option<PbsJob> {
    if item.id.is_empty() {
        return None;
    }
    let (status, error) = outcome(&item.last_run_state, item.last_run_endtime, &item.last_run_upid);
    let last = item.last_run_endtime.filter(|t| *t > 0).map_or(Time::UNSET, Time::from_unix);
    let when = |is: JobKind| (kind == is).then_some(last);
    Some(PbsJob {
        id: item.id.clone(),
        store: item.store.clone(),
        remote: (kind == JobKind::Sync).then(|| item.remote.clone()),
        status: if item.disable == Some(true) { "disabled".to_owned() } else { status },
        last_sync: when(JobKind::Sync),
        last_verify: when(JobKind::Verify),
        last_prune: when(JobKind::Prune),
        last_garbage: None,
        next_run: item.next_run.filter(|t| *t > 0).map_or(Time::UNSET, Time::from_unix),
        removed_bytes: None,
        error,
    })
}

/// Garbage collection has no id of its own: it is the datastore's.
pub fn garbage_job(item: &Garbage) -> Option<PbsJob> {
    if item.store.is_empty() {
        return None;
    }
    let (status, error) = outcome(&item.last_run_state, item.last_run_endtime, "");
    Some(PbsJob {
        id: item.store.clone(),
        store: item.store.clone(),
        status,
        last_garbage: Some(item.last_run_endtime.filter(|t| *t > 0).map_or(Time::UNSET, Time::from_unix)),
        next_run: item.next_run.filter(|t| *t > 0).map_or(Time::UNSET, Time::from_unix),
        removed_bytes: item.removed_bytes,
        error,
        ..PbsJob::default()
    })
}

/// Status word and error of a run: `OK`, `WARNINGS: 2`, `running`, `unknown` (never ran), `error` with PBS's words.
fn outcome(state: &str, ended: Option<i64>, upid: &str) -> (String, String) {
    match state {
        "" if ended.is_none() && !upid.is_empty() => ("running".to_owned(), String::new()),
        "" => ("unknown".to_owned(), String::new()),
        good if good == "OK" || good.starts_with("WARNINGS") => (line(good), String::new()),
        bad => ("error".to_owned(), line(bad)),
    }
}

/// A backup; `None` when it lacks what makes its id.
pub fn backup(instance: &str, store: &str, namespace: &str, item: SnapshotItem) -> Option<PbsBackup> {
    let seconds = item.backup_time?;
    if item.backup_id.is_empty() || item.backup_type.is_empty() {
        return None;
    }
    let modes = item.files.iter().map(|f| f.crypt_mode.as_str());
    let told = item.files.iter().any(|f| !f.crypt_mode.is_empty());
    let encrypted = told.then(|| modes.clone().any(|m| m == "encrypt"));
    let state = item.verification.state;
    Some(PbsBackup {
        id: ids::pbs_backup(instance, store, namespace, &item.backup_type, &item.backup_id, seconds),
        instance: instance.to_owned(),
        datastore: store.to_owned(),
        namespace: namespace.to_owned(),
        backup_type: item.backup_type,
        vmid: item.backup_id,
        backup_time: Time::from_unix(seconds),
        size: item.size.unwrap_or(0),
        protected: item.protected.unwrap_or(false),
        verified: state == "ok",
        comment: item.comment,
        files: item.files.into_iter().map(|f| f.filename).filter(|f| !f.is_empty()).take(FILES_MAX).collect(),
        owner: item.owner,
        verification: (!state.is_empty()).then_some(state),
        encrypted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxmox::List;
    use serde::de::DeserializeOwned;

    fn recorded<T: DeserializeOwned>(text: &str) -> T {
        #[derive(serde::Deserialize)]
        struct Answer<T> {
            data: T,
        }
        serde_json::from_str::<Answer<T>>(text).unwrap().data
    }

    #[test]
    fn the_recorded_server_shows_percent() {
        let status: ServerStatus = recorded(include_str!("../../../tests/data/pbs/node-status.json"));
        let mut p = PbsInstance::default();
        server(&mut p, &status);
        assert_eq!((p.cpu, p.memory_used, p.memory_total, p.uptime), (1.34, 3153399808, 16642998272, 2345678));
        assert!((p.memory - 18.947).abs() < 0.001);
    }

    #[test]
    fn the_recorded_usage_makes_a_datastore_with_its_factor() {
        let usage: List<DatastoreUsage> = recorded(include_str!("../../../tests/data/pbs/datastore-usage.json"));
        let gc: List<Garbage> = recorded(include_str!("../../../tests/data/pbs/gc.json"));
        let namespaces = [NamespaceItem { ns: String::new() }, NamespaceItem { ns: "lab/a".into() }];
        let d = datastore(
            "main",
            &Store { usage: usage.0.first(), garbage: gc.0.first(), namespaces: Some(&namespaces), ..Store::default() },
        );
        assert_eq!((d.total, d.used, d.free), (247212277760, 207692513280, 39519764480));
        assert_eq!((d.status.as_str(), d.deduplication_factor, d.gc_state.as_deref()), ("available", 3.1, Some("OK")));
        let paths: Vec<_> = d.namespaces.unwrap().into_iter().map(|n| (n.path, n.parent, n.depth)).collect();
        assert_eq!(paths, [("".into(), "".into(), 0), ("lab/a".into(), "lab".to_owned(), 1)]);
        let job = garbage_job(&gc.0[0]).unwrap();
        assert_eq!((job.id.as_str(), job.status.as_str(), job.removed_bytes), ("main", "OK", Some(8123)));
    }

    #[test]
    fn a_datastore_that_cannot_be_read_says_so() {
        let broken = DatastoreUsage { error: "no chunk store\nfound".into(), ..DatastoreUsage::default() };
        let d = datastore("x", &Store { usage: Some(&broken), ..Store::default() });
        assert_eq!((d.status.as_str(), d.error.as_str(), d.usage), ("error", "no chunk store found", 0.0));
        let item = DatastoreItem { store: "x".into(), maintenance: "offline".into() };
        assert_eq!(datastore("x", &Store { item: Some(&item), ..Store::default() }).status, "maintenance");
        assert_eq!(datastore("x", &Store { error: Some("failed"), ..Store::default() }).error, "failed");
    }

    #[test]
    fn the_recorded_jobs_tell_success_warnings_failure_and_never() {
        let items: List<JobItem> = recorded(include_str!("../../../tests/data/pbs/sync.json"));
        let jobs: Vec<PbsJob> = items.0.iter().filter_map(|i| job(JobKind::Sync, i)).collect();
        let brief: Vec<_> = jobs.iter().map(|j| (j.id.as_str(), j.status.as_str(), j.error.is_empty())).collect();
        assert_eq!(brief, [("s-offsite", "error", false), ("s-local", "disabled", true), ("s-neuf", "unknown", true)]);
        assert_eq!(jobs[0].last_sync, Some(Time::from_unix(1789455200)));
        assert_eq!((jobs[2].last_sync, jobs[0].last_verify), (Some(Time::UNSET), None));
    }

    #[test]
    fn a_backup_s_id_and_encryption() {
        let item: SnapshotItem = serde_json::from_str(
            r#"{"backup-id":"101","backup-type":"vm","backup-time":1735787045,"size":9,"verification":{"state":"ok"},
                "files":[{"filename":"a.fidx","crypt-mode":"encrypt"},{"filename":"b.blob","crypt-mode":"none"}]}"#,
        )
        .unwrap();
        let b = backup("backup1", "ds1", "", item.clone()).unwrap();
        assert_eq!(b.id, "pbs-backup1-ds1--vm-101-1735787045");
        assert_eq!((b.verified, b.encrypted, b.files.len()), (true, Some(true), 2));
        assert_eq!(backup("x", "y", "", SnapshotItem { backup_time: None, ..item }), None);
    }
}

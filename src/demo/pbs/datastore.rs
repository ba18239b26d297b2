//! Datastores, namespaces, groups and snapshots.

use crate::demo::ask::{Ask, Outcome, Refusal, data};
use crate::demo::noise::hash;
use crate::demo::world::{DAY, Datastore, Group, MIB, Pbs, PbsSnapshot};
use crate::json::json;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Those that the login may see.
pub fn visible<'a>(ask: &Ask<'a>) -> Result<(&'a Pbs, Vec<&'a Datastore>), Refusal> {
    let pbs = ask.pbs()?;
    let shown = ask.may("Datastore.Audit") || ask.may("Datastore.Backup");
    let wanted = |d: &&Datastore| shown && ask.param("store").is_none_or(|name| name == d.name);
    Ok((pbs, pbs.datastores.iter().filter(wanted).collect()))
}

/// The datastore in the path; one whose disk is gone answers every question about its inside with an error.
fn found<'a>(ask: &Ask<'a>) -> Result<(&'a Pbs, &'a Datastore), Refusal> {
    let pbs = ask.pbs()?;
    let name = ask.part("store");
    let store = pbs.datastores.iter().find(|d| d.name == name);
    // An unknown name is a client error there, not "not found".
    let store = store.ok_or_else(|| Refusal::new(400, format!("no such datastore '{name}'")))?;
    match &store.broken {
        Some(error) => Err(Refusal::new(400, error.clone())),
        None => Ok((pbs, store)),
    }
}

pub fn list(ask: &Ask) -> Outcome {
    let (_, stores) = visible(ask)?;
    let row = |d: &&Datastore| {
        let mut row = json!({ "store": d.name, "backend-type": "filesystem", "mount-status": "nonremovable" });
        if let Some(comment) = d.comment {
            row["comment"] = json!(comment);
        }
        if let Some(maintenance) = d.maintenance {
            row["maintenance"] = json!(maintenance);
        }
        row
    };
    data(stores.iter().map(row).collect::<Vec<_>>())
}

pub fn definitions(ask: &Ask) -> Outcome {
    let (_, stores) = visible(ask)?;
    let row = |d: &&Datastore| {
        json!({
            "name": d.name, "path": format!("/mnt/datastore/{}", d.name), "gc-schedule": "daily",
            "notification-mode": "notification-system", "verify-new": true,
        })
    };
    data(stores.iter().map(row).collect::<Vec<_>>())
}

/// Total, used, available at second `t`: the file system keeps a little for root.
fn space(store: &Datastore, t: i64) -> (u64, u64, u64) {
    let used = (store.used.at(t as f64) as u64).min(store.total);
    (store.total, used, (store.total - used) / 100 * 97)
}

/// What the last garbage collection found: about fourteen times more data than space.
fn collected(pbs: &Pbs, store: &Datastore, t: i64) -> Value {
    let (_, used, _) = space(store, t);
    json!({
        "disk-bytes": used, "disk-chunks": used / (2 * MIB), "index-data-bytes": used / 10 * 137,
        "index-file-count": 4711, "pending-bytes": used / 300, "pending-chunks": used / 300 / (2 * MIB),
        "removed-bad": 0, "removed-bytes": used / 90, "removed-chunks": used / 90 / (2 * MIB), "still-bad": 0,
        "upid": upid(pbs, "garbage_collection", &store.name, gc_end(t) - 312),
    })
}

/// Garbage is collected at midnight and takes about five minutes.
pub fn gc_end(t: i64) -> i64 {
    (t - 312).div_euclid(DAY) * DAY + 312
}

/// Names a task of the server.
pub fn upid(pbs: &Pbs, kind: &str, worker: &str, start: i64) -> String {
    let h = hash(pbs.seed, start.unsigned_abs(), kind.len() as u64);
    format!(
        "UPID:{}:{:08X}:{:08X}:00000000:{start:08X}:{kind}:{worker}:root@pam:",
        pbs.name,
        h as u32 & 0xFFFFF,
        h >> 36
    )
}

pub fn status(ask: &Ask) -> Outcome {
    let (pbs, store) = found(ask)?;
    let (total, used, avail) = space(store, ask.t);
    let mut row = json!({ "total": total, "used": used, "avail": avail, "backend-type": "filesystem" });
    if ask.flag("verbose") {
        row["gc-status"] = collected(pbs, store, ask.t);
        row["counts"] = counts(ask, store)?;
    }
    data(row)
}

/// Groups and snapshots by type over all namespaces; types that do not occur are null.
fn counts(ask: &Ask, store: &Datastore) -> Result<Value, Refusal> {
    let mut by_kind: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let root = String::new();
    for ns in std::iter::once(&root).chain(&store.namespaces) {
        for group in groups_in(ask, store, ns)? {
            let count = by_kind.entry(group.kind).or_default();
            *count = (count.0 + 1, count.1 + group.snapshots.len());
        }
    }
    let shown = |kind: &str| by_kind.get(kind).map(|(g, s)| json!({ "groups": g, "snapshots": s }));
    Ok(json!({ "vm": shown("vm"), "ct": shown("ct"), "host": shown("host"), "other": null }))
}

fn groups_in<'a>(ask: &Ask<'a>, store: &Datastore, ns: &str) -> Result<Vec<Group<'a>>, Refusal> {
    let groups = ask.world().groups(ask.host, &store.name, ns, ask.t);
    groups.ok_or_else(|| Refusal::new(404, format!("namespace '{ns}' not found")))
}

pub fn usage(ask: &Ask) -> Outcome {
    let (pbs, stores) = visible(ask)?;
    let row = |d: &&Datastore| {
        if let Some(error) = &d.broken {
            return json!({ "store": d.name, "error": error, "backend-type": "filesystem", "mount-status": "nonremovable" });
        }
        let (total, used, avail) = space(d, ask.t);
        let today = ask.t.div_euclid(DAY) * DAY;
        let past = |k: i64| {
            let level = d.used.at((today - (29 - k) * DAY) as f64) / d.total as f64;
            // A day on which the server was off.
            if k % 11 == 4 { Value::Null } else { json!(level) }
        };
        json!({
            "store": d.name, "total": total, "used": used, "avail": avail, "backend-type": "filesystem",
            "mount-status": "nonremovable", "history": (0..30).map(past).collect::<Vec<_>>(),
            "history-start": today - 29 * DAY, "history-delta": DAY, "estimated-full-date": today + 210 * DAY,
            "gc-status": collected(pbs, d, ask.t),
        })
    };
    data(stores.iter().map(row).collect::<Vec<_>>())
}

pub fn gc(ask: &Ask) -> Outcome {
    let (pbs, store) = found(ask)?;
    data(gc_row(pbs, store, ask.t))
}

/// State and schedule of a garbage collection.
pub fn gc_row(pbs: &Pbs, store: &Datastore, t: i64) -> Value {
    let mut row = collected(pbs, store, t);
    row["store"] = json!(store.name);
    row["schedule"] = json!("daily");
    row["next-run"] = json!((t.div_euclid(DAY) + 1) * DAY);
    row["last-run-state"] = json!("OK");
    row["last-run-endtime"] = json!(gc_end(t));
    row["duration"] = json!(312);
    row["cache-stats"] = json!({ "hits": 91_204, "misses": 1_877 });
    row
}

pub fn history(ask: &Ask) -> Outcome {
    let (_, store) = found(ask)?;
    let row = |t: i64| {
        let (total, used, avail) = space(store, t);
        json!({
            "time": t, "total": total as f64, "used": used as f64, "available": avail as f64, "read_bytes": 20_480.0,
            "write_bytes": 819_200.0, "read_ios": 3.0, "write_ios": 21.0,
        })
    };
    data(super::node::times(ask).into_iter().map(row).collect::<Vec<_>>())
}

pub fn namespaces(ask: &Ask) -> Outcome {
    let (_, store) = found(ask)?;
    let parent = ask.param("parent").unwrap_or_default();
    let depth = ask.number("max-depth").unwrap_or(7);
    let below = |ns: &str| {
        let rest = if parent.is_empty() { Some(ns) } else { ns.strip_prefix(parent).and_then(|r| r.strip_prefix('/')) };
        rest.is_some_and(|rest| rest.split('/').count() as i64 <= depth)
    };
    let mut rows = vec![json!({ "ns": parent })];
    rows.extend(store.namespaces.iter().filter(|ns| below(ns)).map(|ns| json!({ "ns": ns })));
    data(rows)
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct GroupRow<'a> {
    backup_type: &'static str,
    backup_id: &'a str,
    backup_count: usize,
    last_backup: i64,
    files: Vec<&'static str>,
    owner: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
}

pub fn groups(ask: &Ask) -> Outcome {
    let (_, store) = found(ask)?;
    let groups = groups_in(ask, store, ask.param("ns").unwrap_or_default())?;
    let row = |group: &Group| {
        let disks = group.snapshots.first().map_or(1, |s| s.disks);
        serde_json::to_value(GroupRow {
            backup_type: group.kind,
            backup_id: &group.id,
            backup_count: group.snapshots.len(),
            last_backup: group.snapshots.first().map_or(0, |s| s.time),
            files: files(group.kind, disks).to_vec(),
            owner: group.owner,
            comment: group.comment,
        })
    };
    let rows: Result<Vec<Value>, _> = groups.iter().map(row).collect();
    data(rows.map_err(|e| Refusal::new(500, format!("failed to write answer: {e}")))?)
}

/// What a snapshot consists of.
fn files(kind: &str, disks: usize) -> &'static [&'static str] {
    match (kind, disks) {
        ("vm", 1) => &["drive-scsi0.img.fidx", "qemu-server.conf.blob", "index.json.blob", "client.log.blob"],
        ("vm", _) => &[
            "drive-scsi0.img.fidx",
            "drive-scsi1.img.fidx",
            "qemu-server.conf.blob",
            "index.json.blob",
            "client.log.blob",
        ],
        ("ct", _) => &["root.pxar.didx", "catalog.pcat1.didx", "pct.conf.blob", "index.json.blob", "client.log.blob"],
        _ => &["data.pxar.didx", "catalog.pcat1.didx", "index.json.blob"],
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SnapshotRow<'a> {
    backup_type: &'static str,
    backup_id: &'a str,
    backup_time: i64,
    files: Vec<FileRow>,
    owner: &'static str,
    protected: bool,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<VerificationRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct FileRow {
    filename: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    crypt_mode: Option<&'static str>,
    size: u64,
}

#[derive(Serialize)]
struct VerificationRow<'a> {
    state: &'static str,
    upid: &'a str,
}

pub fn snapshots(ask: &Ask) -> Outcome {
    let (pbs, store) = found(ask)?;
    let wanted = |group: &&Group| {
        ask.param("backup-type").is_none_or(|kind| kind == group.kind)
            && ask.param("backup-id").is_none_or(|id| id == group.id)
    };
    let groups = groups_in(ask, store, ask.param("ns").unwrap_or_default())?;
    let upid = upid(pbs, "verificationjob", &store.name, gc_end(ask.t));
    let mut rows = Vec::new();
    for group in groups.iter().filter(wanted) {
        rows.extend(group.snapshots.iter().map(|snapshot| snapshot_row(group, snapshot, &upid)));
    }
    data(rows)
}

fn snapshot_row<'a>(group: &'a Group, snapshot: &PbsSnapshot, upid: &'a str) -> SnapshotRow<'a> {
    let file = |name: &'static str| {
        // The log is never encrypted, and the index only signed.
        let mode = match (snapshot.encrypted, name) {
            (false, "client.log.blob") => None,
            (true, "index.json.blob") => Some("sign-only"),
            (true, "client.log.blob") | (false, _) => Some("none"),
            (true, _) => Some("encrypt"),
        };
        let small = name.ends_with(".blob");
        FileRow {
            filename: name,
            crypt_mode: mode,
            size: if small { 512 } else { snapshot.size / snapshot.disks as u64 },
        }
    };
    let state = |ok: bool| if ok { "ok" } else { "failed" };
    SnapshotRow {
        backup_type: group.kind,
        backup_id: &group.id,
        backup_time: snapshot.time,
        files: files(group.kind, snapshot.disks).iter().map(|name| file(name)).collect(),
        owner: group.owner,
        protected: snapshot.protected,
        size: snapshot.size,
        comment: group.comment,
        fingerprint: snapshot.encrypted.then_some("5a:0b:3c:9d:11:42:77:e0:5a:0b:3c:9d:11:42:77:e0"),
        verification: snapshot.verified.map(|ok| VerificationRow { state: state(ok), upid }),
    }
}

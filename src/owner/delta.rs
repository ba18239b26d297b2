//! What changed between two published states, for pages that asked for deltas.
//!
//! The message is `{"type":"delta","data":{…}}` with
//! - `seq`: counts published states; a page that misses one asks for the full state (`requestData`),
//! - `vms`, `containers`: rows `[id, cpu, memoryUsed, diskUsed, networkIn, networkOut, diskRead, diskWrite, uptime]`
//!   of guests of which nothing but these figures moved,
//! - `set`: objects of everything else by list name (a list in a section as `pveBackups.backupTasks`): whole when new,
//!   else their id and the keys that changed,
//! - `del`: ids that are gone, by list name,
//! - top-level sections that are small or change rarely (`clusters`, `ceph`, …) whole, when they changed.

use crate::json::{json, put};
use crate::model::{Guest, Lent, State, Time};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The `data` of a delta from `old` to `new`.
pub fn between(old: &State, new: &State, seq: u64) -> Value {
    let mut out = Map::new();
    let mut set = Map::new();
    let mut del = Map::new();
    guests("vms", &old.vms, &new.vms, &mut out, &mut set, &mut del);
    guests("containers", &old.containers, &new.containers, &mut out, &mut set, &mut del);
    objects("nodes", &old.nodes, &new.nodes, |n| &n.id, without_seen_node, &mut set, &mut del);
    objects("storage", &old.storage, &new.storage, |s| &s.id, Clone::clone, &mut set, &mut del);
    objects("pbs", &old.pbs, &new.pbs, |p| &p.id, without_seen_pbs, &mut set, &mut del);
    objects("activeAlerts", &old.active_alerts, &new.active_alerts, |a| &a.id, Clone::clone, &mut set, &mut del);
    if !old.pbs_backups.same(&new.pbs_backups) {
        let (was, is) = (&old.pbs_backups, &new.pbs_backups);
        objects("pbsBackups", was, is, |b| &b.id, Clone::clone, &mut set, &mut del);
    }
    if !old.pve_backups.same(&new.pve_backups) {
        let (was, is) = (&*old.pve_backups, &*new.pve_backups);
        let (tasks, files) = ("pveBackups.backupTasks", "pveBackups.storageBackups");
        objects(tasks, &was.backup_tasks, &is.backup_tasks, |t| &t.id, Clone::clone, &mut set, &mut del);
        objects(files, &was.storage_backups, &is.storage_backups, |b| &b.id, Clone::clone, &mut set, &mut del);
        let snapshots = "pveBackups.guestSnapshots";
        objects(snapshots, &was.guest_snapshots, &is.guest_snapshots, |s| &s.id, Clone::clone, &mut set, &mut del);
    }
    if !set.is_empty() {
        put(&mut out, "set", Value::Object(set));
    }
    if !del.is_empty() {
        put(&mut out, "del", Value::Object(del));
    }
    section(&mut out, "connectionHealth", &old.connection_health, &new.connection_health);
    section(&mut out, "recentlyResolved", &old.recently_resolved, &new.recently_resolved);
    section(&mut out, "clusters", &old.clusters, &new.clusters);
    section(&mut out, "replication", &old.replication, &new.replication);
    section(&mut out, "ceph", &old.ceph, &new.ceph);
    section(&mut out, "zfsPools", &old.zfs_pools, &new.zfs_pools);
    section(&mut out, "physicalDisks", &old.physical_disks, &new.physical_disks);
    section(&mut out, "backupCoverage", &old.backup_coverage, &new.backup_coverage);
    put(&mut out, "seq", json!(seq));
    put(&mut out, "lastUpdate", json!(new.last_update));
    Value::Object(out)
}

fn section<T: PartialEq + Serialize>(out: &mut Map<String, Value>, key: &str, old: &T, new: &T) {
    if old != new
        && let Ok(value) = serde_json::to_value(new)
    {
        out.insert(key.into(), value);
    }
}

/// Guests: rows for those whose figures alone moved, whole objects for the rest.
fn guests(
    key: &str,
    old: &[Lent<Guest>],
    new: &[Lent<Guest>],
    out: &mut Map<String, Value>,
    set: &mut Map<String, Value>,
    del: &mut Map<String, Value>,
) {
    let before: HashMap<&str, &Lent<Guest>> = old.iter().map(|g| (g.id.as_str(), g)).collect();
    let mut rows = Vec::new();
    let mut whole = Vec::new();
    for guest in new {
        match before.get(guest.id.as_str()) {
            Some(was) if was.same(guest) => {}
            Some(was) if same_but_figures(was, guest) => {
                if figures(was) != figures(guest) {
                    rows.push(row(guest));
                }
            }
            Some(was) => whole.extend(changed_keys(*was, guest)),
            None => whole.extend(serde_json::to_value(&**guest)),
        }
    }
    if !rows.is_empty() {
        out.insert(key.into(), Value::Array(rows));
    }
    if !whole.is_empty() {
        set.insert(key.into(), Value::Array(whole));
    }
    gone(key, old.iter().map(|g| g.id.as_str()), new.iter().map(|g| g.id.as_str()), del);
}

fn figures(g: &Guest) -> (f64, i64, i64, i64, i64, i64, i64) {
    (g.cpu, g.memory.used, g.disk.used, g.network_in, g.network_out, g.disk_read, g.disk_write)
}

/// Four digits of the CPU are what a page can show; the rest would only cost bytes.
fn row(g: &Guest) -> Value {
    json!([
        g.id,
        (g.cpu * 10_000.0).round() / 10_000.0,
        g.memory.used,
        g.disk.used,
        g.network_in,
        g.network_out,
        g.disk_read,
        g.disk_write,
        g.uptime
    ])
}

fn same_but_figures(a: &Guest, b: &Guest) -> bool {
    a.name == b.name
        && a.status == b.status
        && a.node == b.node
        && a.cpus == b.cpus
        && a.memory.total == b.memory.total
        && a.disk.total == b.disk.total
        && a.tags == b.tags
        && a.lock == b.lock
        && a.last_backup == b.last_backup
        && a.memory_source == b.memory_source
        && a.disk_source == b.disk_source
        && a.disk_status == b.disk_status
        && a.ip_addresses == b.ip_addresses
        && a.os == b.os
        && a.ha_state == b.ha_state
        && a.pool == b.pool
        && a.backup_covered == b.backup_covered
        && a.filesystems.len() == b.filesystems.len()
        && b.uptime >= a.uptime
}

fn without_seen_node(n: &crate::model::Node) -> crate::model::Node {
    crate::model::Node { last_seen: Time::UNSET, uptime: 0, ..n.clone() }
}

fn without_seen_pbs(p: &crate::model::PbsInstance) -> crate::model::PbsInstance {
    crate::model::PbsInstance { last_seen: Time::UNSET, uptime: 0, ..p.clone() }
}

fn objects<T: PartialEq + Serialize>(
    key: &str,
    old: &[T],
    new: &[T],
    id: impl Fn(&T) -> &str,
    settled: impl Fn(&T) -> T,
    set: &mut Map<String, Value>,
    del: &mut Map<String, Value>,
) {
    let before: HashMap<&str, &T> = old.iter().map(|o| (id(o), o)).collect();
    let changed: Vec<Value> = new
        .iter()
        .filter_map(|n| match before.get(id(n)) {
            Some(o) if *o == n || settled(o) == settled(n) => None,
            Some(o) => changed_keys(*o, n),
            None => serde_json::to_value(n).ok(),
        })
        .collect();
    if !changed.is_empty() {
        set.insert(key.into(), Value::Array(changed));
    }
    gone(key, old.iter().map(&id), new.iter().map(&id), del);
}

fn changed_keys<T: Serialize>(old: &T, new: &T) -> Option<Value> {
    patch(serde_json::to_value(old).ok()?, serde_json::to_value(new).ok()?)
}

/// The id and what differs; a key that is gone is null. When something was last seen the page knows without it.
fn patch(old: Value, new: Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return None };
    let mut out: Map<String, Value> =
        old.keys().filter(|k| !new.contains_key(*k)).map(|k| (k.clone(), Value::Null)).collect();
    for (key, value) in new {
        if key == "id" || (key != "lastSeen" && old.get(&key) != Some(&value)) {
            out.insert(key, value);
        }
    }
    Some(Value::Object(out))
}

fn gone<'a>(
    key: &str,
    old: impl Iterator<Item = &'a str>,
    new: impl Iterator<Item = &'a str>,
    del: &mut Map<String, Value>,
) {
    let there: std::collections::HashSet<&str> = new.collect();
    let missing: Vec<&str> = old.filter(|id| !there.contains(id)).collect();
    if !missing.is_empty() {
        del.insert(key.into(), json!(missing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(id: &str, cpu: f64, status: &str) -> Guest {
        Guest { id: id.into(), cpu, status: status.into(), ..Guest::default() }
    }

    #[test]
    fn a_moved_figure_is_a_row_a_changed_state_an_object_a_missing_guest_an_id() {
        let old =
            State { vms: ["a", "b", "c"].map(|id| Lent::from(guest(id, 0.1, "running"))).to_vec(), ..State::default() };
        let new = State {
            vms: vec![guest("a", 0.2, "running").into(), guest("b", 0.1, "stopped").into()],
            ..State::default()
        };
        let d = between(&old, &new, 7);
        assert_eq!(d["seq"], 7);
        assert_eq!(d["vms"], json!([["a", 0.2, 0, 0, 0, 0, 0, 0, 0]]));
        assert_eq!(d["set"]["vms"][0]["id"], "b");
        assert_eq!(d["set"]["vms"].as_array().map(Vec::len), Some(1));
        assert_eq!(d["del"]["vms"], json!(["c"]));
        assert!(d.get("activeAlerts").is_none());
    }

    #[test]
    fn what_is_known_already_is_not_sent_again() {
        let storage = |used, active| crate::model::Storage {
            id: "s".into(),
            name: "local".into(),
            used,
            active,
            ..Default::default()
        };
        let old = State { storage: vec![storage(1, true)], ..State::default() };
        let new = State { storage: vec![storage(2, true)], ..State::default() };
        assert_eq!(between(&old, &new, 1)["set"]["storage"], json!([{"id": "s", "used": 2}]));
        assert_eq!(between(&State::default(), &new, 1)["set"]["storage"][0]["name"], "local", "whole when it is new");
        let task = |id: &str, status: &str| crate::model::BackupTask {
            id: id.into(),
            status: status.into(),
            ..Default::default()
        };
        let backups = |tasks: Vec<crate::model::BackupTask>| State {
            pve_backups: crate::model::PveBackups { backup_tasks: tasks, ..Default::default() }.into(),
            ..State::default()
        };
        let delta =
            between(&backups(vec![task("a", ""), task("b", "OK")]), &backups(vec![task("c", ""), task("a", "OK")]), 1);
        assert_eq!(delta["set"]["pveBackups.backupTasks"][1], json!({"id": "a", "status": "OK"}));
        assert_eq!(delta["set"]["pveBackups.backupTasks"][0]["id"], "c");
        assert_eq!(delta["del"]["pveBackups.backupTasks"], json!(["b"]));
        assert!(delta.get("pveBackups").is_none());
        assert_eq!(patch(json!({"id": 1, "a": 2}), json!({"id": 1})), Some(json!({"id": 1, "a": null})));
    }
}

//! Backups as PVE knows them: vzdump tasks, files on storages, snapshots of guests; and which of all backups is a
//! guest's last.

use super::guest::Sort;
use super::ids;
use crate::model::{BackupTask, Guest, GuestSnapshot, PbsBackup, StorageBackup, Time};
use crate::proxmox::pve::{ContentItem, SnapshotItem, TaskItem};
use std::collections::HashMap;

/// A vzdump task; `None` for any other.
pub fn task(instance: &str, node: &str, item: &TaskItem) -> Option<BackupTask> {
    if item.kind != "vzdump" || item.upid.is_empty() {
        return None;
    }
    // A running task has no status; PVE writes `running` or `RUNNING` into active ones.
    let running = item.endtime.is_none() || item.status.is_empty();
    let status = if running { "" } else { item.status.as_str() };
    let good = running || status == "OK" || status.starts_with("WARNINGS");
    Some(BackupTask {
        id: format!("{instance}-{}", item.upid),
        node: node.to_owned(),
        r#type: "vzdump".to_owned(),
        vmid: item.id.trim().parse().unwrap_or(0),
        status: status.to_owned(),
        start_time: Time::from_unix(item.starttime.unwrap_or(0)),
        end_time: if running { Time::UNSET } else { item.endtime.map_or(Time::UNSET, Time::from_unix) },
        size: 0,
        error: if good { String::new() } else { status.to_owned() },
        instance: instance.to_owned(),
    })
}

/// Where a backup file lies.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub instance: &'a str,
    pub node: &'a str,
    pub storage: &'a str,
    /// Plugin of the storage, e.g. `dir`, `pbs`.
    pub plugin: &'a str,
    pub shared: bool,
}

/// A backup file; `None` for other content.
pub fn file(place: Place, item: &ContentItem) -> Option<StorageBackup> {
    if item.volid.is_empty() || !(item.content.is_empty() || item.content == "backup") {
        return None;
    }
    let is_pbs = place.plugin == "pbs" || place.storage.starts_with("pbs-");
    let vmid = item.vmid.filter(|v| *v > 0).or_else(|| name_parts(&item.volid).map(|(_, vmid)| vmid)).unwrap_or(0);
    let ctime = item.ctime.unwrap_or(0);
    let state = if is_pbs { item.verification.state.as_str() } else { "" };
    let verified = is_pbs && if state.is_empty() { item.verified.unwrap_or(false) } else { state == "ok" };
    Some(StorageBackup {
        id: format!("{}-{}", place.instance, item.volid),
        storage: place.storage.to_owned(),
        node: if is_pbs || place.shared { place.storage } else { place.node }.to_owned(),
        r#type: sort_of_file(item, vmid).to_owned(),
        vmid,
        time: Time::from_unix(ctime),
        ctime,
        size: item.size.unwrap_or(0),
        format: item.format.clone(),
        notes: item.notes.clone(),
        protected: item.protected.unwrap_or(false),
        volid: item.volid.clone(),
        is_pbs,
        verified,
        verification: state.to_owned(),
        encryption: item.encrypted.clone(),
        instance: place.instance.to_owned(),
    })
}

/// PVE's own word first, then the format, then the name of the file; words elsewhere in the volume id prove nothing
/// (contract state.md 8.1 number 22).
fn sort_of_file(item: &ContentItem, vmid: i64) -> &'static str {
    match (item.subtype.as_str(), item.format.as_str()) {
        ("qemu", _) | (_, "pbs-vm") => return "qemu",
        ("lxc", _) | (_, "pbs-ct") => return "lxc",
        (_, "pbs-host") => return "host",
        _ => {}
    }
    // PBS: `store:backup/vm/101/2025-01-02T03:04:05Z`.
    let path = item.volid.split_once(':').map_or("", |(_, path)| path);
    match (path.split('/').nth(1), name_parts(&item.volid)) {
        (Some("vm"), _) => "qemu",
        (Some("ct"), _) => "lxc",
        (_, Some((sort, _))) => sort.as_str(),
        (Some("host"), _) => "host",
        // Mail gateway backups (`pmgbackup`) and others without a guest.
        _ if vmid == 0 => "host",
        _ => "unknown",
    }
}

/// Sort and VMID out of `vzdump-qemu-101-2025_08_27-…`.
fn name_parts(volid: &str) -> Option<(Sort, i64)> {
    let file = volid.rsplit(['/', ':']).next()?;
    let rest = file.strip_prefix("vzdump-")?;
    let (sort, rest) = rest.split_once('-')?;
    let sort = match sort {
        "qemu" => Sort::Qemu,
        "lxc" | "openvz" => Sort::Lxc,
        _ => return None,
    };
    Some((sort, rest.split('-').next()?.parse().ok()?))
}

/// A guest's snapshots; the pseudo snapshot `current` is not one.
pub fn snapshots(instance: &str, node: &str, sort: Sort, vmid: i64, items: &[SnapshotItem]) -> Vec<GuestSnapshot> {
    let real = items.iter().filter(|s| !s.name.is_empty() && s.name != "current");
    real.map(|s| GuestSnapshot {
        id: ids::snapshot(instance, node, vmid, &s.name),
        name: s.name.clone(),
        node: node.to_owned(),
        r#type: sort.as_str().to_owned(),
        vmid,
        time: s.snaptime.filter(|t| *t > 0).map_or(Time::UNSET, Time::from_unix),
        description: s.description.clone(),
        parent: if s.parent == "current" { String::new() } else { s.parent.clone() },
        vmstate: s.vmstate.unwrap_or(false),
        size: None,
        instance: instance.to_owned(),
    })
    .collect()
}

/// The volume with a guest's memory that belongs to a snapshot, `vm-101-state-before`: VMID, name, bytes. The size of
/// the disks' part of a snapshot is not to be had.
pub fn state_volume(item: &ContentItem) -> Option<((i64, String), i64)> {
    let file = item.volid.rsplit(['/', ':']).next()?;
    let (vmid, name) = file.strip_prefix("vm-")?.split_once("-state-")?;
    let name = [".raw", ".qcow2"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    Some(((vmid.parse().ok()?, name.to_owned()), item.size.filter(|s| *s > 0)?))
}

/// Newest backup of guests: whose it is, and when.
///
/// The rule: a task or a file on a PVE storage belongs to the guest of its own connection with its sort and VMID (a
/// task does not say its sort: VMIDs are unique within a connection). A backup on a PBS belongs to the guest with its
/// sort and VMID; when several connections have such a guest, PBS alone cannot tell which is meant, so it counts only
/// for the connection that sees this very backup (same VMID, same second) on one of its own storages. Without such a
/// proof it counts for none of them: a wrong date is worse than a missing one. Backups that failed verification count,
/// as they were made; failed tasks do not.
#[derive(Debug, Default)]
pub struct LastBackups {
    /// (instance, qemu?, vmid) → time, from files and tasks.
    own: HashMap<(String, Option<bool>, i64), Time>,
    /// (qemu?, vmid) → all times on any PBS.
    on_pbs: HashMap<(bool, i64), Vec<Time>>,
    /// (instance, qemu?, vmid, second): PBS backups that a connection sees on its storages.
    proven: std::collections::HashSet<(String, bool, i64, i64)>,
    /// (qemu?, vmid) → connections that have such a guest.
    owners: HashMap<(bool, i64), Vec<String>>,
}

impl LastBackups {
    /// Takes in all guests and all backups of all connections.
    pub fn of<'a>(
        guests: impl Iterator<Item = &'a Guest>,
        tasks: &[BackupTask],
        files: &[StorageBackup],
        pbs: &[PbsBackup],
    ) -> LastBackups {
        let mut all = LastBackups::default();
        for guest in guests {
            let owners = all.owners.entry((guest.r#type == "qemu", guest.vmid)).or_default();
            if !owners.contains(&guest.instance) {
                owners.push(guest.instance.clone());
            }
        }
        for task in tasks.iter().filter(|t| t.vmid > 0 && t.error.is_empty() && t.end_time.is_set()) {
            all.note((task.instance.clone(), None, task.vmid), task.end_time);
        }
        for file in files.iter().filter(|f| f.vmid > 0 && matches!(f.r#type.as_str(), "qemu" | "lxc")) {
            let qemu = file.r#type == "qemu";
            all.note((file.instance.clone(), Some(qemu), file.vmid), file.time);
            if file.is_pbs {
                all.proven.insert((file.instance.clone(), qemu, file.vmid, file.ctime));
            }
        }
        for backup in pbs {
            let qemu = match backup.backup_type.as_str() {
                "vm" => true,
                "ct" => false,
                _ => continue,
            };
            if let Ok(vmid) = backup.vmid.parse::<i64>() {
                all.on_pbs.entry((qemu, vmid)).or_default().push(backup.backup_time);
            }
        }
        all
    }

    fn note(&mut self, whose: (String, Option<bool>, i64), at: Time) {
        let newest = self.own.entry(whose).or_insert(at);
        *newest = (*newest).max(at);
    }

    /// The newest backup of a guest, `Time::UNSET` when none is known.
    pub fn last(&self, guest: &Guest) -> Time {
        let qemu = guest.r#type == "qemu";
        let own = |sort| self.own.get(&(guest.instance.clone(), sort, guest.vmid)).copied().unwrap_or(Time::UNSET);
        let alone = self.owners.get(&(qemu, guest.vmid)).is_none_or(|o| o.iter().all(|i| *i == guest.instance));
        let on_pbs = self.on_pbs.get(&(qemu, guest.vmid)).map_or(&[][..], Vec::as_slice).iter().copied();
        let proven = |t: &Time| self.proven.contains(&(guest.instance.clone(), qemu, guest.vmid, t.unix_secs()));
        let newest = on_pbs.filter(|t| alone || proven(t)).max().unwrap_or(Time::UNSET);
        own(None).max(own(Some(qemu))).max(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(plugin: &str) -> Place<'_> {
        Place { instance: "lab", node: "alpha", storage: "nas", plugin, shared: false }
    }

    fn content(json: &str) -> ContentItem {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_sort_of_a_file_is_never_guessed_from_the_storage_s_name() {
        for (json, sort, vmid) in [
            (r#"{"volid":"qemu-store:backup/vzdump-lxc-200-2025_08_27-02_15_28.tar.zst","vmid":200}"#, "lxc", 200),
            (r#"{"volid":"nas:backup/vzdump-qemu-101-2025_08_27-02_15_28.vma.zst"}"#, "qemu", 101),
            (r#"{"volid":"nas:backup/vzdump-openvz-7-x.tgz","vmid":"7"}"#, "lxc", 7),
            (r#"{"volid":"nas:backup/any","subtype":"lxc","vmid":5}"#, "lxc", 5),
            (r#"{"volid":"p:backup/vm/101/2025-01-02T03:04:05Z","format":"pbs-vm","vmid":101}"#, "qemu", 101),
            (r#"{"volid":"p:backup/ct/102/2025-01-02T03:04:05Z","vmid":102}"#, "lxc", 102),
            (r#"{"volid":"nas:backup/pmgbackup_2025.tgz"}"#, "host", 0),
            (r#"{"volid":"nas:backup/strange.tgz","vmid":9}"#, "unknown", 9),
        ] {
            let made = file(place("dir"), &content(json)).unwrap();
            assert_eq!((made.r#type.as_str(), made.vmid), (sort, vmid), "{json}");
        }
        assert_eq!(file(place("dir"), &content(r#"{"volid":"nas:iso/x.iso","content":"iso"}"#)), None);
    }

    #[test]
    fn a_file_on_a_pbs_storage_carries_verification_and_the_storage_as_node() {
        let json = r#"{"volid":"nas:backup/vm/101/x","content":"backup","format":"pbs-vm","vmid":101,"ctime":1756260928,
            "size":5,"protected":1,"notes":"web","encrypted":"aa:bb","verification":{"state":"ok","upid":"u"}}"#;
        let b = file(place("pbs"), &content(json)).unwrap();
        assert_eq!((b.node.as_str(), b.is_pbs, b.verified, b.verification.as_str()), ("nas", true, true, "ok"));
        assert_eq!((b.encryption.as_str(), b.protected, b.ctime), ("aa:bb", true, 1756260928));
        assert_eq!(b.id, "lab-nas:backup/vm/101/x");
        let failed = file(place("pbs"), &content(r#"{"volid":"a","verified":1,"verification":"failed"}"#)).unwrap();
        assert!(!failed.verified && failed.verification == "failed");
        let local = file(place("dir"), &content(r#"{"volid":"a","verified":1,"verification":"ok"}"#)).unwrap();
        assert!(!local.verified && local.verification.is_empty() && local.node == "alpha");
    }

    #[test]
    fn tasks_say_whether_they_run_worked_or_failed() {
        let item = |status: &str, end: Option<i64>, id: &str| TaskItem {
            upid: "UPID:alpha:1".into(),
            kind: "vzdump".into(),
            id: id.into(),
            status: status.into(),
            starttime: Some(100),
            endtime: end,
        };
        let running = task("lab", "alpha", &item("running", None, "101")).unwrap();
        assert_eq!((running.status.as_str(), running.end_time, running.error.as_str()), ("", Time::UNSET, ""));
        let ok = task("lab", "alpha", &item("OK", Some(200), "101")).unwrap();
        assert_eq!((ok.status.as_str(), ok.end_time, ok.vmid), ("OK", Time::from_unix(200), 101));
        let bad = task("lab", "alpha", &item("job errors", Some(200), "")).unwrap();
        assert_eq!((bad.status.as_str(), bad.error.as_str(), bad.vmid), ("job errors", "job errors", 0));
        assert_eq!(task("lab", "alpha", &item("WARNINGS: 1", Some(200), "1")).unwrap().error, "");
        assert_eq!(task("lab", "alpha", &TaskItem { kind: "qmstart".into(), ..item("OK", Some(1), "1") }), None);
    }

    #[test]
    fn the_memory_in_a_snapshot_is_found_by_the_name_of_its_volume() {
        let size =
            |volid: &str| state_volume(&ContentItem { volid: volid.into(), size: Some(5), ..ContentItem::default() });
        let found = Some(((101, "before-2.0".to_owned()), 5));
        assert_eq!(size("local-zfs:vm-101-state-before-2.0"), found);
        assert_eq!(size("nas:101/vm-101-state-before-2.0.raw"), found);
        for other in ["local-zfs:vm-101-disk-0", "nas:101/vm-x-state-y", "nas:backup/vzdump-qemu-101-state-x", ""] {
            assert_eq!(size(other), None, "{other}");
        }
    }

    #[test]
    fn the_recorded_snapshots_are_told_without_the_pseudo_one() {
        let recorded = include_str!("../../../tests/data/pve8/qemu-snapshot.json");
        let data: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let items: crate::proxmox::List<SnapshotItem> = serde_json::from_str(&data["data"].to_string()).unwrap();
        let made = snapshots("lab", "node1", Sort::Qemu, 100, &items.0);
        let brief: Vec<_> = made.iter().map(|s| (s.id.as_str(), s.parent.as_str(), s.vmstate)).collect();
        assert_eq!(brief, [("lab-node1-100-snap1", "", true), ("lab-node1-100-snap2", "snap1", false)]);
        assert_eq!(made[0].time, Time::from_unix(1_693_252_591));
    }

    fn guest(instance: &str, vmid: i64) -> Guest {
        Guest { instance: instance.into(), vmid, r#type: "qemu".into(), ..Guest::default() }
    }

    fn on_pbs(vmid: &str, kind: &str, at: i64) -> PbsBackup {
        PbsBackup {
            vmid: vmid.into(),
            backup_type: kind.into(),
            backup_time: Time::from_unix(at),
            ..PbsBackup::default()
        }
    }

    fn on_storage(instance: &str, vmid: i64, at: i64, is_pbs: bool) -> StorageBackup {
        StorageBackup {
            instance: instance.into(),
            vmid,
            r#type: "qemu".into(),
            ctime: at,
            time: Time::from_unix(at),
            is_pbs,
            ..StorageBackup::default()
        }
    }

    #[test]
    fn the_last_backup_is_the_newest_of_all_kinds() {
        let g = guest("lab", 101);
        let task = BackupTask {
            instance: "lab".into(),
            vmid: 101,
            status: "OK".into(),
            end_time: Time::from_unix(30),
            ..BackupTask::default()
        };
        let failed = BackupTask { end_time: Time::from_unix(99), error: "x".into(), ..task.clone() };
        let files = [on_storage("lab", 101, 20, false), on_storage("other", 101, 90, false)];
        let pbs = [on_pbs("101", "vm", 10), on_pbs("101", "ct", 80), on_pbs("101", "host", 85)];
        let last = |t: &[BackupTask], f: &[StorageBackup], p: &[PbsBackup]| {
            LastBackups::of([&g].into_iter(), t, f, p).last(&g).unix_secs()
        };
        assert_eq!(last(&[task.clone(), failed.clone()], &files, &pbs), 30);
        assert_eq!(last(&[], &files, &pbs), 20);
        assert_eq!(last(&[], &[], &pbs), 10);
        assert_eq!(LastBackups::of([&g].into_iter(), &[failed], &[], &[]).last(&g), Time::UNSET);
    }

    #[test]
    fn two_clusters_that_share_a_vmid_do_not_share_backups() {
        let (a, b) = (guest("east", 101), guest("west", 101));
        let pbs = [on_pbs("101", "vm", 500), on_pbs("101", "vm", 700)];
        let files = [on_storage("west", 101, 500, true)];
        let all = LastBackups::of([&a, &b].into_iter(), &[], &files, &pbs);
        // West sees the backup of second 500 on its own storage; nobody can say whose the other is.
        assert_eq!((all.last(&a), all.last(&b)), (Time::UNSET, Time::from_unix(500)));
        let alone = LastBackups::of([&a].into_iter(), &[], &[], &pbs);
        assert_eq!(alone.last(&a), Time::from_unix(700));
    }
}

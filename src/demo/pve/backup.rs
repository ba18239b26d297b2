//! Backup files on storages, backup jobs, and guests that no job covers.

use crate::demo::ask::{Ask, Outcome, data};
use crate::demo::world::{BackupFile, DAY, MIB, Storage, StorageKind, file_format};
use crate::json::json;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// One volume on a storage.
#[derive(Serialize, Default)]
struct Volume<'a> {
    volid: String,
    content: &'static str,
    format: &'static str,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctime: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vmid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subtype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protected: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<Verification>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
}

#[derive(Serialize)]
struct Verification {
    state: &'static str,
    upid: String,
}

/// What a storage holds, of one content type or all. Backups of others stay hidden from those who may not
/// allocate there: Proxmox leaves them out without a word.
pub fn content(ask: &Ask) -> Outcome {
    let (pve, node, storage) = super::storage::found(ask)?;
    if !storage.at(node, ask.t).active {
        return Err(crate::demo::ask::Refusal::new(500, format!("storage '{}' is not online", storage.name)));
    }
    let holds = |kind: &str| storage.content.split(',').any(|c| c == kind);
    let wanted = |kind: &str| holds(kind) && ask.param("content").is_none_or(|c| c.split(',').any(|c| c == kind));
    let mut volumes = Vec::new();
    let may = ask.may("Datastore.Allocate") || (ask.may("Datastore.AllocateSpace") && ask.may("VM.Backup"));
    if wanted("backup") && may {
        volumes.extend(pve.backup_files(storage, node, ask.t).map(|file| backup(storage, &file)));
    }
    if wanted("images") {
        let here = pve.guests.iter().filter(|g| g.storage == storage.name);
        volumes.extend(here.map(|g| Volume {
            volid: format!("{}:vm-{}-disk-0", storage.name, g.vmid),
            content: "images",
            format: "raw",
            size: g.maxdisk,
            vmid: Some(g.vmid),
            ..Volume::default()
        }));
    }
    if wanted("images") {
        let here = pve.guests.iter().filter(|g| g.storage == storage.name);
        let here = here.filter(|g| storage.shared || pve.node_of(g, ask.t) == node);
        let states = here.flat_map(|g| g.snapshots.iter().filter(|s| s.vmstate).map(move |s| (g, s)));
        volumes.extend(states.map(|(g, snapshot)| Volume {
            volid: format!("{}:vm-{}-state-{}", storage.name, g.vmid, snapshot.name),
            content: "images",
            format: "raw",
            size: g.maxmem * 2 + 500 * MIB,
            vmid: Some(g.vmid),
            ..Volume::default()
        }));
    }
    if wanted("iso") {
        volumes.push(file(storage, "iso", "iso/debian-12.11.0-amd64-netinst.iso", "iso", 670 * MIB, ask));
    }
    if wanted("vztmpl") {
        let name = "vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
        volumes.push(file(storage, "vztmpl", name, "tzst", 120 * MIB, ask));
    }
    volumes.retain(|v| ask.number("vmid").is_none_or(|vmid| v.vmid.is_some_and(|id| i64::from(id) == vmid)));
    data(volumes)
}

fn file<'a>(
    storage: &Storage,
    content: &'static str,
    name: &str,
    format: &'static str,
    size: u64,
    ask: &Ask,
) -> Volume<'a> {
    let volid = format!("{}:{name}", storage.name);
    Volume { volid, content, format, size, ctime: Some(ask.world().born - 300 * DAY), ..Volume::default() }
}

fn backup<'a>(storage: &Storage, file: &BackupFile<'a>) -> Volume<'a> {
    let (guest, kind) = (file.guest, file.guest.kind);
    let pbs = storage.kind == StorageKind::Pbs;
    let volid = if pbs {
        format!(
            "{}:backup/{}/{}/{}",
            storage.name,
            kind.backup_type(),
            guest.vmid,
            stamp(file.time, "%Y-%m-%dT%H:%M:%SZ")
        )
    } else {
        let when = stamp(file.time, "%Y_%m_%d-%H_%M_%S");
        format!("{}:backup/vzdump-{}-{}-{when}.{}", storage.name, kind.name(), guest.vmid, file_format(kind))
    };
    let pbs_format = if kind == crate::demo::world::Kind::Qemu { "pbs-vm" } else { "pbs-ct" };
    let upid = format!("UPID:pbs:{:08X}:00004E20:00000001:verificationjob:main:root@pam:", guest.seed as u32);
    let state = |ok: bool| if ok { "ok" } else { "failed" };
    Volume {
        volid,
        content: "backup",
        format: if pbs { pbs_format } else { file_format(kind) },
        size: file.size,
        ctime: Some(file.time),
        vmid: Some(guest.vmid),
        subtype: Some(kind.name()),
        notes: Some(&guest.name),
        protected: file.protected.then_some(1),
        encrypted: (pbs && file.encrypted).then_some("5A:0B:3C:9D:11:42:77:E0"),
        verification: file.verified.filter(|_| pbs).map(|ok| Verification { state: state(ok), upid }),
        used: None,
    }
}

fn stamp(t: i64, format: &str) -> String {
    Timestamp::from_second(t).map(|s| s.strftime(format).to_string()).unwrap_or_default()
}

/// `/cluster/backup`: the jobs.
pub fn jobs(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    let mut rows: Vec<Value> = Vec::new();
    for job in &pve.jobs {
        let mut row = json!({
            "id": job.id, "type": "vzdump", "storage": job.storage, "schedule": job.schedule, "mode": "snapshot",
            "enabled": u8::from(job.enabled), "compress": "zstd", "mailnotification": "failure",
            "notes-template": "{{guestname}}", "next-run": (ask.t.div_euclid(DAY) + 1) * DAY + 3600,
        });
        if job.all {
            row["all"] = json!(1);
            row["mailto"] = json!("root@localhost");
            // Older jobs keep retention as it was typed.
            row["prune-backups"] = json!("keep-daily=7,keep-weekly=4");
        } else {
            row["vmid"] = json!(job.vmids.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
            row["prune-backups"] = json!({ "keep-daily": "7", "keep-weekly": "4" });
        }
        rows.push(row);
    }
    data(rows)
}

/// Guests that no enabled job names, templates among them.
pub fn not_backed_up(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    let named = |vmid: u32| pve.jobs.iter().any(|j| j.enabled && (j.all || j.vmids.contains(&vmid)));
    let bare = pve.guests.iter().filter(|g| !named(g.vmid));
    data(bare.map(|g| json!({ "vmid": g.vmid, "name": g.name, "type": g.kind.name() })).collect::<Vec<_>>())
}

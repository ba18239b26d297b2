//! Disks with their health, ZFS pools, Ceph.

use crate::demo::ask::{Ask, Outcome, Refusal, data};
use crate::demo::noise::hash;
use crate::demo::world::{Disk, GIB, Node, Pve};
use crate::json::json;
use serde_json::Value;

fn node<'a>(ask: &Ask<'a>) -> Result<(&'a Pve, &'a Node), Refusal> {
    let (pve, index) = ask.node()?;
    pve.nodes.get(index).map(|node| (pve, node)).ok_or_else(|| Refusal::new(500, "no such node"))
}

pub fn disks(ask: &Ask) -> Outcome {
    let (_, node) = node(ask)?;
    let unused = ask.param("type") == Some("unused");
    data(node.disks.iter().filter(|_| !unused).map(|d| disk(d, ask.flag("skipsmart"))).collect::<Vec<_>>())
}

/// Without SMART the health is unknown. Wear comes as a number, or as text where there is none.
fn disk(disk: &Disk, skip_smart: bool) -> Value {
    let wearout = match disk.wearout.filter(|_| !skip_smart) {
        Some(left) => json!(left),
        None => json!("N/A"),
    };
    json!({
        "devpath": disk.path, "type": disk.kind, "model": disk.model, "serial": disk.serial, "size": disk.size,
        "vendor": "ATA     ", "wwn": format!("0x{:016x}", hash(disk.size, disk.serial.len() as u64, 5)), "gpt": 1,
        "mounted": 1, "used": disk.used, "osdid": "-1", "osdid-list": null,
        "rpm": if disk.kind == "hdd" { 5900 } else { 0 }, "wearout": wearout,
        "health": if skip_smart { "UNKNOWN" } else { disk.health },
        "by_id_link": format!("/dev/disk/by-id/{}_{}", disk.model.replace(' ', "_"), disk.serial),
    })
}

pub fn smart(ask: &Ask) -> Outcome {
    let (_, node) = node(ask)?;
    let path = ask.param("disk").unwrap_or_default();
    let Some(disk) = node.disks.iter().find(|d| d.path == path) else {
        return Err(Refusal::new(500, format!("not a valid disk: {path}")));
    };
    if ask.flag("healthonly") {
        return data(json!({ "health": disk.health }));
    }
    if disk.kind == "nvme" {
        let used = 100 - disk.wearout.unwrap_or(100);
        let text = format!(
            "SMART/Health Information (NVMe Log 0x02)\nCritical Warning:                   0x00\n\
             Temperature:                        38 Celsius\nAvailable Spare:                    100%\n\
             Percentage Used:                    {used}%\nPower On Hours:                     11,204\n"
        );
        return data(json!({ "health": disk.health, "type": "text", "text": text, "wearout": disk.wearout }));
    }
    let row = |id: &str, name: &str, value: u32, raw: &str| {
        json!({
            "id": id, "name": name, "value": value, "worst": value, "threshold": 10, "normalized": value, "raw": raw,
            "flags": "-O--CK", "fail": "-",
        })
    };
    let wear = disk.wearout.unwrap_or(100);
    data(json!({
        "health": disk.health, "type": "ata",
        "attributes": [
            row("  5", "Reallocated_Sector_Ct", 100, "0"), row("  9", "Power_On_Hours", 97, "11204"),
            row("177", "Wear_Leveling_Count", wear, "63"), row("194", "Temperature_Celsius", 64, "36"),
        ],
    }))
}

pub fn zfs(ask: &Ask) -> Outcome {
    let (_, node) = node(ask)?;
    let Some(health) = node.zfs else { return data(Vec::<Value>::new()) };
    let (size, alloc) = (888 * GIB, 401 * GIB + hash(node.seed, 1, 1) % GIB);
    data(json!([{
        "name": "tank", "health": health, "size": size, "alloc": alloc, "free": size - alloc, "frag": 17,
        "dedup": 1.0,
    }]))
}

pub fn zfs_pool(ask: &Ask) -> Outcome {
    let (_, node) = node(ask)?;
    let Some(state) = node.zfs.filter(|_| ask.part("name") == "tank") else {
        let name = ask.part("name");
        return Err(Refusal::new(500, format!("command 'zpool status -P {name}' failed: exit code 1")));
    };
    let healthy = state == "ONLINE";
    let disk = |path: &str, fine: bool| {
        let state = if fine { "ONLINE" } else { "FAULTED" };
        let errors = if fine { 0 } else { 23 };
        json!({ "name": path, "state": state, "read": errors, "write": 0, "cksum": 0, "msg": "", "leaf": 1 })
    };
    let mirror = json!({
        "name": "mirror-0", "state": state, "read": 0, "write": 0, "cksum": 0, "msg": "", "leaf": 0,
        "children": [disk("/dev/sda1", true), disk("/dev/sdb1", healthy)],
    });
    let mut row = json!({
        "name": "tank", "state": state, "errors": "No known data errors",
        "scan": "scrub repaired 0B in 00:42:11 with 0 errors on Sun Aug 10 01:06:12 2025", "leaf": 0,
        "children": [{ "name": "tank", "state": state, "read": 0, "write": 0, "cksum": 0, "msg": "", "leaf": 0,
            "children": [mirror] }],
    });
    if !healthy {
        row["status"] = json!("One or more devices are faulted in response to persistent errors.");
        row["action"] = json!("Replace the faulted device, or use 'zpool clear' to mark the device repaired.");
    }
    data(row)
}

/// The short form of `ceph status`. A host without Ceph says so with an error.
pub fn ceph_status(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    if !ask.part("node").is_empty() {
        ask.node()?;
    }
    if !pve.ceph {
        return Err(Refusal::new(500, "binary not installed: /usr/bin/ceph-mon"));
    }
    let names: Vec<&str> = pve.members().take(3).map(|(_, n)| n.name.as_str()).collect();
    let up = pve.members().filter(|(_, n)| n.online).count() * 4;
    let all = pve.members().count() * 4;
    let total = all as u64 * 1863 * GIB;
    let used = total / 100 * 47;
    data(json!({
        "fsid": "d11c6ea1-7ab2-41fa-99c5-000000000000", "election_epoch": 112, "quorum": [0, 1, 2],
        "quorum_names": names, "quorum_age": 812_334, "health": ceph_health(all - up),
        "monmap": {
            "epoch": 3, "min_mon_release_name": "squid", "num_mons": names.len(),
            "mons": names.iter().enumerate().map(|(i, n)| json!({ "rank": i, "name": n })).collect::<Vec<_>>(),
        },
        "osdmap": { "epoch": 4711, "num_osds": all, "num_up_osds": up, "num_in_osds": all, "num_remapped_pgs": 0 },
        "pgmap": {
            "num_pgs": 161, "num_pools": 2, "num_objects": 1_204_412, "data_bytes": used / 3, "bytes_used": used,
            "bytes_avail": total - used, "bytes_total": total, "read_bytes_sec": 1_204_330,
            "write_bytes_sec": 8_113_021, "read_op_per_sec": 41, "write_op_per_sec": 322,
            "pgs_by_state": [{ "state_name": "active+clean", "count": 161 }],
        },
        "mgrmap": { "available": true, "active_name": names.first(), "standbys": [], "services": {} },
        "fsmap": { "epoch": 1, "by_rank": [], "up:standby": 0 }, "servicemap": { "epoch": 9, "services": {} },
        "progress_events": {},
    }))
}

fn ceph_health(down: usize) -> Value {
    if down == 0 {
        return json!({ "status": "HEALTH_OK", "checks": {}, "mutes": [] });
    }
    let text = format!("{down} osds down");
    json!({
        "status": "HEALTH_WARN", "mutes": [],
        "checks": { "OSD_DOWN": {
            "severity": "HEALTH_WARN", "muted": false, "summary": { "message": text, "count": down }, "detail": [],
        } },
    })
}

//! One node's guests: lists, state, configuration, snapshots.

use super::resources::number;
use crate::demo::ask::{Ask, Outcome, Refusal, data};
use crate::demo::noise::hash;
use crate::demo::spec::Version;
use crate::demo::world::{Agent, Figures, GIB, Guest, Kind, MIB, Memory, Os, Pve};
use crate::json::{json, put};
use serde_json::{Map, Value};

pub fn qemu_list(ask: &Ask) -> Outcome {
    list(ask, Kind::Qemu)
}

pub fn lxc_list(ask: &Ask) -> Outcome {
    list(ask, Kind::Lxc)
}

fn list(ask: &Ask, kind: Kind) -> Outcome {
    let (pve, node) = ask.node()?;
    let t = ask.collected();
    let seen = pve.guests_on(node, t).filter(|g| g.kind == kind && ask.may("VM.Audit"));
    data(seen.map(|g| Value::Object(common(pve, g, &g.at(t)))).collect::<Vec<_>>())
}

/// What list and state have in common. The agent's switch is not part of a list.
fn common(pve: &Pve, guest: &Guest, figures: &Figures) -> Map<String, Value> {
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    let lxc = guest.kind == Kind::Lxc;
    // Version 7 sends a container's number as text.
    put("vmid", if lxc && pve.version == Version::Pve7 { json!(guest.vmid.to_string()) } else { json!(guest.vmid) });
    put("name", json!(guest.name));
    put("status", json!(if figures.running { "running" } else { "stopped" }));
    put("cpu", if figures.running { json!(figures.cpu) } else { json!(0) });
    // A limit in fractions of a core comes as text, as it was written.
    let whole = guest.cores.fract() == 0.0;
    put("cpus", if whole { json!(number(guest.cores)) } else { json!(guest.cores.to_string()) });
    put("mem", json!(figures.memory_reported));
    put("maxmem", json!(guest.maxmem));
    put("disk", json!(figures.disk));
    put("maxdisk", json!(guest.maxdisk));
    let names = ["diskread", "diskwrite", "netin", "netout"];
    for (name, value) in names.into_iter().zip(figures.counters) {
        put(name, json!(value));
    }
    put("uptime", json!(figures.uptime));
    if lxc {
        put("type", json!("lxc"));
        put("swap", json!(0));
        put("maxswap", json!(guest.swap));
    }
    if figures.running {
        let pid = guest.pid();
        put("pid", if lxc { json!(pid.to_string()) } else { json!(pid) });
    }
    if guest.template {
        put("template", json!(1));
    }
    if !guest.tags.is_empty() {
        put("tags", json!(guest.tags));
    }
    if let Some(lock) = &guest.lock {
        put("lock", json!(lock));
    }
    if pve.version == Version::Pve9 && !lxc && figures.running {
        put("memhost", json!(figures.memory_host));
    }
    row
}

fn ha(guest: &Guest) -> Value {
    match &guest.ha {
        Some(state) => json!({ "managed": 1, "state": state }),
        None => json!({ "managed": 0 }),
    }
}

pub fn lxc_status(ask: &Ask) -> Outcome {
    let (pve, _, guest) = ask.guest(Kind::Lxc)?;
    let mut row = common(pve, guest, &guest.at(ask.t));
    row.insert("ha".to_owned(), ha(guest));
    data(row)
}

pub fn qemu_status(ask: &Ask) -> Outcome {
    let (pve, _, guest) = ask.guest(Kind::Qemu)?;
    let figures = guest.at(ask.t);
    let mut row = common(pve, guest, &figures);
    row.insert("ha".to_owned(), ha(guest));
    let state = match (figures.running, guest.paused) {
        (true, true) => "paused",
        (true, false) => "running",
        _ => "stopped",
    };
    put(&mut row, "qmpstatus", json!(state));
    if guest.agent != Agent::Off {
        put(&mut row, "agent", json!(1));
    }
    if figures.running {
        live(&mut row, guest, &figures, ask.t);
    }
    data(row)
}

/// What only the running process tells.
fn live(row: &mut Map<String, Value>, guest: &Guest, figures: &Figures, t: i64) {
    let balloon = if let Memory::Ballooned(left) = guest.memory { left } else { guest.maxmem };
    let mut info = json!({ "actual": balloon, "max_mem": guest.maxmem, "last_update": 0 });
    if guest.memory != Memory::HostOnly {
        info["free_mem"] = json!(figures.memory_free);
        info["total_mem"] = json!(figures.memory_total);
        info["last_update"] = json!(t - 3);
        info["mem_swapped_in"] = json!(0);
        info["mem_swapped_out"] = json!(0);
        info["major_page_faults"] = json!(figures.uptime / 60);
        info["minor_page_faults"] = json!(figures.uptime * 21);
        put(row, "freemem", json!(figures.memory_free));
    }
    let [read, written, netin, netout] = figures.counters;
    let more = json!({
        "balloon": balloon, "balloon_min": guest.maxmem / 2, "ballooninfo": info, "shares": 1000,
        "running-machine": "pc-i440fx-9.2+pve1", "running-qemu": "9.2.0", "serial": 1,
        "proxmox-support": { "pbs-dirty-bitmap": true, "pbs-library-version": "1.5.1 (UNKNOWN)" },
        "nics": { (format!("tap{}i0", guest.vmid)): { "netin": netin, "netout": netout } },
        "blockstat": {
            "scsi0": {
                "rd_bytes": read, "wr_bytes": written, "rd_operations": read / 16_384,
                "wr_operations": written / 16_384, "failed_rd_operations": 0, "failed_wr_operations": 0,
                "idle_time_ns": 12_000_000, "account_failed": true, "timed_stats": [],
            }
        },
    });
    if let Value::Object(more) = more {
        row.extend(more);
    }
}

fn digest(guest: &Guest) -> String {
    format!("{:016x}{:016x}{:08x}", guest.seed, hash(guest.seed, 1, 1), guest.vmid)
}

pub fn qemu_config(ask: &Ask) -> Outcome {
    let (_, _, guest) = ask.guest(Kind::Qemu)?;
    let ostype = match guest.os {
        Os::Windows => "win11",
        Os::FreeBsd => "other",
        _ => "l26",
    };
    let disk = format!("{}:vm-{}-disk-0,iothread=1,size={}G", guest.storage, guest.vmid, guest.maxdisk / GIB);
    let mut row = json!({
        "name": guest.name, "cores": guest.cores as u32, "sockets": 1, "cpu": "x86-64-v2-AES", "ostype": ostype,
        // Version 8 sends the size of memory as text.
        "memory": (guest.maxmem / MIB).to_string(), "boot": "order=scsi0;net0", "scsihw": "virtio-scsi-single",
        "scsi0": disk, "net0": format!("virtio={},bridge=vmbr0,firewall=1", guest.mac()), "numa": 0,
        "onboot": u8::from(guest.onboot), "vmgenid": "5f3c2a10-0d0c-4c7e-9a4c-000000000000", "digest": digest(guest),
    });
    if guest.agent != Agent::Off {
        row["agent"] = json!("enabled=1,fstrim_cloned_disks=1");
    }
    if let Memory::Ballooned(_) = guest.memory {
        row["balloon"] = json!(guest.maxmem / MIB / 2);
    }
    data(configured(row, guest))
}

pub fn lxc_config(ask: &Ask) -> Outcome {
    let (_, _, guest) = ask.guest(Kind::Lxc)?;
    let mut row = json!({
        "hostname": guest.name, "arch": "amd64", "ostype": guest.os.info().0, "cores": guest.cores.ceil() as u32,
        "memory": guest.maxmem / MIB, "swap": guest.swap / MIB, "onboot": u8::from(guest.onboot),
        "unprivileged": 1, "features": "nesting=1", "digest": digest(guest),
        "rootfs": format!("{}:vm-{}-disk-0,size={}G", guest.storage, guest.vmid, guest.maxdisk / GIB),
        "net0": format!("name=eth0,bridge=vmbr0,hwaddr={},ip={}/24,type=veth", guest.mac(), guest.address()),
    });
    if guest.cores.fract() != 0.0 {
        row["cpulimit"] = json!(guest.cores.to_string());
    }
    data(configured(row, guest))
}

fn configured(mut row: Value, guest: &Guest) -> Value {
    if !guest.tags.is_empty() {
        row["tags"] = json!(guest.tags);
    }
    if guest.template {
        row["template"] = json!(1);
    }
    if let Some(lock) = &guest.lock {
        row["lock"] = json!(lock);
    }
    row
}

pub fn qemu_snapshots(ask: &Ask) -> Outcome {
    snapshots(ask, Kind::Qemu)
}

pub fn lxc_snapshots(ask: &Ask) -> Outcome {
    snapshots(ask, Kind::Lxc)
}

/// Snapshots, and the present state as one more of them.
fn snapshots(ask: &Ask, kind: Kind) -> Outcome {
    let (_, _, guest) = ask.guest(kind)?;
    let mut rows = Vec::new();
    for snapshot in &guest.snapshots {
        let mut row = json!({ "name": snapshot.name, "description": snapshot.description, "snaptime": snapshot.time });
        if let Some(parent) = &snapshot.parent {
            row["parent"] = json!(parent);
        }
        if kind == Kind::Qemu {
            row["vmstate"] = json!(u8::from(snapshot.vmstate));
        }
        rows.push(row);
    }
    let mut current = json!({ "name": "current", "description": "You are here!", "digest": digest(guest) });
    if kind == Kind::Qemu {
        current["running"] = json!(u8::from(guest.running_at(ask.t)));
    }
    if let Some(last) = guest.snapshots.last() {
        current["parent"] = json!(last.name);
    }
    rows.push(current);
    data(rows)
}

pub fn lxc_interfaces(ask: &Ask) -> Outcome {
    let (pve, _, guest) = ask.guest(Kind::Lxc)?;
    if !guest.running_at(ask.t) {
        return Err(Refusal::new(500, format!("CT {} not running", guest.vmid)));
    }
    let mac = guest.mac().to_lowercase();
    let link_local = "fe80::be24:11ff:fe00:1";
    let rows =
        [("lo", "00:00:00:00:00:00", "127.0.0.1", 8, "::1", 128), ("eth0", &mac, &guest.address(), 24, link_local, 64)];
    let row = |(name, mac, v4, bits4, v6, bits6): &(&str, &str, &str, u8, &str, u8)| {
        let mut row =
            json!({ "name": name, "hwaddr": mac, "inet": format!("{v4}/{bits4}"), "inet6": format!("{v6}/{bits6}") });
        // The second form of the same came with version 8.
        if pve.version > Version::Pve7 {
            row["hardware-address"] = json!(mac);
            row["ip-addresses"] = json!([
                { "ip-address": v4, "ip-address-type": "inet", "prefix": bits4 },
                { "ip-address": v6, "ip-address-type": "inet6", "prefix": bits6 },
            ]);
        }
        row
    };
    data(rows.iter().map(row).collect::<Vec<_>>())
}

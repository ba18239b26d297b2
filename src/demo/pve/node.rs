//! What concerns one node: its state, services, updates, certificate, network.

use crate::demo::ask::{Ask, Outcome, Refusal, data};
use crate::demo::spec::Version;
use crate::demo::world::{DAY, Node, NodeFigures, Pve};
use crate::json::{json, put};
use serde_json::{Map, Value};

pub fn list(ask: &Ask) -> Outcome {
    let pve = ask.pve()?;
    let figures = pve.nodes_at(ask.collected());
    let mut rows = Vec::new();
    for (index, node) in pve.members() {
        let mut row = Map::new();
        put(&mut row, "node", json!(node.name));
        put(&mut row, "id", json!(format!("node/{}", node.name)));
        put(&mut row, "type", json!("node"));
        put(&mut row, "status", json!(if node.online { "online" } else { "offline" }));
        let fingerprint = ask.scene.fingerprints.get(ask.host).and_then(|f| f.get(index));
        put(&mut row, "ssl_fingerprint", json!(fingerprint));
        if let Some(f) = figures.get(index).filter(|_| node.online && ask.may("Sys.Audit")) {
            fill(&mut row, node, f);
        }
        rows.push(Value::Object(row));
    }
    data(rows)
}

fn fill(row: &mut Map<String, Value>, node: &Node, figures: &NodeFigures) {
    let more = json!({
        "level": "", "cpu": figures.cpu, "maxcpu": node.cores, "mem": figures.memory_used, "maxmem": node.maxmem,
        "disk": figures.root_used, "maxdisk": node.root_total, "uptime": figures.uptime,
    });
    if let Value::Object(more) = more {
        row.extend(more);
    }
}

pub fn version(ask: &Ask) -> Outcome {
    ask.node()?;
    super::cluster::version(ask)
}

pub fn status(ask: &Ask) -> Outcome {
    let (pve, index) = ask.node()?;
    let (Some(node), Some(figures)) = (pve.nodes.get(index), pve.node_at(index, ask.t)) else { return data(json!({})) };
    let kernel = Node::kernel(pve.version);
    let (version, _, repoid) = pve.version.texts();
    let build = "#1 SMP PREEMPT_DYNAMIC PMX";
    let mut answer = json!({
        "cpu": figures.cpu, "wait": figures.iowait, "idle": 0, "uptime": figures.uptime,
        "loadavg": figures.load.map(|l| format!("{l:.2}")),
        "pveversion": format!("pve-manager/{version}/{repoid}"),
        "kversion": format!("Linux {kernel} {build}"),
        "memory": memory(pve.version, &figures),
        "swap": { "total": node.swap, "used": figures.swap_used, "free": node.swap - figures.swap_used },
        "ksm": { "shared": 0 },
        "rootfs": {
            "total": node.root_total, "used": figures.root_used, "free": node.root_total - figures.root_used,
            "avail": (node.root_total - figures.root_used) / 100 * 95,
        },
        "cpuinfo": {
            "model": node.cpu_model, "sockets": node.sockets, "cores": (node.cores / 2).max(1), "cpus": node.cores,
            "mhz": node.cpu_mhz, "hvm": "1", "user_hz": 100, "flags": "fpu vme sse sse2 ht aes avx avx2",
        },
    });
    if pve.version > Version::Pve7 {
        answer["boot-info"] = json!({ "mode": "efi", "secureboot": 0 });
        answer["current-kernel"] =
            json!({ "sysname": "Linux", "release": kernel, "version": build, "machine": "x86_64" });
    }
    data(answer)
}

/// Proxmox VE 9 tells free from available; before, the page cache counts as free.
fn memory(version: Version, figures: &NodeFigures) -> Value {
    let NodeFigures { memory_total, memory_used, memory_free, memory_available, .. } = figures;
    if version == Version::Pve9 {
        return json!({
            "total": memory_total, "used": memory_used, "free": memory_free, "available": memory_available,
        });
    }
    json!({ "total": memory_total, "used": memory_used, "free": memory_available })
}

const SERVICES: [(&str, &str, bool); 10] = [
    ("chrony", "chrony, an NTP client/server", true),
    ("corosync", "Corosync Cluster Engine", true),
    ("cron", "Regular background program processing daemon", true),
    ("pve-cluster", "The Proxmox VE cluster filesystem", true),
    ("pve-firewall", "Proxmox VE firewall", true),
    ("pvedaemon", "PVE API Daemon", true),
    ("pveproxy", "PVE API Proxy Server", true),
    ("pvestatd", "PVE Status Daemon", true),
    ("sshd", "OpenBSD Secure Shell server", true),
    ("systemd-timesyncd", "Network Time Synchronization", false),
];

pub fn services(ask: &Ask) -> Outcome {
    let (pve, _) = ask.node()?;
    let row = |(name, desc, installed): &(&str, &str, bool)| {
        let up = *installed && (*name != "corosync" || pve.cluster);
        let unit = if *installed { "enabled" } else { "not-found" };
        json!({
            "service": name, "name": name, "desc": desc, "state": if up { "running" } else { "dead" },
            "active-state": if up { "active" } else { "inactive" }, "unit-state": unit,
        })
    };
    data(SERVICES.iter().map(row).collect::<Vec<_>>())
}

pub fn subscription(ask: &Ask) -> Outcome {
    let (pve, index) = ask.node()?;
    let server = format!("{:032X}", pve.nodes.get(index).map_or(0, |n| n.seed));
    if index == 0 {
        return data(json!({
            "status": "active", "key": "pve4c-0123456789", "level": "c", "sockets": 1, "serverid": server,
            "productname": "Proxmox VE Community Subscription 1 CPU/year", "checktime": ask.t - 3600,
            "regdate": "2024-03-01 00:00:00", "nextduedate": "2027-03-01", "url": "https://www.proxmox.com/",
        }));
    }
    data(json!({
        "status": "notfound", "message": "There is no subscription key", "serverid": server,
        "url": "https://www.proxmox.com/",
    }))
}

const PACKAGES: [(&str, &str, &str, &str); 5] = [
    ("pve-manager", "Proxmox Virtual Environment Management Tools", "admin", "Proxmox"),
    ("qemu-server", "Qemu Server Tools", "admin", "Proxmox"),
    ("libc6", "GNU C Library: Shared libraries", "libs", "Debian"),
    ("openssl", "Secure Sockets Layer toolkit - cryptographic utility", "utils", "Debian"),
    ("curl", "command line tool for transferring data with URL syntax", "web", "Debian"),
];

/// Each node has some pending, a different number on each.
pub fn updates(ask: &Ask) -> Outcome {
    let (_, index) = ask.node()?;
    let row = |(name, title, section, origin): &(&str, &str, &str, &str)| {
        json!({
            "Package": name, "Title": title, "Description": title, "Section": section, "Origin": origin,
            "Version": "9.9.2-1", "OldVersion": "9.9.1-1", "Arch": "amd64", "Priority": "optional",
        })
    };
    data(PACKAGES.iter().take((index * 2 + 3) % 6).map(row).collect::<Vec<_>>())
}

pub fn certificates(ask: &Ask) -> Outcome {
    let (pve, index) = ask.node()?;
    let name = pve.nodes.get(index).map_or("", |n| n.name.as_str());
    let fingerprint = ask.scene.fingerprints.get(ask.host).and_then(|f| f.get(index));
    let born = ask.world().born;
    data(json!([{
        "filename": "pve-ssl.pem", "fingerprint": fingerprint, "subject": format!("/OU=PVE Cluster Node/CN={name}"),
        "issuer": "/CN=Proxmox Virtual Environment/OU=simulated/O=PVE Cluster Manager CA",
        "notbefore": born - 90 * DAY, "notafter": born + 640 * DAY, "public-key-type": "id-ecPublicKey",
        "public-key-bits": 256, "san": ["127.0.0.1", "localhost", name, pve.address_of_node.get(index)],
    }]))
}

pub fn network(ask: &Ask) -> Outcome {
    let (pve, index) = ask.node()?;
    let address = pve.address_of_node.get(index).cloned().unwrap_or_default();
    let rows = [
        json!({
            "iface": "eno1", "type": "eth", "method": "manual", "method6": "manual", "exists": 1, "active": 1,
            "families": ["inet"], "priority": 3,
        }),
        json!({
            "iface": "vmbr0", "type": "bridge", "method": "static", "method6": "manual", "address": address,
            "netmask": "24", "cidr": format!("{address}/24"), "gateway": "127.0.0.254", "bridge_ports": "eno1",
            "bridge_stp": "off", "bridge_fd": "0", "autostart": 1, "active": "1", "families": ["inet"],
            "priority": 4,
        }),
    ];
    let wanted = |row: &&Value| match ask.param("type") {
        None => true,
        Some("any_bridge") => row["type"] == "bridge",
        Some(kind) => row["type"] == kind,
    };
    data(rows.iter().filter(wanted).collect::<Vec<_>>())
}

/// Replication jobs that start here, with how the last run went: one in four fails.
pub fn replication(ask: &Ask) -> Outcome {
    let (pve, index) = ask.node()?;
    let mut rows = Vec::new();
    for (guest, target) in super::cluster::replicated(pve) {
        let other = ask.number("guest").is_some_and(|vmid| vmid != i64::from(guest.vmid));
        if pve.node_of(guest, ask.t) != index || other {
            continue;
        }
        rows.push(replication_row(pve, guest.vmid, index, target, ask.t));
    }
    data(rows)
}

pub fn replication_status(ask: &Ask) -> Outcome {
    let (pve, index) = ask.node()?;
    let found = super::cluster::replicated(pve).find(|(g, _)| format!("{}-0", g.vmid) == ask.part("id"));
    match found {
        Some((guest, target)) => data(replication_row(pve, guest.vmid, index, target, ask.t)),
        None => Err(Refusal::new(500, "no such replication job")),
    }
}

fn replication_row(pve: &Pve, vmid: u32, source: usize, target: usize, t: i64) -> Value {
    let last = t - t.rem_euclid(900);
    let failing = vmid.is_multiple_of(4);
    let mut row = json!({
        "id": format!("{vmid}-0"), "type": "local", "guest": vmid, "vmtype": "qemu", "jobnum": 0,
        "schedule": "*/15", "source": pve.nodes.get(source).map(|n| &n.name),
        "target": pve.nodes.get(target).map(|n| &n.name), "last_try": last, "next_sync": last + 900,
        "last_sync": if failing { last - 6 * 900 } else { last }, "duration": 3.18, "fail_count": 0,
    });
    if failing {
        row["fail_count"] = json!(6);
        row["error"] = json!("command 'zfs send' failed: exit code 255");
    }
    row
}

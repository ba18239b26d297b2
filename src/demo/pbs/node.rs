//! The server itself.

use crate::demo::ask::{Ask, Outcome, data};
use crate::demo::world::{DAY, GIB};
use crate::json::json;
use serde_json::Value;

pub fn ping(_: &Ask) -> Outcome {
    data(json!({ "pong": true }))
}

pub fn version(_: &Ask) -> Outcome {
    data(json!({ "version": "4.0.14", "release": "1", "repoid": "4e1b3dee8f2c4a5e" }))
}

pub fn list(ask: &Ask) -> Outcome {
    data(json!([{ "node": ask.pbs()?.name }]))
}

pub fn status(ask: &Ask) -> Outcome {
    let pbs = ask.pbs()?;
    let at = ask.t as f64;
    let (cpu, used) = (pbs.cpu.at(at), pbs.memory.at(at) as u64);
    let (total, swap, root) = (16 * GIB - 37_748_736, 8 * GIB - 4096, 94 * GIB);
    let fingerprint = ask.scene.fingerprints.get(ask.host).and_then(|f| f.first()).map(|f| f.to_lowercase());
    let kernel = "6.14.11-1-pve";
    let build = "#1 SMP PREEMPT_DYNAMIC PMX 6.14.11-1";
    data(json!({
        "cpu": cpu, "wait": cpu / 20.0, "uptime": (ask.t - pbs.booted).max(0),
        "loadavg": [cpu * 4.2, cpu * 4.0, cpu * 3.7], "kversion": format!("Linux {kernel} {build}"),
        "memory": { "total": total, "used": used, "free": total - used },
        "swap": { "total": swap, "used": 0, "free": swap },
        "root": { "total": root, "used": 11 * GIB, "avail": root - 11 * GIB - 4 * GIB },
        "cpuinfo": { "model": "Intel(R) N100", "sockets": 1, "cpus": 4 },
        "info": { "fingerprint": fingerprint },
        "boot-info": { "mode": "efi", "secureboot": false },
        "current-kernel": { "sysname": "Linux", "release": kernel, "version": build, "machine": "x86_64" },
    }))
}

const SERVICES: [(&str, &str, bool); 6] = [
    ("chrony", "chrony, an NTP client/server", true),
    ("cron", "Regular background program processing daemon", true),
    ("postfix", "Postfix Mail Transport Agent", false),
    ("proxmox-backup", "Proxmox Backup API Server", true),
    ("proxmox-backup-proxy", "Proxmox Backup API Proxy Server", true),
    ("ssh", "OpenBSD Secure Shell server", true),
];

pub fn services(ask: &Ask) -> Outcome {
    ask.pbs()?;
    let row = |(name, desc, up): &(&str, &str, bool)| {
        json!({
            "service": name, "name": format!("{name}.service"), "desc": desc,
            "state": if *up { "running" } else { "dead" },
            "unit-state": if *up { "enabled" } else { "disabled" },
        })
    };
    data(SERVICES.iter().map(row).collect::<Vec<_>>())
}

pub fn subscription(ask: &Ask) -> Outcome {
    let server = format!("{:032X}", ask.pbs()?.seed);
    data(json!({
        "status": "notfound", "message": "There is no subscription key", "serverid": server,
        "url": "https://www.proxmox.com/en/proxmox-backup-server/pricing",
    }))
}

pub fn updates(ask: &Ask) -> Outcome {
    ask.pbs()?;
    data(json!([{
        "Package": "proxmox-backup-server", "Title": "Proxmox Backup Server daemon with tools and GUI",
        "Description": "daemon, tools and GUI", "Version": "4.0.15-1", "OldVersion": "4.0.14-1", "Arch": "amd64",
        "Origin": "Proxmox", "Priority": "optional", "Section": "admin",
    }]))
}

pub fn certificates(ask: &Ask) -> Outcome {
    let name = &ask.pbs()?.name;
    let born = ask.world().born;
    let fingerprint = ask.scene.fingerprints.get(ask.host).and_then(|f| f.first()).map(|f| f.to_lowercase());
    data(json!([{
        "filename": "proxy.pem", "fingerprint": fingerprint, "subject": format!("O=Proxmox, CN={name}"),
        "issuer": format!("O=Proxmox, CN={name}"), "notbefore": born - 90 * DAY, "notafter": born + 3560 * DAY,
        "public-key-type": "id-ecPublicKey", "public-key-bits": 256, "san": [name],
    }]))
}

/// Seventy samples of a timeframe, as text-free JSON rows.
pub fn times(ask: &Ask) -> Vec<i64> {
    let step = match ask.param("timeframe") {
        Some("day") => 1800,
        Some("week") => 10_800,
        Some("month") => 43_200,
        Some("year") => 604_800,
        Some("decade") => 6_048_000,
        _ => 60,
    };
    let last = ask.t - ask.t.rem_euclid(step);
    (0..70).map(|i| last - (69 - i) * step).collect()
}

pub fn history(ask: &Ask) -> Outcome {
    let pbs = ask.pbs()?;
    let row = |t: i64| -> Value {
        let at = t as f64;
        json!({
            "time": t, "cpu": pbs.cpu.at(at), "iowait": pbs.cpu.at(at) / 20.0, "loadavg": pbs.cpu.at(at) * 4.0,
            "memtotal": (16 * GIB) as f64, "memused": pbs.memory.at(at), "roottotal": (94 * GIB) as f64,
            "rootused": (11 * GIB) as f64, "swaptotal": (8 * GIB) as f64, "swapused": 0.0,
        })
    };
    data(times(ask).into_iter().map(row).collect::<Vec<_>>())
}

//! What the guest agent of a virtual machine answers, and every way in which it does not.

use crate::demo::ask::{Ask, Outcome, Refusal, data};
use crate::demo::world::{Agent, Filesystem, Guest, Kind, Os};
use crate::json::json;
use serde_json::Value;

/// The machine, when its agent can be talked to.
fn talking<'a>(ask: &Ask<'a>) -> Result<&'a Guest, Refusal> {
    let (_, _, guest) = ask.guest(Kind::Qemu)?;
    if guest.agent == Agent::Off {
        return Err(Refusal::new(500, "No QEMU guest agent configured"));
    }
    if !guest.running_at(ask.t) {
        return Err(Refusal::new(500, format!("VM {} is not running", guest.vmid)));
    }
    if guest.agent == Agent::Dead {
        return Err(Refusal::new(500, "QEMU guest agent is not running"));
    }
    Ok(guest)
}

/// Wraps a result, or the error object of an agent that refuses.
fn result(guest: &Guest, command: &str, result: Value) -> Outcome {
    if guest.agent == Agent::Erring {
        let text = format!("The command {command} has been disabled for this instance");
        return data(json!({ "result": { "error": { "class": "CommandNotFound", "desc": text } } }));
    }
    data(json!({ "result": result }))
}

pub fn filesystems(ask: &Ask) -> Outcome {
    let guest = talking(ask)?;
    let rows: Vec<Value> = guest.filesystems.iter().map(|fs| filesystem(fs, guest.os, ask.t)).collect();
    result(guest, "guest-get-fsinfo", json!(rows))
}

/// Some entries have no sizes: a CD, and what the agent could not stat.
fn filesystem(fs: &Filesystem, os: Os, t: i64) -> Value {
    let device = if os == Os::Windows { r"\\.\PhysicalDrive0".to_owned() } else { format!("/dev/{}", fs.device) };
    let mut row = json!({ "name": fs.device, "mountpoint": fs.mountpoint, "type": fs.kind, "disk": [] });
    let network = fs.kind.starts_with("nfs") || fs.kind == "zfs";
    if !network {
        row["disk"] = json!([{
            "bus-type": "scsi", "bus": 0, "target": 0, "unit": 0, "dev": device, "serial": "0QEMU_HARDDISK",
            "pci-controller": { "domain": 0, "bus": 9, "slot": 1, "function": 0 },
        }]);
    }
    if fs.kind != "CDFS" {
        row["total-bytes"] = json!(fs.total);
        row["used-bytes"] = json!(fs.used_at(t));
        row["total-bytes-privileged"] = json!(fs.total / 100 * 105);
    }
    row
}

pub fn osinfo(ask: &Ask) -> Outcome {
    let guest = talking(ask)?;
    let (id, name, pretty, version, kernel) = guest.os.info();
    let info = json!({
        "id": id, "name": name, "pretty-name": pretty, "version-id": version, "version": version,
        "kernel-release": kernel, "kernel-version": "#1 SMP PREEMPT_DYNAMIC", "machine": "x86_64",
    });
    result(guest, "guest-get-osinfo", info)
}

pub fn host_name(ask: &Ask) -> Outcome {
    let guest = talking(ask)?;
    result(guest, "guest-get-host-name", json!({ "host-name": guest.name }))
}

pub fn info(ask: &Ask) -> Outcome {
    let guest = talking(ask)?;
    let command = |name: &str| json!({ "name": name, "enabled": true, "success-response": true });
    let known = ["guest-ping", "guest-get-fsinfo", "guest-get-osinfo", "guest-network-get-interfaces"].map(command);
    result(guest, "guest-info", json!({ "version": "8.2.2", "supported_commands": known }))
}

pub fn interfaces(ask: &Ask) -> Outcome {
    let guest = talking(ask)?;
    let address =
        |kind: &str, text: &str, prefix: u8| json!({ "ip-address-type": kind, "ip-address": text, "prefix": prefix });
    let [_, _, netin, netout] = guest.at(ask.t).counters;
    let card = if guest.os == Os::Windows { "Ethernet" } else { "eth0" };
    let mut rows = vec![
        json!({
            "name": "lo", "hardware-address": "00:00:00:00:00:00",
            "ip-addresses": [address("ipv4", "127.0.0.1", 8), address("ipv6", "::1", 128)],
        }),
        json!({
            "name": card, "hardware-address": guest.mac().to_lowercase(),
            "ip-addresses": [address("ipv4", &guest.address(), 24), address("ipv6", "fe80::be24:11ff:fe00:1", 64)],
            "statistics": {
                "rx-bytes": netin, "tx-bytes": netout, "rx-packets": netin / 900, "tx-packets": netout / 700,
                "rx-errs": 0, "tx-errs": 0, "rx-dropped": 0, "tx-dropped": 0,
            },
        }),
    ];
    // A card that is down has no addresses at all.
    rows.push(json!({ "name": "eth1", "hardware-address": "bc:24:11:00:00:01" }));
    result(guest, "guest-network-get-interfaces", json!(rows))
}

/// Files of the guest: only its memory statistics exist.
pub fn file(ask: &Ask) -> Outcome {
    let guest = talking(ask)?;
    let name = ask.param("file").unwrap_or_default();
    if name != "/proc/meminfo" || !guest.os.is_linux() || guest.agent == Agent::Erring {
        let text = format!("Agent error: failed to open file '{name}' (mode: 'r'): No such file or directory");
        return Err(Refusal::new(500, text));
    }
    data(json!({ "content": meminfo(guest, ask.t), "bytes-read": 1400, "truncated": 0 }))
}

/// `/proc/meminfo` of a guest: MemTotal − MemAvailable is what programs use.
fn meminfo(guest: &Guest, t: i64) -> String {
    let figures = guest.at(t);
    let kb = |bytes: u64| bytes / 1024;
    let (cache, free) = (figures.memory_cache, figures.memory_free);
    let lines = [
        ("MemTotal", kb(figures.memory_total)),
        ("MemFree", kb(free)),
        ("MemAvailable", kb(free + cache)),
        ("Buffers", kb(cache / 20)),
        ("Cached", kb(cache / 20 * 17)),
        ("SwapCached", 0),
        ("Active", kb(figures.memory_programs / 2 + cache / 2)),
        ("Inactive", kb(figures.memory_programs / 3 + cache / 2)),
        ("SwapTotal", 1_048_572),
        ("SwapFree", 1_048_572),
        ("SReclaimable", kb(cache / 10)),
    ];
    lines.iter().map(|(name, value)| format!("{:<16}{value:>9} kB\n", format!("{name}:"))).collect()
}

//! `rrddata`: averages over time. Absent samples keep their time and lose their figures, as on a real host.

use crate::demo::ask::{Ask, Outcome, Refusal, data};
use crate::demo::noise::{Wave, hash, unit};
use crate::demo::spec::Version;
use crate::demo::world::{DAY, Guest, Kind, Pve};
use crate::json::{json, put};
use serde_json::{Map, Value};

/// Step in seconds and number of samples of a timeframe. Version 9 keeps much finer ones.
fn steps(version: Version, timeframe: &str) -> (i64, i64) {
    match (version, timeframe) {
        (Version::Pve9, "day") => (60, 1440),
        (Version::Pve9, "week") => (1800, 336),
        (Version::Pve9, "month") => (1800, 1440),
        (Version::Pve9, "year") => (21_600, 1460),
        (_, "day") => (1800, 70),
        (_, "week") => (10_800, 70),
        (_, "month") => (43_200, 70),
        (_, "year") => (604_800, 70),
        _ => (60, 70),
    }
}

/// The ends of the steps of a timeframe, oldest first.
fn times(ask: &Ask, version: Version) -> (i64, impl Iterator<Item = i64>) {
    let (step, count) = steps(version, ask.param("timeframe").unwrap_or("hour"));
    let last = ask.t - ask.t.rem_euclid(step);
    (step, (0..count).map(move |i| last - (count - 1 - i) * step))
}

fn extend(row: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        row.extend(more);
    }
}

pub fn qemu(ask: &Ask) -> Outcome {
    guest(ask, Kind::Qemu)
}

pub fn lxc(ask: &Ask) -> Outcome {
    guest(ask, Kind::Lxc)
}

fn guest(ask: &Ask, kind: Kind) -> Outcome {
    let (pve, _, guest) = ask.guest(kind)?;
    let (step, times) = times(ask, pve.version);
    data(times.map(|t| Value::Object(guest_row(pve, guest, step, t))).collect::<Vec<_>>())
}

fn guest_row(pve: &Pve, guest: &Guest, step: i64, t: i64) -> Map<String, Value> {
    let mut row = Map::new();
    let middle = t - step / 2;
    let figures = guest.at(middle);
    let fixed = json!({
        "time": t, "maxcpu": super::resources::number(guest.cores), "maxmem": guest.maxmem,
        "maxdisk": guest.maxdisk, "disk": figures.disk,
    });
    extend(&mut row, fixed);
    if !figures.running || guest.gap_at(t) {
        return row;
    }
    let [read, written, netin, netout] = guest.rates.map(|rate| average(&rate, t, step));
    let live = json!({
        "cpu": guest.cpu.over((t - step) as f64, t as f64) / step as f64, "mem": figures.memory_reported as f64,
        "diskread": read, "diskwrite": written, "netin": netin, "netout": netout,
    });
    extend(&mut row, live);
    if pve.version == Version::Pve9 {
        extend(&mut row, pressure(guest.seed, t, true));
        if guest.kind == Kind::Qemu {
            put(&mut row, "memhost", json!(figures.memory_host as f64));
        }
    }
    row
}

fn average(rate: &Wave, t: i64, step: i64) -> f64 {
    rate.over((t - step) as f64, t as f64) / step as f64
}

fn pressure(seed: u64, t: i64, guest: bool) -> Value {
    let part = |n: u64| unit(hash(seed, t.unsigned_abs(), n)) * 1.5;
    let mut it = json!({
        "pressurecpusome": part(1), "pressureiosome": part(2), "pressureiofull": part(2) * 0.8,
        "pressurememorysome": 0.0, "pressurememoryfull": 0.0,
    });
    if guest {
        it["pressurecpufull"] = json!(part(1) * 0.7);
    }
    it
}

pub fn node(ask: &Ask) -> Outcome {
    let (pve, index) = ask.node()?;
    let node = pve.nodes.get(index).ok_or_else(|| Refusal::new(500, "no such node"))?;
    let (step, times) = times(ask, pve.version);
    // Past samples count the guests that are here now: earlier moves are not remembered.
    let guests: Vec<&Guest> = pve.guests_on(index, ask.t).collect();
    let mut rows = Vec::new();
    for t in times {
        let mut row = Map::new();
        put(&mut row, "time", json!(t));
        // A gap: the collector was restarted then, or the node had not been booted yet.
        let missing = t < node.booted || unit(hash(node.seed, t.unsigned_abs(), 0x6A9)) < 0.01;
        if !missing {
            let f = node.at(guests.iter().copied(), t - step / 2);
            let [netin, netout] = node.rates.map(|rate| average(&rate, t, step));
            let figures = json!({
                "cpu": f.cpu, "iowait": f.iowait, "loadavg": f.load[0], "maxcpu": node.cores,
                "memtotal": f.memory_total as f64, "memused": f.memory_used as f64, "netin": netin,
                "netout": netout, "roottotal": node.root_total as f64, "rootused": f.root_used as f64,
                "swaptotal": node.swap as f64, "swapused": f.swap_used as f64,
            });
            extend(&mut row, figures);
            if pve.version == Version::Pve9 {
                extend(&mut row, json!({ "memavailable": f.memory_available as f64, "arcsize": f.arc as f64 }));
                extend(&mut row, pressure(node.seed, t, false));
            }
        }
        rows.push(row);
    }
    data(rows)
}

/// Storages: what is used and how large they are; before the first day of the simulation nothing is known.
pub fn storage(ask: &Ask) -> Outcome {
    let (pve, node, storage) = super::storage::found(ask)?;
    let (_, times) = times(ask, pve.version);
    let born = ask.world().born - 400 * DAY;
    let row = |t: i64| {
        let figures = storage.at(node, t);
        let known = figures.active && t > born;
        if known { json!({ "time": t, "total": figures.total, "used": figures.used }) } else { json!({ "time": t }) }
    };
    data(times.map(row).collect::<Vec<_>>())
}

//! One Proxmox Backup Server and its datastores, as metrics.

use super::Page;
use crate::model::{Datastore, PbsInstance, State, Time};

type Figure<T> = (&'static str, &'static str, fn(&T) -> f64);

/// A name that others made and that sounds like a counter's: without a type it is not held to be one. So below.
const UNTYPED: [&str; 1] = ["pbs_host_memory_total"];

const SERVER: &[Figure<PbsInstance>] = &[
    ("pbs_up", "Whether the server answers", |p| f64::from(u8::from(p.status == "online"))),
    ("pbs_host_cpu_usage", "CPU use, as a fraction", |p| p.cpu / 100.0),
    ("pbs_host_memory_used", "Memory in use, in bytes", |p| p.memory_used as f64),
    ("pbs_host_memory_total", "Memory there is, in bytes", |p| p.memory_total as f64),
    ("pbs_host_uptime", "Seconds since the start", |p| p.uptime as f64),
];

const DATASTORES: &[Figure<Datastore>] = &[
    ("pbs_size", "Size of a datastore, in bytes", |d| d.total as f64),
    ("pbs_used", "Space used of a datastore, in bytes", |d| d.used as f64),
    ("pbs_available", "Space left of a datastore, in bytes", |d| d.free as f64),
    ("pulse_pbs_datastore_deduplication_factor", "Deduplication of a datastore", |d| d.deduplication_factor),
];

/// Writes the server `name`; false when there is none of that name.
pub fn write(page: &mut Page, state: &State, name: &str, now: Time) -> bool {
    let Some(server) = state.pbs.iter().find(|p| p.name == name) else { return false };
    for (name, help, figure) in SERVER {
        page.family(name, if UNTYPED.contains(name) { "untyped" } else { "gauge" }, help);
        page.sample(&[], figure(server));
    }
    let stores = server.datastores.as_deref().unwrap_or_default();
    for (name, help, figure) in DATASTORES {
        page.family(name, "gauge", help);
        for d in stores {
            page.sample(&[("datastore", &d.name)], figure(d));
        }
    }
    // One pass over all snapshots, however many datastores there are.
    let mut counts = vec![(0.0, Time::UNSET); stores.len()];
    for b in state.pbs_backups.iter().filter(|b| b.instance == name) {
        let place = stores.iter().position(|d| d.name == b.datastore).and_then(|n| counts.get_mut(n));
        if let Some((count, newest)) = place {
            *count += 1.0;
            *newest = (*newest).max(b.backup_time);
        }
    }
    page.family("pbs_snapshot_count", "untyped", "Snapshots in a datastore");
    for (d, (count, _)) in stores.iter().zip(&counts) {
        page.sample(&[("datastore", &d.name)], *count);
    }
    page.family("pulse_pbs_datastore_backup_age_seconds", "gauge", "Time since the newest snapshot of a datastore");
    for (d, (_, newest)) in stores.iter().zip(&counts).filter(|(_, (_, newest))| newest.is_set()) {
        page.sample(&[("datastore", &d.name)], now.since(*newest).as_secs_f64());
    }
    true
}

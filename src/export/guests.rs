//! What only Pulse knows of the guests of a connection, under its own names: disks as their agents see them, corrected
//! memory, rates, backups.

use super::{Labels, Page};
use crate::model::{Guest, State, Time, Usage};

type Figure = (&'static str, &'static str, fn(&Guest) -> Option<f64>);

const GUESTS: &[Figure] = &[
    ("pulse_guest_memory_size_bytes", "Memory there is", |g| Some(g.memory.total as f64)),
    ("pulse_guest_memory_usage_bytes", "Memory in use, without caches where they are known", |g| {
        Some(g.memory.used as f64)
    }),
    ("pulse_guest_disk_size_bytes", "Space of its disks; of a virtual machine, as its agent says", |g| {
        disk(g).map(|d| d.total as f64)
    }),
    ("pulse_guest_disk_usage_bytes", "Space in use on its disks; of a virtual machine, as its agent says", |g| {
        disk(g).map(|d| d.used as f64)
    }),
    ("pulse_guest_network_receive_bytes_per_second", "Network traffic in", |g| Some(g.network_in as f64)),
    ("pulse_guest_network_transmit_bytes_per_second", "Network traffic out", |g| Some(g.network_out as f64)),
    ("pulse_guest_disk_read_bytes_per_second", "Disk reads", |g| Some(g.disk_read as f64)),
    ("pulse_guest_disk_write_bytes_per_second", "Disk writes", |g| Some(g.disk_write as f64)),
    ("pulse_guest_backup_covered", "Whether a backup job covers the guest", |g| {
        g.backup_covered.map(|covered| f64::from(u8::from(covered)))
    }),
];

/// Absent where nobody knows what is in use.
fn disk(g: &Guest) -> Option<&Usage> {
    (g.disk_source.as_deref() != Some("unknown") && g.disk.used >= 0).then_some(&g.disk)
}

/// Writes the guests of the connection `instance`.
pub fn write(page: &mut Page, state: &State, instance: &str, now: Time) {
    let mine = state.guests().filter(|g| g.instance == instance);
    let guests: Vec<(String, &Guest)> = mine.map(|g| (format!("{}/{}", g.r#type, g.vmid), g)).collect();
    let labels: Vec<Labels> = guests.iter().map(|(id, _)| Labels::of(&[("id", id)])).collect();
    let each = || guests.iter().map(|(_, g)| *g).zip(&labels);
    for (name, help, figure) in GUESTS {
        page.family(name, "gauge", help);
        for (g, id) in each() {
            if let Some(value) = figure(g) {
                page.put(id, value);
            }
        }
    }
    page.family("pulse_guest_backup_age_seconds", "gauge", "Time since the last backup; absent when there is none");
    for (g, id) in each().filter(|(g, _)| g.last_backup.is_set()) {
        page.put(id, now.since(g.last_backup).as_secs_f64().round());
    }
    for (name, help, used) in [
        ("pulse_guest_filesystem_size_bytes", "Space of a file system, as the agent says", false),
        ("pulse_guest_filesystem_usage_bytes", "Space in use on a file system, as the agent says", true),
    ] {
        page.family(name, "gauge", help);
        for (id, g) in &guests {
            let mut seen: Vec<&str> = Vec::new();
            for f in &g.filesystems {
                // A mount point told twice would be the same series twice, which fails the whole scrape.
                if seen.contains(&f.mountpoint.as_str()) {
                    continue;
                }
                seen.push(&f.mountpoint);
                let bytes = if used { f.used } else { f.total };
                page.sample(&[("id", id), ("mountpoint", &f.mountpoint)], bytes as f64);
            }
        }
    }
    page.family("pulse_guests_without_backup_job", "gauge", "Guests that no backup job covers");
    for c in state.backup_coverage.iter().filter(|c| c.instance == instance) {
        page.sample(&[], c.uncovered.len() as f64);
    }
}

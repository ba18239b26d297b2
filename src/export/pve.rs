//! One PVE connection under the names and labels of prometheus-pve-exporter, so that its dashboards and rules go on
//! working, then what only Pulse knows. Names come from contract field.md C.7.

use super::Page;
use crate::model::{Guest, Node, State, Storage, Time};

type Figure<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

/// What nodes and guests share: the family, its help, the node's figure, the guest's.
type Shared = (&'static str, &'static str, fn(&Node) -> f64, fn(&Guest) -> Option<f64>);

const SHARED: &[Shared] = &[
    ("pve_cpu_usage_ratio", "CPU use, as a fraction of the limit", |n| n.cpu, |g| Some(g.cpu)),
    ("pve_cpu_usage_limit", "CPUs that can be used", |n| n.cpu_info.cores as f64, |g| Some(g.cpus as f64)),
    ("pve_memory_size_bytes", "Memory there is", |n| n.memory.total as f64, |g| Some(g.memory.total as f64)),
    ("pve_memory_usage_bytes", "Memory in use", |n| n.memory.used as f64, |g| Some(g.memory.used as f64)),
    ("pve_uptime_seconds", "Time since the start", |n| n.uptime as f64, |g| Some(g.uptime as f64)),
];

/// What exists of guests alone.
const GUESTS: &[Figure<Guest>] = &[
    ("pulse_guest_network_receive_bytes_per_second", "Network traffic in", |g| Some(g.network_in as f64)),
    ("pulse_guest_network_transmit_bytes_per_second", "Network traffic out", |g| Some(g.network_out as f64)),
    ("pulse_guest_disk_read_bytes_per_second", "Disk reads", |g| Some(g.disk_read as f64)),
    ("pulse_guest_disk_write_bytes_per_second", "Disk writes", |g| Some(g.disk_write as f64)),
    ("pulse_guest_backup_covered", "Whether a backup job covers the guest", |g| g.backup_covered.map(flag)),
];

const LOCKS: &[&str] =
    &["backup", "clone", "create", "migrate", "rollback", "snapshot", "snapshot-delete", "suspended", "suspending"];

/// One thing with an id in the exporter's manner.
struct Named<'a, T> {
    id: String,
    it: &'a T,
}

/// Writes the connection `instance`; false when there is none of that name.
pub fn write(page: &mut Page, state: &State, instance: &str, now: Time) -> bool {
    let nodes: Vec<Named<Node>> = state
        .nodes
        .iter()
        .filter(|n| n.instance == instance)
        .map(|it| Named { id: format!("node/{}", it.name), it })
        .collect();
    let guests: Vec<Named<Guest>> = state
        .vms
        .iter()
        .chain(&state.containers)
        .filter(|g| g.instance == instance)
        .map(|it| Named { id: format!("{}/{}", it.r#type, it.vmid), it })
        .collect();
    let storages = storages(state, instance);
    if nodes.is_empty() && guests.is_empty() && storages.is_empty() {
        return false;
    }
    up(page, state, instance, &nodes, &guests, &storages);
    disks(page, &nodes, &guests, &storages);
    for (name, help, of_node, of_guest) in SHARED {
        page.family(name, "gauge", help);
        for n in &nodes {
            page.sample(&[("id", &n.id)], of_node(n.it));
        }
        for (g, value) in guests.iter().filter_map(|g| Some((g, of_guest(g.it)?))) {
            page.sample(&[("id", &g.id)], value);
        }
    }
    infos(page, &guests, &storages);
    ours(page, state, instance, &guests, now);
    true
}

/// A shared storage stands once for every node that sees it, as in the exporter.
fn storages<'a>(state: &'a State, instance: &str) -> Vec<(String, &'a str, &'a Storage)> {
    let mut all = Vec::new();
    for s in state.storage.iter().filter(|s| s.instance == instance) {
        let own = std::slice::from_ref(&s.node);
        let nodes = if s.shared && !s.nodes.is_empty() { s.nodes.as_slice() } else { own };
        all.extend(nodes.iter().map(|node| (format!("storage/{node}/{}", s.name), node.as_str(), s)));
    }
    all
}

type Storages<'a> = [(String, &'a str, &'a Storage)];

fn up(
    page: &mut Page,
    state: &State,
    instance: &str,
    nodes: &[Named<Node>],
    guests: &[Named<Guest>],
    storages: &Storages,
) {
    page.family("pve_up", "gauge", "Whether it is online, quorate, running or available");
    for n in nodes {
        page.sample(&[("id", &n.id)], flag(n.it.status == "online"));
    }
    for c in state.clusters.iter().filter(|c| c.instance == instance && !c.name.is_empty()) {
        page.sample(&[("id", &format!("cluster/{}", c.name))], flag(c.quorate));
    }
    for g in guests {
        page.sample(&[("id", &g.id)], flag(g.it.is_running()));
    }
    for (id, _, s) in storages {
        page.sample(&[("id", id)], flag(s.status == "available"));
    }
}

/// The agent's figure stands for a virtual machine's disk where Proxmox itself says nothing.
fn disks(page: &mut Page, nodes: &[Named<Node>], guests: &[Named<Guest>], storages: &Storages) {
    let known = |g: &Guest| g.disk_source.as_deref() != Some("unknown");
    page.family("pve_disk_size_bytes", "gauge", "Space there is");
    for n in nodes {
        page.sample(&[("id", &n.id)], n.it.disk.total as f64);
    }
    for g in guests.iter().filter(|g| known(g.it)) {
        page.sample(&[("id", &g.id)], g.it.disk.total as f64);
    }
    for (id, _, s) in storages {
        page.sample(&[("id", id)], s.total as f64);
    }
    page.family("pve_disk_usage_bytes", "gauge", "Space in use");
    for n in nodes {
        page.sample(&[("id", &n.id)], n.it.disk.used as f64);
    }
    for g in guests.iter().filter(|g| known(g.it) && g.it.disk.used >= 0) {
        page.sample(&[("id", &g.id)], g.it.disk.used as f64);
    }
    for (id, _, s) in storages {
        page.sample(&[("id", id)], s.used as f64);
    }
}

fn infos(page: &mut Page, guests: &[Named<Guest>], storages: &Storages) {
    page.family("pve_guest_info", "gauge", "What a guest is");
    for g in guests {
        let template = if g.it.template { "1" } else { "0" };
        let labels = [
            ("id", g.id.as_str()),
            ("node", &g.it.node),
            ("name", &g.it.name),
            ("type", &g.it.r#type),
            ("template", template),
            ("tags", &g.it.tags.join(";")),
        ];
        page.sample(&labels, 1.0);
    }
    page.family("pve_lock_state", "gauge", "Which lock a guest is under");
    for g in guests {
        for state in LOCKS {
            page.sample(&[("id", &g.id), ("state", state)], flag(g.it.lock == *state));
        }
    }
    page.family("pve_storage_info", "gauge", "What a storage is");
    for (id, node, s) in storages {
        let labels = [
            ("id", id.as_str()),
            ("node", node),
            ("storage", &s.name),
            ("plugintype", &s.r#type),
            ("content", &s.content),
        ];
        page.sample(&labels, 1.0);
    }
    page.family("pve_storage_shared", "gauge", "Whether a storage is shared");
    for (id, _, s) in storages {
        page.sample(&[("id", id)], flag(s.shared));
    }
}

fn ours(page: &mut Page, state: &State, instance: &str, guests: &[Named<Guest>], now: Time) {
    for (name, help, figure) in GUESTS {
        page.family(name, "gauge", help);
        for (g, value) in guests.iter().filter_map(|g| Some((g, figure(g.it)?))) {
            page.sample(&[("id", &g.id)], value);
        }
    }
    page.family("pulse_guest_backup_age_seconds", "gauge", "Time since the last backup; absent when there is none");
    for g in guests.iter().filter(|g| g.it.last_backup.is_set()) {
        page.sample(&[("id", &g.id)], now.since(g.it.last_backup).as_secs_f64());
    }
    for (name, help, used) in [
        ("pulse_guest_filesystem_size_bytes", "Space of a file system, as the agent says", false),
        ("pulse_guest_filesystem_usage_bytes", "Space used of a file system, as the agent says", true),
    ] {
        page.family(name, "gauge", help);
        for g in guests {
            let mut seen: Vec<&str> = Vec::new();
            for f in &g.it.filesystems {
                // A mount point told twice would be the same series twice, which fails the whole scrape.
                if seen.contains(&f.mountpoint.as_str()) {
                    continue;
                }
                seen.push(&f.mountpoint);
                page.sample(
                    &[("id", &g.id), ("mountpoint", &f.mountpoint)],
                    if used { f.used } else { f.total } as f64,
                );
            }
        }
    }
    page.family("pulse_guests_without_backup_job", "gauge", "Guests that no backup job covers");
    for c in state.backup_coverage.iter().filter(|c| c.instance == instance) {
        page.sample(&[], c.uncovered.len() as f64);
    }
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

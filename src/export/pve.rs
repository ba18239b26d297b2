//! One PVE connection under the names, labels and raw figures of prometheus-pve-exporter (contract field.md C.7), so that
//! its dashboards and rules go on working. A figure stands where PVE said it, and only there.

use super::{Labels, Page};
use crate::poll::Said;
use crate::proxmox::pve::{ReplicationItem, Resource};

type Figure<T> = (&'static str, &'static str, &'static str, fn(&T) -> Option<f64>);

const RESOURCES: &[Figure<Resource>] = &[
    ("pve_disk_size_bytes", "gauge", "Space there is, as Proxmox says it", |r| size(r.maxdisk)),
    ("pve_disk_usage_bytes", "gauge", "Space in use, as Proxmox says it: 0 for virtual machines", |r| size(r.disk)),
    ("pve_memory_size_bytes", "gauge", "Memory there is", |r| size(r.maxmem)),
    ("pve_memory_usage_bytes", "gauge", "Memory in use, as Proxmox says it", |r| size(r.mem)),
    ("pve_network_transmit_bytes", "gauge", "Old name of pve_network_transmit_bytes_total", |r| size(r.netout)),
    ("pve_network_receive_bytes", "gauge", "Old name of pve_network_receive_bytes_total", |r| size(r.netin)),
    ("pve_disk_write_bytes", "gauge", "Old name of pve_disk_written_bytes_total", |r| size(r.diskwrite)),
    ("pve_disk_read_bytes", "gauge", "Old name of pve_disk_read_bytes_total", |r| size(r.diskread)),
    ("pve_cpu_usage_ratio", "gauge", "CPU use, as a fraction of the limit", |r| r.cpu),
    ("pve_cpu_usage_limit", "gauge", "CPUs that can be used", |r| r.maxcpu),
    ("pve_uptime_seconds", "gauge", "Time since the start", |r| size(r.uptime)),
    ("pve_storage_shared", "gauge", "Whether nodes share the storage", |r| r.shared.map(flag)),
    ("pve_network_transmit_bytes_total", "counter", "Network traffic out since the start", |r| size(r.netout)),
    ("pve_network_receive_bytes_total", "counter", "Network traffic in since the start", |r| size(r.netin)),
    ("pve_disk_written_bytes_total", "counter", "Bytes written to disks since the start", |r| size(r.diskwrite)),
    ("pve_disk_read_bytes_total", "counter", "Bytes read from disks since the start", |r| size(r.diskread)),
];

const REPLICATION: &[Figure<ReplicationItem>] = &[
    ("pve_replication_duration_seconds", "gauge", "Time the last replication took", |j| j.duration),
    ("pve_replication_last_sync_timestamp_seconds", "gauge", "When the last one worked", |j| size(j.last_sync)),
    ("pve_replication_last_try_timestamp_seconds", "gauge", "When it was last tried", |j| size(j.last_try)),
    ("pve_replication_next_sync_timestamp_seconds", "gauge", "When the next one is due", |j| size(j.next_sync)),
    ("pve_replication_failed_syncs", "gauge", "Failures in a row", |j| size(j.fail_count)),
];

const GUEST_HA: &[&str] = &[
    "stopped",
    "request_stop",
    "request_start",
    "request_start_balance",
    "started",
    "fence",
    "recovery",
    "migrate",
    "relocate",
    "freeze",
    "error",
];
const NODE_HA: &[&str] = &["online", "maintenance", "unknown", "fence", "gone"];
const LOCKS: &[&str] =
    &["backup", "clone", "create", "migrate", "rollback", "snapshot", "snapshot-delete", "suspended", "suspending"];
const SUBSCRIPTIONS: &[&str] = &["new", "notfound", "active", "invalid", "expired", "suspended"];

/// Writes everything that the exporter has of a connection.
pub fn write(page: &mut Page, said: &Said) {
    let ids: Vec<Labels> = said.resources.iter().map(|r| Labels::of(&[("id", &r.id)])).collect();
    up(page, said, &ids);
    figures(page, RESOURCES, &said.resources, &ids);
    states(page, said, &ids);
    infos(page, said);
    cluster(page, said);
    backups(page, said);
    replication(page, said);
    subscriptions(page, said);
}

fn size(bytes: Option<i64>) -> Option<f64> {
    bytes.map(|b| b as f64)
}

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

fn is_guest(r: &Resource) -> bool {
    r.kind == "qemu" || r.kind == "lxc"
}

fn figures<T>(page: &mut Page, table: &[Figure<T>], all: &[T], ids: &[Labels]) {
    for (name, kind, help, figure) in table {
        page.family(name, kind, help);
        for (item, id) in all.iter().zip(ids) {
            if let Some(value) = figure(item) {
                page.put(id, value);
            }
        }
    }
}

fn up(page: &mut Page, said: &Said, ids: &[Labels]) {
    page.family("pve_up", "gauge", "Whether it is online, quorate, running or available");
    for (r, id) in said.resources.iter().zip(ids) {
        let up = match r.kind.as_str() {
            "node" => r.status == "online",
            "storage" => r.status == "available",
            _ => r.status == "running",
        };
        page.put(id, flag(up));
    }
    for c in said.members.iter().filter(|m| m.kind == "cluster") {
        page.sample(&[("id", &format!("cluster/{}", c.name))], flag(c.quorate == Some(true)));
    }
}

/// One series for each state there is, so that a state that ends is a 0 and not a gap.
fn states(page: &mut Page, said: &Said, ids: &[Labels]) {
    page.family("pve_ha_state", "gauge", "In which state high availability has a guest or a node");
    for (r, id) in said.resources.iter().zip(ids) {
        let states = if is_guest(r) {
            GUEST_HA
        } else if r.kind == "node" {
            NODE_HA
        } else {
            continue;
        };
        for state in states {
            page.put_state(id, state, flag(r.hastate == *state));
        }
    }
    page.family("pve_lock_state", "gauge", "Which lock a guest is under");
    for (r, id) in said.resources.iter().zip(ids).filter(|(r, _)| is_guest(r)) {
        for state in LOCKS {
            page.put_state(id, state, flag(r.lock == *state));
        }
    }
}

fn infos(page: &mut Page, said: &Said) {
    page.family("pve_guest_info", "gauge", "What a guest is");
    for r in said.resources.iter().filter(|r| is_guest(r)) {
        let template = r.template.map_or("", |t| if t { "1" } else { "0" });
        let labels: [(&str, &str); 6] = [
            ("id", &r.id),
            ("node", &r.node),
            ("name", &r.name),
            ("type", &r.kind),
            ("template", template),
            ("tags", &r.tags),
        ];
        page.sample(&labels, 1.0);
    }
    page.family("pve_storage_info", "gauge", "What a storage is");
    for r in said.resources.iter().filter(|r| r.kind == "storage") {
        // PVE gives them in any order; each order would be another series.
        let mut content: Vec<&str> = r.content.split(',').collect();
        crate::order::sort(&mut content);
        let labels: [(&str, &str); 5] = [
            ("id", &r.id),
            ("node", &r.node),
            ("storage", &r.storage),
            ("plugintype", &r.plugintype),
            ("content", &content.join(",")),
        ];
        page.sample(&labels, 1.0);
    }
}

fn cluster(page: &mut Page, said: &Said) {
    page.family("pve_node_info", "gauge", "What a node is");
    for m in said.members.iter().filter(|m| m.kind == "node") {
        let labels: [(&str, &str); 4] = [("id", &m.id), ("level", &m.level), ("name", &m.name), ("nodeid", &m.nodeid)];
        page.sample(&labels, 1.0);
    }
    page.family("pve_cluster_info", "gauge", "What a cluster is");
    for c in said.members.iter().filter(|m| m.kind == "cluster") {
        let quorate = if c.quorate == Some(true) { "1" } else { "0" };
        let labels: [(&str, &str); 4] = [
            ("id", &format!("cluster/{}", c.name)),
            ("nodes", &c.nodes),
            ("quorate", quorate),
            ("version", &c.version),
        ];
        page.sample(&labels, 1.0);
    }
    page.family("pve_version_info", "gauge", "The version of Proxmox VE");
    if let Some(v) = &said.version {
        page.sample(&[("release", &v.release), ("repoid", &v.repoid), ("version", &v.version)], 1.0);
    }
}

fn backups(page: &mut Page, said: &Said) {
    // No counter in spite of its name, which is the exporter's: without a type it is not held to be one.
    page.family("pve_not_backed_up_total", "untyped", "Guests that no backup job covers");
    let name = said.members.first().map(|m| m.name.as_str());
    if let (Some(name), Some(list)) = (name, &said.uncovered) {
        page.sample(&[("id", &format!("cluster/{name}"))], list.len() as f64);
    }
    page.family("pve_not_backed_up_info", "gauge", "There for a guest that no backup job covers");
    for item in said.uncovered.iter().flatten() {
        page.sample(&[("id", &format!("{}/{}", item.kind, item.vmid.unwrap_or(0)))], 1.0);
    }
    page.family("pve_onboot_status", "gauge", "Whether a guest starts with its node");
    for o in &said.onboot {
        page.sample(&[("id", &format!("lxc/{}", o.vmid)), ("node", &o.node), ("type", "lxc")], flag(o.starts));
    }
}

fn replication(page: &mut Page, said: &Said) {
    let ids: Vec<Labels> = said.replication.iter().map(|j| Labels::of(&[("id", &j.id)])).collect();
    figures(page, REPLICATION, &said.replication, &ids);
    page.family("pve_replication_info", "gauge", "What a replication job is");
    for j in &said.replication {
        let labels: [(&str, &str); 5] = [
            ("id", &j.id),
            ("type", &j.kind),
            ("source", &format!("node/{}", j.source)),
            ("target", &format!("node/{}", j.target)),
            ("guest", &format!("{}/{}", j.vmtype, j.guest.unwrap_or(0))),
        ];
        page.sample(&labels, 1.0);
    }
}

fn subscriptions(page: &mut Page, said: &Said) {
    let known = |text: &'_ str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
    let all: Vec<_> = said.subscriptions.iter().map(|(node, s)| (format!("node/{node}"), s)).collect();
    page.family("pve_subscription_info", "gauge", "The subscription of a node");
    for (id, s) in &all {
        page.sample(&[("id", id), ("level", &known(&s.level))], 1.0);
    }
    page.family("pve_subscription_status", "gauge", "In which state a subscription is");
    for (id, s) in &all {
        for status in SUBSCRIPTIONS {
            page.sample(&[("id", id), ("status", status)], flag(s.status == *status));
        }
    }
    page.family("pve_subscription_next_due_timestamp_seconds", "gauge", "When a subscription has to be renewed");
    for (id, s) in &all {
        let date = s.nextduedate.parse::<jiff::civil::Date>().ok();
        let at = date.and_then(|d| d.to_zoned(crate::model::local_zone().clone()).ok());
        if let Some(at) = at {
            page.sample(&[("id", id)], at.timestamp().as_second() as f64);
        }
    }
}

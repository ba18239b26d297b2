//! A node's document from the list and its status.

use super::{Source, fraction, ids, memory};
use crate::model::{CpuInfo, Node, Service, Time, Usage};
use crate::proxmox::pve::{CertificateItem, NodeItem, NodeStatus, Resource, ServiceItem, Space};

/// A node as a list shows it, whichever list that was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    pub name: String,
    pub status: String,
    pub cpu: f64,
    pub cpus: i64,
    pub mem: i64,
    pub maxmem: i64,
    pub disk: i64,
    pub maxdisk: i64,
    pub uptime: i64,
}

impl Seen {
    /// From `/cluster/resources`; `None` for what is no node.
    pub fn from_resource(r: &Resource) -> Option<Seen> {
        (r.kind == "node" && !r.node.is_empty()).then(|| Seen {
            name: r.node.clone(),
            status: r.status.clone(),
            cpu: fraction(r.cpu),
            cpus: r.maxcpu.unwrap_or(0.0) as i64,
            mem: r.mem.unwrap_or(0),
            maxmem: r.maxmem.unwrap_or(0),
            disk: r.disk.unwrap_or(0),
            maxdisk: r.maxdisk.unwrap_or(0),
            uptime: r.uptime.unwrap_or(0),
        })
    }
    /// From `/nodes`.
    pub fn from_item(n: &NodeItem) -> Option<Seen> {
        (!n.node.is_empty()).then(|| Seen {
            name: n.node.clone(),
            status: n.status.clone(),
            cpu: fraction(n.cpu),
            cpus: n.maxcpu.unwrap_or(0.0) as i64,
            mem: n.mem.unwrap_or(0),
            maxmem: n.maxmem.unwrap_or(0),
            disk: n.disk.unwrap_or(0),
            maxdisk: n.maxdisk.unwrap_or(0),
            uptime: n.uptime.unwrap_or(0),
        })
    }
    pub fn is_online(&self) -> bool {
        self.status == "online"
    }
}

/// What else is known of a node.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detail<'a> {
    pub status: Option<&'a NodeStatus>,
    /// Total, used and free of the storage `local` or else `local-lvm`: stands in for a root disk that is not told.
    pub local_storage: Option<(i64, i64, i64)>,
    pub updates: Option<i64>,
    pub subscription: Option<&'a str>,
    pub certificate_expiry: Option<Time>,
    pub failed_services: &'a [Service],
    /// The node as it was when it was last online.
    pub before: Option<&'a Node>,
}

/// The document of a node that the host knows.
pub fn node(source: &Source, seen: &Seen, detail: &Detail) -> Node {
    if !seen.is_online() {
        return offline(source, seen, detail);
    }
    let status = detail.status;
    let (memory, memory_source) = memory::node(seen.maxmem, seen.mem, status.map(|s| &s.memory));
    Node {
        id: ids::node(source.instance, &seen.name),
        name: seen.name.clone(),
        instance: source.instance.to_owned(),
        host: source.host.to_owned(),
        status: seen.status.clone(),
        r#type: "node".to_owned(),
        cpu: seen.cpu,
        memory,
        disk: disk(seen, status.map(|s| &s.rootfs), detail.local_storage),
        uptime: seen.uptime,
        load_average: Some(status.map(|s| s.loadavg.clone()).unwrap_or_default()),
        kernel_version: status.map(|s| s.kversion.clone()).unwrap_or_default(),
        pve_version: status.map(|s| s.pveversion.clone()).unwrap_or_default(),
        cpu_info: cpu_info(seen, status),
        last_seen: source.now,
        connection_health: "healthy".to_owned(),
        is_cluster_member: source.cluster.is_some(),
        cluster_name: source.cluster.unwrap_or_default().to_owned(),
        memory_source: Some(memory_source.to_owned()),
        swap: status.and_then(|s| swap(&s.swap)),
        io_wait: status.and_then(|s| s.wait).map(|w| fraction(Some(w))),
        updates_pending: detail.updates,
        subscription: detail.subscription.map(str::to_owned),
        certificate_expiry: detail.certificate_expiry,
        reboot_pending: None,
        failed_services: detail.failed_services.to_vec(),
        temperatures: Vec::new(),
        error: None,
    }
}

/// A member that the cluster calls offline: known at once, figures zero, versions as they were.
fn offline(source: &Source, seen: &Seen, detail: &Detail) -> Node {
    let before = detail.before.cloned().unwrap_or_default();
    Node {
        id: ids::node(source.instance, &seen.name),
        name: seen.name.clone(),
        instance: source.instance.to_owned(),
        host: source.host.to_owned(),
        status: if seen.status.is_empty() { "unknown".to_owned() } else { seen.status.clone() },
        r#type: "node".to_owned(),
        memory: emptied(before.memory),
        disk: emptied(before.disk),
        load_average: Some(Vec::new()),
        kernel_version: before.kernel_version,
        pve_version: before.pve_version,
        cpu_info: before.cpu_info,
        last_seen: source.now,
        connection_health: "healthy".to_owned(),
        is_cluster_member: source.cluster.is_some(),
        cluster_name: source.cluster.unwrap_or_default().to_owned(),
        subscription: before.subscription,
        certificate_expiry: before.certificate_expiry,
        ..Node::default()
    }
}

/// A node whose connection does not answer any more: identity and totals stay, figures are zero.
pub fn unreachable(before: &Node, error: &str) -> Node {
    Node {
        status: "offline".to_owned(),
        connection_health: "error".to_owned(),
        cpu: 0.0,
        memory: emptied(before.memory),
        disk: emptied(before.disk),
        uptime: 0,
        load_average: Some(Vec::new()),
        swap: None,
        io_wait: None,
        memory_source: None,
        failed_services: Vec::new(),
        error: Some(error.to_owned()),
        ..before.clone()
    }
}

/// What stands for all nodes of a connection whose credentials are refused (contract state.md 1.2).
pub fn refused(source: &Source, error: &str) -> Node {
    Node {
        id: format!("{}-failed", source.instance),
        name: source.instance.to_owned(),
        instance: source.instance.to_owned(),
        host: source.host.to_owned(),
        status: "offline".to_owned(),
        r#type: "node".to_owned(),
        load_average: None,
        last_seen: source.now,
        connection_health: "error".to_owned(),
        error: Some(error.to_owned()),
        ..Node::default()
    }
}

fn emptied(u: Usage) -> Usage {
    Usage { total: u.total, used: 0, free: 0, usage: 0.0 }
}

/// The root file system: of the status, else of the list, else the local storage. Free is what root may still take.
fn disk(seen: &Seen, root: Option<&Space>, local: Option<(i64, i64, i64)>) -> Usage {
    if let Some(root) = root
        && let Some(total) = root.total.filter(|t| *t > 0)
    {
        let used = root.used.unwrap_or(0).min(total);
        let free = root.avail.or(root.free).unwrap_or(total.saturating_sub(used));
        return Usage::with_free(total, used, free);
    }
    match local {
        _ if seen.maxdisk > 0 => Usage::of(seen.maxdisk, seen.disk.min(seen.maxdisk)),
        Some((total, used, free)) => Usage::with_free(total, used, free),
        None => Usage::default(),
    }
}

fn swap(space: &Space) -> Option<Usage> {
    let total = space.total?;
    Some(Usage::of(total, space.used.unwrap_or(0).min(total)))
}

fn cpu_info(seen: &Seen, status: Option<&NodeStatus>) -> CpuInfo {
    let cpu = status.map(|s| s.cpuinfo.clone()).unwrap_or_default();
    CpuInfo {
        model: cpu.model,
        cores: if seen.cpus > 0 { seen.cpus } else { cpu.cpus.or(cpu.cores).unwrap_or(0) },
        sockets: cpu.sockets.unwrap_or(0),
        mhz: cpu.mhz,
    }
}

/// The first certificate of a node to run out. The cluster's own authority (`pve-root-ca.pem`) is not counted.
pub fn certificate_expiry(all: &[CertificateItem]) -> Option<Time> {
    let own = all.iter().filter(|c| !c.filename.ends_with("pve-root-ca.pem"));
    own.filter_map(|c| c.notafter).filter(|t| *t > 0).min().map(Time::from_unix)
}

/// Services that are enabled and do not run. What runs once and ends, or is not installed, is no failure.
pub fn failed_services(all: &[ServiceItem]) -> Vec<Service> {
    let failed = all.iter().filter(|s| {
        let enabled = s.unit_state == "enabled";
        let running = s.state == "running" || matches!(s.active_state.as_str(), "active" | "activating" | "reloading");
        s.active_state == "failed" || s.state == "failed" || (enabled && !running && !runs_once(&s.service))
    });
    failed.map(|s| Service { name: s.service.clone(), state: s.state.clone() }).collect()
}

/// Units that are enabled, do their work at boot, and are dead afterwards; or that are idle without their subject.
fn runs_once(service: &str) -> bool {
    matches!(service, "proxmox-backup-banner" | "pvebanner" | "pvenetcommit" | "corosync" | "ksmtuned" | "pve-guests")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source<'static> {
        Source { instance: "lab", host: "https://h:8006", cluster: Some("c"), now: Time::from_unix(1_700_000_000) }
    }

    fn seen() -> Seen {
        Seen {
            name: "alpha".into(),
            status: "online".into(),
            cpu: 0.25,
            cpus: 16,
            mem: 600,
            maxmem: 1000,
            disk: 50,
            maxdisk: 500,
            uptime: 77,
        }
    }

    fn status(json: &str) -> NodeStatus {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_recorded_status_fills_what_the_list_does_not_say() {
        let recorded = include_str!("../../../tests/data/pve8/node-status.json");
        let data: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let status = status(&data["data"].to_string());
        let n = node(&source(), &seen(), &Detail { status: Some(&status), ..Detail::default() });
        assert_eq!((n.id.as_str(), n.status.as_str(), n.cpu, n.uptime), ("lab-alpha", "online", 0.25, 77));
        assert_eq!(n.load_average, Some(vec![0.15, 0.25, 0.30]));
        assert_eq!(
            (n.kernel_version.as_str(), n.pve_version.as_str()),
            ("Linux 6.8.12-4-pve", "pve-manager/8.4-1/761609f7")
        );
        assert_eq!((n.cpu_info.cores, n.cpu_info.sockets, n.cpu_info.mhz.as_str()), (16, 1, ""));
        assert_eq!((n.memory, n.memory_source.as_deref()), (Usage::of(1000, 600), Some("nodes")));
        assert_eq!((n.disk, n.is_cluster_member, n.cluster_name.as_str()), (Usage::of(500, 50), true, "c"));
    }

    #[test]
    fn root_keeps_its_reserve_and_missing_disks_fall_back_to_the_local_storage() {
        let with_root = status(r#"{"rootfs":{"total":100,"used":20,"avail":70,"free":80},"cpuinfo":{"mhz":3800.123}}"#);
        let detail = Detail { status: Some(&with_root), ..Detail::default() };
        let n = node(&source(), &seen(), &detail);
        assert_eq!((n.disk.total, n.disk.used, n.disk.free, n.disk.usage), (100, 20, 70, 20.0));
        assert_eq!(n.cpu_info.mhz, "3800");
        let bare = Seen { maxdisk: 0, disk: 0, ..seen() };
        let n = node(&source(), &bare, &Detail { local_storage: Some((90, 30, 60)), ..Detail::default() });
        assert_eq!((n.disk.total, n.disk.used, n.disk.free), (90, 30, 60));
        assert_eq!(node(&source(), &bare, &Detail::default()).disk, Usage::default());
    }

    #[test]
    fn an_offline_member_has_zero_figures_and_its_old_versions() {
        let before = Node { kernel_version: "Linux 6".into(), memory: Usage::of(1000, 600), ..Node::default() };
        let gone = Seen { status: "offline".into(), name: "beta".into(), ..Seen::default() };
        let n = node(&source(), &gone, &Detail { before: Some(&before), ..Detail::default() });
        assert_eq!((n.status.as_str(), n.connection_health.as_str(), n.cpu, n.uptime), ("offline", "healthy", 0.0, 0));
        assert_eq!((n.memory.total, n.memory.used, n.kernel_version.as_str()), (1000, 0, "Linux 6"));
        assert_eq!(n.load_average, Some(vec![]));
    }

    #[test]
    fn an_unreachable_node_keeps_identity_and_totals() {
        let n = unreachable(&node(&source(), &seen(), &Detail::default()), "failed to connect: refused");
        assert_eq!((n.status.as_str(), n.connection_health.as_str()), ("offline", "error"));
        assert_eq!(
            (n.id.as_str(), n.cpu, n.memory.total, n.memory.used, n.disk.total),
            ("lab-alpha", 0.0, 1000, 0, 500)
        );
        let failed = refused(&source(), "no");
        assert_eq!((failed.id.as_str(), failed.name.as_str(), failed.load_average), ("lab-failed", "lab", None));
    }

    #[test]
    fn only_services_that_should_run_and_do_not_are_failures() {
        let recorded = include_str!("../../../tests/data/pbs/services.json");
        let data: serde_json::Value = serde_json::from_str(recorded).unwrap();
        let all: crate::proxmox::List<ServiceItem> = serde_json::from_str(&data["data"].to_string()).unwrap();
        let failed = failed_services(&all.0);
        assert_eq!(failed, [Service { name: "proxmox-backup-proxy".into(), state: "dead".into() }]);
    }

    #[test]
    fn the_first_own_certificate_to_run_out_counts() {
        let item = |file: &str, at| CertificateItem { filename: file.into(), notafter: Some(at), san: vec![] };
        let all = [item("pve-root-ca.pem", 5), item("pve-ssl.pem", 900), item("pveproxy-ssl.pem", 700)];
        assert_eq!(certificate_expiry(&all), Some(Time::from_unix(700)));
        assert_eq!(certificate_expiry(&all[..1]), None);
    }
}

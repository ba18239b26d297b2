//! A guest's document from the list (of the cluster or of its node) and what was found out about it since.

use super::memory::{Meminfo, VmMemory};
use super::rates::Four;
use super::{Source, disk, fraction, ids, memory};
use crate::model::{Filesystem, Guest, Time, Usage};
use crate::proxmox::pve::{AgentFilesystem, AgentOs, ContainerConfig, GuestItem, GuestStatus, Interface, Resource};

/// Virtual machine or container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    Qemu,
    Lxc,
}

impl Sort {
    /// PVE's word, in paths and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Qemu => "qemu",
            Sort::Lxc => "lxc",
        }
    }
}

/// A guest as a list shows it, whichever list that was.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub sort: Sort,
    pub vmid: i64,
    pub node: String,
    pub name: String,
    pub status: String,
    pub cpu: f64,
    pub cpus: f64,
    pub mem: i64,
    pub maxmem: i64,
    pub disk: i64,
    pub maxdisk: i64,
    /// Network in, network out, disk read, disk write; `None` when the list has none.
    pub counters: Option<Four>,
    pub uptime: i64,
    /// `None` on an offline node, where PVE does not know.
    pub template: Option<bool>,
    pub tags: String,
    pub lock: String,
    /// Only the cluster's list tells this and the pool; `None` from the others.
    pub ha_state: Option<String>,
    pub pool: Option<String>,
}

impl Seen {
    /// From `/cluster/resources`; `None` for what is no guest.
    pub fn from_resource(r: &Resource) -> Option<Seen> {
        let sort = match r.kind.as_str() {
            "qemu" => Sort::Qemu,
            "lxc" | "openvz" => Sort::Lxc,
            _ => return None,
        };
        let counters = counters(r.netin, r.netout, r.diskread, r.diskwrite);
        Some(Seen {
            sort,
            vmid: r.vmid.filter(|v| *v > 0)?,
            node: Some(r.node.clone()).filter(|n| !n.is_empty())?,
            name: r.name.clone(),
            status: r.status.clone(),
            cpu: fraction(r.cpu),
            cpus: r.maxcpu.unwrap_or(0.0),
            mem: r.mem.unwrap_or(0),
            maxmem: r.maxmem.unwrap_or(0),
            disk: r.disk.unwrap_or(0),
            maxdisk: r.maxdisk.unwrap_or(0),
            counters,
            uptime: r.uptime.unwrap_or(0),
            template: r.template,
            tags: r.tags.clone(),
            lock: r.lock.clone(),
            ha_state: Some(r.hastate.clone()),
            pool: Some(r.pool.clone()),
        })
    }

    /// From `/nodes/{node}/qemu` or `/nodes/{node}/lxc`.
    pub fn from_item(sort: Sort, node: &str, g: GuestItem) -> Option<Seen> {
        Some(Seen {
            sort,
            vmid: g.vmid.filter(|v| *v > 0)?,
            node: node.to_owned(),
            name: g.name,
            status: g.status,
            cpu: fraction(g.cpu),
            cpus: g.cpus.unwrap_or(0.0),
            mem: g.mem.unwrap_or(0),
            maxmem: g.maxmem.unwrap_or(0),
            disk: g.disk.unwrap_or(0),
            maxdisk: g.maxdisk.unwrap_or(0),
            counters: counters(g.netin, g.netout, g.diskread, g.diskwrite),
            uptime: g.uptime.unwrap_or(0),
            template: Some(g.template.unwrap_or(false)),
            tags: g.tags,
            lock: g.lock,
            ha_state: None,
            pool: None,
        })
    }

    pub fn is_running(&self) -> bool {
        self.status == "running"
    }
}

fn counters(netin: Option<i64>, netout: Option<i64>, read: Option<i64>, write: Option<i64>) -> Option<Four> {
    if [netin, netout, read, write].iter().all(Option::is_none) {
        return None;
    }
    Some([netin.unwrap_or(0), netout.unwrap_or(0), read.unwrap_or(0), write.unwrap_or(0)])
}

/// What was found out about a guest beside the lists, each with its age in the caller's hands: only what may be shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Detail<'a> {
    pub status: Option<&'a GuestStatus>,
    pub meminfo: Option<Meminfo>,
    pub filesystems: Option<&'a [AgentFilesystem]>,
    /// Why there are no file systems.
    pub disk_status: Option<&'a str>,
    pub addresses: &'a [String],
    pub os: Option<&'a str>,
    /// A backup job covers it.
    pub covered: Option<bool>,
    /// Age in seconds of the oldest figure, when it is old enough to be said.
    pub age: Option<i64>,
}

/// The document. `rates` are those of a running guest; what does not run has none.
pub fn guest(source: &Source, seen: &Seen, detail: &Detail, rates: Four) -> Guest {
    let running = seen.is_running();
    let rates = if running { rates } else { [0; 4] };
    let (memory, memory_source) = memory_of(seen, detail);
    let (disk, disk_source, disk_status, filesystems) = disk_of(seen, detail);
    let text = |t: &Option<String>| t.clone().filter(|t| !t.is_empty());
    Guest {
        id: ids::guest(source.instance, &seen.node, seen.vmid),
        vmid: seen.vmid,
        name: if seen.name.is_empty() { fallback_name(seen) } else { seen.name.clone() },
        node: seen.node.clone(),
        instance: source.instance.to_owned(),
        status: if seen.status.is_empty() { "unknown".to_owned() } else { seen.status.clone() },
        r#type: seen.sort.as_str().to_owned(),
        cpu: if running { seen.cpu } else { 0.0 },
        cpus: cores(seen.cpus),
        memory,
        disk,
        network_in: rates[0],
        network_out: rates[1],
        disk_read: rates[2],
        disk_write: rates[3],
        uptime: if running { seen.uptime } else { 0 },
        template: false,
        last_backup: Time::UNSET,
        tags: tags(&seen.tags),
        lock: seen.lock.clone(),
        last_seen: source.now,
        memory_source,
        disk_source: Some(disk_source.to_owned()),
        disk_status,
        source_age: detail.age,
        ip_addresses: if running { detail.addresses.to_vec() } else { Vec::new() },
        os: detail.os.map(str::to_owned),
        ha_state: text(&seen.ha_state),
        pool: text(&seen.pool),
        backup_covered: detail.covered,
        filesystems,
    }
}

/// A guest whose connection does not answer any more: identity and totals stay, its state is not known.
pub fn unreachable(before: &Guest) -> Guest {
    let emptied = |u: Usage| Usage { total: u.total, used: 0, free: 0, usage: 0.0 };
    Guest {
        status: "unknown".to_owned(),
        cpu: 0.0,
        memory: emptied(before.memory),
        disk: emptied(before.disk),
        network_in: 0,
        network_out: 0,
        disk_read: 0,
        disk_write: 0,
        uptime: 0,
        memory_source: None,
        filesystems: Vec::new(),
        ..before.clone()
    }
}

fn fallback_name(seen: &Seen) -> String {
    match seen.sort {
        Sort::Qemu => format!("VM {}", seen.vmid),
        Sort::Lxc => format!("CT {}", seen.vmid),
    }
}

/// Containers may be limited to parts of a core; the wire wants whole ones, at least one.
fn cores(cpus: f64) -> i64 {
    if cpus > 0.0 { (cpus as i64).max(1) } else { 0 }
}

fn memory_of(seen: &Seen, detail: &Detail) -> (Usage, Option<String>) {
    if !seen.is_running() {
        return (Usage::of(seen.maxmem, 0), None);
    }
    let (usage, from) = match seen.sort {
        Sort::Lxc if seen.mem > 0 => (Usage::of(seen.maxmem, seen.mem.min(seen.maxmem)), "resources"),
        Sort::Lxc => (Usage::of(seen.maxmem, 0), "unknown"),
        Sort::Qemu => {
            memory::vm(VmMemory { maxmem: seen.maxmem, mem: seen.mem, status: detail.status, meminfo: detail.meminfo })
        }
    };
    (usage, Some(from.to_owned()))
}

fn disk_of(seen: &Seen, detail: &Detail) -> (Usage, &'static str, Option<String>, Vec<Filesystem>) {
    let listed = Usage::of(seen.maxdisk, seen.disk.min(seen.maxdisk.max(0)));
    let status = detail.disk_status.map(str::to_owned);
    match (seen.sort, seen.is_running(), detail.filesystems) {
        (Sort::Lxc, true, _) => (listed, "lxc", None, Vec::new()),
        // PVE knows the contents of a container only while it runs.
        (Sort::Lxc, false, _) => (listed, if seen.disk > 0 { "lxc" } else { "unknown" }, None, Vec::new()),
        (Sort::Qemu, true, Some(all)) => match disk::from_agent(all) {
            // The last attempt may have failed: then the figures are older, and this is why.
            (Some(sum), listed) => (sum, "agent", status, listed),
            (None, all) => (listed, "allocated", Some("agent-no-filesystems".to_owned()), all),
        },
        (Sort::Qemu, true, None) => (listed, "allocated", status, Vec::new()),
        (Sort::Qemu, false, _) => (listed, "allocated", None, Vec::new()),
    }
}

/// PVE separates tags by `;`; older ones used `,` and blanks (contract 8.1 number 32).
pub fn tags(text: &str) -> Vec<String> {
    let split = text.split([';', ',', ' ', '\t', '\n']);
    split.filter(|t| !t.is_empty()).map(str::to_owned).collect()
}

/// Addresses for people: no loopback, no link-local, without prefix length, IPv4 first, each once, at most 16.
pub fn addresses(interfaces: &[Interface]) -> Vec<String> {
    let mut out = Vec::new();
    // Container hosts have hundreds of interfaces; the first ones are the machine's own.
    for interface in interfaces.iter().filter(|i| !i.name.eq_ignore_ascii_case("lo")).take(64) {
        let listed = interface.addresses.iter().take(16).map(|a| a.address.as_str());
        for text in listed.chain([interface.inet.as_str(), interface.inet6.as_str()]) {
            let bare = text.split(['/', '%']).next().unwrap_or_default();
            let Ok(ip) = bare.parse::<std::net::IpAddr>() else { continue };
            let local = match ip {
                std::net::IpAddr::V4(v4) => v4.is_link_local(),
                std::net::IpAddr::V6(v6) => v6.is_unicast_link_local(),
            };
            if !ip.is_loopback() && !ip.is_unspecified() && !local && !out.contains(&ip) {
                out.push(ip);
            }
        }
    }
    crate::order::sort_by_key(&mut out, std::net::IpAddr::is_ipv6);
    out.iter().take(16).map(ToString::to_string).collect()
}

/// `Debian GNU/Linux 12 (bookworm)`, as the agent says.
pub fn os_of_vm(answer: &AgentOs) -> Option<String> {
    let os = &answer.result;
    if !os.pretty_name.is_empty() {
        return Some(os.pretty_name.clone());
    }
    let text = format!("{} {}", os.name, os.version);
    (!text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// `debian`, from the container's configuration.
pub fn os_of_container(config: &ContainerConfig) -> Option<String> {
    Some(config.ostype.clone()).filter(|o| !o.is_empty() && o != "unmanaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxmox::List;

    fn source() -> Source<'static> {
        Source { instance: "lab", host: "https://h:8006", cluster: None, now: Time::from_unix(1_700_000_000) }
    }

    fn recorded() -> Vec<Seen> {
        #[derive(serde::Deserialize)]
        struct Answer {
            data: List<Resource>,
        }
        let text = include_str!("../../../tests/data/pve8/resources.json");
        let all = serde_json::from_str::<Answer>(text).unwrap().data.0;
        all.iter().filter_map(Seen::from_resource).collect()
    }

    fn running(sort: Sort) -> Seen {
        let item: GuestItem = serde_json::from_str(
            r#"{"vmid":101,"name":"web","status":"running","cpu":0.5,"cpus":1.5,"mem":1000,"maxmem":4000,"disk":10,
                "maxdisk":100,"netin":1,"uptime":60,"tags":"a;b, c","lock":"backup"}"#,
        )
        .unwrap();
        Seen::from_item(sort, "alpha", item).unwrap()
    }

    #[test]
    fn the_recorded_cluster_list_gives_its_guests() {
        let all = recorded();
        let first = guest(&source(), &all[0], &Detail::default(), [1, 2, 3, 4]);
        assert_eq!((first.id.as_str(), first.vmid, first.name.as_str()), ("lab-node2-100", 100, "server1"));
        assert_eq!((first.cpus, first.memory.total, first.memory.used), (1, 1_073_741_824, 842_551_296));
        assert_eq!((first.disk.total, first.disk.used, first.uptime), (34_359_738_368, 0, 874_350));
        assert_eq!((first.network_in, first.disk_write), (1, 4));
        assert_eq!(first.memory_source.as_deref(), Some("resources"));
        assert_eq!(all[0].counters, Some([2_456_116_121, 545_248_946, 4_510_777_856, 6_059_209_728]));
        assert_eq!(all.iter().filter(|g| g.template == Some(true)).map(|g| g.vmid).collect::<Vec<_>>(), [101]);
        assert_eq!(guest(&source(), &all[2], &Detail::default(), [0; 4]).tags, ["go-proxmox+cloud-init"]);
    }

    #[test]
    fn what_does_not_run_has_no_live_figures() {
        for status in ["stopped", "paused", "unknown", ""] {
            let seen = Seen { status: status.to_owned(), ..running(Sort::Qemu) };
            let g = guest(&source(), &seen, &Detail::default(), [9; 4]);
            assert_eq!((g.cpu, g.memory.used, g.network_in, g.disk_read, g.uptime), (0.0, 0, 0, 0, 0), "{status}");
            assert_eq!((g.memory.total, g.memory_source), (4000, None));
        }
    }

    #[test]
    fn containers_take_their_figures_from_the_list() {
        let g = guest(&source(), &running(Sort::Lxc), &Detail::default(), [0; 4]);
        assert_eq!((g.cpus, g.memory.used, g.disk.used, g.disk_source.as_deref()), (1, 1000, 10, Some("lxc")));
        assert_eq!((g.tags, g.lock.as_str(), g.r#type.as_str()), (tags("a b c"), "backup", "lxc"));
    }

    #[test]
    fn a_vm_without_agent_says_why_its_disk_is_not_known() {
        let detail = Detail { disk_status: Some("agent-disabled"), ..Detail::default() };
        let g = guest(&source(), &running(Sort::Qemu), &detail, [0; 4]);
        assert_eq!((g.disk_source.as_deref(), g.disk_status.as_deref()), (Some("allocated"), Some("agent-disabled")));
        let fs = [AgentFilesystem {
            name: "sda1".into(),
            mountpoint: "/".into(),
            kind: "ext4".into(),
            total_bytes: Some(80),
            used_bytes: Some(20),
            disk: vec![],
        }];
        let fresh = Detail { filesystems: Some(&fs), disk_status: None, ..detail };
        let g = guest(&source(), &running(Sort::Qemu), &fresh, [0; 4]);
        assert_eq!((g.disk, g.disk_source.as_deref(), g.disk_status), (Usage::of(80, 20), Some("agent"), None));
        let old = Detail { filesystems: Some(&fs), disk_status: Some("agent-timeout"), ..detail };
        let g = guest(&source(), &running(Sort::Qemu), &old, [0; 4]);
        assert_eq!((g.disk.used, g.disk_status.as_deref()), (20, Some("agent-timeout")));
        let none = Detail { filesystems: Some(&[]), ..detail };
        let g = guest(&source(), &running(Sort::Qemu), &none, [0; 4]);
        assert_eq!(g.disk_status.as_deref(), Some("agent-no-filesystems"));
    }

    #[test]
    fn addresses_are_those_that_people_can_use() {
        let recorded = include_str!("../../../tests/data/pve8/lxc-interfaces.json");
        #[derive(serde::Deserialize)]
        struct Answer {
            data: List<Interface>,
        }
        let of_container = serde_json::from_str::<Answer>(recorded).unwrap().data.0;
        assert_eq!(addresses(&of_container), ["192.168.3.95"]);
        let agent = r#"[{"name":"eth0","ip-addresses":[{"ip-address":"fe80::1%eth0"},{"ip-address":"fd00::5"},
            {"ip-address":"10.0.0.5"},{"ip-address":"10.0.0.5"},{"ip-address":"169.254.1.1"},{"ip-address":"x"}]},
            {"name":"lo","ip-addresses":[{"ip-address":"127.0.0.1"}]}]"#;
        let list: List<Interface> = serde_json::from_str(agent).unwrap();
        assert_eq!(addresses(&list.0), ["10.0.0.5", "fd00::5"]);
    }
}

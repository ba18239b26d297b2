//! What is really so, for tests to compare with what Pulse shows.

use super::spec::Version;
use super::world::{Agent, Guest, Kind, Memory, Pbs, Pve, World};

/// The truth about everything at one second.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    pub t: i64,
    pub guests: Vec<GuestTruth>,
    pub nodes: Vec<NodeTruth>,
    pub storages: Vec<StorageTruth>,
    pub datastores: Vec<DatastoreTruth>,
}

/// The best place from which a guest's memory can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemorySource {
    /// It is not running.
    None,
    /// Proxmox's own figure is right: containers, and systems whose balloon driver leaves the cache out.
    Reported,
    /// Only the guest agent can tell the page cache from programs.
    Agent,
    /// Nobody can: Proxmox's figure includes the page cache, or is the size of the process.
    Unknowable,
}

#[derive(Debug, Clone)]
pub struct GuestTruth {
    pub host: usize,
    pub node: String,
    pub vmid: u32,
    pub name: String,
    pub kind: Kind,
    pub template: bool,
    pub running: bool,
    pub uptime: i64,
    pub cpu: f64,
    pub cores: f64,
    pub tags: String,
    pub pool: Option<String>,
    pub lock: Option<String>,
    pub ha: Option<String>,
    /// Memory that programs use: what `free` inside the guest calls used.
    pub memory_used: u64,
    /// Memory as the guest sees it; smaller than `memory_max` when it was ballooned.
    pub memory_total: u64,
    /// Configured memory.
    pub memory_max: u64,
    /// What Proxmox calls `mem`.
    pub memory_reported: u64,
    pub memory_source: MemorySource,
    /// Used and total of its own file systems, when something inside can tell.
    pub disk: Option<(u64, u64)>,
    /// Size of the root disk.
    pub disk_max: u64,
    /// Bytes a second: disk read, disk write, network in, network out.
    pub rates: [f64; 4],
    /// Cumulative counters in the same order.
    pub counters: [u64; 4],
    pub agent: Agent,
    pub addresses: Vec<String>,
    pub os: &'static str,
    pub snapshots: usize,
    /// Start of the newest good backup.
    pub last_backup: Option<i64>,
    /// When the task that made it ended, where the guest has tasks of its own.
    pub last_backup_task: Option<i64>,
    /// Whether some enabled plan covers it.
    pub covered: bool,
    /// Backup files that exist, over all storages.
    pub backups: usize,
}

#[derive(Debug, Clone)]
pub struct NodeTruth {
    pub host: usize,
    pub name: String,
    pub online: bool,
    pub cpu: f64,
    pub cores: u32,
    /// Total − available.
    pub memory_used: u64,
    pub memory_total: u64,
    /// The part of `memory_used` that is ZFS's cache.
    pub memory_arc: u64,
    pub root_used: u64,
    pub root_total: u64,
    pub uptime: i64,
    pub version: Version,
}

#[derive(Debug, Clone)]
pub struct StorageTruth {
    pub host: usize,
    pub name: String,
    /// The node that sees these figures; missing when they are the same on all.
    pub node: Option<String>,
    pub shared: bool,
    pub enabled: bool,
    pub active: bool,
    pub used: u64,
    pub total: u64,
}

#[derive(Debug, Clone)]
pub struct DatastoreTruth {
    pub host: usize,
    pub name: String,
    pub used: u64,
    pub total: u64,
    pub broken: bool,
    /// Snapshots over all namespaces.
    pub snapshots: usize,
    /// The root namespace is the empty text.
    pub namespaces: Vec<String>,
}

impl Truth {
    /// The truth about a world at second `t`.
    pub fn at(world: &World, t: i64) -> Truth {
        let mut truth = Truth { t, ..Truth::default() };
        for (host, it) in world.hosts.iter().enumerate() {
            match it {
                super::world::Host::Pve(pve) => truth.add_pve(host, pve, t),
                super::world::Host::Pbs(pbs) => truth.add_pbs(world, host, pbs, t),
            }
        }
        truth
    }
    /// One guest of a host.
    pub fn guest(&self, host: usize, vmid: u32) -> Option<&GuestTruth> {
        self.guests.iter().find(|g| g.host == host && g.vmid == vmid)
    }
    pub fn node(&self, host: usize, name: &str) -> Option<&NodeTruth> {
        self.nodes.iter().find(|n| n.host == host && n.name == name)
    }

    fn add_pve(&mut self, host: usize, pve: &Pve, t: i64) {
        self.guests.extend(pve.guests.iter().map(|g| guest_truth(host, pve, g, t)));
        let figures = pve.nodes_at(t);
        for ((index, node), figures) in pve.nodes.iter().enumerate().zip(figures).filter(|((_, n), _)| n.member) {
            self.nodes.push(NodeTruth {
                host,
                name: node.name.clone(),
                online: node.online,
                cpu: figures.cpu,
                cores: node.cores,
                memory_used: figures.memory_used,
                memory_total: figures.memory_total,
                memory_arc: figures.arc,
                root_used: figures.root_used,
                root_total: node.root_total,
                uptime: figures.uptime,
                version: pve.version,
            });
            for storage in pve.storages.iter().filter(|s| !s.shared && s.known_on(index)) {
                self.storages.push(storage_truth(host, storage, Some(node.name.clone()), storage.at(index, t)));
            }
        }
        for storage in pve.storages.iter().filter(|s| s.shared) {
            let seen = pve.members().filter(|(_, n)| n.online).map(|(i, _)| storage.at(i, t));
            let best = seen.max_by_key(|f| f.active).unwrap_or_default();
            self.storages.push(storage_truth(host, storage, None, best));
        }
    }

    fn add_pbs(&mut self, world: &World, host: usize, pbs: &Pbs, t: i64) {
        for store in &pbs.datastores {
            let mut namespaces = vec![String::new()];
            namespaces.extend(store.namespaces.iter().cloned());
            let count = |ns: &String| {
                let groups = world.groups(host, &store.name, ns, t).unwrap_or_default();
                groups.iter().map(|g| g.snapshots.len()).sum::<usize>()
            };
            self.datastores.push(DatastoreTruth {
                host,
                name: store.name.clone(),
                used: store.used.at(t as f64) as u64,
                total: store.total,
                broken: store.broken.is_some(),
                snapshots: namespaces.iter().map(count).sum(),
                namespaces,
            });
        }
    }
}

fn storage_truth(
    host: usize,
    storage: &super::world::Storage,
    node: Option<String>,
    figures: super::world::StorageFigures,
) -> StorageTruth {
    StorageTruth {
        host,
        name: storage.name.clone(),
        node,
        shared: storage.shared,
        enabled: storage.enabled,
        active: figures.active,
        used: figures.used,
        total: figures.total,
    }
}

fn guest_truth(host: usize, pve: &Pve, guest: &Guest, t: i64) -> GuestTruth {
    let figures = guest.at(t);
    let plan = guest.plan.as_ref();
    let stored = plan.map_or(0, |p| guest.backups(t, &p.storage).count());
    GuestTruth {
        host,
        node: pve.nodes.get(pve.node_of(guest, t)).map(|n| n.name.clone()).unwrap_or_default(),
        vmid: guest.vmid,
        name: guest.name.clone(),
        kind: guest.kind,
        template: guest.template,
        running: figures.running,
        uptime: figures.uptime,
        cpu: figures.cpu,
        cores: guest.cores,
        tags: guest.tags.clone(),
        pool: guest.pool.clone(),
        lock: guest.lock.clone(),
        ha: guest.ha.clone(),
        memory_used: figures.memory_programs,
        memory_total: figures.memory_total,
        memory_max: guest.maxmem,
        memory_reported: figures.memory_reported,
        memory_source: memory_source(guest, figures.running),
        disk: guest.disk_at(t),
        disk_max: guest.maxdisk,
        rates: if figures.running { guest.rates.map(|r| r.at(t as f64)) } else { [0.0; 4] },
        counters: figures.counters,
        agent: guest.agent,
        addresses: vec![guest.address()],
        os: guest.os.info().2,
        snapshots: guest.snapshots.len(),
        last_backup: guest.last_backup(t).map(|run| run.start),
        last_backup_task: guest.last_backup(t).filter(|_| plan.is_some_and(|p| p.alone)).map(|run| run.end + 2),
        covered: plan.is_some_and(|p| p.until.is_none()),
        backups: stored,
    }
}

fn memory_source(guest: &Guest, running: bool) -> MemorySource {
    match (running, guest.kind, guest.agent, guest.memory) {
        (false, ..) => MemorySource::None,
        (_, Kind::Lxc, ..) => MemorySource::Reported,
        (_, _, Agent::On, _) if guest.os.is_linux() => MemorySource::Agent,
        (_, _, _, Memory::HostOnly) => MemorySource::Unknowable,
        _ if guest.cached == 0.0 => MemorySource::Reported,
        _ => MemorySource::Unknowable,
    }
}

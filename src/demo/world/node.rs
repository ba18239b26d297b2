//! A node of a cluster: its hardware, and what it uses at a given second (mostly the sum of its guests).

use super::{GIB, Guest, Pve};
use crate::demo::noise::{Wave, between, hash};
use crate::demo::spec::Version;

#[derive(Debug, Clone)]
pub struct Node {
    pub seed: u64,
    pub name: String,
    /// Off once it left the cluster.
    pub member: bool,
    pub online: bool,
    pub booted: i64,
    pub cores: u32,
    pub sockets: u32,
    pub cpu_model: &'static str,
    pub cpu_mhz: &'static str,
    pub maxmem: u64,
    pub swap: u64,
    pub root_total: u64,
    pub root_used: Wave,
    pub arc: Wave,
    pub cached: f64,
    pub rates: [Wave; 2],
    pub disks: Vec<Disk>,
    /// The health of the pool `tank`, where there is one: `ONLINE`, `DEGRADED`.
    pub zfs: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub struct Disk {
    pub path: String,
    pub kind: &'static str,
    pub model: &'static str,
    pub serial: String,
    pub size: u64,
    pub used: &'static str,
    pub health: &'static str,
    /// Percent of its life that is left; rotating disks have none.
    pub wearout: Option<u32>,
}

/// What a node uses at one second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NodeFigures {
    pub uptime: i64,
    /// Part of its cores, `0.0..1.0`.
    pub cpu: f64,
    pub iowait: f64,
    pub load: [f64; 3],
    pub memory_total: u64,
    /// Without page cache, with the ZFS ARC: total − available.
    pub memory_used: u64,
    pub memory_free: u64,
    pub memory_available: u64,
    pub arc: u64,
    pub swap_used: u64,
    pub root_used: u64,
    /// Cumulative network bytes, in and out.
    pub network: [u64; 2],
}

impl Pve {
    /// What a node uses at second `t`.
    pub fn node_at(&self, node: usize, t: i64) -> Option<NodeFigures> {
        let it = self.nodes.get(node)?;
        Some(it.at(self.guests_on(node, t), t))
    }
    /// The same for all nodes, in one pass over the guests.
    pub fn nodes_at(&self, t: i64) -> Vec<NodeFigures> {
        let mut guests: Vec<Vec<&Guest>> = vec![Vec::new(); self.nodes.len()];
        for guest in &self.guests {
            if let Some(list) = guests.get_mut(self.node_of(guest, t)) {
                list.push(guest);
            }
        }
        self.nodes.iter().zip(guests).map(|(node, guests)| node.at(guests.into_iter(), t)).collect()
    }
}

impl Node {
    /// What it uses at second `t` while it carries these guests.
    pub fn at<'a>(&self, guests: impl Iterator<Item = &'a Guest>, t: i64) -> NodeFigures {
        let (mut cpu, mut memory) = (0.0, 2 * GIB);
        for figures in guests.map(|g| (g.cores, g.load_at(t))).filter(|(_, f)| f.running) {
            cpu += figures.0 * figures.1.cpu;
            memory += figures.1.memory_host;
        }
        let at = t as f64;
        let jitter = between(hash(self.seed, t.div_euclid(10).unsigned_abs(), 3), 0.0, 0.015);
        let cpu = (cpu / f64::from(self.cores.max(1)) + 0.008 + jitter).min(1.0);
        let arc = self.arc.at(at) as u64;
        let used = (memory + arc).min(self.maxmem / 100 * 97);
        let available = self.maxmem - used;
        let load = cpu * f64::from(self.cores);
        NodeFigures {
            uptime: (t - self.booted).max(0),
            cpu,
            iowait: cpu * 0.06,
            load: [load * 1.1, load, load * 0.95],
            memory_total: self.maxmem,
            memory_used: used,
            memory_free: (available as f64 * (1.0 - self.cached)) as u64,
            memory_available: available,
            arc,
            swap_used: self.swap / 40,
            root_used: (self.root_used.at(at) as u64).min(self.root_total),
            network: self.rates.map(|rate| rate.over(self.booted as f64, at).max(0.0) as u64),
        }
    }
    /// The kernel that its version runs.
    pub fn kernel(version: Version) -> &'static str {
        match version {
            Version::Pve7 => "5.15.158-2-pve",
            Version::Pve8 => "6.8.12-10-pve",
            Version::Pve9 => "6.14.11-1-pve",
        }
    }
}

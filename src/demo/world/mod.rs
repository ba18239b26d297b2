//! The simulated installation as plain, immutable values: everything that the answers are computed from.
//! Figures are functions of (seed, id, time); nothing here talks HTTP, reads a clock or keeps a counter.
//! A change makes a new world (`change`), it never edits the one that requests are reading.

mod backup;
mod build;
mod change;
mod guest;
mod names;
mod node;
mod pbs;
mod storage;

pub use backup::{Plan, Run, Snapshot};
pub use change::Change;
pub use guest::{Agent, Figures, Filesystem, Guest, Kind, Memory, Os, Span};
pub use node::{Disk, Node, NodeFigures};
pub use pbs::{Datastore, Group, Pbs, PbsSnapshot};
pub use storage::{BackupFile, Storage, StorageFigures, StorageKind, file_format};

use super::spec::{Spec, Version};
use std::collections::BTreeSet;

/// Pools of every cluster, with their comment.
pub fn pools() -> &'static [(&'static str, &'static str)] {
    &names::POOLS
}

pub const GIB: u64 = 1 << 30;
pub const MIB: u64 = 1 << 20;
pub const DAY: i64 = 86_400;

/// Everything there is, at one moment of its history.
#[derive(Debug, Clone)]
pub struct World {
    pub seed: u64,
    /// When the simulation began, seconds since 1970: guests and plans are dated relative to it.
    pub born: i64,
    pub hosts: Vec<Host>,
}

/// One connection that Pulse would have.
#[derive(Debug, Clone)]
pub enum Host {
    Pve(Pve),
    Pbs(Pbs),
}

/// A Proxmox VE cluster, or a host of its own.
#[derive(Debug, Clone)]
pub struct Pve {
    pub seed: u64,
    pub name: String,
    pub version: Version,
    pub cluster: bool,
    pub ceph: bool,
    pub privileges: BTreeSet<String>,
    /// Never shrinks: a node that left keeps its place, with `member` off.
    pub nodes: Vec<Node>,
    /// Ordered by vmid.
    pub guests: Vec<Guest>,
    pub storages: Vec<Storage>,
    pub jobs: Vec<BackupJob>,
    /// Every so many seconds each guest moves to the next node.
    pub restless_secs: Option<i64>,
    /// Seconds that this host's clock is ahead of the simulation.
    pub skew_secs: i64,
    pub address_of_node: Vec<String>,
}

/// An entry of `/etc/pve/jobs.cfg`.
#[derive(Debug, Clone)]
pub struct BackupJob {
    pub id: String,
    pub storage: String,
    pub schedule: &'static str,
    pub enabled: bool,
    /// Takes every guest instead of those listed.
    pub all: bool,
    pub vmids: Vec<u32>,
}

impl World {
    /// Builds the world of a spec; `born` is its first second.
    pub fn build(spec: &Spec, born: i64) -> World {
        build::world(spec, born)
    }
    pub fn pve(&self, host: usize) -> Option<&Pve> {
        match self.hosts.get(host) {
            Some(Host::Pve(pve)) => Some(pve),
            _ => None,
        }
    }
    pub fn pbs(&self, host: usize) -> Option<&Pbs> {
        match self.hosts.get(host) {
            Some(Host::Pbs(pbs)) => Some(pbs),
            _ => None,
        }
    }
    /// All clusters and hosts with Proxmox VE, with their index.
    pub fn all_pve(&self) -> impl Iterator<Item = (usize, &Pve)> {
        (0..self.hosts.len()).filter_map(|i| self.pve(i).map(|pve| (i, pve)))
    }
}

impl Host {
    pub fn privileges(&self) -> &BTreeSet<String> {
        match self {
            Host::Pve(pve) => &pve.privileges,
            Host::Pbs(pbs) => &pbs.privileges,
        }
    }
    pub fn skew_secs(&self) -> i64 {
        match self {
            Host::Pve(pve) => pve.skew_secs,
            Host::Pbs(pbs) => pbs.skew_secs,
        }
    }
    /// How many addresses it listens on.
    pub fn endpoints(&self) -> usize {
        match self {
            Host::Pve(pve) => pve.nodes.len(),
            Host::Pbs(_) => 1,
        }
    }
    /// The name of the machine behind one of its addresses.
    pub fn endpoint_name(&self, endpoint: usize) -> String {
        match self {
            Host::Pve(pve) => pve.nodes.get(endpoint).map_or_else(String::new, |n| n.name.clone()),
            Host::Pbs(pbs) => pbs.name.clone(),
        }
    }
    pub fn name(&self) -> &str {
        match self {
            Host::Pve(pve) => &pve.name,
            Host::Pbs(pbs) => &pbs.name,
        }
    }
}

impl Pve {
    /// The index of a member node by name.
    pub fn node_index(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|n| n.member && n.name == name)
    }
    /// The member nodes with their index.
    pub fn members(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, n)| n.member)
    }
    pub fn guest(&self, vmid: u32) -> Option<&Guest> {
        self.guests.binary_search_by_key(&vmid, |g| g.vmid).ok().and_then(|i| self.guests.get(i))
    }
    /// Where a guest is at second `t`: its own node, or further along when guests are restless.
    pub fn node_of(&self, guest: &Guest, t: i64) -> usize {
        let Some(period) = self.restless_secs else { return guest.node };
        let members: Vec<usize> = self.members().filter(|(_, n)| n.online).map(|(i, _)| i).collect();
        if members.is_empty() {
            return guest.node;
        }
        let turn = t.div_euclid(period.max(1)).unsigned_abs() as usize;
        members.get((guest.node + turn) % members.len()).copied().unwrap_or(guest.node)
    }
    /// The guests that are on a node at second `t`.
    pub fn guests_on(&self, node: usize, t: i64) -> impl Iterator<Item = &Guest> {
        self.guests.iter().filter(move |g| self.node_of(g, t) == node)
    }
    pub fn storage(&self, name: &str) -> Option<&Storage> {
        self.storages.iter().find(|s| s.name == name)
    }
    /// Votes present are more than half of all.
    pub fn quorate(&self) -> bool {
        let all = self.members().count();
        self.members().filter(|(_, n)| n.online).count() * 2 > all || all == 0
    }
}

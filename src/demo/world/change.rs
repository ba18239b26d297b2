//! What can happen to the simulated installation while somebody watches it.

use super::{Agent, Guest, Host, Pve, Span, World};
use crate::demo::noise::Wave;

/// One thing that happens; `host` is the index in the spec.
#[derive(Debug, Clone)]
pub enum Change {
    /// A guest moves to another node and keeps running.
    Migrate {
        host: usize,
        vmid: u32,
        node: String,
    },
    Stop {
        host: usize,
        vmid: u32,
    },
    Start {
        host: usize,
        vmid: u32,
    },
    Lock {
        host: usize,
        vmid: u32,
        lock: Option<String>,
    },
    Remove {
        host: usize,
        vmid: u32,
    },
    Tags {
        host: usize,
        vmid: u32,
        tags: String,
    },
    SetAgent {
        host: usize,
        vmid: u32,
        agent: Agent,
    },
    /// Fixes figures of a guest, each a part of its maximum (`0.0..=1.0`); `None` leaves one as it is.
    Load {
        host: usize,
        vmid: u32,
        cpu: Option<f64>,
        memory: Option<f64>,
        disk: Option<f64>,
    },
    /// A node loses power, and its guests with it; its address refuses connections.
    NodeOffline {
        host: usize,
        node: String,
    },
    /// It comes back and starts the guests that it had.
    NodeOnline {
        host: usize,
        node: String,
    },
    /// A node is taken out of the cluster, with whatever was on it.
    RemoveNode {
        host: usize,
        node: String,
    },
    /// Fixes a storage's fill level on every node, `0.0..=1.0`.
    Fill {
        host: usize,
        storage: String,
        level: f64,
    },
    /// A storage cannot be reached from a node, or can again.
    StorageInactive {
        host: usize,
        storage: String,
        node: String,
        inactive: bool,
    },
    ZfsHealth {
        host: usize,
        node: String,
        health: &'static str,
    },
    /// A datastore of a PBS is gone (`Some(error)`) or back.
    DatastoreBroken {
        host: usize,
        store: String,
        error: Option<String>,
    },
    /// Every guest moves one node on every so many seconds; `None` ends it.
    Restless {
        host: usize,
        period_secs: Option<i64>,
    },
    /// The host's clock runs this many seconds ahead.
    Skew {
        host: usize,
        secs: i64,
    },
    /// What the user and the token may do from now on.
    Privileges {
        host: usize,
        privileges: Vec<String>,
    },
}

impl World {
    /// The world after a change at second `t`; an error names what does not exist.
    pub fn after(&self, change: &Change, t: i64) -> Result<World, String> {
        let mut next = self.clone();
        next.apply(change, t)?;
        Ok(next)
    }

    fn apply(&mut self, change: &Change, t: i64) -> Result<(), String> {
        match change {
            Change::Migrate { host, vmid, node } => {
                let pve = self.pve_mut(*host)?;
                let node = pve.node_index(node).ok_or_else(|| format!("failed to migrate guest: no node {node}"))?;
                guest(pve, *vmid)?.node = node;
            }
            Change::Stop { host, vmid } => stop(guest(self.pve_mut(*host)?, *vmid)?, t),
            Change::Start { host, vmid } => start(guest(self.pve_mut(*host)?, *vmid)?, t),
            Change::Lock { host, vmid, lock } => guest(self.pve_mut(*host)?, *vmid)?.lock = lock.clone(),
            Change::Remove { host, vmid } => self.pve_mut(*host)?.guests.retain(|g| g.vmid != *vmid),
            Change::Tags { host, vmid, tags } => guest(self.pve_mut(*host)?, *vmid)?.tags = tags.clone(),
            Change::SetAgent { host, vmid, agent } => guest(self.pve_mut(*host)?, *vmid)?.agent = *agent,
            Change::Load { host, vmid, cpu, memory, disk } => {
                load(guest(self.pve_mut(*host)?, *vmid)?, *cpu, *memory, *disk);
            }
            Change::Restless { host, period_secs } => self.pve_mut(*host)?.restless_secs = *period_secs,
            _ => return self.apply_to_host(change, t),
        }
        Ok(())
    }

    fn apply_to_host(&mut self, change: &Change, t: i64) -> Result<(), String> {
        match change {
            Change::NodeOffline { host, node } => power_off(self.pve_mut(*host)?, node, t)?,
            Change::NodeOnline { host, node } => power_on(self.pve_mut(*host)?, node, t)?,
            Change::RemoveNode { host, node } => {
                let pve = self.pve_mut(*host)?;
                let index = node_index(pve, node)?;
                pve.guests.retain(|g| g.node != index);
                node_mut(pve, node)?.member = false;
            }
            Change::Fill { host, storage, level } => {
                let storage = storage_mut(self.pve_mut(*host)?, storage)?;
                storage.used = steady(storage.total as f64 * level);
            }
            Change::StorageInactive { host, storage, node, inactive } => {
                let pve = self.pve_mut(*host)?;
                let index = node_index(pve, node)?;
                let storage = storage_mut(pve, storage)?;
                storage.inactive_on.retain(|n| *n != index);
                storage.inactive_on.extend(inactive.then_some(index));
            }
            Change::ZfsHealth { host, node, health } => {
                node_mut(self.pve_mut(*host)?, node)?.zfs = Some(health);
            }
            Change::DatastoreBroken { host, store, error } => {
                let Some(Host::Pbs(pbs)) = self.hosts.get_mut(*host) else { return Err(no_host(*host)) };
                let found = pbs.datastores.iter_mut().find(|d| d.name == *store);
                found.ok_or_else(|| format!("failed to break datastore: no {store}"))?.broken = error.clone();
            }
            Change::Skew { host, secs } => match self.hosts.get_mut(*host).ok_or_else(|| no_host(*host))? {
                Host::Pve(pve) => pve.skew_secs = *secs,
                Host::Pbs(pbs) => pbs.skew_secs = *secs,
            },
            Change::Privileges { host, privileges } => {
                let set = privileges.iter().cloned().collect();
                match self.hosts.get_mut(*host).ok_or_else(|| no_host(*host))? {
                    Host::Pve(pve) => pve.privileges = set,
                    Host::Pbs(pbs) => pbs.privileges = set,
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn pve_mut(&mut self, host: usize) -> Result<&mut Pve, String> {
        match self.hosts.get_mut(host) {
            Some(Host::Pve(pve)) => Ok(pve),
            _ => Err(no_host(host)),
        }
    }
}

fn no_host(host: usize) -> String {
    format!("failed to change the world: host {host} is not of that kind")
}

fn guest(pve: &mut Pve, vmid: u32) -> Result<&mut Guest, String> {
    let found = pve.guests.iter_mut().find(|g| g.vmid == vmid);
    found.ok_or_else(|| format!("failed to change guest: no {vmid}"))
}

fn node_index(pve: &Pve, node: &str) -> Result<usize, String> {
    pve.node_index(node).ok_or_else(|| format!("failed to change node: no {node}"))
}

fn node_mut<'a>(pve: &'a mut Pve, node: &str) -> Result<&'a mut super::Node, String> {
    let index = node_index(pve, node)?;
    pve.nodes.get_mut(index).ok_or_else(|| format!("failed to change node: no {node}"))
}

fn storage_mut<'a>(pve: &'a mut Pve, storage: &str) -> Result<&'a mut super::Storage, String> {
    let found = pve.storages.iter_mut().find(|s| s.name == storage);
    found.ok_or_else(|| format!("failed to change storage: no {storage}"))
}

fn stop(guest: &mut Guest, t: i64) {
    if let Some(run) = guest.runs.last_mut().filter(|r| r.to.is_none()) {
        run.to = Some(t);
    }
}

fn start(guest: &mut Guest, t: i64) {
    if guest.runs.last().is_none_or(|r| r.to.is_some()) {
        guest.runs.push(Span { from: t, to: None });
    }
}

fn steady(mean: f64) -> Wave {
    Wave { mean, swing: 0.0, phase: 0.0 }
}

fn load(guest: &mut Guest, cpu: Option<f64>, memory: Option<f64>, disk: Option<f64>) {
    if let Some(part) = cpu {
        guest.cpu = steady(part);
    }
    if let Some(part) = memory {
        guest.programs = steady(guest.at(guest.runs.last().map_or(0, |r| r.from)).memory_total as f64 * part);
    }
    if let Some((part, root)) = disk.zip(guest.filesystems.first_mut()) {
        root.used = steady(root.total as f64 * part);
    }
}

fn power_off(pve: &mut Pve, name: &str, t: i64) -> Result<(), String> {
    let index = node_index(pve, name)?;
    let lost: Vec<u32> = pve.guests_on(index, t).map(|g| g.vmid).collect();
    let node = node_mut(pve, name)?;
    node.online = false;
    node.booted = t;
    pve.guests.iter_mut().filter(|g| lost.contains(&g.vmid)).for_each(|g| stop(g, t));
    Ok(())
}

fn power_on(pve: &mut Pve, name: &str, t: i64) -> Result<(), String> {
    let index = node_index(pve, name)?;
    let node = node_mut(pve, name)?;
    let off_since = node.booted;
    node.online = true;
    node.booted = t;
    let had = |g: &&mut Guest| g.node == index && g.runs.last().is_some_and(|r| r.to == Some(off_since));
    pve.guests.iter_mut().filter(had).for_each(|g| start(g, t));
    Ok(())
}

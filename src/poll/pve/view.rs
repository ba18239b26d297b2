//! What is shown: the complete view of the connection from everything that is remembered, and the slow topics that
//! follow from it.

use super::ask::Topic;
use super::nodes::Kept;
use super::{Changed, PvePoll};
use crate::model::{Cluster, Coverage, Guest, GuestSnapshot, Now, Storage, StorageBackup};
use crate::order::Set;
use crate::poll::derive::guest::Sort;
use crate::poll::derive::storage::OfNode;
use crate::poll::derive::{Source, disks, guest, node, storage};
use crate::poll::hold::held;
use crate::poll::report::{Kind, Live, Report, Slow};
use std::collections::HashSet;
use std::time::Duration;

/// Storage figures older than this carry their time.
const OLD_MS: u64 = 150_000;

impl PvePoll {
    pub(super) fn report(&mut self, now: Now, took: Duration) -> Report {
        let live = self.live(now);
        let mut statistics = self.ledger.statistics(now, self.over_budget);
        statistics.endpoints = self.link.states();
        statistics.past = self.past.progress();
        self.expire(now.mono_ms);
        let slow = self.slow_lists(now);
        Report {
            instance: self.target.instance.clone(),
            kind: Kind::Pve,
            at: now,
            took,
            reachable: !self.reach.is_failing(),
            offline: self.reach.is_offline(),
            failure: self.reach.failure().cloned(),
            live,
            slow,
            statistics,
            past: self.past.tell(),
            endpoints: std::mem::take(&mut self.changed.endpoints).then(|| self.endpoints.clone()),
        }
    }

    fn source<'a>(&'a self, now: Now) -> Source<'a> {
        Source {
            instance: &self.target.instance,
            host: &self.target.access.base_url,
            cluster: match (&self.cluster, self.clustered) {
                (Some(c), _) => Some(&c.name),
                (None, Some(true)) => Some("Unknown Cluster"),
                _ => None,
            },
            now: now.wall,
        }
    }

    /// Nodes, guests, storages as of now; while the connection fails, as they were, and once it is offline, as such.
    fn live(&mut self, now: Now) -> Live {
        if self.reach.is_refused() {
            let message = self.reach.failure().map_or("", |f| &f.message);
            let failed = node::refused(&self.source(now), message);
            return Live { nodes: vec![failed], ..Live::default() };
        }
        let Some(there) = self.last_there else { return Live::default() };
        let live = self.view(Now { wall: there, ..now }, now);
        if self.reach.is_offline() { self.gone(live) } else { live }
    }

    /// Everything as it was seen at `seen`.
    fn view(&mut self, seen: Now, now: Now) -> Live {
        let mut kept = std::mem::take(&mut self.nodes);
        let nodes = kept.values_mut().map(|k| k.document(&self.source(seen), now)).collect();
        self.nodes = kept;
        let guests = self.guests_now(now);
        let (vms, containers) = guests.into_iter().partition(|g: &Guest| g.r#type == "qemu");
        Live {
            nodes,
            vms,
            containers,
            storage: if self.target.monitor.storage { self.storages(now.mono_ms) } else { Vec::new() },
            pbs: None,
            cluster: self
                .cluster
                .clone()
                .map(|c| Cluster { ha: held(&self.ha, now.mono_ms).cloned().unwrap_or_default(), ..c }),
            said: self.said(now),
            version: self.version.clone(),
        }
    }

    /// Nothing answers any more: identities and totals stay, everything that lives is zero or unknown.
    fn gone(&self, mut live: Live) -> Live {
        let message = self.reach.failure().map_or("", |f| &f.message);
        for n in &mut live.nodes {
            *n = node::unreachable(n, message);
        }
        for g in live.vms.iter_mut().chain(&mut live.containers) {
            *g = guest::unreachable(g);
        }
        for s in &mut live.storage {
            (s.active, s.status) = (false, if s.enabled { "inactive" } else { "disabled" }.to_owned());
        }
        if let Some(c) = &mut live.cluster {
            c.quorate = false;
            c.members.iter_mut().for_each(|m| m.online = false);
        }
        live
    }

    fn guests_now(&mut self, now: Now) -> Vec<Guest> {
        let uncovered: Option<HashSet<i64>> =
            held(&self.coverage, now.mono_ms).map(|c| c.uncovered.iter().copied().collect());
        let mut out = Vec::with_capacity(self.guests.len());
        for kept in self.guests.iter() {
            let seen = &kept.seen;
            let watched = match seen.sort {
                Sort::Qemu => self.target.monitor.vms,
                Sort::Lxc => self.target.monitor.containers,
            };
            if seen.template == Some(true) || !watched {
                continue;
            }
            let rates = match seen.counters {
                _ if self.reach.is_failing() => self.rates.last(seen.vmid),
                Some(four) if seen.is_running() => self.rates.sample(seen.vmid, four, seen.uptime, now.mono_ms),
                _ => {
                    self.rates.stopped(seen.vmid);
                    [0; 4]
                }
            };
            let covered = uncovered.as_ref().map(|u| !u.contains(&seen.vmid));
            let source = Source { now: kept.listed, ..self.source(now) };
            out.push(guest::guest(&source, seen, &kept.detail(now.mono_ms, covered), rates));
        }
        out
    }

    /// All storages; those of nodes that are not online come from what they last said.
    pub(super) fn storages(&self, mono_ms: u64) -> Vec<Storage> {
        let source = Source {
            instance: &self.target.instance,
            host: &self.target.access.base_url,
            cluster: None,
            now: crate::model::Time::UNSET,
        };
        let lists: Vec<OfNode> = self.nodes.values().filter_map(|kept| of_node(kept, mono_ms)).collect();
        storage::all(&source, held(&self.definitions, mono_ms).map(Vec::as_slice), &lists)
    }

    /// Storages that hold backups.
    pub(super) fn backup_storages(&self, mono_ms: u64) -> Vec<Topic> {
        self.storages_with("backup", mono_ms).into_iter().map(|(node, storage)| Topic::Content(node, storage)).collect()
    }

    /// Where the memory of snapshots may lie, if there is any.
    fn state_storages(&self, mono_ms: u64) -> Vec<Topic> {
        if !self.guests.iter().any(|g| g.keeps_memory(mono_ms)) {
            return Vec::new();
        }
        self.storages_with("images", mono_ms).into_iter().map(|(node, storage)| Topic::States(node, storage)).collect()
    }

    /// Node and name of the active storages for some content, each once: shared ones at the first online node where
    /// they are active.
    fn storages_with(&self, content: &str, mono_ms: u64) -> Set<(String, String)> {
        let mut out: Set<(String, String)> = Set::new();
        for s in self.storages(mono_ms) {
            if !s.active || !s.content.split(',').any(|c| c == content) {
                continue;
            }
            let online = |n: &str| self.nodes.get(n).is_some_and(|k| k.seen.is_online());
            let active_at = |n: &String| {
                let items = self.nodes.get(n).and_then(|k| held(&k.storage, mono_ms));
                items.is_some_and(|all| all.iter().any(|i| i.storage == s.name && i.active == Some(true)))
            };
            let node = if s.shared { s.nodes.iter().find(|n| online(n) && active_at(n)) } else { Some(&s.node) };
            if let Some(node) = node {
                out.insert((node.clone(), s.name.clone()));
            }
        }
        out
    }

    /// What is asked beside the cycle, in the order of its worth.
    pub(super) fn slow(&self, mono_ms: u64) -> Vec<Topic> {
        let online: Vec<&String> = self.nodes.iter().filter(|(_, k)| k.seen.is_online()).map(|(n, _)| n).collect();
        let each = |topic: fn(String) -> Topic| online.iter().map(move |n| topic((*n).clone()));
        let mut all = vec![Topic::Version];
        let clustered = self.clustered == Some(true);
        if self.target.monitor.backups {
            all.extend(each(Topic::Tasks));
            all.extend(self.backup_storages(mono_ms));
            all.extend(self.state_storages(mono_ms));
        }
        if clustered {
            all.extend([Topic::Ha, Topic::Nodes, Topic::ReplicationJobs]);
            if self.replicating {
                all.extend(each(Topic::Replication));
            }
        }
        all.extend([Topic::NotBackedUp, Topic::Ceph]);
        all.extend(each(Topic::Zfs));
        all.extend(each(Topic::Services));
        all.extend(each(Topic::Disks));
        for (name, kept) in self.nodes.iter().filter(|(_, k)| k.seen.is_online()) {
            let listed = held(&kept.disks, mono_ms).map_or(&[][..], Vec::as_slice);
            let awake = listed.iter().filter(|d| disks::never_sleeps(d));
            all.extend(awake.map(|d| Topic::Smart(name.clone(), d.devpath.clone())));
        }
        all.extend(each(Topic::Subscription));
        all.extend(each(Topic::Certificates));
        all.extend(each(Topic::Updates));
        all
    }

    fn slow_lists(&mut self, now: Now) -> Slow {
        let changed = Changed { endpoints: self.changed.endpoints, ..std::mem::take(&mut self.changed) };
        self.changed.endpoints = changed.endpoints;
        let (ms, instance) = (now.mono_ms, self.target.instance.as_str());
        let nodes = || self.nodes.values();
        Slow {
            backup_tasks: changed.tasks.then(|| nodes().flat_map(|n| n.tasks().cloned()).collect()),
            storage_backups: changed.files.then(|| self.all_files(ms)),
            guest_snapshots: changed.snapshots.then(|| self.all_snapshots(ms)),
            pbs_backups: None,
            backups_aged: !self.aged_files.is_empty(),
            replication: changed
                .replication
                .then(|| nodes().filter_map(|n| held(&n.replication, ms)).flatten().cloned().collect()),
            ceph: changed.ceph.then(|| held(&self.ceph, ms).cloned().flatten()),
            zfs_pools: changed.zfs.then(|| nodes().filter_map(|n| held(&n.zfs, ms)).flatten().cloned().collect()),
            physical_disks: changed.disks.then(|| nodes().flat_map(|n| n.disks(instance, ms)).collect()),
            coverage: (changed.coverage || changed.files || changed.snapshots).then(|| self.coverage_now(ms)),
        }
    }

    fn all_snapshots(&self, mono_ms: u64) -> Vec<GuestSnapshot> {
        let sizes = || self.states.values().filter_map(|h| h.get(mono_ms));
        let mut all: Vec<GuestSnapshot> =
            self.guests.iter().flat_map(|g| g.snapshots(&self.target.instance, mono_ms)).collect();
        for snapshot in all.iter_mut().filter(|s| s.vmstate) {
            let key = (snapshot.vmid, snapshot.name.clone());
            snapshot.size = sizes().find_map(|of| of.get(&key)).copied();
        }
        all
    }

    /// Guests without a job, and backups without a guest.
    fn coverage_now(&self, mono_ms: u64) -> Option<Coverage> {
        let mut made = held(&self.coverage, mono_ms)?.clone();
        let backed_up = self.files.values().filter_map(|h| h.get(mono_ms)).flatten().map(|f| f.vmid);
        let orphans: Set<i64> = backed_up.filter(|vmid| *vmid > 0 && !self.guests.has(*vmid)).collect();
        made.orphans = orphans.into_iter().collect();
        Some(made)
    }

    /// Backup files of all storages, each volume once.
    fn all_files(&self, mono_ms: u64) -> Vec<StorageBackup> {
        let mut seen = HashSet::new();
        let all = self.files.values().filter_map(|h| h.get(mono_ms)).flatten();
        // The id is made of the volume alone: a folder that several nodes see without being marked as shared shows once.
        all.filter(|f| seen.insert(f.volid.as_str())).cloned().collect()
    }
}

/// What a node last said about its storages.
fn of_node(kept: &Kept, mono_ms: u64) -> Option<OfNode<'_>> {
    let items = held(&kept.storage, mono_ms)?;
    let asked_at = kept.storage.as_ref().filter(|h| h.age_ms(mono_ms) > OLD_MS).map(|h| h.at);
    Some(OfNode { node: &kept.seen.name, items, asked_at, online: kept.seen.is_online() })
}

//! Taking answers in: where each one is remembered, what it changes, what a failure means.

use super::ask::{Ask, Got, Topic, What};
use super::guests::Guests;
use super::nodes::{self, replace};
use super::{Answer, NO_FILES_MS, PvePoll, STANDALONE_RECHECK};
use crate::model::Now;
use crate::poll::derive::guest::{self as guest, Seen as GuestSeen};
use crate::poll::derive::node::Seen as NodeSeen;
use crate::poll::derive::{backup, cluster};
use crate::poll::hold::Held;
use crate::poll::report::{Endpoint, Version};
use crate::proxmox::pve::{ClusterItem, ContentItem, NodeItem};
use crate::proxmox::{Error, Fingerprint};
use std::time::Duration;

/// Nodes of a cluster and storages of a node that are looked at; PVE itself ends far below.
const NODES_MAX: usize = 256;
const STORAGES_MAX: usize = 512;

impl PvePoll {
    /// Nodes of the newest list; those it does not show are gone.
    pub(super) fn take_nodes(&mut self, seen: Vec<NodeSeen>) {
        let before = self.nodes.len();
        self.nodes.retain(|name, _| seen.iter().any(|s| s.name == *name));
        if self.nodes.len() != before {
            // Its tasks, disks and the rest went with it.
            let c = &mut self.changed;
            (c.tasks, c.files, c.replication, c.zfs, c.disks) = (true, true, true, true, true);
        }
        for node in seen.into_iter().take(NODES_MAX) {
            let kept = self.nodes.entry(node.name.clone()).or_default();
            kept.seen = node;
        }
    }

    /// Guests of a list that shows all for which `complete` is true.
    pub(super) fn take_guests(&mut self, list: Vec<GuestSeen>, complete: impl Fn(&GuestSeen) -> bool, now: Now) {
        let changed = Guests::take(&mut self.guests, list, complete, now);
        self.changed.snapshots |= changed;
    }

    /// Takes one answer in, good or bad.
    pub(super) fn take(&mut self, ask: Ask, answer: Answer, now: Now) {
        match answer {
            Ok(got) => {
                self.ledger.answered(now, &ask.topic.subject());
                if !matches!(ask.topic, Topic::Guest(..)) {
                    let period = self.period_of(&ask.topic, &got);
                    self.cadence.answered(ask.topic.clone(), period, now.mono_ms);
                }
                self.keep(&ask, got, now);
            }
            Err(error) => {
                if !matches!(ask.topic, Topic::Guest(..)) {
                    self.cadence.failed(ask.topic.clone(), ask.topic.period(), &error, now.mono_ms);
                }
                self.note_failure(&ask.topic, &error, now);
            }
        }
    }

    /// Hosts of their own are asked about clusters rarely, and about what only clusters have hardly ever.
    fn period_of(&self, topic: &Topic, got: &Got) -> Duration {
        match (topic, got) {
            (Topic::ClusterStatus, Got::ClusterStatus(items)) if cluster::cluster("", items).is_none() => {
                STANDALONE_RECHECK
            }
            (Topic::NotBackedUp, _) if self.clustered != Some(true) => STANDALONE_RECHECK,
            // Few have HA; who has none is asked less.
            (Topic::Ha, Got::Ha(items)) if cluster::ha(items).is_empty() => Duration::from_secs(600),
            // A PBS has to list its datastore for each look that PVE takes.
            (Topic::Content(_, storage), _) if self.plugin_of(storage) == "pbs" => Duration::from_secs(900),
            (Topic::NodeStatus(_), _) if self.nodes.len() == 1 => Duration::from_secs(20),
            _ => topic.period(),
        }
    }

    /// A failure: its consequence, and a line in the record.
    pub(super) fn note_failure(&mut self, topic: &Topic, error: &Error, now: Now) {
        let nine = self.is_nine();
        let privilege = topic.privilege(nine);
        if let Topic::Guest(_, vmid, what) = topic {
            if let Some(kept) = self.guests.get_mut(*vmid) {
                kept.failed(*what, error, privilege, now);
            }
            if *what == What::Meminfo && matches!(error, Error::Status(401 | 403, _)) {
                // A convenience, not something a monitor must have: not counted as missing.
                self.no_files_until_ms = now.mono_ms + NO_FILES_MS;
                return;
            }
            // A guest agent that is not there is the guest's own affair; `diskStatus` tells.
            if what.is_agent() && !matches!(error, Error::Status(401 | 403, _)) {
                return;
            }
        }
        if matches!(error, Error::Status(403, _)) {
            self.ledger.refused(&topic.subject(), topic.node(), privilege);
        }
        // The recommended role does not have what pending updates need: a gap worth telling, not an error.
        if matches!((topic, error), (Topic::Updates(_), Error::Status(403, _))) {
            return;
        }
        // No Ceph here, or no such question on an old PVE: normal. A Ceph that was there does not vanish by an error.
        if *topic == Topic::Ceph && (tells_of_no_ceph(error) || !self.has_ceph()) && error.status().is_some() {
            self.changed.ceph |= replace(&mut self.ceph, None, now);
            self.cadence.answered(Topic::Ceph, STANDALONE_RECHECK, now.mono_ms);
            return;
        }
        if matches!(error, Error::Status(501, _)) {
            return;
        }
        self.ledger.error(now, &topic.subject(), &error.to_string());
    }

    fn has_ceph(&self) -> bool {
        self.ceph.as_ref().is_some_and(|h| h.any().is_some())
    }

    /// PVE 9 or later, as far as known: from `/version`, or from a node's `pve-manager/9.0.6/…`.
    fn is_nine(&self) -> bool {
        let of_node = || self.nodes.values().flat_map(|n| &n.status).find_map(|s| s.any().pveversion.split('/').nth(1));
        let version = self.version.as_ref().map(|v| v.release.as_str()).or_else(of_node).unwrap_or_default();
        version.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 9)
    }

    fn keep(&mut self, ask: &Ask, got: Got, now: Now) {
        let instance = self.target.instance.clone();
        match (&ask.topic, got) {
            (Topic::ClusterStatus, Got::ClusterStatus(items)) => self.keep_cluster(items),
            (Topic::Nodes, Got::Nodes(items)) => self.keep_fingerprints(&items),
            (Topic::StorageDefinitions, Got::StorageDefinitions(mut all)) => {
                all.truncate(STORAGES_MAX);
                self.definitions = Some(Held::new(all, now));
            }
            (Topic::Version, Got::Version(v)) => {
                self.version = Some(Version { version: v.version, release: v.release, repoid: v.repoid });
            }
            (Topic::Ha, Got::Ha(items)) => self.ha = Some(Held::new(cluster::ha(&items), now)),
            (Topic::ReplicationJobs, Got::Replication(jobs)) => self.keep_replication_jobs(jobs.is_empty(), now),
            (Topic::NotBackedUp, Got::NotBackedUp(items)) => {
                let coverage = cluster::coverage(&instance, &items);
                self.uncovered = Some(Held::new(items, now));
                self.changed.coverage |= replace(&mut self.coverage, coverage, now);
            }
            (Topic::Ceph, Got::Ceph(status)) => {
                let ceph = cluster::ceph(&instance, &status);
                self.changed.ceph |= replace(&mut self.ceph, ceph, now);
            }
            (Topic::Content(node, storage), Got::Content(items)) => self.keep_files(node, storage, &items, now),
            (Topic::States(node, storage), Got::Content(items)) => {
                let sizes = items.iter().filter_map(backup::state_volume).collect();
                let key = (node.clone(), storage.clone());
                self.changed.snapshots |= self.states.get(&key).map(Held::any) != Some(&sizes);
                self.states.insert(key, Held::new(sizes, now));
            }
            (Topic::Guest(_, vmid, what), got) => self.keep_guest(*vmid, *what, got, now),
            (topic, got) => self.keep_node(topic, got, ask.since, now),
        }
    }

    fn keep_node(&mut self, topic: &Topic, got: Got, since: i64, now: Now) {
        let instance = self.target.instance.clone();
        let Some(kept) = self.nodes.get_mut(topic.node()) else { return };
        let changed = &mut self.changed;
        match (topic, got) {
            (Topic::NodeStatus(_), Got::NodeStatus(status)) => kept.status = Some(Held::new(*status, now)),
            (Topic::NodeStorage(_), Got::NodeStorage(mut all)) => {
                all.truncate(STORAGES_MAX);
                kept.storage = Some(Held::new(all, now));
            }
            (Topic::Replication(_), Got::Replication(all)) => {
                changed.replication |= kept.took_replication(&instance, &all, now);
                kept.replication_said = Some(Held::new(all, now));
            }
            (Topic::Zfs(_), Got::Zfs(all)) => changed.zfs |= kept.took_zfs(&instance, &all, now),
            (Topic::Disks(_), Got::Disks(all)) => changed.disks |= kept.took_disks(all, now),
            (Topic::Smart(_, device), Got::Smart(report)) => {
                kept.smart.insert(device.clone(), Held::new(*report, now));
                changed.disks = true;
            }
            (Topic::Services(_), Got::Services(all)) => kept.took_services(&all, now),
            (Topic::Subscription(_), Got::Subscription(s)) => kept.subscription = Some(Held::new(s, now)),
            (Topic::Updates(_), Got::Updates(n)) => {
                kept.updates = Some(Held::new(i64::try_from(n).unwrap_or(i64::MAX), now));
            }
            (Topic::Certificates(_), Got::Certificates(all)) => kept.took_certificates(&all, now),
            (Topic::Tasks(node), Got::Tasks(all)) => {
                let (new, ended) = kept.took_tasks(&instance, &all, since);
                changed.tasks |= new;
                if ended {
                    let node = node.clone();
                    self.look_at_storages_of(&node, now);
                }
            }
            _ => {}
        }
    }

    /// A backup ended on this node: its storages and the shared ones are worth a look.
    fn look_at_storages_of(&mut self, node: &str, now: Now) {
        for topic in self.backup_storages(now.mono_ms) {
            if let Topic::Content(at, storage) = &topic
                && (at == node || self.is_shared(storage, now.mono_ms))
            {
                self.cadence.hasten(&topic);
            }
        }
    }

    fn keep_guest(&mut self, vmid: i64, what: What, got: Got, now: Now) {
        let Some(kept) = self.guests.get_mut(vmid) else { return };
        match got {
            Got::Status(status) => kept.got_status(*status, now),
            Got::Filesystems(all) => kept.got_filesystems(all, now),
            Got::File(file) => kept.got_meminfo(&file.content, now),
            Got::Interfaces(all) => kept.got_addresses(what, guest::addresses(&all), now),
            Got::Os(os) => kept.got_os(what, guest::os_of_vm(&os), now),
            Got::Config(config) => {
                kept.onboot = config.onboot;
                kept.got_os(what, guest::os_of_container(&config), now);
            }
            Got::Snapshots(all) => {
                let changed = kept.got_snapshots(all, now);
                self.changed.snapshots |= changed;
            }
            _ => {}
        }
    }

    fn keep_files(&mut self, node: &str, storage: &str, items: &[ContentItem], now: Now) {
        let shared = self.is_shared(storage, now.mono_ms);
        let plugin = self.plugin_of(storage);
        let place = backup::Place { instance: &self.target.instance, node, storage, plugin, shared };
        let files = nodes::files(place, items);
        let key = (if shared { "shared" } else { node }.to_owned(), storage.to_owned());
        let before = self.files.get(&key).and_then(|h| h.get(now.mono_ms));
        self.changed.files |= before != Some(&files);
        self.aged_files.remove(&key);
        self.files.insert(key, Held::new(files, now));
    }

    /// Without jobs no node needs to be asked for theirs.
    fn keep_replication_jobs(&mut self, none: bool, now: Now) {
        self.replicating = !none;
        if none {
            for kept in self.nodes.values_mut() {
                kept.replication_said = None;
                self.changed.replication |= replace(&mut kept.replication, Vec::new(), now);
            }
        }
    }

    fn keep_cluster(&mut self, items: Vec<ClusterItem>) {
        self.cluster = cluster::cluster(&self.target.instance, &items);
        self.members = items;
        self.clustered = Some(self.cluster.is_some());
        self.find_endpoints();
    }

    fn keep_fingerprints(&mut self, items: &[NodeItem]) {
        for item in items.iter().filter(|i| !i.ssl_fingerprint.is_empty()) {
            self.fingerprints.insert(item.node.clone(), item.ssl_fingerprint.clone());
        }
        self.find_endpoints();
    }

    /// The members as further ways to the cluster: at their addresses, on the configured port. The member that is
    /// asked calls itself local; it is the configured way already.
    fn find_endpoints(&mut self) {
        let Some(cluster) = &self.cluster else { return };
        let access = &self.target.access;
        let configured = self.link.url() == access.base_url;
        let known = std::mem::take(&mut self.endpoints);
        let fresh: Vec<Endpoint> = cluster
            .members
            .iter()
            .filter_map(|m| {
                let before = known.iter().find(|k| k.node == m.name);
                let url = if m.local && configured { access.base_url.clone() } else { access.at(&m.ip).ok()? };
                let fingerprint = self.fingerprints.get(&m.name).and_then(|f| Fingerprint::parse(f)).map(|f| f.0);
                Some(Endpoint {
                    node: m.name.clone(),
                    // What is known as the configured way stays that, whoever is asked at present.
                    url: before.filter(|b| b.url == access.base_url).map_or(url, |b| b.url.clone()),
                    ip: m.ip.clone(),
                    online: m.online,
                    fingerprint: fingerprint.or(before.and_then(|b| b.fingerprint)),
                })
            })
            .collect();
        if fresh != known {
            self.link.learn(&fresh);
            self.changed.endpoints = true;
        }
        self.endpoints = fresh;
    }

    /// `dir`, `nfs`, `pbs`, …; empty when not known.
    fn plugin_of(&self, storage: &str) -> &str {
        let defined = self.definitions.iter().flat_map(Held::any).find(|d| d.storage == storage);
        let seen = || self.nodes.values().flat_map(|n| &n.storage).flat_map(Held::any).find(|i| i.storage == storage);
        defined.map(|d| d.plugin.as_str()).or_else(|| seen().map(|i| i.plugin.as_str())).unwrap_or_default()
    }

    /// Definitions decide; without them what the nodes say.
    pub(super) fn is_shared(&self, storage: &str, mono_ms: u64) -> bool {
        self.storages(mono_ms).iter().any(|s| s.name == storage && s.shared)
    }
}

/// PVE's words where Ceph is not set up (any more); the status is that of every error of its own.
fn tells_of_no_ceph(error: &Error) -> bool {
    let Error::Status(404 | 500 | 501, words) = error else { return false };
    words.contains("not installed") || words.contains("not initialized") || matches!(error, Error::Status(404, _))
}

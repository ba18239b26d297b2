//! One pass over the state: each resource gets its watch, its settings and one look.

use super::check::{Check, Kind};
use super::config::Config;
use super::finding::Finding;
use super::inspect::{self, Look, View};
use super::instances::Instances;
use super::orphan::Orphan;
use super::settings::{self, Settings};
use super::subject::Subject;
use super::watch::{Judge, Key, Phase, Watch};
use crate::model::{Guest, State};
use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Nodes that are not online, by connection.
pub(super) fn down_nodes<'a>(state: &'a State, instances: &Instances) -> Vec<(u32, &'a str)> {
    let down = state.nodes.iter().filter(|n| n.status != "online");
    down.filter_map(|n| Some((instances.pve(&n.instance)?, n.name.as_str()))).collect()
}

/// Every watched resource that is no guest.
pub(super) fn others<'a>(state: &'a State, mut each: impl FnMut(Subject<'a>)) {
    state.nodes.iter().for_each(|n| each(Subject::Node(n)));
    state.storage.iter().for_each(|s| each(Subject::Storage(s)));
    for pbs in &state.pbs {
        each(Subject::Pbs(pbs));
        pbs.datastores.iter().flatten().for_each(|d| each(Subject::Datastore(pbs, d)));
    }
    state.clusters.iter().for_each(|c| each(Subject::Cluster(c)));
    state.zfs_pools.iter().for_each(|z| each(Subject::Pool(z)));
    state.physical_disks.iter().for_each(|d| each(Subject::Disk(d)));
    state.ceph.iter().for_each(|c| each(Subject::Ceph(c)));
    state.replication.iter().for_each(|j| each(Subject::Replication(j)));
}

/// One pass over the state.
pub(super) struct Round<'a> {
    pub config: &'a Config,
    pub generation: u64,
    pub rules_on_figures: bool,
    pub view: View<'a>,
    pub judge: Judge<'a>,
    pub orphans: &'a mut Vec<Orphan>,
    pub shared: &'a mut Vec<Arc<Settings>>,
    /// Names of the nodes by connection, found when an override asks for them.
    pub nodes: HashMap<u32, Vec<&'a str>>,
}

impl<'a> Round<'a> {
    pub fn guest(&mut self, watches: &mut HashMap<(u32, i64), Watch>, guest: &'a Guest) {
        let Some(number) = self.view.instances.pve(&guest.instance).filter(|n| self.view.instances.is_fresh(*n)) else {
            return;
        };
        let made_of = self.made_of(guest);
        let subject = Subject::Guest(guest);
        let watch = match watches.entry((number, guest.vmid)) {
            Entry::Occupied(held) => {
                let watch = held.into_mut();
                if watch.made_of != made_of {
                    watch.settings = self.guest_settings(guest, subject.kind(), number);
                    watch.made_of = made_of;
                }
                watch
            }
            Entry::Vacant(free) => {
                let settings = self.guest_settings(guest, subject.kind(), number);
                let mut watch = Watch::new(Key::Guest(number, guest.vmid), settings, made_of);
                self.adopt(&mut watch, subject);
                free.insert(watch)
            }
        };
        let now_ms = self.judge.moment.now.mono_ms;
        let since_ms = watch.locked_since_ms.unwrap_or(now_ms);
        watch.locked_since_ms = inspect::is_busy(guest).then_some(since_ms);
        let lock_counts = watch.lock_counts(now_ms);
        self.look(watch, subject, number, lock_counts);
    }

    pub fn other(&mut self, lists: &mut HashMap<Kind, HashMap<String, Watch>>, subject: Subject<'a>) {
        let instances = self.view.instances;
        let name = subject.instance();
        let number = if subject.is_pbs() { instances.pbs(name) } else { instances.pve(name) };
        let Some(number) = number.filter(|n| instances.is_fresh(*n)) else { return };
        let id = subject.resource_id();
        let list = lists.entry(subject.kind()).or_default();
        if !list.contains_key(id.as_ref()) {
            let key = Key::Other(number, subject.kind(), id.clone().into_owned());
            let mut watch = Watch::new(key, self.other_settings(subject), self.generation);
            self.adopt(&mut watch, subject);
            list.insert(id.clone().into_owned(), watch);
        }
        let Some(watch) = list.get_mut(id.as_ref()) else { return };
        if watch.made_of != self.generation {
            watch.settings = self.other_settings(subject);
            watch.made_of = self.generation;
        }
        self.look(watch, subject, number, false);
    }

    fn look(&mut self, watch: &mut Watch, subject: Subject, number: u32, lock_counts: bool) {
        let Some(instance) = self.view.instances.get(number) else { return };
        watch.seen_at = instance.polls;
        let settings = watch.settings.clone();
        let judge = &mut self.judge;
        let mut sink = |check: Check, finding: Finding| watch.judge(judge, subject, check, finding);
        inspect::look(subject, &settings, &self.view, Look { number, instance, lock_counts }, &mut sink);
    }

    /// What a guest's settings depend on, as a number.
    fn made_of(&self, guest: &Guest) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.generation.hash(&mut hasher);
        (&guest.id, &guest.name, &guest.node, &guest.tags, &guest.r#type).hash(&mut hasher);
        if self.rules_on_figures {
            let figures = [guest.cpu, guest.memory.usage, guest.disk.usage].map(f64::to_bits);
            let rates = [guest.disk_read, guest.disk_write, guest.network_in, guest.network_out];
            (figures, rates, &guest.status).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn guest_settings(&mut self, guest: &Guest, kind: Kind, number: u32) -> Arc<Settings> {
        let state: &'a State = self.view.state;
        let instance = &guest.instance;
        let nodes = self.nodes.entry(number).or_insert_with(|| {
            state.nodes.iter().filter(|n| n.instance == *instance).map(|n| n.name.as_str()).collect()
        });
        let settings = settings::of_guest(self.config, guest, kind, nodes);
        self.share(settings)
    }

    fn other_settings(&mut self, subject: Subject) -> Arc<Settings> {
        let id = subject.resource_id();
        let also = match subject {
            Subject::Pbs(_) => format!("pbs-{id}"),
            // What is off for a node is off for its disks and pools.
            Subject::Pool(_) | Subject::Disk(_) => format!("{}-{}", subject.instance(), subject.node()),
            _ => String::new(),
        };
        let settings = settings::of_other(self.config, subject.kind(), &[&also, &id]);
        self.share(settings)
    }

    /// Most resources have the same settings: they share them.
    fn share(&mut self, settings: Settings) -> Arc<Settings> {
        const SHARED_MAX: usize = 64;
        if let Some(same) = self.shared.iter().find(|s| ***s == settings) {
            return same.clone();
        }
        let settings = Arc::new(settings);
        if self.shared.len() < SHARED_MAX {
            self.shared.push(settings.clone());
        }
        settings
    }

    /// A resource is seen for the first time: alerts of before the start that are about it become its own.
    fn adopt(&mut self, watch: &mut Watch, subject: Subject) {
        if self.orphans.is_empty() {
            return;
        }
        let book = &mut *self.judge.book;
        let state = self.view.state;
        self.orphans.retain(|orphan| {
            if !orphan.is_about(subject) {
                return true;
            }
            let id = orphan.id.clone();
            if orphan.cleared {
                watch.set(orphan.check, Phase::Cleared(Box::new(orphan.to_cleared())));
            } else if let Some(active) = book.get_mut(&id) {
                active.key = Some(watch.key.clone());
                active.host = subject.host(state);
                active.tags = subject.tags().to_vec();
                active.silent = watch.settings.silent;
                watch.set(orphan.check, Phase::Active { id });
            }
            false
        });
    }
}

//! What exporters want: PVE's answers as they are, from the questions that the cycle asks anyway.

use super::PvePoll;
use crate::model::Now;
use crate::order::Set;
use crate::poll::derive::guest::Sort;
use crate::poll::hold::{Held, held, held_daily};
use crate::poll::report::{Onboot, Said};
use crate::proxmox::pve::{GuestItem, NodeItem, Resource, StorageItem};
use std::sync::Arc;

impl PvePoll {
    /// Keeps the list of everything, without what is not to be watched.
    pub(super) fn keep_resources(&mut self, mut all: Vec<Resource>) {
        let monitor = &self.target.monitor;
        all.retain(|r| match r.kind.as_str() {
            "qemu" => monitor.vms,
            "lxc" => monitor.containers,
            "storage" => monitor.storage,
            kind => kind == "node",
        });
        // Twice the same would be the same series twice, which fails a whole scrape. So below.
        once(&mut all, |r| r.id.clone());
        all.shrink_to_fit();
        self.resources = Arc::new(all);
    }

    /// Everything that was said, as of now; without figures once the connection is offline.
    pub(super) fn said(&self, now: Now) -> Arc<Said> {
        let ms = now.mono_ms;
        let mut resources = self.resources.clone();
        // A host of its own is asked for its storages apart.
        if self.target.monitor.storage && !resources.iter().any(|r| r.kind == "storage") {
            let mut all = resources.to_vec();
            for kept in self.nodes.values() {
                let items = held(&kept.storage, ms).map_or(&[][..], Vec::as_slice);
                all.extend(items.iter().filter(|i| i.enabled != Some(false)).map(|i| of_storage(&kept.seen.name, i)));
            }
            resources = Arc::new(all);
        }
        if self.reach.is_offline() {
            resources = Arc::new(resources.iter().map(without_figures).collect());
        }
        let nodes = || self.nodes.iter();
        let subscription = |(name, kept): (&String, &super::nodes::Kept)| {
            Some((name.clone(), held_daily(&kept.subscription, ms)?.clone()))
        };
        let onboot = self
            .guests
            .iter()
            .filter_map(|g| Some(Onboot { node: g.seen.node.clone(), vmid: g.seen.vmid, starts: g.onboot? }));
        let mut members = self.members.clone();
        once(&mut members, |m| (m.kind.clone(), m.name.clone()));
        let mut uncovered = held(&self.uncovered, ms).cloned();
        once(uncovered.as_mut().unwrap_or(&mut Vec::new()), |u| (u.kind.clone(), u.vmid));
        let mut replication: Vec<_> =
            nodes().flat_map(|(_, n)| n.replication_said.iter().flat_map(Held::any)).cloned().collect();
        once(&mut replication, |j| j.id.clone());
        Arc::new(Said {
            resources,
            members,
            version: self.version.clone(),
            uncovered,
            replication,
            subscriptions: nodes().filter_map(subscription).collect(),
            onboot: onboot.collect(),
        })
    }
}

fn once<T, K: Ord>(all: &mut Vec<T>, key: impl Fn(&T) -> K) {
    let mut seen = Set::new();
    all.retain(|item| seen.insert(key(item)));
}

pub(super) fn of_node(n: &NodeItem) -> Resource {
    Resource {
        kind: "node".to_owned(),
        id: format!("node/{}", n.node),
        node: n.node.clone(),
        status: n.status.clone(),
        cpu: n.cpu,
        maxcpu: n.maxcpu,
        mem: n.mem,
        maxmem: n.maxmem,
        disk: n.disk,
        maxdisk: n.maxdisk,
        uptime: n.uptime,
        ..Resource::default()
    }
}

pub(super) fn of_guest(sort: Sort, node: &str, g: &GuestItem) -> Resource {
    Resource {
        kind: sort.as_str().to_owned(),
        id: format!("{}/{}", sort.as_str(), g.vmid.unwrap_or(0)),
        node: node.to_owned(),
        name: g.name.clone(),
        status: g.status.clone(),
        vmid: g.vmid,
        cpu: g.cpu,
        maxcpu: g.cpus,
        mem: g.mem,
        maxmem: g.maxmem,
        disk: g.disk,
        maxdisk: g.maxdisk,
        netin: g.netin,
        netout: g.netout,
        diskread: g.diskread,
        diskwrite: g.diskwrite,
        uptime: g.uptime,
        // The lists of a node leave it out for what is none; the cluster's says so.
        template: Some(g.template == Some(true)),
        tags: g.tags.clone(),
        lock: g.lock.clone(),
        ..Resource::default()
    }
}

fn of_storage(node: &str, s: &StorageItem) -> Resource {
    Resource {
        kind: "storage".to_owned(),
        id: format!("storage/{node}/{}", s.storage),
        node: node.to_owned(),
        status: if s.active == Some(true) { "available" } else { "unknown" }.to_owned(),
        disk: s.used,
        maxdisk: s.total,
        storage: s.storage.clone(),
        plugintype: s.plugin.clone(),
        content: s.content.clone(),
        shared: Some(s.shared == Some(true)),
        ..Resource::default()
    }
}

/// What is known of it while nothing answers: that it exists.
fn without_figures(r: &Resource) -> Resource {
    Resource {
        kind: r.kind.clone(),
        id: r.id.clone(),
        node: r.node.clone(),
        name: r.name.clone(),
        status: "unknown".to_owned(),
        vmid: r.vmid,
        template: r.template,
        tags: r.tags.clone(),
        storage: r.storage.clone(),
        plugintype: r.plugintype.clone(),
        content: r.content.clone(),
        shared: r.shared,
        ..Resource::default()
    }
}

//! What an alert is about: identity and words, taken from the state's documents only when there is something to say.

use super::check::{Check, Kind};
use crate::model::{
    Ceph, Cluster, Datastore, Guest, Node, PbsInstance, PhysicalDisk, ReplicationJob, State, Storage, Time, ZfsPool,
};
use std::borrow::Cow;

/// One watched resource.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    Guest(&'a Guest),
    Node(&'a Node),
    Storage(&'a Storage),
    Pbs(&'a PbsInstance),
    Datastore(&'a PbsInstance, &'a Datastore),
    Cluster(&'a Cluster),
    Pool(&'a ZfsPool),
    Disk(&'a PhysicalDisk),
    Ceph(&'a Ceph),
    Replication(&'a ReplicationJob),
}

impl<'a> Subject<'a> {
    pub fn kind(self) -> Kind {
        match self {
            Subject::Guest(g) if g.r#type == "lxc" => Kind::Container,
            Subject::Guest(_) => Kind::Vm,
            Subject::Node(_) => Kind::Node,
            Subject::Storage(_) => Kind::Storage,
            Subject::Pbs(_) => Kind::Pbs,
            Subject::Datastore(..) => Kind::Datastore,
            Subject::Cluster(_) => Kind::Cluster,
            Subject::Pool(_) => Kind::Pool,
            Subject::Disk(_) => Kind::Disk,
            Subject::Ceph(_) => Kind::Ceph,
            Subject::Replication(_) => Kind::Replication,
        }
    }

    /// The id overrides and alerts name it by. Documents that have an id lend it; the others get one here.
    pub fn resource_id(self) -> Cow<'a, str> {
        match self {
            Subject::Guest(g) => Cow::Borrowed(&g.id),
            Subject::Node(n) => Cow::Borrowed(&n.id),
            Subject::Storage(s) => Cow::Borrowed(&s.id),
            Subject::Pbs(p) => Cow::Borrowed(&p.id),
            Subject::Datastore(p, d) => Cow::Owned(format!("{}-{}", p.id, d.name)),
            Subject::Cluster(c) => Cow::Owned(format!("{}-cluster", c.instance)),
            Subject::Pool(z) => Cow::Owned(format!("{}-{}-zfs-{}", z.instance, z.node, z.name)),
            Subject::Disk(d) => Cow::Owned(format!("{}-{}-disk-{}", d.instance, d.node, disk_name(d))),
            Subject::Ceph(c) => Cow::Owned(format!("{}-ceph", c.instance)),
            Subject::Replication(j) => Cow::Owned(format!("{}-replication-{}", j.instance, j.id)),
        }
    }

    /// Whether `id` is still its id. Only guests change theirs (the node is part of it).
    pub fn is_named(self, id: &str) -> bool {
        match self {
            Subject::Guest(g) => g.id == id,
            _ => true,
        }
    }

    pub fn name(self) -> Cow<'a, str> {
        match self {
            Subject::Guest(g) => Cow::Borrowed(&g.name),
            Subject::Node(n) => Cow::Borrowed(&n.name),
            Subject::Storage(s) => Cow::Borrowed(&s.name),
            Subject::Pbs(p) => Cow::Borrowed(&p.name),
            Subject::Datastore(_, d) => Cow::Borrowed(&d.name),
            Subject::Cluster(c) => Cow::Borrowed(&c.name),
            Subject::Pool(z) => Cow::Borrowed(&z.name),
            Subject::Disk(d) => Cow::Owned(format!("{} {}", d.device, d.model).trim().to_owned()),
            Subject::Ceph(_) => Cow::Borrowed("Ceph"),
            Subject::Replication(j) => Cow::Borrowed(&j.id),
        }
    }

    /// The node it is on; a PBS's host, as in 4.9; empty for what belongs to a whole cluster.
    pub fn node(self) -> &'a str {
        match self {
            Subject::Guest(g) => &g.node,
            Subject::Node(n) => &n.name,
            Subject::Storage(s) => &s.node,
            Subject::Pbs(p) | Subject::Datastore(p, _) => &p.host,
            Subject::Pool(z) => &z.node,
            Subject::Disk(d) => &d.node,
            Subject::Replication(j) => &j.source,
            Subject::Cluster(_) | Subject::Ceph(_) => "",
        }
    }

    /// The name of its connection.
    pub fn instance(self) -> &'a str {
        match self {
            Subject::Guest(g) => &g.instance,
            Subject::Node(n) => &n.instance,
            Subject::Storage(s) => &s.instance,
            Subject::Pbs(p) | Subject::Datastore(p, _) => &p.name,
            Subject::Cluster(c) => &c.instance,
            Subject::Pool(z) => &z.instance,
            Subject::Disk(d) => &d.instance,
            Subject::Ceph(c) => &c.instance,
            Subject::Replication(j) => &j.instance,
        }
    }

    pub fn is_pbs(self) -> bool {
        matches!(self, Subject::Pbs(_) | Subject::Datastore(..))
    }

    pub fn tags(self) -> &'a [String] {
        match self {
            Subject::Guest(g) => &g.tags,
            _ => &[],
        }
    }

    /// The URL of the host to look at.
    pub fn host(self, state: &State) -> String {
        if let Subject::Pbs(p) | Subject::Datastore(p, _) = self {
            return p.host.clone();
        }
        let (instance, node) = (self.instance(), self.node());
        let mut of_instance = state.nodes.iter().filter(|n| n.instance == instance);
        let exact = of_instance.clone().find(|n| n.name == node);
        exact.or_else(|| of_instance.next()).map(|n| n.host.clone()).unwrap_or_default()
    }

    /// What the alert says. `value` is the figure found.
    pub fn message(self, check: Check, value: f64, state: &State, now: Time) -> String {
        if check.is_metric() {
            return self.metric_message(check, value);
        }
        match self {
            Subject::Guest(g) => guest_message(g, check, value, state),
            Subject::Node(n) => node_message(n, check, value, state),
            Subject::Storage(s) => format!("Storage {} on node {} is unavailable", s.name, s.node),
            Subject::Pbs(p) => match &p.error {
                Some(why) => format!("PBS instance {} is offline: {why}", p.name),
                None => format!("PBS instance {} is offline", p.name),
            },
            Subject::Datastore(p, d) if check == Check::VerifyFailed => {
                format!("{value:.0} backups in datastore {} of {} failed verification", d.name, p.name)
            }
            Subject::Datastore(p, d) => {
                let why = if d.error.is_empty() { &d.status } else { &d.error };
                format!("Datastore {} of {} is unavailable: {why}", d.name, p.name)
            }
            Subject::Cluster(c) => {
                let online = c.members.iter().filter(|m| m.online).count();
                format!("Cluster '{}' has no quorum ({online} of {} nodes online)", c.name, c.members.len())
            }
            Subject::Pool(z) => format!("ZFS pool '{}' on node {} is {}", z.name, z.node, z.health),
            Subject::Disk(d) if check == Check::Wearout => {
                format!("Disk {} ({}) on node {} has {value:.0}% of its life left", d.device, d.model, d.node)
            }
            Subject::Disk(d) => format!("Disk {} ({}) on node {} fails SMART: {}", d.device, d.model, d.node, d.health),
            Subject::Ceph(c) => match c.checks.first() {
                Some(first) => format!("Ceph is {}: {first}", c.health),
                None => format!("Ceph is {}", c.health),
            },
            Subject::Replication(j) => replication_message(j, now),
        }
    }

    fn metric_message(self, check: Check, value: f64) -> String {
        let what = self.kind().resource_type();
        match check {
            Check::Usage => format!("Storage at {value:.1}%"),
            Check::DiskRead | Check::DiskWrite | Check::NetworkIn | Check::NetworkOut => {
                format!("{what} {} at {value:.1} MB/s", check.name())
            }
            _ => format!("{what} {} at {value:.1}%", check.name()),
        }
    }
}

/// What stays the same when device names change.
fn disk_name(d: &PhysicalDisk) -> &str {
    if d.serial.is_empty() || d.serial == "unknown" {
        d.device.strip_prefix("/dev/").unwrap_or(&d.device)
    } else {
        &d.serial
    }
}

fn guest_message(g: &Guest, check: Check, value: f64, state: &State) -> String {
    let kind = Subject::Guest(g).kind().resource_type();
    match check {
        Check::PoweredOff => format!("{kind} '{}' is powered off", g.name),
        Check::BackupAge if g.last_backup.is_set() => format!("{kind} '{}': last backup {value:.0} days ago", g.name),
        Check::BackupAge => format!("{kind} '{}' has no backup", g.name),
        Check::BackupUnverified => {
            format!("{kind} '{}': last backup of {value:.0} days ago was never verified", g.name)
        }
        Check::SnapshotAge => {
            let mine = |instance: &str, vmid: i64| instance == g.instance && vmid == g.vmid;
            let oldest =
                state.pve_backups.guest_snapshots.iter().filter(|s| mine(&s.instance, s.vmid)).min_by_key(|s| s.time);
            let name = oldest.map_or("", |s| s.name.as_str());
            format!("{kind} '{}': snapshot '{name}' is {value:.0} days old", g.name)
        }
        _ => {
            let task =
                state.pve_backups.backup_tasks.iter().find(|t| {
                    t.instance == g.instance && t.vmid == g.vmid && super::backups::outcome(&t.status).is_some()
                });
            format!("Backup of {kind} '{}' failed: {}", g.name, task.map_or("", |t| t.status.as_str()))
        }
    }
}

fn node_message(n: &Node, check: Check, value: f64, state: &State) -> String {
    match check {
        Check::Connectivity => match &n.error {
            // The placeholder of a connection whose credentials are refused.
            Some(why) if n.id.ends_with("-failed") => format!("Node '{}' is offline: {why}", n.name),
            _ => format!("Node '{}' is offline", n.name),
        },
        Check::Certificate if value < 0.0 => format!("The certificate of node '{}' has expired", n.name),
        Check::Certificate => format!("The certificate of node '{}' expires in {value:.0} days", n.name),
        Check::Reboot => format!("Node '{}' needs a reboot to run its newest kernel", n.name),
        Check::Updates => format!("Node '{}' has {value:.0} pending updates", n.name),
        Check::Service => {
            let names: Vec<&str> = n.failed_services.iter().map(|s| s.name.as_str()).collect();
            format!("Services of node '{}' do not run: {}", n.name, names.join(", "))
        }
        _ => {
            let task = state.pve_backups.backup_tasks.iter().find(|t| {
                t.instance == n.instance
                    && t.node == n.name
                    && t.vmid == 0
                    && super::backups::outcome(&t.status).is_some()
            });
            format!("A backup job on node '{}' failed: {}", n.name, task.map_or("", |t| t.status.as_str()))
        }
    }
}

fn replication_message(j: &ReplicationJob, now: Time) -> String {
    let mut text = format!("Replication {} from {} to {} fails", j.id, j.source, j.target);
    if j.last_sync.is_set() {
        text.push_str(&format!(", last success {} hours ago", now.since(j.last_sync).as_secs() / 3_600));
    }
    if !j.error.is_empty() {
        text.push_str(": ");
        text.push_str(&j.error);
    }
    text
}

//! What fails costs its own freshness and nothing else: nothing is lost, nothing is doubled, nothing else changes.
//! The simulated world stands still, so that every difference is a fault of ours.

#[cfg(test)]
use super::*;

use crate::model::{Guest, Node, PbsInstance, Storage, Time};
use crate::poll::report::Live;

/// Everything that a connection has told so far, as the owner would have it.
#[derive(Default, Clone, PartialEq, Debug)]
struct Shown {
    nodes: Vec<Node>,
    guests: Vec<Guest>,
    storage: Vec<Storage>,
    pbs: Option<PbsInstance>,
    cluster: Option<crate::model::Cluster>,
    slow: Vec<(&'static str, Vec<String>)>,
}

impl Shown {
    fn take(&mut self, report: Report) {
        let Live { nodes, vms, containers, storage, pbs, cluster, .. } = report.live;
        // Ages tell that something is old; that is all that may change.
        let aged = |g: Guest| Guest { last_seen: Time::UNSET, source_age: None, disk_status: None, ..g };
        self.nodes = nodes.into_iter().map(|n| Node { last_seen: Time::UNSET, ..n }).collect();
        self.guests = vms.into_iter().chain(containers).map(aged).collect();
        self.storage = storage.into_iter().map(|s| Storage { last_seen: None, ..s }).collect();
        self.pbs = pbs.map(|p| PbsInstance { last_seen: Time::UNSET, ..p });
        // Another member may have been asked.
        self.cluster = cluster.map(|mut c| {
            c.members.iter_mut().for_each(|m| m.local = false);
            c
        });
        let slow = report.slow;
        self.keep("tasks", slow.backup_tasks);
        self.keep("files", slow.storage_backups);
        self.keep("snapshots", slow.guest_snapshots);
        self.keep("backups on a PBS", slow.pbs_backups);
        self.keep("replication", slow.replication);
        self.keep("ceph", slow.ceph.map(|c| c.into_iter().collect()));
        self.keep("pools", slow.zfs_pools);
        self.keep("disks", slow.physical_disks);
        self.keep("coverage", slow.coverage.map(|c| c.into_iter().collect()));
    }

    fn keep<T: std::fmt::Debug>(&mut self, what: &'static str, list: Option<Vec<T>>) {
        let Some(list) = list else { return };
        let mut fresh: Vec<String> = list.iter().map(|i| format!("{i:?}")).collect();
        fresh.sort();
        match self.slow.iter_mut().find(|(name, _)| *name == what) {
            Some((_, old)) => *old = fresh,
            None => self.slow.push((what, fresh)),
        }
        self.slow.sort();
    }

    fn list(&self, what: &str) -> &[String] {
        self.slow.iter().find(|(name, _)| *name == what).map_or(&[], |(_, l)| l)
    }

    /// What is different from another moment, one line each.
    fn differences(&self, other: &Shown) -> Vec<String> {
        fn lines<T: std::fmt::Debug + PartialEq>(what: &str, a: &[T], b: &[T], out: &mut Vec<String>) {
            out.extend(a.iter().filter(|i| !b.contains(i)).map(|i| format!("{what} was {i:?}")));
            out.extend(b.iter().filter(|i| !a.contains(i)).map(|i| format!("{what} is {i:?}")));
            if a.len() != b.len() {
                out.push(format!("{what}: {} became {}", a.len(), b.len()));
            }
        }
        let mut out = Vec::new();
        lines("node", &self.nodes, &other.nodes, &mut out);
        lines("guest", &self.guests, &other.guests, &mut out);
        lines("storage", &self.storage, &other.storage, &mut out);
        lines("server", self.pbs.as_slice(), other.pbs.as_slice(), &mut out);
        lines("cluster", self.cluster.as_slice(), other.cluster.as_slice(), &mut out);
        for (what, list) in &self.slow {
            lines(what, list, other.list(what), &mut out);
        }
        out
    }
}

/// What is asked beside the cycle may hang for longer.
const PATIENCE: Duration = Duration::from_millis(250);

impl Film {
    /// Asks everything and waits for what is asked beside the cycle; the world stands still.
    fn look(&mut self, shown: &mut Shown) -> Report {
        self.cycle.everything_is_due();
        let mut report = self.still(shown);
        let began = std::time::Instant::now();
        while self.cycle.is_busy() && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
            report = self.still(shown);
        }
        report
    }
    fn still(&mut self, shown: &mut Shown) -> Report {
        let report = self.cycle.run(&self.clock);
        self.clock.pass(Duration::from_secs(1));
        shown.take(report.clone());
        report
    }
}

fn every_fault() -> Vec<Fault> {
    let status = |code| Fault::Status { code, message: "because this test wants it".into() };
    vec![
        status(403),
        status(500),
        status(501),
        status(595),
        Fault::Truncated,
        Fault::CutShort,
        Fault::Html,
        Fault::Hang,
    ]
}

/// Each of these answers fails in every way, in turn and for itself.
fn fails_alone(sim: &Simulator, host: usize, kind: Kind, sub_resources: &[&str]) {
    let mut target = target(sim, host, kind);
    target.access.timeout = Duration::from_millis(400);
    let mut film = Film::of(target);
    let mut before = Shown::default();
    for _ in 0..3 {
        film.look(&mut before);
        // Longer than a rate is repeated for a counter that stands still.
        film.clock.pass(Duration::from_secs(26));
    }
    film.look(&mut before);
    for (what, list) in &before.slow {
        assert!(!list.is_empty(), "no {what} to be lost");
    }
    for path in sub_resources {
        sim.forget();
        for fault in every_fault() {
            let set = sim.fault(Scope::host(host).path(path), fault.clone());
            let mut now = before.clone();
            let report = film.look(&mut now);
            assert!(!report.offline, "{path} {fault:?}");
            assert_eq!(before.differences(&now), Vec::<String>::new(), "{path} {fault:?}");
            sim.clear(set);
            if fault == Fault::Hang {
                // What hangs ends with its connection.
                sim.renew_certificates(host).unwrap();
                film.look(&mut now);
            }
        }
        assert!(sim.requests_to(host, &format!("GET {path}")) > 0, "{path} is not asked");
        let mut now = before.clone();
        assert!((0..3).any(|_| film.look(&mut now).reachable), "{path}");
        assert_eq!(before.differences(&now), Vec::<String>::new(), "{path} works again");
    }
}

fn cluster_without(sub_resources: &[&str]) {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 2, 9).ceph()).frozen(AFTERNOON)).unwrap();
    fails_alone(&sim, 0, Kind::Pve, sub_resources);
}

#[test]
fn whatever_part_of_a_cluster_fails_nothing_is_lost_or_doubled_or_different() {
    cluster_without(&[
        "/cluster/resources",
        "/cluster/status",
        "/nodes",
        "/nodes/*/status",
        "/storage",
        "/nodes/*/storage",
        "/version",
        "/nodes/*/tasks",
        "/nodes/*/content",
        "/cluster/ha/status/current",
        "/cluster/replication",
        "/nodes/*/replication",
        "/cluster/backup-info/not-backed-up",
        "/cluster/ceph/status",
    ]);
}

#[test]
fn whatever_part_of_a_node_or_guest_fails_nothing_is_lost_or_doubled_or_different() {
    cluster_without(&[
        "/nodes/*/disks/zfs",
        "/nodes/*/disks/list",
        "/nodes/*/disks/smart",
        "/nodes/*/services",
        "/nodes/*/subscription",
        "/nodes/*/apt/update",
        "/nodes/*/certificates/info",
        "/nodes/*/qemu/*/status/current",
        "/nodes/*/agent/get-fsinfo",
        "/nodes/*/agent/file-read",
        "/nodes/*/agent/network-get-interfaces",
        "/nodes/*/agent/get-osinfo",
        "/nodes/*/lxc/*/interfaces",
        "/nodes/*/lxc/*/config",
        "/nodes/*/snapshot",
    ]);
}

#[test]
fn whatever_part_of_a_pbs_fails_nothing_is_lost_or_doubled_or_different() {
    let spec = Spec::new(7).with_pve(PveSpec::new("homelab", 2, 9)).with_pbs(PbsSpec::new("pbs")).frozen(AFTERNOON);
    let sim = demo::start(spec).unwrap();
    fails_alone(
        &sim,
        1,
        Kind::Pbs,
        &[
            "/version",
            "/nodes/localhost/status",
            "/status/datastore-usage",
            "/admin/datastore",
            "/admin/gc",
            "/admin/sync",
            "/admin/verify",
            "/admin/prune",
            "/admin/datastore/*/namespace",
            "/admin/datastore/*/snapshots",
        ],
    );
}

//! What happens to a cluster while it is watched: clocks that are wrong, guests that never rest, nodes that leave, and
//! answers that grow old.

#[cfg(test)]
use super::*;

use crate::model::Time;
use std::collections::BTreeSet;

/// The lists that are told only when they change, as the owner has them.
#[derive(Default)]
struct Lists {
    tasks: Vec<String>,
    files: Vec<String>,
    snapshots: Vec<String>,
    on_pbs: Vec<String>,
    /// Nodes of the disks and of the pools.
    disks: Vec<String>,
    pools: Vec<String>,
    ceph: bool,
    replication: usize,
    covered: bool,
}

impl Lists {
    fn take(&mut self, report: &Report) {
        fn put<T, U>(place: &mut Vec<U>, list: &Option<Vec<T>>, id: impl Fn(&T) -> U) {
            if let Some(list) = list {
                *place = list.iter().map(id).collect();
            }
        }
        let slow = &report.slow;
        put(&mut self.tasks, &slow.backup_tasks, |t| t.id.clone());
        put(&mut self.files, &slow.storage_backups, |f| f.id.clone());
        put(&mut self.snapshots, &slow.guest_snapshots, |s| s.id.clone());
        put(&mut self.on_pbs, &slow.pbs_backups, |b| b.id.clone());
        put(&mut self.disks, &slow.physical_disks, |d| d.node.clone());
        put(&mut self.pools, &slow.zfs_pools, |p| p.node.clone());
        self.ceph = slow.ceph.as_ref().map_or(self.ceph, Option::is_some);
        self.replication = slow.replication.as_ref().map_or(self.replication, Vec::len);
        self.covered = slow.coverage.as_ref().map_or(self.covered, Option::is_some);
    }
    fn nothing_doubled(&self) {
        for list in [&self.tasks, &self.files, &self.snapshots, &self.on_pbs] {
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len());
        }
    }
}

impl Film {
    /// Some cycles, long sleep, and some cycles again: what a dead host's cycles say between is always the same.
    fn sleep(&mut self, sim: &Simulator, lists: &mut Lists, seconds: i64) -> Report {
        for _ in 0..5 {
            lists.take(&self.step(sim));
        }
        self.clock.pass(Duration::from_secs(seconds.unsigned_abs()));
        self.seconds += seconds;
        self.watch(sim, lists, 1)
    }
    fn watch(&mut self, sim: &Simulator, lists: &mut Lists, seconds: i64) -> Report {
        let end = self.seconds + seconds;
        loop {
            let report = self.step(sim);
            lists.take(&report);
            if self.seconds >= end {
                return report;
            }
        }
    }
}

fn guests(report: &Report) -> Vec<(String, String)> {
    let all = report.live.vms.iter().chain(&report.live.containers);
    all.map(|g| (g.id.clone(), g.status.clone())).collect()
}

/// A cluster whose every answer but the first list may fail, seen to the end.
fn rarely_asked(sim: &Simulator, host: usize, kind: Kind) -> (Film, Lists) {
    let mut target = target(sim, host, kind);
    target.interval = Duration::from_secs(1800);
    let (mut film, mut lists) = (Film::of(target), Lists::default());
    film.watch(sim, &mut lists, 4 * 1800);
    (film, lists)
}

#[test]
fn lists_that_nobody_can_refresh_go_after_a_day_and_not_before() {
    let spec = Spec::new(7).with_pve(PveSpec::new("homelab", 2, 10).ceph()).with_pbs(PbsSpec::new("pbs"));
    let sim = demo::start(spec.frozen(AFTERNOON)).unwrap();
    let failing = Fault::Status { code: 500, message: "because this test wants it".into() };
    for dead in [false, true] {
        let (mut film, mut lists) = rarely_asked(&sim, 0, Kind::Pve);
        let (nodes, of_guests) = (film.step(&sim).live.nodes.len(), guests(&film.step(&sim)));
        if dead {
            sim.kill(0);
        } else {
            for path in ["/nodes/*/content", "/nodes/*/snapshot", "*/disks/*", "*/replication", "/cluster/[cb]*"] {
                sim.fault(Scope::host(0).path(path), failing.clone());
            }
            for path in ["/cluster/ceph/status", "/cluster/backup-info/not-backed-up"] {
                sim.fault(Scope::host(0).path(path), failing.clone());
            }
        }
        let all = |l: &Lists| {
            [
                !l.files.is_empty(),
                !l.snapshots.is_empty(),
                !l.disks.is_empty(),
                !l.pools.is_empty(),
                l.replication > 0,
                l.ceph,
                l.covered,
            ]
        };
        assert_eq!(all(&lists), [true; 7], "dead: {dead}");
        let go_on = if dead { Film::sleep } else { Film::watch };
        go_on(&mut film, &sim, &mut lists, 22 * 3600);
        assert_eq!(all(&lists), [true; 7], "dead: {dead}, after 22 hours");
        let report = go_on(&mut film, &sim, &mut lists, 3 * 3600);
        assert_eq!(all(&lists), [false; 7], "dead: {dead}, after 25 hours");
        // What exists is not forgotten: a host that is down for long is still a host that is down.
        assert_eq!(report.live.nodes.len(), nodes, "dead: {dead}");
        assert_eq!(guests(&report).len(), of_guests.len());
        assert_eq!(report.live.nodes.iter().all(|n| n.status == "offline"), dead);
        assert_eq!(guests(&report).iter().all(|(_, status)| status == "unknown"), dead);
        sim.clear_all();
        if dead {
            sim.revive(0).unwrap();
        }
    }
    let (mut film, mut lists) = rarely_asked(&sim, 1, Kind::Pbs);
    sim.kill(1);
    film.sleep(&sim, &mut lists, 22 * 3600);
    assert!(!lists.on_pbs.is_empty());
    let report = film.sleep(&sim, &mut lists, 3 * 3600);
    assert!(
        lists.on_pbs.is_empty() && report.live.pbs.is_some_and(|p| p.status == "offline" && p.datastores.is_none())
    );
}

#[test]
fn what_is_asked_once_a_day_does_not_vanish_when_a_day_is_over() {
    let mut may = demo::monitor_privileges(demo::Version::Pve8);
    may.push("Sys.Modify".into());
    let may: Vec<&str> = may.iter().map(String::as_str).collect();
    let pve = PveSpec::new("homelab", 2, 2).privileges(&may);
    let sim = demo::start(Spec::new(7).with_pve(pve).frozen(AFTERNOON)).unwrap();
    let mut target = target(&sim, 0, Kind::Pve);
    target.interval = Duration::from_secs(900);
    let mut film = Film::of(target);
    film.for_seconds(&sim, 3600);
    let daily = |r: &Report| -> Vec<_> {
        let of = r.live.nodes.iter();
        of.map(|n| (n.updates_pending.is_some(), n.subscription.is_some(), n.certificate_expiry.is_some())).collect()
    };
    assert_eq!(daily(&film.step(&sim)), [(true, true, true); 2]);
    sim.fault(Scope::host(0).path("*/apt/update"), Fault::Status { code: 500, message: String::new() });
    while film.seconds < 40 * 3600 {
        assert_eq!(daily(&film.step(&sim)), [(true, true, true); 2], "at {} s", film.seconds);
    }
}

#[test]
fn an_agent_that_starts_later_is_believed_within_ten_minutes() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 1, 20)).frozen(AFTERNOON)).unwrap();
    let truth = sim.truth();
    let told = |g: &&demo::GuestTruth| g.memory_source == demo::MemorySource::Agent;
    let late: Vec<u32> = truth.guests.iter().filter(told).map(|g| g.vmid).collect();
    assert!(late.len() > 3);
    for vmid in &late {
        sim.change(Change::SetAgent { host: 0, vmid: *vmid, agent: demo::Agent::Dead }).unwrap();
    }
    let mut film = Film::of(target(&sim, 0, Kind::Pve));
    let source = |r: &Report, vmid: u32| {
        let found = r.live.vms.iter().find(|v| v.vmid == i64::from(vmid)).unwrap();
        (found.memory_source.clone().unwrap(), found.disk_source.clone().unwrap())
    };
    let report = film.for_seconds(&sim, 120);
    assert!(late.iter().all(|v| source(&report, *v) == ("freemem".into(), "allocated".into())), "{report:?}");
    for vmid in &late {
        sim.change(Change::SetAgent { host: 0, vmid: *vmid, agent: demo::Agent::On }).unwrap();
    }
    let report = film.for_seconds(&sim, 600);
    for vmid in late {
        assert_eq!(source(&report, vmid), ("agent-meminfo".into(), "agent".into()), "{vmid}");
    }
}

#[test]
fn a_wrong_clock_of_a_host_changes_no_figure_and_hides_no_task() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 2, 12)).frozen(AFTERNOON)).unwrap();
    for secs in [-40 * 24 * 3600, -7200, 300, 7200, 400 * 24 * 3600] {
        sim.change(Change::Skew { host: 0, secs }).unwrap();
        sim.set_time(AFTERNOON);
        let (mut film, mut lists) = (Film::of(target(&sim, 0, Kind::Pve)), Lists::default());
        let report = film.watch(&sim, &mut lists, 60);
        let wanted = sim.truth().guests.iter().filter(|g| !g.template).count();
        assert_eq!(guests(&report).len(), wanted, "{secs}");
        assert!(report.live.nodes.iter().all(|n| n.status == "online" && n.load_average.as_ref().unwrap().len() == 3));
        let of_guests = report.live.vms.iter().chain(&report.live.containers);
        assert!(of_guests.clone().all(|g| g.source_age.is_none() && g.network_in >= 0 && g.network_in < 1 << 30));
        assert!(report.live.storage.iter().all(|s| s.last_seen.is_none()));
        let before = lists.tasks.len();
        assert!(before > 0, "{secs}");
        // The night's backups come, by whatever clock.
        sim.set_time(AFTERNOON + 24 * 3600);
        film.seconds += 24 * 3600;
        film.watch(&sim, &mut lists, 300);
        assert!(lists.tasks.len() > before, "{secs}: {} tasks, {before} the day before", lists.tasks.len());
        lists.nothing_doubled();
    }
}

#[test]
fn guests_that_move_with_every_cycle_lose_and_double_nothing() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 3, 20)).frozen(AFTERNOON)).unwrap();
    let (mut film, mut lists) = (Film::of(target(&sim, 0, Kind::Pve)), Lists::default());
    film.watch(&sim, &mut lists, 60);
    // Simulated guests take the files on local disks along, which real ones do not.
    let on_shared = |l: &Lists| l.files.iter().filter(|f| !f.contains("-local:")).count();
    let (files, snapshots) = (on_shared(&lists), lists.snapshots.len());
    assert!(files > 0 && snapshots > 0);
    sim.change(Change::Restless { host: 0, period_secs: Some(10) }).unwrap();
    for _ in 0..60 {
        let report = film.step(&sim);
        lists.take(&report);
        let known: BTreeSet<String> = guests(&report).into_iter().map(|(id, _)| id).collect();
        assert_eq!(known.len(), guests(&report).len());
        assert_eq!((on_shared(&lists), lists.snapshots.len()), (files, snapshots), "at {} s", film.seconds);
        lists.nothing_doubled();
        // A snapshot is where its guest is.
        for snapshot in &lists.snapshots {
            assert!(known.iter().any(|id| snapshot.starts_with(&format!("{id}-"))), "{snapshot}");
        }
        let all = report.live.vms.iter().chain(&report.live.containers);
        assert!(all.clone().all(|g| g.status != "unknown" && g.network_in >= 0 && g.network_in < 1 << 28));
    }
}

#[test]
fn a_node_that_leaves_takes_its_own_things_and_nothing_else() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 3, 24)).frozen(AFTERNOON)).unwrap();
    let (mut film, mut lists) = (Film::of(target(&sim, 0, Kind::Pve)), Lists::default());
    let before = film.watch(&sim, &mut lists, 180);
    assert!(before.live.nodes.len() == 3 && before.live.cluster.as_ref().unwrap().members.len() == 3);
    let of_gone: Vec<i64> = {
        let all = before.live.vms.iter().chain(&before.live.containers);
        all.filter(|g| g.node == "pve3").map(|g| g.vmid).collect()
    };
    assert!(!of_gone.is_empty());
    let others = |r: &Report| -> Vec<String> {
        let nodes = r.live.nodes.iter().filter(|n| n.name != "pve3").map(|n| n.id.clone());
        let all = r.live.vms.iter().chain(&r.live.containers).filter(|g| g.node != "pve3").map(|g| g.id.clone());
        nodes.chain(all).chain(r.live.storage.iter().filter(|s| s.node != "pve3").map(|s| s.id.clone())).collect()
    };
    let staying = |of: &[String]| of.iter().filter(|n| *n != "pve3").count();
    let (disks, pools) = (staying(&lists.disks), staying(&lists.pools));
    assert!(disks < lists.disks.len());
    let files: Vec<String> = lists.files.clone();
    sim.change(Change::RemoveNode { host: 0, node: "pve3".into() }).unwrap();
    let after = film.watch(&sim, &mut lists, 600);
    assert_eq!(others(&before), others(&after));
    let is_gone = |id: &String| id.contains("pve3");
    assert!(!after.live.nodes.iter().any(|n| n.name == "pve3") && !guests(&after).iter().any(|(id, _)| is_gone(id)));
    assert!(!after.live.storage.iter().any(|s| s.node == "pve3" || s.nodes.iter().any(|n| n == "pve3")));
    assert!(!lists.tasks.iter().any(is_gone) && !lists.snapshots.iter().any(is_gone));
    assert_eq!((lists.disks.len(), lists.pools.len()), (disks, pools));
    assert_eq!(after.live.cluster.unwrap().members.len(), 2);
    assert_eq!(after.statistics.endpoints.len(), 2, "{:?}", after.statistics.endpoints);
    // Backups on shared storages stay, each once; the simulation forgets those of guests that are gone.
    let of = |f: &str, vmid: &i64| f.contains(&format!("-{vmid}-")) || f.contains(&format!("/{vmid}/"));
    let stays = |f: &&String| !f.contains("-local:") && !of_gone.iter().any(|vmid| of(f, vmid));
    let on_shared: Vec<&String> = files.iter().filter(stays).collect();
    assert!(!on_shared.is_empty() && on_shared.iter().all(|f| lists.files.contains(f)));
    lists.nothing_doubled();
    assert!(after.at.wall > Time::UNSET);
}

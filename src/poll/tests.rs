//! Hours of polling in seconds: cycles against the simulator with a clock that is moved by hand.

#[cfg(test)]
use crate::demo::{self, Change, Fault, PbsSpec, PveSpec, Scope, Simulator, Spec};

use super::Report;
use super::pbs::PbsPoll;
use super::pve::PvePoll;
use super::target::{Monitor, Target};
use super::worker::{Clock, Cycle};
use crate::proxmox::{Access, Auth, Kind, Tls};
use std::collections::BTreeMap;
use std::time::Duration;

mod budget;
mod faults;
mod life;

/// A quiet afternoon (2025-08-14 14:00:00 UTC).
pub(crate) const AFTERNOON: i64 = 1_755_180_000;

pub(crate) fn target(sim: &Simulator, host: usize, kind: Kind) -> Target {
    let (id, secret) = sim.token(host);
    Target {
        instance: "lab".into(),
        kind,
        access: Access {
            base_url: sim.url(host),
            auth: Auth::Token { user: String::new(), name: id, secret },
            tls: Tls::Off,
            timeout: Duration::from_secs(4),
        },
        endpoints: vec![],
        monitor: Monitor::all(),
        interval: Duration::from_secs(10),
        past: usize::MAX,
    }
}

/// A connection whose time is ours.
pub(crate) struct Film {
    cycle: Box<dyn Cycle>,
    clock: Clock,
    seconds: i64,
}

impl Film {
    pub(crate) fn of(target: Target) -> Film {
        let cycle: Box<dyn Cycle> = match target.kind {
            Kind::Pve => Box::new(PvePoll::new(target)),
            Kind::Pbs => Box::new(PbsPoll::new(target)),
        };
        Film { cycle, clock: Clock::for_tests(), seconds: 0 }
    }
    pub(crate) fn pass(&mut self, time: Duration) {
        self.clock.pass(time);
    }
    /// A cycle, and then the time until the next, while the simulated world stands still.
    pub(crate) fn cycle(&mut self) -> Report {
        let report = self.cycle.run(&self.clock);
        self.clock.pass(self.cycle.period());
        report
    }
    /// A cycle, and then the time until the next.
    pub(crate) fn step(&mut self, sim: &Simulator) -> Report {
        let report = self.cycle.run(&self.clock);
        let period = self.cycle.period();
        self.clock.pass(period);
        self.seconds += i64::try_from(period.as_secs()).unwrap();
        sim.set_time(AFTERNOON + self.seconds);
        report
    }
    fn for_seconds(&mut self, sim: &Simulator, seconds: i64) -> Report {
        let end = self.seconds + seconds;
        loop {
            let report = self.step(sim);
            if self.seconds >= end {
                return report;
            }
        }
    }
}

#[test]
fn a_three_node_cluster_is_asked_forty_times_a_minute_and_once_more_for_each_running_vm() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 3, 50)).frozen(AFTERNOON)).unwrap();
    let mut film = Film::of(target(&sim, 0, Kind::Pve));
    let report = film.for_seconds(&sim, 180);
    let running = report.live.vms.iter().filter(|v| v.is_running()).count();
    sim.forget();
    film.for_seconds(&sim, 600);
    let a_minute = sim.requests() as f64 / 10.0;
    assert!(running > 10 && a_minute <= 40.0 + running as f64, "{a_minute} a minute for {running} VMs");
    // Not by neglect: everything is asked, the lists in every cycle.
    let asked = |pattern: &str| sim.requests_to(0, pattern);
    assert_eq!(asked("GET /cluster/resources"), 60);
    assert!(asked("GET /nodes/*/status") >= 3 * 19, "{:?}", sim.counts());
    assert!(asked("GET /nodes/*/agent/get-fsinfo") > 0 && asked("GET /nodes/*/snapshot") > 100);
    assert!(sim.violations().is_empty(), "{:?}", sim.violations());
}

#[test]
fn row_25_the_next_cycle_begins_when_the_settings_say() {
    let sim = demo::start(Spec::small(1, 2, 7).frozen(AFTERNOON)).unwrap();
    for (host, kind) in [(0, Kind::Pve), (1, Kind::Pbs)] {
        for (set, seconds) in [(1, 5), (10, 10), (47, 47), (86_400, 3600)] {
            let mut target = target(&sim, host, kind);
            target.interval = Duration::from_secs(set);
            let mut film = Film::of(target);
            film.step(&sim);
            film.step(&sim);
            assert_eq!(film.cycle.period(), Duration::from_secs(seconds), "{kind:?} {set}");
        }
    }
}

#[test]
fn no_guest_is_forgotten_within_ten_minutes() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 3, 50)).frozen(AFTERNOON)).unwrap();
    let mut film = Film::of(target(&sim, 0, Kind::Pve));
    film.for_seconds(&sim, 60);
    sim.forget();
    film.for_seconds(&sim, 600);
    let mut by_guest: BTreeMap<String, u32> = BTreeMap::new();
    for call in sim.calls().iter().filter(|c| c.path.ends_with("/snapshot")) {
        *by_guest.entry(call.path.clone()).or_default() += 1;
    }
    let guests = sim.truth().guests.iter().filter(|g| !g.template).count();
    assert_eq!(by_guest.len(), guests);
    let (least, most) = (by_guest.values().min().unwrap(), by_guest.values().max().unwrap());
    assert!(*least >= 1 && most - least <= 2, "{least} … {most}");
}

#[test]
fn a_backup_server_is_asked_six_times_a_minute() {
    let spec = Spec::new(7).with_pve(PveSpec::new("homelab", 3, 50)).with_pbs(PbsSpec::new("pbs")).frozen(AFTERNOON);
    let sim = demo::start(spec).unwrap();
    let mut film = Film::of(target(&sim, 1, Kind::Pbs));
    film.for_seconds(&sim, 60);
    sim.forget();
    film.for_seconds(&sim, 1200);
    let a_minute = sim.requests() as f64 / 20.0;
    assert!(a_minute <= 6.0, "{a_minute}");
    assert!(sim.requests_to(1, "GET /nodes/localhost/status") >= 40);
    assert!(sim.requests_to(1, "GET /status/datastore-usage") >= 10);
    let snapshots = sim.requests_to(1, "GET /admin/datastore/*/snapshots");
    assert!(snapshots >= 20, "{snapshots}");
    assert!(sim.violations().is_empty(), "{:?}", sim.violations());
}

#[test]
fn rates_are_what_the_counters_did() {
    let sim = demo::start(Spec::new(3).with_pve(PveSpec::new("homelab", 2, 12)).frozen(AFTERNOON)).unwrap();
    let mut film = Film::of(target(&sim, 0, Kind::Pve));
    film.step(&sim);
    let began = film.seconds;
    film.step(&sim);
    let mut sums: BTreeMap<i64, [i64; 4]> = BTreeMap::new();
    const CYCLES: i64 = 30;
    for _ in 0..CYCLES {
        let report = film.step(&sim);
        for g in report.live.vms.iter().chain(&report.live.containers) {
            let shown = [g.disk_read, g.disk_write, g.network_in, g.network_out];
            for (sum, rate) in sums.entry(g.vmid).or_default().iter_mut().zip(shown) {
                *sum += rate;
            }
        }
    }
    // Proxmox itself refreshes the counters every ten seconds only, so both ends are known to ten seconds.
    let (before, after) = (sim.truth_at(AFTERNOON + began), sim.truth_at(AFTERNOON + began + CYCLES * 10));
    let mut compared = 0;
    for (vmid, sums) in sums {
        let vmid = u32::try_from(vmid).unwrap();
        let (Some(a), Some(b)) = (before.guest(0, vmid), after.guest(0, vmid)) else { continue };
        for (at, sum) in sums.into_iter().enumerate().filter(|_| a.running && b.running) {
            let (shown, real) = (sum as f64 / CYCLES as f64, (b.counters[at] - a.counters[at]) as f64 / 300.0);
            assert!((shown - real).abs() <= real * 0.1 + 10.0, "{vmid} counter {at}: {shown}, really {real}");
            compared += i32::from(real > 0.0);
        }
    }
    assert!(compared > 10, "{compared}");
}

#[test]
fn after_an_outage_the_hosts_come_back_with_the_next_cycle_and_without_a_spike() {
    let spec = Spec::new(5).with_pve(PveSpec::new("homelab", 2, 12)).with_pbs(PbsSpec::new("pbs")).frozen(AFTERNOON);
    let sim = demo::start(spec).unwrap();
    for (host, kind) in [(0, Kind::Pve), (1, Kind::Pbs)] {
        let mut film = Film::of(target(&sim, host, kind));
        film.for_seconds(&sim, 60);
        sim.kill(host);
        let died = film.seconds;
        let mut offline = None;
        while film.seconds - died < 7200 {
            let report = film.step(&sim);
            assert!(!report.reachable);
            if report.offline {
                offline.get_or_insert(film.seconds - died);
            }
        }
        assert!(offline.is_some_and(|s| s <= 35), "{offline:?}");
        sim.revive(host).unwrap();
        let report = film.step(&sim);
        assert!(report.reachable && !report.offline && report.failure.is_none());
        // It could have been our own network: no endpoint is made to wait for that.
        let later = film.for_seconds(&sim, 30);
        assert!(later.statistics.endpoints.iter().all(|e| e.healthy), "{:?}", later.statistics.endpoints);
        for g in report.live.vms.iter().chain(&report.live.containers) {
            assert_eq!((g.network_in, g.network_out, g.disk_read, g.disk_write), (0, 0, 0, 0), "{}", g.id);
        }
    }
}

#[test]
fn sleeping_disks_are_left_asleep_for_a_day() {
    let sim = demo::start(Spec::new(9).with_pve(PveSpec::new("homelab", 3, 3)).frozen(AFTERNOON)).unwrap();
    let mut target = target(&sim, 0, Kind::Pve);
    target.interval = Duration::from_secs(600);
    let mut film = Film::of(target);
    let mut disks = Vec::new();
    while film.seconds < 24 * 3600 {
        disks = film.step(&sim).slow.physical_disks.unwrap_or(disks);
        // Ten minutes pass at once here; what is asked beside the cycle takes its time.
        if film.cycle.is_busy() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(disks.iter().any(|d| d.r#type == "hdd") && disks.iter().any(|d| d.r#type == "ssd"));
    assert!(sim.requests_to(0, "GET /nodes/*/disks/list") >= 3 * 40);
    let calls = sim.calls();
    assert!(calls.iter().filter(|c| c.path.ends_with("/disks/list")).all(|c| c.query.contains("skipsmart=1")));
    let asked = |d: &&crate::model::PhysicalDisk| {
        let path = format!("/nodes/{}/disks/smart", d.node);
        calls.iter().any(|c| c.path == path && c.query.contains(&d.device))
    };
    for disk in &disks {
        let awake = matches!(disk.r#type.as_str(), "ssd" | "nvme");
        assert_eq!((asked(&disk), disk.health != "UNKNOWN"), (awake, awake), "{disk:?}");
    }
}

#[test]
fn one_hanging_agent_costs_only_its_own_guest() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 3, 30)).frozen(AFTERNOON)).unwrap();
    let mut target = target(&sim, 0, Kind::Pve);
    target.access.timeout = Duration::from_millis(800);
    let mut film = Film::of(target);
    film.for_seconds(&sim, 30);
    let with_agent = |r: &Report| -> Vec<i64> {
        let all = r.live.vms.iter().filter(|v| v.disk_source.as_deref() == Some("agent"));
        all.map(|v| v.vmid).collect()
    };
    let before = with_agent(&film.step(&sim));
    let victim = *before.first().unwrap();
    sim.fault(Scope::host(0).path(&format!("*/qemu/{victim}/agent/*")), Fault::Hang);
    sim.forget();
    let report = film.for_seconds(&sim, 600);
    assert!(report.reachable && report.statistics.endpoints.iter().all(|e| e.healthy));
    assert_eq!(with_agent(&report), before);
    let guest = report.live.vms.iter().find(|v| v.vmid == victim).unwrap();
    assert_eq!(guest.disk_status.as_deref(), Some("agent-timeout"));
    assert!(guest.source_age.is_some_and(|a| a > 300), "{:?}", guest.source_age);
    // Resting longer and longer instead of waiting for it in each cycle.
    let asked = sim.requests_to(0, &format!("GET *{victim}/agent/*"));
    assert!(asked <= 8, "{asked}");
}

#[test]
fn what_was_fetched_stays_for_a_day_and_no_longer() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 2, 10)).frozen(AFTERNOON)).unwrap();
    let mut target = target(&sim, 0, Kind::Pve);
    target.interval = Duration::from_secs(1800);
    let mut film = Film::of(target);
    film.for_seconds(&sim, 10);
    let stored = film.step(&sim).live.storage.len();
    assert!(stored > 3);
    let refused = Fault::Status { code: 500, message: "storage is not online".into() };
    sim.fault(Scope::host(0).path("/nodes/*/storage"), refused);
    let report = film.for_seconds(&sim, 23 * 3600);
    assert_eq!(report.live.storage.len(), stored);
    assert!(report.live.storage.iter().all(|s| s.last_seen.is_some()));
    assert!(film.for_seconds(&sim, 3 * 3600).live.storage.is_empty());
}

#[test]
fn errors_of_every_kind_are_logged_once_and_counted() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 3, 10)).frozen(AFTERNOON)).unwrap();
    let mut film = Film::of(target(&sim, 0, Kind::Pve));
    film.for_seconds(&sim, 30);
    sim.fault(Scope::host(0).path("/nodes/pve2/*"), Fault::Status { code: 595, message: "No route to host".into() });
    let report = film.for_seconds(&sim, 900);
    assert!(report.reachable && report.live.nodes.iter().all(|n| n.status == "online"));
    let seen: Vec<_> = report.statistics.errors.iter().filter(|e| e.subject == "nodes/pve2/status").collect();
    assert_eq!(seen.len(), 1);
    // Backing off: ten, twenty, forty, … seconds, three minutes at most.
    assert!((5..=11).contains(&seen[0].count), "{}", seen[0].count);
    let other = report.statistics.errors.iter().find(|e| e.subject.contains("pve1") && !e.subject.contains("apt"));
    assert!(other.is_none(), "{other:?}");
}

#[test]
fn guests_that_move_all_the_time_are_each_there_once() {
    let sim = demo::start(Spec::new(7).with_pve(PveSpec::new("homelab", 3, 20)).frozen(AFTERNOON)).unwrap();
    sim.change(Change::Restless { host: 0, period_secs: Some(20) }).unwrap();
    let mut film = Film::of(target(&sim, 0, Kind::Pve));
    let wanted = sim.truth().guests.iter().filter(|g| !g.template).count();
    for _ in 0..30 {
        let at = film.seconds;
        let report = film.step(&sim);
        let truth = sim.truth_at(AFTERNOON + at);
        let all: Vec<_> = report.live.vms.iter().chain(&report.live.containers).collect();
        assert_eq!(all.len(), wanted);
        for g in all {
            let real = truth.guest(0, u32::try_from(g.vmid).unwrap()).unwrap();
            assert_eq!((&g.node, &g.id), (&real.node, &format!("lab-{}-{}", real.node, g.vmid)));
        }
    }
}

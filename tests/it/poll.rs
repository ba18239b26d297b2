//! Watching Proxmox hosts: what a connection reports when all is well, and when it is not. All against the simulator.

use crossbeam_channel::{Receiver, unbounded};
use pulse::demo::{self, Agent, Change, Fault, MemorySource, PbsSpec, PveSpec, Scope, Simulator, Spec, Version};
use pulse::model::{Guest, Time};
use pulse::owner::Event;
use pulse::poll::{self, FailureClass, Handle, Kind, Monitor, Report, Target};
use pulse::proxmox::{Access, Auth, Fingerprint, Tls};
use std::time::{Duration, Instant};

/// A quiet afternoon on which nothing is being backed up (2025-08-14 14:00:00 UTC).
const AFTERNOON: i64 = 1_755_180_000;

fn simulate(spec: Spec) -> Simulator {
    demo::start(spec.frozen(AFTERNOON)).unwrap()
}

fn homelab(guests: usize) -> Simulator {
    simulate(Spec::new(7).with_pve(PveSpec::new("homelab", 3, guests)).with_pbs(PbsSpec::new("pbs")))
}

fn target(sim: &Simulator, host: usize, kind: Kind) -> Target {
    let (id, secret) = sim.token(host);
    Target {
        instance: "lab".into(),
        kind,
        access: Access {
            base_url: sim.url(host),
            auth: Auth::Token { user: String::new(), name: id, secret },
            tls: Tls::Off,
            timeout: Duration::from_secs(3),
        },
        endpoints: vec![],
        monitor: Monitor::all(),
        past: usize::MAX,
        interval: Duration::from_secs(3600),
    }
}

/// A connection driven cycle by cycle.
struct Watch {
    handle: Handle,
    reports: Receiver<Event>,
}

impl Watch {
    fn start(target: Target) -> Watch {
        let (out, reports) = unbounded();
        Watch { handle: poll::start(target, Instant::now(), out), reports }
    }
    fn pve(sim: &Simulator) -> Watch {
        Watch::start(target(sim, 0, Kind::Pve))
    }
    /// The report of the running cycle.
    fn report(&self) -> Report {
        match self.reports.recv_timeout(Duration::from_secs(25)) {
            Ok(Event::Report(report)) => *report,
            _ => panic!("no report came"),
        }
    }
    /// The report of a cycle that begins now.
    fn next(&self) -> Report {
        self.handle.poll_now();
        self.report()
    }
    /// Cycles until one satisfies, at most ten; the waiting between is for what is asked beside the cycle.
    fn until(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        for _ in 0..10 {
            let report = self.next();
            if wanted(&report) {
                return report;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        panic!("it did not come in ten cycles");
    }
}

fn guests(report: &Report) -> impl Iterator<Item = &Guest> {
    report.live.vms.iter().chain(&report.live.containers)
}

fn guest(report: &Report, vmid: u32) -> &Guest {
    guests(report).find(|g| g.vmid == i64::from(vmid)).unwrap_or_else(|| panic!("no guest {vmid}"))
}

fn refused(code: u16) -> Fault {
    Fault::Status { code, message: "because this test wants it".into() }
}

#[test]
fn every_guest_is_shown_as_it_is() {
    for version in [Version::Pve8, Version::Pve9] {
        let sim = simulate(Spec::new(11).with_pve(PveSpec::new("homelab", 3, 40).version(version)));
        let watch = Watch::pve(&sim);
        watch.report();
        watch.next();
        let report = watch.next();
        let truth = sim.truth();
        let real: Vec<_> = truth.guests.iter().filter(|g| !g.template).collect();
        assert_eq!(guests(&report).count(), real.len());
        let mut inside = 0;
        for real in real {
            let shown = guest(&report, real.vmid);
            let who = format!("{version:?} {} {}", real.vmid, real.name);
            assert_eq!((&shown.name, &shown.node), (&real.name, &real.node), "{who}");
            assert_eq!((shown.status == "running", shown.cpus), (real.running, real.cores as i64), "{who}");
            assert!((shown.cpu - real.cpu).abs() < 0.15, "{who}: {} {}", shown.cpu, real.cpu);
            assert_eq!(shown.tags.join(";"), real.tags, "{who}");
            assert_eq!((shown.pool.as_ref(), shown.ha_state.as_ref()), (real.pool.as_ref(), real.ha.as_ref()), "{who}");
            assert_eq!(shown.backup_covered, Some(real.covered), "{who}");
            let near = |shown: i64, real: u64, part: f64| (shown as f64 - real as f64).abs() <= real as f64 * part;
            match real.memory_source {
                MemorySource::None => assert_eq!(shown.memory.used, 0, "{who}"),
                MemorySource::Agent => {
                    assert_eq!(shown.memory_source.as_deref(), Some("agent-meminfo"), "{who}");
                    assert!(near(shown.memory.used, real.memory_used, 0.03), "{who} {:?} {real:?}", shown.memory);
                }
                MemorySource::Reported => {
                    assert!(near(shown.memory.used, real.memory_used, 0.12), "{who} {:?} {real:?}", shown.memory);
                }
                MemorySource::Unknowable => assert!(shown.memory.used > 0, "{who}"),
            }
            if let (Some((used, total)), true) = (real.disk, real.running) {
                let agent = real.agent == Agent::On || shown.r#type == "lxc";
                assert!(
                    !agent || near(shown.disk.used, used, 0.02) && near(shown.disk.total, total, 0.02),
                    "{who}: {shown:?} {real:?}"
                );
                inside += usize::from(agent && shown.r#type == "qemu");
            }
            if real.running && (real.agent == Agent::On || shown.r#type == "lxc") {
                assert_eq!(shown.ip_addresses, real.addresses, "{who}");
                assert!(shown.os.is_some(), "{who}");
            }
        }
        assert!(inside > 5, "{inside}");
        assert_eq!(sim.violations(), Vec::<String>::new());
    }
}

#[test]
fn why_a_disk_is_not_known_is_told() {
    let sim = homelab(24);
    let vms: Vec<u32> = {
        let truth = sim.truth();
        let qemu = truth.guests.iter().filter(|g| g.kind == demo::Kind::Qemu && g.running && !g.template);
        qemu.map(|g| g.vmid).collect()
    };
    for (vmid, agent) in vms.iter().zip([Agent::Off, Agent::Dead, Agent::Erring, Agent::On]) {
        sim.change(Change::SetAgent { host: 0, vmid: *vmid, agent }).unwrap();
    }
    let watch = Watch::pve(&sim);
    watch.report();
    let report = watch.next();
    let status = |at: usize| guest(&report, vms[at]).disk_status.as_deref();
    assert_eq!(status(0), Some("agent-disabled"));
    assert_eq!(status(1), Some("agent-not-running"));
    assert_eq!(status(2), Some("agent-no-filesystems"));
    assert_eq!((status(3), guest(&report, vms[3]).disk_source.as_deref()), (None, Some("agent")));

    sim.change(Change::Privileges { host: 0, privileges: demo::AUDITOR.map(str::to_owned).to_vec() }).unwrap();
    let report = {
        let watch = Watch::pve(&sim);
        watch.report();
        watch.next()
    };
    assert_eq!(guest(&report, vms[3]).disk_status.as_deref(), Some("no-permission:VM.Monitor"));
    let nine =
        simulate(Spec::new(7).with_pve(PveSpec::new("nine", 2, 24).version(Version::Pve9).privileges(&demo::AUDITOR)));
    let watch = Watch::pve(&nine);
    let first = watch.report();
    let told = first.live.vms.iter().filter_map(|v| v.disk_status.as_deref()).filter(|s| s.starts_with("no-"));
    assert_eq!(
        told.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
        ["no-permission:VM.GuestAgent.Audit"]
    );
    let missing: Vec<&String> = report.statistics.missing_privileges.values().flatten().collect();
    assert!(missing.iter().any(|p| *p == "VM.Monitor"), "{missing:?}");
}

#[test]
fn nodes_and_storages_are_shown_as_they_are() {
    for version in [Version::Pve8, Version::Pve9] {
        let sim = simulate(Spec::new(3).with_pve(PveSpec::new("homelab", 3, 12).version(version)));
        let watch = Watch::pve(&sim);
        let report = watch.report();
        let truth = sim.truth();
        assert_eq!(report.live.nodes.len(), truth.nodes.len());
        for node in &report.live.nodes {
            let real = truth.node(0, &node.name).unwrap();
            assert_eq!(
                (node.status.as_str(), node.is_cluster_member, node.cluster_name.as_str()),
                ("online", true, "homelab")
            );
            assert_eq!((node.cpu_info.cores, node.memory.total), (i64::from(real.cores), real.memory_total as i64));
            assert!((node.disk.used as f64 / real.root_used as f64 - 1.0).abs() < 0.01, "{:?} {real:?}", node.disk);
            let source = if version == Version::Pve9 { "memavailable" } else { "nodes" };
            assert_eq!(node.memory_source.as_deref(), Some(source));
            if version == Version::Pve9 {
                assert!((node.memory.used as f64 / real.memory_used as f64 - 1.0).abs() < 0.02);
            }
            assert_eq!(node.load_average.as_ref().map(Vec::len), Some(3));
            assert!(node.kernel_version.starts_with("Linux ") && node.pve_version.starts_with("pve-manager/"));
        }
        assert_eq!(report.live.storage.len(), truth.storages.len());
        for real in &truth.storages {
            let node = real.node.clone().unwrap_or_else(|| "shared".into());
            let id = format!("lab-{node}-{}", real.name);
            let shown = report.live.storage.iter().find(|s| s.id == id).unwrap_or_else(|| panic!("no {id}"));
            assert_eq!((shown.shared, shown.enabled, shown.active), (real.shared, real.enabled, real.active), "{id}");
            assert!((shown.used as f64 - real.used as f64).abs() <= real.used as f64 * 0.01, "{id}");
        }
        let cluster = report.live.cluster.unwrap();
        assert!(cluster.quorate && cluster.members.len() == 3);
        assert_eq!(report.endpoints.unwrap().len(), 3);
    }
}

#[test]
fn backups_snapshots_and_the_rest_follow_with_the_second_report() {
    let spec = Spec::new(7).with_pve(PveSpec::new("homelab", 3, 20).ceph()).with_pbs(PbsSpec::new("pbs"));
    let sim = simulate(spec);
    let watch = Watch::pve(&sim);
    let first = watch.report();
    std::thread::sleep(Duration::from_millis(300));
    let second = watch.next();
    let (a, b) = (first.slow, second.slow);
    let truth = sim.truth();
    let backups = a.storage_backups.or(b.storage_backups).unwrap();
    assert!(!backups.is_empty() && backups.iter().all(|f| f.ctime > 0 && f.vmid > 0 && f.instance == "lab"));
    let of_pbs = backups.iter().filter(|f| f.is_pbs).count();
    assert!(of_pbs > 0 && of_pbs < backups.len(), "{of_pbs} of {}", backups.len());
    let snapshots = b.guest_snapshots.or(a.guest_snapshots).unwrap();
    let real: usize = truth.guests.iter().filter(|g| !g.template).map(|g| g.snapshots).sum();
    assert_eq!(snapshots.len(), real);
    let tasks = a.backup_tasks.or(b.backup_tasks).unwrap();
    assert!(tasks.iter().any(|t| t.status == "OK") && tasks.iter().any(|t| !t.error.is_empty()));
    assert!(b.ceph.or(a.ceph).unwrap().unwrap().osds > 0);
    assert!(!b.zfs_pools.or(a.zfs_pools).unwrap().is_empty());
    let disks = b.physical_disks.or(a.physical_disks).unwrap();
    assert!(disks.iter().any(|d| d.wearout.is_some() && d.health == "PASSED"), "{disks:?}");
    let uncovered = a.coverage.or(b.coverage).unwrap().unwrap().uncovered.len();
    assert_eq!(uncovered, truth.guests.iter().filter(|g| !g.covered && !g.template).count());
    // Nothing new: nothing is told again.
    let quiet = watch.next().slow;
    assert!(quiet.storage_backups.is_none() && quiet.guest_snapshots.is_none() && quiet.backup_tasks.is_none());
}

#[test]
fn a_backup_server_is_shown_as_it_is() {
    let sim = homelab(20);
    let watch = Watch::start(target(&sim, 1, Kind::Pbs));
    let first = watch.report();
    let pbs = first.live.pbs.clone().unwrap();
    assert_eq!(
        (pbs.id.as_str(), pbs.status.as_str(), pbs.connection_health.as_str()),
        ("pbs-lab", "online", "healthy")
    );
    assert!(pbs.cpu > 0.0 && pbs.cpu <= 100.0 && pbs.memory > 0.0 && pbs.uptime > 0);
    let truth = sim.truth();
    let stores = pbs.datastores.unwrap();
    assert_eq!(stores.len(), truth.datastores.len());
    for real in &truth.datastores {
        let shown = stores.iter().find(|d| d.name == real.name).unwrap();
        assert_eq!(shown.total as u64, real.total);
        assert!((shown.used as f64 / real.used as f64 - 1.0).abs() < 0.01 && shown.deduplication_factor > 1.0);
        let namespaces = shown.namespaces.as_ref().unwrap();
        assert_eq!((namespaces[0].path.as_str(), namespaces.len()), ("", real.namespaces.len()));
    }
    assert!(
        pbs.sync_jobs.is_some() && pbs.verify_jobs.is_some() && pbs.prune_jobs.is_some() && pbs.garbage_jobs.is_some()
    );
    let backups = first
        .slow
        .pbs_backups
        .unwrap_or_else(|| watch.until(|r| r.slow.pbs_backups.is_some()).slow.pbs_backups.unwrap());
    assert_eq!(backups.len(), truth.datastores.iter().map(|d| d.snapshots).sum::<usize>());
    let ids: std::collections::HashSet<_> = backups.iter().map(|b| &b.id).collect();
    assert_eq!(ids.len(), backups.len());

    sim.change(Change::DatastoreBroken { host: 1, store: "offsite".into(), error: Some("disk is gone".into()) })
        .unwrap();
    let again = Watch::start(target(&sim, 1, Kind::Pbs));
    let stores = again.report().live.pbs.unwrap().datastores.unwrap();
    let broken = stores.iter().find(|d| d.name == "offsite").unwrap();
    assert!(broken.status != "available" && broken.error.contains("disk is gone"), "{broken:?}");
}

#[test]
fn a_host_that_dies_is_offline_after_three_polls_and_back_with_the_next_answer() {
    let sim = homelab(12);
    let watch = Watch::pve(&sim);
    let before = watch.report();
    sim.kill(0);
    for failed in 1..=2 {
        let report = watch.next();
        assert!(!report.reachable && !report.offline);
        assert_eq!(report.failure.as_ref().map(|f| (f.class, f.consecutive)), Some((FailureClass::Connect, failed)));
        assert!(report.live.nodes.iter().all(|n| n.status == "online"));
    }
    let report = watch.next();
    assert!(report.offline);
    assert_eq!(report.live.nodes.len(), 3);
    for (node, was) in report.live.nodes.iter().zip(&before.live.nodes) {
        assert_eq!((&node.id, node.status.as_str(), node.connection_health.as_str()), (&was.id, "offline", "error"));
        assert_eq!((node.cpu, node.uptime, node.memory.used), (0.0, 0, 0));
        assert_eq!((node.memory.total, node.disk.total), (was.memory.total, was.disk.total));
        assert!(node.error.is_some());
    }
    assert_eq!(guests(&report).count(), guests(&before).count());
    assert!(guests(&report).all(|g| g.status == "unknown" && g.cpu == 0.0 && g.network_in == 0 && g.memory.used == 0));
    assert!(report.live.storage.iter().all(|s| !s.active && s.status != "available"));
    assert!(report.slow.storage_backups.is_none());
    sim.revive(0).unwrap();
    let report = watch.next();
    assert!(report.reachable && report.failure.is_none());
    assert!(report.live.nodes.iter().all(|n| n.status == "online"));
    assert_eq!(guests(&report).filter(|g| g.is_running()).count(), guests(&before).filter(|g| g.is_running()).count());
}

#[test]
fn a_backup_server_that_dies_keeps_its_datastores_and_backups() {
    let sim = homelab(12);
    let watch = Watch::start(target(&sim, 1, Kind::Pbs));
    watch.report();
    sim.kill(1);
    watch.next();
    watch.next();
    let report = watch.next();
    let pbs = report.live.pbs.unwrap();
    assert_eq!(
        (pbs.status.as_str(), pbs.connection_health.as_str(), pbs.version.as_str()),
        ("offline", "error", "unknown")
    );
    assert_eq!((pbs.cpu, pbs.memory_used, pbs.uptime), (0.0, 0, 0));
    assert_eq!(pbs.datastores.map(|d| d.len()), Some(2));
    assert!(report.offline && report.slow.pbs_backups.is_none() && pbs.error.is_some());
    sim.revive(1).unwrap();
    let pbs = watch.next().live.pbs.unwrap();
    assert_eq!((pbs.status.as_str(), pbs.error), ("online", None));
}

#[test]
fn another_member_takes_over_only_when_the_way_is_broken() {
    let sim = homelab(12);
    let watch = Watch::pve(&sim);
    watch.report();
    let current = |r: &Report| r.statistics.endpoints.iter().find(|e| e.current).unwrap().url.clone();
    for fault in [refused(500), refused(501), refused(595), Fault::Truncated, Fault::Html] {
        let set = sim.fault(Scope::host(0).node(0).path("/cluster/resources").times(1), fault.clone());
        let report = watch.next();
        assert_eq!(current(&report), sim.url(0), "{fault:?}");
        assert!(report.statistics.endpoints.iter().all(|e| e.healthy), "{fault:?}");
        // The lists of the nodes stand in for that of the cluster.
        assert!(report.reachable && guests(&report).count() > 5, "{fault:?} {:?}", report.failure);
        sim.clear(set);
    }
    sim.kill_node(0, 0);
    let report = watch.next();
    assert!(report.reachable, "{:?}", report.failure);
    assert_eq!(current(&report), sim.node_url(0, 1));
    assert!(report.statistics.endpoints.iter().any(|e| !e.healthy && e.url == sim.url(0)));
    assert_eq!(guests(&report).count(), sim.truth().guests.iter().filter(|g| !g.template).count());
}

#[test]
fn what_one_node_does_not_answer_is_missing_only_there() {
    let sim = homelab(12);
    for fault in [refused(500), refused(595), Fault::Truncated, Fault::Huge { bytes: 200 << 20 }] {
        let set = sim.fault(Scope::host(0).path("/nodes/pve2/s*"), fault.clone());
        let watch = Watch::pve(&sim);
        let report = watch.report();
        assert!(report.reachable && report.took < Duration::from_secs(8), "{fault:?} {:?}", report.took);
        let of = |name: &str| report.live.nodes.iter().find(|n| n.name == name).unwrap();
        assert!(of("pve1").load_average.as_ref().is_some_and(|l| l.len() == 3), "{fault:?}");
        assert_eq!((of("pve2").status.as_str(), of("pve2").load_average.as_ref().map(Vec::len)), ("online", Some(0)));
        assert!(report.live.storage.iter().any(|s| s.node == "pve1"));
        assert!(!report.live.storage.iter().any(|s| s.node == "pve2"), "{fault:?}");
        assert!(guests(&report).any(|g| g.node == "pve2" && g.is_running()));
        sim.clear(set);
    }
}

#[test]
fn a_lost_node_is_offline_at_once_its_guests_unknown_and_its_templates_stay_hidden() {
    let sim = homelab(30);
    let watch = Watch::pve(&sim);
    let before = watch.report();
    sim.change(Change::NodeOffline { host: 0, node: "pve2".into() }).unwrap();
    let report = watch.next();
    assert!(report.reachable);
    let node = report.live.nodes.iter().find(|n| n.name == "pve2").unwrap();
    assert_eq!(
        (node.status.as_str(), node.connection_health.as_str(), node.cpu, node.uptime),
        ("offline", "healthy", 0.0, 0)
    );
    assert_eq!(guests(&report).count(), guests(&before).count());
    for g in guests(&report).filter(|g| g.node == "pve2") {
        assert_eq!((g.status.as_str(), g.cpu), ("unknown", 0.0), "{}", g.id);
        assert_eq!(g.name, guest(&before, g.vmid as u32).name);
    }
    assert!(report.live.storage.iter().filter(|s| s.node == "pve2").all(|s| s.status != "available"));
    sim.change(Change::RemoveNode { host: 0, node: "pve2".into() }).unwrap();
    let report = watch.next();
    assert!(report.live.nodes.iter().all(|n| n.name != "pve2") && guests(&report).all(|g| g.node != "pve2"));
}

#[test]
fn wrong_answers_are_told_apart_and_leave_the_figures_as_they_were() {
    let sim = simulate(Spec::new(5).with_pve(PveSpec::new("solo", 1, 8)));
    let elsewhere = Fault::Redirect { location: "https://127.0.0.250:1/".into() };
    for (fault, class) in [
        (Fault::Truncated, FailureClass::Answer),
        (Fault::CutShort, FailureClass::Answer),
        (Fault::Html, FailureClass::Answer),
        (Fault::Huge { bytes: 200 << 20 }, FailureClass::Answer),
        (elsewhere, FailureClass::Answer),
        (refused(500), FailureClass::Answer),
        (refused(401), FailureClass::Auth),
        (Fault::Reset, FailureClass::Connect),
        (Fault::Hang, FailureClass::Timeout),
    ] {
        let watch = Watch::pve(&sim);
        let before = watch.report();
        let set = sim.fault(Scope::host(0).path("/nodes"), fault.clone());
        let report = watch.next();
        assert_eq!(report.failure.as_ref().map(|f| f.class), Some(class), "{fault:?} {:?}", report.failure);
        assert_eq!((&report.live.nodes, &report.live.vms), (&before.live.nodes, &before.live.vms), "{fault:?}");
        sim.clear(set);
        assert!(watch.next().reachable, "{fault:?}");
    }
}

#[test]
fn a_changed_certificate_is_refused_and_its_fingerprint_told() {
    let sim = simulate(Spec::new(5).with_pve(PveSpec::new("solo", 1, 4)));
    let pin = Fingerprint::parse(&sim.fingerprint(0)).unwrap();
    let mut pinned = target(&sim, 0, Kind::Pve);
    pinned.access.tls = Tls::Pin(pin.0);
    let watch = Watch::start(pinned);
    assert!(watch.report().reachable);
    sim.renew_certificates(0).unwrap();
    let failure = watch.next().failure.unwrap();
    assert_eq!(failure.class, FailureClass::Tls);
    assert_eq!(failure.fingerprint.map(Fingerprint), Fingerprint::parse(&sim.fingerprint(0)));
    assert_ne!(failure.fingerprint, Some(pin.0));
}

#[test]
fn refused_credentials_end_in_a_placeholder_and_tickets_are_renewed() {
    let sim = homelab(6);
    let mut wrong = target(&sim, 0, Kind::Pve);
    wrong.access.auth = Auth::Token { user: "x@pam".into(), name: "y".into(), secret: "z".into() };
    let watch = Watch::start(wrong);
    for _ in 0..4 {
        let report = if watch.reports.is_empty() { watch.report() } else { watch.next() };
        assert!(report.live.nodes.is_empty() && report.failure.unwrap().class == FailureClass::Auth);
        watch.handle.poll_now();
    }
    let report = watch.report();
    let [node] = &report.live.nodes[..] else { panic!("{:?}", report.live.nodes) };
    assert_eq!((node.id.as_str(), node.name.as_str(), node.status.as_str()), ("lab-failed", "lab", "offline"));
    assert_eq!((node.connection_health.as_str(), &node.load_average), ("error", &None));

    let (user, secret) = sim.login(0);
    let mut with_password = target(&sim, 0, Kind::Pve);
    with_password.access.auth = Auth::Password { user, secret };
    let watch = Watch::start(with_password);
    assert!(watch.report().reachable);
    sim.expire_tickets(0);
    sim.set_time(AFTERNOON + 2);
    let report = watch.next();
    assert!(report.reachable && guests(&report).count() > 3);
    assert_eq!(sim.requests_to(0, "POST /access/ticket"), 2);
}

#[test]
fn a_guest_that_moves_takes_its_snapshots_along() {
    let sim = homelab(20);
    let watch = Watch::pve(&sim);
    watch.report();
    let truth = sim.truth();
    let mover = truth.guests.iter().find(|g| g.snapshots > 0 && g.node == "pve1" && !g.template).unwrap();
    sim.change(Change::Migrate { host: 0, vmid: mover.vmid, node: "pve3".into() }).unwrap();
    let report = watch.next();
    let id = format!("lab-pve3-{}", mover.vmid);
    assert_eq!(
        (&guest(&report, mover.vmid).id, guests(&report).filter(|g| g.vmid == i64::from(mover.vmid)).count()),
        (&id, 1)
    );
    let snapshots = report.slow.guest_snapshots.unwrap();
    let own: Vec<_> = snapshots.iter().filter(|s| s.vmid == i64::from(mover.vmid)).collect();
    assert_eq!(own.len(), mover.snapshots);
    assert!(own.iter().all(|s| s.node == "pve3" && s.id.starts_with(&id)));
    sim.change(Change::Remove { host: 0, vmid: mover.vmid }).unwrap();
    let report = watch.next();
    assert!(guests(&report).all(|g| g.vmid != i64::from(mover.vmid)));
    assert!(report.slow.guest_snapshots.unwrap().iter().all(|s| s.vmid != i64::from(mover.vmid)));
}

#[test]
fn two_clusters_with_equal_names_are_told_apart_by_their_connection() {
    let twin = || PveSpec::new("same", 2, 6);
    let sim = simulate(Spec::new(7).with_pve(twin()).with_pve(twin()));
    let of = |host: usize, name: &str| {
        let mut t = target(&sim, host, Kind::Pve);
        t.instance = name.into();
        Watch::start(t).report()
    };
    let (a, b) = (of(0, "east"), of(1, "west"));
    let ids = |r: &Report| -> Vec<String> {
        let nodes = r.live.nodes.iter().map(|n| n.id.clone());
        nodes.chain(guests(r).map(|g| g.id.clone())).chain(r.live.storage.iter().map(|s| s.id.clone())).collect()
    };
    assert_eq!(a.live.nodes.len(), b.live.nodes.len());
    assert!(ids(&a).iter().all(|id| id.starts_with("east-")) && ids(&b).iter().all(|id| id.starts_with("west-")));
}

#[test]
fn a_host_of_its_own_is_hardly_asked_about_clusters() {
    let sim = simulate(Spec::new(7).with_pve(PveSpec::new("solo", 1, 8)));
    let watch = Watch::pve(&sim);
    let report = watch.report();
    let node = &report.live.nodes[0];
    assert_eq!((node.is_cluster_member, node.cluster_name.as_str(), &report.live.cluster), (false, "", &None));
    let truth = sim.truth();
    assert_eq!(guests(&report).count(), truth.guests.iter().filter(|g| !g.template).count());
    let first = sim.requests_to(0, "GET /cluster/*");
    for _ in 0..5 {
        watch.next();
    }
    assert_eq!((first, sim.requests_to(0, "GET /cluster/*")), (3, 3), "{:?}", sim.counts());
    assert_eq!(sim.requests_to(0, "GET /cluster/resources"), 0);
}

#[test]
fn what_is_not_to_be_watched_is_not_asked_for() {
    let sim = homelab(12);
    let mut little = target(&sim, 0, Kind::Pve);
    little.monitor = Monitor { storage: false, backups: false, containers: false, ..Monitor::all() };
    let watch = Watch::start(little);
    watch.report();
    let report = watch.next();
    assert!(report.live.containers.is_empty() && report.live.storage.is_empty() && !report.live.vms.is_empty());
    for pattern in ["*/storage*", "*/snapshot", "*/tasks", "*/lxc/*"] {
        assert_eq!(sim.requests_to(0, &format!("GET {pattern}")), 0, "{pattern}");
    }
}

#[test]
fn a_thousand_guests_behind_a_slow_api_fit_into_a_cycle() {
    let sim = simulate(Spec::large(1));
    sim.fault(Scope::host(0), Fault::Delay(Duration::from_millis(100)));
    let watch = Watch::pve(&sim);
    let mut inside = Vec::new();
    for _ in 0..3 {
        let report = if inside.is_empty() { watch.report() } else { watch.next() };
        assert!(report.reachable && report.took < Duration::from_secs(10), "{:?}", report.took);
        assert!(guests(&report).count() > 900);
        assert_eq!(report.live.nodes.len(), 10);
        assert!(report.live.nodes.iter().all(|n| n.load_average.as_ref().is_some_and(|l| l.len() == 3)));
        inside.push(guests(&report).filter(|g| g.memory_source.as_deref() == Some("freemem")).count());
    }
    // Each cycle learns more of the guests instead of beginning anew.
    assert!(inside[0] > 50 && inside[1] > inside[0] && inside[2] >= inside[1], "{inside:?}");
}

#[test]
fn stopping_ends_the_thread_at_once_and_no_report_comes_after() {
    let sim = homelab(6);
    let watch = Watch::pve(&sim);
    watch.report();
    let began = Instant::now();
    watch.handle.join();
    assert!(began.elapsed() < Duration::from_millis(500));
    // In the middle of a cycle that hangs.
    sim.fault(Scope::host(0), Fault::Hang);
    let watch = Watch::pve(&sim);
    std::thread::sleep(Duration::from_millis(200));
    watch.handle.join();
    assert!(began.elapsed() < Duration::from_secs(6));
    assert!(watch.reports.try_recv().is_err());
}

#[test]
fn the_last_backup_of_each_guest_is_found_among_all_kinds() {
    let sim = homelab(20);
    let (pve, pbs) = (Watch::pve(&sim), Watch::start(target(&sim, 1, Kind::Pbs)));
    let pick = |watch: &Watch| {
        let mut all = vec![watch.report()];
        std::thread::sleep(Duration::from_millis(500));
        all.extend((0..2).map(|_| watch.next()));
        all
    };
    let (of_pve, of_pbs) = (pick(&pve), pick(&pbs));
    let newest = |r: &[Report]| r.iter().rev().find_map(|r| r.slow.storage_backups.clone()).unwrap_or_default();
    let tasks = of_pve.iter().rev().find_map(|r| r.slow.backup_tasks.clone()).unwrap();
    let on_pbs = of_pbs.iter().rev().find_map(|r| r.slow.pbs_backups.clone()).unwrap();
    let last = of_pve.last().unwrap();
    let all = poll::derive::backup::LastBackups::of(guests(last), &tasks, &newest(&of_pve), &on_pbs);
    let mut found = 0;
    for real in sim.truth().guests.iter().filter(|g| !g.template) {
        let shown = all.last(guest(last, real.vmid));
        match real.last_backup {
            // A task's end is later than the start that the truth knows.
            Some(start) => {
                assert!((0..6 * 3600).contains(&(shown.unix_secs() - start)), "{} {shown:?} {start}", real.vmid)
            }
            None => assert_eq!(shown, Time::UNSET, "{}", real.vmid),
        }
        found += usize::from(real.last_backup.is_some());
    }
    assert!(found > 5);
}

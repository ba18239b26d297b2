//! Watching Proxmox hosts: what a connection reports when all is well, and when it is not. All against the simulator.

use crossbeam_channel::{Receiver, unbounded};
use pulse::demo::{self, PbsSpec, PveSpec, Simulator, Spec};
use pulse::owner::Event;
use pulse::poll::{self, Handle, Kind, Monitor, Report, Target};
use pulse::proxmox::{Access, Auth, Tls};
use std::time::{Duration, Instant};

/// A connection to one host of a simulation, driven cycle by cycle.
struct Watch {
    handle: Handle,
    reports: Receiver<Event>,
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
            timeout: Duration::from_secs(4),
        },
        endpoints: vec![],
        monitor: Monitor::all(),
        interval: Duration::from_secs(10),
    }
}

impl Watch {
    fn start(target: Target) -> Watch {
        let (out, reports) = unbounded();
        Watch { handle: poll::start(target, Instant::now(), out), reports }
    }
    /// The report of the running cycle.
    fn report(&self) -> Report {
        match self.reports.recv_timeout(Duration::from_secs(15)) {
            Ok(Event::Report(report)) => *report,
            _ => panic!("no report came"),
        }
    }
    /// The report of a cycle that begins now.
    fn next(&self) -> Report {
        self.handle.poll_now();
        self.report()
    }
    /// Cycles until one satisfies, at most ten.
    fn until(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        for _ in 0..10 {
            let report = self.next();
            if wanted(&report) {
                return report;
            }
        }
        panic!("it did not come in ten cycles");
    }
}

fn simulate(spec: Spec) -> Simulator {
    demo::start(spec).unwrap()
}

#[test]
fn smoke() {
    let sim = simulate(Spec::new(1).with_pve(PveSpec::new("homelab", 3, 30)).with_pbs(PbsSpec::new("pbs")));
    let w = Watch::start(target(&sim, 0, Kind::Pve));
    let r = w.report();
    println!(
        "{:?} {} nodes {} vms {} cts {} storage",
        r.took,
        r.live.nodes.len(),
        r.live.vms.len(),
        r.live.containers.len(),
        r.live.storage.len()
    );
    println!("{:#?}", r.live.nodes[0]);
    println!("{:#?}", r.live.vms[0]);
    println!("{:#?}", r.statistics);
    for _ in 0..3 {
        let r = w.next();
        println!(
            "took {:?} slow {:?}",
            r.took,
            (
                r.slow.backup_tasks.map(|l| l.len()),
                r.slow.storage_backups.map(|l| l.len()),
                r.slow.guest_snapshots.map(|l| l.len()),
                r.slow.replication.map(|l| l.len()),
                r.slow.zfs_pools.map(|l| l.len()),
                r.slow.physical_disks.map(|l| l.len()),
                r.slow.coverage,
                r.endpoints
            )
        );
        println!("{:?} {:?}", r.statistics.errors, r.statistics.missing_privileges);
    }
    let r = w.next();
    for v in &r.live.vms {
        println!(
            "{} {} {:?} {:?} {:?} {:?} {:?} {:?}",
            v.id, v.status, v.memory_source, v.disk_source, v.disk_status, v.memory.usage, v.disk.usage, v.ip_addresses
        );
    }
    println!("{:?}", sim.violations());
    println!("{:?}", sim.counts());
    let w = Watch::start(target(&sim, 1, Kind::Pbs));
    for _ in 0..3 {
        let r = if w.reports.is_empty() { w.report() } else { w.next() };
        println!("took {:?} {:?} {:?}", r.took, r.slow.pbs_backups.map(|l| l.len()), r.failure);
        println!("{:#?}", r.live.pbs);
        println!("{:?}", r.statistics.errors);
    }
    println!("{:?}", sim.violations());
}

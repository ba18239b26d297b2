//! How much hosts are asked, and that politeness is not paid for with the truth.

#[cfg(test)]
use super::*;

/// Requests a minute that a cluster may cost: 40 for up to three nodes, 8 for each further one, and one for each
/// running VM.
fn allowed(nodes: usize, running: usize) -> f64 {
    (16 + 8 * nodes).max(40) as f64 + running as f64
}

/// Where the figures of each VM come from.
fn sources(r: &Report) -> BTreeMap<i64, (Option<String>, Option<String>)> {
    r.live.vms.iter().map(|v| (v.vmid, (v.memory_source.clone(), v.disk_source.clone()))).collect()
}

#[test]
fn requests_stay_within_the_budget_and_no_figure_changes_its_source_for_that() {
    let small = Spec::new(7).with_pve(PveSpec::new("homelab", 3, 50));
    for (spec, warm, minutes) in [(small, 120, 30), (Spec::large(1), 480, 6)] {
        let sim = demo::start(spec.frozen(AFTERNOON)).unwrap();
        let mut film = Film::of(target(&sim, 0, Kind::Pve));
        let report = film.for_seconds(&sim, warm);
        let nodes = report.live.nodes.len();
        let running = report.live.vms.iter().filter(|v| v.is_running()).count();
        let first = sources(&report);
        sim.forget();
        let began = film.clock.now().mono_ms;
        for _ in 0..minutes * 6 {
            let report = film.step(&sim);
            assert_eq!(sources(&report), first, "{nodes} nodes, at {} s", film.seconds);
            // What diagnostics show.
            assert!(f64::from(report.statistics.requests_last_minute) <= 1.2 * allowed(nodes, running));
        }
        let passed = (film.clock.now().mono_ms - began) as f64 / 60_000.0;
        let a_minute = sim.requests() as f64 / passed;
        assert!(a_minute <= allowed(nodes, running), "{a_minute} a minute for {nodes} nodes and {running} VMs");
        // Not by neglect: the lists in every cycle, every agent and every guest's snapshots in their turn.
        let asked = |pattern: &str| sim.requests_to(0, pattern) as f64;
        assert_eq!(asked("GET /cluster/resources"), f64::from(minutes * 6));
        let inside = first.values().filter(|(_, disk)| disk.as_deref() == Some("agent")).count() as f64;
        assert!(inside > 10.0 && asked("GET /nodes/*/agent/get-fsinfo") >= inside * passed / 5.0);
        assert!(asked("GET /nodes/*/snapshot") >= report.live.vms.len() as f64 * passed / 10.0);
        assert!(sim.violations().is_empty(), "{:?}", sim.violations());
        println!("{nodes} nodes, {running} running VMs: {a_minute:.1} requests a minute");
    }
}

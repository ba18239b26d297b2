//! The simulator's seed knows the truth about every guest; what `/api/state` says of it is compared, all of it, at the
//! load of the budgets: 10 nodes, 1,000 guests, 5,000 backups, polled over HTTPS by a clock that is moved by hand.

#[cfg(test)]
use crate::demo::{self, Agent, GuestTruth, MemorySource, Spec};

use super::{Core, Jobs};
use crate::model::{Now, Time};
use crate::poll::Kind;
use crate::poll::tests::{AFTERNOON, Film, target};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// An owner, a cluster and its backup server.
struct Scene {
    core: Core,
    films: Vec<Film>,
}

impl Scene {
    fn of(sim: &demo::Simulator) -> Scene {
        let (events, _kept) = crossbeam_channel::unbounded();
        let mut core = Core::new(Now::simulated(AFTERNOON * 1000), Jobs::start(events));
        let kinds = [Kind::Pve, Kind::Pbs];
        core.connections.expect(&kinds.map(|kind| (kind, "lab".to_owned())));
        Scene { core, films: (0..).zip(kinds).map(|(host, kind)| Film::of(target(sim, host, kind))).collect() }
    }
    fn cycles(&mut self, count: usize) {
        for _ in 0..count {
            for film in &mut self.films {
                let report = film.cycle();
                self.core.report(report);
            }
        }
    }
    fn state(&mut self) -> Value {
        serde_json::from_slice(self.core.state_json().bytes()).unwrap()
    }
}

fn bytes(figure: &Value, key: &str) -> u64 {
    figure[key].as_u64().unwrap_or_else(|| panic!("{key} of {figure}"))
}

fn memory_is_true(shown: &Value, real: &GuestTruth) {
    let (memory, source) = (&shown["memory"], shown["memorySource"].as_str());
    let used = bytes(memory, "used");
    match real.memory_source {
        MemorySource::None => assert_eq!((used, source), (0, None)),
        // Kibibytes inside, bytes here.
        MemorySource::Agent => {
            assert!(used.abs_diff(real.memory_used) <= 2048, "{used} of {real:?}");
            assert_eq!(source, Some("agent-meminfo"));
        }
        MemorySource::Reported | MemorySource::Unknowable => {
            assert_eq!(used, real.memory_reported, "{real:?}");
            let wanted = if real.memory_source == MemorySource::Reported { real.memory_used } else { used };
            assert_eq!(used, wanted, "{real:?}");
            assert!(matches!(source, Some("freemem" | "resources")), "{source:?}");
        }
    }
    let total = bytes(memory, "total");
    assert!((real.memory_total..=real.memory_max).contains(&total), "{total} of {real:?}");
    assert_eq!(bytes(memory, "free"), total - used);
    let share = used as f64 / total as f64 * 100.0;
    assert!((memory["usage"].as_f64().unwrap() - share).abs() < 1e-9);
}

fn disk_is_true(shown: &Value, real: &GuestTruth) {
    let (disk, source) = (&shown["disk"], shown["diskSource"].as_str().unwrap());
    let figures = (bytes(disk, "used"), bytes(disk, "total"));
    match (real.kind, real.disk) {
        (demo::Kind::Qemu, Some(inside)) => {
            assert_eq!((figures, source), (inside, "agent"), "{real:?}");
            assert_eq!(shown.get("diskStatus"), None);
        }
        (demo::Kind::Lxc, Some(inside)) => assert_eq!((figures, source), (inside, "lxc"), "{real:?}"),
        (demo::Kind::Qemu, None) => {
            assert_eq!((figures, source), ((0, real.disk_max), "allocated"), "{real:?}");
            let why = match real.agent {
                _ if !real.running => None,
                Agent::Off => Some("agent-disabled"),
                Agent::Dead => Some("agent-not-running"),
                Agent::Erring => Some("agent-no-filesystems"),
                Agent::On => panic!("an agent that answers tells its disks: {real:?}"),
            };
            assert_eq!(shown["diskStatus"].as_str(), why, "{real:?}");
        }
        (demo::Kind::Lxc, None) => assert_eq!((figures, source), ((0, real.disk_max), "unknown"), "{real:?}"),
    }
}

#[test]
fn every_figure_of_a_thousand_guests_is_the_truth() {
    let sim = demo::start(Spec::large(1).frozen(AFTERNOON)).unwrap();
    let mut scene = Scene::of(&sim);
    // Ten minutes: the budget of requests makes it take its time.
    scene.cycles(60);
    let state = scene.state();
    let truth = sim.truth();
    let lists = ["vms", "containers"].map(|key| state[key].as_array().unwrap());
    let shown: BTreeMap<u64, &Value> = lists.into_iter().flatten().map(|g| (bytes(g, "vmid"), g)).collect();
    let real: Vec<&GuestTruth> = truth.guests.iter().filter(|g| !g.template).collect();
    assert_eq!(shown.len(), lists.map(Vec::len).iter().sum::<usize>(), "a guest is shown twice");
    assert_eq!(shown.len(), real.len());
    let mut seen = BTreeMap::<&str, u32>::new();
    for real in &real {
        let shown = shown[&u64::from(real.vmid)];
        assert_eq!(shown["node"], real.node.as_str());
        assert_eq!(shown["status"] == "running", real.running, "{real:?}");
        memory_is_true(shown, real);
        disk_is_true(shown, real);
        let said = shown["lastBackup"].clone();
        let at = |t: Option<i64>| serde_json::to_value(t.map_or(Time::UNSET, Time::from_unix)).unwrap();
        let told = said == at(real.last_backup) || real.last_backup_task.is_some() && said == at(real.last_backup_task);
        assert!(told, "{said} of {real:?}");
        assert_eq!(shown["backupCovered"], real.covered, "{real:?}");
        *seen.entry(shown["memorySource"].as_str().unwrap_or("stopped")).or_default() += 1;
        *seen.entry(shown["diskSource"].as_str().unwrap()).or_default() += 1;
        *seen.entry(if real.last_backup.is_some() { "backed up" } else { "never backed up" }).or_default() += 1;
        *seen.entry(if real.covered { "covered" } else { "not covered" }).or_default() += 1;
    }
    // None of the comparisons was idle.
    for what in [
        "agent-meminfo",
        "freemem",
        "resources",
        "stopped",
        "agent",
        "lxc",
        "allocated",
        "unknown",
        "backed up",
        "never backed up",
        "covered",
        "not covered",
    ] {
        assert!(seen.get(what).is_some_and(|n| *n >= 10), "{what}: {seen:?}");
    }
    let files = |key: &str| state["pveBackups"][key].as_array().unwrap().len();
    assert_eq!(files("storageBackups"), real.iter().map(|g| g.backups).sum::<usize>());
    assert_eq!(files("guestSnapshots"), real.iter().map(|g| g.snapshots).sum::<usize>());
    // Memory in a snapshot takes twice the guest's and some room on the simulated storages.
    let with_memory = state["pveBackups"]["guestSnapshots"].as_array().unwrap().iter().filter(|s| s["vmstate"] == true);
    for snapshot in with_memory.clone() {
        let of = truth.guest(0, bytes(snapshot, "vmid") as u32).unwrap();
        assert_eq!(snapshot["size"], of.memory_max * 2 + (500 << 20), "{snapshot}");
    }
    assert!(with_memory.count() > 20);
    let on_pbs = state["pbsBackups"].as_array().unwrap().len();
    assert_eq!(on_pbs, truth.datastores.iter().map(|d| d.snapshots).sum::<usize>());
    assert!(files("storageBackups") > 4000 && on_pbs > 2500);
    for node in state["nodes"].as_array().unwrap() {
        let real = truth.node(0, node["name"].as_str().unwrap()).unwrap();
        assert_eq!(
            (bytes(&node["memory"], "used"), bytes(&node["memory"], "total")),
            (real.memory_used, real.memory_total)
        );
        assert_eq!((bytes(&node["disk"], "used"), bytes(&node["disk"], "total")), (real.root_used, real.root_total));
    }
}

#[test]
fn a_backup_was_made_although_nobody_can_look_at_it_for_days() {
    let sim = demo::start(Spec::small(2, 20, 7).frozen(AFTERNOON)).unwrap();
    let mut scene = Scene::of(&sim);
    scene.cycles(12);
    let dates = |state: &Value| -> BTreeMap<String, Value> {
        let all = ["vms", "containers"].into_iter().flat_map(|key| state[key].as_array().unwrap().clone());
        all.map(|g| (g["id"].to_string(), g["lastBackup"].clone())).collect()
    };
    let before = scene.state();
    let never = serde_json::to_value(Time::UNSET).unwrap();
    assert!(dates(&before).values().filter(|at| **at != never).count() > 10);
    sim.kill(1);
    let fault = demo::Fault::Status { code: 500, message: "storage is not online".into() };
    sim.fault(demo::Scope::host(0).path("/nodes/*/content"), fault);
    for _ in 0..5 {
        scene.films.iter_mut().for_each(|film| film.pass(Duration::from_secs(12 * 3600)));
        scene.cycles(6);
    }
    let blind = scene.state();
    assert_eq!((&blind["pbsBackups"], &blind["pveBackups"]["storageBackups"]), (&json!([]), &json!([])));
    assert_eq!(dates(&blind), dates(&before));
    sim.clear_all();
    sim.revive(1).unwrap();
    scene.films.iter_mut().for_each(|film| film.pass(Duration::from_secs(3600)));
    scene.cycles(12);
    let again = scene.state();
    assert_eq!((&again["pbsBackups"], &again["pveBackups"]), (&before["pbsBackups"], &before["pveBackups"]));
    assert_eq!(dates(&again), dates(&before));
    assert!(scene.core.backups_remembered.is_empty());
}

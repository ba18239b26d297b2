//! Builds the first world of a spec. Every choice is a hash of the seed and an id, so that the same spec gives
//! the same installation.

mod guests;
mod nodes;
mod storages;

use super::{BackupJob, Datastore, GIB, Guest, Host, Pbs, Pve, Storage, World};
use crate::demo::noise::{Wave, hash, hash_text, unit};
use crate::demo::spec::{HostSpec, PbsSpec, PveSpec, Spec, monitor_privileges};

pub fn world(spec: &Spec, born: i64) -> World {
    let first_pbs = spec.hosts.iter().position(|h| matches!(h, HostSpec::Pbs(_)));
    let hosts = spec.hosts.iter().enumerate().map(|(index, host)| match host {
        HostSpec::Pve(pve) => Host::Pve(self::pve(spec, index, pve, born, first_pbs)),
        HostSpec::Pbs(pbs) => Host::Pbs(self::pbs(spec, index, pbs, born)),
    });
    World { seed: spec.seed, born, hosts: hosts.collect() }
}

fn pve(spec: &Spec, index: usize, it: &PveSpec, born: i64, pbs: Option<usize>) -> Pve {
    let seed = hash_text(hash(spec.seed, index as u64, 1), &it.name);
    let nodes = if it.cluster { it.nodes } else { 1 };
    let storages = storages::all(seed, it, pbs);
    let guests: Vec<Guest> = (0..it.guests).map(|n| guests::guest(seed, it, n, nodes, &storages, born)).collect();
    let privileges = if it.privileges.is_empty() { monitor_privileges(it.version) } else { it.privileges.clone() };
    Pve {
        seed,
        name: it.name.clone(),
        version: it.version,
        cluster: it.cluster,
        ceph: it.ceph,
        privileges: privileges.into_iter().collect(),
        nodes: (0..nodes).map(|n| nodes::node(seed, it, n, &guests, born)).collect(),
        jobs: jobs(&guests, &storages),
        guests,
        storages,
        restless_secs: None,
        skew_secs: 0,
        address_of_node: (0..nodes).map(|n| spec.address(index, n).to_string()).collect(),
    }
}

/// One nightly job for each storage that takes backups, and one of their own for some guests.
fn jobs(guests: &[Guest], storages: &[Storage]) -> Vec<BackupJob> {
    let planned = |storage: &Storage, alone: bool| -> Vec<u32> {
        let fits = |g: &&Guest| {
            g.plan.as_ref().is_some_and(|p| p.storage == storage.name && p.alone == alone && p.until.is_none())
        };
        guests.iter().filter(fits).map(|g| g.vmid).collect()
    };
    // A job that somebody switched off long ago; its like is what makes `all` look like coverage.
    let id = "backup-00000000-old".to_owned();
    let storage = "local".to_owned();
    let old = BackupJob { id, storage, schedule: "sun 03:00", enabled: false, all: true, vmids: Vec::new() };
    let mut jobs = vec![old];
    for storage in storages.iter().filter(|s| s.takes_backups()) {
        let vmids = planned(storage, false);
        if !vmids.is_empty() {
            let id = format!("backup-{:08x}-{}", hash_text(7, &storage.name) as u32, storage.name);
            let storage = storage.name.clone();
            jobs.push(BackupJob { id, storage, schedule: "01:00", enabled: true, all: false, vmids });
        }
        for vmid in planned(storage, true) {
            let storage = storage.name.clone();
            let id = format!("backup-{vmid:08x}-own");
            jobs.push(BackupJob { id, storage, schedule: "01:00", enabled: true, all: false, vmids: vec![vmid] });
        }
    }
    jobs
}

fn pbs(spec: &Spec, index: usize, it: &PbsSpec, born: i64) -> Pbs {
    let seed = hash_text(hash(spec.seed, index as u64, 2), &it.name);
    let mut namespaces: Vec<String> = spec
        .hosts
        .iter()
        .filter_map(|h| if let HostSpec::Pve(pve) = h { Some(pve.name.clone()) } else { None })
        .collect();
    // Two clusters of one name share a namespace.
    crate::order::sort(&mut namespaces);
    namespaces.dedup();
    namespaces.push("archive".to_owned());
    namespaces.push("archive/2024".to_owned());
    let used = |share: f64, total: u64| Wave { mean: total as f64 * share, swing: 0.004, phase: unit(seed) };
    let store = |name: &str, comment, total, share, namespaces| Datastore {
        name: name.to_owned(),
        comment,
        total,
        used: used(share, total),
        namespaces,
        broken: None,
        maintenance: None,
    };
    Pbs {
        seed,
        name: it.name.clone(),
        privileges: it.privileges.iter().cloned().collect(),
        booted: born - 41 * super::DAY - (hash(seed, 1, 1) % 80_000) as i64,
        skew_secs: 0,
        datastores: vec![
            store("main", None, 8 * 1024 * GIB, 0.58, namespaces),
            store("offsite", Some("copy in the other building"), 4 * 1024 * GIB, 0.81, Vec::new()),
        ],
        cpu: Wave { mean: 0.06, swing: 0.8, phase: unit(hash(seed, 2, 2)) },
        memory: Wave { mean: 3.1 * GIB as f64, swing: 0.1, phase: 0.2 },
    }
}

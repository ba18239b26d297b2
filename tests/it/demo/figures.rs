//! What hosts say against what is really so: the traps in which monitoring is caught.

use super::{AFTERNOON, row, rows};
use crate::support::simulated::{Client, start};
use pulse::demo::{Kind, MemorySource, PveSpec, Simulator, Spec, Version};
use serde_json::Value;
use std::collections::BTreeMap;

fn installation(version: Version) -> Simulator {
    let pve = PveSpec::new("lab", 3, 90).version(version);
    start(Spec::new(11).with_pve(pve).with_pbs(pulse::demo::PbsSpec::new("pbs")).frozen(AFTERNOON))
}

#[test]
fn a_cluster_shows_its_members_and_everything_in_it() {
    let sim = start(Spec::small(3, 50, 7).frozen(AFTERNOON));
    let client = Client::of(&sim, 0);
    assert_eq!(client.data("/version")["release"], "8.4");
    let status = client.data("/cluster/status");
    assert_eq!(rows(&status).iter().filter(|r| r["type"] == "node").count(), 3);
    let cluster = row(&status, "type", "cluster");
    assert_eq!((&cluster["name"], &cluster["nodes"]), (&"homelab".into(), &3.into()));
    assert_eq!(row(&status, "name", "pve1")["local"], 1);
    assert_eq!(rows(&client.data("/cluster/resources?type=vm")).len(), 50);
    assert_eq!(sim.truth().guests.len(), 50);
}

#[test]
fn a_host_of_its_own_has_no_cluster_row() {
    let sim = start(Spec::small(1, 5, 7).frozen(AFTERNOON));
    let status = Client::of(&sim, 0).data("/cluster/status");
    assert_eq!(rows(&status).len(), 1);
    assert_eq!((&status[0]["type"], &status[0]["nodeid"]), (&"node".into(), &0.into()));
}

#[test]
fn the_same_seed_gives_the_same_installation_and_another_seed_another() {
    let resources = |seed| {
        let sim = start(Spec::new(seed).with_pve(PveSpec::new("lab", 1, 20)).frozen(AFTERNOON));
        Client::of(&sim, 0).get("/cluster/resources").unwrap().1
    };
    assert_eq!(resources(1), resources(1));
    assert_ne!(resources(1), resources(2));
}

#[test]
fn the_page_cache_counts_as_used_in_proxmox_and_the_agent_knows_better() {
    let sim = installation(Version::Pve8);
    let client = Client::of(&sim, 0);
    let truth = sim.truth();
    let mut traps = 0;
    for guest in truth.guests.iter().filter(|g| g.memory_source == MemorySource::Agent) {
        let base = format!("/nodes/{}/qemu/{}", guest.node, guest.vmid);
        let status = client.data(&format!("{base}/status/current"));
        assert_eq!(status["mem"], guest.memory_reported);
        let file = client.data(&format!("{base}/agent/file-read?file=/proc/meminfo"));
        let text = file["content"].as_str().unwrap();
        let kb = |name: &str| -> u64 {
            let line = text.lines().find(|l| l.starts_with(&format!("{name}:"))).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let used = (kb("MemTotal") - kb("MemAvailable")) * 1024;
        assert!(used.abs_diff(guest.memory_used) < 8192, "{}: {used} against {}", guest.name, guest.memory_used);
        traps += u32::from(guest.memory_reported > guest.memory_used + guest.memory_max / 5);
    }
    assert!(traps > 5, "{traps}");
}

#[test]
fn own_disks_add_up_to_the_truth_and_the_rest_does_not_count() {
    let sim = installation(Version::Pve8);
    let client = Client::of(&sim, 0);
    let mut foreign = 0;
    let truth = sim.truth();
    for guest in truth.guests.iter().filter(|g| g.kind == Kind::Qemu && g.disk.is_some()) {
        let path = format!("/nodes/{}/qemu/{}/agent/get-fsinfo", guest.node, guest.vmid);
        let answer = client.data(&path);
        let own: BTreeMap<&str, &Value> = rows(&answer["result"])
            .iter()
            .filter(|fs| fs.get("total-bytes").is_some())
            .filter(|fs| !["nfs4", "squashfs", "vfat", "erofs"].contains(&fs["type"].as_str().unwrap()))
            .filter(|fs| fs["mountpoint"] != "System Reserved")
            // A second mount of the same device is the same space.
            .map(|fs| (fs["name"].as_str().unwrap(), fs))
            .collect();
        let sum = |key: &str| own.values().map(|fs| fs[key].as_u64().unwrap()).sum::<u64>();
        assert_eq!(guest.disk, Some((sum("used-bytes"), sum("total-bytes"))), "{}", guest.name);
        foreign += rows(&answer["result"]).len() - own.len();
    }
    assert!(foreign > 10);
    // Proxmox itself knows nothing of the inside of a virtual machine.
    let resources = client.data("/cluster/resources?type=vm");
    assert!(rows(&resources).iter().filter(|g| g["type"] == "qemu").all(|g| g["disk"] == 0));
}

#[test]
fn agents_fail_in_every_way() {
    let sim = installation(Version::Pve8);
    let client = Client::of(&sim, 0);
    let mut ways = BTreeMap::new();
    for guest in sim.truth().guests.iter().filter(|g| g.kind == Kind::Qemu && !g.template) {
        let (status, body) =
            client.get(&format!("/nodes/{}/qemu/{}/agent/get-fsinfo", guest.node, guest.vmid)).unwrap();
        let way = if status == 200 && body.contains("CommandNotFound") {
            "refuses".to_owned()
        } else {
            format!("{status} {:?}", guest.agent)
        };
        *ways.entry(way).or_insert(0) += 1;
    }
    for way in ["200 On", "500 Off", "500 Dead", "500 On", "refuses"] {
        assert!(ways.contains_key(way), "{way}: {ways:?}");
    }
}

#[test]
fn counters_grow_by_what_the_rates_say() {
    let sim = installation(Version::Pve8);
    let client = Client::of(&sim, 0);
    let netin = |t| {
        sim.set_time(t);
        client.data("/nodes/pve1/qemu/100/status/current")["netin"].as_u64().unwrap()
    };
    let (from, to) = (netin(AFTERNOON), netin(AFTERNOON + 60));
    let rate = sim.truth_at(AFTERNOON + 30).guest(0, 100).unwrap().rates[2];
    let seen = (to - from) as f64 / 60.0;
    assert!((seen - rate).abs() < rate * 0.05, "{seen} against {rate}");
}

#[test]
fn version_9_tells_free_from_available_memory_and_older_ones_do_not() {
    for version in [Version::Pve8, Version::Pve9] {
        let sim = installation(version);
        let memory = Client::of(&sim, 0).data("/nodes/pve1/status")["memory"].clone();
        let truth = sim.truth();
        assert_eq!(memory["used"], truth.node(0, "pve1").unwrap().memory_used);
        let total = memory["total"].as_u64().unwrap();
        let sum = memory["used"].as_u64().unwrap() + memory["free"].as_u64().unwrap();
        assert_eq!(memory.get("available").is_some(), version == Version::Pve9);
        assert_eq!(sum < total, version == Version::Pve9);
    }
}

#[test]
fn a_fraction_of_a_core_and_other_odd_numbers_occur() {
    let sim = installation(Version::Pve7);
    let client = Client::of(&sim, 0);
    let resources = client.data("/cluster/resources?type=vm");
    assert!(rows(&resources).iter().any(|g| g["maxcpu"] == 1.5));
    let all: Vec<Value> = (1..=3).flat_map(|n| rows(&client.data(&format!("/nodes/pve{n}/lxc"))).to_vec()).collect();
    assert!(all.iter().any(|g| g["cpus"] == "1.5"));
    assert!(all.iter().all(|g| g["vmid"].is_string()));
}

#[test]
fn the_newest_backup_of_each_guest_is_where_the_truth_says() {
    let sim = installation(Version::Pve8);
    let (pve, pbs) = (Client::of(&sim, 0), Client::of(&sim, 1));
    let mut newest: BTreeMap<u64, i64> = BTreeMap::new();
    let mut files: BTreeMap<u64, usize> = BTreeMap::new();
    for (storage, nodes) in [("nas", 1..=1), ("pbs-main", 1..=1), ("local", 1..=3)] {
        for node in nodes {
            let path = format!("/nodes/pve{node}/storage/{storage}/content?content=backup");
            for file in rows(&pve.data(&path)) {
                let (vmid, time) = (file["vmid"].as_u64().unwrap(), file["ctime"].as_i64().unwrap());
                let best = newest.entry(vmid).or_default();
                *best = (*best).max(time);
                *files.entry(vmid).or_default() += 1;
            }
        }
    }
    let truth = sim.truth();
    for guest in &truth.guests {
        let id = u64::from(guest.vmid);
        assert_eq!(newest.get(&id).copied(), guest.last_backup, "{}", guest.name);
        assert_eq!(files.get(&id).copied().unwrap_or(0), guest.backups, "{}", guest.name);
    }
    let snapshots = pbs.data("/admin/datastore/main/snapshots?ns=lab");
    let at_pbs = rows(&pve.data("/nodes/pve1/storage/pbs-main/content?content=backup")).len();
    assert_eq!(rows(&snapshots).len(), at_pbs);
    let uncovered = pve.data("/cluster/backup-info/not-backed-up");
    let bare = truth.guests.iter().filter(|g| !g.covered).count();
    assert_eq!(rows(&uncovered).len(), bare);
    assert!(bare > 3 && bare < 30, "{bare}");
    assert!(truth.guests.iter().any(|g| g.last_backup.is_some_and(|t| AFTERNOON - t > 11 * 86_400)));
}

#[test]
fn namespaces_and_groups_agree_with_the_snapshots() {
    let sim = installation(Version::Pve8);
    let client = Client::of(&sim, 1);
    let namespaces = client.data("/admin/datastore/main/namespace");
    let mut total = 0;
    for ns in rows(&namespaces) {
        let ns = ns["ns"].as_str().unwrap();
        let groups = client.data(&format!("/admin/datastore/main/groups?ns={ns}"));
        let snapshots = client.data(&format!("/admin/datastore/main/snapshots?ns={ns}"));
        let counted: u64 = rows(&groups).iter().map(|g| g["backup-count"].as_u64().unwrap()).sum();
        assert_eq!(counted as usize, rows(&snapshots).len(), "{ns}");
        total += counted as usize;
    }
    let truth = sim.truth();
    assert_eq!(truth.datastores[0].snapshots, total);
    assert_eq!(rows(&namespaces).len(), truth.datastores[0].namespaces.len());
    let nested = client.data("/admin/datastore/main/namespace?parent=archive&max-depth=1");
    assert_eq!(rows(&nested).len(), 2);
    assert_eq!(client.status("/admin/datastore/main/snapshots?ns=nowhere"), 404);
}

#[test]
fn the_nights_backups_are_tasks_and_the_default_page_hides_most() {
    let sim = installation(Version::Pve8);
    let client = Client::of(&sim, 0);
    let since = AFTERNOON - 3 * 86_400;
    let tasks = client.data(&format!("/nodes/pve1/tasks?typefilter=vzdump&since={since}&limit=500"));
    assert!(rows(&tasks).iter().all(|t| t["type"] == "vzdump" && t["starttime"].as_i64().unwrap() >= since));
    assert!(rows(&tasks).iter().any(|t| t["id"] == "") && rows(&tasks).iter().any(|t| t["id"] != ""));
    let upid = rows(&tasks).iter().find(|t| t["id"] == "").unwrap()["upid"].as_str().unwrap().to_owned();
    let log = client.data(&format!("/nodes/pve1/tasks/{upid}/log?limit=500"));
    assert!(rows(&log).iter().any(|l| l["t"].as_str().unwrap().starts_with("INFO: Finished Backup of VM")));
    assert_eq!(client.data(&format!("/nodes/pve1/tasks/{upid}/status"))["status"], "stopped");
    let page = client.data("/nodes/pve1/tasks");
    assert_eq!(rows(&page).len(), 50);
    assert!(rows(&page).iter().any(|t| t["type"] == "vncproxy"));
    // In the night a task runs: it has no end, and only those who ask for active ones see it.
    sim.set_time(AFTERNOON - 13 * 3600 + 70);
    let active = client.data("/nodes/pve1/tasks?source=active&typefilter=vzdump");
    assert!(rows(&active).iter().all(|t| t.get("endtime").is_none()) && !rows(&active).is_empty());
}

#[test]
fn history_is_dense_and_gaps_have_no_figures() {
    for (version, timeframe, count) in [(Version::Pve8, "day", 70), (Version::Pve9, "day", 1440)] {
        let sim = installation(version);
        let client = Client::of(&sim, 0);
        for path in ["/nodes/pve1", "/nodes/pve1/qemu/100", "/nodes/pve2/lxc/101"] {
            let history = client.data(&format!("{path}/rrddata?timeframe={timeframe}&cf=AVERAGE"));
            assert_eq!(rows(&history).len(), count, "{path}");
            let full = rows(&history).iter().filter(|r| r.get("cpu").is_some()).count();
            assert!(full * 10 > count * 9, "{path}: {full}");
            assert_eq!(rows(&history)[1].get("memavailable").is_some(), version == Version::Pve9 && path.len() < 12);
        }
        let stopped = sim.truth().guests.iter().find(|g| !g.running && g.kind == Kind::Qemu && !g.template).cloned();
        let stopped = stopped.unwrap();
        let path = format!("/nodes/{}/qemu/{}/rrddata?timeframe=hour", stopped.node, stopped.vmid);
        let last = rows(&client.data(&path)).last().unwrap().clone();
        assert!(last.get("cpu").is_none() && last.get("maxmem").is_some());
    }
}

#[test]
fn snapshots_list_the_present_as_current() {
    let sim = installation(Version::Pve8);
    let client = Client::of(&sim, 0);
    for guest in sim.truth().guests.iter().take(20) {
        let path = format!(
            "/nodes/{}/{}/{}/snapshot",
            guest.node,
            if guest.kind == Kind::Qemu { "qemu" } else { "lxc" },
            guest.vmid
        );
        let snapshots = client.data(&path);
        assert_eq!(rows(&snapshots).len(), guest.snapshots + 1, "{}", guest.name);
        assert!(row(&snapshots, "name", "current").get("snaptime").is_none());
    }
    assert!(sim.truth().guests.iter().any(|g| g.snapshots > 1));
}

#[test]
fn afternoons_are_busier_than_nights() {
    let sim = start(Spec::new(1).with_pve(PveSpec::new("lab", 1, 60)).frozen(AFTERNOON));
    let busy = |t| sim.truth_at(t).guests.iter().map(|g| g.rates[2] + g.rates[3]).sum::<f64>();
    assert!(busy(AFTERNOON) > 1.4 * busy(AFTERNOON - 12 * 3600));
}

#[test]
fn two_clusters_share_names_and_numbers_but_not_backups() {
    let one = |name| PveSpec::new(name, 2, 20);
    let spec = Spec::new(4).with_pve(one("east")).with_pve(one("west")).with_pbs(pulse::demo::PbsSpec::new("pbs"));
    let sim = start(spec.frozen(AFTERNOON));
    let nodes = |host| Client::of(&sim, host).data("/nodes")[0]["node"].clone();
    assert_eq!(nodes(0), nodes(1));
    let pbs = Client::of(&sim, 2);
    let snapshots =
        |ns: &str| pbs.data(&format!("/admin/datastore/main/snapshots?ns={ns}&backup-type=vm&backup-id=100"));
    let (east, west) = (snapshots("east"), snapshots("west"));
    assert!(!rows(&east).is_empty() && rows(&east).len() == rows(&west).len());
    assert_ne!(east[0]["size"], west[0]["size"]);
}

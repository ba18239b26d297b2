//! What happens to an installation while it is watched.

use super::{AFTERNOON, row, rows};
use crate::support::simulated::{Client, start};
use pulse::demo::{Agent, Change, PveSpec, Simulator, Spec};
use serde_json::Value;

fn cluster() -> Simulator {
    start(Spec::small(3, 30, 5).frozen(AFTERNOON))
}

fn guest(sim: &Simulator, vmid: u32) -> Value {
    row(&Client::of(sim, 0).data("/cluster/resources?type=vm"), "vmid", &vmid.to_string()).clone()
}

#[test]
fn a_guest_that_migrates_keeps_running_and_is_gone_from_where_it_was() {
    let sim = cluster();
    let before = guest(&sim, 100);
    assert_eq!(before["node"], "pve1");
    sim.change(Change::Migrate { host: 0, vmid: 100, node: "pve3".to_owned() }).unwrap();
    let after = guest(&sim, 100);
    assert_eq!((&after["node"], &after["netin"]), (&Value::from("pve3"), &before["netin"]));
    let client = Client::of(&sim, 0);
    let (status, body) = client.get("/nodes/pve1/qemu/100/status/current").unwrap();
    assert_eq!(status, 500);
    assert!(body.contains("Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist"), "{body}");
    assert_eq!(client.status("/nodes/pve3/qemu/100/status/current"), 200);
    assert!(sim.change(Change::Migrate { host: 0, vmid: 100, node: "pve9".to_owned() }).is_err());
}

#[test]
fn a_guest_that_stops_shows_nothing_and_counts_anew_when_it_starts() {
    let sim = cluster();
    sim.change(Change::Stop { host: 0, vmid: 100 }).unwrap();
    let stopped = guest(&sim, 100);
    assert_eq!(stopped["status"], "stopped");
    assert_eq!((&stopped["mem"], &stopped["uptime"], &stopped["netin"]), (&0.into(), &0.into(), &0.into()));
    sim.set_time(AFTERNOON + 60);
    sim.change(Change::Start { host: 0, vmid: 100 }).unwrap();
    sim.set_time(AFTERNOON + 120);
    let started = guest(&sim, 100);
    assert_eq!((&started["status"], &started["uptime"]), (&"running".into(), &60.into()));
    let truth = sim.truth();
    assert_eq!(started["netin"], truth.guest(0, 100).unwrap().counters[2]);
}

#[test]
fn restless_guests_are_elsewhere_every_cycle() {
    let sim = cluster();
    sim.change(Change::Restless { host: 0, period_secs: Some(10) }).unwrap();
    let places: Vec<String> = (0..4)
        .map(|n| {
            sim.set_time(AFTERNOON + n * 10);
            guest(&sim, 100)["node"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(places[0], places[3]);
    assert!(places[0] != places[1] && places[1] != places[2]);
}

#[test]
fn a_node_without_power_is_offline_and_its_guests_unknown() {
    let sim = cluster();
    let client = Client::of(&sim, 0);
    sim.change(Change::NodeOffline { host: 0, node: "pve2".to_owned() }).unwrap();
    let nodes = client.data("/nodes");
    let node = row(&nodes, "node", "pve2");
    assert_eq!(node["status"], "offline");
    assert!(node.get("cpu").is_none() && node.get("maxmem").is_none());
    let lost = guest(&sim, 101);
    assert_eq!(lost["status"], "unknown");
    assert!(lost.get("name").is_none() && lost.get("mem").is_none());
    let (status, _) = client.get("/nodes/pve2/status").unwrap();
    assert_eq!(status, 595);
    assert!(Client::anonymous(sim.node_url(0, 1)).get("/version").is_err());
    let storages = client.data("/cluster/resources?type=storage");
    assert!(rows(&storages).iter().all(|s| s["node"] != "pve2"));

    sim.set_time(AFTERNOON + 300);
    sim.change(Change::NodeOnline { host: 0, node: "pve2".to_owned() }).unwrap();
    assert_eq!(row(&client.data("/nodes"), "node", "pve2")["status"], "online");
    assert_eq!(guest(&sim, 101)["status"], "running");
    assert_eq!(Client::anonymous(sim.node_url(0, 1)).status("/version"), 401);
}

#[test]
fn two_of_three_nodes_down_end_the_quorum() {
    let sim = cluster();
    let quorate = || row(&Client::of(&sim, 0).data("/cluster/status"), "type", "cluster")["quorate"].clone();
    assert_eq!(quorate(), 1);
    for node in ["pve2", "pve3"] {
        sim.change(Change::NodeOffline { host: 0, node: node.to_owned() }).unwrap();
    }
    assert_eq!(quorate(), 0);
}

#[test]
fn a_node_that_leaves_the_cluster_is_forgotten() {
    let sim = cluster();
    let client = Client::of(&sim, 0);
    sim.change(Change::RemoveNode { host: 0, node: "pve3".to_owned() }).unwrap();
    assert_eq!(rows(&client.data("/nodes")).len(), 2);
    let (status, body) = client.get("/nodes/pve3/status").unwrap();
    assert_eq!(status, 500);
    assert!(body.contains("hostname lookup 'pve3' failed"), "{body}");
    assert!(sim.truth().guests.iter().all(|g| g.node != "pve3"));
}

#[test]
fn locks_tags_agents_and_removal_show_at_once() {
    let sim = cluster();
    let client = Client::of(&sim, 0);
    sim.change(Change::Lock { host: 0, vmid: 100, lock: Some("backup".to_owned()) }).unwrap();
    sim.change(Change::Tags { host: 0, vmid: 100, tags: "one;two".to_owned() }).unwrap();
    let changed = guest(&sim, 100);
    assert_eq!((&changed["lock"], &changed["tags"]), (&"backup".into(), &"one;two".into()));
    sim.change(Change::SetAgent { host: 0, vmid: 100, agent: Agent::Dead }).unwrap();
    let (status, body) = client.get("/nodes/pve1/qemu/100/agent/get-fsinfo").unwrap();
    assert_eq!(status, 500);
    assert!(body.contains("QEMU guest agent is not running"), "{body}");
    sim.change(Change::Remove { host: 0, vmid: 100 }).unwrap();
    assert!(sim.truth().guest(0, 100).is_none());
}

#[test]
fn figures_can_be_fixed_to_provoke_an_alert() {
    let sim = cluster();
    sim.change(Change::Load { host: 0, vmid: 101, cpu: Some(0.97), memory: Some(0.91), disk: Some(0.88) }).unwrap();
    sim.change(Change::Fill { host: 0, storage: "nas".to_owned(), level: 0.96 }).unwrap();
    let truth = sim.truth();
    let guest = truth.guest(0, 101).unwrap();
    assert!((guest.cpu - 0.97).abs() < 1e-9);
    assert!((guest.memory_used as f64 / guest.memory_total as f64 - 0.91).abs() < 0.001);
    let (used, total) = guest.disk.unwrap();
    assert!((used as f64 / total as f64 - 0.88).abs() < 0.001);
    let storages = Client::of(&sim, 0).data("/nodes/pve1/storage");
    let level = row(&storages, "storage", "nas")["used_fraction"].as_f64().unwrap();
    assert!((level - 0.96).abs() < 0.001, "{level}");
}

#[test]
fn storages_and_datastores_come_and_go() {
    let sim = cluster();
    let client = Client::of(&sim, 0);
    let change =
        |inactive| Change::StorageInactive { host: 0, storage: "nas".to_owned(), node: "pve1".to_owned(), inactive };
    sim.change(change(true)).unwrap();
    assert_eq!(row(&client.data("/nodes/pve1/storage"), "storage", "nas")["active"], 0);
    assert_eq!(row(&client.data("/nodes/pve2/storage"), "storage", "nas")["active"], 1);
    assert_eq!(client.status("/nodes/pve1/storage/nas/content?content=backup"), 500);
    sim.change(change(false)).unwrap();
    assert_eq!(client.status("/nodes/pve1/storage/nas/content?content=backup"), 200);

    let pbs = Client::of(&sim, 1);
    let error = Some("unable to open chunk store 'main' - No such file or directory".to_owned());
    sim.change(Change::DatastoreBroken { host: 1, store: "main".to_owned(), error }).unwrap();
    assert_eq!(pbs.status("/admin/datastore/main/status"), 400);
    assert!(row(&pbs.data("/status/datastore-usage"), "store", "main")["error"].is_string());
    assert_eq!(rows(&pbs.data("/admin/datastore")).len(), 2);
}

#[test]
fn a_host_whose_clock_is_wrong_says_so_in_its_answers() {
    let sim = start(Spec::new(1).with_pve(PveSpec::new("lab", 1, 3)).frozen(AFTERNOON));
    let newest = || {
        Client::of(&sim, 0).data("/nodes/pve1/rrddata?timeframe=hour").as_array().unwrap().last().unwrap()["time"]
            .as_i64()
            .unwrap()
    };
    assert!((AFTERNOON - 60..=AFTERNOON).contains(&newest()));
    sim.change(Change::Skew { host: 0, secs: 7200 }).unwrap();
    assert!((AFTERNOON + 7140..=AFTERNOON + 7200).contains(&newest()));
}

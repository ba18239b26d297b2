//! From a Proxmox host to the state: the real program polls simulated hosts over HTTPS and shows what they know;
//! an acknowledged change outlives any kill.

use crate::support::folder;
use crate::support::host::{self, Reply};
use crate::support::program::Program;
use crate::support::shape;
use pulse::demo::{self, Connection, Spec};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

fn add(program: &Program, host: &Connection, name: &str) {
    let all = ["VMs", "Containers", "Storage", "Backups", "Datastores"].map(|f| (format!("monitor{f}"), json!(true)));
    let mut body = json!({
        "type": if host.backup_server { "pbs" } else { "pve" },
        "name": name,
        "host": host.url,
        "tokenName": host.access.token_id,
        "tokenValue": host.access.token_secret,
        "fingerprint": host.fingerprint,
        "verifySSL": true,
    });
    body.as_object_mut().unwrap().extend(all);
    let (status, answer) = program.send("POST", "/api/config/nodes", &body);
    assert_eq!(status, 201, "{answer}");
}

#[test]
fn added_hosts_appear_with_their_nodes_guests_storages_and_backups() {
    let simulator = demo::start(Spec::small(3, 20, 7)).unwrap();
    let program = Program::open();
    for (host, name) in simulator.connections().iter().zip(["lab", "vault"]) {
        add(&program, host, name);
    }
    let state = program.until("figures of both hosts", || {
        let s = program.get("/api/state");
        let there = |key: &str| s[key].as_array().is_some_and(|l| !l.is_empty());
        (there("nodes")
            && there("vms")
            && there("containers")
            && there("storage")
            && there("pbs")
            && there("pbsBackups"))
        .then_some(s)
    });
    let truth = simulator.truth();
    assert_eq!(state["nodes"].as_array().unwrap().len(), 3);
    let guests = state["vms"].as_array().unwrap().iter().chain(state["containers"].as_array().unwrap());
    let names: BTreeSet<&str> = guests.clone().map(|g| g["name"].as_str().unwrap()).collect();
    let wanted: BTreeSet<&str> = truth.guests.iter().filter(|g| !g.template).map(|g| g.name.as_str()).collect();
    assert_eq!(names, wanted);
    for guest in guests {
        let id = format!("lab-{}-{}", guest["node"].as_str().unwrap(), guest["vmid"]);
        assert_eq!(guest["id"], id.as_str());
    }
    assert_eq!(state["pbs"][0]["id"], "pbs-vault");
    assert_eq!(state["connectionHealth"], json!({"lab": true, "pbs-vault": true}));
    assert_eq!(simulator.violations(), Vec::<String>::new());
    // The same document over REST routes that cut from it.
    let id = state["storage"][0]["id"].as_str().unwrap();
    assert_eq!(program.get(&format!("/api/storage/{id}"))["data"]["id"], id);
    let by_node = program.get(&format!("/api/storage/{}", state["nodes"][0]["name"].as_str().unwrap()));
    assert!(by_node["data"].as_array().is_some_and(|l| !l.is_empty()), "{by_node}");
    assert_eq!(program.send("GET", "/api/storage/none", &Value::Null).0, 404);
    assert!(program.get("/api/backups/pbs")["backups"].as_array().is_some_and(|l| !l.is_empty()));
}

/// What 4.9 answered to `path`, as kept in `tests/data/reference`; the folder beside the repository when it is there.
fn reference(file: &str) -> Value {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/reference").join(file);
    let kept = folder::data("reference").join(file);
    serde_json::from_slice(&std::fs::read(if beside.exists() { beside } else { kept }).unwrap()).unwrap()
}

// The index names every path that was recorded of 4.9 without a connection, with its status.
#[test]
fn a_fresh_program_has_the_shapes_of_its_predecessor_on_every_path_of_the_index() {
    let releases = host::http(|_| {
        Reply::json(r#"{"tag_name":"v0.0.1","name":"v0.0.1","prerelease":false,"published_at":"2025-01-01T00:00:00Z"}"#)
    });
    let program = Program::with(&[("API_TOKEN", "shapes"), ("PULSE_UPDATE_SERVER", &releases.url)]);
    let mut wrong = Vec::new();
    for entry in reference("index.json").as_array().unwrap() {
        let path = entry["path"].as_str().unwrap();
        let with_token = format!("{path}{}token=shapes", if path.contains('?') { '&' } else { '?' });
        let (status, answer) = program.send("GET", &with_token, &Value::Null);
        // 4.9 asked for an id here; the public document lists all storages.
        let (expected, like) = match path {
            "/api/storage/" => (200, json!({ "data": [], "timestamp": 1 })),
            _ => (entry["status"].as_u64().unwrap(), reference(entry["file"].as_str().unwrap())),
        };
        if u64::from(status) != expected {
            wrong.push(format!("{path}: {status}, not {expected}: {answer}"));
        }
        wrong.extend(shape::differences(&like, &answer).iter().map(|what| format!("{path}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(program.get("/api/state")["stats"]["version"], "2.0.0-go");
}

#[test]
fn a_dead_host_goes_offline_alone_and_comes_back() {
    let simulator =
        demo::start(Spec::new(3).with_pve(demo::PveSpec::new("east", 2, 8)).with_pve(demo::PveSpec::new("west", 1, 4)))
            .unwrap();
    let program = Program::open();
    for (host, name) in simulator.connections().iter().zip(["east", "west"]) {
        add(&program, host, name);
    }
    let statuses = |instance: &str| {
        let state = program.get("/api/state");
        let nodes = state["nodes"].as_array().unwrap().iter().filter(|n| n["instance"] == instance);
        nodes.map(|n| n["status"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let only = |word: &str| BTreeSet::from([word.to_owned()]);
    program.until("both online", || {
        (statuses("east") == only("online") && statuses("west") == only("online")).then_some(())
    });
    simulator.kill(0);
    let began = std::time::Instant::now();
    program.until("east offline", || (statuses("east") == only("offline")).then_some(()));
    assert!(began.elapsed().as_secs() <= 35, "it took {:?}", began.elapsed());
    assert_eq!(statuses("west"), only("online"));
    let state = program.get("/api/state");
    let guest = state["vms"]
        .as_array()
        .unwrap()
        .iter()
        .chain(state["containers"].as_array().unwrap())
        .find(|g| g["instance"] == "east");
    assert_eq!(guest.unwrap()["status"], "unknown");
    assert_eq!(state["connectionHealth"], json!({"east": false, "west": true}));
    simulator.revive(0).unwrap();
    program.until("east online again", || (statuses("east") == only("online")).then_some(()));
    // Named in the log once, not each cycle.
    let named =
        program.log().lines().filter(|l| l.contains("east") && (l.contains("WARN") || l.contains("ERROR"))).count();
    assert!(named <= 4, "{named} lines about one failure:\n{}", program.log());
}

#[test]
fn every_acknowledged_change_of_connections_survives_kill_9() {
    let rounds = if std::env::var_os("PULSE_LONG_TESTS").is_some() { 40 } else { 8 };
    let first = Program::open().keeping_its_folder();
    let dir = first.dir.clone();
    let mut program = first;
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut seed = 0x9e37_79b9_u64;
    for round in 0..rounds {
        let mut doubtful = None;
        for n in 0..6 {
            let name = format!("node-{round}-{n}");
            let body =
                json!({"type": "pve", "name": name, "host": "https://127.0.0.1:9", "user": "a@pam", "password": "b"});
            if n == 5 {
                // Killed somewhere within this one: it may be there or not, and nothing else may change.
                let port = program.port;
                let killer = std::thread::spawn(move || {
                    drop((port, ureq::post(format!("http://127.0.0.1:{port}/api/config/nodes")).send(body.to_string())))
                });
                std::thread::sleep(std::time::Duration::from_micros(crate::door_kit::random(&mut seed) % 9_000));
                program.kill();
                let _ = killer.join();
                doubtful = Some(name);
                break;
            }
            if program.send("POST", "/api/config/nodes", &body).0 == 201 {
                wanted.insert(name);
            }
        }
        program = Program::on(&dir);
        let there: BTreeSet<String> = program
            .get("/api/config/nodes")
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n["name"].as_str().unwrap().to_owned())
            .collect();
        let doubtful = doubtful.unwrap();
        if there.contains(&doubtful) {
            wanted.insert(doubtful);
        }
        assert_eq!(there, wanted, "round {round}; log:\n{}", program.log());
        // And a deletion.
        let (status, _) = program.send("DELETE", "/api/config/nodes/pve-0", &Value::Null);
        assert_eq!(status, 200);
        let gone = program
            .get("/api/config/nodes")
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n["name"].as_str().unwrap().to_owned())
            .collect();
        wanted = gone;
        program.kill();
        program = Program::on(&dir);
        let kept: BTreeSet<String> = program
            .get("/api/config/nodes")
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kept, wanted, "round {round}, after the deletion");
    }
    drop(program);
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn charts_go_on_after_a_restart_and_after_kill_9() {
    let simulator = demo::start(Spec::small(1, 4, 11)).unwrap();
    let mut program = Program::open().keeping_its_folder();
    let dir = program.dir.clone();
    add(&program, &simulator.connections()[0], "lab");
    // When the oldest point of the node's chart was taken.
    let oldest_ms = |program: &Program| {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let charts = program.get("/api/charts?range=1h");
        let of_node = charts["nodeData"].as_object()?.values().next()?;
        of_node["cpu"].as_array()?.first()?["timestamp"].as_i64()
    };
    let first = program.until("a chart", || oldest_ms(&program));
    assert!(program.terminate(), "{}", program.log());
    drop(program);
    // What was kept is still there when nobody had time to write again.
    for _ in 0..2 {
        let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        let mut program = Program::on(&dir).keeping_its_folder();
        let oldest = program.until("the kept chart", || oldest_ms(&program));
        assert!((first - 60_000..began).contains(&oldest), "{oldest}, {first} first, {began} now:\n{}", program.log());
        assert!(dir.join("data/history").read_dir().unwrap().count() > 0);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        program.kill();
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn it_ends_at_once_when_asked() {
    let mut program = Program::open();
    assert!(program.terminate(), "{}", program.log());
    assert!(program.log().contains("Pulse ends"), "{}", program.log());
}

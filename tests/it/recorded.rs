//! Answers recorded from real hosts (`tests/data/recorded`, PVE 8.4 and PBS 4), served over HTTPS: what the real program
//! shows after the two were added is what was recorded.

use crate::support::folder;
use crate::support::host::{self, Asked, Host, Reply};
use crate::support::program::Program;
use serde_json::{Value, json};

/// The rows of a recording: `{path, query, status, body}`.
fn recording(name: &str) -> Vec<Value> {
    let path = folder::data("recorded").join(format!("{name}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The answer with most of the query's pairs recorded; 404 for what nobody asked when it was recorded.
fn answer(rows: &[Value], asked: &Asked) -> Reply {
    let path = format!("/{}", asked.path());
    let query = asked.target.split_once('?').map_or("", |(_, q)| q);
    let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|p| p.split_once('=')).collect();
    let fits = |row: &&Value| {
        let wanted = row["query"].as_object().unwrap();
        row["path"] == path.as_str() && wanted.iter().all(|(k, v)| pairs.contains(&(k.as_str(), v.as_str().unwrap())))
    };
    match rows.iter().filter(fits).max_by_key(|row| row["query"].as_object().unwrap().len()) {
        Some(row) => Reply::status(row["status"].as_u64().unwrap() as u16, &row["body"].to_string()),
        None => Reply::status(404, r#"{"data":null}"#),
    }
}

fn replay(name: &str) -> Host {
    let rows = recording(name);
    host::https(move |asked| answer(&rows, asked))
}

/// `data` of a recorded answer.
fn recorded(rows: &[Value], path: &str) -> Value {
    let of_path = rows.iter().find(|r| r["path"] == path && r["query"] == json!({}));
    of_path.unwrap_or_else(|| panic!("{path} is recorded"))["body"]["data"].clone()
}

fn add(program: &Program, kind: &str, name: &str, host: &Host) {
    let hex: Vec<String> = host.fingerprint.unwrap().iter().map(|b| format!("{b:02X}")).collect();
    let mut body = json!({
        "type": kind, "name": name, "host": host.url, "verifySSL": true, "fingerprint": hex.join(":"),
        "tokenName": "pulse@pam!watch", "tokenValue": "0f9c64a4-2f3c-4e0e-9d0a-6f9b6d6f4c11",
    });
    for what in ["VMs", "Containers", "Storage", "Backups", "Datastores"] {
        body[format!("monitor{what}")] = json!(true);
    }
    let (status, said) = program.send("POST", "/api/config/nodes", &body);
    assert_eq!(status, 201, "{said}");
}

fn by<'a>(list: &'a Value, key: &str, wanted: &Value) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|item| &item[key] == wanted);
    found.unwrap_or_else(|| panic!("no {key} = {wanted} in {list:#}"))
}

#[test]
fn what_was_recorded_is_shown_with_its_names_sizes_and_versions() {
    let (pve, pbs) = (replay("pve8"), replay("pbs"));
    let program = Program::open();
    add(&program, "pve", "lab", &pve);
    add(&program, "pbs", "vault", &pbs);
    let state = program.until("the recorded hosts", || {
        let s = program.get("/api/state");
        let there = |key: &str| s[key].as_array().is_some_and(|l| !l.is_empty());
        (there("nodes") && there("storage") && there("replication") && s["pbs"][0]["datastores"][0].is_object())
            .then_some(s)
    });

    let rows = recording("pve8");
    let resources = recorded(&rows, "/cluster/resources");
    let of_type = |kind: &'static str| {
        resources.as_array().unwrap().iter().filter(move |r| r["type"] == kind && r["template"] != json!(1))
    };
    assert_eq!(state["nodes"].as_array().unwrap().len(), of_type("node").count());
    for row in of_type("node") {
        let node = by(&state["nodes"], "name", &row["node"]);
        assert_eq!(node["status"], "online");
        assert_eq!(node["uptime"], row["uptime"], "{node:#}");
        assert_eq!((&node["disk"]["total"], &node["disk"]["used"]), (&row["maxdisk"], &row["disk"]), "{node:#}");
        assert_eq!(node["memory"]["total"], row["maxmem"], "{node:#}");
        assert_eq!(node["cpuInfo"]["cores"], row["maxcpu"], "{node:#}");
    }
    let status = recorded(&rows, "/nodes/node1/status");
    let node = by(&state["nodes"], "name", &json!("node1"));
    assert_eq!(node["pveVersion"], status["pveversion"]);
    assert_eq!(node["cpuInfo"]["model"], status["cpuinfo"]["model"]);

    for row in of_type("qemu") {
        let guest = by(&state["vms"], "vmid", &row["vmid"]);
        assert_eq!(guest["name"], row["name"]);
        assert_eq!(guest["node"], row["node"]);
        assert_eq!(guest["status"], row["status"]);
        assert_eq!(guest["cpus"], row["maxcpu"]);
        assert_eq!(guest["memory"]["total"], row["maxmem"]);
        assert_eq!(guest["disk"]["total"], row["maxdisk"]);
        let running = row["status"] == "running";
        let used = if running { row["mem"].clone() } else { json!(0) };
        assert_eq!(guest["memory"]["used"], used, "{guest:#}");
        assert_eq!(guest.get("memorySource"), running.then_some(&json!("resources")), "{guest:#}");
        assert_eq!(guest["diskSource"], "allocated", "{guest:#}");
        assert_eq!(guest["uptime"], if running { row["uptime"].clone() } else { json!(0) });
    }
    assert_eq!(state["vms"].as_array().unwrap().len(), of_type("qemu").count());

    for row in recorded(&rows, "/nodes/node1/storage").as_array().unwrap() {
        let storage = by(&state["storage"], "name", &row["storage"]);
        assert_eq!((&storage["total"], &storage["used"]), (&row["total"], &row["used"]), "{storage:#}");
        assert_eq!(storage["type"], row["type"]);
    }
    let volume = &recorded(&rows, "/nodes/node1/storage/local/content")[0];
    assert!(volume.is_object());
    assert_eq!(state["ceph"][0]["health"], recorded(&rows, "/cluster/ceph/status")["health"]["status"]);
    assert_eq!(state["replication"][0]["id"], recorded(&rows, "/cluster/replication")[0]["id"]);

    let rows = recording("pbs");
    let usage = &recorded(&rows, "/status/datastore-usage")[0];
    let datastore = by(&state["pbs"][0]["datastores"], "name", &usage["store"]);
    assert_eq!(
        (&datastore["total"], &datastore["used"], &datastore["free"]),
        (&usage["total"], &usage["used"], &usage["avail"])
    );
    let host = recorded(&rows, "/nodes/localhost/status");
    assert_eq!(state["pbs"][0]["uptime"], host["uptime"]);
    assert_eq!(state["pbs"][0]["memoryTotal"], host["memory"]["total"]);
    assert_eq!(state["pbs"][0]["memoryUsed"], host["memory"]["used"]);
    // A fraction there, percent here.
    let percent = host["cpu"].as_f64().unwrap() * 100.0;
    assert!((state["pbs"][0]["cpu"].as_f64().unwrap() - percent).abs() < 1e-9);
    let gc = &recorded(&rows, "/admin/gc")[0];
    assert_eq!(datastore["gcState"], gc["last-run-state"], "{datastore:#}");
    let factor =
        usage["gc-status"]["index-data-bytes"].as_f64().unwrap() / usage["gc-status"]["disk-bytes"].as_f64().unwrap();
    assert!((datastore["deduplicationFactor"].as_f64().unwrap() - factor).abs() < 0.005, "{datastore:#}");
    assert_eq!(state["connectionHealth"], json!({"lab": true, "pbs-vault": true}));
}

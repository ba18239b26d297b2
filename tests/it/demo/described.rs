//! The simulator against Proxmox's own description of its API, and against answers recorded from real hosts.

use super::{AFTERNOON, rows};
use crate::support::simulated::{Client, start};
use pulse::demo::{PbsSpec, PveSpec, Simulator, Spec, Version, known_paths};
use serde_json::{Map, Value};

const PVE: &str = include_str!("../../data/proxmox/schema-pve.json");
const PBS: &str = include_str!("../../data/proxmox/schema-pbs.json");
const RECORDED: &str = include_str!("../../data/proxmox/recorded.json");

fn installation(version: Version) -> Simulator {
    let pve = PveSpec::new("lab", 3, 60).version(version).ceph();
    start(Spec::new(3).with_pve(pve).with_pbs(PbsSpec::new("pbs")).frozen(AFTERNOON))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_path_and_parameter_is_one_that_proxmox_describes() {
    for (backup_server, schema) in [(false, json(PVE)), (true, json(PBS))] {
        for (method, path, takes) in known_paths(backup_server) {
            let described = schema.get(format!("{method} {path}")).unwrap_or_else(|| panic!("{method} {path}"));
            let takes: Map<String, Value> = takes.iter().copied().map(parameter).collect();
            let in_path = |name: &str| path.contains(&format!("{{{name}}}"));
            for (name, kind) in described["takes"].as_object().unwrap() {
                if in_path(name) {
                    continue;
                }
                let known = takes.get(name).unwrap_or_else(|| panic!("{path} lacks {name}"));
                // Lists of words and formats are texts here.
                let same = known == kind || known == "text" && !kind.is_string() || known == "text" && kind != "int";
                assert!(same, "{path} {name}: {known} instead of {kind}");
            }
            for name in takes.keys() {
                assert!(described["takes"].get(name).is_some(), "{path} invents {name}");
            }
        }
    }
}

/// A rule of the catalogue in the words of the description.
fn parameter(rule: &str) -> (String, Value) {
    let optional = if rule.contains('!') { "" } else { "?" };
    let plain = rule.replace('!', "");
    if let Some((name, allowed)) = plain.split_once('=') {
        return (format!("{name}{optional}"), format!("={allowed}").into());
    }
    let (name, kind) = plain.split_once(':').unwrap_or((&plain, "text"));
    (format!("{name}{optional}"), kind.into())
}

#[test]
fn answers_have_the_fields_that_proxmox_promises() {
    let sim = installation(Version::Pve8);
    for (host, schema) in [(0, json(PVE)), (1, json(PBS))] {
        let client = Client::of(&sim, host);
        let (mut compared, mut complaints) = (0, Vec::new());
        for (asked, described) in schema.as_object().unwrap() {
            let known = known_paths(host == 1).into_iter().any(|(m, p, _)| format!("{m} {p}") == *asked);
            let Some(path) = asked.strip_prefix("GET ").filter(|_| known) else { continue };
            let Ok((200, body)) = client.get(&concrete(path)) else { continue };
            promised(&described["gives"], &json(&body)["data"], path, &mut complaints);
            compared += 1;
        }
        assert_eq!(complaints, Vec::<String>::new());
        assert!(compared > 20, "{compared}");
    }
}

fn concrete(path: &str) -> String {
    let (node, vmid) = if path.contains("/lxc") { ("pve2", "101") } else { ("pve1", "100") };
    let node = if path.contains("disks") { "pve2" } else { node };
    let query = match path.rsplit('/').next().unwrap() {
        "rrddata" => "?timeframe=hour",
        "smart" => "?disk=/dev/sda",
        "file-read" => "?file=/proc/meminfo",
        _ => "",
    };
    let path = path.replace("{node}", node).replace("{vmid}", vmid).replace("{storage}", "local");
    path.replace("{store}", "main").replace("{name}", "tank") + query
}

/// Collects what is missing or of another type. Proxmox itself sends 0 and 1 for booleans and texts for numbers.
fn promised(kind: &Value, found: &Value, at: &str, complaints: &mut Vec<String>) {
    match kind {
        Value::Object(fields) => {
            for (name, kind) in fields.iter().filter(|(name, _)| !name.starts_with('{')) {
                let plain = name.trim_end_matches('?');
                match found.get(plain) {
                    Some(value) => promised(kind, value, &format!("{at}.{plain}"), complaints),
                    None if name.ends_with('?') => {}
                    None => complaints.push(format!("{at}.{plain} is missing")),
                }
            }
        }
        Value::Array(items) => match found.as_array() {
            Some(found) => found.iter().for_each(|item| promised(&items[0], item, &format!("{at}[]"), complaints)),
            None if found.is_null() => {}
            None => complaints.push(format!("{at} is no list: {found}")),
        },
        kind => {
            let kind = kind.as_str().unwrap();
            let as_text = found.as_str().is_some_and(|t| t.parse::<f64>().is_ok());
            let fine = match kind {
                "int" => found.is_i64() || found.is_u64() || as_text,
                "number" => found.is_number() || as_text,
                "bool" => found.is_boolean() || ["0", "1"].contains(&found.to_string().trim_matches('"')),
                "text" => found.is_string(),
                "any" | "null" => true,
                one_of => found.as_str().is_some_and(|t| one_of[1..].split('|').any(|o| o == t)),
            };
            // The description says "list of text" where real servers send objects, and no value where they
            // send null.
            let known_gap = found.is_null() && at.ends_with(".history[]");
            let file = found.is_object() && at.ends_with("files[]");
            if !(fine || known_gap || file) {
                complaints.push(format!("{at} is {found}, not {kind}"));
            }
        }
    }
}

#[test]
fn answers_have_the_shape_of_recorded_ones() {
    let recorded = json(RECORDED);
    for (set, version, host) in [("pve8", Version::Pve8, 0), ("pve9", Version::Pve9, 0), ("pbs", Version::Pve9, 1)] {
        let sim = installation(version);
        let client = Client::of(&sim, host);
        let mut complaints = Vec::new();
        for (path, wanted) in recorded[set].as_object().unwrap() {
            alike(wanted, &client.data(path), path, &mut complaints);
        }
        complaints.retain(|c| !EXCEPTIONS.iter().any(|e| c.starts_with(e)));
        assert_eq!(complaints, Vec::<String>::new());
    }
}

/// Where a recorded answer is an odd one out (its host had something that no simulated one has).
const EXCEPTIONS: [&str; 8] = [
    // Not part of any figure, or named after the recorded guest.
    "/nodes/pve1/qemu/100/status/current blockstat",
    "/nodes/pve1/qemu/100/status/current nics tap1001i0",
    "/nodes/pve1/qemu/100/status/current proxmox-support",
    "/nodes/pve1/qemu/100/status/current spice",
    // A machine with a CD, from a version that sent memory as a number.
    "/nodes/pve1/qemu/100/config",
    "/nodes/pve1/certificates/info[] pem",
    // Storages in a pool.
    "/pools?poolid=production[] members[]",
    // The name of what was asked for, which real hosts leave out.
    "/nodes/pve1/storage/local/status storage",
];

fn alike(wanted: &Value, found: &Value, at: &str, complaints: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Null, _) => {}
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, value) in wanted {
                match found.get(name) {
                    Some(other) => alike(value, other, &format!("{at} {name}"), complaints),
                    None => complaints.push(format!("{at} {name} is missing")),
                }
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            let wanted: Vec<&Value> = wanted.iter().filter(|v| !v.is_null()).collect();
            let found: Vec<&Value> = found.iter().filter(|v| !v.is_null()).collect();
            if let (Some(first), false) = (wanted.first(), found.is_empty()) {
                if first.is_object() {
                    alike(&merged(&wanted), &merged(&found), &format!("{at}[]"), complaints);
                } else {
                    alike(first, found[0], &format!("{at}[]"), complaints);
                }
            }
        }
        (a, b) if std::mem::discriminant(a) == std::mem::discriminant(b) => {}
        (a, b) => complaints.push(format!("{at} is {b}, recorded {a}")),
    }
}

/// All keys of several rows in one.
fn merged(rows: &[&Value]) -> Value {
    let mut all = Map::new();
    for (name, value) in rows.iter().filter_map(|r| r.as_object()).flatten() {
        if all.get(name).is_none_or(Value::is_null) {
            all.insert(name.clone(), value.clone());
        }
    }
    all.into()
}

#[test]
fn what_the_api_does_not_know_is_refused_and_remembered() {
    let sim = installation(Version::Pve8);
    let pve = Client::of(&sim, 0);
    let (status, body) = pve.get("/nodes/pve1/temperature").unwrap();
    assert_eq!(status, 501);
    assert!(body.contains("Method 'GET /nodes/pve1/temperature' not implemented"), "{body}");
    let (status, body) = pve.get("/nodes/pve1/tasks?types=vzdump").unwrap();
    assert_eq!(status, 400);
    assert!(body.contains("property is not defined in schema"), "{body}");
    assert_eq!(pve.status("/nodes/pve1/rrddata"), 400);
    assert_eq!(pve.status("/nodes/pve1/rrddata?timeframe=fortnight"), 400);
    assert_eq!(pve.status("/nodes/pve1/tasks?limit=many"), 400);
    let pbs = Client::of(&sim, 1);
    assert_eq!(pbs.status("/admin/datastores"), 404);
    assert_eq!(pbs.status("/admin/datastore/main/snapshots?namespace=lab"), 400);
    let violations = sim.violations();
    assert_eq!(violations.len(), 7, "{violations:#?}");
    assert!(violations[1].contains("parameter types"), "{violations:?}");
    sim.forget();
    assert_eq!(sim.violations().len(), 0);
}

#[test]
fn every_path_answers_for_every_version() {
    for version in [Version::Pve7, Version::Pve8, Version::Pve9] {
        let sim = installation(version);
        for host in 0..2 {
            let client = Client::of(&sim, host);
            for (_, path, _) in known_paths(host == 1).into_iter().filter(|(method, ..)| *method == "GET") {
                let mut url = concrete(path);
                if host == 1 && path.ends_with("/rrd") {
                    url += "?timeframe=hour&cf=AVERAGE";
                }
                if url.contains("{upid}") {
                    let tasks = client.data("/nodes/pve1/tasks?typefilter=vzdump");
                    url = url.replace("{upid}", rows(&tasks)[0]["upid"].as_str().unwrap());
                }
                if url.contains("{id}") {
                    let jobs = client.data("/cluster/replication");
                    let job = &rows(&jobs)[0];
                    url = format!(
                        "/nodes/{}/replication/{}/status",
                        job["source"].as_str().unwrap(),
                        job["id"].as_str().unwrap()
                    );
                }
                // A monitor may not ask for these.
                let forbidden = (host == 0 && path.ends_with("/apt/update")) || (host == 1 && path.ends_with("/info"));
                let (status, body) = client.get(&url).unwrap();
                assert_eq!(status, if forbidden { 403 } else { 200 }, "{version:?} {url}: {body}");
            }
        }
        assert_eq!(sim.violations(), Vec::<String>::new());
    }
}

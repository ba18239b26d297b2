//! A client that was written for 4.9 reads all of it: every key of the contract (state.md 1) with its type, whole numbers
//! where it wants whole numbers, nothing `null` that was never `null`, ids and orders as they were. The hosts: two
//! clusters with equal nodes and guests, a host of its own named as its connection, and the backup server of all three.

use crate::support::program::Program;
use pulse::demo::{self, PbsSpec, PveSpec, Simulator, Spec};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;

/// What a decoder of fixed types takes.
enum Is {
    Text,
    /// No fraction, no exponent.
    Whole,
    Number,
    Flag,
    Time,
    List(&'static Is),
    Object(&'static [Key]),
    /// May be `null`.
    Or(&'static Is),
    /// Text to this.
    Map(&'static Is),
}

use Is::{Flag, List, Map, Number, Object, Or, Text, Time, Whole};

/// A key, whether it may be left out (and then never is empty), and what it holds.
type Key = (&'static str, bool, Is);

const fn key(name: &'static str, is: Is) -> Key {
    (name, false, is)
}
const fn absent_when_empty(name: &'static str, is: Is) -> Key {
    (name, true, is)
}

const USAGE: &[Key] = &[key("total", Whole), key("used", Whole), key("free", Whole), key("usage", Number)];

const CPU: &[Key] = &[key("model", Text), key("cores", Whole), key("sockets", Whole), key("mhz", Text)];

const NODE: &[Key] = &[
    key("id", Text),
    key("name", Text),
    key("instance", Text),
    key("host", Text),
    key("status", Text),
    key("type", Text),
    key("cpu", Number),
    key("memory", Object(USAGE)),
    key("disk", Object(USAGE)),
    key("uptime", Whole),
    key("loadAverage", Or(&List(&Number))),
    key("kernelVersion", Text),
    key("pveVersion", Text),
    key("cpuInfo", Object(CPU)),
    key("lastSeen", Time),
    key("connectionHealth", Text),
    key("isClusterMember", Flag),
    key("clusterName", Text),
];

const GUEST: &[Key] = &[
    key("id", Text),
    key("vmid", Whole),
    key("name", Text),
    key("node", Text),
    key("instance", Text),
    key("status", Text),
    key("type", Text),
    key("cpu", Number),
    key("cpus", Whole),
    key("memory", Object(USAGE)),
    key("disk", Object(USAGE)),
    key("networkIn", Whole),
    key("networkOut", Whole),
    key("diskRead", Whole),
    key("diskWrite", Whole),
    key("uptime", Whole),
    key("template", Flag),
    key("lastBackup", Time),
    absent_when_empty("tags", List(&Text)),
    absent_when_empty("lock", Text),
    key("lastSeen", Time),
];

const STORAGE: &[Key] = &[
    key("id", Text),
    key("name", Text),
    key("node", Text),
    key("instance", Text),
    key("type", Text),
    key("status", Text),
    key("total", Whole),
    key("used", Whole),
    key("free", Whole),
    key("usage", Number),
    key("content", Text),
    key("shared", Flag),
    key("enabled", Flag),
    key("active", Flag),
];

const NAMESPACE: &[Key] = &[key("path", Text), absent_when_empty("parent", Text), key("depth", Whole)];

const DATASTORE: &[Key] = &[
    key("name", Text),
    key("total", Whole),
    key("used", Whole),
    key("free", Whole),
    key("usage", Number),
    key("status", Text),
    absent_when_empty("error", Text),
    absent_when_empty("namespaces", List(&Object(NAMESPACE))),
    absent_when_empty("deduplicationFactor", Number),
];

const SYNC: &[Key] = &[
    key("id", Text),
    key("store", Text),
    key("remote", Text),
    key("status", Text),
    key("lastSync", Time),
    key("nextRun", Time),
    absent_when_empty("error", Text),
];

const VERIFY: &[Key] = &[
    key("id", Text),
    key("store", Text),
    key("status", Text),
    key("lastVerify", Time),
    key("nextRun", Time),
    absent_when_empty("error", Text),
];

const PRUNE: &[Key] = &[
    key("id", Text),
    key("store", Text),
    key("status", Text),
    key("lastPrune", Time),
    key("nextRun", Time),
    absent_when_empty("error", Text),
];

const GARBAGE: &[Key] = &[
    key("id", Text),
    key("store", Text),
    key("status", Text),
    key("lastGarbage", Time),
    key("nextRun", Time),
    absent_when_empty("removedBytes", Whole),
    absent_when_empty("error", Text),
];

const PBS: &[Key] = &[
    key("id", Text),
    key("name", Text),
    key("host", Text),
    key("status", Text),
    key("version", Text),
    key("cpu", Number),
    key("memory", Number),
    key("memoryUsed", Whole),
    key("memoryTotal", Whole),
    key("uptime", Whole),
    key("datastores", Or(&List(&Object(DATASTORE)))),
    key("backupJobs", Or(&List(&Object(&[])))),
    key("syncJobs", Or(&List(&Object(SYNC)))),
    key("verifyJobs", Or(&List(&Object(VERIFY)))),
    key("pruneJobs", Or(&List(&Object(PRUNE)))),
    key("garbageJobs", Or(&List(&Object(GARBAGE)))),
    key("connectionHealth", Text),
    key("lastSeen", Time),
];

const PBS_BACKUP: &[Key] = &[
    key("id", Text),
    key("instance", Text),
    key("datastore", Text),
    key("namespace", Text),
    key("backupType", Text),
    key("vmid", Text),
    key("backupTime", Time),
    key("size", Whole),
    key("protected", Flag),
    key("verified", Flag),
    absent_when_empty("comment", Text),
    absent_when_empty("files", List(&Text)),
    absent_when_empty("owner", Text),
];

const TASK: &[Key] = &[
    key("id", Text),
    key("node", Text),
    key("type", Text),
    key("vmid", Whole),
    key("status", Text),
    key("startTime", Time),
    key("endTime", Time),
    absent_when_empty("size", Whole),
    absent_when_empty("error", Text),
];

const FILE: &[Key] = &[
    key("id", Text),
    key("storage", Text),
    key("node", Text),
    key("type", Text),
    key("vmid", Whole),
    key("time", Time),
    key("ctime", Whole),
    key("size", Whole),
    key("format", Text),
    absent_when_empty("notes", Text),
    key("protected", Flag),
    key("volid", Text),
    key("isPBS", Flag),
    key("verified", Flag),
    absent_when_empty("verification", Text),
    absent_when_empty("encryption", Text),
];

const SNAPSHOT: &[Key] = &[
    key("id", Text),
    key("name", Text),
    key("node", Text),
    key("type", Text),
    key("vmid", Whole),
    key("time", Time),
    absent_when_empty("description", Text),
    absent_when_empty("parent", Text),
    key("vmstate", Flag),
];

const PVE_BACKUPS: &[Key] = &[
    key("backupTasks", List(&Object(TASK))),
    key("storageBackups", List(&Object(FILE))),
    key("guestSnapshots", List(&Object(SNAPSHOT))),
];

const PERFORMANCE: &[Key] = &[
    key("apiCallDuration", Or(&Map(&Number))),
    key("lastPollDuration", Number),
    key("pollingStartTime", Time),
    key("totalApiCalls", Whole),
    key("failedApiCalls", Whole),
];

const STATS: &[Key] = &[
    key("startTime", Time),
    key("uptime", Whole),
    key("pollingCycles", Whole),
    key("webSocketClients", Whole),
    key("version", Text),
];

const ALERT: &[Key] = &[
    key("id", Text),
    key("type", Text),
    key("level", Text),
    key("resourceId", Text),
    key("resourceName", Text),
    key("node", Text),
    key("instance", Text),
    key("message", Text),
    key("value", Number),
    key("threshold", Number),
    key("startTime", Time),
    key("acknowledged", Flag),
];

const STATE: &[Key] = &[
    key("nodes", List(&Object(NODE))),
    key("vms", List(&Object(GUEST))),
    key("containers", List(&Object(GUEST))),
    key("storage", List(&Object(STORAGE))),
    key("pbs", List(&Object(PBS))),
    key("pbsBackups", List(&Object(PBS_BACKUP))),
    key("metrics", List(&Object(&[]))),
    key("pveBackups", Object(PVE_BACKUPS)),
    key("performance", Object(PERFORMANCE)),
    key("connectionHealth", Map(&Flag)),
    key("stats", Object(STATS)),
    key("activeAlerts", List(&Object(ALERT))),
    key("recentlyResolved", List(&Object(ALERT))),
    key("lastUpdate", Time),
];

/// Decodes strictly; notes what does not fit, and counts each key that came.
fn decode(is: &Is, value: &Value, at: &str, wrong: &mut BTreeSet<String>, came: &mut BTreeMap<String, u32>) {
    let fits = match is {
        Text => value.is_string(),
        Whole => value.is_i64() || value.is_u64(),
        Number => value.is_number(),
        Flag => value.is_boolean(),
        Time => value.as_str().is_some_and(|t| t.parse::<jiff::Timestamp>().is_ok()),
        List(_) => value.is_array(),
        Object(_) | Map(_) => value.is_object(),
        Or(_) if value.is_null() => return,
        Or(is) => return decode(is, value, at, wrong, came),
    };
    if !fits {
        wrong.insert(format!("{at} is {value}"));
        return;
    }
    match (is, value) {
        (List(is), Value::Array(all)) => all.iter().for_each(|v| decode(is, v, at, wrong, came)),
        (Map(is), Value::Object(all)) => all.values().for_each(|v| decode(is, v, at, wrong, came)),
        (Object(keys), Value::Object(all)) => {
            for (name, may_miss, is) in *keys {
                let at = format!("{at}.{name}");
                match all.get(*name) {
                    None if *may_miss => {}
                    None => drop(wrong.insert(format!("{at} is missing"))),
                    Some(empty)
                        if *may_miss && [json!(""), json!([]), json!(0), json!(0.0), json!(null)].contains(empty) =>
                    {
                        wrong.insert(format!("{at} is there and empty"));
                    }
                    Some(value) => {
                        *came.entry(at.clone()).or_default() += 1;
                        decode(is, value, &at, wrong, came);
                    }
                }
            }
        }
        _ => {}
    }
}

fn watched(sim: &Simulator, program: &Program) -> Value {
    for (host, name) in sim.connections().iter().zip(["lab", "lab-2", "pve1", "vault"]) {
        let mut body = json!({
            "type": if host.backup_server { "pbs" } else { "pve" }, "name": name, "host": host.url,
            "tokenName": host.access.token_id, "tokenValue": host.access.token_secret,
            "fingerprint": host.fingerprint, "verifySSL": true, "monitorSyncJobs": true, "monitorVerifyJobs": true,
            "monitorPruneJobs": true, "monitorGarbageJobs": true,
        });
        for what in ["VMs", "Containers", "Storage", "Backups", "Datastores"] {
            body[format!("monitor{what}")] = json!(true);
        }
        let (status, answer) = program.send("POST", "/api/config/nodes", &body);
        assert_eq!(status, 201, "{answer}");
    }
    let truth = sim.truth();
    let guests = || truth.guests.iter().filter(|g| !g.template);
    let (snapshots, files) = (guests().map(|g| g.snapshots).sum::<usize>(), guests().map(|g| g.backups).sum::<usize>());
    let on_pbs: usize = truth.datastores.iter().map(|d| d.snapshots).sum();
    program.until("everything", || {
        let s = program.get("/api/state");
        let count = |list: &Value| list.as_array().unwrap().len();
        let all = count(&s["pveBackups"]["guestSnapshots"]) == snapshots
            && count(&s["pveBackups"]["storageBackups"]) == files
            && count(&s["pveBackups"]["backupTasks"]) > 0
            && count(&s["pbsBackups"]) == on_pbs
            && s["pbs"][0]["garbageJobs"].is_array();
        all.then_some(s)
    })
}

/// Sorted by these, ties in any order.
fn is_ordered(list: &Value, smaller_first: bool, by: impl Fn(&Value) -> String) {
    let keys: Vec<String> = list.as_array().unwrap().iter().map(by).collect();
    assert!(keys.windows(2).all(|w| if smaller_first { w[0] <= w[1] } else { w[0] >= w[1] }), "{keys:?}");
}

#[test]
fn a_client_written_for_4_9_reads_all_of_it() {
    let twin = |name| PveSpec::new(name, 2, 20);
    let spec = Spec::new(7).with_pve(twin("east").ceph()).with_pve(twin("west")).with_pve(PveSpec::new("solo", 1, 6));
    let sim = demo::start(spec.with_pbs(PbsSpec::new("pbs")).frozen(1_755_180_000)).unwrap();
    let program = Program::open();
    let state = watched(&sim, &program);
    let (mut wrong, mut came) = (BTreeSet::new(), BTreeMap::new());
    decode(&Object(STATE), &state, "state", &mut wrong, &mut came);
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Everything that can be known was there to be compared.
    assert!(came.len() > 150, "{} keys", came.len());
    for key in
        ["state.vms.tags", "state.pbsBackups.files", "state.pbs.datastores.namespaces", "state.pbs.syncJobs.lastSync"]
    {
        assert!(came.contains_key(key), "{key}");
    }

    ids_and_orders_are_those_of_4_9(&state);
    nothing_is_mixed_up(&sim, &state);
    routes_cut_from_the_same(&program, &state);
}

fn ids_and_orders_are_those_of_4_9(state: &Value) {
    let ids = |list: &Value| -> BTreeSet<String> {
        let all: Vec<&str> = list.as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect();
        let distinct: BTreeSet<String> = all.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(distinct.len(), all.len(), "doubled: {all:?}");
        distinct
    };
    let nodes = ids(&state["nodes"]);
    assert_eq!(Vec::from_iter(&nodes), ["lab-2-pve1", "lab-2-pve2", "lab-pve1", "lab-pve2", "pve1-pve1"]);
    let guests: BTreeSet<String> = ids(&state["vms"]).union(&ids(&state["containers"])).cloned().collect();
    assert!(guests.contains("lab-pve1-100") && guests.contains("lab-2-pve1-100") && guests.contains("pve1-100"));
    let storages = ids(&state["storage"]);
    for id in ["lab-pve1-local", "lab-shared-nas", "lab-2-shared-nas", "pve1-pve1-local"] {
        assert!(storages.contains(id), "{id} in {storages:?}");
    }
    let backups = &state["pveBackups"];
    ids(&backups["storageBackups"]);
    ids(&backups["backupTasks"]);
    let snapshots = ids(&backups["guestSnapshots"]);
    assert!(snapshots.iter().any(|id| id.starts_with("pve1-pve1-")), "{snapshots:?}");
    ids(&state["pbsBackups"]);
    let root = json!({ "path": "", "depth": 0 });
    let stores = state["pbs"][0]["datastores"].as_array().unwrap();
    assert!(stores.iter().all(|d| d["namespaces"][0] == root), "{stores:?}");

    let word = |key: &'static str| move |v: &Value| v[key].as_str().unwrap().to_owned();
    let number = |v: &Value| format!("{:012}", v["vmid"].as_u64().unwrap());
    is_ordered(&state["nodes"], true, word("name"));
    is_ordered(&state["vms"], true, number);
    is_ordered(&state["containers"], true, number);
    is_ordered(&state["storage"], true, |s| {
        format!("{} {}", s["instance"].as_str().unwrap(), s["name"].as_str().unwrap())
    });
    is_ordered(&state["pbsBackups"], false, word("backupTime"));
    is_ordered(&backups["backupTasks"], false, word("startTime"));
    is_ordered(&backups["storageBackups"], false, word("time"));
    is_ordered(&backups["guestSnapshots"], false, word("time"));
    for storage in state["storage"].as_array().unwrap() {
        let content: Vec<&str> = storage["content"].as_str().unwrap().split(',').collect();
        assert!(content.is_sorted(), "{storage}");
    }
}

/// Each guest has its own backups, although others have the same number on the same backup server.
fn nothing_is_mixed_up(sim: &Simulator, state: &Value) {
    let truth = sim.truth();
    let all = ["vms", "containers"].map(|key| state[key].as_array().unwrap());
    let mut differ = 0;
    for (host, instance) in ["lab", "lab-2", "pve1"].iter().enumerate() {
        let real: Vec<_> = truth.guests.iter().filter(|g| g.host == host && !g.template).collect();
        let shown: Vec<&Value> = all.iter().copied().flatten().filter(|g| g["instance"] == *instance).collect();
        assert_eq!(shown.len(), real.len(), "{instance}");
        for real in real {
            let shown = shown.iter().find(|g| g["vmid"] == real.vmid).unwrap();
            assert_eq!((shown["name"].as_str(), shown["node"].as_str()), (Some(&*real.name), Some(&*real.node)));
            let at = shown["lastBackup"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
            let wanted = [real.last_backup, real.last_backup_task].into_iter().flatten();
            assert!(real.last_backup.is_none() && at < 0 || wanted.clone().any(|t| t == at), "{shown} {real:?}");
            assert_eq!(shown["backupCovered"], real.covered, "{instance} {}", real.vmid);
            let other = truth.guest(1 - host.min(1), real.vmid);
            differ += u32::from(other.is_some_and(|o| o.last_backup != real.last_backup));
        }
    }
    assert!(differ > 0, "the clusters are too much alike to tell who is who");
}

fn routes_cut_from_the_same(program: &Program, state: &Value) {
    let unified = program.get("/api/backups/unified");
    for (key, list) in [
        ("pbsBackups", &state["pbsBackups"]),
        ("backupTasks", &state["pveBackups"]["backupTasks"]),
        ("storageBackups", &state["pveBackups"]["storageBackups"]),
        ("guestSnapshots", &state["pveBackups"]["guestSnapshots"]),
    ] {
        assert_eq!(unified[key], *list, "{key}");
    }
    assert_eq!(program.get("/api/backups"), unified);
    assert_eq!(program.get("/api/backups/pve")["backups"], state["pveBackups"]["storageBackups"]);
    assert_eq!(program.get("/api/snapshots")["snapshots"], state["pveBackups"]["guestSnapshots"]);
    let (mut wrong, mut came) = (BTreeSet::new(), BTreeMap::new());
    let pbs = program.get("/api/backups/pbs");
    decode(&List(&Object(PBS)), &pbs["instances"], "instances", &mut wrong, &mut came);
    let storages = program.get("/api/storage/");
    decode(&List(&Object(STORAGE)), &storages["data"], "storages", &mut wrong, &mut came);
    let one = program.get("/api/storage/lab-shared-nas");
    decode(&Object(STORAGE), &one["data"], "storage", &mut wrong, &mut came);
    assert!(wrong.is_empty() && one["timestamp"].is_u64(), "{wrong:#?}");

    // What came later than 4.9: filters and pages.
    let of = |query: &str| program.get(&format!("/api/backups/pve?{query}"))["backups"].as_array().unwrap().clone();
    let all = of("instance=lab-2");
    assert!(!all.is_empty() && all.iter().all(|b| b["instance"] == "lab-2"));
    assert_eq!(of("instance=lab-2&offset=2&limit=3"), all[2..5]);
    let own = of("instance=lab&vmid=100");
    assert!(!own.is_empty() && own.iter().all(|b| b["vmid"] == 100 && b["instance"] == "lab"));
}

/// Head and length of the body of a plain request: nothing unpacks in between.
fn plain(program: &Program, path: &str, header: &str) -> (String, usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", program.port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer.len() - end - 4)
}

#[test]
fn lists_are_packed_and_not_sent_twice() {
    let sim = demo::start(Spec::small(2, 20, 7).frozen(1_755_180_000)).unwrap();
    let program = Program::open();
    for (host, name) in sim.connections().iter().zip(["lab", "vault"]) {
        let body = json!({
            "type": if host.backup_server { "pbs" } else { "pve" }, "name": name, "host": host.url,
            "tokenName": host.access.token_id, "tokenValue": host.access.token_secret,
            "fingerprint": host.fingerprint, "verifySSL": true, "monitorVMs": true, "monitorContainers": true,
            "monitorStorage": true, "monitorBackups": true, "monitorDatastores": true,
        });
        assert_eq!(program.send("POST", "/api/config/nodes", &body).0, 201);
    }
    program.until("backups", || {
        let s = program.get("/api/state");
        let some = |list: &Value| list.as_array().is_some_and(|l| !l.is_empty());
        (some(&s["pbsBackups"]) && some(&s["pveBackups"]["guestSnapshots"]) && some(&s["storage"])).then_some(())
    });
    for path in
        ["/api/state", "/api/backups", "/api/backups/pve", "/api/backups/pbs", "/api/snapshots", "/api/storage/"]
    {
        let (head, whole) = plain(&program, path, "Accept-Encoding: identity");
        assert!(head.starts_with("HTTP/1.1 200") && whole > 500, "{path}: {head}");
        let (head, packed) = plain(&program, path, "Accept-Encoding: gzip");
        assert!(head.contains("Content-Encoding: gzip") && packed < whole / 2, "{path}: {packed} of {whole}: {head}");
        // Between two cycles nothing changes; at the edge of one it may.
        let mut tries = (0..20).map(|_| {
            let (head, _) = plain(&program, path, "Accept-Encoding: identity");
            let etag = head.lines().find_map(|l| l.strip_prefix("ETag: ")).unwrap_or_else(|| panic!("{path}: {head}"));
            plain(&program, path, &format!("If-None-Match: {etag}"))
        });
        assert!(tries.any(|(head, length)| head.starts_with("HTTP/1.1 304") && length == 0), "{path}");
    }
}

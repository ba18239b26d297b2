//! The configured connections over HTTP: 4.9's answers, strict ids, secrets that stay inside, tests against real hosts.

use crate::support::desk::Desk;
use crate::support::folder::Folder;
use crate::support::shape::assert_like;
use crate::support::simulated;
use pulse::config::{DataDir, NODES, Nodes};
use pulse::demo::{PbsSpec, PveSpec, Simulator, Spec};
use pulse::http::Method::{Delete, Get, Post, Put};
use serde_json::{Value, json};

const NODES_URL: &str = "/api/config/nodes";
/// Nothing listens there: port 1 of this machine.
const DEAD: &str = "http://127.0.0.1:1";

fn desk() -> (Folder, Desk) {
    let folder = Folder::new("nodes");
    let desk = Desk::open(&folder, &[("CONNECTION_TIMEOUT", "2")]);
    (folder, desk)
}

fn token_node(kind: &str, name: &str, host: &str) -> Value {
    json!({ "type": kind, "name": name, "host": host, "tokenName": "monitor@pam!pulse", "tokenValue": "s3cret-value" })
}

fn add(desk: &mut Desk, node: &Value) {
    let (status, body) = desk.call(Post, NODES_URL, node);
    assert_eq!((status, &body), (201, &json!({ "status": "success" })));
}

fn stored(folder: &Folder) -> Nodes {
    Nodes::parse(&DataDir::open_beside(folder.path()).unwrap().read(NODES).unwrap().unwrap()).unwrap()
}

#[test]
fn a_connection_is_added_listed_changed_and_removed_at_once() {
    let (folder, mut desk) = desk();
    assert_like("api__config__nodes", &desk.get(NODES_URL));
    add(
        &mut desk,
        &json!({
            "type": "pve", "name": "lab", "host": "127.0.0.1:1", "tokenName": "monitor@pam!pulse",
            "tokenValue": "s3cret-value", "monitorVMs": true, "monitorStorage": true,
        }),
    );
    add(&mut desk, &json!({ "TYPE": "pbs", "Name": "vault", "HOST": DEAD, "user": "pulse", "password": "p4ssword" }));
    let list = desk.get(NODES_URL);
    let [pve, pbs] = list.as_array().unwrap().as_slice() else { panic!("{list}") };
    let expected = json!({
        "id": "pve-0", "type": "pve", "name": "lab", "host": "https://127.0.0.1:1", "hasPassword": false,
        "tokenName": "monitor@pam!pulse", "hasToken": true, "verifySSL": false, "monitorVMs": true,
        "monitorStorage": true, "revision": pve["revision"],
    });
    let mut shown = pve.as_object().unwrap().clone();
    // Polling may already have failed.
    shown.remove("error");
    let status = shown.remove("status").unwrap();
    assert!(status == "disconnected" || status == "error", "{status}");
    assert_eq!(Value::Object(shown), expected);
    assert_eq!((pbs["id"].as_str(), pbs["user"].as_str()), (Some("pbs-0"), Some("pulse@pbs")));
    assert_eq!((pbs["hasPassword"].as_bool(), pbs.get("monitorBackups")), (Some(true), None));
    assert!(!list.to_string().contains("s3cret") && !list.to_string().contains("p4ssword"));
    assert_eq!(desk.core.connections.iter().count(), 2, "both are polled");

    let (status, body) =
        desk.call(Put, "/api/config/nodes/pve-0", &json!({ "host": "127.0.0.2:1", "monitorVMs": false }));
    assert_eq!((status, body), (200, json!({ "status": "success" })));
    let on_disk = stored(&folder);
    let node = &on_disk.pve[0];
    assert_eq!(node.host, "https://127.0.0.2:1");
    assert!(!node.monitor.vms && node.monitor.storage, "what is absent stays");
    assert_eq!(node.token_value.expose(), "s3cret-value");

    let (status, body) = desk.call(Delete, "/api/config/nodes/pve-0", &Value::Null);
    assert_eq!((status, body), (200, json!({ "status": "success" })));
    assert_eq!(desk.core.connections.iter().count(), 1, "it is no longer polled");
    assert_eq!(stored(&folder).pve.len(), 0);
    assert_eq!(desk.get(NODES_URL).as_array().unwrap().len(), 1);
}

#[test]
fn what_is_wrong_is_refused_in_the_words_of_4_9() {
    let (_folder, mut desk) = desk();
    add(&mut desk, &token_node("pve", "taken", DEAD));
    let cases = [
        (json!("text"), 400, "Invalid request body"),
        (json!({ "name": 7 }), 400, "Invalid request body"),
        (json!({}), 400, "Name is required"),
        (json!({ "name": "a" }), 400, "Type is required"),
        (json!({ "name": "a", "type": "pve" }), 400, "Host is required"),
        (token_node("pve", "a", "a:b:c"), 400, "Invalid host format"),
        (token_node("pve", "a", "999.1.1.1"), 400, "Invalid IP address"),
        (token_node("pve", "a", "[zz]:8006"), 400, "Invalid IPv6 address"),
        (token_node("pve", "a", "bad host"), 400, "Invalid hostname"),
        (token_node("pve", "a", "pve.lan:99999"), 400, "Invalid port number"),
        (token_node("pmg", "a", "pve.lan"), 400, "Invalid node type"),
        (json!({ "name": "a", "type": "pve", "host": "pve.lan" }), 400, "Authentication credentials required"),
        (
            json!({ "name": "a", "type": "pve", "host": "pve.lan", "user": "u" }),
            400,
            "Authentication credentials required",
        ),
        (token_node("pve", "taken", DEAD), 409, "A node with this name already exists"),
    ];
    for (body, status, words) in cases {
        assert_eq!(desk.call(Post, NODES_URL, &body), (status, json!({ "error": words })), "{body}");
    }
    add(&mut desk, &token_node("pbs", "taken", DEAD));
    assert_eq!(desk.get(NODES_URL).as_array().unwrap().len(), 2);
}

// 4.9 read `pve-0.js` as node 0, so that a suffix test elsewhere let strangers change it.
#[test]
fn ids_are_strict_and_can_be_guarded_against_a_list_that_moved() {
    let (_folder, mut desk) = desk();
    for name in ["a", "b"] {
        add(&mut desk, &token_node("pve", name, DEAD));
    }
    for id in ["pve-0.js", "pve-0abc", "pve-", "pve--1", "pve-+1", "pmg-0", "0", "pve-0-1", "pve-99999999999"] {
        for method in [Put, Delete] {
            let (status, body) = desk.call(method, &format!("{NODES_URL}/{id}"), &json!({}));
            assert_eq!((status, body["error"].as_str()), (400, Some("Invalid node ID")), "{id}");
        }
    }
    assert_eq!(desk.call(Delete, "/api/config/nodes/pve-7", &Value::Null).0, 404);
    assert_eq!(desk.call(Delete, "/api/config/nodes/", &Value::Null), (400, json!({ "error": "Node ID required" })));
    assert_eq!(desk.call(Post, "/api/config/nodes/pve-0", &json!({})).0, 404);
    assert_eq!(desk.call(Get, "/api/config/nodes/pve-0", &Value::Null).0, 405);

    let second = desk.get(NODES_URL)[1]["revision"].as_str().unwrap().to_owned();
    assert_eq!(desk.call(Delete, "/api/config/nodes/pve-0", &Value::Null).0, 200);
    let stale = format!("\"{second}\"");
    let (status, _) = desk.send(Delete, "/api/config/nodes/pve-1", &[("If-Match", &stale)], Vec::new());
    assert_eq!(status, 404, "b is now pve-0");
    assert_eq!(desk.call(Delete, "/api/config/nodes/pve-0?revision=0000", &Value::Null).0, 412);
    let (status, _) = desk.send(Delete, "/api/config/nodes/pve-0", &[("If-Match", &stale)], Vec::new());
    assert_eq!(status, 200);
}

#[test]
fn changes_that_cross_on_the_way_to_the_disk_are_all_kept() {
    let (folder, mut desk) = desk();
    for name in ["a", "b", "c"] {
        add(&mut desk, &token_node("pbs", name, DEAD));
    }
    let rename = |n: usize| json!({ "name": format!("renamed{n}") }).to_string().into_bytes();
    let waiting: Vec<_> = (0..3).map(|n| desk.start(Put, &format!("{NODES_URL}/pbs-{n}"), &[], rename(n))).collect();
    for reply in &waiting {
        assert_eq!(desk.wait(reply).status, 200);
    }
    let names: Vec<String> = stored(&folder).pbs.into_iter().map(|n| n.name).collect();
    assert_eq!(names, ["renamed0", "renamed1", "renamed2"]);
    assert_eq!(desk.call(Put, "/api/config/nodes/pbs-0", &json!({ "name": "renamed1" })).0, 409);
}

#[test]
fn credentials_change_by_the_rules_and_blank_ones_stay() {
    let (folder, mut desk) = desk();
    add(&mut desk, &json!({ "type": "pbs", "name": "n", "host": DEAD, "user": "u", "password": "one" }));
    let mut put = |body: Value| {
        assert_eq!(desk.call(Put, "/api/config/nodes/pbs-0", &body).0, 200, "{body}");
        let node = stored(&folder).pbs.remove(0);
        [node.user, node.password.expose().to_owned(), node.token_name, node.token_value.expose().to_owned()]
    };
    assert_eq!(put(json!({ "user": "u@pbs", "password": "" })), ["u@pbs", "one", "", ""]);
    assert_eq!(put(json!({ "user": "v" })), ["v@pbs", "one", "", ""]);
    assert_eq!(put(json!({ "tokenName": "v@pbs!t", "tokenValue": "two" })), ["", "", "v@pbs!t", "two"]);
    assert_eq!(put(json!({ "tokenName": "v@pbs!t2", "tokenValue": "" })), ["", "", "v@pbs!t2", "two"]);
    assert_eq!(put(json!({ "name": "n", "host": DEAD, "type": "pbs" })), ["", "", "v@pbs!t2", "two"]);
    assert_eq!(put(json!({ "user": "w", "password": "three" })), ["w@pbs", "three", "", ""]);
    assert_eq!(put(json!({ "user": "w", "tokenName": "bare", "tokenValue": "four" })), ["", "", "w@pbs!bare", "four"]);
    let refused = desk.call(Put, "/api/config/nodes/pbs-0", &json!({ "fingerprint": "abc" }));
    assert_eq!(refused.0, 400);
}

// 4.9 stored a bare host on PUT as it was and did not start again.
#[test]
fn a_bare_host_is_completed_and_a_bad_entry_in_the_file_stops_nothing() {
    let (folder, mut desk) = desk();
    add(&mut desk, &token_node("pve", "a", DEAD));
    assert_eq!(desk.call(Put, "/api/config/nodes/pve-0", &json!({ "host": "pve.lan" })).0, 200);
    assert_eq!(stored(&folder).pve[0].host, "https://pve.lan:8006");
    let mut document = stored(&folder).to_value();
    document["pveInstances"][0]["Host"] = json!("not a host/at all");
    document["pveInstances"].as_array_mut().unwrap().push(json!({ "Name": "b", "Host": "b.lan", "TokenName": "x" }));
    let mut dir = DataDir::open_beside(folder.path()).unwrap();
    dir.write(NODES, Some(document.to_string().as_bytes())).unwrap();
    let mut desk = Desk::open(&folder, &[]);
    let list = desk.get(NODES_URL);
    assert_eq!((list[0]["status"].as_str(), list[1]["status"].as_str()), (Some("error"), Some("error")));
    assert!(list[0]["error"].as_str().unwrap().contains("its host is not an address"));
    assert_eq!(desk.core.connections.iter().count(), 0);
    assert_eq!(desk.call(Delete, "/api/config/nodes/pve-0", &Value::Null).0, 200, "it can be removed");
}

#[test]
fn in_mock_mode_nothing_changes() {
    let folder = Folder::new("mock");
    let mut desk = Desk::open(&folder, &[("PULSE_MOCK_MODE", "true")]);
    let words = json!({ "error": "Cannot modify nodes in mock mode" });
    assert_eq!(desk.call(Post, NODES_URL, &token_node("pve", "a", DEAD)), (403, words.clone()));
    assert_eq!(desk.call(Put, "/api/config/nodes/pve-0", &json!({})), (403, words.clone()));
    assert_eq!(desk.call(Delete, "/api/config/nodes/pve-0", &Value::Null), (403, words));
}

#[test]
fn without_a_key_adding_says_what_to_do() {
    let folder = Folder::new("locked");
    folder.write(".encryption.key", "broken");
    let mut desk = Desk::open(&folder, &[]);
    let (status, body) = desk.call(Post, NODES_URL, &token_node("pbs", "a", DEAD));
    assert_eq!((status, body["error"].as_str()), (500, Some("Failed to save configuration")));
    assert!(body["detail"].as_str().unwrap().contains(".encryption.key"), "{body}");
    assert_eq!(desk.get(NODES_URL), json!([]));
    assert!(desk.get("/api/config")["problems"][".encryption.key"].is_string());
}

/// A cluster of two, a host of its own, and a PBS.
fn hosts() -> Simulator {
    let spec = Spec::new(7)
        .with_pve(PveSpec::new("lab", 2, 2))
        .with_pve(PveSpec::new("edge", 1, 1).prefix("edge"))
        .with_pbs(PbsSpec::new("vault"));
    simulated::start(spec)
}

const CLUSTER: usize = 0;
const EDGE: usize = 1;
const VAULT: usize = 2;

fn node_of(hosts: &Simulator, host: usize, name: &str) -> Value {
    let (token, secret) = hosts.token(host);
    let kind = if host == VAULT { "pbs" } else { "pve" };
    json!({ "type": kind, "name": name, "host": hosts.url(host), "tokenName": token, "tokenValue": secret })
}

#[test]
fn a_test_of_a_host_that_answers_says_what_it_found() {
    let hosts = hosts();
    let (_folder, mut desk) = desk();
    let mut test = |body: &Value| desk.call(Post, "/api/config/nodes/test-connection", body);
    let (status, body) = test(&node_of(&hosts, CLUSTER, "lab"));
    let expected = json!({
        "status": "success", "message": "Successfully connected to 2 node(s)", "isCluster": true, "nodeCount": 2,
        "clusterNodeCount": 2, "clusterName": "lab", "fingerprint": hosts.fingerprint(CLUSTER),
    });
    assert_eq!((status, body), (200, expected));
    let (user, password) = hosts.login(EDGE);
    let (status, body) = test(&json!({ "type": "pve", "host": hosts.url(EDGE), "user": user, "password": password }));
    assert_eq!((status, body["isCluster"].as_bool(), body.get("clusterNodeCount")), (200, Some(false), None), "{body}");
    let (status, body) = test(&node_of(&hosts, VAULT, ""));
    assert_eq!(status, 200, "{body}");
    let count = body["datastoreCount"].as_u64().unwrap();
    assert_eq!(body["message"], format!("Successfully connected. Found {count} datastore(s)"));
    let mut pinned = node_of(&hosts, CLUSTER, "lab");
    pinned["fingerprint"] = json!(hosts.fingerprint(CLUSTER).replace(':', "").to_lowercase());
    assert_eq!(test(&pinned).0, 200);

    let (status, body) = desk.call(Post, "/api/config/nodes/test-config", &node_of(&hosts, CLUSTER, "lab"));
    assert_eq!(
        (status, body["status"].as_str(), body["message"].as_str()),
        (200, Some("success"), Some("Connected to PVE cluster with 2 nodes"))
    );
    assert!(body["latency"].is_u64());
    let (_, body) = desk.call(Post, "/api/config/nodes/test-config", &node_of(&hosts, VAULT, "v"));
    assert_eq!(body["message"], "Connected to PBS instance");
}

#[test]
fn a_test_that_fails_says_so_in_the_words_of_4_9_and_why() {
    let hosts = hosts();
    let (_folder, mut desk) = desk();
    let (login, network) =
        ("Failed to initialize connection", "Connection failed. Please check your credentials and network settings");
    let (user, _) = hosts.login(EDGE);
    let wrong_password = json!({ "type": "pve", "host": hosts.url(EDGE), "user": user, "password": "wrong-p4ss" });
    let mut wrong_token = node_of(&hosts, VAULT, "v");
    wrong_token["tokenValue"] = json!("00000000-wrong");
    let mut wrong_pin = node_of(&hosts, CLUSTER, "lab");
    wrong_pin["fingerprint"] = json!("AB".repeat(32));
    let mut verified = node_of(&hosts, CLUSTER, "lab");
    verified["verifySSL"] = json!(true);
    let mut dead = token_node("pve", "x", DEAD);
    dead["tokenValue"] = json!("never-shown");
    for (body, words) in [
        (&wrong_password, login),
        (&wrong_token, network),
        (&wrong_pin, network),
        (&verified, network),
        (&dead, network),
    ] {
        let (status, answer) = desk.call(Post, "/api/config/nodes/test-connection", body);
        assert_eq!((status, answer["error"].as_str()), (400, Some(words)), "{answer}");
        let (status, form) = desk.call(Post, "/api/config/nodes/test-config", body);
        assert_eq!((status, form["status"].as_str(), form["message"].as_str()), (200, Some("error"), Some(words)));
        assert!(!answer["detail"].as_str().unwrap().is_empty());
        let shown = format!("{answer}{form}");
        assert!(!shown.contains("wrong-p4ss") && !shown.contains("00000000-wrong") && !shown.contains("never-shown"));
    }
    let (_, answer) = desk.call(Post, "/api/config/nodes/test-connection", &wrong_pin);
    assert_eq!(answer["fingerprint"], hosts.fingerprint(CLUSTER), "what it really showed");
    let refusals = [
        (json!({}), "Host is required"),
        (json!({ "host": "x" }), "Invalid node type"),
        (json!({ "host": "x", "type": "pve" }), "Authentication credentials required"),
        (json!([]), "Invalid request body"),
    ];
    for (body, words) in refusals {
        assert_eq!(desk.call(Post, "/api/config/nodes/test-connection", &body), (400, json!({ "error": words })));
    }
    assert_eq!(desk.call(Post, "/api/config/nodes/test-config", &json!({ "type": "x", "host": "h" })).0, 400);
}

#[test]
fn a_cluster_is_found_when_it_is_added_and_its_stored_connection_can_be_tested() {
    let hosts = hosts();
    let (folder, mut desk) = desk();
    add(&mut desk, &node_of(&hosts, CLUSTER, "lab"));
    add(&mut desk, &node_of(&hosts, EDGE, "edge"));
    add(&mut desk, &node_of(&hosts, VAULT, "vault"));
    let list = desk.get(NODES_URL);
    assert_eq!((list[0]["isCluster"].as_bool(), list[0]["clusterName"].as_str()), (Some(true), Some("lab")));
    let endpoint = list[0]["clusterEndpoints"][1].as_object().unwrap();
    assert_eq!(endpoint.keys().collect::<Vec<_>>(), ["Host", "IP", "LastSeen", "NodeID", "NodeName", "Online"]);
    assert_eq!((endpoint["NodeID"].as_str(), endpoint["NodeName"].as_str()), (Some("node/pve2"), Some("pve2")));
    assert_eq!(list[1].get("isCluster"), None);
    assert_eq!(stored(&folder).pve[0].cluster_endpoints.len(), 2);
    for (id, words) in [("pve-0", "Connected to PVE cluster with 2 nodes"), ("pbs-0", "Connected to PBS")] {
        let (status, body) = desk.call(Post, &format!("{NODES_URL}/{id}/test"), &Value::Null);
        assert_eq!((status, body["status"].as_str(), body["message"].as_str()), (200, Some("success"), Some(words)));
        assert!(body["latency"].is_u64());
    }
    let unknown = desk.call(Post, "/api/config/nodes/pve-9/test", &Value::Null);
    assert_eq!(unknown, (200, json!({ "status": "error", "message": "Node not found" })));
    assert_eq!(desk.call(Post, "/api/config/nodes/x/test", &Value::Null), (400, json!({ "error": "Invalid node ID" })));
}

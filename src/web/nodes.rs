//! The configured connections: list, add, change, remove, test (contract rest.md 5.10–5.12). The rules of a change are
//! the configuration's; here requests become changes and outcomes become 4.9's answers.

use super::probe::{self, Failed, Found};
use super::routes::{Policy, Route};
use crate::config::{Node, NodeRequest, Nodes, Refusal, parse_id};
use crate::http::{Call, Method, Response};
use crate::json::{json, put};
use crate::owner::{Answer, Core};
use crate::poll::Kind;
use serde_json::{Map, Value};

/// A connection; what else may stand in it are the switches `monitorVMs` and so on.
const NODE: &str = r#"{"type":"object","required":["type","host"],"properties":{"type":{"enum":["pve","pbs"]},"name":{"type":"string"},"host":{"type":"string"},"user":{"type":"string"},"password":{"type":"string"},"tokenName":{"type":"string"},"tokenValue":{"type":"string"},"fingerprint":{"type":"string"},"verifySSL":{"type":"boolean"}},"additionalProperties":{"type":"boolean"}}"#;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/config/nodes", Policy::Read, "The configured connections, without secrets", list).gives(r#"{"type":"array","items":{"type":"object","required":["id","type","name","host","hasPassword","hasToken","verifySSL","status"],"properties":{"id":{"type":"string"},"type":{"type":"string"},"name":{"type":"string"},"host":{"type":"string"},"hasPassword":{"type":"boolean"},"hasToken":{"type":"boolean"},"verifySSL":{"type":"boolean"},"status":{"type":"string"}}}}"#),
    Route::new(Method::Get, "/api/nodes", Policy::Read, "The same list", list).gives(r#"{"type":"array","items":{"type":"object","required":["id","type","name","host","hasPassword","hasToken","verifySSL","status"],"properties":{"id":{"type":"string"},"type":{"type":"string"},"name":{"type":"string"},"host":{"type":"string"},"hasPassword":{"type":"boolean"},"hasToken":{"type":"boolean"},"verifySSL":{"type":"boolean"},"status":{"type":"string"}}}}"#),
    Route::new(Method::Post, "/api/config/nodes", Policy::Manage, "Add a connection", add)
        .takes(NODE)
        .also(&[201, 409]),
    Route::new(Method::Post, "/api/nodes", Policy::Manage, "The same", add).takes(NODE).also(&[201, 409]),
    Route::new(Method::Post, "/api/config/nodes/test-connection", Policy::Manage, "Try a connection", test_connection)
        .takes(NODE),
    Route::new(
        Method::Post,
        "/api/config/nodes/test-config",
        Policy::Manage,
        "Try a connection, for forms",
        test_config,
    )
    .takes(NODE),
    Route::new(Method::Put, "/api/config/nodes/{id}", Policy::Manage, "Change a connection", change).gives(r#"{"type":"object","required":["status"],"properties":{"status":{"type":"string"}}}"#)
        .takes(r#"{"type":"object"}"#)
        .asks(&["revision"])
        .also(&[409, 412]),
    Route::new(Method::Delete, "/api/config/nodes/{id}", Policy::Manage, "Remove a connection", remove).gives(r#"{"type":"object","required":["status"],"properties":{"status":{"type":"string"}}}"#)
        .asks(&["revision"])
        .also(&[409, 412]),
    Route::new(Method::Post, "/api/config/nodes/{id}", Policy::Manage, "Not used", not_found),
    Route::new(Method::Put, "/api/config/nodes/", Policy::Manage, "Asks for an id", id_required),
    Route::new(Method::Delete, "/api/config/nodes/", Policy::Manage, "Asks for an id", id_required),
    Route::new(Method::Post, "/api/config/nodes/{id}/test", Policy::Manage, "Try a stored connection", test_stored).gives(r#"{"type":"object","required":["status","message"],"properties":{"status":{"type":"string"},"message":{"type":"string"}}}"#),
];

fn list(core: &mut Core, _: &Call) -> Answer {
    Response::json(&listed(core)).cacheable().into()
}

/// Every connection as clients see it; also part of `/api/config`.
pub fn listed(core: &Core) -> Vec<Value> {
    core.config.nodes.get().with_ids().map(|(id, node)| shown(core, id, node)).collect()
}

/// One connection without its secrets. `status` is what polling found, in 4.9's three words.
fn shown(core: &Core, id: String, node: &Node) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("id", json!(id));
    put("type", json!(node.kind.as_str()));
    put("name", json!(node.name));
    put("host", json!(node.host));
    put("hasPassword", json!(!node.password.is_empty()));
    put("hasToken", json!(!node.token_value.is_empty()));
    put("verifySSL", json!(node.verify_ssl));
    put("revision", json!(revision(node)));
    for (name, text) in [("user", &node.user), ("tokenName", &node.token_name), ("fingerprint", &node.fingerprint)] {
        if !text.is_empty() {
            put(name, json!(text));
        }
    }
    for flag in node.flags_on() {
        put(flag, json!(true));
    }
    if node.is_cluster {
        put("isCluster", json!(true));
        put("clusterName", json!(node.cluster_name));
        put("clusterEndpoints", json!(endpoints(core, node)));
    }
    let (status, error) = status(core, node);
    put("status", json!(status));
    if let Some(error) = error {
        put("error", json!(error));
    }
    Value::Object(out)
}

fn status(core: &Core, node: &Node) -> (&'static str, Option<String>) {
    if let Some(problem) = node.problem() {
        return ("error", Some(format!("this connection is not polled: {problem}")));
    }
    match core.connections.get(node.kind, &node.name) {
        Some(c) if c.reported && c.reachable => ("connected", None),
        Some(c) if c.reported => ("error", c.failure.as_ref().map(|f| f.message.clone())),
        _ => ("disconnected", None),
    }
}

/// The members as they are now, as far as polling knows.
fn endpoints(core: &Core, node: &Node) -> Vec<crate::config::ClusterEndpoint> {
    let mut endpoints = node.cluster_endpoints.clone();
    for endpoint in &mut endpoints {
        let live = core.state.nodes.iter().find(|n| n.instance == node.name && n.name == endpoint.node_name);
        if let Some(live) = live {
            endpoint.online = live.status == "online";
            endpoint.last_seen = live.last_seen.max(endpoint.last_seen);
        }
    }
    endpoints
}

/// Ids are places in a list (4.9's); this tells whether a place still holds the connection that the client means.
fn revision(node: &Node) -> String {
    let text = format!("{}\n{}\n{}", node.kind.as_str(), node.name, node.host);
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect()
}

fn refused(Refusal(status, words): &Refusal) -> Answer {
    Response::error(*status, words).into()
}

fn not_found(_: &mut Core, _: &Call) -> Answer {
    Response::error(404, "Not found").into()
}

fn id_required(_: &mut Core, _: &Call) -> Answer {
    Response::error(400, "Node ID required").into()
}

/// Refused while nothing is polled anyway.
fn mocked(core: &Core) -> Option<Answer> {
    core.config.settings.mock.then(|| Response::error(403, "Cannot modify nodes in mock mode").into())
}

fn add(core: &mut Core, call: &Call) -> Answer {
    if let Some(answer) = mocked(core) {
        return answer;
    }
    let Ok(request) = NodeRequest::read(&call.body) else {
        return Response::error(400, "Invalid request body").into();
    };
    let node = match request.to_node() {
        Ok(node) => node,
        Err(refusal) => return refused(&refusal),
    };
    if is_taken(core.config.nodes.latest(), &node, None) {
        return taken();
    }
    with_cluster(core, node, |core, node| {
        // Asking took time: the name may be taken now.
        if is_taken(core.config.nodes.latest(), &node, None) {
            return taken();
        }
        let mut next = Nodes::clone(core.config.nodes.latest());
        next.of_mut(node.kind).push(node);
        let done = |core: &mut Core, outcome: Result<(), String>| {
            if outcome.is_ok() {
                core.tell_servers_of_change(false);
            }
            saved(201, outcome)
        };
        core.save_nodes(next, Box::new(done))
    })
}

/// Asks a PVE for its cluster first, so that the answer to adding it can be shown with its members (as in 4.9).
pub fn with_cluster(
    core: &Core,
    mut node: Node,
    then: impl FnOnce(&mut Core, Node) -> Answer + Send + 'static,
) -> Answer {
    let now = core.now.wall;
    let work = move || {
        let cluster = if node.kind == Kind::Pve { probe::find_cluster(&node, now) } else { None };
        if let Some((name, members)) = cluster {
            node.set_cluster(&name, &members);
        }
        node
    };
    Answer::job_then("look for a cluster", work, then)
}

fn is_taken(nodes: &Nodes, node: &Node, except: Option<usize>) -> bool {
    nodes.of(node.kind).iter().enumerate().any(|(i, other)| Some(i) != except && other.name == node.name)
}

fn taken() -> Answer {
    Response::error(409, "A node with this name already exists").into()
}

fn saved(status: u16, outcome: Result<(), String>) -> Answer {
    match outcome {
        Ok(()) => Response::json_status(status, &json!({ "status": "success" })),
        Err(detail) => not_saved(&detail),
    }
    .into()
}

/// 4.9's words, and beside them the cause, which only an administrator ever sees.
pub fn not_saved(detail: &str) -> Response {
    Response::json_status(500, &json!({ "error": "Failed to save configuration", "detail": detail }))
}

/// The stored connection that a call names: its kind, place and value.
fn named(core: &Core, call: &Call) -> Result<(Kind, usize, Node), Answer> {
    let (kind, at) = parse_id(call.param(0)).ok_or_else(|| Response::error(400, "Invalid node ID"))?;
    let node = core.config.nodes.latest().of(kind).get(at).ok_or_else(|| Response::error(404, "Node not found"))?;
    let meant = call.header("if-match").map(|tag| tag.trim_matches('"')).or(call.query.get("revision"));
    if meant.is_some_and(|meant| meant != "*" && meant != revision(node)) {
        return Err(Response::error(412, "The list of nodes has changed, reload it and try again").into());
    }
    Ok((kind, at, node.clone()))
}

fn change(core: &mut Core, call: &Call) -> Answer {
    if let Some(answer) = mocked(core) {
        return answer;
    }
    let (kind, at, old) = match named(core, call) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let Ok(request) = NodeRequest::read(&call.body) else {
        return Response::error(400, "Invalid request body").into();
    };
    let node = match request.to_changed(&old) {
        Ok(node) => node,
        Err(refusal) => return refused(&refusal),
    };
    let mut next = Nodes::clone(core.config.nodes.latest());
    if node.name != old.name && is_taken(&next, &node, Some(at)) {
        return taken();
    }
    if let Some(place) = next.of_mut(kind).get_mut(at) {
        *place = node;
    }
    core.save_nodes(
        next,
        Box::new(|core, outcome| {
            if outcome.is_ok() {
                core.tell_servers_of_change(false);
            }
            saved(200, outcome)
        }),
    )
}

fn remove(core: &mut Core, call: &Call) -> Answer {
    if let Some(answer) = mocked(core) {
        return answer;
    }
    let (kind, at, _) = match named(core, call) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let mut next = Nodes::clone(core.config.nodes.latest());
    next.of_mut(kind).remove(at);
    core.save_nodes(
        next,
        Box::new(move |core, outcome| {
            if outcome.is_ok() {
                core.announce("node_deleted", &json!({ "nodeType": kind.as_str() }));
                core.tell_servers_of_change(true);
            }
            saved(200, outcome)
        }),
    )
}

/// The connection that a test's body describes; a name is not needed.
fn described(call: &Call) -> Result<Node, Refusal> {
    let mut request = NodeRequest::read(&call.body).map_err(|_| Refusal(400, "Invalid request body".to_owned()))?;
    request.name.get_or_insert_default();
    if request.host.as_deref().unwrap_or_default().is_empty() {
        return Err(Refusal(400, "Host is required".to_owned()));
    }
    if request.product().is_none() {
        return Err(Refusal(400, "Invalid node type".to_owned()));
    }
    request.to_node()
}

fn test_connection(_: &mut Core, call: &Call) -> Answer {
    let node = match described(call) {
        Ok(node) => node,
        Err(refusal) => return refused(&refusal),
    };
    Answer::job("test a connection", move || match probe::test(&node) {
        Ok(found) => Response::json(&connection_found(&node, found)),
        Err(failed) => {
            let mut body = failure(&node, &failed);
            put(&mut body, "error", json!(failed.message()));
            Response::json_status(400, &body)
        }
    })
}

fn connection_found(node: &Node, found: Found) -> Value {
    let mut out = json!({ "status": "success", "fingerprint": found.fingerprint });
    let Some(map) = out.as_object_mut() else { return out };
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    match node.kind {
        Kind::Pve => {
            put("message", json!(format!("Successfully connected to {} node(s)", found.count)));
            put("isCluster", json!(found.members.len() > 1));
            put("nodeCount", json!(found.count));
            if found.members.len() > 1 {
                put("clusterNodeCount", json!(found.members.len()));
                put("clusterName", json!(found.cluster_name));
            }
        }
        Kind::Pbs => {
            put("message", json!(format!("Successfully connected. Found {} datastore(s)", found.count)));
            put("datastoreCount", json!(found.count));
        }
    }
    out
}

/// What is added to 4.9's words about a failed test; also logged.
fn failure(node: &Node, failed: &Failed) -> Map<String, Value> {
    log::info!("failed to test {}: {}", node.host, failed.error);
    let mut out = Map::new();
    put(&mut out, "detail", json!(failed.error.to_string()));
    if let Some(fingerprint) = failed.fingerprint() {
        put(&mut out, "fingerprint", json!(fingerprint));
    }
    out
}

fn test_config(_: &mut Core, call: &Call) -> Answer {
    match described(call) {
        Ok(node) => form_test(node, "Connected to PBS instance"),
        // Forms show what is wrong with a connection as the outcome of its test.
        Err(Refusal(_, words)) if words != "Invalid request body" && words != "Invalid node type" => {
            let body = json!({ "status": "error", "message": "Failed to initialize connection", "detail": words });
            Response::json(&body).into()
        }
        Err(refusal) => refused(&refusal),
    }
}

fn test_stored(core: &mut Core, call: &Call) -> Answer {
    match parse_id(call.param(0)) {
        None => Response::error(400, "Invalid node ID").into(),
        Some((kind, at)) => match core.config.nodes.get().of(kind).get(at) {
            Some(node) => form_test(node.clone(), "Connected to PBS"),
            None => Response::json(&json!({ "status": "error", "message": "Node not found" })).into(),
        },
    }
}

/// The tests whose outcome is always a 200.
fn form_test(node: Node, pbs_words: &'static str) -> Answer {
    Answer::job("test a connection", move || match probe::test(&node) {
        Ok(found) => {
            let message = match node.kind {
                Kind::Pve => format!("Connected to PVE cluster with {} nodes", found.count),
                Kind::Pbs => pbs_words.to_owned(),
            };
            let latency = u64::try_from(found.latency.as_millis()).unwrap_or(u64::MAX);
            let fingerprint = found.fingerprint;
            Response::json(
                &json!({ "status": "success", "message": message, "latency": latency, "fingerprint": fingerprint }),
            )
        }
        Err(failed) => {
            let mut body = failure(&node, &failed);
            put(&mut body, "status", json!("error"));
            put(&mut body, "message", json!(failed.message()));
            Response::json(&body)
        }
    })
}

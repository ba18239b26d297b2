//! What Pulse tells of itself: diagnostics, and whether there is a newer version.

use crate::support::desk::Desk;
use crate::support::folder::Folder;
use crate::support::shape::assert_like;
use crate::support::simulated;
use pulse::demo::{Fault, Scope, Spec};
use pulse::http::Method::{Get, Post};
use pulse::poll::Kind;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn desk(vars: &[(&str, &str)]) -> (Folder, Desk) {
    let folder = Folder::new("reports");
    let desk = Desk::open(&folder, vars);
    (folder, desk)
}

#[test]
fn diagnostics_tell_what_polling_knows_and_no_secret() {
    let (_folder, mut desk) = desk(&[("CONNECTION_TIMEOUT", "5")]);
    assert_like("api__diagnostics", &desk.get("/api/diagnostics"));
    let simulator = simulated::start(Spec::small(2, 6, 7));
    let host = simulator.connections().into_iter().find(|h| !h.backup_server).unwrap();
    let secret = host.access.token_secret.clone();
    let node = json!({
        "type": "pve", "name": "pve", "host": host.url, "tokenName": host.access.token_id, "tokenValue": secret,
        "monitorVMs": true, "monitorStorage": true,
    });
    let dead = json!({
        "type": "pbs", "name": "vault", "host": "http://127.0.0.1:1", "tokenName": "a@pbs!b", "tokenValue": "hush-hush",
    });
    for body in [node, dead] {
        assert_eq!(desk.call(Post, "/api/config/nodes", &body).0, 201);
    }
    desk.until("both reported", |core| core.connections.iter().filter(|(_, c)| c.reported).count() == 2);
    let report = desk.get("/api/diagnostics");
    assert_like("api__diagnostics", &report);
    let (pve, pbs) = (&report["nodes"][0], &report["pbs"][0]);
    assert_eq!(
        (&pve["connected"], &pve["authMethod"], &pve["id"]),
        (&json!(true), &json!("api_token"), &json!("pve-0"))
    );
    assert!(pve["polling"]["requestsLastMinute"].as_u64() > Some(5), "{pve:#}");
    let last_minute = |of: &Value| of["requestsLastMinute"].as_u64().unwrap();
    assert_eq!(last_minute(&pve["polling"]) + last_minute(&pbs["polling"]), last_minute(&report["performance"]));
    assert!(pve["polling"]["requestsTotal"].as_u64() > Some(0) && pve["lastPoll"].is_string(), "{pve:#}");
    assert!(pve["vmDiskCheck"]["vmsFound"].as_u64() > Some(0), "{pve:#}");
    assert!(pbs["connected"] == false && pbs["error"].is_string(), "{pbs:#}");
    assert!(report["errors"][0].as_str().unwrap().starts_with("vault: "));
    assert!(report["system"]["memory"]["alloc"].as_u64() > Some(1 << 20));
    assert!(report["system"]["dataDirBytes"].as_u64() > Some(0));
    assert_eq!(report["health"]["status"], "degraded");
    let text = report.to_string();
    assert!(!text.contains(&secret) && !text.contains("hush-hush"));
    let public = desk.get("/api/diagnostics?public=1");
    let text = public.to_string();
    for private in ["127.0.0.1", "vault", host.access.token_id.as_str()] {
        assert!(!text.contains(private), "{private}: {public:#}");
    }
    assert_eq!(public["nodes"][0]["type"], "pve", "a host of that name hides no other word");
    assert_eq!(public["nodes"][0]["name"], "connection-pve-0");
}

#[test]
fn diagnostics_tell_what_is_shown_although_it_is_old() {
    let (_folder, mut desk) = desk(&[]);
    let simulator = simulated::start(Spec::small(1, 4, 7));
    let host = simulator.connections().into_iter().next().unwrap();
    let node = json!({
        "type": "pve", "name": "pve", "host": host.url, "tokenName": host.access.token_id,
        "tokenValue": host.access.token_secret, "monitorVMs": true, "monitorContainers": true,
    });
    assert_eq!(desk.call(Post, "/api/config/nodes", &node).0, 201);
    desk.until("guests", |core| core.state.guests().count() > 0);
    let stale = |desk: &mut Desk| desk.get("/api/diagnostics")["nodes"][0]["polling"]["stale"].clone();
    assert_eq!(stale(&mut desk), json!([]));
    let fault = Fault::Status { code: 500, message: "got no worker upid".into() };
    simulator.fault(Scope::host(0).path("/nodes/pve1/lxc"), fault);
    let asks = |desk: &mut Desk, what: &str, failing: bool| {
        desk.until(what, |core| {
            core.pollers.poll_now(Kind::Pve, "pve");
            core.connections.iter().all(|(_, c)| c.statistics.stale.is_empty() != failing)
        });
    };
    asks(&mut desk, "a failure", true);
    let told = stale(&mut desk);
    assert_eq!((told.as_array().unwrap().len(), &told[0]["what"]), (1, &json!("nodes/pve1/lxc")));
    assert!(told[0]["lastGood"].is_string() && told[0]["ageSeconds"].is_u64(), "{told}");
    simulator.clear_all();
    asks(&mut desk, "its end", false);
    assert_eq!(stale(&mut desk), json!([]));
}

/// Answers every request with one body, and counts them.
fn release_server(status: u16, body: String) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            counted.fetch_add(1, Ordering::Relaxed);
            let length = body.len();
            let _ =
                write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    (address, count)
}

#[test]
fn a_newer_release_is_told_with_the_way_to_it() {
    let release = json!({
        "tag_name": "v99.1.0", "body": "What is new", "prerelease": false, "published_at": "2030-01-02T03:04:05Z",
        "assets": [{ "name": "pulse-v99.1.0-linux-amd64.tar.gz", "browser_download_url": "https://x/pulse.tar.gz" }],
    });
    let (server, count) = release_server(200, release.to_string());
    let (_folder, mut desk) = desk(&[("PULSE_UPDATE_SERVER", &server)]);
    let found = desk.get("/api/updates/check");
    assert_like("api__updates__check", &found);
    assert_eq!((&found["available"], &found["latestVersion"]), (&json!(true), &json!("v99.1.0")));
    assert_eq!(
        (&found["releaseNotes"], &found["releaseDate"]),
        (&json!("What is new"), &json!("2030-01-02T03:04:05Z"))
    );
    assert_eq!(found["downloadUrl"], "https://x/pulse.tar.gz");
    assert!(["proxmoxve", "docker", "systemd", "manual"].contains(&found["deploymentType"].as_str().unwrap()));
    for _ in 0..9 {
        desk.get("/api/updates/check");
    }
    assert_eq!(count.load(Ordering::Relaxed), 1, "remembered for five minutes");
    let (status, body) = desk.call(Get, "/api/updates/check", &Value::Null);
    assert_eq!((status, &body["error"]), (429, &json!("Rate limit exceeded. Please try again later.")));
}

#[test]
fn a_release_server_that_fails_is_a_plain_error() {
    for (status, body) in [(500, "{}"), (200, "<html>"), (200, "{}"), (200, r#"{"tag_name":"nightly"}"#)] {
        let (server, _) = release_server(status, body.to_owned());
        let (_folder, mut desk) = desk(&[("PULSE_UPDATE_SERVER", &server)]);
        let (status, answer) = desk.call(Get, "/api/updates/check", &Value::Null);
        assert_eq!((status, &answer["error"]), (500, &json!("Failed to check for updates")), "{body}");
    }
    let (_folder, mut desk) = desk(&[("PULSE_UPDATE_SERVER", "http://127.0.0.1:1")]);
    assert_eq!(desk.call(Get, "/api/updates/check", &Value::Null).0, 500);
    assert_eq!(desk.call(Get, "/api/updates/check?channel=../..", &Value::Null).0, 400);
}

#[test]
fn nothing_is_installed_through_the_api() {
    let (_folder, mut desk) = desk(&[]);
    assert_like("api__updates__status", &desk.get("/api/updates/status"));
    assert_eq!(desk.get("/api/updates/status")["status"], "idle");
    for (body, words) in [(json!({}), "Download URL is required"), (json!([]), "Invalid request body")] {
        assert_eq!(desk.call(Post, "/api/updates/apply", &body), (400, json!({ "error": words })));
    }
    let (status, answer) = desk.call(Post, "/api/updates/apply", &json!({ "downloadUrl": "http://127.0.0.1:1/x" }));
    assert_eq!((status, &answer["status"]), (200, &json!("deprecated")));
    assert_eq!(desk.get("/api/updates/status")["status"], "idle");
}

//! `pulse status` as a Nagios plugin: exit codes, one line with performance data, JSON.

use crate::support::host::{Host, Reply, http};
use serde_json::{Value, json};
use std::process::Command;

fn server(nodes: &[&str], alerts: &[(&str, bool)]) -> Host {
    let nodes: Vec<Value> = nodes.iter().map(|status| json!({ "status": status })).collect();
    let alerts: Vec<Value> = alerts.iter().map(|(l, seen)| json!({ "level": l, "acknowledged": seen })).collect();
    let state = json!({
        "nodes": nodes, "vms": [{ "status": "running" }, { "status": "stopped" }], "containers": [],
        "pbs": [{ "status": "online" }], "activeAlerts": alerts,
    });
    http(move |asked| {
        assert_eq!(asked.target, "/api/state");
        match asked.header("x-api-token") {
            "s3cret" => Reply::json(&state.to_string()),
            _ => Reply::status(401, "{}"),
        }
    })
}

/// Exit code and output.
fn status(options: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulse"));
    let done = command.arg("status").args(options).env_remove("PULSE_TOKEN").output().unwrap();
    (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
}

#[test]
fn exit_codes_are_those_of_a_plugin() {
    let one_warning: &[(&str, bool)] = &[("warning", false), ("critical", true)];
    for (nodes, alerts, options, code) in [
        (&["online"][..], &[][..], &[][..], 0),
        (&["online"], one_warning, &[], 1),
        (&["online"], one_warning, &["--warn", "2"], 0),
        (&["online"], one_warning, &["--crit", "1"], 2),
        (&["online"], &[("critical", false)], &[], 2),
        (&["online"], &[("critical", false)], &["--crit", "2"], 1),
        (&["online", "offline"], &[], &["--warn", "9", "--crit", "9"], 2),
    ] {
        let host = server(nodes, alerts);
        let all = [&["--url", &host.url, "--token", "s3cret"], options].concat();
        let (got, line) = status(&all);
        assert_eq!(got, code, "{nodes:?} {alerts:?} {options:?}: {line}");
        let word = ["OK", "WARNING", "CRITICAL"][code as usize];
        assert!(line.starts_with(&format!("PULSE {word} - ")) && line.contains(" | alerts="), "{line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
}

#[test]
fn what_cannot_be_known_is_unknown_and_never_shows_the_token() {
    let host = server(&["online"], &[]);
    let wrong: [&[&str]; 4] = [
        &["--url", &host.url, "--token", "wr0ng"],
        &["--url", "http://127.0.0.1:9", "--token", "wr0ng"],
        &["--warn", "many"],
        &["--colour", "red"],
    ];
    for options in wrong {
        let (code, line) = status(options);
        assert_eq!(code, 3, "{options:?}: {line}");
        assert!(!line.contains("wr0ng"), "{line}");
    }
}

#[test]
fn json_says_the_same() {
    let host = server(&["online", "offline"], &[("warning", false)]);
    let (code, text) = status(&["--url", &host.url, "--token", "s3cret", "--json"]);
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &said["status"]), (2, &json!("CRITICAL")));
    let figures = &said["figures"];
    assert_eq!((&figures["nodes"], &figures["nodes_online"]), (&json!(2), &json!(1)));
    assert_eq!((&figures["guests_running"], &figures["alerts"]), (&json!(1), &json!(1)));
}

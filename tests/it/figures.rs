//! Answers in, figures out: each guest of `tests/data/figures` is what a host of that version says of one special case,
//! with the exact values and sources that Pulse must show for it. Polled over HTTPS like any other host.

use crate::support::folder;
use crate::support::host::{self, Asked, Host, Reply};
use crossbeam_channel::unbounded;
use pulse::owner::Event;
use pulse::poll::{self, Kind, Monitor, Report, Target};
use pulse::proxmox::{Access, Auth, Tls};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An answer, or `[status, words]` for a refusal.
fn reply(answer: &Value) -> Reply {
    match answer.as_array().map(Vec::as_slice) {
        Some([Value::Number(status), words]) => {
            let body = json!({ "data": null, "message": words });
            Reply::status(status.as_u64().unwrap() as u16, &body.to_string())
        }
        _ => Reply::data(&answer.to_string()),
    }
}

fn vmid_of(guest: &Value) -> String {
    guest["row"]["vmid"].to_string().trim_matches('"').to_owned()
}

fn answer(told: &Value, asked: &Asked) -> Reply {
    let rows = |kind: &str| {
        let all = told["guests"].as_array().unwrap().iter().filter(|g| g["type"] == kind);
        Value::Array(all.map(|g| g["row"].clone()).collect())
    };
    let parts: Vec<&str> = asked.path().split('/').collect();
    let guest = |vmid: &str| told["guests"].as_array().unwrap().iter().find(|g| vmid_of(g) == vmid).unwrap();
    let found = match parts.as_slice() {
        ["version"] => &told["version"],
        ["cluster", "status"] => return reply(&json!([{ "type": "node", "name": "pve", "online": 1, "local": 1 }])),
        ["nodes"] => return reply(&json!([told["node"]])),
        ["nodes", "pve", "status"] => &told["status"],
        ["nodes", "pve", kind @ ("qemu" | "lxc")] => return reply(&rows(kind)),
        ["nodes", "pve", "qemu", vmid, "status", "current"] => &guest(vmid)["current"],
        ["nodes", "pve", "qemu", vmid, "agent", command] => &guest(vmid)["agent"][*command],
        ["nodes", "pve", "lxc", vmid, "config"] => &guest(vmid)["config"],
        ["storage"] => &told["storages"],
        ["nodes", "pve", "storage"] => &told["node_storages"],
        ["nodes", "pve", "storage", name, "content"] => &told["contents"][*name],
        ["cluster", "backup-info", "not-backed-up"] => &told["uncovered"],
        _ => &Value::Null,
    };
    if found.is_null() { Reply::status(501, r#"{"data":null,"message":"not implemented"}"#) } else { reply(found) }
}

fn served(name: &str) -> (Value, Host) {
    let path = folder::data("figures").join(format!("{name}.json"));
    let told: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let copy = told.clone();
    (told, host::https(move |asked| answer(&copy, asked)))
}

/// What is known after the second cycle, and what was told only by the first.
fn polled(host: &Host) -> (Report, Report) {
    let (out, reports) = unbounded();
    let target = Target {
        instance: "lab".into(),
        kind: Kind::Pve,
        access: Access {
            base_url: host.url.clone(),
            auth: Auth::Token { user: String::new(), name: "pulse@pam!watch".into(), secret: "s".into() },
            tls: Tls::Pin(host.fingerprint.unwrap()),
            timeout: Duration::from_secs(3),
        },
        endpoints: vec![],
        monitor: Monitor::all(),
        past: usize::MAX,
        interval: Duration::from_secs(3600),
    };
    let handle = poll::start(target, Instant::now(), out);
    let next = || match reports.recv_timeout(Duration::from_secs(20)) {
        Ok(Event::Report(report)) => *report,
        _ => panic!("no report"),
    };
    let first = next();
    assert!(first.reachable, "{:?}", first.failure);
    handle.poll_now();
    let second = next();
    handle.join();
    (first, second)
}

/// Every value of `wanted` is in `shown`; `null` means that the key is not there.
fn is_shown(wanted: &Value, shown: &Value, at: &str) {
    match wanted {
        Value::Object(all) => all.iter().for_each(|(key, value)| is_shown(value, &shown[key], &format!("{at}, {key}"))),
        _ => assert_eq!(shown, wanted, "{at}"),
    }
}

#[test]
fn each_recorded_case_shows_its_exact_values_and_where_they_come_from() {
    for name in ["pve7", "pve8", "pve9"] {
        let (told, host) = served(name);
        let (first, report) = polled(&host);
        let [node] = &report.live.nodes[..] else { panic!("{name}: {:?}", report.live.nodes) };
        is_shown(&told["shows"], &serde_json::to_value(node).unwrap(), &format!("{name}, the node"));
        let shown: Vec<_> = report.live.vms.iter().chain(&report.live.containers).collect();
        let guests = told["guests"].as_array().unwrap();
        assert_eq!(shown.len(), guests.len(), "{name}");
        for guest in guests {
            let vmid: i64 = vmid_of(guest).parse().unwrap();
            let shown = shown.iter().find(|g| g.vmid == vmid).unwrap();
            let shown = serde_json::to_value(shown).unwrap();
            let at = format!("{name}: {} ({vmid})", guest["about"].as_str().unwrap());
            is_shown(&guest["shows"], &shown, &at);
            // Unless it is told why not, the inside of a disk is known.
            assert_eq!(shown.get("diskStatus"), guest["shows"].get("diskStatus"), "{at}");
            for figure in [&shown["memory"], &shown["disk"]] {
                let share = figure["used"].as_f64().unwrap() / figure["total"].as_f64().unwrap() * 100.0;
                assert!((figure["usage"].as_f64().unwrap() - share).abs() < 1e-9 && share <= 100.0, "{at}: {figure}");
            }
        }
        lists_are_shown(name, &told["lists"], &first, &report);
    }
}

/// Storages, backup files, coverage.
fn lists_are_shown(name: &str, wanted: &Value, first: &Report, second: &Report) {
    if wanted.is_null() {
        return;
    }
    let shown = |id: &str, all: Vec<Value>| {
        all.into_iter().find(|i| i["id"] == id).unwrap_or_else(|| panic!("{name}: no {id}"))
    };
    let storages = wanted["storage"].as_object().unwrap();
    let all = || second.live.storage.iter().map(|s| serde_json::to_value(s).unwrap()).collect();
    storages.iter().for_each(|(id, wanted)| is_shown(wanted, &shown(id, all()), &format!("{name}, {id}")));
    assert_eq!(second.live.storage.len(), storages.len());
    let files = second.slow.storage_backups.as_ref().or(first.slow.storage_backups.as_ref()).unwrap();
    let all = || files.iter().map(|f| serde_json::to_value(f).unwrap()).collect();
    let wanted_files = wanted["files"].as_object().unwrap();
    wanted_files.iter().for_each(|(id, wanted)| is_shown(wanted, &shown(id, all()), &format!("{name}, {id}")));
    assert_eq!(files.len(), wanted_files.len());
    let coverage = second.slow.coverage.as_ref().or(first.slow.coverage.as_ref()).unwrap().as_ref().unwrap();
    is_shown(&wanted["coverage"], &serde_json::to_value(coverage).unwrap(), name);
}

/// `docs/figures.md` names every source and reason that the code can give.
#[test]
fn every_source_and_reason_is_explained() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let doc = read("docs/figures.md");
    let mut named = std::collections::BTreeSet::new();
    for file in ["src/poll/derive/memory.rs", "src/poll/derive/guest.rs", "src/poll/pve/guests.rs"] {
        let text = read(file);
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for word in code.split('"').skip(1).step_by(2) {
            let is_one =
                ["agent-", "no-permission:", "freemem", "resources", "status", "memavailable", "nodes", "allocated"];
            if is_one.iter().any(|of| word.starts_with(of)) {
                named.insert(word.trim_end_matches("{privilege}").to_owned());
            }
        }
    }
    assert!(named.len() >= 12, "{named:?}");
    for word in named {
        assert!(doc.contains(&format!("`{word}")), "docs/figures.md says nothing of {word}");
    }
}

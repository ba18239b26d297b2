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

/// What is known after the second cycle.
fn polled(host: &Host) -> Report {
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
    second
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
        let report = polled(&host);
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
    }
}

//! `/api/diagnostics`: what an administrator needs to see why something is not shown, and can show to others with
//! `?public=1`. Told from what polling knows; no host is asked for it, unlike in 4.9 (contract rest.md 5.16).

use super::routes::{Policy, Route};
use crate::config::Node;
use crate::config::address::bare_host;
use crate::http::{Call, Method, Response};
use crate::json::{json, put};
use crate::model::{Now, Time};
use crate::order;
use crate::owner::{Answer, Connection, Core};
use crate::proxmox::Kind;
use crate::setup::quote;
use crate::update;
use serde_json::{Map, Value};
use std::path::Path;

pub const ROUTES: &[Route] = &[Route::new(
    Method::Get,
    "/api/diagnostics",
    Policy::Read,
    "How Pulse and its connections are doing",
    diagnostics,
)];

/// Files counted at most when the size of the data directory is summed up.
const MOST_FILES: usize = 10_000;

fn diagnostics(core: &mut Core, call: &Call) -> Answer {
    let public = matches!(call.query.get("public"), Some("1" | "true"));
    let mut report = told(core);
    if public {
        Masks::of(core).apply(&mut report);
    }
    let data_dir = core.config.settings.data_dir.clone();
    Answer::job("look at the process", move || {
        if let Some(system) = report.get_mut("system").and_then(Value::as_object_mut) {
            process(system, &data_dir);
        }
        Response::json(&report).with("Cache-Control", "no-store")
    })
}

fn told(core: &Core) -> Value {
    let nodes = core.config.nodes.get();
    let of = |kind: Kind| -> Vec<Value> {
        nodes.with_ids().filter(|(_, n)| n.kind == kind).map(|(id, n)| connection(core, &id, n)).collect()
    };
    let (sent, failed) = core.connections.requests();
    let recent: u64 = core.connections.iter().map(|(_, c)| u64::from(c.statistics.requests_last_minute)).sum();
    let bad = nodes.with_ids().filter(|(_, n)| !is_connected(core, n)).count();
    json!({
        "version": update::VERSION,
        "runtime": "rust",
        "uptime": core.uptime_secs(),
        "deploymentType": update::deployment().as_str(),
        "nodes": of(Kind::Pve),
        "pbs": of(Kind::Pbs),
        "system": { "os": std::env::consts::OS, "arch": arch(), "goVersion": "none" },
        "errors": errors(core),
        "recentErrors": recent_errors(core),
        "discovery": discovery(core),
        "performance": {
            "requestsTotal": sent,
            "requestsFailed": failed,
            "requestsLastMinute": recent,
            "slowestCycleSeconds": core.connections.slowest_cycle_secs(),
        },
        "health": {
            "status": if bad == 0 { "healthy" } else { "degraded" },
            "connectionsFailing": bad,
            "webSocketClients": core.hub.count(),
            "jobPanics": core.jobs.panics(),
            "auditEntriesLost": core.doors.lost_entries(),
            "activeAlerts": core.state.active_alerts.len(),
        },
    })
}

/// How the search for hosts is doing, in figures only: what it found is at `/api/discover`.
fn discovery(core: &Core) -> Value {
    let d = &core.discovery;
    json!({
        "enabled": core.is_discovering(),
        "scanning": d.is_scanning(),
        "updated": d.updated.map(|at| at.wall),
        "addressesAsked": d.last.asked,
        "servers": d.last.servers.len(),
        "errors": d.last.errors.len(),
    })
}

/// 4.9's names of processors.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn polled<'a>(core: &'a Core, node: &Node) -> Option<&'a Connection> {
    core.connections.get(node.kind, &node.name).filter(|c| c.reported)
}

fn is_connected(core: &Core, node: &Node) -> bool {
    polled(core, node).is_some_and(|c| c.reachable)
}

fn connection(core: &Core, id: &str, node: &Node) -> Value {
    let method = match (node.uses_token(), node.has_credentials()) {
        (true, _) => "api_token",
        (false, true) => "username_password",
        _ => "none",
    };
    let mut out = json!({
        "id": id,
        "name": node.name,
        "host": node.host,
        "type": node.kind.as_str(),
        "authMethod": method,
        "verifySSL": node.verify_ssl,
        "fingerprintPinned": !node.fingerprint.is_empty(),
        "connected": is_connected(core, node),
    });
    let Some(map) = out.as_object_mut() else { return out };
    if let Some(problem) = node.problem() {
        put(map, "error", json!(format!("this connection is not polled: {problem}")));
    }
    let Some(known) = polled(core, node) else { return out };
    if let Some(failure) = &known.failure {
        put(map, "error", json!(failure.message));
    }
    put(map, "lastPoll", json!(known.at));
    map.insert("details".into(), details(core, node, known));
    map.insert("polling".into(), polling(known, core.now));
    map.insert("missingPrivileges".into(), missing(node, known));
    if node.kind == Kind::Pve {
        map.insert("vmDiskCheck".into(), disk_check(core, node));
        put(map, "clusterInfo", json!({ "nodes": members(node) }));
    }
    out
}

fn details(core: &Core, node: &Node, known: &Connection) -> Value {
    let mut out = Map::new();
    if node.kind == Kind::Pve {
        let count = core.state.nodes.iter().filter(|n| n.instance == node.name).count();
        put(&mut out, "node_count", json!(count));
    }
    if let Some(version) = &known.version {
        put(&mut out, "version", json!(version.version));
    }
    Value::Object(out)
}

fn members(node: &Node) -> Vec<Value> {
    let members = node.cluster_endpoints.iter();
    members.map(|e| json!({ "name": e.node_name, "ip": e.ip, "online": e.online, "type": "node" })).collect()
}

fn polling(known: &Connection, now: Now) -> Value {
    let s = &known.statistics;
    let stale = |(what, since): &(String, Time)| json!({ "what": what, "lastGood": since, "ageSeconds": now.wall.since(*since).as_secs() });
    let stale: Vec<Value> = s.stale.iter().map(stale).collect();
    let endpoints: Vec<Value> = s
        .endpoints
        .iter()
        .map(|e| {
            json!({
                "url": e.url, "healthy": e.healthy, "current": e.current, "lastOk": e.last_ok, "lastError": e.last_error,
            })
        })
        .collect();
    json!({
        "cycles": s.cycles,
        "lastCycleSeconds": known.took.as_secs_f64(),
        "callSeconds": s.call_seconds,
        "requestsTotal": s.requests_total,
        "requestsFailed": s.requests_failed,
        "requestsLastMinute": s.requests_last_minute,
        "consecutiveFailures": known.failure.as_ref().map_or(0, |f| f.consecutive),
        "stale": stale,
        "overBudget": s.over_budget,
        "past": s.past.map(|p| json!({ "done": p.done, "total": p.total })),
        "panics": s.panics,
        "endpoints": endpoints,
    })
}

/// What is missing, and what root types on the host to grant it.
fn missing(node: &Node, known: &Connection) -> Value {
    let by_place = &known.statistics.missing_privileges;
    let all: order::Set<&str> = by_place.values().flatten().map(String::as_str).collect();
    if all.is_empty() {
        return json!([]);
    }
    let list: Vec<&str> = all.into_iter().collect();
    let token = node.uses_token().then_some(node.token_name.as_str());
    let user = token.and_then(|t| t.split_once('!')).map_or(node.user.as_str(), |(user, _)| user);
    let command = match node.kind {
        Kind::Pve => {
            let tokens = token.map(|t| format!(" --tokens {}", quote(t))).unwrap_or_default();
            format!(
                "pveum role add PulseExtra --privs {} && pveum acl modify / --users {}{tokens} --roles PulseExtra",
                quote(&list.join(",")),
                quote(user)
            )
        }
        Kind::Pbs => {
            let grant = |who: &str| format!("proxmox-backup-manager acl update / Audit --auth-id {}", quote(who));
            let both = [Some(user), token].into_iter().flatten().map(grant);
            both.collect::<Vec<_>>().join(" && ")
        }
    };
    let places: Vec<&str> = by_place.keys().map(String::as_str).filter(|p| !p.is_empty()).collect();
    json!([{ "privileges": list, "nodes": places, "command": command }])
}

/// Whose disks are known: the question most often asked about a PVE.
fn disk_check(core: &Core, node: &Node) -> Value {
    let mut reasons: order::Set<&str> = order::Set::new();
    let (mut found, mut agents, mut with_data) = (0u32, 0u32, 0u32);
    for vm in core.state.vms.iter().filter(|vm| vm.instance == node.name && !vm.template) {
        found += 1;
        if vm.disk_source.as_deref() == Some("agent") {
            (agents, with_data) = (agents + 1, with_data + 1);
            continue;
        }
        let Some(reason) = vm.disk_status.as_deref() else { continue };
        if vm.status == "running" {
            reasons.insert(reason);
            agents += u32::from(!reason.contains("agent-disabled") && !reason.contains("agent-not"));
        }
    }
    let advice: Vec<String> = reasons.iter().filter_map(|reason| advice(reason)).collect();
    json!({
        "vmsFound": found,
        "vmsWithAgent": agents,
        "vmsWithDiskData": with_data,
        "reasons": reasons,
        "recommendations": advice,
    })
}

fn advice(reason: &str) -> Option<String> {
    if let Some(privilege) = reason.strip_prefix("no-permission:") {
        return Some(format!("Grant {privilege} to Pulse's user, so that it may ask the guest agents for disk usage"));
    }
    match reason {
        "agent-disabled" => {
            Some("Enable the QEMU guest agent in the options of the VMs that show no disk usage".into())
        }
        r if r.starts_with("agent-") => {
            Some("Install and start qemu-guest-agent inside the VMs that show no disk usage".into())
        }
        _ => None,
    }
}

/// 4.9's list: one text for each failing connection.
fn errors(core: &Core) -> Vec<String> {
    let failures = core.connections.iter().filter_map(|((_, name), c)| Some((name, c.failure.as_ref()?)));
    failures.map(|(name, failure)| format!("{name}: {}", failure.message)).collect()
}

fn recent_errors(core: &Core) -> Vec<Value> {
    let mut all: Vec<(Time, Value)> = Vec::new();
    for ((kind, name), known) in core.connections.iter() {
        for e in &known.statistics.errors {
            let told = json!({
                "connection": name, "type": kind.as_str(), "subject": e.subject, "message": e.message,
                "count": e.count, "first": e.first, "last": e.last,
            });
            all.push((e.last, told));
        }
    }
    crate::order::sort_by_key(&mut all, |(last, _)| std::cmp::Reverse(*last));
    all.into_iter().take(50).map(|(_, told)| told).collect()
}

/// What the operating system counts. Blocks.
fn process(system: &mut Map<String, Value>, data_dir: &Path) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| -> u64 {
        let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let (rss, peak, threads) = (number("VmRSS") * 1024, number("VmHWM") * 1024, number("Threads"));
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    put(system, "numCPU", json!(cpus));
    put(system, "numGoroutine", json!(threads));
    put(system, "goroutines", json!(threads));
    put(system, "threads", json!(threads));
    put(system, "memoryMB", json!(rss / (1024 * 1024)));
    put(system, "memory", json!({ "alloc": rss, "totalAlloc": peak, "sys": rss, "numGC": 0 }));
    put(system, "cpu", json!({ "count": cpus }));
    put(system, "dataDirBytes", json!(folder_bytes(data_dir)));
}

/// Bytes of all files in a folder and its folders; links are not followed.
fn folder_bytes(folder: &Path) -> u64 {
    let (mut waiting, mut bytes, mut seen) = (vec![folder.to_owned()], 0u64, 0);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MOST_FILES {
                return bytes;
            }
            match entry.metadata() {
                Ok(data) if data.is_dir() => waiting.push(entry.path()),
                Ok(data) => bytes = bytes.saturating_add(data.len()),
                Err(_) => {}
            }
        }
    }
    bytes
}

/// Keys whose values are words of ours, also where a host bears the same name.
const PLAIN: [&str; 10] =
    ["id", "type", "authMethod", "version", "runtime", "deploymentType", "os", "arch", "status", "privileges"];

/// Names and addresses that a report for strangers does not show, each with what stands for it.
struct Masks(Vec<(String, String)>);

impl Masks {
    fn of(core: &Core) -> Masks {
        let mut masks: Vec<(String, String)> = Vec::new();
        let mut add = |text: &str, mask: String| {
            if text.len() > 1 && !masks.iter().any(|(known, _)| known == text) {
                masks.push((text.to_owned(), mask));
            }
        };
        let (mut members, mut users) = (0, 0);
        for (id, node) in core.config.nodes.get().with_ids() {
            add(&bare_host(&node.host), format!("host-{id}"));
            add(&node.name, format!("connection-{id}"));
            for member in &node.cluster_endpoints {
                members += 1;
                add(&member.ip, format!("address-{members}"));
                add(&member.node_name, format!("node-{members}"));
            }
            for owner in [&node.user, &node.token_name] {
                users += 1;
                add(owner.split('!').next().unwrap_or_default(), format!("user-{users}"));
                add(owner.split_once('!').map_or("", |(_, token)| token), format!("token-{users}"));
            }
        }
        for node in &core.state.nodes {
            members += 1;
            add(&node.name, format!("node-{members}"));
        }
        // Longer texts first: `pve1.lan` holds `pve1`.
        crate::order::sort_by_key(&mut masks, |(text, _)| std::cmp::Reverse(text.len()));
        Masks(masks)
    }

    fn apply(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.masked(text),
            Value::Array(list) => list.iter_mut().for_each(|v| self.apply(v)),
            Value::Object(map) => {
                map.iter_mut().filter(|(key, _)| !PLAIN.contains(&key.as_str())).for_each(|(_, v)| self.apply(v));
            }
            _ => {}
        }
    }

    /// Whole words only; what looks like an address goes in any case.
    fn masked(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        while let Some(c) = rest.chars().next() {
            let at_start = !out.chars().last().is_some_and(is_word);
            let fits = |known: &str| {
                let head = rest.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known));
                head && !rest.get(known.len()..).and_then(|r| r.chars().next()).is_some_and(is_word)
            };
            if at_start && let Some((known, mask)) = self.0.iter().find(|(known, _)| fits(known)) {
                out += mask;
                rest = rest.get(known.len()..).unwrap_or_default();
            } else if at_start && let Some(length) = address_length(rest) {
                out += "address";
                rest = rest.get(length..).unwrap_or_default();
            } else {
                out.push(c);
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
        }
        out
    }
}

/// Bytes of the IPv4 or IPv6 address at the start of a text.
fn address_length(text: &str) -> Option<usize> {
    let run = |more: &str| text.bytes().take_while(|b| b.is_ascii_digit() || more.as_bytes().contains(b)).count();
    let is = |length: usize| text.get(..length).is_some_and(|t| t.parse::<std::net::IpAddr>().is_ok());
    [run("."), run(":.abcdefABCDEF")].into_iter().find(|length| *length > 3 && is(*length))
}

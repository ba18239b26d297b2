//! The state and what is cut out of it: health, version, storage, backups, snapshots, the small statistics.

use super::routes::{Limit, Policy, Route};
use crate::http::{Body, Call, Method, Response};
use crate::json::json;
use crate::model::{Guest, Lent, Storage};
use crate::owner::{Answer, Core};
use crate::update;
use serde::Serialize;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/health", Policy::Open, "Whether Pulse runs", health).gives(r#"{"type":"object","required":["status","timestamp","uptime"],"properties":{"status":{"type":"string"},"timestamp":{"type":"integer"},"uptime":{"type":"number"}}}"#).limited(Limit::None),
    Route::new(Method::Get, "/api/version", Policy::Open, "Version, and how Pulse was installed", version).gives(r#"{"type":"object","required":["version","build","runtime","channel","isDocker","isDevelopment","deploymentType","updateAvailable"],"properties":{"version":{"type":"string"},"build":{"type":"string"},"runtime":{"type":"string"},"channel":{"type":"string"},"isDocker":{"type":"boolean"},"isDevelopment":{"type":"boolean"},"deploymentType":{"type":"string"},"updateAvailable":{"type":"boolean"}}}"#),
    Route::new(Method::Get, "/api/state", Policy::Read, "Everything Pulse knows of its hosts", state).gives(r#"{"type":"object","required":["nodes","vms","containers","storage","pbs","pbsBackups","pveBackups","connectionHealth","performance","stats","activeAlerts","recentlyResolved","lastUpdate"],"properties":{"nodes":{"type":"array"},"vms":{"type":"array"},"containers":{"type":"array"},"storage":{"type":"array"},"pbs":{"type":"array"},"pbsBackups":{"type":"array"},"pveBackups":{"type":"object"},"connectionHealth":{"type":"object"},"performance":{"type":"object"},"stats":{"type":"object"},"activeAlerts":{"type":"array"},"recentlyResolved":{"type":"array"},"lastUpdate":{"type":"string"}}}"#)
        .limited(Limit::None),
    Route::new(Method::Get, "/api/storage/", Policy::Read, "All storages", storages).gives(r#"{"type":"object","required":["data","timestamp"],"properties":{"data":{"type":"array"},"timestamp":{"type":"integer"}}}"#),
    Route::new(Method::Get, "/api/storage/{id...}", Policy::Read, "One storage, or the storages of a node", storage).gives(r#"{"type":"object","required":["timestamp"],"properties":{"timestamp":{"type":"integer"}}}"#),
    Route::new(Method::Get, "/api/backups", Policy::Read, "All backups", backups),
    Route::new(Method::Get, "/api/backups/", Policy::Read, "All backups", backups),
    Route::new(Method::Get, "/api/backups/{view...}", Policy::Read, "Backups: unified, pve or pbs", backups),
    Route::new(Method::Get, "/api/snapshots", Policy::Read, "Snapshots of guests", snapshots).gives(r#"{"type":"object","required":["snapshots"],"properties":{"snapshots":{"type":"array"}}}"#),
    Route::new(
        Method::Get,
        "/simple-stats",
        Policy::Open,
        "A small page of statistics, or JSON when asked for",
        simple_stats,
    ),
];

fn health(core: &mut Core, _: &Call) -> Answer {
    Response::json(&json!({
        "status": "healthy",
        "timestamp": core.now.unix_secs(),
        "uptime": core.uptime_secs(),
    }))
    .into()
}

/// The keys of the public document and those 4.9 really sends, joined (contract rest.md 5.3).
fn version(_: &mut Core, _: &Call) -> Answer {
    let version = update::VERSION;
    let deployment = update::deployment();
    Response::json(&json!({
        "version": version,
        "build": "release",
        "buildTime": "release",
        "runtime": "rust",
        "goVersion": "none",
        "channel": update::channel(version),
        "isDocker": deployment == update::Deployment::Docker,
        "isDevelopment": false,
        "deploymentType": deployment.as_str(),
        "updateAvailable": false,
    }))
    .into()
}

fn state(core: &mut Core, _: &Call) -> Answer {
    Response::shared_json(core.state_json()).into()
}

fn storages(core: &mut Core, call: &Call) -> Answer {
    let list: Vec<&Storage> = core.state.storage.iter().filter(|s| wanted(call, &s.instance, &s.node, None)).collect();
    Response::json(&json!({ "data": list, "timestamp": core.now.unix_secs() })).cacheable().into()
}

/// An exact storage id wins; then the id or name of a node gives its storages.
fn storage(core: &mut Core, call: &Call) -> Answer {
    let id = call.param(0);
    let now = core.now.unix_secs();
    if let Some(found) = core.state.storage.iter().find(|s| s.id == id) {
        return Response::json(&json!({ "data": found, "timestamp": now })).cacheable().into();
    }
    let nodes: Vec<_> = core.state.nodes.iter().filter(|n| n.id == id || n.name == id).collect();
    if nodes.is_empty() {
        let message = format!("Storage with ID '{id}' not found");
        return Response::coded_error(404, "storage_not_found", &message, now).into();
    }
    let on_node = |s: &&Storage| {
        nodes.iter().any(|n| {
            s.instance == n.instance
                && (s.node == n.name || (s.shared && (s.nodes.is_empty() || s.nodes.contains(&n.name))))
        })
    };
    let list: Vec<&Storage> = core.state.storage.iter().filter(on_node).collect();
    Response::json(&json!({ "data": list, "timestamp": now })).cacheable().into()
}

fn backups(core: &mut Core, call: &Call) -> Answer {
    let state = &core.state;
    let all = &state.pve_backups;
    let page = Page::of(call);
    let storage_backups =
        page.cut(all.storage_backups.iter().filter(|b| wanted(call, &b.instance, &b.node, Some(b.vmid))));
    let pbs_backups = page.cut(state.pbs_backups.iter().filter(|b| wanted(call, &b.instance, "", b.vmid.parse().ok())));
    match call.param(0) {
        "pve" => Response::json(&json!({ "backups": storage_backups })),
        "pbs" => Response::json(&json!({ "instances": state.pbs, "backups": pbs_backups })),
        _ => Response::json(&json!({
            "backupTasks": page.cut(all.backup_tasks.iter().filter(|t| wanted(call, &t.instance, &t.node, Some(t.vmid)))),
            "storageBackups": storage_backups,
            "guestSnapshots": page.cut(all.guest_snapshots.iter().filter(|s| wanted(call, &s.instance, &s.node, Some(s.vmid)))),
            "pbsBackups": pbs_backups,
        })),
    }
    .cacheable()
    .into()
}

fn snapshots(core: &mut Core, call: &Call) -> Answer {
    let list =
        core.state.pve_backups.guest_snapshots.iter().filter(|s| wanted(call, &s.instance, &s.node, Some(s.vmid)));
    Response::json(&json!({ "snapshots": Page::of(call).cut(list) })).cacheable().into()
}

/// The optional filters `instance=`, `node=`, `vmid=`.
fn wanted(call: &Call, instance: &str, node: &str, vmid: Option<i64>) -> bool {
    let is = |name: &str, value: &str| call.query.get(name).is_none_or(|want| want == value);
    is("instance", instance)
        && is("node", node)
        && call.query.get("vmid").is_none_or(|want| want.parse().ok() == vmid && vmid.is_some())
}

/// The optional `offset=` and `limit=`; what is not a number counts as not given.
struct Page {
    offset: usize,
    limit: usize,
}

impl Page {
    fn of(call: &Call) -> Page {
        let number = |name: &str| call.query.get(name).and_then(|text| text.parse::<usize>().ok());
        Page { offset: number("offset").unwrap_or(0), limit: number("limit").unwrap_or(usize::MAX) }
    }
    fn cut<'a, T: Serialize + 'a>(&self, list: impl Iterator<Item = &'a T>) -> Vec<&'a T> {
        list.skip(self.offset).take(self.limit).collect()
    }
}

/// The page shows figures only to who may read them: its script asks for them with the reader's own credentials.
fn simple_stats(core: &mut Core, call: &Call) -> Answer {
    let wants_json = call.header("accept").is_some_and(|a| a.contains("application/json"));
    if !wants_json {
        let page = super::assets::text("simple-stats.html").unwrap_or_default();
        return Response::new(200, "text/html; charset=utf-8", Body::Bytes(page.into_bytes())).into();
    }
    if !call.who.read {
        return Response::error(401, "Authentication required").into();
    }
    let running = |list: &[Lent<Guest>]| list.iter().filter(|g| g.is_running()).count();
    let s = &core.state;
    Response::json(&json!({
        "nodes": s.nodes.len(),
        "nodesOnline": s.nodes.iter().filter(|n| n.status == "online").count(),
        "vms": s.vms.len(),
        "vmsRunning": running(&s.vms),
        "containers": s.containers.len(),
        "containersRunning": running(&s.containers),
        "storage": s.storage.len(),
        "pbs": s.pbs.len(),
        "activeAlerts": s.active_alerts.len(),
        "timestamp": core.now.unix_secs(),
    }))
    .into()
}

//! The world in the words of a Proxmox Backup Server.

mod datastore;
mod jobs;
mod node;

use super::access::{login, permissions};
use super::catalog::{Route, get};

const NONE: &[&str] = &[];
const SYS: &[&str] = &["Sys.Audit"];
const AUDIT: &[&str] = &["Datastore.Audit"];
const SHOWN: &[&str] = &["Datastore.Audit", "Datastore.Backup"];
const TICKET: &[&str] = &["username!", "password", "path", "privs", "port:int", "http-only:bool", "tfa-challenge"];
const SNAPSHOTS: &[&str] = &["ns", "backup-type=vm|ct|host", "backup-id"];
const HISTORY: &[&str] = &["timeframe!=hour|day|week|month|year|decade", "cf!=MAX|AVERAGE"];
const TASKS: &[&str] = &[
    "errors:bool",
    "limit:int",
    "running:bool",
    "since:int",
    "start:int",
    "statusfilter",
    "store",
    "typefilter",
    "until:int",
    "userfilter",
];
const SYNC: &[&str] = &["store", "sync-direction=all|push|pull"];

/// Everything that is answered; any other path is not found.
pub const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/access/ticket", takes: TICKET, needs: &["@world"], answer: login },
    get("/access/permissions", &["auth-id", "path"], NONE, permissions),
    get("/ping", NONE, &["@world"], node::ping),
    get("/version", NONE, NONE, node::version),
    get("/nodes", NONE, NONE, node::list),
    get("/nodes/{node}/status", NONE, SYS, node::status),
    get("/nodes/{node}/services", NONE, SYS, node::services),
    get("/nodes/{node}/subscription", NONE, NONE, node::subscription),
    get("/nodes/{node}/apt/update", NONE, SYS, node::updates),
    get("/nodes/{node}/certificates/info", NONE, &["Sys.Modify"], node::certificates),
    get("/nodes/{node}/rrd", HISTORY, SYS, node::history),
    get("/nodes/{node}/tasks", TASKS, NONE, jobs::tasks),
    get("/status/datastore-usage", NONE, NONE, datastore::usage),
    get("/admin/datastore", NONE, NONE, datastore::list),
    get("/admin/datastore/{store}/status", &["verbose:bool"], SHOWN, datastore::status),
    get("/admin/datastore/{store}/rrd", HISTORY, SHOWN, datastore::history),
    get("/admin/datastore/{store}/gc", NONE, AUDIT, datastore::gc),
    get("/admin/datastore/{store}/namespace", &["max-depth:int", "parent"], NONE, datastore::namespaces),
    get("/admin/datastore/{store}/groups", &["ns"], SHOWN, datastore::groups),
    get("/admin/datastore/{store}/snapshots", SNAPSHOTS, SHOWN, datastore::snapshots),
    get("/config/datastore", NONE, NONE, datastore::definitions),
    get("/admin/gc", &["store"], NONE, jobs::gc),
    get("/admin/sync", SYNC, NONE, jobs::sync),
    get("/admin/verify", &["store"], NONE, jobs::verify),
    get("/admin/prune", &["store"], NONE, jobs::prune),
    get("/config/sync", &["sync-direction=all|push|pull"], NONE, jobs::sync),
    get("/config/verify", NONE, NONE, jobs::verify),
    get("/config/prune", NONE, NONE, jobs::prune),
];

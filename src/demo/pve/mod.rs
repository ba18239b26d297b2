//! The world in the words of Proxmox VE 7, 8 and 9.

mod agent;
mod backup;
mod cluster;
mod guest;
mod hardware;
mod history;
mod node;
mod resources;
mod storage;
mod tasks;

use super::access::{login, permissions};
use super::catalog::{Route, get};

const NONE: &[&str] = &[];
const SYS: &[&str] = &["Sys.Audit"];
const CEPH: &[&str] = &["Sys.Audit", "Datastore.Audit"];
const VM: &[&str] = &["VM.Audit"];
const STORE: &[&str] = &["Datastore.Audit", "Datastore.AllocateSpace"];
const AGENT: &[&str] = &["@agent"];
const HISTORY: &[&str] = &["timeframe!=hour|day|week|month|year", "cf=AVERAGE|MAX"];
const TASKS: &[&str] = &[
    "errors:bool",
    "limit:int",
    "since:int",
    "source=archive|active|all",
    "start:int",
    "statusfilter",
    "typefilter",
    "until:int",
    "userfilter",
    "vmid:int",
];
const TICKET: &[&str] =
    &["username!", "password!", "realm", "otp", "path", "privs", "new-format:bool", "tfa-challenge"];

/// Everything that is answered. What Proxmox offers beyond it answers 501 here.
pub const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/access/ticket", takes: TICKET, needs: &["@world"], answer: login },
    get("/access/permissions", &["path", "userid"], NONE, permissions),
    get("/version", NONE, NONE, cluster::version),
    get("/cluster/status", NONE, SYS, cluster::status),
    get("/cluster/resources", &["type=vm|storage|node|sdn"], NONE, resources::all),
    get("/cluster/backup", NONE, SYS, backup::jobs),
    get("/cluster/backup-info/not-backed-up", NONE, SYS, backup::not_backed_up),
    get("/cluster/ha/resources", &["type=ct|vm"], SYS, cluster::ha_resources),
    get("/cluster/ha/status/current", NONE, SYS, cluster::ha_status),
    get("/cluster/replication", NONE, NONE, cluster::replication),
    get("/cluster/options", NONE, NONE, cluster::options),
    get("/cluster/tasks", NONE, NONE, tasks::cluster),
    get("/cluster/ceph/status", NONE, CEPH, hardware::ceph_status),
    get("/pools", &["poolid", "type=qemu|lxc|storage"], NONE, cluster::pools),
    get("/storage", &["type"], NONE, storage::definitions),
    get("/nodes", NONE, NONE, node::list),
    get("/nodes/{node}/version", NONE, NONE, node::version),
    get("/nodes/{node}/status", NONE, SYS, node::status),
    get("/nodes/{node}/rrddata", HISTORY, SYS, history::node),
    get("/nodes/{node}/services", NONE, SYS, node::services),
    get("/nodes/{node}/subscription", NONE, NONE, node::subscription),
    get("/nodes/{node}/apt/update", NONE, &["Sys.Modify"], node::updates),
    get("/nodes/{node}/certificates/info", NONE, NONE, node::certificates),
    get("/nodes/{node}/network", &["type"], NONE, node::network),
    get("/nodes/{node}/replication", &["guest:int"], NONE, node::replication),
    get("/nodes/{node}/replication/{id}/status", NONE, NONE, node::replication_status),
    get("/nodes/{node}/disks/list", DISKS, SYS, hardware::disks),
    get("/nodes/{node}/disks/smart", &["disk!", "healthonly:bool"], SYS, hardware::smart),
    get("/nodes/{node}/disks/zfs", NONE, SYS, hardware::zfs),
    get("/nodes/{node}/disks/zfs/{name}", NONE, SYS, hardware::zfs_pool),
    get("/nodes/{node}/ceph/status", NONE, CEPH, hardware::ceph_status),
    get("/nodes/{node}/tasks", TASKS, NONE, tasks::list),
    get("/nodes/{node}/tasks/{upid}/status", NONE, NONE, tasks::status),
    get("/nodes/{node}/tasks/{upid}/log", &["start:int", "limit:int", "download:bool"], NONE, tasks::log),
    get("/nodes/{node}/storage", STORAGES, NONE, storage::list),
    get("/nodes/{node}/storage/{storage}/status", NONE, STORE, storage::status),
    get("/nodes/{node}/storage/{storage}/content", &["content", "vmid:int"], STORE, backup::content),
    get("/nodes/{node}/storage/{storage}/rrddata", HISTORY, STORE, history::storage),
    get("/nodes/{node}/qemu", &["full:bool"], NONE, guest::qemu_list),
    get("/nodes/{node}/qemu/{vmid}/status/current", NONE, VM, guest::qemu_status),
    get("/nodes/{node}/qemu/{vmid}/config", &["current:bool", "snapshot"], VM, guest::qemu_config),
    get("/nodes/{node}/qemu/{vmid}/snapshot", NONE, VM, guest::qemu_snapshots),
    get("/nodes/{node}/qemu/{vmid}/rrddata", HISTORY, VM, history::qemu),
    get("/nodes/{node}/qemu/{vmid}/agent/get-fsinfo", NONE, AGENT, agent::filesystems),
    get("/nodes/{node}/qemu/{vmid}/agent/get-osinfo", NONE, AGENT, agent::osinfo),
    get("/nodes/{node}/qemu/{vmid}/agent/get-host-name", NONE, AGENT, agent::host_name),
    get("/nodes/{node}/qemu/{vmid}/agent/info", NONE, AGENT, agent::info),
    get("/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces", NONE, AGENT, agent::interfaces),
    get("/nodes/{node}/qemu/{vmid}/agent/file-read", &["file!"], &["@file"], agent::file),
    get("/nodes/{node}/lxc", NONE, NONE, guest::lxc_list),
    get("/nodes/{node}/lxc/{vmid}/status/current", NONE, VM, guest::lxc_status),
    get("/nodes/{node}/lxc/{vmid}/config", &["current:bool", "snapshot"], VM, guest::lxc_config),
    get("/nodes/{node}/lxc/{vmid}/snapshot", NONE, VM, guest::lxc_snapshots),
    get("/nodes/{node}/lxc/{vmid}/interfaces", NONE, VM, guest::lxc_interfaces),
    get("/nodes/{node}/lxc/{vmid}/rrddata", HISTORY, VM, history::lxc),
];

const DISKS: &[&str] = &["include-partitions:bool", "skipsmart:bool", "type=unused|journal_disks"];
const STORAGES: &[&str] = &["content", "enabled:bool", "format:bool", "storage", "target"];

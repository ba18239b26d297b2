//! Answers about a cluster as a whole.

use crate::order::Map;
use crate::proxmox::rows::{Maybe, rows};

rows! {
    /// An item of `/cluster/resources`: node, guest or storage, by `kind`.
    pub struct Resource {
        /// `node`, `qemu`, `lxc`, `storage`, …
        kind: text = "type",
        id: text,
        node: text,
        name: text,
        status: text,
        vmid: integer,
        cpu: number,
        maxcpu: number,
        mem: size,
        maxmem: size,
        disk: size,
        maxdisk: size,
        netin: size,
        netout: size,
        diskread: size,
        diskwrite: size,
        uptime: size,
        template: boolean,
        tags: text,
        lock: text,
        hastate: text,
        pool: text,
        /// Storages only, as are the next three.
        storage: text,
        plugintype: text,
        content: text,
        shared: boolean,
    }

    /// An item of `/cluster/status`: the cluster itself or a member.
    pub struct ClusterItem {
        /// `cluster` or `node`.
        kind: text = "type",
        id: text,
        name: text,
        ip: text,
        online: boolean,
        local: boolean,
        quorate: boolean,
        /// Of a member: its subscription, and its number (text here, as labels are).
        level: text,
        nodeid: text,
        /// Of the cluster: how many members, and how often its configuration changed.
        nodes: text,
        version: text,
    }

    /// An item of `/cluster/backup-info/not-backed-up`.
    pub struct UncoveredItem {
        kind: text = "type",
        vmid: integer,
    }

    /// An item of `/nodes/{node}/replication` (all but `id` unlisted) or `/cluster/replication`.
    pub struct ReplicationItem {
        id: text,
        kind: text = "type",
        guest: integer,
        /// `qemu` or `lxc`.
        vmtype: text,
        source: text,
        target: text,
        last_sync: integer,
        last_try: integer,
        next_sync: integer,
        duration: number,
        fail_count: integer,
        error: text,
        disable: boolean,
    }

    /// An item of `/cluster/ha/status/current`.
    pub struct HaItem {
        kind: text = "type",
        id: text,
        sid: text,
        node: text,
        state: text,
    }

    /// `/cluster/ceph/status`: Ceph's own document.
    pub struct CephStatus {
        health: object<CephHealth>,
        pgmap: object<CephSpace>,
        osdmap: object<CephOsds>,
    }

    pub struct CephHealth {
        status: text,
        checks: object<Map<String, Maybe<CephCheck>>>,
    }

    pub struct CephCheck {
        summary: object<CephSummary>,
        muted: boolean,
    }

    pub struct CephSummary {
        message: text,
    }

    pub struct CephSpace {
        bytes_total: size,
        bytes_used: size,
        bytes_avail: size,
    }

    /// Old releases of Ceph nest the map once more.
    pub struct CephOsds {
        num_osds: size,
        num_up_osds: size,
        num_in_osds: size,
        osdmap: maybe<Box<CephOsds>>,
    }

    /// `/version` of both products.
    pub struct VersionAnswer {
        version: text,
        release: text,
        repoid: text,
    }
}

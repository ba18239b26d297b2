//! Answers about a node: its state, its tasks, its hardware, its services.

use crate::proxmox::rows::rows;

rows! {
    /// An item of `/nodes`.
    pub struct NodeItem {
        node: text,
        status: text,
        cpu: number,
        maxcpu: number,
        mem: size,
        maxmem: size,
        /// Unlisted, as is `maxdisk`.
        disk: size,
        maxdisk: size,
        uptime: size,
        ssl_fingerprint: text,
    }

    /// `total`, `used`, `free` and, where given, `avail`/`available`, in bytes.
    #[derive(Copy)]
    pub struct Space {
        total: size,
        used: size,
        free: size,
        avail: size,
        /// Memory that could be had without swapping. Unlisted; PVE 9 sends it.
        available: size,
    }

    /// `/nodes/{node}/status`.
    pub struct NodeStatus {
        loadavg: numbers,
        kversion: text,
        pveversion: text,
        cpuinfo: object<Cpu>,
        memory: object<Space>,
        /// Unlisted, as is `wait`.
        swap: object<Space>,
        rootfs: object<Space>,
        wait: number,
    }

    pub struct Cpu {
        model: text,
        cores: integer,
        cpus: integer,
        sockets: integer,
        /// Unlisted; text as it is, a number without decimals.
        mhz: text_or_whole,
    }

    /// An item of `/nodes/{node}/tasks`.
    pub struct TaskItem {
        upid: text,
        kind: text = "type",
        id: text,
        status: text,
        starttime: integer,
        endtime: integer,
    }

    /// An item of `/nodes/{node}/disks/zfs`.
    pub struct ZfsItem {
        name: text,
        health: text,
        size: size,
        alloc: size,
        free: size,
        frag: number,
    }

    /// An item of `/nodes/{node}/disks/list`.
    pub struct DiskItem {
        devpath: text,
        model: text,
        serial: text,
        size: size,
        /// Unlisted: `ssd`, `hdd`, `nvme`, `usb`, `unknown`. Unlisted too: `wearout` (percent left, or `N/A`).
        kind: text = "type",
        health: text,
        wearout: number,
        used: text,
    }

    /// `/nodes/{node}/disks/smart`.
    pub struct SmartReport {
        health: text,
        /// `ata` or `text`.
        kind: text = "type",
        /// smartctl's own words, for NVMe and SAS.
        text: text,
        attributes: items<SmartAttribute>,
    }

    /// One ATA attribute (unlisted).
    pub struct SmartAttribute {
        name: text,
        /// Normalised, 100 or so is best.
        value: number,
        raw: text,
    }

    /// `/nodes/{node}/subscription` of both products.
    pub struct Subscription {
        status: text,
        /// `c`, `b`, `s` or `p`; absent without a subscription. Unlisted, as is `nextduedate` (`2030-12-31`).
        level: text,
        nextduedate: text,
    }

    /// An item of `/nodes/{node}/apt/update` (unlisted in PVE's schema).
    pub struct UpdateItem {
        package: text = "Package",
    }

    /// An item of `/nodes/{node}/certificates/info`.
    pub struct CertificateItem {
        filename: text,
        notafter: integer,
        san: texts,
    }

    /// An item of `/nodes/{node}/services` of both products (unlisted in PVE's schema).
    pub struct ServiceItem {
        service: text,
        state: text,
        active_state: text = "active-state",
        unit_state: text = "unit-state",
    }
}

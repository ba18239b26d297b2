//! Answers about guests, and of the agents inside them.

use crate::proxmox::rows::rows;

rows! {
    /// An item of `/nodes/{node}/qemu` or `/nodes/{node}/lxc`.
    pub struct GuestItem {
        vmid: integer,
        name: text,
        status: text,
        cpu: number,
        cpus: number,
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
    }

    /// `/nodes/{node}/qemu/{vmid}/status/current`.
    pub struct GuestStatus {
        /// The guest agent is enabled in the configuration.
        agent: boolean,
        mem: size,
        maxmem: size,
        /// Current size of a ballooned guest, bytes. Unlisted, as is `freemem`: what the balloon driver says is unused.
        balloon: size,
        freemem: size,
        lock: text,
    }

    /// What a guest agent answers is wrapped once more. A failed command puts an object with an error where the result
    /// should be; it decodes to the default.
    pub struct AgentFilesystems {
        result: items<AgentFilesystem>,
    }

    /// A file system as the guest agent sees it. The agent's answers are unlisted in PVE's schema.
    pub struct AgentFilesystem {
        name: text,
        mountpoint: text,
        kind: text = "type",
        total_bytes: size = "total-bytes",
        used_bytes: size = "used-bytes",
        disk: items<AgentDisk>,
    }

    pub struct AgentDisk {
        dev: text,
    }

    pub struct AgentInterfaces {
        result: items<Interface>,
    }

    /// A network interface, as the guest agent or `/nodes/{node}/lxc/{vmid}/interfaces` gives it.
    pub struct Interface {
        name: text,
        /// `192.168.3.95/22`; containers only.
        inet: text,
        inet6: text,
        addresses: items<InterfaceAddress> = "ip-addresses",
    }

    pub struct InterfaceAddress {
        address: text = "ip-address",
    }

    pub struct AgentOs {
        result: object<OsInfo>,
    }

    pub struct OsInfo {
        pretty_name: text = "pretty-name",
        name: text,
        version: text,
    }

    /// `/nodes/{node}/qemu/{vmid}/agent/file-read`.
    pub struct AgentFile {
        content: text,
    }

    /// `/nodes/{node}/lxc/{vmid}/config`.
    pub struct ContainerConfig {
        ostype: text,
        onboot: boolean,
    }

    /// An item of a guest's `/snapshot` list.
    pub struct SnapshotItem {
        name: text,
        description: text,
        parent: text,
        snaptime: integer,
        vmstate: boolean,
    }
}

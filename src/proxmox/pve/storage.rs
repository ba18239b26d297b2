//! Answers about storages and what lies on them.

use crate::proxmox::rows::rows;

rows! {
    /// An item of `/storage`: the definition. All but `storage` unlisted (the answer depends on the plugin).
    pub struct StorageDefinition {
        storage: text,
        plugin: text = "type",
        content: text,
        shared: boolean,
        disable: boolean,
    }

    /// An item of `/nodes/{node}/storage`.
    pub struct StorageItem {
        storage: text,
        plugin: text = "type",
        content: text,
        shared: boolean,
        active: boolean,
        enabled: boolean,
        total: size,
        used: size,
        avail: size,
    }

    /// An item of `/nodes/{node}/storage/{storage}/content`.
    pub struct ContentItem {
        volid: text,
        /// Unlisted: `backup`, `iso`, …
        content: text,
        format: text,
        /// Unlisted: `qemu` or `lxc`.
        subtype: text,
        notes: text,
        vmid: integer,
        ctime: integer,
        size: size,
        protected: boolean,
        /// Unlisted.
        verified: boolean,
        /// Key fingerprint, or `1` when the key is not known.
        encrypted: text,
        verification: word<crate::proxmox::pbs::Verification>,
    }
}

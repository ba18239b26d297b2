//! Answers of the PBS API, as far as Pulse reads them; as lenient as those of PVE.

use super::pve::Space;
use super::rows::rows;

rows! {
    /// `/nodes/localhost/status`.
    pub struct ServerStatus {
        /// Fraction 0..1.
        cpu: number,
        memory: object<Space>,
        uptime: size,
    }

    /// An item of `/status/datastore-usage`.
    pub struct DatastoreUsage {
        store: text,
        total: size,
        used: size,
        avail: size,
        error: text,
        mount_status: text = "mount-status",
        gc_status: object<Garbage> = "gc-status",
    }

    /// An item of `/admin/datastore`.
    pub struct DatastoreItem {
        store: text,
        /// `read-only`, `offline`, with more words behind it.
        maintenance: text,
    }

    /// `/admin/datastore/{store}/status`.
    pub struct DatastoreStatus {
        total: size,
        used: size,
        avail: size,
        gc_status: object<Garbage> = "gc-status",
    }

    /// Garbage collection: `gc-status` objects and items of `/admin/gc`.
    pub struct Garbage {
        store: text,
        disk_bytes: size = "disk-bytes",
        index_data_bytes: size = "index-data-bytes",
        removed_bytes: size = "removed-bytes",
        last_run_state: text = "last-run-state",
        last_run_endtime: integer = "last-run-endtime",
        next_run: integer = "next-run",
    }

    /// An item of `/admin/datastore/{store}/namespace`.
    pub struct NamespaceItem {
        ns: text,
    }

    /// An item of `/admin/sync`, `/admin/verify` or `/admin/prune`.
    pub struct JobItem {
        id: text,
        store: text,
        remote: text,
        disable: boolean,
        last_run_upid: text = "last-run-upid",
        last_run_state: text = "last-run-state",
        last_run_endtime: integer = "last-run-endtime",
        next_run: integer = "next-run",
    }

    /// An item of `/admin/datastore/{store}/snapshots`.
    pub struct SnapshotItem {
        backup_id: text = "backup-id",
        backup_type: text = "backup-type",
        backup_time: integer = "backup-time",
        comment: text,
        owner: text,
        size: size,
        protected: boolean,
        verification: word<Verification>,
        files: words<FileItem>,
    }

    /// The state of a verification; PBS sends an object, PVE sometimes only the word.
    pub struct Verification {
        /// `ok`, `failed`, or empty.
        state: text,
    }

    /// A file of a snapshot; old servers send only the name.
    pub struct FileItem {
        filename: text,
        /// `none`, `encrypt`, `sign-only`. Unlisted, as is the file's name.
        crypt_mode: text = "crypt-mode",
    }
}

impl Verification {
    /// What a bare text stands for.
    pub(super) const WORD: &str = "state";
}

impl FileItem {
    /// What a bare text stands for.
    pub(super) const WORD: &str = "filename";
}

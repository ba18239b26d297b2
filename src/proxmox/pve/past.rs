//! Answers about the past.

use crate::proxmox::rows::rows;

rows! {
    /// A row of `…/rrddata`: means of the time that ends at `time`. Nodes, guests and storages have some of the figures
    /// each; what was not measured is left out.
    pub struct PastItem {
        /// Seconds since 1970.
        time: integer,
        /// Share of the cores, 0 … 1.
        cpu: number,
        mem: number,
        maxmem: number,
        disk: number,
        maxdisk: number,
        /// Bytes per second, as the next three.
        diskread: number,
        diskwrite: number,
        netin: number,
        netout: number,
        memused: number,
        memtotal: number,
        rootused: number,
        roottotal: number,
        used: number,
        total: number,
    }
}

//! A simulator of Proxmox VE and Proxmox Backup Server: clusters, hosts, guests, backups and their failures,
//! speaking the real API over HTTPS on loopback. `pulse demo` shows it, and every test that needs a Proxmox asks
//! it. Nothing here decides anything about real hosts.
//!
//! `world` is the truth, computed from (seed, id, time). `pve` and `pbs` put it into Proxmox's words, oddities
//! included. `net` carries the answers and spoils them where a fault says so. [`Simulator`] is the handle.

mod access;
mod answer;
mod ask;
mod catalog;
mod fault;
mod net;
mod noise;
mod pbs;
mod pve;
mod scene;
mod simulator;
mod spec;
mod truth;
mod world;

pub use access::{Access, TICKET_SECS};
pub use fault::{Fault, Scope};
pub use net::{Call, Counts};
pub use simulator::{Connection, Simulator, start};
pub use spec::{AUDITOR, Clock, HostSpec, PbsSpec, PveSpec, Spec, Version, monitor_privileges};
pub use truth::{DatastoreTruth, GuestTruth, MemorySource, NodeTruth, StorageTruth, Truth};
pub use world::{Agent, Change, Kind};

/// The paths and parameters that the simulator knows, as `METHOD /path name name!=a|b …`, for comparison with
/// Proxmox's own description.
pub fn known_paths(backup_server: bool) -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    let routes = if backup_server { pbs::ROUTES } else { pve::ROUTES };
    routes.iter().map(|r| (r.method, r.path, r.takes)).collect()
}

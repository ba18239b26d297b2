//! From recorded answers to exact figures and their sources: pure functions, no clock, no socket, no memory but what
//! is handed in. The rules are those of the wire contract (state.md 4.5 and 8.1).

pub mod backup;
pub mod cluster;
pub mod disk;
pub mod disks;
pub mod guest;
pub mod ids;
pub mod memory;
pub mod node;
pub mod pbs;
pub mod rates;
pub mod storage;

use crate::model::Time;

/// The connection that a figure belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Configured name.
    pub instance: &'a str,
    /// Configured URL.
    pub host: &'a str,
    /// Name of the cluster; `None` for a standalone host.
    pub cluster: Option<&'a str>,
    /// The moment of the poll.
    pub now: Time,
}

/// A fraction 0..1; anything else is brought there.
pub(super) fn fraction(v: Option<f64>) -> f64 {
    v.filter(|v| v.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0)
}

//! Metrics for other systems, written from the state in memory: no request to any host, no clock, no socket.

pub mod own;
pub mod pbs;
pub mod pve;
pub mod summary;
mod text;

pub use text::{Format, Page};

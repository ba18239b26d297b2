//! The shell around the pure world: certificates, listeners, connections, and the one thread (`director`) that
//! owns the scene, the faults and the counters. Connections ask it by messages; nothing is shared but immutable
//! values.

mod connection;
mod director;
mod listener;
mod tls;
mod wire;

pub use director::{Call, Counts, Order};
pub use tls::Certificate;
pub use wire::{Reply, Request};

pub(super) use connection::Post;
pub(super) use director::{Message, Plan, direct};
pub(super) use listener::{Listening, bind};

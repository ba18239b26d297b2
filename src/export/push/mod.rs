//! Figures on their way to other systems: one thread for each receiver, so that a slow one keeps nobody waiting. The
//! owner makes the pages once and hands them out as shared bytes; it never waits for a sender.

mod backlog;
mod influx;
mod lane;
mod lines;
mod remote;
mod thread;

pub use lane::{Lane, Post, Tally, Verdict};
pub use thread::Sender;

use super::settings::{EndPoint, Wire};
use std::sync::Arc;

/// All figures of one moment.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    pub pages: Vec<Paper>,
}

/// One page of metrics and the value of the label `instance` that its series get.
#[derive(Debug, Clone)]
pub struct Paper {
    pub instance: String,
    pub text: Arc<[u8]>,
}

/// The bodies of the requests that carry a batch to a receiver, in order.
pub fn bodies(batch: &Batch, to: &EndPoint) -> Vec<Vec<u8>> {
    match to.wire {
        Wire::RemoteWrite => remote::bodies(batch, &to.labels),
        Wire::Influx => influx::bodies(batch, &to.labels, &to.peer.url),
    }
}

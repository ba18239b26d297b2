//! The one thread that owns everything that changes: it takes events, applies them, publishes.
//! It never waits on anything but its channel; what blocks is a [`Task`] on a job thread.

mod alerting;
mod apply;
mod configured;
mod connections;
mod core;
mod deliver;
mod delta;
mod discovering;
mod doors;
mod event;
mod exporting;
mod jobs;
mod life;
mod pollers;
mod publish;
mod remember;
mod run;
#[cfg(all(test, feature = "demo"))]
mod truth;

pub use configured::check_documents;
pub use connections::{Connection, Connections, Key, silent_secs};
pub use core::Core;
pub use deliver::NOTIFY_QUEUE;
pub use event::{After, Answer, Continue, Event, Saved, Task};
pub use exporting::Exports;
pub use jobs::Jobs;
pub use pollers::{Pollers, access};
pub use run::{Router, run};

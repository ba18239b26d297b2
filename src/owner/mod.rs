//! The one thread that owns everything that changes: it takes events, applies them, publishes.
//! It never waits on anything but its channel; what blocks is a [`Task`] on a job thread.

mod core;
mod event;

pub use core::Core;
pub use event::{After, Answer, Event, Task};

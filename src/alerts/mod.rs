//! Alerts: configuration, the engine (configuration, previous alerts, state, now → transitions), the history log.
//! Decides what is told to whom and when; sending is the notify room's. Reads no clock, no file, no socket.

pub mod outgoing;
mod transition;

pub use outgoing::Outgoing;
pub use transition::{Resolved, Transition, Why};

//! Alerts: configuration, the engine (configuration, previous alerts, state, now → transitions), the history log.
//! Decides what is told to whom and when; sending is the notify room's. Reads no clock, no file, no socket.

pub mod check;
pub mod config;
pub mod level;
pub mod limit;
pub mod outgoing;
pub mod rule;
pub mod schedule;
mod transition;

pub use config::Config;
pub use outgoing::Outgoing;
pub use transition::{Resolved, Transition, Why};

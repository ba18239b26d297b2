//! Alerts: configuration, the engine (configuration, previous alerts, state, now → transitions), the history log.
//! Decides what is told to whom and when; sending is the notify room's. Reads no clock, no file, no socket.

mod backups;
mod book;
mod calendar;
pub mod check;
pub mod config;
mod disk;
mod engine;
pub mod explain;
mod finding;
pub mod history;
mod inspect;
mod instances;
pub mod journal;
mod ledger;
pub mod level;
pub mod limit;
mod memory;
mod orphan;
pub mod outgoing;
pub mod preview;
mod room;
mod round;
pub mod rule;
pub mod schedule;
mod settings;
mod subject;
mod telling;
mod transition;
mod watch;

pub use config::Config;
pub use disk::Written;
pub use engine::{Engine, Step};
pub use instances::{Lists, Poll, Source};
pub use ledger::{Ledger, Write};
pub use memory::Memory;
pub use outgoing::Outgoing;
pub use room::Alerts;
pub use transition::{Resolved, Transition, Why};

//! Notifications that arrive: channels, messages, the queue, mail, webhooks, templates, the log of deliveries.
//! What is an alert, and when somebody is to hear of it, is decided in `alerts`.

mod job;
mod mail;
mod message;
mod payload;
mod queue;
mod send;
pub mod settings;
pub mod template;
mod view;

pub use job::{Job, Outcome, Retry, Sent};
pub use mail::{compose, subject};
pub use message::{Audience, Kind, MOST_ALERTS, Message};
pub use payload::{catalogue, check_template, keeps_incidents, request};
pub use queue::{Entry, HeartbeatState, Notifier, Parts, State, Target, Try};
pub use send::{DEADLINE, HttpRequest, TEST_DEADLINE, fetch, forbidden, http};

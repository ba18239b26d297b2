//! Notifications that arrive: channels, messages, the queue, mail, webhooks, templates, the log of deliveries.
//! What is an alert, and when somebody is to hear of it, is decided in `alerts`.

mod message;
pub mod settings;

pub use message::{Audience, Kind, MOST_ALERTS, Message};

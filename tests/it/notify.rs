//! Notifications: what receivers get, what happens when they do not, and what survives.

mod payloads;
mod queue;
mod scene;
mod templates;

//! Notifications: what receivers get, what happens when they do not, and what survives.

mod delivery;
mod mail;
mod payloads;
mod queue;
mod receiver;
mod rows;
mod scene;
mod smtp_peer;
mod templates;

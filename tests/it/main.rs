//! The specification of Pulse: each module says what one room does, against the real program or the room's public surface.

mod alerts;
mod api;
mod auth;
mod client49;
mod config;
mod demo;
mod discover;
mod door;
mod door_kit;
mod examples;
mod export;
mod figures;
mod history;
mod nodes;
mod notify;
mod packaging;
mod poll;
mod proxmox;
mod recorded;
mod rows;
mod settings;
mod setup;
mod socket;
mod spine;
mod support;
mod tidy;

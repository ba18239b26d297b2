//! Pulse: watches Proxmox VE and Proxmox Backup Server.
//!
//! Each module is a room; `ARCHITECTURE.md` is the map and says which room may know which.

pub mod alerts;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod discover;
pub mod export;
pub mod history;
pub mod http;
mod json;
pub mod model;
pub mod notify;
pub mod order;
pub mod owner;
pub mod poll;
pub mod proxmox;
pub mod setup;
pub mod update;
pub mod web;

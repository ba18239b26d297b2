//! Alerts: once, on time, about the right thing. Each part names the behaviour of 4.9 that it keeps out.

mod bench;
mod conditions;
mod config;
mod files;
mod kept;
mod latency;
mod life;
mod preview;
mod settings;
mod telling;
mod weeks;
mod wire;

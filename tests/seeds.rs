//! The simulated weeks of `tests/it/alerts/weeks`, optimised: the rooms they need are compiled into this target, so that
//! `cargo rustc --test seeds -- -C opt-level=2` makes them fast within seconds. The whole program would take minutes.
//! `tests/run seeds` does; `cargo test` leaves it out (it runs some of the seeds unoptimised).

// What lives in other rooms calls most of this.
#![allow(dead_code, unused_imports, unreachable_pub)]

extern crate self as pulse;

#[path = "../src/alerts/mod.rs"]
pub mod alerts;
#[path = "it/alerts/bench.rs"]
mod bench;
#[path = "it/alerts/cost.rs"]
mod cost;
#[path = "../src/config/durable.rs"]
pub mod durable;
#[path = "../src/config/fields.rs"]
pub mod fields;
#[path = "../src/json.rs"]
mod json;
#[path = "../src/config/kept.rs"]
mod kept;
#[path = "../src/model/mod.rs"]
pub mod model;
#[path = "../src/order/mod.rs"]
mod order;
#[path = "it/alerts/preview.rs"]
mod preview;
#[path = "it/alerts/weeks/mod.rs"]
mod weeks;

/// The parts of the room that the engine knows.
pub mod config {
    pub use super::kept::{Kept, Turn};
    pub use super::{durable, fields};
}

//! One thread for each connection: what to ask when, failure isolation, derivation of every figure, one [`Report`] a
//! cycle. It holds no state of others and takes no decision about alerts or history.

pub mod derive;
mod fanout;
mod ledger;
mod pbs;
mod pve;
mod report;
mod target;
mod worker;

pub use report::{
    Counters, Endpoint, EndpointState, ErrorSeen, Failure, FailureClass, Kind, Live, Report, Slow, Statistics, Version,
};
pub use target::{Monitor, Target};
pub use worker::{Handle, start};

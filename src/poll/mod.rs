//! One thread for each connection: what to ask when, failure isolation, derivation of every figure, one [`Report`] a
//! cycle. It holds no state of others and takes no decision about alerts or history; of history it
//! knows how recorded rows are packed.

mod cadence;
pub mod derive;
mod fanout;
mod hold;
mod lane;
mod ledger;
mod link;
mod pbs;
mod pve;
mod reach;
mod report;
mod target;
#[cfg(all(test, feature = "demo"))]
pub(crate) mod tests;
mod worker;

pub use report::{
    Endpoint, EndpointState, ErrorSeen, Failure, FailureClass, Kind, Live, Onboot, Progress, Report, Said, Slow,
    Statistics, Version,
};
pub use target::{Monitor, Target};
pub use worker::{Handle, start};

//! One thread for each connection: what to ask when, failure isolation, derivation of every figure, one [`Report`] a
//! cycle. It holds no state of others and takes no decision about alerts or history.

mod report;

pub use report::{
    Counters, Endpoint, EndpointState, ErrorSeen, Failure, FailureClass, Kind, Live, Report, Slow, Statistics, Version,
};

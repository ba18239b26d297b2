//! The vocabulary of HTTP and WebSocket between the door, the handlers and the owner: a call, a response, a client.
//! Knows no socket address and no route.

mod call;
mod response;
pub mod socket;

pub use call::{Call, Method, Query, Who, percent_decode};
pub use response::{Body, Response, Shared};

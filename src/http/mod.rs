//! The vocabulary of HTTP between the door, the handlers and the owner: a call, a response, an answer.
//! Knows no socket and no route.

mod call;
mod response;

pub use call::{Call, Method, Query, Who};
pub use response::{Body, Response};

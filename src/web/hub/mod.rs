//! One thread for each WebSocket client: it polls the socket and a wake-up, reads with tungstenite, and writes shared
//! frames itself, so that nothing is copied per client and nothing waits for a slow one.

mod client;
mod duplex;

pub use client::{accept_key, serve};

/// The header of the owner's 101 answer that names what authorised the client; it is not sent.
pub const SESSION_HEADER: &str = "X-Pulse-Session";

//! Who may come in: credentials, sessions, tokens, limits, locks. Plain values owned by the owner; no socket, no file,
//! no clock, and nothing that takes longer than microseconds. The guard (`web/guard`) asks, this room judges.

pub mod audit;
pub mod credentials;
pub mod digest;
mod doors;
pub mod identify;
pub mod limits;
pub mod lockout;
pub mod peer;
pub mod proxy;
pub mod recovery;
pub mod sessions;
pub mod tokens;

pub use doors::{Doors, Files, Opened, SESSIONS, TOKENS, entry};

//! Sockets: one HTTP request to a receiver, within a deadline, to an address that may be called. What is sent is made
//! elsewhere.

mod address;
mod http;

pub use address::{forbidden, resolve};
pub use http::{HttpRequest, fetch, http};

use std::time::Duration;

/// A delivery takes no longer than this.
pub const DEADLINE: Duration = Duration::from_secs(30);
/// Tests by hand, for which somebody waits.
pub const TEST_DEADLINE: Duration = Duration::from_secs(10);
/// The receiver's own words that are kept.
pub const ANSWER_BYTES: usize = 4096;

/// A text of the receiver's, fit for logs and pages: bounded, and nothing but printable characters and line ends.
pub fn clean(bytes: &[u8]) -> String {
    let cut = bytes.get(..ANSWER_BYTES).unwrap_or(bytes);
    let text = String::from_utf8_lossy(cut);
    text.chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}

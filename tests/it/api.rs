//! The public API: the examples of its document against the real program, and what Pulse tells of itself.

mod reports;

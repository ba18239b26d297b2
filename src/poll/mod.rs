//! poll
pub struct Report;

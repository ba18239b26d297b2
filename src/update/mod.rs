//! Which version this is, how it was installed, and what is new.

mod check;
mod installed;
mod release;
mod remembered;

pub use check::newest;
pub use installed::{Deployment, VERSION, channel, deployment, is_docker};
pub use release::{Release, compare};
pub use remembered::Remembered;

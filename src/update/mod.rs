//! Which version this is, how it was installed, and what is new.

mod installed;

pub use installed::{Deployment, VERSION, channel, deployment, is_docker};

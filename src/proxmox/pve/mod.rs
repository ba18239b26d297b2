//! Answers of the PVE API, as far as Pulse reads them. Every field may be absent; a name that is needed and missing
//! is empty, and whoever derives figures skips the item.
//!
//! Fields that the published schema leaves out but PVE sends are marked "unlisted".

mod cluster;
mod guest;
mod node;
mod past;
mod storage;

pub use cluster::*;
pub use guest::*;
pub use node::*;
pub use past::*;
pub use storage::*;

//! Charts that remember: series of figures in memory and on disk, their down-sampling, and what Proxmox itself recorded.
//! Knows the state documents; knows nothing of HTTP. Reads no clock; touches the disk only through [`file::Storage`].
//!
//! [`History::record_pve`] and [`History::record_pbs`] take figures in; [`History::flush`] gives what is to be written
//! as a value; [`History::snapshot`] gives what a chart is made of. [`load()`] and [`History::restored`] go on after a restart.

pub mod block;
pub mod blocks;
pub mod figures;
pub mod file;
pub mod frame;
pub mod key;
mod live;
mod load;
pub mod metric;
mod names;
pub mod past;
mod pending;
pub mod plan;
mod query;
pub mod ring;
pub mod row;
mod store;
pub mod tier;

pub use file::{Flush, Flushed, Folder, Storage};
pub use key::{Id, Key, Subjects};
pub use load::{Loaded, load};
pub use metric::{Kind, Metric};
pub use plan::Point;
pub use query::{Series, Snapshot, Wanted};
pub use store::History;

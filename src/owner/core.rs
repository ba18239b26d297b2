//! Everything that changes, in one place. Handlers get it by `&mut`, on the owner's thread, so no lock is needed.

use crate::model::{Now, State};

pub struct Core {
    /// The moment of the event being handled.
    pub now: Now,
    pub state: State,
}

//! What all connections together may hold in memory: a limit per request means little when there are hundreds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whatever is this small is bounded by the number of connections already.
const SMALL_BYTES: usize = 64 * 1024;

/// Bytes that are left of an allowance.
#[derive(Clone)]
pub struct Budget(Arc<AtomicUsize>);

impl Budget {
    pub fn new(bytes: usize) -> Budget {
        Budget(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Starts with nothing held.
    pub fn hold(&self) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }
}

/// Bytes taken from a budget; they go back when this is dropped.
pub struct Held {
    budget: Budget,
    bytes: usize,
}

impl Held {
    /// Makes sure that `bytes` in all are held; false: the budget has no more.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        if bytes <= SMALL_BYTES || bytes <= self.bytes {
            return true;
        }
        // In steps, so that a body growing by packets does not touch the shared counter for each.
        let wanted = bytes.next_multiple_of(SMALL_BYTES);
        let more = wanted - self.bytes;
        let taken =
            self.budget.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(more)).is_ok();
        if taken {
            self.bytes = wanted;
        }
        taken
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, SMALL_BYTES};

    #[test]
    fn small_things_are_free_large_ones_are_counted_and_given_back() {
        let budget = Budget::new(4 * SMALL_BYTES);
        let (mut a, mut b) = (budget.hold(), budget.hold());
        assert!(a.grow_to(SMALL_BYTES) && b.grow_to(SMALL_BYTES));
        assert!(a.grow_to(SMALL_BYTES + 1), "two steps of four");
        assert!(b.grow_to(2 * SMALL_BYTES), "the other two");
        assert!(!a.grow_to(2 * SMALL_BYTES + 1), "nothing is left");
        assert!(a.grow_to(2 * SMALL_BYTES), "what is held stays held");
        drop(b);
        assert!(a.grow_to(4 * SMALL_BYTES));
        drop(a);
        assert!(budget.hold().grow_to(4 * SMALL_BYTES));
    }
}

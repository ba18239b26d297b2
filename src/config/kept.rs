//! A document that lives in memory and on disk: what is in force, and what is on its way to the disk.
//! A change counts only once it is durable; changes build on each other in the order they were made.

use std::sync::Arc;

/// Where a change stands in the row: which version it was made from, which one it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub base: u64,
    pub version: u64,
}

#[derive(Debug)]
pub struct Kept<T> {
    current: Arc<T>,
    current_version: u64,
    /// The newest change, durable or not: what the next change starts from.
    latest: Arc<T>,
    latest_version: u64,
    /// The highest version given out.
    issued: u64,
    /// Versions up to this one were dropped together when one of them failed.
    dropped: u64,
}

impl<T> Kept<T> {
    /// A document as it is on disk.
    pub fn new(value: T) -> Kept<T> {
        let value = Arc::new(value);
        Kept { current: value.clone(), current_version: 0, latest: value, latest_version: 0, issued: 0, dropped: 0 }
    }
    /// What is in force.
    pub fn get(&self) -> &Arc<T> {
        &self.current
    }
    /// What will be in force when all writes succeed: the base of every change.
    pub fn latest(&self) -> &Arc<T> {
        &self.latest
    }
    /// Announces a change; its write must carry the turn.
    pub fn stage(&mut self, value: Arc<T>) -> Turn {
        self.issued += 1;
        let turn = Turn { base: self.latest_version, version: self.issued };
        self.latest = value;
        self.latest_version = turn.version;
        turn
    }
    /// The write of a change is durable: it comes into force, unless a later one already did.
    pub fn commit(&mut self, turn: Turn, value: Arc<T>) {
        if turn.version > self.current_version {
            self.current = value;
            self.current_version = turn.version;
        }
    }
    /// The write of a change failed: it and all changes built on it never were.
    pub fn fail(&mut self, turn: Turn) {
        if turn.version > self.dropped && turn.version > self.current_version {
            self.latest = self.current.clone();
            self.latest_version = self.current_version;
            self.dropped = self.issued;
        }
    }
    /// The write of a change has ended. True: it was durable and is in force.
    pub fn settle(&mut self, turn: Option<Turn>, value: Option<Arc<T>>, durable: bool) -> bool {
        let (Some(turn), Some(value)) = (turn, value) else { return false };
        if durable {
            self.commit(turn, value);
        } else {
            self.fail(turn);
        }
        durable
    }
    /// The document was replaced outside of this row. False: a change of ours is on its way and will replace that.
    pub fn replace(&mut self, value: T) -> bool {
        self.latest_version == self.current_version && self.outside(self.latest_version, value)
    }
    /// The file was changed from outside after the write of `after`. False: a change of ours is on its way and will
    /// replace that file, so it does not count.
    pub fn outside(&mut self, after: u64, value: T) -> bool {
        if after != self.latest_version {
            return false;
        }
        self.current = Arc::new(value);
        self.current_version = after;
        self.latest = self.current.clone();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kept: &mut Kept<i32>, add: i32) -> (Turn, Arc<i32>) {
        let value = Arc::new(**kept.latest() + add);
        (kept.stage(value.clone()), value)
    }

    #[test]
    fn changes_build_on_each_other_and_count_when_durable() {
        let mut kept = Kept::new(0);
        let (first, one) = change(&mut kept, 1);
        let (second, eleven) = change(&mut kept, 10);
        assert_eq!((**kept.get(), **kept.latest()), (0, 11));
        assert_eq!(second.base, first.version);
        kept.commit(second, eleven);
        kept.commit(first, one);
        assert_eq!(**kept.get(), 11, "a late acknowledgement of an older version changes nothing");
    }

    #[test]
    fn a_failed_change_takes_those_built_on_it_along_and_nothing_else() {
        let mut kept = Kept::new(0);
        let (first, _) = change(&mut kept, 1);
        let (second, _) = change(&mut kept, 10);
        kept.fail(first);
        let (third, hundred) = change(&mut kept, 100);
        assert_eq!((third.base, *hundred), (0, 100));
        kept.fail(second);
        assert_eq!(**kept.latest(), 100, "the second failure belongs to the dropped row");
        kept.commit(third, hundred);
        assert_eq!(**kept.get(), 100);
    }

    #[test]
    fn a_change_from_outside_loses_against_one_of_ours_that_is_still_to_be_written() {
        let mut kept = Kept::new(0);
        let (first, one) = change(&mut kept, 1);
        assert!(!kept.outside(0, 77));
        assert!(kept.outside(first.version, 78), "but wins when it came after ours");
        kept.commit(first, one);
        assert_eq!(**kept.get(), 78);
    }
}

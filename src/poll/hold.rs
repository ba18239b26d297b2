//! The last good answer of something, with its age: shown while newer ones cannot be had, dropped after a day.

use crate::model::{Now, Time};

/// How long an old answer is shown (contract state.md 8.1 number 7).
const KEEP_MS: u64 = 24 * 60 * 60 * 1000;

#[derive(Debug, Clone)]
pub(super) struct Held<T> {
    value: T,
    pub at: Time,
    at_ms: u64,
}

impl<T> Held<T> {
    pub fn new(value: T, now: Now) -> Held<T> {
        Held { value, at: now.wall, at_ms: now.mono_ms }
    }
    pub fn age_ms(&self, mono_ms: u64) -> u64 {
        mono_ms.saturating_sub(self.at_ms)
    }
    /// The answer, however old: for what is only compared.
    pub fn any(&self) -> &T {
        &self.value
    }
    /// The answer, unless it is older than a day.
    pub fn get(&self, mono_ms: u64) -> Option<&T> {
        self.within(mono_ms, KEEP_MS)
    }
    /// The answer, unless it is older than so many milliseconds.
    pub fn within(&self, mono_ms: u64, limit_ms: u64) -> Option<&T> {
        (self.age_ms(mono_ms) <= limit_ms).then_some(&self.value)
    }
}

/// As [`held`] for what is asked once a day: a day from when a newer answer was due.
pub(super) fn held_daily<T>(place: &Option<Held<T>>, mono_ms: u64) -> Option<&T> {
    place.as_ref().and_then(|h| h.within(mono_ms, 2 * KEEP_MS))
}

/// Empties a place whose answer is older than a day. True when it did: what is shown is another thing now.
pub(super) fn expire<T>(place: &mut Option<Held<T>>, mono_ms: u64) -> bool {
    place.take_if(|h| h.get(mono_ms).is_none()).is_some()
}

/// The answer in a place that may be empty, unless it is older than a day.
pub(super) fn held<T>(place: &Option<Held<T>>, mono_ms: u64) -> Option<&T> {
    place.as_ref().and_then(|h| h.get(mono_ms))
}

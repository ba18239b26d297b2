//! When each thing is asked again: its period when it answers, a growing pause when it does not; and how many requests
//! a host is asked for at all.

use crate::proxmox::Error;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// First pause after a failure; doubles.
const PAUSE_MS: u64 = 10_000;
/// The longest pause of what is asked often.
const PAUSE_MAX_MS: u64 = 180_000;
/// What is refused or not there (401, 403, 404, 501) will hardly change within this time.
const REFUSED_MS: u64 = 10 * 60 * 1000;

/// Due times by topic.
#[derive(Debug)]
pub(super) struct Cadence<T> {
    known: HashMap<T, Due>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Due {
    next_ms: u64,
    failures: u32,
}

impl<T: Eq + Hash + Clone> Cadence<T> {
    pub fn new() -> Cadence<T> {
        Cadence { known: HashMap::new() }
    }

    /// Whether it is time. What was never asked is due.
    pub fn is_due(&self, topic: &T, mono_ms: u64) -> bool {
        self.known.get(topic).is_none_or(|d| d.next_ms <= mono_ms)
    }

    /// It was answered.
    pub fn answered(&mut self, topic: T, period: Duration, mono_ms: u64) {
        self.known.insert(topic, Due { next_ms: mono_ms.saturating_add(millis(period)), failures: 0 });
    }

    /// It was not.
    pub fn failed(&mut self, topic: T, period: Duration, error: &Error, mono_ms: u64) {
        let failures = self.known.get(&topic).map_or(0, |d| d.failures);
        let pause = match error {
            Error::Status(401 | 403 | 404 | 501, _) => REFUSED_MS.max(millis(period)),
            _ => pause_ms(failures).min(PAUSE_MAX_MS.max(millis(period))),
        };
        self.known.insert(topic, Due { next_ms: mono_ms.saturating_add(pause), failures: failures.saturating_add(1) });
    }

    /// Asks for it with the next cycle.
    pub fn hasten(&mut self, topic: &T) {
        if let Some(due) = self.known.get_mut(topic) {
            due.next_ms = 0;
        }
    }

    /// Forgets topics that do not exist any more.
    pub fn retain(&mut self, exists: impl Fn(&T) -> bool) {
        self.known.retain(|t, _| exists(t));
    }
}

/// 10 s, 20 s, 40 s, …
pub(super) fn pause_ms(failures: u32) -> u64 {
    PAUSE_MS.saturating_mul(1 << failures.min(12))
}

pub(super) fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// A bucket of requests that fills steadily. What must be asked may overdraw it; what can wait, waits.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    left: f64,
    filled_ms: Option<u64>,
}

impl Allowance {
    /// Fills up by what the time since the last call is worth, but not beyond what it or twenty seconds are worth:
    /// what was not needed is not saved up for a burst. The first time it holds `first`, of which half is left over
    /// to the next time.
    pub fn fill(&mut self, per_minute: f64, first: f64, mono_ms: u64) {
        match self.filled_ms {
            None => self.left = first,
            Some(at) => {
                let seconds = mono_ms.saturating_sub(at) as f64 / 1000.0;
                let worth = per_minute * seconds / 60.0;
                let most = (per_minute / 3.0).max(worth).max(self.left / 2.0);
                self.left = (self.left + worth).min(most);
            }
        }
        self.filled_ms = Some(mono_ms);
    }
    pub fn spend(&mut self, requests: usize) {
        self.left -= requests as f64;
    }
    /// Whole requests left.
    pub fn left(&self) -> usize {
        self.left.max(0.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn failures_pause_from_ten_seconds_to_three_minutes_and_answers_end_that() {
        let mut c: Cadence<&str> = Cadence::new();
        let timeout = Error::Timeout("x");
        let mut at = 0;
        for pause in [10, 20, 40, 80, 160, 180, 180] {
            c.failed("a", MINUTE, &timeout, at);
            assert!(!c.is_due(&"a", at + pause * 1000 - 1) && c.is_due(&"a", at + pause * 1000), "{pause}");
            at += pause * 1000;
        }
        c.answered("a", MINUTE, at);
        assert!(!c.is_due(&"a", at + 59_999) && c.is_due(&"a", at + 60_000));
        c.failed("a", MINUTE, &timeout, at);
        assert!(c.is_due(&"a", at + 10_000));
    }

    #[test]
    fn what_is_refused_is_not_asked_again_soon() {
        let mut c: Cadence<&str> = Cadence::new();
        c.failed("a", MINUTE, &Error::Status(403, String::new()), 0);
        assert!(!c.is_due(&"a", 9 * 60_000) && c.is_due(&"a", 10 * 60_000));
        assert!(c.is_due(&"b", 0));
        c.hasten(&"a");
        assert!(c.is_due(&"a", 0));
    }

    #[test]
    fn an_allowance_fills_steadily_and_is_not_saved_up() {
        let mut a = Allowance::default();
        a.fill(60.0, 500.0, 0);
        assert_eq!(a.left(), 500);
        a.spend(510);
        a.fill(60.0, 500.0, 10_000);
        assert_eq!(a.left(), 0);
        a.fill(60.0, 500.0, 30_000);
        assert_eq!(a.left(), 20);
        a.fill(60.0, 500.0, 35_000);
        assert_eq!(a.left(), 20);
        // Whoever is asked rarely is asked for more at once.
        a.fill(60.0, 500.0, 635_000);
        assert_eq!(a.left(), 600);
        a.fill(60.0, 500.0, 645_000);
        assert_eq!(a.left(), 300);
    }
}

//! The record of a connection's requests: how many, how long, which failed, which privileges are missing.
//! Decides what is worth a line in the log: each distinct error once, not each cycle.

use super::report::{ErrorSeen, Statistics};
use crate::model::{Now, Time};
use crate::order::{Map, Pairs, Set};
use std::collections::{HashMap, VecDeque};

/// Errors kept for diagnostics.
const ERRORS_MAX: usize = 20;
/// An error that comes back within this time is not logged again.
const LOG_AGAIN_MS: u64 = 60 * 60 * 1000;
/// What was not answered well for so long has nothing left to show.
const GOOD_MS: u64 = 48 * 60 * 60 * 1000;
/// Distinct errors remembered for that.
const LOGGED_MAX: usize = 500;

#[derive(Debug, Default)]
pub(super) struct Ledger {
    instance: String,
    cycles: u64,
    total: u64,
    failed: u64,
    /// Monotonic milliseconds of the requests of the last minute.
    recent_ms: VecDeque<u64>,
    /// Of this cycle: kind of request to seconds and number.
    seconds: Map<&'static str, (f64, u32)>,
    errors: VecDeque<ErrorSeen>,
    logged_ms: HashMap<(String, String), u64>,
    /// What was asked → where (node) and which privilege.
    missing: HashMap<String, (String, &'static str)>,
    /// What was asked → when it was last answered well, and whether it fails since.
    good: HashMap<String, Good>,
}

#[derive(Debug)]
struct Good {
    at: Now,
    failing: bool,
}

impl Ledger {
    pub fn new(instance: &str) -> Ledger {
        Ledger { instance: instance.to_owned(), ..Ledger::default() }
    }

    pub fn begin_cycle(&mut self) {
        self.cycles += 1;
        self.seconds.clear();
    }

    /// Counts a request: `kind` such as `nodes/{node}/status`.
    pub fn asked(&mut self, now: Now, kind: &'static str, seconds: f64, failed: bool) {
        self.total += 1;
        self.failed += u64::from(failed);
        self.recent_ms.push_back(now.mono_ms);
        let of_kind = self.seconds.entry(kind).or_default();
        of_kind.0 += seconds;
        of_kind.1 += 1;
    }

    /// Notes an error of `subject` (what was asked). True when it is new enough for the log, where it then stands.
    pub fn error(&mut self, now: Now, subject: &str, message: &str) -> bool {
        self.fails(subject);
        if let Some(at) = self.errors.iter().position(|e| e.subject == subject && e.message == message)
            && let Some(mut seen) = self.errors.remove(at)
        {
            seen.last = now.wall;
            seen.count += 1;
            self.errors.push_front(seen);
        } else {
            let (subject, message) = (subject.to_owned(), message.to_owned());
            self.errors.push_front(ErrorSeen { first: now.wall, last: now.wall, count: 1, subject, message });
            self.errors.truncate(ERRORS_MAX);
        }
        let key = (subject.to_owned(), message.to_owned());
        let again = self.logged_ms.get(&key).is_some_and(|at| now.mono_ms.saturating_sub(*at) < LOG_AGAIN_MS);
        if self.logged_ms.len() >= LOGGED_MAX {
            self.logged_ms.retain(|_, at| now.mono_ms.saturating_sub(*at) < LOG_AGAIN_MS);
        }
        if self.logged_ms.len() < LOGGED_MAX {
            // Sliding: while it lasts it is logged once, however long that is.
            self.logged_ms.insert(key, now.mono_ms);
        }
        if !again {
            log::warn!("{}: {subject}: {message}", self.instance);
        }
        !again
    }

    /// `subject` was refused for want of a privilege on `node` (empty: the whole cluster or server).
    pub fn refused(&mut self, subject: &str, node: &str, privilege: &'static str) {
        self.missing.insert(subject.to_owned(), (node.to_owned(), privilege));
        self.fails(subject);
    }
    /// `subject` was answered.
    pub fn answered(&mut self, now: Now, subject: &str) {
        self.missing.remove(subject);
        match self.good.get_mut(subject) {
            Some(good) => *good = Good { at: now, failing: false },
            None => drop(self.good.insert(subject.to_owned(), Good { at: now, failing: false })),
        }
    }
    fn fails(&mut self, subject: &str) {
        if let Some(good) = self.good.get_mut(subject) {
            good.failing = true;
        }
    }
    /// What fails since it was last answered, oldest first.
    fn stale(&mut self, now: Now) -> Vec<(String, Time)> {
        self.good.retain(|_, good| now.mono_ms.saturating_sub(good.at.mono_ms) < GOOD_MS);
        let failing = self.good.iter().filter(|(_, good)| good.failing);
        let mut all: Vec<(String, Time)> = failing.map(|(subject, good)| (subject.clone(), good.at.wall)).collect();
        crate::order::sort_by(&mut all, |a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        all
    }
    /// Fills everything but endpoints and panics.
    pub fn statistics(&mut self, now: Now, over_budget: bool) -> Statistics {
        let minute_ago = now.mono_ms.saturating_sub(60_000);
        while self.recent_ms.front().is_some_and(|at| *at < minute_ago) {
            self.recent_ms.pop_front();
        }
        let mut missing: Map<String, Set<&str>> = Map::new();
        for (node, privilege) in self.missing.values() {
            missing.entry(node.clone()).or_default().insert(privilege);
        }
        Statistics {
            cycles: self.cycles,
            requests_total: self.total,
            requests_failed: self.failed,
            requests_last_minute: u32::try_from(self.recent_ms.len()).unwrap_or(u32::MAX),
            call_seconds: self.seconds.iter().map(|(k, (s, n))| ((*k).to_owned(), s / f64::from(*n))).mapped(),
            endpoints: Vec::new(),
            errors: self.errors.iter().cloned().collect(),
            missing_privileges: missing
                .into_iter()
                .map(|(node, privileges)| (node, privileges.into_iter().map(str::to_owned).collect()))
                .mapped(),
            stale: self.stale(now),
            panics: 0,
            over_budget,
            past: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_logged_once_however_often_it_comes() {
        let mut ledger = Ledger::new("lab");
        let at = |s: i64| Now::simulated(s * 1000);
        assert!(ledger.error(at(0), "nodes/a/status", "the host answered 500"));
        for s in 1..7200 {
            assert!(!ledger.error(at(s), "nodes/a/status", "the host answered 500"), "at {s} s");
        }
        assert!(ledger.error(at(7200), "nodes/b/status", "the host answered 500"));
        assert!(ledger.error(at(7199 + 3600), "nodes/a/status", "the host answered 500"));
        let errors = ledger.statistics(at(7200 + 3600), false).errors;
        assert_eq!(errors.len(), 2);
        assert_eq!((errors[0].subject.as_str(), errors[0].count), ("nodes/a/status", 7201));
    }

    #[test]
    fn requests_of_the_last_minute_are_counted_and_privileges_listed_until_granted() {
        let mut ledger = Ledger::new("lab");
        for s in 0..100 {
            ledger.asked(Now::simulated(s * 1000), "version", 0.5, s % 10 == 0);
        }
        ledger.refused("nodes/a/apt/update", "a", "Sys.Modify");
        ledger.refused("nodes/a/status", "a", "Sys.Audit");
        let seen = ledger.statistics(Now::simulated(99_000), false);
        assert_eq!((seen.requests_total, seen.requests_failed, seen.requests_last_minute), (100, 10, 61));
        assert_eq!(seen.missing_privileges["a"], ["Sys.Audit", "Sys.Modify"]);
        ledger.answered(Now::simulated(99_000), "nodes/a/status");
        assert_eq!(ledger.statistics(Now::simulated(99_000), false).missing_privileges["a"], ["Sys.Modify"]);
    }

    #[test]
    fn what_fails_since_it_was_answered_is_stale_until_it_is_answered_again() {
        let mut ledger = Ledger::new("lab");
        let at = |s: i64| Now::simulated(s * 1000);
        ledger.error(at(0), "never", "the host answered 500");
        ledger.answered(at(1), "nodes/a/storage");
        ledger.answered(at(2), "nodes/b/storage");
        assert_eq!(ledger.statistics(at(3), false).stale, []);
        ledger.refused("nodes/b/storage", "b", "Datastore.Audit");
        ledger.error(at(60), "nodes/a/storage", "the host answered 500");
        let stale = ledger.statistics(at(70), false).stale;
        assert_eq!(stale, [("nodes/a/storage".to_owned(), at(1).wall), ("nodes/b/storage".to_owned(), at(2).wall)]);
        ledger.answered(at(80), "nodes/a/storage");
        assert_eq!(ledger.statistics(at(90), false).stale.len(), 1);
        assert_eq!(ledger.statistics(at(3 * 24 * 3600), false).stale, []);
    }
}

//! How often one peer may ask. Counters over a sliding window, a bounded table, no clock of its own.

use std::collections::HashMap;
use std::net::IpAddr;

/// How many calls in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub calls: u32,
    pub window_ms: u64,
}

impl Rate {
    pub const fn per_minute(calls: u32) -> Rate {
        Rate { calls, window_ms: 60_000 }
    }
    pub const fn per_hour(calls: u32) -> Rate {
        Rate { calls, window_ms: 3_600_000 }
    }
}

/// A call over the limit: when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    pub limit: u32,
    pub retry_secs: u64,
}

/// Peers that are remembered at most, over all limits. Beyond that the one that began earliest is forgotten.
const MOST_ENTRIES: usize = 8_192;

/// Calls in the window that runs and in the one before it.
#[derive(Debug, Clone, Copy)]
struct Count {
    started_ms: u64,
    window_ms: u64,
    now: u32,
    before: u32,
}

/// The counters. `K` names the limit.
#[derive(Debug, Default)]
pub struct Limits<K> {
    counts: HashMap<(K, IpAddr), Count>,
}

impl<K: Copy + Eq + std::hash::Hash> Limits<K> {
    pub fn new() -> Limits<K> {
        Limits { counts: HashMap::new() }
    }

    /// Counts a call; refused ones are not counted.
    pub fn take(&mut self, kind: K, peer: IpAddr, rate: Rate, now_ms: u64) -> Result<(), Refused> {
        if !self.counts.contains_key(&(kind, peer)) {
            self.make_room(now_ms);
        }
        let fresh = Count { started_ms: now_ms, window_ms: rate.window_ms, now: 0, before: 0 };
        let count = self.counts.entry((kind, peer)).or_insert(fresh);
        count.roll(now_ms);
        if count.weighed(now_ms) >= u64::from(rate.calls) * rate.window_ms {
            return Err(Refused { limit: rate.calls, retry_secs: count.retry_secs(rate, now_ms) });
        }
        count.now += 1;
        Ok(())
    }

    /// Forgets peers whose windows have passed.
    pub fn sweep(&mut self, now_ms: u64) {
        self.counts.retain(|_, c| now_ms < c.started_ms + 2 * c.window_ms);
    }

    pub fn len(&self) -> usize {
        self.counts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn make_room(&mut self, now_ms: u64) {
        if self.counts.len() < MOST_ENTRIES {
            return;
        }
        self.sweep(now_ms);
        if self.counts.len() >= MOST_ENTRIES {
            // Many at once, so that a flood of addresses does not search the table at each call.
            let mut starts: Vec<u64> = self.counts.values().map(|c| c.started_ms).collect();
            let (_, cut, _) = starts.select_nth_unstable(MOST_ENTRIES / 8);
            let cut = *cut;
            let mut left = MOST_ENTRIES / 8;
            self.counts.retain(|_, c| {
                let goes = left > 0 && c.started_ms <= cut;
                left -= usize::from(goes);
                !goes
            });
        }
    }
}

impl Count {
    fn roll(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.started_ms) / self.window_ms;
        match passed {
            0 => {}
            1 => {
                self.started_ms += self.window_ms;
                self.before = std::mem::take(&mut self.now);
            }
            _ => *self = Count { started_ms: now_ms, now: 0, before: 0, ..*self },
        }
    }

    /// Calls in the last window's length, times the length: what of the earlier window still reaches into it counts.
    fn weighed(&self, now_ms: u64) -> u64 {
        let into = now_ms.saturating_sub(self.started_ms).min(self.window_ms);
        u64::from(self.before) * (self.window_ms - into) + u64::from(self.now) * self.window_ms
    }

    fn retry_secs(&self, rate: Rate, now_ms: u64) -> u64 {
        let into = now_ms.saturating_sub(self.started_ms).min(self.window_ms);
        let free = u64::from(rate.calls.saturating_sub(self.now)) * self.window_ms;
        let wait_ms = match u64::from(self.before) {
            // The calls of this window alone fill it: they begin to leave when it has passed.
            _ if free == 0 => self.window_ms - into + self.window_ms / u64::from(self.now.max(1)),
            0 => 0,
            before => (self.window_ms - into).saturating_sub(free / before),
        };
        wait_ms / 1000 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(n))
    }

    #[test]
    fn the_call_after_the_last_allowed_one_is_refused_and_comes_through_after_the_time_told() {
        let rate = Rate::per_minute(10);
        let mut limits = Limits::new();
        for n in 0..10 {
            assert!(limits.take("auth", ip(1), rate, 1_000 + n).is_ok());
        }
        let refused = limits.take("auth", ip(1), rate, 2_000).unwrap_err();
        assert_eq!(refused.limit, 10);
        assert!((59..=67).contains(&refused.retry_secs), "{refused:?}");
        assert!(limits.take("auth", ip(2), rate, 2_000).is_ok(), "another peer");
        assert!(limits.take("export", ip(1), rate, 2_000).is_ok(), "another limit");
        assert!(limits.take("auth", ip(1), rate, 2_000 + refused.retry_secs * 1000).is_ok());
    }

    #[test]
    fn a_steady_caller_below_the_limit_is_never_refused() {
        let mut limits = Limits::new();
        for n in 0..2_000u64 {
            assert!(limits.take((), ip(1), Rate::per_minute(60), n * 1_050).is_ok(), "call {n}");
        }
    }

    #[test]
    fn two_bursts_around_the_border_of_a_window_are_one() {
        let mut limits = Limits::new();
        let rate = Rate::per_minute(10);
        assert!(limits.take((), ip(1), rate, 0).is_ok());
        let through = (0..20).filter(|n| limits.take((), ip(1), rate, 59_000 + n * 100).is_ok()).count();
        assert!(through <= 10, "{through}");
    }

    #[test]
    fn the_table_stays_bounded_under_rotating_addresses() {
        let mut limits = Limits::new();
        for n in 0..100_000u32 {
            let _ = limits.take((), ip(n), Rate::per_minute(10), u64::from(n) / 100);
        }
        assert!(limits.len() <= MOST_ENTRIES);
        limits.sweep(200_000_000);
        assert!(limits.is_empty());
    }
}

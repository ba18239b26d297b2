//! Bytes per second from a guest's cumulative counters (contract state.md 4.5 and 8.1 number 14).

use std::collections::HashMap;

/// Unchanged for longer than this is idle: PVE refreshes the counters about every ten seconds, so one unchanged poll
/// says nothing.
const IDLE_MS: u64 = 25_000;
/// A guest that was not seen for this long is forgotten.
const FORGET_MS: u64 = 10 * 60 * 1000;

/// The four counters in the order network in, network out, disk read, disk write.
pub type Four = [i64; 4];

#[derive(Debug, Clone, Copy)]
struct Track {
    counters: Four,
    /// When the counters had these values first.
    at_ms: u64,
    seen_ms: u64,
    uptime: i64,
    rates: Four,
}

/// The last samples of a connection's guests, by id.
#[derive(Debug, Default)]
pub struct Rates {
    guests: HashMap<i64, Track>,
}

impl Rates {
    /// Takes the counters of a running guest in; gives rates that are never negative and never from before a restart.
    /// The first sample gives zeros.
    pub fn sample(&mut self, vmid: i64, counters: Four, uptime: i64, mono_ms: u64) -> Four {
        let fresh = Track { counters, at_ms: mono_ms, seen_ms: mono_ms, uptime, rates: [0; 4] };
        let track = self.guests.entry(vmid).or_insert(fresh);
        // A shorter uptime is a restart: all counters began anew, also those that passed their old value already.
        if uptime < track.uptime {
            *track = fresh;
            return track.rates;
        }
        track.seen_ms = mono_ms;
        track.uptime = uptime;
        let elapsed_ms = mono_ms.saturating_sub(track.at_ms);
        if counters == track.counters {
            if elapsed_ms > IDLE_MS {
                // Idle. What comes next is measured from here, not averaged over the quiet time.
                track.rates = [0; 4];
                track.at_ms = mono_ms;
            }
            return track.rates;
        }
        if elapsed_ms == 0 {
            return track.rates;
        }
        for ((rate, new), old) in track.rates.iter_mut().zip(counters).zip(track.counters) {
            *rate = per_second(new, old, elapsed_ms);
        }
        (track.counters, track.at_ms) = (counters, mono_ms);
        track.rates
    }

    /// The rates that the newest sample gave.
    pub fn last(&self, vmid: i64) -> Four {
        self.guests.get(&vmid).map_or([0; 4], |t| t.rates)
    }

    /// The guest does not run: its next sample is a first one.
    pub fn stopped(&mut self, vmid: i64) {
        self.guests.remove(&vmid);
    }

    /// All samples are too old to be compared with what comes next.
    pub fn interrupted(&mut self) {
        self.guests.clear();
    }

    /// Drops what was not seen for ten minutes.
    pub fn sweep(&mut self, mono_ms: u64) {
        self.guests.retain(|_, t| mono_ms.saturating_sub(t.seen_ms) < FORGET_MS);
    }

    /// Guests remembered.
    pub fn len(&self) -> usize {
        self.guests.len()
    }
    pub fn is_empty(&self) -> bool {
        self.guests.is_empty()
    }
}

/// A counter that went down was reset: zero until the next sample.
fn per_second(new: i64, old: i64, elapsed_ms: u64) -> i64 {
    let delta = i128::from(new.saturating_sub(old).max(0)) * 1000 / i128::from(elapsed_ms.max(1));
    i64::try_from(delta).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds (seconds, network-in counter, uptime) and gives the rates.
    fn run(samples: &[(u64, i64, i64)]) -> Vec<i64> {
        let mut rates = Rates::default();
        samples.iter().map(|(s, n, up)| rates.sample(100, [*n, 7, 7, 7], *up, s * 1000)[0]).collect()
    }

    #[test]
    fn rates_are_differences_over_time() {
        assert_eq!(run(&[(0, 1000, 50), (10, 2000, 60), (20, 4000, 70)]), [0, 100, 200]);
    }

    #[test]
    fn one_unchanged_poll_repeats_and_a_quiet_guest_falls_to_zero() {
        let quiet = [(0, 0, 0), (10, 1000, 10), (20, 1000, 20), (30, 1000, 30), (40, 1000, 40), (50, 2000, 50)];
        // Measured from the last quiet poll (40 s), not over the whole quiet time.
        assert_eq!(run(&quiet), [0, 100, 100, 100, 0, 100]);
    }

    #[test]
    fn a_reset_or_a_restart_gives_zero_and_no_spike() {
        assert_eq!(run(&[(0, 9000, 50), (10, 500, 60), (20, 1500, 70)]), [0, 0, 100]);
        assert_eq!(run(&[(0, 500, 500), (10, 9000, 3), (20, 10_000, 13)]), [0, 0, 100]);
    }

    #[test]
    fn counters_reset_one_by_one() {
        let mut rates = Rates::default();
        rates.sample(1, [1000, 1000, 1000, 1000], 10, 0);
        assert_eq!(rates.sample(1, [2000, 5, 3000, 1000], 20, 10_000), [100, 0, 200, 0]);
    }

    #[test]
    fn after_a_stop_or_an_interruption_the_first_sample_is_zero() {
        let mut rates = Rates::default();
        rates.sample(1, [0; 4], 10, 0);
        rates.stopped(1);
        assert_eq!(rates.sample(1, [1 << 40; 4], 20, 10_000), [0; 4]);
        rates.interrupted();
        assert_eq!(rates.sample(1, [1 << 41; 4], 30, 20_000), [0; 4]);
    }

    #[test]
    fn guests_that_are_gone_are_forgotten_and_extremes_do_not_overflow() {
        let mut rates = Rates::default();
        rates.sample(1, [0; 4], 0, 0);
        assert_eq!(rates.sample(1, [i64::MAX; 4], 1, 1)[0], i64::MAX);
        rates.sample(2, [0; 4], 0, 599_000);
        rates.sweep(600_001);
        assert_eq!(rates.len(), 1);
    }
}

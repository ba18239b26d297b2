//! Lock-out: five wrong passwords from one peer lock that peer for fifteen minutes (contract rest.md 2.10).
//!
//! 4.9 also locked the user name, so anybody could keep the administrator out from anywhere. Here the peer is locked and
//! the user is not; who knows the password gets in from elsewhere.

use std::collections::HashMap;
use std::net::IpAddr;

pub const MOST_ATTEMPTS: u32 = 5;
pub const LOCK_MS: u64 = 15 * 60 * 1000;
/// Peers that are remembered at most.
const MOST_ENTRIES: usize = 4_096;
/// A typed name is kept for reset-lockout up to this many bytes.
const MOST_NAME: usize = 64;

#[derive(Debug, Clone)]
struct Failures {
    count: u32,
    last_ms: u64,
    /// What was typed last.
    user: String,
}

/// What a failure led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    pub used: u32,
    pub remaining: u32,
}

impl Attempts {
    pub fn locked(&self) -> bool {
        self.remaining == 0
    }
}

#[derive(Debug, Default)]
pub struct Lockout {
    peers: HashMap<IpAddr, Failures>,
}

impl Lockout {
    /// Milliseconds until the peer may try again; `None`: it may now.
    pub fn locked_ms(&self, peer: IpAddr, now_ms: u64) -> Option<u64> {
        let failures = self.peers.get(&peer).filter(|f| f.count >= MOST_ATTEMPTS)?;
        (failures.last_ms + LOCK_MS).checked_sub(now_ms).filter(|left| *left > 0)
    }

    /// Counts a wrong password. A lock that has run out starts a new count (4.9 locked again at once).
    pub fn failed(&mut self, peer: IpAddr, user: &str, now_ms: u64) -> Attempts {
        if !self.peers.contains_key(&peer) {
            self.make_room(now_ms);
        }
        let entry = self.peers.entry(peer).or_insert(Failures { count: 0, last_ms: now_ms, user: String::new() });
        if now_ms >= entry.last_ms + LOCK_MS {
            entry.count = 0;
        }
        entry.count = entry.count.saturating_add(1);
        entry.last_ms = now_ms;
        entry.user = user.chars().take(MOST_NAME).collect();
        let used = entry.count.min(MOST_ATTEMPTS);
        Attempts { used, remaining: MOST_ATTEMPTS - used }
    }

    pub fn succeeded(&mut self, peer: IpAddr) {
        self.peers.remove(&peer);
    }

    /// Lifts the locks of an address, or of every peer that failed with this user name.
    pub fn reset(&mut self, peer: Option<IpAddr>, user: &str) {
        self.peers.retain(|ip, f| Some(*ip) != peer && f.user != user);
    }

    /// Forgets what no longer counts.
    pub fn sweep(&mut self, now_ms: u64) {
        self.peers.retain(|_, f| now_ms < f.last_ms + LOCK_MS);
    }

    pub fn len(&self) -> usize {
        self.peers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// When full, peers that are not locked go first, then those whose lock ends soonest.
    fn make_room(&mut self, now_ms: u64) {
        if self.peers.len() < MOST_ENTRIES {
            return;
        }
        self.sweep(now_ms);
        if self.peers.len() >= MOST_ENTRIES {
            let mut order: Vec<(bool, u64, IpAddr)> =
                self.peers.iter().map(|(ip, f)| (f.count >= MOST_ATTEMPTS, f.last_ms, *ip)).collect();
            crate::order::sort(&mut order);
            for (_, _, ip) in order.iter().take(MOST_ENTRIES / 8) {
                self.peers.remove(ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(n))
    }

    #[test]
    fn the_fifth_failure_locks_for_fifteen_minutes() {
        let mut lockout = Lockout::default();
        let left: Vec<u32> = (0..5).map(|n| lockout.failed(ip(1), "admin", n).remaining).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        assert_eq!(lockout.locked_ms(ip(1), 4), Some(LOCK_MS));
        assert_eq!(lockout.locked_ms(ip(1), 4 + LOCK_MS), None);
        assert_eq!(lockout.locked_ms(ip(2), 4), None, "the user is not locked elsewhere");
    }

    // 4.9 kept the counter: after a lock had run out, one slip locked for another fifteen minutes.
    #[test]
    fn after_a_lock_there_are_five_attempts_again() {
        let mut lockout = Lockout::default();
        for n in 0..5 {
            lockout.failed(ip(1), "admin", n);
        }
        assert_eq!(lockout.failed(ip(1), "admin", 5 + LOCK_MS).remaining, 4);
    }

    #[test]
    fn success_and_reset_clear_by_address_or_by_name() {
        let mut lockout = Lockout::default();
        for peer in [1, 2, 3] {
            for n in 0..5 {
                lockout.failed(ip(peer), if peer == 3 { "bob" } else { "admin" }, n);
            }
        }
        lockout.reset(Some(ip(1)), "0.0.0.1");
        assert!(lockout.locked_ms(ip(1), 9).is_none() && lockout.locked_ms(ip(2), 9).is_some());
        lockout.reset(None, "admin");
        assert!(lockout.locked_ms(ip(2), 9).is_none() && lockout.locked_ms(ip(3), 9).is_some());
        lockout.succeeded(ip(3));
        assert!(lockout.is_empty());
    }

    #[test]
    fn a_flood_of_addresses_neither_grows_the_table_nor_frees_a_locked_peer() {
        let mut lockout = Lockout::default();
        for _ in 0..5 {
            lockout.failed(ip(7), "admin", 1_000);
        }
        for n in 100..50_100 {
            lockout.failed(ip(n), &"x".repeat(1_000), 2_000);
        }
        assert!(lockout.len() <= MOST_ENTRIES);
        assert!(lockout.locked_ms(ip(7), 3_000).is_some());
    }
}

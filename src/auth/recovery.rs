//! Getting back in (contract rest.md 2.4, 5.27): recovery mode opens Pulse to this very machine for an hour, and one-time
//! tokens allow switching it on from elsewhere. The flag is 4.9's file `.auth_recovery`, which there never ended.

use super::digest::{Hash, random_hex};
use super::peer::{has_forwarding, parse_address};
use crate::http::Call;
use crate::model::{Now, Time};
use std::time::Duration;

pub const LIFE: Duration = Duration::from_secs(3600);
const MOST_TOKENS: usize = 16;
const UNTIL: &str = "until: ";

#[derive(Debug, Default)]
pub struct Recovery {
    until: Option<Time>,
    /// Hash of each unused token, and until when it counts (monotonic milliseconds).
    tokens: Vec<(Hash, u64)>,
}

impl Recovery {
    /// Takes over the flag file. Without an end in it (4.9 wrote it, or a person) it counts for an hour from now.
    pub fn load(bytes: Option<&[u8]>, now: Now) -> Recovery {
        let written = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines().find_map(|line| line.strip_prefix(UNTIL)).and_then(|end| Time::parse(end.trim()))
        };
        let most = now.plus(LIFE).wall;
        Recovery { until: bytes.map(|b| written(b).map_or(most, |end| end.min(most))), tokens: Vec::new() }
    }

    /// The flag file was made, changed or removed by hand.
    pub fn follow(&mut self, bytes: Option<&[u8]>, now: Now) {
        self.until = Recovery::load(bytes, now).until;
    }

    pub fn is_on(&self, now: Now) -> bool {
        self.until.is_some_and(|end| now.wall < end)
    }

    /// The flag's content for an hour from now.
    pub fn flag(now: Now) -> Vec<u8> {
        let text = "Recovery mode: requests from this machine need no credentials.\nDelete this file to end it.\n";
        format!("{text}{UNTIL}{}\n", now.plus(LIFE).wall.rfc3339()).into_bytes()
    }

    pub fn switch(&mut self, on: bool, now: Now) {
        self.until = on.then(|| now.plus(LIFE).wall);
    }

    /// True once when recovery mode has run out: its file is to be removed.
    pub fn ran_out(&mut self, now: Now) -> bool {
        let out = self.until.is_some_and(|end| now.wall >= end);
        if out {
            self.until = None;
        }
        out
    }

    /// A new one-time token, good for this many minutes.
    pub fn new_token(&mut self, minutes: u64, now: Now) -> Result<String, String> {
        self.tokens.retain(|(_, end)| now.mono_ms < *end);
        if self.tokens.len() >= MOST_TOKENS {
            self.tokens.remove(0);
        }
        let token = random_hex(32)?;
        self.tokens.push((Hash::of(&token), now.mono_ms + minutes * 60_000));
        Ok(token)
    }

    /// Whether a token counts; its first use is its last.
    pub fn take_token(&mut self, given: &str, now: Now) -> bool {
        let hash = Hash::of(given);
        let before = self.tokens.len();
        let counts = self.tokens.iter().any(|(h, end)| *h == hash && now.mono_ms < *end);
        self.tokens.retain(|(h, _)| *h != hash);
        counts && self.tokens.len() < before
    }
}

/// The request comes from this machine itself: not through a proxy on it, and not from a website that made its name point
/// here (such a request asks for that name).
pub fn is_from_here(call: &Call) -> bool {
    let host = call.header("host").unwrap_or("").trim();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let plain = host.is_empty() || name.eq_ignore_ascii_case("localhost") || parse_address(host).is_some();
    plain && call.tcp_peer.to_canonical().is_loopback() && !has_forwarding(call)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Now {
        Now::simulated(1_755_000_000_000)
    }

    // 4.9 kept recovery mode on for ever, and its own restart button switched it on.
    #[test]
    fn recovery_mode_ends_after_an_hour_whoever_wrote_the_flag() {
        for flag in [&b""[..], b"Recovery mode enabled\n", &Recovery::flag(now()), b"until: 9999-01-01T00:00:00Z\n"] {
            let mut recovery = Recovery::load(Some(flag), now());
            assert!(recovery.is_on(now()) && recovery.is_on(now().plus(LIFE - Duration::from_secs(1))));
            assert!(!recovery.is_on(now().plus(LIFE)));
            assert!(!recovery.ran_out(now()) && recovery.ran_out(now().plus(LIFE)));
            assert!(!recovery.ran_out(now().plus(LIFE)), "said once");
        }
        let old = Recovery::load(Some(&Recovery::flag(now())), now().plus(LIFE));
        assert!(!old.is_on(now().plus(LIFE)));
        assert!(!Recovery::load(None, now()).is_on(now()));
    }

    #[test]
    fn a_token_counts_once_and_in_time() {
        let mut recovery = Recovery::default();
        let token = recovery.new_token(15, now()).unwrap();
        assert!(!recovery.take_token("", now()) && !recovery.take_token("guess", now()));
        assert!(recovery.take_token(&token, now()));
        assert!(!recovery.take_token(&token, now()));
        let late = recovery.new_token(15, now()).unwrap();
        assert!(!recovery.take_token(&late, now().plus(Duration::from_secs(15 * 60))));
    }
}

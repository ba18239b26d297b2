//! One-time setup codes: a bounded table of their hashes. A code opens one registration of one product at one host,
//! for five minutes. It lives in memory only; a restart forgets all of them (contract rest.md 9.1).

use crate::auth::digest::Hash;
use crate::config::address::bare_host;
use crate::model::Now;
use crate::proxmox::Kind;
use ring::rand::{SecureRandom, SystemRandom};
use std::time::Duration;

/// How long a code may be used.
pub const LIFETIME: Duration = Duration::from_secs(300);
/// Codes that wait at the same time; the oldest goes when another is made.
const MOST: usize = 64;
/// 32 characters that nobody mistakes for another: neither I, O, 0 nor 1.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const LENGTH: usize = 6;

struct Waiting {
    hash: Hash,
    kind: Kind,
    host: String,
    /// Monotonic milliseconds.
    ends: u64,
}

/// The codes that were given out and not used yet, oldest first.
#[derive(Default)]
pub struct Codes(Vec<Waiting>);

impl Codes {
    /// A new code for one host. The error is the system's refusal to give random bytes.
    pub fn issue(&mut self, kind: Kind, host: &str, now: Now) -> Result<String, String> {
        self.sweep(now);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        let code = random_code()?;
        let ends = now.plus(LIFETIME).mono_ms;
        self.0.push(Waiting { hash: Hash::of(&code), kind, host: bare_host(host), ends });
        Ok(code)
    }

    /// Uses a code up. False, and nothing changes, when it is unknown, used, too old or meant for another product or
    /// host. People type codes, so case and blanks do not count.
    pub fn take(&mut self, given: &str, kind: Kind, host: &str, now: Now) -> bool {
        self.sweep(now);
        let hash = Hash::of(&given.trim().to_ascii_uppercase());
        let host = bare_host(host);
        let found = self.0.iter().position(|w| (w.hash == hash) & (w.kind == kind) & (w.host == host));
        found.map(|at| self.0.remove(at)).is_some()
    }

    fn sweep(&mut self, now: Now) {
        self.0.retain(|w| now.mono_ms < w.ends);
    }
}

fn random_code() -> Result<String, String> {
    let mut bytes = [0u8; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "failed to get random bytes from the system".to_owned())?;
    // 32 divides 256: every character is equally likely.
    Ok(bytes.iter().filter_map(|b| ALPHABET.get(usize::from(b % 32))).map(|c| char::from(*c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "https://pve.lan:8006";

    #[test]
    fn a_code_opens_one_registration_of_what_it_was_made_for() {
        let (mut codes, now) = (Codes::default(), Now::simulated(0));
        let code = codes.issue(Kind::Pve, HOST, now).unwrap();
        assert!(code.len() == 6 && code.bytes().all(|c| ALPHABET.contains(&c)), "{code}");
        assert!(!codes.take("AAAAAA", Kind::Pve, HOST, now) || code == "AAAAAA");
        assert!(!codes.take(&code, Kind::Pbs, HOST, now), "another product");
        assert!(!codes.take(&code, Kind::Pve, "https://other.lan:8006", now), "another host");
        assert!(codes.take(&format!(" {}\n", code.to_lowercase()), Kind::Pve, "PVE.lan", now), "as people type it");
        assert!(!codes.take(&code, Kind::Pve, HOST, now), "a second time");
    }

    #[test]
    fn a_code_lives_five_minutes_and_the_table_is_bounded() {
        let (mut codes, now) = (Codes::default(), Now::simulated(0));
        let first = codes.issue(Kind::Pve, HOST, now).unwrap();
        assert!(!codes.take(&first, Kind::Pve, HOST, now.plus(LIFETIME)), "too old");
        let first = codes.issue(Kind::Pve, "first", now).unwrap();
        let rest: Vec<String> = (0..MOST).map(|_| codes.issue(Kind::Pve, HOST, now).unwrap()).collect();
        assert!(!codes.take(&first, Kind::Pve, "first", now), "made room");
        assert!(rest.iter().all(|code| codes.take(code, Kind::Pve, HOST, now)) && codes.0.is_empty());
    }
}

//! Whether an instance is there: failed polls in a row, refused credentials in a row, and what follows from them.

use super::report::{Failure, FailureClass};
use crate::proxmox::Error;
use std::time::Duration;

/// Failed polls in a row after which an instance is offline (contract state.md 8.1 number 1).
const OFFLINE_AFTER: u32 = 3;
/// Refused polls in a row after which its resources make way for a placeholder (contract state.md 4.8).
const REFUSED_AFTER: u32 = 5;
/// While it is not yet clear whether an instance is down, it is asked faster, so that this is known within 35 s.
const HURRY: Duration = Duration::from_secs(7);
/// While an instance is down it is asked this often at least, so that its return shows soon.
const DOWN: Duration = Duration::from_secs(10);
/// Refused credentials are shown again more and more rarely.
const REFUSED_FIRST: Duration = Duration::from_secs(20);
const REFUSED_MAX: Duration = Duration::from_secs(180);

#[derive(Debug, Default)]
pub(super) struct Reach {
    failed: u32,
    refused: u32,
    last: Option<Failure>,
}

impl Reach {
    /// A poll worked. True when the instance had been offline.
    pub fn works(&mut self) -> bool {
        let was_offline = self.is_offline() || self.is_refused();
        *self = Reach::default();
        was_offline
    }

    /// A poll failed.
    pub fn fails(&mut self, error: &Error) {
        self.failed = self.failed.saturating_add(1);
        self.refused = if error.is_auth() { self.refused.saturating_add(1) } else { 0 };
        let fingerprint = match error {
            Error::Tls { fingerprint, .. } => fingerprint.map(|f| f.0),
            _ => None,
        };
        let failure =
            Failure { class: class(error), message: error.to_string(), fingerprint, consecutive: self.failed };
        self.last = Some(failure);
    }

    pub fn failure(&self) -> Option<&Failure> {
        self.last.as_ref()
    }
    pub fn is_failing(&self) -> bool {
        self.failed > 0
    }
    pub fn is_offline(&self) -> bool {
        self.failed >= OFFLINE_AFTER
    }
    /// The placeholder stands for everything.
    pub fn is_refused(&self) -> bool {
        self.refused >= REFUSED_AFTER
    }

    /// From the start of this cycle to that of the next.
    pub fn period(&self, usual: Duration) -> Duration {
        if self.is_refused() {
            let doubled = REFUSED_FIRST * (1 << (self.refused - REFUSED_AFTER).min(4));
            return doubled.min(REFUSED_MAX);
        }
        match self.failed {
            0 => usual,
            n if n < OFFLINE_AFTER => usual.min(HURRY),
            _ => usual.min(DOWN),
        }
    }
}

fn class(error: &Error) -> FailureClass {
    match error {
        e if e.is_auth() => FailureClass::Auth,
        Error::Connect(_) | Error::Address(_) => FailureClass::Connect,
        Error::Tls { .. } => FailureClass::Tls,
        Error::Timeout(_) => FailureClass::Timeout,
        _ => FailureClass::Answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_make_it_offline_within_35_seconds_and_one_answer_brings_it_back() {
        let usual = Duration::from_secs(10);
        let mut reach = Reach::default();
        let error = Error::Timeout("connecting took too long");
        // It dies right after a poll; each failing poll takes the longest it can.
        let mut at = usual;
        let longest = Duration::from_secs(5);
        for _ in 0..2 {
            reach.fails(&error);
            assert!(!reach.is_offline());
            at += reach.period(usual).max(longest);
        }
        reach.fails(&error);
        at += longest;
        assert!(reach.is_offline() && at <= Duration::from_secs(35), "{at:?}");
        assert_eq!(reach.period(usual), usual);
        assert_eq!(reach.period(Duration::from_secs(60)), DOWN);
        assert_eq!(reach.failure().map(|f| (f.class, f.consecutive)), Some((FailureClass::Timeout, 3)));
        assert!(reach.works());
        assert!(!reach.is_failing() && reach.failure().is_none());
    }

    #[test]
    fn five_refusals_in_a_row_and_only_in_a_row_raise_the_placeholder() {
        let mut reach = Reach::default();
        let refused = Error::Status(401, String::new());
        for _ in 0..4 {
            reach.fails(&refused);
        }
        reach.fails(&Error::Connect("refused".into()));
        reach.fails(&refused);
        assert!(!reach.is_refused() && reach.is_offline());
        for _ in 0..4 {
            reach.fails(&refused);
        }
        assert!(reach.is_refused());
        assert_eq!(reach.period(Duration::from_secs(10)), Duration::from_secs(20));
        for _ in 0..20 {
            reach.fails(&refused);
        }
        assert_eq!(reach.period(Duration::from_secs(10)), Duration::from_secs(180));
        // An address with 401 in it is no refusal.
        let mut reach = Reach::default();
        for _ in 0..9 {
            reach.fails(&Error::Status(500, "failed at 10.0.4.01:401".into()));
        }
        assert!(!reach.is_refused());
    }
}

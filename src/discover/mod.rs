//! Which Proxmox hosts are in the network. [`Discovery`] is what the owner keeps: when to look, what was found;
//! `range` says which addresses may be asked at all, `own` which are the machine's, `scan` and `probe` ask them.
//! Nothing is connected to or changed by what is found.

mod own;
mod probe;
mod range;
mod scan;

pub use range::{MOST_HOSTS, Range, addresses, wanted};
pub use scan::scan;

use crate::model::Now;
use crate::proxmox::Kind;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How long a result is good for (contract rest.md 11).
const EVERY_MS: u64 = 5 * 60_000;
/// After changes of connections the network is looked at again, but not more often than this.
const GAP_MS: u64 = 30_000;
/// A scan that is not heard of for so long is gone.
const LOST_MS: u64 = 180_000;

/// A host that was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub address: Ipv4Addr,
    pub kind: Kind,
    /// `Unknown` unless it tells without a login.
    pub version: String,
    pub release: Option<String>,
    /// The node's name, as its page says.
    pub name: Option<String>,
}

/// What came of a scan.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub servers: Vec<Server>,
    /// What was not asked, and why.
    pub errors: Vec<String>,
    /// Addresses that were asked.
    pub asked: usize,
}

/// Ends a scan: shared by the owner, who sets it, and the scan, which looks at it before each question.
pub type Stop = Arc<AtomicBool>;

/// When to look around, and what the last look found.
#[derive(Debug, Default)]
pub struct Discovery {
    /// Monotonic milliseconds of the next scan; `None`: never, as long as nobody opened this.
    due_ms: Option<u64>,
    running: Option<(Stop, u64)>,
    began_ms: Option<u64>,
    /// Addresses handed out of how many, while it runs.
    pub progress: (usize, usize),
    /// When clients are to hear of the servers again because connections changed.
    tell_ms: Option<u64>,
    /// Asked for by a client instead of the configured subnet, until the settings change.
    pub subnet: Option<String>,
    pub last: Outcome,
    /// When that was complete.
    pub updated: Option<Now>,
}

impl Discovery {
    /// From now on, scans are due.
    pub fn open(&mut self, now: Now) {
        self.due_ms = Some(now.mono_ms);
    }

    pub fn is_scanning(&self) -> bool {
        self.running.is_some()
    }

    /// Whether a scan is to begin: one at a time.
    pub fn is_due(&mut self, now: Now) -> bool {
        if self.running.as_ref().is_some_and(|(_, since)| now.mono_ms >= since + LOST_MS) {
            self.stop();
            self.running = None;
        }
        self.running.is_none() && self.due_ms.is_some_and(|due| now.mono_ms >= due)
    }

    /// A scan begins.
    pub fn begin(&mut self, now: Now) -> Stop {
        let stop = Stop::default();
        self.running = Some((stop.clone(), now.mono_ms));
        self.began_ms = Some(now.mono_ms);
        self.due_ms = Some(now.mono_ms + EVERY_MS);
        self.progress = (0, 0);
        stop
    }

    /// Whether `stop` belongs to the scan whose news still count.
    pub fn is_current(&self, stop: &Stop) -> bool {
        self.running.as_ref().is_some_and(|(ours, _)| Arc::ptr_eq(ours, stop)) && !stop.load(Ordering::Relaxed)
    }

    /// A scan ended; whether its outcome counts.
    pub fn end(&mut self, stop: &Stop, outcome: Outcome, now: Now) -> bool {
        let counts = self.is_current(stop);
        if self.running.as_ref().is_some_and(|(ours, _)| Arc::ptr_eq(ours, stop)) {
            self.running = None;
        }
        if counts {
            self.last = outcome;
            self.updated = Some(now);
        }
        counts
    }

    /// The subnet cannot be asked: that is the result until it is changed.
    pub fn refuse(&mut self, why: String, now: Now) {
        self.last = Outcome { errors: vec![why], ..Outcome::default() };
        self.updated = Some(now);
        self.due_ms = Some(now.mono_ms + EVERY_MS);
    }

    /// Ends the running scan; its outcome no longer counts.
    pub fn stop(&self) {
        if let Some((stop, _)) = &self.running {
            stop.store(true, Ordering::Relaxed);
        }
    }

    /// The settings are others than before: what was found under the old ones is forgotten.
    pub fn restart(&mut self, now: Now) {
        self.stop();
        self.due_ms = self.due_ms.map(|_| now.mono_ms);
        self.subnet = None;
        self.last = Outcome::default();
        self.updated = None;
    }

    /// A client wants a scan of `subnet` now. One that runs for the same subnet is good enough.
    pub fn ask(&mut self, subnet: String, configured: &str, now: Now) {
        let running_for = self.subnet.as_deref().unwrap_or(configured);
        let is_same = running_for == subnet;
        self.subnet = Some(subnet);
        if self.is_scanning() && is_same {
            return;
        }
        self.stop();
        self.due_ms = self.due_ms.map(|_| now.mono_ms);
    }

    /// Connections changed: the network is looked at again, and after `tell_in_ms` clients hear of the servers.
    pub fn connections_changed(&mut self, now: Now, tell_in_ms: Option<u64>) {
        let soon = (now.mono_ms + 500).max(self.began_ms.map_or(0, |began| began + GAP_MS));
        self.due_ms = self.due_ms.map(|due| due.min(soon));
        self.tell_ms = tell_in_ms.map_or(self.tell_ms, |delay| Some(now.mono_ms + delay));
    }

    /// Whether it is time to tell the clients; true once.
    pub fn is_time_to_tell(&mut self, now: Now) -> bool {
        let is_time = self.tell_ms.is_some_and(|at| now.mono_ms >= at);
        if is_time {
            self.tell_ms = None;
        }
        is_time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Now {
        Now::simulated(1_756_289_720_000).plus(std::time::Duration::from_secs(secs.unsigned_abs()))
    }

    fn opened() -> Discovery {
        let mut d = Discovery::default();
        assert!(!d.is_due(at(0)), "nobody opened it");
        d.open(at(0));
        d
    }

    #[test]
    fn one_scan_at_a_time_every_five_minutes() {
        let mut d = opened();
        assert!(d.is_due(at(0)));
        let stop = d.begin(at(0));
        assert!(!d.is_due(at(150)), "it runs");
        assert!(d.end(&stop, Outcome { asked: 254, ..Outcome::default() }, at(16)));
        assert!(!d.is_due(at(299)) && d.is_due(at(300)));
        assert_eq!((d.last.asked, d.updated), (254, Some(at(16))));
    }

    #[test]
    fn a_scan_that_never_ends_is_given_up() {
        let mut d = opened();
        let stop = d.begin(at(0));
        assert!(!d.is_due(at(179)));
        d.is_due(at(180));
        assert!(stop.load(Ordering::Relaxed) && d.is_due(at(300)));
        assert!(!d.end(&stop, Outcome::default(), at(301)), "its news come too late");
    }

    #[test]
    fn other_settings_end_a_scan_and_forget_what_it_found() {
        let mut d = opened();
        let stop = d.begin(at(0));
        d.end(&stop, Outcome { errors: vec!["x".into()], ..Outcome::default() }, at(10));
        let stop = d.begin(at(300));
        d.restart(at(301));
        assert!(stop.load(Ordering::Relaxed) && d.updated.is_none() && d.last.errors.is_empty());
        assert!(!d.is_due(at(301)), "the old one has not ended yet");
        assert!(!d.end(&stop, Outcome { asked: 9, ..Outcome::default() }, at(302)));
        assert!(d.is_due(at(302)) && d.last.asked == 0);
    }

    #[test]
    fn changes_of_connections_cause_few_scans() {
        let mut d = opened();
        let stop = d.begin(at(0));
        d.end(&stop, Outcome::default(), at(5));
        for second in 6..20 {
            d.connections_changed(at(second), Some(2000));
            assert!(!d.is_due(at(second)));
        }
        assert!(!d.is_time_to_tell(at(20)) && d.is_time_to_tell(at(21)) && !d.is_time_to_tell(at(22)));
        assert!(!d.is_due(at(29)) && d.is_due(at(30)));
    }

    #[test]
    fn a_client_s_wish_replaces_a_scan_of_another_subnet_only() {
        let mut d = opened();
        let stop = d.begin(at(0));
        d.ask("auto".into(), "auto", at(1));
        assert!(d.is_current(&stop));
        d.ask("10.0.0.0/24".into(), "auto", at(2));
        assert!(!d.is_current(&stop));
        d.end(&stop, Outcome::default(), at(3));
        assert!(d.is_due(at(3)));
    }
}

//! The way to one receiver: what is sent now, what waits, when it is tried again. Time and the sending itself are handed
//! in, so a day without the receiver passes in milliseconds.

use super::backlog::{Backlog, Record};
use std::path::Path;

/// The first pause after a failure; doubles up to the longest.
const PAUSE_MS: u64 = 5_000;
const PAUSE_MAX_MS: u64 = 5 * 60_000;
/// A receiver cannot keep us away longer than this by its `Retry-After`.
const ASKED_MAX_MS: u64 = 3_600_000;

/// What the receiver made of one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Taken,
    /// It will never take this request; why, without secrets.
    Refused(String),
    /// It may take it later; after so many seconds, when it said so.
    Later(String, Option<u64>),
}

/// Sends one request.
pub type Post<'a> = &'a mut dyn FnMut(&[u8]) -> Verdict;

/// What happened so far, for the log and the API.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    pub delivered: u64,
    pub refused: u64,
    /// Bytes that wait on disk.
    pub waiting_bytes: u64,
    /// Bytes that were given up: the backlog was full, or the disk did not take them.
    pub given_up_bytes: u64,
    /// Why the last attempt failed; `None` when it worked.
    pub failure: Option<String>,
}

/// See the module.
pub struct Lane {
    name: String,
    backlog: Backlog,
    failures: u32,
    /// Monotonic; nothing is sent before.
    not_before_ms: u64,
    tally: Tally,
    /// A refusal is told once until something is taken again.
    told_refusal: bool,
    told_full: bool,
}

impl Lane {
    pub fn open(name: &str, folder: &Path, most_bytes: u64) -> std::io::Result<Lane> {
        Ok(Lane {
            name: name.to_owned(),
            backlog: Backlog::open(folder, most_bytes)?,
            failures: 0,
            not_before_ms: 0,
            tally: Tally::default(),
            told_refusal: false,
            told_full: false,
        })
    }

    pub fn tally(&self) -> Tally {
        let (waiting_bytes, lost) = (self.backlog.bytes(), self.backlog.given_up_bytes());
        Tally { waiting_bytes, given_up_bytes: self.tally.given_up_bytes + lost, ..self.tally.clone() }
    }

    /// When there is something to send: how long to wait for it.
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        (!self.backlog.is_empty()).then(|| self.not_before_ms.saturating_sub(now_ms))
    }

    /// New requests, in order. They are sent at once when nothing older waits; what does not arrive waits on disk.
    pub fn offer(&mut self, now_ms: u64, bodies: Vec<Vec<u8>>, post: Post) {
        for body in bodies {
            let at_once = self.backlog.is_empty() && now_ms >= self.not_before_ms;
            let verdict = if at_once { Some(post(&body)) } else { None };
            if verdict.is_some_and(|v| self.judge(now_ms, v)) {
                continue;
            }
            if let Err(e) = self.backlog.append(&body) {
                self.tally.given_up_bytes += body.len() as u64;
                self.tell_full(&format!("failed to write the backlog: {e}"));
            } else if self.backlog.given_up_bytes() > 0 {
                self.tell_full("its backlog is full, the oldest figures are given up");
            }
        }
    }

    /// Sends the oldest request that waits, when it is time; true when there may be another one to send now.
    pub fn step(&mut self, now_ms: u64, post: Post) -> bool {
        if now_ms < self.not_before_ms {
            return false;
        }
        let record = match self.backlog.take() {
            Ok(Some(record)) => record,
            Ok(None) => return false,
            Err(e) => {
                self.pause(now_ms, format!("failed to read the backlog: {e}"), None);
                return false;
            }
        };
        let verdict = post(&record.body);
        let settled = self.judge(now_ms, verdict);
        self.settle(now_ms, &record, settled);
        settled && !self.backlog.is_empty()
    }

    fn settle(&mut self, now_ms: u64, record: &Record, settled: bool) {
        if settled {
            self.backlog.done(record);
        } else if let Err(e) = self.backlog.put_back(record) {
            self.pause(now_ms, format!("failed to write the backlog: {e}"), None);
        }
    }

    /// Takes a verdict in; true when the request needs nothing more.
    fn judge(&mut self, now_ms: u64, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Taken => {
                if self.failures > 0 {
                    log::info!("push to {}: it takes figures again", self.name);
                }
                self.tally.delivered += 1;
                self.not_before_ms = 0;
                (self.failures, self.tally.failure, self.told_refusal, self.told_full) = (0, None, false, false);
                true
            }
            Verdict::Refused(why) => {
                self.tally.refused += 1;
                self.failures = 0;
                if !std::mem::replace(&mut self.told_refusal, true) {
                    log::warn!("push to {}: figures were refused and are given up: {why}", self.name);
                }
                self.tally.failure = Some(why);
                true
            }
            Verdict::Later(why, asked_secs) => {
                if self.failures == 0 {
                    log::warn!("push to {}: {why}; figures wait on disk until it works", self.name);
                }
                self.pause(now_ms, why, asked_secs);
                false
            }
        }
    }

    fn pause(&mut self, now_ms: u64, why: String, asked_secs: Option<u64>) {
        let own = PAUSE_MS.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX_MS);
        let asked = asked_secs.map(|s| s.saturating_mul(1000).min(ASKED_MAX_MS));
        self.failures = self.failures.saturating_add(1);
        self.not_before_ms = now_ms.saturating_add(asked.unwrap_or(own));
        self.tally.failure = Some(why);
    }

    fn tell_full(&mut self, why: &str) {
        if !std::mem::replace(&mut self.told_full, true) {
            log::warn!("push to {}: {why}", self.name);
        }
    }
}

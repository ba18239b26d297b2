//! The life of one condition of one resource: pending, active, cleared by hand, damped (contract state.md 6.5).

use super::book::{Book, Ended, Moment, Raise, Seen};
use super::check::Check;
use super::finding::{Finding, Met};
use super::level::Level;
use super::memory::Cleared;
use super::settings::Settings;
use super::subject::Subject;
use super::transition::Why;
use std::sync::Arc;

/// A lock older than this is stuck and holds nothing back any more.
const LOCK_MAX_MS: u64 = 24 * 3_600_000;

/// One resource under watch.
#[derive(Debug)]
pub struct Watch {
    pub key: Key,
    pub settings: Arc<Settings>,
    /// Of what the settings were made: they are made anew when it changes.
    pub made_of: u64,
    /// The connection's count of good polls when it was last seen.
    pub seen_at: u64,
    /// Since when a guest is locked, on the monotonic clock.
    pub locked_since_ms: Option<u64>,
    /// Conditions with something to remember. Empty for almost every resource almost always.
    slots: Vec<Slot>,
}

/// Later than any look.
const UNKNOWN: u64 = u64::MAX;

/// Names a watched resource within the process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Connection and VMID: survives migration.
    Guest(u32, i64),
    /// Connection, kind, resource id.
    Other(u32, super::check::Kind, String),
}

impl Key {
    pub fn instance(&self) -> u32 {
        match self {
            Key::Guest(instance, _) | Key::Other(instance, ..) => *instance,
        }
    }
}

#[derive(Debug, Clone)]
struct Slot {
    check: Check,
    phase: Phase,
}

#[derive(Debug, Clone)]
pub enum Phase {
    /// True, but not yet long or often enough. `at_ms`: when it was last seen true; `UNKNOWN` when nothing was known at
    /// the last look, whose time does not count.
    Pending { lasted_ms: u64, at_ms: u64, seen: u32 },
    /// An alert of this id is active.
    Active { id: String },
    /// Cleared by hand: silent until it was once false.
    Cleared(Box<Cleared>),
    /// Came back almost unchanged (`minimumDelta`, `suppressionWindow`).
    Damped { until_ms: u64 },
}

/// What all judgements of a step share.
pub struct Judge<'a> {
    pub book: &'a mut Book,
    pub moment: Moment<'a>,
    pub minimum_delta: f64,
    pub suppression_ms: u64,
}

impl Watch {
    pub fn new(key: Key, settings: Arc<Settings>, made_of: u64) -> Watch {
        Watch { key, settings, made_of, seen_at: 0, locked_since_ms: None, slots: Vec::new() }
    }

    /// Whether the guest's lock holds alerts back.
    pub fn lock_counts(&self, now_ms: u64) -> bool {
        self.locked_since_ms.is_some_and(|since| now_ms.saturating_sub(since) < LOCK_MAX_MS)
    }

    pub fn phase(&self, check: Check) -> Option<&Phase> {
        self.slots.iter().find(|s| s.check == check).map(|s| &s.phase)
    }

    pub fn set(&mut self, check: Check, phase: Phase) {
        self.slots.retain(|s| s.check != check);
        self.slots.push(Slot { check, phase });
    }

    /// What was cleared by hand and is still true.
    pub fn cleared(&self) -> impl Iterator<Item = &Cleared> {
        self.slots.iter().filter_map(|s| match &s.phase {
            Phase::Cleared(cleared) => Some(&**cleared),
            _ => None,
        })
    }

    /// Ends everything: the resource is gone.
    pub fn end(&mut self, book: &mut Book, moment: &Moment, why: Why) {
        for slot in self.slots.drain(..) {
            match slot.phase {
                Phase::Active { id } => book.end(&id, moment, Ended { why, value: None }),
                Phase::Cleared(_) => book.forget(),
                Phase::Pending { .. } | Phase::Damped { .. } => {}
            }
        }
    }

    /// Takes one finding. Costs a comparison when nothing is remembered and nothing is true.
    pub fn judge(&mut self, judge: &mut Judge, subject: Subject, check: Check, finding: Finding) {
        let at = self.slots.iter().position(|s| s.check == check);
        if at.is_none() && !matches!(finding, Finding::Met(_)) {
            return;
        }
        let phase = at.map(|at| self.slots.swap_remove(at).phase);
        if let Some(phase) = self.next(judge, subject, check, finding, phase) {
            self.slots.push(Slot { check, phase });
        }
    }

    fn next(
        &self,
        judge: &mut Judge,
        subject: Subject,
        check: Check,
        finding: Finding,
        phase: Option<Phase>,
    ) -> Option<Phase> {
        let now_ms = judge.moment.now.mono_ms;
        match (phase, finding) {
            (Some(Phase::Active { id }), finding) => self.active(judge, subject, check, finding, id),
            (Some(Phase::Damped { until_ms }), _) if now_ms < until_ms => Some(Phase::Damped { until_ms }),
            (Some(Phase::Cleared(_)), Finding::Clear(_) | Finding::Moot(_)) => {
                judge.book.forget();
                None
            }
            (Some(cleared @ Phase::Cleared(_)), _) => Some(cleared),
            (Some(Phase::Pending { lasted_ms, seen, .. }), Finding::Unknown(_)) => {
                Some(Phase::Pending { lasted_ms, at_ms: UNKNOWN, seen })
            }
            (Some(Phase::Pending { lasted_ms, at_ms, seen }), Finding::Met(met)) => {
                let lasted_ms = lasted_ms.saturating_add(now_ms.saturating_sub(at_ms));
                self.met(judge, subject, check, met, lasted_ms, seen.saturating_add(1))
            }
            (None | Some(Phase::Damped { .. }), Finding::Met(met)) => self.met(judge, subject, check, met, 0, 1),
            _ => None,
        }
    }

    fn active(&self, judge: &mut Judge, subject: Subject, check: Check, finding: Finding, id: String) -> Option<Phase> {
        let moment = &judge.moment;
        let seen = |value, met| Seen { subject, check, value, met, silent: self.settings.silent };
        let ended = match finding {
            Finding::Unknown(_) => None,
            Finding::Met(met) => {
                judge.book.seen(&id, seen(met.value, Some(met)), moment);
                None
            }
            Finding::Between(value) => {
                judge.book.seen(&id, seen(value, None), moment);
                None
            }
            Finding::Clear(value) => Some(Ended { why: Why::Recovered, value: Some(value) }),
            Finding::Moot(why) => Some(Ended { why, value: None }),
        };
        match ended {
            None => Some(Phase::Active { id }),
            Some(ended) => {
                judge.book.end(&id, moment, ended);
                None
            }
        }
    }

    /// True now: raise when it has lasted and was seen often enough, unless it is only the old figure again.
    fn met(
        &self,
        judge: &mut Judge,
        subject: Subject,
        check: Check,
        met: Met,
        lasted_ms: u64,
        seen: u32,
    ) -> Option<Phase> {
        let now_ms = judge.moment.now.mono_ms;
        let often = met.confirmed || seen >= subject.kind().confirmations(check);
        if !often || lasted_ms < self.settings.delay_ms(check) {
            return Some(Phase::Pending { lasted_ms, at_ms: now_ms, seen });
        }
        let id = subject.kind().alert_id(&subject.resource_id(), check);
        if check.is_metric() && judge.is_old_news(&id, met.value) {
            return Some(Phase::Damped { until_ms: now_ms.saturating_add(judge.suppression_ms) });
        }
        let raise = Raise { id: &id, subject, check, met, silent: self.settings.silent, key: &self.key };
        judge.book.raise(raise, &judge.moment);
        Some(Phase::Active { id })
    }
}

impl Judge<'_> {
    /// The same alert began less than the suppression window ago and this is almost its last figure.
    fn is_old_news(&self, id: &str, value: f64) -> bool {
        self.book.remembered(id).is_some_and(|old| {
            let age_ms = self.moment.now.mono_ms.saturating_sub(old.since_ms);
            age_ms < self.suppression_ms && (old.value - value).abs() < self.minimum_delta
        })
    }
}

/// The level as the wire writes it, back; what is not known is a warning.
pub fn level_of(text: &str) -> Level {
    Level::parse(text).unwrap_or(Level::Warning)
}

//! The active alerts, what ended a moment ago, and the transitions that have not been taken yet.

use super::check::{Check, Kind};
use super::finding::Met;
use super::level::Level;
use super::outgoing::Unit;
use super::subject::Subject;
use super::telling::Telling;
use super::transition::{Resolved, Transition, Why};
use super::watch::{Key, level_of};
use crate::json::{json, put};
use crate::model::{Alert, AlertBrief, Now, ResolvedAlert, State};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How long an alert stays in `recentlyResolved` (contract state.md 8.4, row 68).
const RECENT_MS: u64 = 5 * 60 * 1_000;
/// Beyond this the newest resolutions push out the oldest.
const RECENT_MAX: usize = 500;

/// One active alert with what the wire does not show.
#[derive(Debug, Clone)]
pub struct Active {
    pub alert: Alert,
    pub check: Check,
    pub level: Level,
    /// Which watch holds it; none until the resource was seen again after a start.
    pub key: Option<Key>,
    pub host: String,
    pub tags: Vec<String>,
    pub silent: bool,
    /// The worst value so far, and the last one above the trigger.
    pub peak: f64,
    pub last_met: f64,
    /// Critical at any time.
    pub worst: Level,
    /// Its start on the monotonic clock; before the process began for alerts that were restored.
    pub since_ms: i64,
    pub telling: Telling,
}

impl Active {
    /// How far it is told, for the disk.
    pub fn remembered_telling(&self) -> Telling {
        Telling { start: Some(self.alert.start_time), ..self.telling }
    }
}

/// The moment and the state of a step.
pub struct Moment<'a> {
    pub now: Now,
    pub state: &'a State,
}

/// What is needed to raise an alert.
pub struct Raise<'a> {
    pub id: &'a str,
    pub subject: Subject<'a>,
    pub check: Check,
    pub met: Met,
    pub silent: bool,
    pub key: &'a Key,
}

/// One look at an active alert's condition; `met` when it is above the trigger.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub subject: Subject<'a>,
    pub check: Check,
    pub value: f64,
    pub met: Option<Met>,
    pub silent: bool,
}

/// How an alert ends.
pub struct Ended {
    pub why: Why,
    /// The figure that ended it.
    pub value: Option<f64>,
}

/// An alert that ended within the suppression window.
#[derive(Debug, Clone, Copy)]
pub struct Remembered {
    pub since_ms: u64,
    pub value: f64,
}

#[derive(Debug, Default)]
pub struct Book {
    active: BTreeMap<String, Active>,
    /// Ended a moment ago, oldest first, with the moment on the monotonic clock.
    recent: Vec<(u64, ResolvedAlert)>,
    remembered: HashMap<String, Remembered>,
    transitions: Vec<Transition>,
    /// Alerts that ended after somebody was told of them, for the telling.
    ended: Vec<(Active, Resolved)>,
    /// Whether any document changed since this was last asked.
    changed: bool,
    /// Something cleared by hand is no longer remembered.
    forgot: bool,
}

impl Book {
    pub fn get(&self, id: &str) -> Option<&Active> {
        self.active.get(id)
    }
    pub fn get_mut(&mut self, id: &str) -> Option<&mut Active> {
        self.active.get_mut(id)
    }
    pub fn iter(&self) -> impl Iterator<Item = &Active> {
        self.active.values()
    }
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Active> {
        self.active.values_mut()
    }
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }
    pub fn remembered(&self, id: &str) -> Option<Remembered> {
        self.remembered.get(id).copied()
    }
    pub fn push(&mut self, transition: Transition) {
        self.changed = true;
        self.transitions.push(transition);
    }
    pub fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }
    pub fn take_ended(&mut self) -> Vec<(Active, Resolved)> {
        std::mem::take(&mut self.ended)
    }
    /// Whether any document changed since this was last asked.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// What was cleared by hand may be raised again: a restart must know that too.
    pub fn forget(&mut self) {
        self.forgot = true;
    }
    pub fn take_forgot(&mut self) -> bool {
        std::mem::take(&mut self.forgot)
    }

    /// Takes in an alert of before the start. It is nobody's until its resource is seen.
    pub fn restore(&mut self, alert: Alert, check: Check, telling: Telling, now: Now) {
        let age_ms = i64::try_from(now.wall.since(alert.start_time).as_millis()).unwrap_or(i64::MAX);
        let active = Active {
            check,
            level: level_of(&alert.level),
            key: None,
            host: String::new(),
            tags: Vec::new(),
            silent: false,
            peak: alert.value,
            last_met: alert.value,
            worst: level_of(&alert.level),
            since_ms: i64::try_from(now.mono_ms).unwrap_or(i64::MAX).saturating_sub(age_ms),
            telling,
            alert,
        };
        self.active.insert(active.alert.id.clone(), active);
        self.changed = true;
    }

    pub fn raise(&mut self, raise: Raise, moment: &Moment) {
        let Raise { subject, check, met, .. } = raise;
        let now = moment.now;
        let alert = Alert {
            id: raise.id.to_owned(),
            r#type: check.name().to_owned(),
            level: met.level.as_str().to_owned(),
            resource_id: subject.resource_id().into_owned(),
            resource_name: subject.name().into_owned(),
            node: subject.node().to_owned(),
            instance: subject.instance().to_owned(),
            message: subject.message(check, met.value, moment.state, now.wall),
            value: met.value,
            threshold: met.threshold,
            start_time: now.wall,
            last_seen: now.wall,
            metadata: metadata(subject.kind(), check, met),
            ..Alert::default()
        };
        let active = Active {
            check,
            level: met.level,
            key: Some(raise.key.clone()),
            host: subject.host(moment.state),
            tags: subject.tags().to_vec(),
            silent: raise.silent,
            peak: met.value,
            last_met: met.value,
            worst: met.level,
            since_ms: i64::try_from(now.mono_ms).unwrap_or(i64::MAX),
            telling: Telling::owed(),
            alert: alert.clone(),
        };
        self.active.insert(raise.id.to_owned(), active);
        self.push(Transition::Raised(alert));
    }

    /// The condition was seen again.
    pub fn seen(&mut self, id: &str, seen: Seen, moment: &Moment) {
        let Seen { subject, check, value, met, silent } = seen;
        let Some(active) = self.active.get_mut(id) else { return };
        active.silent = silent;
        let now = moment.now.wall;
        let alert = &mut active.alert;
        alert.last_seen = now.max(alert.start_time);
        self.changed |= alert.value != value;
        alert.value = value;
        if alert.node != subject.node() || !subject.is_named(&alert.resource_id) {
            // It was migrated. The incident keeps its id, so that links, acknowledgements and incident tools still fit.
            alert.node = subject.node().to_owned();
            alert.resource_id = subject.resource_id().into_owned();
            active.host = subject.host(moment.state);
            self.changed = true;
        }
        let message = subject.message(check, value, moment.state, now);
        if message != alert.message {
            alert.message = message;
            self.changed = true;
        }
        let Some(met) = met else { return };
        active.last_met = value;
        active.peak = if is_low_bad(check) { active.peak.min(value) } else { active.peak.max(value) };
        if met.threshold != alert.threshold {
            alert.threshold = met.threshold;
            if check.is_metric() {
                put(&mut alert.metadata, "clearThreshold", json!(met.clear));
            }
        }
        if met.level != active.level {
            let worse = met.level > active.level;
            active.level = met.level;
            active.worst = active.worst.max(met.level);
            active.alert.level = met.level.as_str().to_owned();
            active.telling.level_changed(worse);
            let changed = Transition::LevelChanged(active.alert.clone());
            self.push(changed);
        }
    }

    pub fn end(&mut self, id: &str, moment: &Moment, ended: Ended) {
        self.end_at(id, moment.now, ended);
    }

    /// Ends an alert, exactly once.
    pub fn end_at(&mut self, id: &str, now: Now, ended: Ended) {
        let Some(mut active) = self.active.remove(id) else { return };
        if let Some(value) = ended.value {
            active.alert.value = value;
        }
        let at = now.wall.max(active.alert.start_time);
        active.alert.last_seen = at;
        if active.check.is_metric() {
            let since_ms = u64::try_from(active.since_ms).unwrap_or(0);
            self.remembered.insert(id.to_owned(), Remembered { since_ms, value: active.last_met });
        }
        if ended.why != Why::Cleared {
            if self.recent.len() >= RECENT_MAX {
                self.recent.remove(0);
            }
            let brief = AlertBrief::from(&active.alert);
            self.recent.push((now.mono_ms, ResolvedAlert { alert: brief, resolved_time: at }));
        }
        let resolved =
            Resolved { alert: active.alert.clone(), at, peak: active.peak, worst: active.worst, why: ended.why };
        self.push(Transition::Resolved(resolved.clone()));
        self.ended.push((active, resolved));
    }

    /// Forgets what is no longer recent.
    pub fn age(&mut self, now: Now, suppression: Duration) {
        let before = self.recent.len();
        self.recent.retain(|(ended_ms, _)| now.mono_ms < ended_ms.saturating_add(RECENT_MS));
        self.changed |= self.recent.len() != before;
        if !self.remembered.is_empty() {
            let window_ms = u64::try_from(suppression.as_millis()).unwrap_or(u64::MAX);
            self.remembered.retain(|_, old| now.mono_ms < old.since_ms.saturating_add(window_ms));
        }
    }

    /// Newest first; equal starts by id.
    pub fn sorted(&self) -> Vec<&Active> {
        let mut list: Vec<&Active> = self.active.values().collect();
        crate::order::sort_by(&mut list, |a, b| {
            b.alert.start_time.cmp(&a.alert.start_time).then_with(|| a.alert.id.cmp(&b.alert.id))
        });
        list
    }

    /// What ended within the last minutes, newest first.
    pub fn recent(&self) -> Vec<ResolvedAlert> {
        self.recent.iter().rev().map(|(_, r)| r.clone()).collect()
    }
}

/// 4.9 gives metric alerts their type of resource and clear threshold; the others have at least the former.
fn metadata(kind: Kind, check: Check, met: Met) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("resourceType".to_owned(), kind.resource_type().into());
    if check.is_metric() {
        put(&mut metadata, "clearThreshold", json!(met.clear));
    } else if check.unit() == Unit::Days {
        metadata.insert("unit".to_owned(), "days".into());
    }
    metadata
}

fn is_low_bad(check: Check) -> bool {
    matches!(check, Check::Wearout | Check::Certificate)
}

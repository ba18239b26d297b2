//! What was: every alert with its end, worst value and acknowledgement. Kept in memory as the answers show it, so that a
//! query joins ready texts. The lines for the disk come out as values.

use super::engine::Engine;
use super::journal::{self, Incident, Line};
use super::level::Level;
use super::transition::{Resolved, Transition};
use crate::model::{Alert, Time};
use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// Entries kept at most, and how long (contract state.md 8.4, row 70).
pub const ENTRIES_MAX: usize = 10_000;
pub const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// An incident that is over.
#[derive(Debug)]
struct Entry {
    start: Time,
    critical: bool,
    resource: u64,
    json: Box<str>,
}

/// The incidents that are over, oldest first; those that are not are the engine's.
#[derive(Debug, Default)]
pub struct History {
    closed: VecDeque<Entry>,
    /// The history was deleted then: what is still active since before is not shown until it ends.
    deleted_at: Option<Time>,
    /// Lines written since the journal was last written anew.
    appended: usize,
}

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    pub limit: usize,
    pub offset: usize,
    pub from: Option<Time>,
    pub to: Option<Time>,
    pub severity: Option<Level>,
    pub resource_id: Option<String>,
}

impl History {
    /// Takes in what is over. Gives the journal line to append.
    pub fn note(&mut self, transition: &Transition, out: &mut Vec<u8>) {
        let line = match transition {
            Transition::Resolved(resolved) => {
                let line = Line { closed: true, incident: incident_of(resolved) };
                self.close(&line.incident);
                line
            }
            open => Line { closed: false, incident: Incident::open(open.alert().clone()) },
        };
        self.appended += 1;
        journal::encode(&line, out);
    }

    /// Adds an incident that is over, at its place in time.
    pub fn close(&mut self, incident: &Incident) {
        let Ok(json) = serde_json::to_string(incident) else { return };
        let alert = &incident.alert;
        let entry = Entry {
            start: alert.start_time,
            critical: alert.level == Level::Critical.as_str(),
            resource: hash(&alert.resource_id),
            json: json.into_boxed_str(),
        };
        let newer = self.closed.iter().rev().take_while(|e| e.start > entry.start).count();
        self.closed.insert(self.closed.len() - newer, entry);
        if self.closed.len() > ENTRIES_MAX {
            self.closed.pop_front();
        }
    }

    /// Drops what is older than it is kept.
    pub fn age(&mut self, now: Time) {
        while self.closed.front().is_some_and(|e| now.since(e.start) > KEPT) {
            self.closed.pop_front();
        }
    }

    /// Whether the journal has grown so far beyond its content that it should be written anew.
    pub fn is_bloated(&self) -> bool {
        self.appended > 1_000 + self.closed.len()
    }

    /// The whole journal, for writing it anew.
    pub fn journal(&mut self, engine: &Engine) -> Vec<u8> {
        self.appended = 0;
        let mut out = Vec::new();
        for entry in &self.closed {
            if let Ok(incident) = serde_json::from_str(&entry.json) {
                journal::encode(&Line { closed: true, incident }, &mut out);
            }
        }
        for alert in engine.active() {
            journal::encode(&Line { closed: false, incident: Incident::open(alert.clone()) }, &mut out);
        }
        out
    }

    /// Forgets everything that is over.
    pub fn delete(&mut self, now: Time) {
        self.closed.clear();
        self.appended = 0;
        self.deleted_at = Some(now);
    }

    /// The entries a client asks for, newest first, as a JSON list.
    pub fn answer(&self, engine: &Engine, query: &Query) -> Vec<u8> {
        let resource = query.resource_id.as_deref().map(hash);
        let wanted = |start: Time, critical: bool, of: u64| {
            query.from.is_none_or(|from| start >= from)
                && query.to.is_none_or(|to| start <= to)
                && query.severity.is_none_or(|level| critical == (level == Level::Critical))
                && resource.is_none_or(|r| r == of)
        };
        let open = engine.open_incidents().filter(|a| self.deleted_at.is_none_or(|at| a.start_time > at));
        let open = open.filter(|a| wanted(a.start_time, a.level == Level::Critical.as_str(), hash(&a.resource_id)));
        let mut open: Vec<(Time, String)> =
            open.filter_map(|a| Some((a.start_time, serde_json::to_string(&a).ok()?))).collect();
        crate::order::sort_by_key(&mut open, |(start, _)| std::cmp::Reverse(*start));
        let closed = self.closed.iter().rev().filter(|e| wanted(e.start, e.critical, e.resource));
        let merged = Merge { open: open.into_iter().peekable(), closed: closed.peekable() };
        let mut out = vec![b'['];
        for (n, json) in merged.skip(query.offset).take(query.limit).enumerate() {
            if n > 0 {
                out.push(b',');
            }
            match json {
                Text::Open(json) => out.extend_from_slice(json.as_bytes()),
                Text::Closed(json) => out.extend_from_slice(json.as_bytes()),
            }
        }
        out.extend_from_slice(b"]\n");
        out
    }

    pub fn len(&self) -> usize {
        self.closed.len()
    }
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty()
    }
}

enum Text<'a> {
    Open(String),
    Closed(&'a str),
}

/// Two lists, each newest first, as one.
struct Merge<'a, I: Iterator<Item = &'a Entry>> {
    open: std::iter::Peekable<std::vec::IntoIter<(Time, String)>>,
    closed: std::iter::Peekable<I>,
}

impl<'a, I: Iterator<Item = &'a Entry>> Iterator for Merge<'a, I> {
    type Item = Text<'a>;
    fn next(&mut self) -> Option<Text<'a>> {
        let open_first = match (self.open.peek(), self.closed.peek()) {
            (Some((start, _)), Some(entry)) => *start >= entry.start,
            (open, _) => open.is_some(),
        };
        if open_first {
            return self.open.next().map(|(_, json)| Text::Open(json));
        }
        self.closed.next().map(|e| Text::Closed(&e.json))
    }
}

impl Incident {
    pub fn open(alert: Alert) -> Incident {
        Incident { alert, resolved_time: None, resolved_reason: String::new() }
    }
}

fn incident_of(resolved: &Resolved) -> Incident {
    let mut alert = resolved.alert.clone();
    alert.value = resolved.peak;
    alert.level = resolved.worst.as_str().to_owned();
    Incident { alert, resolved_time: Some(resolved.at), resolved_reason: resolved.why.as_str().to_owned() }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What is active and what is over after a start, from the journal and the file of active alerts.
pub struct Reconciled {
    pub active: Vec<Alert>,
    pub closed: Vec<Incident>,
    /// Those of `closed` that the file of active alerts still names: the process was killed in between.
    pub ended: Vec<Incident>,
}

/// The journal says what is over; of the rest both files know, and either may be the one that missed the last moment.
pub fn reconcile(journal: Vec<Line>, file: Vec<Alert>) -> Reconciled {
    let mut active: Vec<Alert> = Vec::new();
    let (mut closed, mut ended) = (Vec::new(), Vec::new());
    let mut keep = |alert: Alert| match active.iter_mut().find(|a: &&mut Alert| a.id == alert.id) {
        Some(other) if other.start_time < alert.start_time => *other = alert,
        Some(_) => {}
        None => active.push(alert),
    };
    let known: std::collections::HashSet<(String, Time)> =
        journal.iter().map(|l| (l.incident.alert.id.clone(), l.incident.alert.start_time)).collect();
    for line in journal {
        if line.closed {
            let over = &line.incident.alert;
            if file.iter().any(|a| a.id == over.id && a.start_time == over.start_time) {
                ended.push(line.incident.clone());
            }
            closed.push(line.incident)
        } else {
            keep(line.incident.alert)
        }
    }
    for alert in file {
        if !known.contains(&(alert.id.clone(), alert.start_time)) {
            keep(alert);
        }
    }
    Reconciled { active, closed, ended }
}

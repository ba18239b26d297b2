//! The queue: what is to be delivered where, when it is tried again, and what became of it. A pure state machine that
//! the owner holds: messages and outcomes go in, jobs and the bytes of `notify-queue` come out.

mod file;
mod log;
mod pace;

pub use log::{Entry, State, Try};

use super::job::{Job, Outcome, Retry, Sent, What};
use super::message::{Audience, Kind, Message};
use super::payload;
use super::settings::{Email, Settings, Webhook, masked_url};
use crate::model::{Now, Time};
use crate::order::{Map, Pairs, Set};
use file::Waiting;
use log::Log;
use pace::Pace;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Deliveries that may wait. A message to ten channels is ten.
const MOST_WAITING: usize = 2_000;
/// Deliveries on their way at once.
const MOST_IN_FLIGHT: usize = 8;
/// Tries in all, unless a channel says otherwise.
const TRIES: u32 = 3;
/// Before the second try; each further wait is four times as long.
const FIRST_WAIT_SECS: u64 = 5;
const LONGEST_WAIT_SECS: u64 = 600;
/// A receiver may ask for patience up to this.
const LONGEST_ASKED_SECS: u64 = 3_600;
/// News older than this are no news.
const TOO_OLD: Duration = Duration::from_secs(24 * 3600);
/// Events remembered, so that a restart does not tell them again.
const MOST_EVENTS: usize = 2_048;
/// How long after the start an event that was told before it is taken for a repetition.
const REPEATS_MS: u64 = 15 * 60_000;
/// Changes that may be told to the disk together.
const GATHER_MS: u64 = 2_000;
/// A disk that refused a write is left alone this long.
const REFUSED_MS: u64 = 10_000;

/// An attempt that has not come back after this long never will: its thread died.
const LOST_MS: u64 = 5 * 60_000;

/// An attempt on its way: which host it calls, and since when.
struct Flight {
    host: String,
    since_ms: u64,
}

/// What the heartbeat's last call came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeartbeatState {
    pub at: Time,
    pub status: u16,
    pub error: Option<String>,
}

/// See the module.
pub struct Notifier {
    /// In force.
    settings: Arc<Settings>,
    /// With the changes that are on their way to the disk.
    latest: Arc<Settings>,
    waiting: Map<u64, Waiting>,
    in_flight: Map<u64, Flight>,
    next_id: u64,
    pace: Pace,
    log: Log,
    /// Events told since the last start, oldest first, and those told before it.
    told: VecDeque<u64>,
    told_before: Set<u64>,
    started_ms: u64,
    heartbeat_due_ms: u64,
    heartbeat_running: bool,
    heartbeat: HeartbeatState,
    /// Since when the file is out of date, and whether it must not wait.
    changed_since_ms: Option<u64>,
    urgent: bool,
    /// When the file was last handed out.
    written_ms: Option<u64>,
    /// Writes that were handed out, those that ended, and whether the last of these failed.
    writes: u64,
    ended: u64,
    failing: bool,
    refused: u64,
}

impl Notifier {
    /// `file`: the content of `notify-queue`, if there is one. What was on its way when the process ended is tried again.
    pub fn new(settings: Arc<Settings>, file: Option<&[u8]>, now: Now) -> Notifier {
        let content = file.map(file::read).unwrap_or_default();
        if content.damaged > 0 {
            ::log::warn!("{} records of notify-queue were damaged and are left out", content.damaged);
        }
        let mut log = Log::default();
        content.entries.into_iter().for_each(|e| log.push(e));
        let latest = now.wall.plus(Duration::from_secs(LONGEST_ASKED_SECS));
        let waiting = content.waiting.into_iter().map(|mut w| {
            // A clock that was set back must not put a delivery off for years.
            w.due = w.due.min(latest);
            (w.id, w)
        });
        Notifier {
            latest: settings.clone(),
            settings,
            waiting: waiting.mapped(),
            in_flight: Map::new(),
            next_id: content.next.max(1),
            pace: Pace::default(),
            log,
            told: content.events.iter().copied().collect(),
            told_before: content.events.into_iter().collect(),
            started_ms: now.mono_ms,
            heartbeat_due_ms: now.mono_ms,
            heartbeat_running: false,
            heartbeat: HeartbeatState::default(),
            changed_since_ms: None,
            urgent: false,
            written_ms: None,
            writes: 0,
            ended: 0,
            failing: false,
            refused: 0,
        }
    }

    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// What every change starts from: the settings in force, with the changes that are on their way to the disk.
    pub fn latest(&self) -> &Arc<Settings> {
        &self.latest
    }

    /// Announces a change that is being written.
    pub fn stage(&mut self, next: Settings) {
        self.latest = Arc::new(next);
    }

    /// Parts of a staged change are durable and come into force, also for what waits already; or their write failed,
    /// and they never were.
    pub fn settle(&mut self, next: &Settings, parts: Parts, durable: bool, now: Now) {
        if durable {
            let mut settings = (*self.settings).clone();
            parts.copy(next, &mut settings);
            self.put(Arc::new(settings), now);
        } else {
            let mut latest = (*self.latest).clone();
            parts.copy(&self.settings, &mut latest);
            self.latest = Arc::new(latest);
        }
    }

    /// The files were changed by somebody else: these settings are in force now.
    pub fn replace_settings(&mut self, settings: Arc<Settings>, now: Now) {
        self.latest = settings.clone();
        self.put(settings, now);
    }

    fn put(&mut self, settings: Arc<Settings>, now: Now) {
        if settings.heartbeat != self.settings.heartbeat {
            self.heartbeat_due_ms = now.mono_ms;
        }
        self.settings = settings;
    }

    /// Takes in a message and decides which channels get it. What was told before the last start is not told again.
    pub fn enqueue(&mut self, message: Message, now: Now) {
        let repeats = now.mono_ms < self.started_ms + REPEATS_MS;
        let known = |m: &Message, item: &_| repeats && self.told_before.contains(&m.event_of(item));
        let Some(message) = message.only(|item| !known(&message, item)) else { return };
        for item in &message.items {
            self.told.push_back(message.event_of(item));
        }
        while self.told.len() > MOST_EVENTS {
            self.told.pop_front();
        }
        self.touch(now, true);
        if !self.settings.enabled {
            return;
        }
        let settings = self.settings.clone();
        if let Some(part) = for_mail(&settings, &message) {
            self.add("email", part, true, now);
        }
        for webhook in settings.webhooks.iter().filter(|w| w.enabled) {
            let Some(part) = for_webhook(&settings, webhook, &message) else { continue };
            let join = !payload::keeps_incidents(webhook);
            for part in payload::split(webhook, part) {
                self.add(&webhook.id, part, join, now);
            }
        }
    }

    /// Puts a message in the row of a channel, or into the one that waits there anyway.
    fn add(&mut self, channel: &str, message: Message, join: bool, now: Now) {
        let a_minute = self.a_minute(channel);
        if join && message.kind != Kind::Escalated {
            let in_flight = &self.in_flight;
            let in_row = |w: &Waiting| w.channel == channel && w.tries.is_empty() && !in_flight.contains_key(&w.id);
            // Each that waits will take a token.
            let free = self.pace.tokens(channel, a_minute, now.mono_ms) as usize;
            let same = |m: &Message| (m.kind, m.escalation) == (message.kind, message.escalation);
            if self.waiting.values().filter(|w| in_row(w)).count() >= free
                && let Some(row) = self.waiting.values_mut().find(|w| in_row(w) && same(&w.message))
            {
                Arc::make_mut(&mut row.message).join(&message);
                row.in_write = self.writes + 1;
                return;
            }
        }
        if self.waiting.len() >= MOST_WAITING {
            self.refused += 1;
            if self.refused.is_power_of_two() {
                ::log::error!("{} notifications were given up because {MOST_WAITING} are waiting", self.refused);
            }
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        let waiting = Waiting {
            id,
            channel: channel.to_owned(),
            message: Arc::new(message),
            created: now.wall,
            due: now.wall,
            tries: Vec::new(),
            in_write: self.writes + 1,
        };
        self.waiting.insert(id, waiting);
    }

    fn a_minute(&self, channel: &str) -> u32 {
        if channel == "email" { self.settings.email.rate_limit } else { 0 }
    }

    /// The attempts to make now. What came in is sent when it is durable, so that a crash repeats it under the same key;
    /// a disk that fails delays nothing. Each comes back through [`Notifier::done`], or the delivery is tried again after the
    /// next start.
    pub fn due(&mut self, now: Now) -> Vec<Job> {
        self.give_up_lost(now);
        let mut jobs = Vec::new();
        let ready: Vec<u64> = self
            .waiting
            .values()
            .filter(|w| w.due <= now.wall && (w.in_write <= self.ended || self.failing))
            .filter(|w| !self.in_flight.contains_key(&w.id))
            .map(|w| w.id)
            .collect();
        for id in ready {
            if self.in_flight.len() >= MOST_IN_FLIGHT {
                break;
            }
            if let Some(job) = self.attempt(id, now) {
                jobs.push(job);
            }
        }
        jobs
    }

    /// Attempts whose thread died count as failed.
    fn give_up_lost(&mut self, now: Now) {
        let lost = |f: &Flight| now.mono_ms >= f.since_ms + LOST_MS;
        let ids: Vec<u64> = self.in_flight.iter().filter(|(_, f)| lost(f)).map(|(id, _)| *id).collect();
        for delivery in ids {
            let sent = Sent::failed("the attempt did not come to an end", Retry::Later);
            self.done(Outcome { delivery, sent }, now);
        }
    }

    /// The attempt of one delivery, unless its host or channel has to wait or it has become pointless.
    fn attempt(&mut self, id: u64, now: Now) -> Option<Job> {
        let w = self.waiting.get(&id)?;
        if let Some(why) = self.pointless(w, now) {
            if let Some(w) = self.waiting.get_mut(&id) {
                w.tries.push(Try { at: now.wall, status: 0, error: Some(why.to_owned()) });
            }
            self.end(id, State::Failed, &Sent::failed(why, Retry::No), now);
            return None;
        }
        let w = self.waiting.get(&id)?;
        let (channel, message, first) = (w.channel.clone(), w.message.clone(), w.tries.is_empty());
        let webhook = self.settings.webhook(&channel).cloned();
        let host = match &webhook {
            Some(webhook) => host_of(&webhook.url),
            None => format!("smtp:{}", self.settings.email.server),
        };
        if !self.pace.host_is_free(&host, now.mono_ms) {
            return None;
        }
        let urgent = message.kind == Kind::Escalated || webhook.as_ref().is_some_and(payload::keeps_incidents);
        let paced = first && !urgent;
        let a_minute = self.a_minute(&channel);
        if paced && !self.pace.has_token(&channel, a_minute, now.mono_ms) {
            return None;
        }
        if paced {
            self.pace.take(&channel, a_minute, now.mono_ms);
        }
        self.pace.host_called(&host, now.mono_ms);
        self.in_flight.insert(id, Flight { host, since_ms: now.mono_ms });
        let what = match webhook {
            Some(webhook) => What::Webhook { webhook, message },
            None => What::Mail { email: self.settings.email.clone(), message },
        };
        Some(Job { delivery: id, at: now.wall, what })
    }

    /// Why a delivery no longer makes sense.
    fn pointless(&self, w: &Waiting, now: Now) -> Option<&'static str> {
        if !self.settings.enabled {
            return Some("notifications were switched off");
        }
        if now.wall.since(w.created) > TOO_OLD {
            return Some("it could not be delivered within a day");
        }
        match (w.channel.as_str(), self.settings.webhook(&w.channel)) {
            ("email", _) if !self.settings.email.enabled => Some("email notifications were switched off"),
            ("email", _) | (_, Some(Webhook { enabled: true, .. })) => None,
            (_, Some(_)) => Some("the webhook was switched off"),
            (_, None) => Some("the webhook was removed"),
        }
    }

    /// Takes in how an attempt went.
    pub fn done(&mut self, outcome: Outcome, now: Now) {
        let Outcome { delivery, sent } = outcome;
        if delivery == HEARTBEAT {
            return self.heartbeat_done(sent, now);
        }
        let Some(flight) = self.in_flight.remove(&delivery) else { return };
        let quiet = match sent.retry {
            Retry::AfterSecs(secs) => secs.min(LONGEST_ASKED_SECS),
            _ => 0,
        };
        self.pace.host_done(&flight.host, quiet, now.mono_ms);
        let Some(w) = self.waiting.get_mut(&delivery) else { return };
        w.tries.push(Try { at: now.wall, status: sent.status, error: sent.error.clone() });
        if sent.ok() {
            return self.end(delivery, State::Delivered, &sent, now);
        }
        let made = u32::try_from(w.tries.len()).unwrap_or(u32::MAX);
        let (tries, first_wait) = patience(&self.settings, &w.channel);
        if sent.retry == Retry::No || made >= tries {
            return self.end(delivery, State::Failed, &sent, now);
        }
        let wait = (first_wait << (2 * (made - 1)).min(16)).min(LONGEST_WAIT_SECS).max(quiet);
        w.due = now.wall.plus(Duration::from_secs(wait));
        self.touch(now, false);
    }

    /// A delivery came to its end: out of the queue, into the log.
    fn end(&mut self, id: u64, state: State, sent: &Sent, now: Now) {
        let Some(w) = self.waiting.remove(&id) else { return };
        let mut entry = self.entry(&w, state);
        entry.payload_size = sent.payload_bytes;
        entry.answer.clone_from(&sent.answer);
        if let (State::Failed, Some(error)) = (state, &sent.error) {
            ::log::warn!("failed to notify {} ({}) of {} alerts: {error}", entry.name, entry.target, entry.alert_count);
        }
        self.log.push(entry);
        self.touch(now, false);
    }

    /// Notes a test by hand, which was not in the queue.
    pub fn tried(&mut self, target: &Target, message: &Message, sent: &Sent, now: Now) {
        let state = if sent.ok() { State::Delivered } else { State::Failed };
        let mut entry = Entry {
            id: self.next_id,
            key: message.key.clone(),
            channel: target.channel.clone(),
            name: target.name.clone(),
            target: target.address.clone(),
            service: target.service.clone(),
            kind: message.kind,
            alert_ids: Vec::new(),
            alert_count: message.count(),
            created: message.at,
            tries: vec![Try { at: now.wall, status: sent.status, error: sent.error.clone() }],
            state,
            payload_size: sent.payload_bytes,
            answer: sent.answer.clone(),
        };
        entry.set_alert_ids(message.items.iter().map(|i| i.alert.id.as_str()));
        self.next_id += 1;
        self.log.push(entry);
        self.touch(now, false);
    }

    /// A delivery as the history shows it.
    fn entry(&self, w: &Waiting, state: State) -> Entry {
        let target = match self.settings.webhook(&w.channel) {
            Some(webhook) => Target::webhook(webhook),
            None if w.channel == "email" => Target::mail(&self.settings.email),
            None => Target { channel: w.channel.clone(), name: w.channel.clone(), ..Target::default() },
        };
        let mut entry = Entry {
            id: w.id,
            key: w.message.key.clone(),
            channel: target.channel,
            name: target.name,
            target: target.address,
            service: target.service,
            kind: w.message.kind,
            alert_ids: Vec::new(),
            alert_count: w.message.count(),
            created: w.created,
            tries: w.tries.clone(),
            state,
            payload_size: 0,
            answer: String::new(),
        };
        entry.set_alert_ids(w.message.items.iter().map(|i| i.alert.id.as_str()));
        entry
    }

    /// `GET /api/notifications/history`: newest first, what is on its way before what has ended.
    pub fn history(&self, limit: usize) -> Vec<Value> {
        let waiting = self.waiting.values().rev().map(|w| self.entry(w, State::Waiting).shown());
        waiting.chain(self.log.iter().rev().map(Entry::shown)).take(limit).collect()
    }

    /// `GET /api/notifications/webhook-history`.
    pub fn webhook_history(&self) -> Vec<Value> {
        self.log.webhook_history()
    }

    /// Deliveries that wait, are on their way, were refused since the start.
    pub fn counts(&self) -> (usize, usize, u64) {
        (self.waiting.len(), self.in_flight.len(), self.refused)
    }

    fn touch(&mut self, now: Now, urgent: bool) {
        self.changed_since_ms.get_or_insert(now.mono_ms);
        self.urgent |= urgent;
    }

    /// The new content of `notify-queue`, when it is time to write it: at once after news came in, soon after they were
    /// delivered, and never more often than every two seconds (until then the engine takes nobody for told).
    pub fn unsaved(&mut self, now: Now) -> Option<Vec<u8>> {
        let since = self.changed_since_ms?;
        let pause = if self.failing { REFUSED_MS } else { GATHER_MS };
        let wrote_lately = self.written_ms.is_some_and(|at| now.mono_ms < at + pause);
        if wrote_lately || (!self.urgent && now.mono_ms < since + GATHER_MS) {
            return None;
        }
        self.written_ms = Some(now.mono_ms);
        self.unsaved_finally()
    }

    /// The new content of the file, if anything changed: at the end of the process nothing is gathered any more.
    pub fn unsaved_finally(&mut self) -> Option<Vec<u8>> {
        self.changed_since_ms.take()?;
        self.urgent = false;
        self.writes += 1;
        Some(file::write(self.waiting.values(), self.log.iter(), self.told.iter().copied(), self.next_id))
    }

    /// A write of the file ended; one that failed is made again soon, whether anything changes or not. True: nothing that
    /// came in is missing on disk any more. While it is, what is due is sent all the same, and the engine takes nobody for
    /// told: after a crash it decides again, and people rather hear something twice than never.
    pub fn saved(&mut self, outcome: Result<(), &str>, now: Now) -> bool {
        self.ended = self.ended.saturating_add(1).min(self.writes);
        match outcome {
            Err(why) => {
                if !self.failing {
                    ::log::error!("{why}; notifications are sent, and a crash may repeat some");
                }
                self.touch(now, true);
            }
            Ok(()) if self.failing => ::log::info!("notify-queue is written again"),
            Ok(()) => {}
        }
        self.failing = outcome.is_err();
        self.is_safe()
    }

    /// Whether all that came in is on disk.
    pub fn is_safe(&self) -> bool {
        self.ended == self.writes && !self.urgent
    }

    /// Whether the heartbeat is to be sent; its summary is made only then.
    pub fn heartbeat_due(&self, now: Now) -> bool {
        self.settings.heartbeat.enabled && !self.heartbeat_running && now.mono_ms >= self.heartbeat_due_ms
    }

    /// The heartbeat's call.
    pub fn heartbeat(&mut self, summary: Value, now: Now) -> Job {
        self.heartbeat_running = true;
        self.heartbeat_due_ms = now.mono_ms + u64::from(self.settings.heartbeat.interval_minutes) * 60_000;
        let what = What::Heartbeat { heartbeat: self.settings.heartbeat.clone(), summary };
        Job { delivery: HEARTBEAT, at: now.wall, what }
    }

    fn heartbeat_done(&mut self, sent: Sent, now: Now) {
        self.heartbeat_running = false;
        match (&self.heartbeat.error, &sent.error) {
            (None, Some(error)) => ::log::warn!("failed to send the heartbeat: {error}"),
            (Some(_), None) => ::log::info!("the heartbeat is received again"),
            _ => {}
        }
        self.heartbeat = HeartbeatState { at: now.wall, status: sent.status, error: sent.error };
    }

    /// What the heartbeat's last call came to; its time is unset before the first.
    pub fn heartbeat_state(&self) -> &HeartbeatState {
        &self.heartbeat
    }
}

/// A channel as the history names it.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// `email` or the id of a webhook.
    pub channel: String,
    pub name: String,
    /// Without secrets.
    pub address: String,
    pub service: String,
}

impl Target {
    pub fn webhook(webhook: &Webhook) -> Target {
        Target {
            channel: webhook.id.clone(),
            name: webhook.name.clone(),
            address: masked_url(&webhook.url),
            service: webhook.service.clone(),
        }
    }
    pub fn mail(email: &Email) -> Target {
        let text = |t: &str| t.to_owned();
        Target { channel: text("email"), name: text("Email"), address: email.server.clone(), service: text("email") }
    }
}

/// Which of the two files a change touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// `email.enc`: mail, and what lives beside it.
    pub email: bool,
    /// `webhooks.enc`
    pub webhooks: bool,
}

impl Parts {
    fn copy(self, from: &Settings, to: &mut Settings) {
        if self.email {
            to.email = from.email.clone();
            to.enabled = from.enabled;
            to.routes.clone_from(&from.routes);
            to.heartbeat = from.heartbeat.clone();
        }
        if self.webhooks {
            to.webhooks.clone_from(&from.webhooks);
        }
    }
}

/// The delivery number of heartbeats and tests by hand, which are not in the queue.
const HEARTBEAT: u64 = 0;

/// Tries in all, and seconds before the second one.
fn patience(settings: &Settings, channel: &str) -> (u32, u64) {
    match settings.webhook(channel) {
        Some(webhook) if !webhook.retry_enabled => (1, FIRST_WAIT_SECS),
        Some(webhook) => (webhook.retry_count.map_or(TRIES, |n| n + 1), FIRST_WAIT_SECS),
        None => {
            let email = &settings.email;
            let tries = if email.max_retries == 0 { TRIES } else { email.max_retries };
            let wait = if email.retry_delay == 0 { FIRST_WAIT_SECS } else { u64::from(email.retry_delay) };
            (tries, wait)
        }
    }
}

/// What of a message goes out by mail.
fn for_mail(settings: &Settings, message: &Message) -> Option<Message> {
    let meant = matches!(message.audience, Audience::All | Audience::Mail | Audience::People);
    if !settings.email.enabled || !meant || message.kind == Kind::Acknowledged {
        return None;
    }
    message.only(|item| routed(settings, "email", item))
}

/// What of a message goes to a webhook.
fn for_webhook(settings: &Settings, webhook: &Webhook, message: &Message) -> Option<Message> {
    let incidents = payload::keeps_incidents(webhook);
    let meant = match message.audience {
        Audience::All | Audience::Webhooks => true,
        Audience::Incidents => incidents,
        Audience::People => !incidents,
        Audience::Mail => false,
    };
    if !meant || (message.kind == Kind::Acknowledged && !payload::takes_acknowledgements(webhook)) {
        return None;
    }
    message.only(|item| {
        let a = &item.alert;
        let resource_type = a.metadata.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        webhook.filter.wants(&a.level, &a.r#type, &a.node, resource_type) && routed(settings, &webhook.id, item)
    })
}

/// Whether the routes let an alert go to a channel.
fn routed(settings: &Settings, channel: &str, item: &crate::alerts::outgoing::Item) -> bool {
    let matching = |r: &&super::settings::Route| r.matches(&item.alert.level, &item.alert.instance, &item.tags);
    let mut any = false;
    for route in settings.routes.iter().filter(matching) {
        any = true;
        if route.channels.iter().any(|c| c == channel) {
            return true;
        }
    }
    !any
}

/// Host and port of an address.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase()
}

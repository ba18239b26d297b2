//! Everything that changes, in one place. Handlers get it by `&mut`, on the owner's thread, so no lock is needed.

use super::alerting::Polled;
use super::connections::{Connections, Key};
use super::jobs::Jobs;
use super::pollers::Pollers;
use super::publish::Publisher;
use super::{Answer, apply};
use crate::alerts::Alerts;
use crate::config;
use crate::history::History;
use crate::http::socket::Hub;
use crate::http::{Response, Shared};
use crate::model::{Now, State, Time};
use crate::order::Map;
use crate::poll::Report;
use crate::poll::derive::backup::LastBackups;
use crossbeam_channel::Sender;
use std::collections::HashMap;
use std::sync::Arc;

pub struct Core {
    /// The moment of the event being handled.
    pub now: Now,
    /// When the process started.
    pub started: Now,
    pub state: State,
    pub connections: Connections,
    pub jobs: Jobs,
    pub pollers: Pollers,
    pub publisher: Publisher,
    last_backups: LastBackups,
    /// How many guests the index above was made for.
    backups_of: usize,
    /// Connections whose lists of backups grew too old to be shown, and what was known by then: a backup that was made
    /// was made, although nobody can look at it now.
    pub(super) backups_remembered: Map<Key, HashMap<(String, i64), Time>>,
    pub config: config::Live,
    pub hub: Hub,
    pub history: History,
    pub doors: crate::auth::Doors,
    pub alerts: Alerts,
    pub notify: crate::notify::Notifier,
    /// Codes given out for hosts that register themselves.
    pub setup: crate::setup::Codes,
    pub updates: crate::update::Remembered,
    pub exports: super::Exports,
    pub discovery: crate::discover::Discovery,
}

impl Core {
    /// An owner without connections, at `now`.
    pub fn new(now: Now, jobs: Jobs) -> Core {
        let mut state = State { last_update: now.wall, ..State::default() };
        state.stats.start_time = now.wall;
        state.stats.version = "2.0.0-go".to_owned();
        Core {
            now,
            started: now,
            state,
            connections: Connections::default(),
            pollers: Pollers::new(jobs.events()),
            jobs,
            publisher: Publisher::default(),
            last_backups: LastBackups::default(),
            backups_of: 0,
            backups_remembered: Map::new(),
            config: config::Live::default(),
            hub: Hub::default(),
            history: History::new(),
            doors: crate::auth::Doors::default(),
            alerts: Alerts::default(),
            notify: crate::notify::Notifier::new(std::sync::Arc::default(), None, now),
            setup: crate::setup::Codes::default(),
            updates: crate::update::Remembered::default(),
            exports: super::Exports::default(),
            discovery: crate::discover::Discovery::default(),
        }
    }

    /// Seconds since the process started.
    pub fn uptime_secs(&self) -> f64 {
        (self.now.mono_ms - self.started.mono_ms) as f64 / 1000.0
    }

    /// Takes in a finished cycle.
    pub fn report(&mut self, mut report: Report) {
        if !self.connections.note(&mut report) {
            return;
        }
        if let Some(past) = report.past.take() {
            self.history.take_past(&report.instance, &past);
        }
        self.note_members(&report);
        let answered = report.reachable.then(|| (report.kind, report.instance.clone()));
        let polled = Polled::of(&report);
        self.remember_backups(&report);
        let backups_changed = apply::report(&mut self.state, report);
        self.date_backups(backups_changed);
        if let Some((kind, instance)) = answered {
            self.remember(kind, &instance);
        }
        self.publisher.touch(self.now);
        self.note_poll(&polled);
    }

    /// Before lists lose what is too old to be shown.
    fn remember_backups(&mut self, report: &Report) {
        let slow = &report.slow;
        if slow.storage_backups.is_none() && slow.pbs_backups.is_none() {
            return;
        }
        let key = (report.kind, report.instance.clone());
        if !slow.backups_aged {
            self.backups_remembered.remove(&key);
            return;
        }
        let known = self.state.guests().filter(|g| g.last_backup.is_set());
        let known = known.map(|g| ((g.instance.clone(), g.vmid), g.last_backup)).collect();
        self.backups_remembered.insert(key, known);
    }

    /// Sets each guest's last backup. The index is made anew only when backups or the set of guests changed.
    fn date_backups(&mut self, backups_changed: bool) {
        let state = &mut self.state;
        let count = state.vms.len() + state.containers.len();
        if backups_changed || count != self.backups_of {
            let pve = &state.pve_backups;
            self.last_backups =
                LastBackups::of(state.guests(), &pve.backup_tasks, &pve.storage_backups, &state.pbs_backups);
            self.backups_of = count;
        }
        for guest in state.vms.iter_mut().chain(&mut state.containers) {
            let remembered =
                self.backups_remembered.values().filter_map(|of| of.get(&(guest.instance.clone(), guest.vmid)));
            let last = remembered.copied().fold(self.last_backups.last(guest), Time::max);
            if guest.last_backup != last {
                guest.last_backup = last;
            }
        }
    }

    /// Drops what belongs to connections that are no longer configured.
    pub fn forget(&mut self, gone: &[Key]) {
        for (kind, name) in gone {
            apply::forget(&mut self.state, *kind, name);
            self.backups_remembered.remove(&(*kind, name.clone()));
        }
        if !gone.is_empty() {
            self.publisher.urge();
        }
    }

    /// The bytes of `/api/state`, from memory.
    pub fn state_json(&mut self) -> Arc<Shared> {
        self.settle();
        self.publisher.state_json(&self.state)
    }

    /// Brings the figures that follow from others up to date.
    pub(crate) fn settle(&mut self) {
        let (sent, failed) = self.connections.requests();
        let p = &mut self.state.performance;
        p.total_api_calls = i64::try_from(sent).unwrap_or(i64::MAX);
        p.failed_api_calls = i64::try_from(failed).unwrap_or(i64::MAX);
        p.last_poll_duration = self.connections.slowest_cycle_secs();
        let by_name = self.connections.cycle_secs();
        p.api_call_duration = if by_name.is_empty() { None } else { Some(by_name) };
    }

    /// Sends an answer to who waits for it, or hands its work to the job threads.
    pub fn finish(&mut self, answer: Answer, reply: Option<Sender<Response>>) {
        match answer {
            Answer::Now(response) => {
                if let Some(reply) = reply {
                    let _ = reply.send(response);
                }
            }
            Answer::Later(task) => self.jobs.submit(task, reply),
            Answer::Heavy(task) => self.jobs.submit_heavy(task, reply),
            Answer::Save(changes, then) => self.save_and_finish(changes, then, reply),
        }
    }
}

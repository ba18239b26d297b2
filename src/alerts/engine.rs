//! The engine: previous alerts, configuration, state and now → transitions and what is to be told.
//! It owns all of that, reads no clock and no file, and costs comparisons when nothing happens.

use super::backups::Backups;
use super::book::{Book, Ended, Moment};
use super::check::{Check, Kind};
use super::config::Config;
use super::inspect::View;
use super::instances::{Instances, Poll, Source};
use super::memory::{Cleared, Memory};
use super::orphan::Orphan;
use super::outgoing::Outgoing;
use super::round::{Round, down_nodes, others};
use super::settings::Settings;
use super::subject::Subject;
use super::telling::{self, SentTimes, Teller, Telling};
use super::transition::{Transition, Why};
use super::watch::{Judge, Key, Phase, Watch, level_of};
use crate::model::{Alert, AlertBrief, Now, ResolvedAlert, State};
use crate::order::{Map, Pairs};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Good polls of its connection after which an absent resource is gone (contract state.md 8.4, row 67).
const GONE_AFTER_POLLS: u64 = 3;

/// What comes of a step.
#[derive(Debug, Default)]
pub struct Step {
    pub transitions: Vec<Transition>,
    pub outgoing: Vec<Outgoing>,
    /// What must survive a restart changed: `Engine::memory` and the active alerts are to be written.
    pub save: bool,
    /// The lists inside the state document changed.
    pub shown: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Engine {
    config: Arc<Config>,
    /// Counts configurations; part of what settings are made of.
    generation: u64,
    /// Settings of guests can change with their figures.
    rules_on_figures: bool,
    unverified_watched: bool,
    instances: Instances,
    backups: Backups,
    backups_stale: bool,
    guests: HashMap<(u32, i64), Watch>,
    others: HashMap<Kind, HashMap<String, Watch>>,
    book: Book,
    teller: Teller,
    /// Alerts of before the start whose resource was not seen yet, and those cleared by hand.
    orphans: Vec<Orphan>,
    /// Settings equal ones share.
    shared: Vec<Arc<Settings>>,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new(Config::fresh("UTC"))
    }
}

impl Engine {
    pub fn new(config: Config) -> Engine {
        let mut engine = Engine {
            config: Arc::new(config.clone()),
            generation: 0,
            rules_on_figures: false,
            unverified_watched: false,
            instances: Instances::default(),
            backups: Backups::default(),
            backups_stale: true,
            guests: HashMap::new(),
            others: HashMap::new(),
            book: Book::default(),
            teller: Teller::default(),
            orphans: Vec::new(),
            shared: Vec::new(),
        };
        engine.set_config(config);
        engine
    }

    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Another configuration from now on. By itself it neither raises nor ends anything: what follows from it is found
    /// at the next poll of each resource.
    pub fn set_config(&mut self, config: Config) {
        let setting = |c: &super::limit::Checks| c.get(Check::BackupUnverified.name()).and_then(|s| s.enabled);
        let layers = config.overrides.values().map(|o| &o.checks);
        let rules = config.custom_rules.iter().flatten();
        self.rules_on_figures = rules.clone().any(|r| r.looks_at_figures());
        self.unverified_watched = layers
            .chain(rules.map(|r| &r.thresholds.checks))
            .chain([&config.checks, &config.guest_defaults.checks])
            .any(|c| setting(c) == Some(true));
        self.teller.set_schedule(&config.schedule);
        self.config = Arc::new(config);
        self.generation += 1;
        self.shared.clear();
        self.backups_stale = true;
    }

    /// Takes in what was active before the start. Nothing is told of it again.
    pub fn restore(&mut self, alerts: Vec<Alert>, memory: Option<Memory>, now: Now) {
        let known = memory.is_some();
        let memory = memory.unwrap_or_default();
        for alert in alerts {
            let Some(check) = Check::parse(&alert.r#type) else { continue };
            let told = memory.alerts.get(&alert.id).filter(|told| told.is_of(alert.start_time));
            let told = told.map(|told| Telling { start: None, ..*told });
            let telling = told.unwrap_or_else(|| match known {
                // Raised in the moment of a crash: nobody can have been told.
                true => Telling::owed(),
                false => Telling::told(level_of(&alert.level)),
            });
            self.orphans.push(Orphan::of(&alert, check));
            self.book.restore(alert, check, telling, now);
        }
        self.orphans.extend(memory.cleared.iter().filter_map(Orphan::cleared));
        let sent = memory.sent.iter().map(|(id, times)| (id.clone(), telling::from_wall(times, now))).mapped();
        self.teller.restore(sent, memory, now);
    }

    /// What a restart must know besides the alerts themselves.
    pub fn memory(&self, now: Now) -> Memory {
        let watches = self.guests.values().chain(self.others.values().flat_map(HashMap::values));
        let mut cleared: Vec<Cleared> = watches.flat_map(Watch::cleared).cloned().collect();
        cleared.extend(self.orphans.iter().filter(|o| o.cleared).map(Orphan::to_cleared));
        crate::order::sort_by(&mut cleared, |a, b| a.id.cmp(&b.id));
        Memory {
            alerts: self.book.iter().map(|a| (a.alert.id.clone(), a.remembered_telling())).mapped(),
            cleared,
            sent: self.teller.sent().iter().map(|(id, times)| (id.clone(), telling::to_wall(times, now))).mapped(),
            held: self.teller.held().to_vec(),
            ending: self.teller.ending(),
        }
    }

    /// When messages went out, by alert.
    pub(super) fn sent(&self) -> &Map<String, SentTimes> {
        self.teller.sent()
    }

    /// Exactly these connections are configured. What belongs to others ends.
    pub fn expect(&mut self, wanted: &[Source], state: &State, now: Now) {
        self.instances.expect(wanted);
        let instances = &self.instances;
        let book = &mut self.book;
        let moment = Moment { now, state };
        let mut keep = |watch: &mut Watch| {
            let keep = instances.is_expected(watch.key.instance());
            if !keep {
                watch.end(book, &moment, Why::Gone);
            }
            keep
        };
        self.guests.retain(|_, w| keep(w));
        for list in self.others.values_mut() {
            list.retain(|_, w| keep(w));
        }
        self.orphans.retain(|o| {
            let known = o.number(instances).is_some_and(|n| instances.is_expected(n));
            if !known {
                o.end(book, &moment);
            }
            known
        });
        self.backups_stale = true;
    }

    /// A poll of a connection has been applied to the state.
    pub fn polled(&mut self, poll: &Poll) {
        self.backups_stale |= self.instances.polled(poll);
    }

    /// A placeholder stands for all that a connection had, since its credentials are refused: what is absent from this
    /// poll is as good as gone, although nothing answers.
    pub fn replaced(&mut self, source: Source) {
        self.instances.replaced(source);
    }

    /// Looks at everything that was polled since the last step, and decides what is told now.
    pub fn step(&mut self, state: &State, now: Now) -> Step {
        if self.config.enabled && self.instances.any_fresh() {
            self.sweep(state, now);
        }
        self.instances.looked();
        self.finish(now)
    }

    fn finish(&mut self, now: Now) -> Step {
        let config = self.config.clone();
        self.book.age(now, Duration::from_secs_f64((config.suppression_window * 60.0).clamp(0.0, 86_400.0)));
        let outgoing = self.teller.step(&mut self.book, &config, now);
        let transitions = self.book.take_transitions();
        let save = !transitions.is_empty() | self.teller.take_changed() | self.book.take_forgot();
        Step { save, shown: self.book.take_changed(), transitions, outgoing }
    }

    fn sweep(&mut self, state: &State, now: Now) {
        if std::mem::take(&mut self.backups_stale) {
            self.backups = Backups::of(state, &self.instances, self.unverified_watched);
        }
        let down = down_nodes(state, &self.instances);
        let suppression_ms = (self.config.suppression_window * 60_000.0).clamp(0.0, 86_400_000.0) as u64;
        let mut round = Round {
            config: &self.config,
            generation: self.generation,
            rules_on_figures: self.rules_on_figures,
            view: View {
                state,
                now: now.wall,
                instances: &self.instances,
                backups: &self.backups,
                down: &down,
                all_pbs_known: self.instances.all_pbs_backups_known(),
            },
            judge: Judge {
                book: &mut self.book,
                moment: Moment { now, state },
                minimum_delta: self.config.minimum_delta,
                suppression_ms,
            },
            orphans: &mut self.orphans,
            shared: &mut self.shared,
            nodes: HashMap::new(),
        };
        for guest in state.guests().filter(|g| !g.template) {
            round.guest(&mut self.guests, guest);
        }
        others(state, |subject| round.other(&mut self.others, subject));
        self.drop_absent(&Moment { now, state });
    }

    /// Ends what was not seen in several good polls of its connection.
    fn drop_absent(&mut self, moment: &Moment) {
        let (instances, book) = (&self.instances, &mut self.book);
        let mut keep = |watch: &mut Watch| {
            let polls = instances.get(watch.key.instance()).map_or(0, |i| i.polls);
            let keep = polls < watch.seen_at.saturating_add(GONE_AFTER_POLLS);
            if !keep {
                watch.end(book, moment, Why::Gone);
            }
            keep
        };
        self.guests.retain(|_, w| keep(w));
        for list in self.others.values_mut() {
            list.retain(|_, w| keep(w));
        }
        self.orphans.retain(|orphan| {
            let gone = orphan.number(instances).and_then(|n| instances.get(n)).is_some_and(|instance| {
                instance.fresh && instance.polls >= GONE_AFTER_POLLS && orphan.list_known(instance.known)
            });
            if gone {
                orphan.end(book, moment);
            }
            !gone
        });
    }

    /// Takes note that somebody looks after it. False: no such alert is active.
    pub fn acknowledge(&mut self, id: &str, user: &str, now: Now) -> bool {
        let Some(active) = self.book.get_mut(id) else { return false };
        active.alert.acknowledged = true;
        active.alert.ack_time = Some(now.wall);
        active.alert.ack_user = user.to_owned();
        let transition = Transition::Acknowledged(active.alert.clone());
        self.book.push(transition);
        true
    }

    /// Takes an acknowledgement back. False: no such alert is active.
    pub fn unacknowledge(&mut self, id: &str) -> bool {
        let Some(active) = self.book.get_mut(id) else { return false };
        active.alert.acknowledged = false;
        active.alert.ack_time = None;
        active.alert.ack_user.clear();
        active.telling.taken_back(active.level);
        let transition = Transition::Unacknowledged(active.alert.clone());
        self.book.push(transition);
        true
    }

    /// Ends an alert by hand; it comes back only after its condition was once false. False: no such alert is active.
    pub fn clear(&mut self, id: &str, now: Now) -> bool {
        let Some(active) = self.book.get(id) else { return false };
        let (check, key) = (active.check, active.key.clone());
        let cleared = Cleared::of(&active.alert);
        match key.and_then(|key| self.watch_mut(&key)) {
            Some(watch) => watch.set(check, Phase::Cleared(Box::new(cleared))),
            None => {
                for orphan in self.orphans.iter_mut().filter(|o| o.id == id) {
                    orphan.cleared = true;
                }
            }
        }
        self.book.end_at(id, now, Ended { why: Why::Cleared, value: None });
        true
    }

    fn watch_mut(&mut self, key: &Key) -> Option<&mut Watch> {
        match key {
            Key::Guest(instance, vmid) => self.guests.get_mut(&(*instance, *vmid)),
            Key::Other(_, kind, id) => self.others.get_mut(kind)?.get_mut(id),
        }
    }

    /// Something is active, being gathered or held: time alone can change what is told.
    pub fn has_work(&self) -> bool {
        !self.book.is_empty() || self.teller.has_work()
    }

    /// Milliseconds until time alone may change what is told.
    pub(super) fn due_in_ms(&self, now: Now) -> i64 {
        self.teller.due_in_ms(&self.book, &self.config, now)
    }

    /// The active alerts, newest first.
    pub fn active(&self) -> Vec<&Alert> {
        self.book.sorted().into_iter().map(|a| &a.alert).collect()
    }
    /// The active alert of that id.
    pub fn get(&self, id: &str) -> Option<&Alert> {
        self.book.get(id).map(|a| &a.alert)
    }
    /// The active alerts as the history shows them: with their worst value and level.
    pub fn open_incidents(&self) -> impl Iterator<Item = Alert> {
        self.book.iter().map(|a| Alert { value: a.peak, level: a.worst.as_str().to_owned(), ..a.alert.clone() })
    }
    /// `activeAlerts` of the state document.
    pub fn briefs(&self) -> Vec<AlertBrief> {
        self.book.sorted().into_iter().map(|a| AlertBrief::from(&a.alert)).collect()
    }
    /// `recentlyResolved` of the state document.
    pub fn recent(&self) -> Vec<ResolvedAlert> {
        self.book.recent()
    }

    /// An active alert and how far it is told.
    pub(super) fn telling(&self, id: &str) -> Option<(&Alert, Telling)> {
        self.book.get(id).map(|a| (&a.alert, a.telling))
    }
    /// The watch of a resource.
    pub(super) fn watch(&self, number: u32, subject: Subject) -> Option<&Watch> {
        match subject {
            Subject::Guest(g) => self.guests.get(&(number, g.vmid)),
            _ => self.others.get(&subject.kind())?.get(subject.resource_id().as_ref()),
        }
    }
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts { instances: &self.instances, backups: &self.backups }
    }
}

/// What `explain` looks with.
pub(super) struct Parts<'a> {
    pub instances: &'a Instances,
    pub backups: &'a Backups,
}

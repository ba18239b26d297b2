//! The room as the owner holds it: the engine, the history and the way to the disk, kept in step.

use super::config::Config;
use super::disk::{self, Disk, Written};
use super::engine::{Engine, Step};
use super::history::{History, Query, reconcile};
use super::journal::{self, Incident};
use super::ledger::Ledger;
use super::memory::Memory;
use super::transition::Why;
use crate::config::Kept;
use crate::model::{Alert, Now, State, Time};
use std::path::Path;

/// How often old entries are looked for.
const AGE_EVERY_MS: u64 = 3_600_000;
/// How often the file of active alerts is written while they change. It is for 4.9 and for those who look: what a start
/// must know is in the journal and the memory at once.
const ACTIVE_EVERY_MS: u64 = 15 * 60_000;

/// See the module.
pub struct Alerts {
    /// What is configured, and what is on its way to the disk.
    pub config: Kept<Config>,
    pub engine: Engine,
    pub history: History,
    disk: Disk,
    aged_ms: u64,
    ledger: Ledger,
    /// The memory changed and is not written.
    unsaved: bool,
    /// The active alerts changed and their file is not written; when it was, on the monotonic clock.
    active_unsaved: bool,
    active_saved_ms: Option<u64>,
    /// Messages were handed over that are not safe yet: who was told is saved only after them. A crash in between makes
    /// the next start decide again, and nothing is lost.
    handed_over: bool,
}

impl Default for Alerts {
    /// Nothing is kept on a disk.
    fn default() -> Alerts {
        let engine = Engine::default();
        Alerts {
            config: Kept::new(Config::clone(engine.config())),
            engine,
            history: History::default(),
            disk: Disk::nowhere(),
            aged_ms: 0,
            ledger: Ledger::default(),
            unsaved: false,
            active_unsaved: false,
            active_saved_ms: None,
            handed_over: false,
        }
    }
}

impl Alerts {
    /// Reads what a former process left in the data directory and starts the thread that writes there. Blocks: for the
    /// start only. What is wrong with the files comes back for the log.
    pub fn open(config: Config, data_dir: &Path, now: Now) -> (Alerts, Vec<String>) {
        let files = disk::read(data_dir);
        let mut problems = files.problems;
        let disk = Disk::start(data_dir).unwrap_or_else(|e| {
            problems.push(format!("failed to start writing alerts: {e}"));
            Disk::nowhere()
        });
        let mut note = |name: &str, why: String| problems.push(format!("failed to read alerts/{name}: {why}"));
        let active = files.active.map(|bytes| journal::decode_active(&bytes));
        let active = active.transpose().unwrap_or_else(|e| {
            note(disk::ACTIVE, e);
            None
        });
        let memory = files.memory.map(|bytes| Memory::read(&bytes));
        let mut memory = memory.transpose().unwrap_or_else(|e| {
            note(disk::MEMORY, e);
            None
        });
        let no_memory = memory.is_none();
        let fresh_journal = files.journal.is_none();
        let decoded = journal::decode(files.journal.as_deref().unwrap_or_default());
        if decoded.broken > 0 {
            note(disk::JOURNAL, format!("{} broken lines were left out", decoded.broken));
        }
        let rewrite = fresh_journal || decoded.broken > 0 || decoded.replaced > decoded.lines.len();
        let mut reconciled = reconcile(decoded.lines, active.unwrap_or_default());
        for bytes in files.old_history.iter().take(1) {
            match journal::decode_old_history(bytes) {
                Ok(old) => reconciled.closed.extend(over(old, &reconciled.active)),
                Err(e) => note(disk::OLD_HISTORY[0], e),
            }
        }
        if let Some(memory) = &mut memory {
            let named = |i: &Incident| reconciled.ended.contains(i);
            let told = |i: &&Incident| {
                let told = memory.alerts.get(&i.alert.id);
                told.is_some_and(|told| told.start.map_or_else(|| named(i), |start| start == i.alert.start_time))
            };
            let ended: Vec<Incident> = reconciled.closed.iter().filter(told).cloned().collect();
            for incident in ended {
                let at = incident.resolved_time.unwrap_or(now.wall);
                let by_hand = incident.resolved_reason == Why::Cleared.as_str();
                memory.end(incident.alert, at, config.schedule.notify_on_resolve && !by_hand);
            }
        }
        let kept = Kept::new(config.clone());
        let mut alerts = Alerts { config: kept, engine: Engine::new(config), disk, ..Alerts::default() };
        for incident in &reconciled.closed {
            alerts.history.close(incident);
        }
        alerts.history.age(now.wall);
        alerts.engine.restore(reconciled.active, memory, now);
        if no_memory {
            // Before the first transition: from here on an alert that it does not name is one that nobody was told of.
            alerts.save(now);
        }
        if rewrite {
            alerts.rewrite();
        }
        (alerts, problems)
    }

    /// The configuration that is kept counts from now on.
    pub fn put_config_in_force(&mut self) {
        self.engine.set_config(Config::clone(self.config.get()));
    }

    /// Somebody else changed the file: that counts, unless a change of ours is about to replace it.
    pub fn replace_config(&mut self, config: Config) {
        if self.config.replace(config) {
            self.put_config_in_force();
        }
    }

    /// Looks, decides, and keeps what came of it.
    pub fn step(&mut self, state: &State, now: Now) -> Step {
        let step = self.engine.step(state, now);
        let mut lines = Vec::new();
        for transition in &step.transitions {
            self.history.note(transition, &mut lines);
        }
        self.disk.append(lines);
        self.unsaved |= step.save | self.disk.take_torn().then(|| self.ledger.lost()).is_some();
        self.active_unsaved |= !step.transitions.is_empty();
        self.handed_over |= !step.outgoing.is_empty();
        if self.unsaved && !self.handed_over {
            self.save(now);
        }
        let since_ms = self.active_saved_ms.map(|at| now.mono_ms.saturating_sub(at));
        if self.active_unsaved && since_ms.is_none_or(|since| since >= ACTIVE_EVERY_MS) {
            self.save_active();
            self.active_saved_ms = Some(now.mono_ms);
        }
        if now.mono_ms >= self.aged_ms.saturating_add(AGE_EVERY_MS) {
            self.aged_ms = now.mono_ms;
            self.history.age(now.wall);
        }
        if self.history.is_bloated() || self.disk.is_behind() {
            self.rewrite();
        }
        step
    }

    /// All messages that were handed over survive a crash now.
    pub fn messages_are_safe(&mut self, now: Now) {
        self.handed_over = false;
        if self.unsaved {
            self.save(now);
        }
    }

    /// Deletes the history, in memory and on disk.
    pub fn delete_history(&mut self, now: Time) {
        self.history.delete(now);
        let journal = self.history.journal(&self.engine);
        self.disk.delete(journal);
        // It must not name what the journal has forgotten.
        self.save_active();
    }

    /// At the end of the process: whoever reads the file of active alerts next finds those of now.
    pub fn finish(&mut self) {
        if self.active_unsaved {
            self.save_active();
        }
    }

    /// The entries a client asks for, as a JSON list.
    pub fn history(&self, query: &Query) -> Vec<u8> {
        self.history.answer(&self.engine, query)
    }

    /// What was given to the disk since the start, for budgets.
    pub fn written(&self) -> Written {
        self.disk.written()
    }

    fn save(&mut self, now: Now) {
        let change = self.ledger.write(&self.engine, now);
        self.unsaved = !self.disk.memory(change);
        if self.unsaved {
            self.ledger.lost();
        }
    }

    fn save_active(&mut self) {
        let active = serde_json::to_vec_pretty(&self.engine.active()).unwrap_or_default();
        self.active_unsaved = !self.disk.active(active);
    }

    fn rewrite(&mut self) {
        let journal = self.history.journal(&self.engine);
        self.disk.rewrite(journal);
    }
}

/// 4.9's entries that are not active any more. Nobody knows when they ended.
fn over(old: Vec<Alert>, active: &[Alert]) -> Vec<Incident> {
    let is_active = |a: &Alert| active.iter().any(|b| b.id == a.id && b.start_time == a.start_time);
    old.into_iter().filter(|a| !is_active(a)).map(Incident::open).collect()
}

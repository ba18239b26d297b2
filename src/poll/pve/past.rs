//! Asks PVE once for what it recorded before Pulse was there (`rrddata`), so that charts begin full: beside the cycles, one
//! subject after the other, the last hour of all first. A host that is slow is asked slowly.

use super::PvePoll;
use crate::history::past::{Batch, Piece, Recorded, Stage, pieces};
use crate::history::{Key, Kind};
use crate::model::Now;
use crate::poll::derive::guest::Sort;
use crate::poll::lane::{Done, Lane};
use crate::poll::report::Progress;
use crate::poll::worker::Clock;
use crate::proxmox::pve::PastItem;
use crate::proxmox::{Client, Error, List, segment};
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Questions between two cycles.
const ASKS: usize = 60;
/// The host gets at least this pause after each answer, and at least as long as the answer took.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);
/// A day by the minute is 600 kB.
const ANSWER_BYTES: usize = 4 << 20;
const TRIES: u8 = 3;
/// So many refusals and not one answer: it is not to be had.
const REFUSALS: usize = 5;
/// Blocks of the history should be few: so much is told at once. The last hour is told at once.
const BATCH_BYTES: usize = 512 << 10;
const KIND: &str = "rrddata";

/// Whose past it is, and where it lies.
#[derive(Debug)]
struct Subject {
    key: Key,
    node: String,
    /// Below `nodes/{node}/`, without `rrddata`; empty for the node itself.
    path: String,
}

#[derive(Debug, Clone)]
struct Ask {
    subject: Arc<Subject>,
    stage: Stage,
    began_secs: i64,
    tries: u8,
}

/// What came, and the seconds it took.
type Answer = (Result<Vec<Piece>, Error>, f64);

/// How far the past of one connection is known.
pub(super) struct Past {
    lane: Lane<Ask, Answer>,
    /// Stages that are complete, all when it is given up.
    finished: usize,
    began_secs: i64,
    /// Empty before the first question.
    subjects: Vec<Arc<Subject>>,
    /// The stage and the subject that are asked for next.
    next: (usize, usize),
    again: VecDeque<Ask>,
    /// Subjects of each stage that were not answered yet.
    left: [usize; Stage::ALL.len()],
    answered: usize,
    refused: usize,
    batch: Batch,
    batch_bytes: usize,
}

impl Past {
    /// `finished`: so many stages were completed earlier.
    pub fn new(finished: usize) -> Past {
        Past {
            lane: Lane::new(),
            finished,
            began_secs: 0,
            subjects: Vec::new(),
            next: (finished, 0),
            again: VecDeque::new(),
            left: [0; Stage::ALL.len()],
            answered: 0,
            refused: 0,
            batch: Batch::default(),
            batch_bytes: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.finished >= Stage::ALL.len()
    }

    /// What is to be told now.
    pub fn tell(&mut self) -> Option<Batch> {
        let soon = self.finished == 0 && !self.batch.subjects.is_empty();
        if !soon && self.batch.complete.is_none() && self.batch_bytes < BATCH_BYTES {
            return None;
        }
        self.batch_bytes = 0;
        Some(std::mem::take(&mut self.batch))
    }

    /// `None` when there is nothing to be asked (any more).
    pub fn progress(&self) -> Option<Progress> {
        let total = Stage::ALL.len() * self.subjects.len();
        let left: usize = self.left.iter().sum();
        (total > 0 && !self.is_over()).then(|| Progress { done: total.saturating_sub(left), total })
    }

    fn begin(&mut self, subjects: Vec<Arc<Subject>>, now: Now) {
        self.began_secs = now.unix_secs();
        for left in self.left.iter_mut().skip(self.finished) {
            *left = subjects.len();
        }
        self.subjects = subjects;
    }

    /// The next questions: what failed before, then on from where the last ones ended.
    fn asks(&mut self) -> Vec<Ask> {
        let few = ASKS.min(self.again.len());
        let mut asks: Vec<Ask> = self.again.drain(..few).collect();
        while asks.len() < ASKS
            && let Some(stage) = Stage::ALL.get(self.next.0).copied()
        {
            match self.subjects.get(self.next.1) {
                Some(subject) => {
                    asks.push(Ask { subject: subject.clone(), stage, began_secs: self.began_secs, tries: 0 });
                    self.next.1 += 1;
                }
                None => self.next = (self.next.0 + 1, 0),
            }
        }
        asks
    }

    /// Takes an answer in; the error when the past as a whole is not to be had.
    fn take(&mut self, done: Done<Ask, Answer>) -> Result<(), Error> {
        let mut ask = done.ask;
        let error = match done.result.map(|(result, _)| result) {
            Some(Ok(pieces)) => {
                self.answered += 1;
                self.batch_bytes += pieces.iter().map(Piece::bytes).sum::<usize>();
                self.batch.subjects.push((ask.subject.key.clone(), pieces));
                None
            }
            Some(Err(error)) if is_refusal(&error) => {
                self.refused += 1;
                Some(error)
            }
            other => {
                ask.tries += 1;
                if ask.tries < TRIES {
                    self.again.push_back(ask);
                    return Ok(());
                }
                other.and_then(Result::err).or(Some(Error::Timeout("its node hangs")))
            }
        };
        if let Some(left) = self.left.get_mut(ask.stage as usize) {
            *left = left.saturating_sub(1);
        }
        let stage_is_over = self.left.get(self.finished) == Some(&0);
        if let Some(error) = error.filter(|_| self.answered == 0 && (stage_is_over || self.refused >= REFUSALS)) {
            return Err(error);
        }
        while self.left.get(self.finished) == Some(&0) {
            self.finished += 1;
            self.batch.complete = Some(self.finished);
        }
        Ok(())
    }

    fn give_up(&mut self) {
        self.finished = Stage::ALL.len();
        self.forget();
    }

    fn forget(&mut self) {
        self.subjects = Vec::new();
        self.again = VecDeque::new();
    }
}

impl PvePoll {
    /// Takes in what came of the past since the last cycle, and has more of it asked for.
    pub(super) fn look_back(&mut self, clock: &Clock) {
        if self.past.is_over() {
            return;
        }
        let now = clock.now();
        let before = self.past.finished;
        for done in self.past.lane.finished(Duration::ZERO) {
            if let Some((result, seconds)) = &done.result {
                self.ledger.asked(now, KIND, *seconds, result.is_err());
            }
            if let Err(error) = self.past.take(done) {
                self.past.give_up();
                self.ledger.error(now, KIND, &format!("charts begin now, the past is not to be had: {error}"));
                return;
            }
        }
        for stage in Stage::ALL.iter().take(self.past.finished).skip(before) {
            log::info!("{}: the past {} is in the charts", self.target.instance, stage.timeframe());
        }
        if self.past.is_over() {
            return self.past.forget();
        }
        // The first cycle shall be short, and a host that has no time has none for this either.
        if self.cycles < 2 || self.over_budget || !self.past.lane.is_idle() {
            return;
        }
        if self.past.subjects.is_empty() {
            let subjects = self.with_a_past(now);
            self.past.begin(subjects, now);
        }
        self.ask_on(clock);
    }

    fn ask_on(&mut self, clock: &Clock) {
        let Some(client) = self.link.client().cloned() else { return };
        let asks = self.past.asks();
        if asks.is_empty() {
            return;
        }
        let (answered, refused) = (Cell::new(self.past.answered > 0), Cell::new(self.past.refused));
        let work = move |ask: &Ask| {
            let began = Instant::now();
            if !answered.get() && refused.get() >= REFUSALS {
                return ((Err(Error::Status(403, String::new())), 0.0), false);
            }
            let result = fetch(&client, ask);
            match &result {
                Ok(_) => answered.set(true),
                Err(e) => refused.set(refused.get() + usize::from(is_refusal(e))),
            }
            let took = began.elapsed();
            let hangs = matches!(&result, Err(e) if e.is_transport());
            thread::sleep(took.clamp(PAUSE, PAUSE_MAX));
            ((result, took.as_secs_f64()), hangs)
        };
        self.past.lane.begin(asks, clock, work, |a, b| a.subject.node == b.subject.node);
    }

    /// Everything of this connection that has charts: nodes, storages, guests.
    fn with_a_past(&self, now: Now) -> Vec<Arc<Subject>> {
        let instance = self.target.instance.as_str();
        let online = |n: &str| self.nodes.get(n).is_some_and(|k| k.seen.is_online());
        let subject = |key: Key, node: &str, path: String| Arc::new(Subject { key, node: node.to_owned(), path });
        let key = |kind: Kind, name: &str| Key::new(kind, instance, name);
        let mut all = Vec::new();
        for node in self.nodes.keys().filter(|n| online(n)) {
            all.push(subject(key(Kind::Node, node), node, String::new()));
        }
        if self.target.monitor.storage {
            for s in self.storages(now.mono_ms).iter().filter(|s| s.active) {
                let node = if s.shared { s.nodes.iter().find(|n| online(n)) } else { Some(&s.node) };
                if let Some(node) = node {
                    all.push(subject(key(Kind::Storage, &s.id), node, format!("storage/{}/", segment(&s.name))));
                }
            }
        }
        let watched = |sort| match sort {
            Sort::Qemu => self.target.monitor.vms,
            Sort::Lxc => self.target.monitor.containers,
        };
        let guests = || self.guests.iter().map(|g| &g.seen).filter(|g| g.template != Some(true) && online(&g.node));
        let (running, stopped): (Vec<_>, Vec<_>) = guests().filter(|g| watched(g.sort)).partition(|g| g.is_running());
        for g in running.into_iter().chain(stopped) {
            let path = format!("{}/{}/", g.sort.as_str(), g.vmid);
            all.push(subject(Key::guest(instance, g.vmid), &g.node, path));
        }
        all
    }
}

/// Asking again would change nothing.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Status(400 | 403 | 404 | 501, _))
}

fn fetch(client: &Client, ask: &Ask) -> Result<Vec<Piece>, Error> {
    let Subject { key, node, path } = &*ask.subject;
    let path = format!("nodes/{}/{path}rrddata?timeframe={}&cf=AVERAGE", segment(node), ask.stage.timeframe());
    let items = client.get_bounded::<List<PastItem>>(&path, PATIENCE, ANSWER_BYTES)?.0;
    let rows: Vec<Recorded> = items.iter().filter_map(|item| recorded(key.kind, item)).collect();
    Ok(pieces(key.kind, ask.stage, &rows, ask.began_secs))
}

/// A row in the units of charts; `None` when nothing was measured.
fn recorded(kind: Kind, item: &PastItem) -> Option<Recorded> {
    let share = |part: Option<f64>, whole: Option<f64>| match (part, whole) {
        (Some(part), Some(whole)) if whole > 0.0 => part / whole * 100.0,
        _ => f64::NAN,
    };
    let known = |figure: Option<f64>| figure.unwrap_or(f64::NAN);
    let cpu = known(item.cpu) * 100.0;
    let mut sample = [f64::NAN; 7];
    match kind {
        Kind::Guest => {
            // What a guest's disk holds is not known of VMs; PVE records a zero.
            let disk = share(item.disk.filter(|d| *d > 0.0), item.maxdisk);
            let memory = share(item.mem, item.maxmem);
            let rates = [item.diskread, item.diskwrite, item.netin, item.netout].map(known);
            // A guest that did not run has a disk, but nothing that lives.
            if cpu.is_nan() && item.mem.is_none() {
                return None;
            }
            sample = [cpu, memory, disk, rates[0], rates[1], rates[2], rates[3]];
        }
        Kind::Node => {
            let memory = share(item.memused, item.memtotal);
            let three = [cpu, memory, share(item.rootused, item.roottotal)];
            sample.iter_mut().zip(three).for_each(|(place, value)| *place = value);
        }
        _ => {
            let (used, total) = (known(item.used), known(item.total));
            let four = [share(item.used, item.total), used, total, (total - used).max(0.0)];
            if total > 0.0 {
                sample.iter_mut().zip(four).for_each(|(place, value)| *place = value);
            }
        }
    }
    let any = sample.iter().any(|v| !v.is_nan());
    Some(Recorded { unix_secs: item.time?, sample }).filter(|_| any)
}

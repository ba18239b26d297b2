//! The one thread that writes the data directory while the program runs: changes go to disk in the order they were made,
//! each is acknowledged when it is durable, and changes made by others are noticed. Knows files, not documents.

use super::dir::{DataDir, DataFile, WATCHED};
use super::durable::Stamp;
use super::kept::Turn;
use crate::order::Map;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Changes that may wait for the disk. More means that it does not keep up.
const QUEUE: usize = 256;

/// One file's new content; `None` removes it.
#[derive(Clone)]
pub struct Change {
    pub file: DataFile,
    pub content: Option<Vec<u8>>,
    /// For documents whose changes build on each other: the change fails when the one it builds on did.
    pub turn: Option<Turn>,
}

/// A file that somebody else changed.
#[derive(Debug)]
pub struct Outside {
    pub file: DataFile,
    /// The last of our own versions that was written before.
    pub after: u64,
    /// The content, unsealed; `None` when the file is gone.
    pub content: Result<Option<Vec<u8>>, String>,
}

/// Told how a write ended, on the writer's thread: it hands the outcome on and does nothing else.
pub type Done = Box<dyn FnOnce(Result<(), String>) + Send>;

enum Order {
    /// All or nothing.
    Write(Vec<Change>, Done),
    /// Look for changes at once (SIGHUP).
    Look,
}

/// The way to the disk. Clones lead to the same thread, which ends when all of them are gone.
#[derive(Clone)]
pub struct Writer {
    orders: Sender<Order>,
}

/// The change could not even be queued; `done` has not been called.
pub struct Refused {
    pub done: Done,
    pub why: &'static str,
}

impl Writer {
    /// Starts the thread. It looks for changes from outside every `look` and tells `tell` of them.
    pub fn start(dir: DataDir, look: Duration, tell: impl FnMut(Outside) + Send + 'static) -> Result<Writer, String> {
        let (orders, queue) = bounded(QUEUE);
        let lane = Lane::new(dir, Box::new(tell));
        std::thread::Builder::new()
            .name("disk".to_owned())
            .stack_size(256 << 10)
            .spawn(move || lane.run(&queue, look))
            .map_err(|e| format!("failed to start the writer's thread: {e}"))?;
        Ok(Writer { orders })
    }

    /// The way to no disk at all: every write is refused. For an owner that has no data directory.
    pub fn nowhere() -> Writer {
        Writer { orders: bounded(0).0 }
    }

    /// Queues changes that belong together; never blocks.
    pub fn write(&self, changes: Vec<Change>, done: Done) -> Result<(), Refused> {
        let (order, why) = match self.orders.try_send(Order::Write(changes, done)) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(order)) => (order, "the disk does not keep up"),
            Err(TrySendError::Disconnected(order)) => (order, "there is no data directory to write to"),
        };
        match order {
            Order::Write(_, done) => Err(Refused { done, why }),
            Order::Look => Ok(()),
        }
    }

    /// Looks for changes from outside now.
    pub fn look(&self) {
        // A full queue means that the thread is busy and looks soon anyway.
        let _ = self.orders.try_send(Order::Look);
    }
}

/// What the thread knows.
struct Lane {
    dir: DataDir,
    tell: Box<dyn FnMut(Outside) + Send>,
    /// The last version written of each file whose changes build on each other.
    versions: Map<&'static str, u64>,
    /// How each watched file looked when it was last read or written.
    seen: Map<&'static str, Option<Stamp>>,
    /// A new look that must show twice, so that no half-written file is read.
    unsettled: Map<&'static str, Option<Stamp>>,
}

impl Lane {
    fn new(dir: DataDir, tell: Box<dyn FnMut(Outside) + Send>) -> Lane {
        let seen = WATCHED.iter().map(|f| (f.name, dir.stamp(*f))).collect();
        Lane { dir, tell, versions: Map::new(), seen, unsettled: Map::new() }
    }

    fn run(mut self, queue: &Receiver<Order>, look: Duration) {
        loop {
            match queue.recv_timeout(look) {
                Ok(Order::Write(changes, done)) => {
                    let outcome = catch_unwind(AssertUnwindSafe(|| self.write(changes)));
                    done(outcome.unwrap_or_else(|_| Err("the writer panicked".to_owned())));
                }
                Ok(Order::Look) => self.look(true),
                Err(RecvTimeoutError::Timeout) => self.look(false),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, changes: Vec<Change>) -> Result<(), String> {
        let follows =
            |c: &Change| c.turn.is_none_or(|t| t.base == self.versions.get(c.file.name).copied().unwrap_or(0));
        if !changes.iter().all(follows) {
            return Err("a change that this one builds on could not be saved".to_owned());
        }
        match changes.as_slice() {
            [one] => self.dir.write(one.file, one.content.as_deref())?,
            many => {
                let files: Vec<(DataFile, Vec<u8>)> =
                    many.iter().filter_map(|c| Some((c.file, c.content.clone()?))).collect();
                self.dir.write_all(&files)?;
            }
        }
        for change in changes {
            if let Some(turn) = change.turn {
                self.versions.insert(change.file.name, turn.version);
            }
            self.seen.insert(change.file.name, self.dir.stamp(change.file));
        }
        Ok(())
    }

    fn look(&mut self, at_once: bool) {
        for file in WATCHED {
            let stamp = self.dir.stamp(file);
            if self.seen.get(file.name) == Some(&stamp) {
                self.unsettled.remove(file.name);
                continue;
            }
            if !at_once && self.unsettled.insert(file.name, stamp) != Some(stamp) {
                continue;
            }
            self.unsettled.remove(file.name);
            self.seen.insert(file.name, stamp);
            let after = self.versions.get(file.name).copied().unwrap_or(0);
            (self.tell)(Outside { file, after, content: self.dir.read(file) });
        }
    }
}

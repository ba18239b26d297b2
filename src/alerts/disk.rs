//! The thread that writes what the alerts must not lose: the journal, the active alerts, who was told. Knows files, not
//! alerts. Orders are carried out in the order given; appends that wait are written at once.

use super::ledger::Write as Change;
use crate::config::durable::{Folder, Storage, durable_write};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

pub const ACTIVE: &str = "active-alerts.json";
pub const MEMORY: &str = "alert-memory.json";
pub const JOURNAL: &str = "alert-journal.log";
/// 4.9's history, read once when there is no journal yet.
pub const OLD_HISTORY: [&str; 2] = ["alert-history.json", "alert-history.backup.json"];
/// Orders that may wait; a disk that is further behind gets a whole journal later.
const QUEUE: usize = 1_024;

enum Order {
    Append(Vec<u8>),
    /// The whole journal.
    Rewrite(Vec<u8>),
    Active(Vec<u8>),
    Memory(Change),
    /// The history was deleted: 4.9's files go too.
    Delete(Vec<u8>),
}

/// The way to the disk. Dropping it waits until everything is written.
pub struct Disk {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    /// An order was lost: the journal on disk misses lines.
    behind: bool,
    /// A change of the memory did not get to the disk.
    torn: Arc<AtomicBool>,
    written: Written,
}

/// What was given to the disk since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    pub orders: u64,
    pub bytes: u64,
}

/// What lies in the folder at the start.
#[derive(Debug, Default)]
pub struct Files {
    pub active: Option<Vec<u8>>,
    pub memory: Option<Vec<u8>>,
    pub journal: Option<Vec<u8>>,
    /// Only when there is no journal.
    pub old_history: Vec<Vec<u8>>,
    /// For the log.
    pub problems: Vec<String>,
}

/// Reads `<data directory>/alerts`. Blocks; for the start only.
pub fn read(data_dir: &Path) -> Files {
    let mut files = Files::default();
    let folder = match Folder::open(&data_dir.join("alerts")) {
        Ok(folder) => folder,
        Err(e) => {
            files.problems.push(format!("failed to open the folder of alerts: {e}"));
            return files;
        }
    };
    let mut get = |name: &str| match folder.read(name) {
        Ok(content) => content,
        Err(e) => {
            files.problems.push(format!("failed to read alerts/{name}: {e}"));
            None
        }
    };
    let (active, memory, journal) = (get(ACTIVE), get(MEMORY), get(JOURNAL));
    let old_history = if journal.is_none() { OLD_HISTORY.iter().filter_map(|n| get(n)).collect() } else { Vec::new() };
    Files { active, memory, journal, old_history, ..files }
}

impl Disk {
    /// Starts the thread over `<data directory>/alerts`.
    pub fn start(data_dir: &Path) -> io::Result<Disk> {
        let path = data_dir.join("alerts");
        let folder = Folder::open(&path)?;
        let (orders, queue) = bounded(QUEUE);
        let torn = Arc::new(AtomicBool::new(false));
        let lane = Lane { folder, path, torn: torn.clone() };
        let thread = std::thread::Builder::new()
            .name("alert-disk".to_owned())
            .stack_size(128 << 10)
            .spawn(move || lane.run(&queue))?;
        Ok(Disk { orders: Some(orders), thread: Some(thread), behind: false, torn, written: Written::default() })
    }

    /// No disk at all: nothing is kept.
    pub fn nowhere() -> Disk {
        Disk { orders: None, thread: None, behind: false, torn: Arc::default(), written: Written::default() }
    }

    /// True: the journal on disk misses something and must be written anew.
    pub fn is_behind(&self) -> bool {
        self.behind
    }
    pub fn append(&mut self, lines: Vec<u8>) {
        if !lines.is_empty() {
            self.behind |= !self.send(Order::Append(lines));
        }
    }
    pub fn rewrite(&mut self, journal: Vec<u8>) {
        self.behind = !self.send(Order::Rewrite(journal));
    }
    /// False: the disk does not keep up, try again.
    pub fn active(&mut self, active: Vec<u8>) -> bool {
        self.send(Order::Active(active))
    }
    /// False: the disk does not keep up, try again with the whole.
    pub fn memory(&mut self, change: Change) -> bool {
        change == Change::Nothing || self.send(Order::Memory(change))
    }
    /// Whether a change of the memory was lost since this was last asked.
    pub fn take_torn(&mut self) -> bool {
        self.torn.swap(false, Ordering::Relaxed)
    }
    pub fn delete(&mut self, journal: Vec<u8>) {
        self.behind = !self.send(Order::Delete(journal));
    }

    /// What was given to the disk since the start.
    pub fn written(&self) -> Written {
        self.written
    }

    fn send(&mut self, order: Order) -> bool {
        let bytes = match &order {
            Order::Append(b) | Order::Rewrite(b) | Order::Active(b) | Order::Delete(b) => b.len(),
            Order::Memory(Change::Append(b) | Change::Whole(b)) => b.len(),
            Order::Memory(Change::Nothing) => 0,
        };
        self.written.orders += 1;
        self.written.bytes = self.written.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        match self.orders.as_ref().map(|orders| orders.try_send(order)) {
            None | Some(Ok(())) => true,
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) => false,
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It only ends by itself; a panic there has been logged.
            let _ = thread.join();
        }
    }
}

struct Lane {
    folder: Folder,
    path: PathBuf,
    torn: Arc<AtomicBool>,
}

impl Lane {
    fn run(mut self, queue: &Receiver<Order>) {
        while let Ok(first) = queue.recv() {
            // What waits for the same file is appended at once. The journal comes first.
            let (mut lines, mut changes) = (Vec::new(), Vec::new());
            for order in std::iter::once(first).chain(queue.try_iter().take(QUEUE)) {
                match order {
                    Order::Append(more) => lines.extend(more),
                    Order::Memory(Change::Append(more)) => changes.extend(more),
                    other => {
                        self.flush(&mut lines, &mut changes);
                        self.replace(other);
                    }
                }
            }
            self.flush(&mut lines, &mut changes);
        }
    }

    fn flush(&mut self, lines: &mut Vec<u8>, changes: &mut Vec<u8>) {
        log_failure("the alert journal", self.append(JOURNAL, lines));
        let outcome = self.append(MEMORY, changes);
        self.remembered(outcome);
    }

    fn replace(&mut self, order: Order) {
        match order {
            Order::Rewrite(journal) => log_failure("the alert journal", self.write(JOURNAL, &journal)),
            Order::Delete(journal) => log_failure("the alert journal", self.delete(&journal)),
            Order::Active(active) => log_failure("the active alerts", self.write(ACTIVE, &active)),
            Order::Memory(Change::Whole(memory)) => {
                let outcome = self.write(MEMORY, &memory);
                self.remembered(outcome);
            }
            Order::Append(_) | Order::Memory(_) => {}
        }
    }

    fn remembered(&self, outcome: io::Result<()>) {
        self.torn.fetch_or(outcome.is_err(), Ordering::Relaxed);
        log_failure("the memory of alerts", outcome);
    }

    fn append(&mut self, name: &str, lines: &mut Vec<u8>) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(lines);
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path.join(name))?;
        file.write_all(&lines)?;
        file.sync_data()
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        durable_write(&mut self.folder, name, bytes)
    }

    fn delete(&mut self, journal: &[u8]) -> io::Result<()> {
        self.write(JOURNAL, journal)?;
        for name in OLD_HISTORY {
            self.folder.remove(name)?;
        }
        self.folder.sync_folder(JOURNAL)
    }
}

fn log_failure(what: &str, outcome: io::Result<()>) {
    if let Err(e) = outcome {
        log::error!("failed to write {what}: {e}");
    }
}

//! The thread that writes what the alerts must not lose: the journal, the active alerts, who was told. Knows files, not
//! alerts. Orders are carried out in the order given; of several saves that wait only the last is written.

use crate::config::durable::{Folder, Storage, durable_write};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
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
    Save {
        active: Vec<u8>,
        memory: Vec<u8>,
    },
    /// The history was deleted: 4.9's files go too.
    Delete(Vec<u8>),
}

/// The way to the disk. Dropping it waits until everything is written.
pub struct Disk {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    /// An order was lost: the journal on disk misses lines.
    behind: bool,
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
        let thread = std::thread::Builder::new()
            .name("alert-disk".to_owned())
            .stack_size(128 << 10)
            .spawn(move || Lane { folder, path }.run(&queue))?;
        Ok(Disk { orders: Some(orders), thread: Some(thread), behind: false })
    }

    /// No disk at all: nothing is kept.
    pub fn nowhere() -> Disk {
        Disk { orders: None, thread: None, behind: false }
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
    pub fn save(&mut self, active: Vec<u8>, memory: Vec<u8>) -> bool {
        self.send(Order::Save { active, memory })
    }
    pub fn delete(&mut self, journal: Vec<u8>) {
        self.behind = !self.send(Order::Delete(journal));
    }

    fn send(&self, order: Order) -> bool {
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
}

impl Lane {
    fn run(mut self, queue: &Receiver<Order>) {
        while let Ok(first) = queue.recv() {
            let mut save = None;
            for order in std::iter::once(first).chain(queue.try_iter().take(QUEUE)) {
                match order {
                    Order::Save { active, memory } => save = Some((active, memory)),
                    Order::Append(lines) => log_failure("the alert journal", self.append(&lines)),
                    Order::Rewrite(journal) => log_failure("the alert journal", self.write(JOURNAL, &journal)),
                    Order::Delete(journal) => log_failure("the alert journal", self.delete(&journal)),
                }
            }
            if let Some((active, memory)) = save {
                log_failure("the active alerts", self.write(ACTIVE, &active));
                log_failure("the memory of alerts", self.write(MEMORY, &memory));
            }
        }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(self.path.join(JOURNAL))?;
        file.write_all(lines)?;
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

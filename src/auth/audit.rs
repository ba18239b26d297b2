//! The audit log: each security event as one JSON line in `audit.log` of the data directory. A thread of its own writes
//! it, so that no request waits for the disk; it is rotated and bounded. No secret is ever part of an entry.

use crate::model::Time;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub const FILE: &str = "audit.log";
/// Beyond this the file becomes `audit.log.1`, and so on up to `.3`.
const MOST_BYTES: u64 = 1 << 20;
const KEPT: u32 = 3;
/// Entries that may wait for the disk; more are lost (and counted in the next line).
const WAITING: usize = 1_024;
/// A text of an entry is cut to this many characters.
const MOST_TEXT: usize = 128;
/// What a reader gets of the file's end.
const MOST_READ: u64 = 256 << 10;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub time: Time,
    /// User, token name, or `anonymous`.
    pub actor: String,
    pub peer: String,
    /// 4.9's names where it has one: `login`, `logout`, `password_change`, `lockout_reset`, `csrf_failure`, `rate_limit`.
    pub action: &'static str,
    /// What it was done to; may be empty.
    pub target: String,
    pub outcome: Outcome,
    /// A few words; may be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub details: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Success,
    Failure,
}

impl Entry {
    /// Cuts what a stranger chose to a bounded size.
    fn bounded(mut self) -> Entry {
        for text in [&mut self.actor, &mut self.target, &mut self.details] {
            if text.chars().count() > MOST_TEXT {
                *text = text.chars().take(MOST_TEXT).chain(['…']).collect();
            }
        }
        self
    }

    fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

enum Order {
    Write(Box<Entry>),
    /// The newest lines, after everything before this order is written.
    Read(Sender<Result<Vec<u8>, String>>),
}

/// The way to the log. Without a data directory entries only go to the process's own log.
#[derive(Debug, Clone, Default)]
pub struct Log {
    orders: Option<Sender<Order>>,
}

/// Reads the log; blocks, for job threads.
pub struct Reader(Receiver<Result<Vec<u8>, String>>);

impl Log {
    /// Starts the thread that writes into the folder.
    pub fn start(folder: &Path) -> Result<Log, String> {
        let (orders, queue) = bounded(WAITING);
        let path = folder.join(FILE);
        std::thread::Builder::new()
            .name("audit".to_owned())
            .stack_size(128 << 10)
            .spawn(move || write_all(&path, &queue))
            .map_err(|e| format!("failed to start the audit thread: {e}"))?;
        Ok(Log { orders: Some(orders) })
    }

    /// Notes an event; never blocks. False: the disk does not keep up and the entry is lost.
    pub fn note(&self, entry: Entry) -> bool {
        let entry = entry.bounded();
        let Entry { actor, peer, action, target, details, outcome, .. } = &entry;
        match outcome {
            Outcome::Success => {
                log::info!("Security audit event: {action} actor={actor:?} peer={peer} target={target:?} {details:?}");
            }
            Outcome::Failure => {
                log::warn!(
                    "Security audit event - FAILED: {action} actor={actor:?} peer={peer} target={target:?} {details:?}"
                );
            }
        }
        match &self.orders {
            None => true,
            Some(orders) => !matches!(orders.try_send(Order::Write(Box::new(entry))), Err(TrySendError::Full(_))),
        }
    }

    /// A reader of the newest lines, or why there is none.
    pub fn reader(&self) -> Result<Reader, &'static str> {
        let orders = self.orders.as_ref().ok_or("there is no data directory to keep an audit log in")?;
        let (reply, answer) = bounded(1);
        orders.try_send(Order::Read(reply)).map_err(|_| "the audit log is busy, try again in a few seconds")?;
        Ok(Reader(answer))
    }
}

impl Reader {
    /// Newest first, at most `most` entries, as they are in the file.
    pub fn newest(self, most: usize) -> Result<Vec<Box<serde_json::value::RawValue>>, String> {
        let bytes = self.0.recv().map_err(|_| "the audit thread has ended".to_owned())??;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().rev().filter_map(|line| serde_json::from_str(line).ok()).take(most).collect())
    }
}

fn write_all(path: &Path, queue: &Receiver<Order>) {
    let mut troubled = false;
    while let Ok(order) = queue.recv() {
        match order {
            Order::Read(reply) => {
                let _ = reply.try_send(tail(path));
            }
            Order::Write(entry) => match append(path, &entry.line()) {
                Ok(()) => troubled = false,
                // Said once, not for each entry.
                Err(e) if !troubled => {
                    troubled = true;
                    log::error!("failed to write {}: {e}", path.display());
                }
                Err(_) => {}
            },
        }
    }
}

fn append(path: &Path, line: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.len() + line.len() as u64 > MOST_BYTES {
        rotate(path)?;
        file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    }
    file.write_all(line)
}

fn rotate(path: &Path) -> std::io::Result<()> {
    for n in (1..KEPT).rev() {
        let from = numbered(path, n);
        if from.exists() {
            std::fs::rename(&from, numbered(path, n + 1))?;
        }
    }
    std::fs::rename(path, numbered(path, 1))
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

/// The whole lines at the end of the file, with those of the file before it when there are few.
fn tail(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = end_of(path)?;
    if (bytes.len() as u64) < MOST_READ / 4 {
        let mut before = end_of(&numbered(path, 1))?;
        before.append(&mut bytes);
        bytes = before;
    }
    Ok(bytes)
}

fn end_of(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |e: std::io::Error| format!("failed to read the audit log: {e}");
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let length = file.metadata().map_err(failed)?.len();
    let start = length.saturating_sub(MOST_READ);
    file.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes).map_err(failed)?;
    if start > 0 {
        let first = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..first);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("pulse-audit-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn entry(actor: &str) -> Entry {
        Entry {
            time: Time::from_unix(1_755_000_000),
            actor: actor.to_owned(),
            peer: "10.0.0.1".to_owned(),
            action: "login",
            target: String::new(),
            outcome: Outcome::Failure,
            details: "Invalid credentials".to_owned(),
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_a_stranger_typed() {
        let folder = Folder::new("line");
        let log = Log::start(&folder.0).unwrap();
        assert!(log.note(entry("a\n{\"action\":\"login\"}")) && log.note(entry(&"x".repeat(10_000))));
        let newest = log.reader().unwrap().newest(10).unwrap();
        assert_eq!(newest.len(), 2);
        assert!(newest[0].get().len() < 500, "a long name is cut");
        let first: serde_json::Value = serde_json::from_str(newest[1].get()).unwrap();
        assert_eq!(first["actor"], "a\n{\"action\":\"login\"}");
        assert_eq!((&first["outcome"], &first["peer"]), (&"failure".into(), &"10.0.0.1".into()));
    }

    #[test]
    fn the_log_is_rotated_and_bounded() {
        let folder = Folder::new("rotate");
        let path = folder.0.join(FILE);
        let line = vec![b'x'; 300 << 10];
        for _ in 0..20 {
            append(&path, &line).unwrap();
        }
        let sizes: Vec<u64> =
            std::fs::read_dir(&folder.0).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), 1 + KEPT as usize);
        assert!(sizes.iter().all(|s| *s <= MOST_BYTES));
    }

    #[test]
    fn without_a_folder_nothing_is_kept_and_nothing_breaks() {
        let log = Log::default();
        assert!(log.note(entry("admin")) && log.reader().is_err());
    }
}

//! What waits for the disk, and what the disk has not yet been told to keep through a power cut.

use super::file::{Append, Flush, Flushed, file_of, parse_name};
use super::frame::{Content, frame};
use super::key::{Id, Subjects};
use super::names;
use super::tier::Tier;
use crate::model::Now;
use crate::order::Set;
use std::collections::VecDeque;
use std::sync::Arc;

/// Files are told to survive a power cut at every fifth minute's row.
const ROWS_A_SYNC: u32 = 5;
/// While the disk refuses, this much waits for it; then the oldest is given up.
const MOST_WAITING_BYTES: usize = 16 << 20;
/// A flush that has not come back after this long never will: its job died. Writing something twice does no harm.
const LOST_MS: u64 = 180_000;

#[derive(Debug, Default)]
pub struct Pending {
    /// Without a disk nothing is ever written.
    pub enabled: bool,
    names: Vec<Id>,
    appends: VecDeque<Append>,
    marks: Vec<u8>,
    remove: Vec<String>,
    /// The files there are, but for `names`.
    files: Set<String>,
    unsynced: Set<String>,
    rows_since_sync: u32,
    /// Since when (monotonic) a flush is being performed.
    in_flight_ms: Option<u64>,
    names_in_flight: usize,
    removes_in_flight: usize,
    marks_in_flight: usize,
    next_ticket: u64,
    /// Why the last flush failed.
    pub failure: Option<String>,
}

impl Pending {
    pub fn name(&mut self, id: Id) {
        if self.enabled {
            self.names.push(id);
        }
    }

    /// Queues a frame that says that what was queued before it is complete.
    pub fn mark(&mut self, frame: Vec<u8>) {
        if self.enabled {
            self.marks.extend(frame);
        }
    }

    /// Queues a frame of a tier that begins at `first`; gives its ticket.
    pub fn append(&mut self, tier: Tier, first: u32, frame: Arc<[u8]>) -> u64 {
        self.next_ticket += 1;
        if self.enabled {
            let file = file_of(tier, first);
            self.files.insert(file.clone());
            self.appends.push_back(Append { ticket: self.next_ticket, file, frame });
            self.rows_since_sync += u32::from(tier == Tier::Minute);
        }
        self.next_ticket
    }

    /// Files that were found in the folder.
    pub fn found(&mut self, files: Set<String>) {
        self.files.extend(files);
    }

    /// Has the files deleted whose time has passed.
    pub fn expire(&mut self, now_secs: i64) {
        let remove = &mut self.remove;
        self.files.retain(|file| {
            let expired = parse_name(file).is_some_and(|(tier, end)| end <= tier.oldest(now_secs));
            if expired {
                remove.push(file.clone());
            }
            !expired
        });
    }

    /// Gives up the oldest of what waits when it is too much; their tickets.
    pub fn give_up(&mut self) -> Vec<u64> {
        let mut bytes: usize = self.appends.iter().map(|a| a.frame.len()).sum();
        let mut lost = Vec::new();
        while bytes > MOST_WAITING_BYTES && self.in_flight_ms.is_none() {
            let Some(append) = self.appends.pop_front() else { break };
            bytes -= append.frame.len();
            lost.push(append.ticket);
        }
        lost
    }

    /// The next flush; `None` while one is being performed or when there is nothing to write.
    pub fn flush(&mut self, now: Now, subjects: &Subjects, finally: bool) -> Option<Flush> {
        let nothing =
            self.appends.is_empty() && self.names.is_empty() && self.remove.is_empty() && self.marks.is_empty();
        let sync_now = finally && !self.unsynced.is_empty();
        let under_way = self.in_flight_ms.is_some_and(|since| now.mono_ms < since.saturating_add(LOST_MS));
        if !self.enabled || (under_way && !finally) || (nothing && !sync_now) {
            return None;
        }
        let mut flush = Flush { appends: self.appends.iter().cloned().collect(), ..Flush::default() };
        for id in &self.names {
            if let Some(key) = subjects.get(*id) {
                flush.names.extend(frame(Content::Name, Tier::Minute, *id, 0, &names::body(key)));
            }
        }
        flush.remove = self.remove.clone();
        flush.marks = self.marks.clone();
        self.unsynced.extend(flush.appends.iter().map(|a| a.file.clone()));
        if finally || self.rows_since_sync >= ROWS_A_SYNC || !flush.marks.is_empty() {
            flush.sync = self.unsynced.clone();
        }
        self.in_flight_ms = Some(now.mono_ms);
        self.names_in_flight = self.names.len();
        self.removes_in_flight = self.remove.len();
        self.marks_in_flight = self.marks.len();
        Some(flush)
    }

    /// Takes in what came of it.
    pub fn flushed(&mut self, done: &Flushed) {
        self.in_flight_ms = None;
        if done.names_written {
            self.names.drain(..self.names_in_flight.min(self.names.len()));
        }
        if done.marks_written {
            self.marks.drain(..self.marks_in_flight.min(self.marks.len()));
        }
        self.appends.retain(|a| !done.placed.iter().any(|(ticket, _)| *ticket == a.ticket));
        self.unsynced.retain(|file| !done.synced.contains(file));
        if !done.synced.is_empty() && done.failure.is_none() {
            // Rows that came while the flush was under way are not in it.
            let row = |a: &&Append| parse_name(&a.file).is_some_and(|(tier, _)| tier == Tier::Minute);
            self.rows_since_sync = u32::try_from(self.appends.iter().filter(row).count()).unwrap_or(u32::MAX);
        }
        if done.failure.is_none() {
            self.remove.drain(..self.removes_in_flight.min(self.remove.len()));
        }
        self.failure.clone_from(&done.failure);
    }
}

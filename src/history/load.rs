//! Opening a history that lies on the disk: names, the rows of the last hours, and where all blocks are. Damaged records
//! are skipped and counted; what was being filled when the process ended is filled again from finer slots.

use super::block;
use super::blocks::{Block, Blocks, Place};
use super::file::{NAMES, Storage, parse_name};
use super::frame::{Content, HEAD_BYTES, Head, crc32, next_head, u32_at};
use super::key::{Id, Subjects};
use super::names;
use super::past;
use super::query::read_block;
use super::row::Row;
use super::store::{Closed, History, MEMORY_ROWS};
use super::tier::Tier;
use crate::model::Now;
use crate::order::{Map, Set};
use std::io;
use std::sync::Arc;

/// How much of a file is read at a time while looking for the next frame behind damage.
const WINDOW_BYTES: usize = 64 << 10;

/// What was found. Reading it blocks; taking it in ([`History::restored`]) does not.
pub struct Loaded {
    storage: Arc<dyn Storage>,
    subjects: Subjects,
    past: Map<Box<str>, usize>,
    files: Set<String>,
    rows: Vec<Closed>,
    blocks: Blocks,
    /// Records that could not be read.
    pub damaged: usize,
    /// Rows of blocks that must be filled again, in the order of time.
    refill: Vec<(Tier, u32, Row)>,
}

/// Reads what a folder holds. Blocks; call it from a job or before serving.
pub fn load(storage: Arc<dyn Storage>) -> io::Result<Loaded> {
    let mut loaded = Loaded {
        subjects: names::load(&*storage)?,
        past: past::load(&*storage)?,
        storage,
        files: Set::new(),
        rows: Vec::new(),
        blocks: Blocks::default(),
        damaged: 0,
        refill: Vec::new(),
    };
    for file in loaded.storage.names()? {
        if file == NAMES {
            continue;
        }
        let Some((tier, _)) = parse_name(&file) else { continue };
        loaded.scan(&file, tier)?;
        loaded.files.insert(file);
    }
    crate::order::sort_by_key(&mut loaded.rows, |r| r.slot);
    let newest = loaded.rows.last().and_then(|r| r.row(Tier::Minute));
    loaded.reserve(newest.iter().flat_map(|row| &row.kinds).filter_map(|k| k.last()).map(|(id, _)| *id).max());
    loaded.find_refill();
    let surplus = loaded.rows.len().saturating_sub(MEMORY_ROWS);
    loaded.rows.drain(..surplus);
    Ok(loaded)
}

impl Loaded {
    /// Walks over one file's frames.
    fn scan(&mut self, file: &str, tier: Tier) -> io::Result<()> {
        let length = self.storage.length(file)?;
        let mut at = 0;
        while at < length {
            let here = Head::read(&self.storage.read(file, at, HEAD_BYTES)?).filter(|h| h.tier == tier);
            let Some(head) = here else {
                self.damaged += 1;
                match self.search(file, at + 1)? {
                    Some(next) => at = next,
                    None => return Ok(()),
                }
                continue;
            };
            let end = at + head.frame_bytes() as u64;
            if !self.keep(file, at, &head)? {
                self.damaged += 1;
            }
            // A torn frame says it is longer than it is: then its end is no beginning, and others may lie inside it.
            let torn =
                end > length || (end < length && Head::read(&self.storage.read(file, end, HEAD_BYTES)?).is_none());
            at = match torn {
                false => end,
                true => match self.search(file, at + 1)? {
                    Some(next) => next,
                    None => return Ok(()),
                },
            };
        }
        Ok(())
    }

    /// The next place from `at` on where a frame begins.
    fn search(&self, file: &str, mut at: u64) -> io::Result<Option<u64>> {
        loop {
            let window = self.storage.read(file, at, WINDOW_BYTES)?;
            if let Some((found, _)) = next_head(&window, 0) {
                return Ok(Some(at + found as u64));
            }
            if window.len() < WINDOW_BYTES {
                return Ok(None);
            }
            at += (WINDOW_BYTES - HEAD_BYTES + 1) as u64;
        }
    }

    /// Takes a frame in; false: it is damaged.
    fn keep(&mut self, file: &str, at: u64, head: &Head) -> io::Result<bool> {
        match head.content {
            Content::Row => {
                let frame = self.storage.read(file, at, head.frame_bytes())?;
                let body = frame.get(HEAD_BYTES..).unwrap_or_default();
                if crc32(body) != head.body_crc || head.tier != Tier::Minute {
                    return Ok(false);
                }
                self.rows.push(Closed { slot: head.first, frame: frame.into() });
                Ok(true)
            }
            Content::Block => {
                let start = self.storage.read(file, at + HEAD_BYTES as u64, 4)?;
                let Some(count) = u32_at(&start, 0).filter(|c| block::index_bytes(*c) <= head.body_bytes as usize)
                else {
                    return Ok(false);
                };
                let index = self.storage.read(file, at + HEAD_BYTES as u64, block::index_bytes(count))?;
                let Some(places) = block::index(head, &index) else { return Ok(false) };
                self.reserve(places.last().map(|p| p.id));
                let bytes = u32::try_from(head.frame_bytes()).unwrap_or(u32::MAX);
                self.blocks.push(Block {
                    tier: head.tier,
                    first: head.first,
                    slots: head.slots,
                    recorded_elsewhere: head.recorded_elsewhere,
                    place: Place::Disk { at, bytes },
                    ticket: 0,
                });
                Ok(true)
            }
            Content::Name => Ok(false),
        }
    }

    /// A number that figures lie under must not be given to somebody else, even if its name is lost.
    fn reserve(&mut self, id: Option<Id>) {
        if let Some(id) = id {
            self.subjects.reserve(id);
        }
    }

    /// Finds the finer slots behind each coarse tier's last block.
    fn find_refill(&mut self) {
        for tier in [Tier::FourHours, Tier::HalfHour] {
            let Some(finer) = finer(tier) else { continue };
            let from = finer.slot(tier.begins(self.blocks.end(tier)));
            let mut found: Vec<(Tier, u32, Row)> = Vec::new();
            for block in self.blocks.of(finer).filter(|b| b.end() > from && !b.recorded_elsewhere) {
                let rows = read_block(block, &*self.storage, &self.subjects);
                found.extend(rows.into_iter().filter(|(slot, _)| *slot >= from).map(|(slot, row)| (finer, slot, row)));
            }
            crate::order::sort_by_key(&mut found, |(_, slot, _)| *slot);
            self.refill.extend(found);
        }
        let from = Tier::Minute.slot(Tier::FiveMinutes.begins(self.blocks.end(Tier::FiveMinutes)));
        for closed in self.rows.iter().filter(|r| r.slot >= from) {
            self.refill.extend(closed.row(Tier::Minute).map(|row| (Tier::Minute, closed.slot, row)));
        }
    }
}

fn finer(tier: Tier) -> Option<Tier> {
    Tier::ALL.into_iter().find(|t| t.next() == Some(tier))
}

impl History {
    /// Goes on where the loaded history ends. Costs a few milliseconds at 1,000 guests.
    pub fn restored(loaded: Loaded, now: Now) -> History {
        let mut history = History::new();
        history.storage = Some(loaded.storage);
        history.pending.enabled = true;
        history.pending.found(loaded.files);
        history.subjects = loaded.subjects;
        history.past = loaded.past;
        history.blocks = loaded.blocks;
        history.minutes = loaded.rows.into();
        let current = now.unix_secs();
        for (tier, slot, row) in loaded.refill {
            // What lies in the future was written before the clock was put back.
            if tier.begins(slot) <= current {
                history.feed(tier, slot, &row);
            }
        }
        history.advance(now);
        history
    }
}

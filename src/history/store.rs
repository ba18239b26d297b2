//! The history itself: takes in figures, closes slots when their time is over, hands finished ones on to coarser tiers
//! and to the disk. Costs a few hundred microseconds a cycle at 1,000 guests and never waits.

use super::block;
use super::blocks::{Block, Blocks, Place};
use super::figures::{self, Sample};
use super::file::{Flush, Flushed, Storage};
use super::frame::{Content, HEAD_BYTES, frame};
use super::key::{Id, Key, MOST_SUBJECTS, Subjects};
use super::live::Live;
use super::metric::Kind;
use super::pending::Pending;
use super::row::Row;
use super::tier::{RING_SLOT_SECS, RING_SLOTS, Tier};
use crate::model::{Now, State};
use crate::order::Map;
use std::collections::VecDeque;
use std::sync::Arc;

/// Rows of minutes that stay in memory: four hours.
pub const MEMORY_ROWS: usize = 240;
/// A subject that was not seen for this long has nothing left in the rings,
const RING_SECS: i64 = RING_SLOTS as i64 * RING_SLOT_SECS;
/// and nothing in any slot that is being filled.
const FORGET_SECS: i64 = 4 * 3_600 + 60;
/// The wall clock may step back this far without anything being thrown away.
const TOLERATED_STEP_SECS: i64 = 60;

/// A finished slot of all subjects, deflated.
#[derive(Debug, Clone)]
pub struct Closed {
    pub slot: u32,
    /// The whole frame.
    pub frame: Arc<[u8]>,
}

impl Closed {
    pub fn row(&self, tier: Tier) -> Option<Row> {
        Row::decode(self.frame.get(HEAD_BYTES..)?, tier)
    }
}

/// Everything that is remembered.
pub struct History {
    pub(super) subjects: Subjects,
    pub(super) live: Vec<Option<Box<Live>>>,
    /// The newest slot of the rings.
    pub(super) ring_slot: u64,
    /// Since when the rings hold everything.
    pub(super) ring_since: u64,
    /// The slot each tier is filling.
    filling: [Option<u32>; Tier::ALL.len()],
    /// Finished minutes, oldest first.
    pub(super) minutes: VecDeque<Closed>,
    /// Finished slots of blocks that are not finished, by tier.
    pub(super) open: [Vec<Closed>; Tier::ALL.len()],
    pub(super) blocks: Blocks,
    pub(super) pending: Pending,
    pub(super) storage: Option<Arc<dyn Storage>>,
    /// How many stages of what Proxmox recorded are complete, by connection.
    pub(super) past: Map<Box<str>, usize>,
    expired_hour: i64,
}

impl Default for History {
    fn default() -> Self {
        History::new()
    }
}

impl History {
    /// A history in memory only, with nothing in it.
    pub fn new() -> History {
        History {
            subjects: Subjects::default(),
            live: Vec::new(),
            ring_slot: 0,
            ring_since: 0,
            filling: [None; Tier::ALL.len()],
            minutes: VecDeque::new(),
            open: Default::default(),
            blocks: Blocks::default(),
            pending: Pending::default(),
            storage: None,
            past: Map::new(),
            expired_hour: 0,
        }
    }

    /// Takes in the figures of one PVE connection that has just been asked.
    pub fn record_pve(&mut self, now: Now, state: &State, instance: &str) {
        self.advance(now);
        for g in state.guests().filter(|g| g.instance == instance) {
            let id = self.subjects.guest(instance, g.vmid);
            self.take(now, id, || Key::guest(instance, g.vmid), figures::guest(g));
        }
        for n in state.nodes.iter().filter(|n| n.instance == instance) {
            let id = self.subjects.other(Kind::Node, instance, &n.name);
            self.take(now, id, || Key::new(Kind::Node, instance, &n.name), figures::node(n));
        }
        for s in state.storage.iter().filter(|s| s.instance == instance) {
            let id = self.subjects.other(Kind::Storage, instance, &s.id);
            self.take(now, id, || Key::new(Kind::Storage, instance, &s.id), figures::storage(s, now));
        }
    }

    /// Takes in the figures of one PBS that has just been asked.
    pub fn record_pbs(&mut self, now: Now, state: &State, name: &str) {
        self.advance(now);
        for p in state.pbs.iter().filter(|p| p.name == name) {
            let id = self.subjects.other(Kind::Pbs, name, "");
            self.take(now, id, || Key::new(Kind::Pbs, name, ""), figures::pbs(p));
            for d in p.datastores.iter().flatten() {
                let id = self.subjects.other(Kind::Datastore, name, &d.name);
                let sample = if p.status == "online" { figures::datastore(d) } else { None };
                self.take(now, id, || Key::new(Kind::Datastore, name, &d.name), sample);
            }
        }
    }

    /// One subject's figures. A subject gets a number with its first figure, not before.
    fn take(&mut self, now: Now, id: Option<Id>, key: impl FnOnce() -> Key, sample: Option<Sample>) {
        let Some(sample) = sample else { return };
        let Some(id) = id.or_else(|| self.introduce(&key())) else { return };
        let Some(kind) = self.subjects.get(id).map(|k| k.kind) else { return };
        let secs = now.unix_secs();
        if let Some(live) = self.live_at(id, kind, secs) {
            live.seen_secs = secs;
            // Rates need two looks: at the first they are zero for want of anything better.
            let sample = if live.recorded { sample } else { figures::at_first_sight(kind, sample) };
            live.recorded = true;
            live.record(ring_slot(secs), &sample);
        }
    }

    /// Gives a subject its number, whose name will be on the disk before its first figure.
    pub(super) fn introduce(&mut self, key: &Key) -> Option<Id> {
        if let Some(id) = self.subjects.find(key) {
            return Some(id);
        }
        let id = self.subjects.number(key)?;
        self.pending.name(id);
        Some(id)
    }

    fn live_at(&mut self, id: Id, kind: Kind, secs: i64) -> Option<&mut Live> {
        let at = id as usize;
        if at >= MOST_SUBJECTS {
            return None;
        }
        if self.live.len() <= at {
            self.live.resize_with(at + 1, || None);
        }
        let place = self.live.get_mut(at)?;
        Some(place.get_or_insert_with(|| Box::new(Live::new(kind, secs))))
    }

    /// Closes every slot whose time is over at `now`.
    pub fn advance(&mut self, now: Now) {
        let secs = now.unix_secs();
        self.turn_rings(secs);
        for tier in Tier::ALL {
            let current = tier.slot(secs);
            if let Some(slot) = self.filling.get(tier.index()).copied().flatten().filter(|s| over(*s, current)) {
                self.close(tier, slot);
            }
            if tier == Tier::Minute {
                self.begin(tier, current);
            }
            self.seal_if_over(tier, current);
        }
        let hour = secs.div_euclid(3_600);
        if hour != self.expired_hour {
            self.expired_hour = hour;
            self.expire(secs);
        }
    }

    /// Empties the ring slots between the newest figures and now.
    fn turn_rings(&mut self, secs: i64) {
        let slot = ring_slot(secs);
        let stepped_back = self.ring_slot.saturating_sub(slot) * RING_SLOT_SECS as u64;
        if stepped_back > 0 && stepped_back <= TOLERATED_STEP_SECS as u64 {
            return;
        }
        let length = RING_SLOTS as u64;
        let stale = if slot >= self.ring_slot {
            let from = (self.ring_slot + 1).max((slot + 1).saturating_sub(length));
            from..slot + 1
        } else {
            slot..slot + length
        };
        if self.ring_slot == 0 || slot < self.ring_slot || slot - self.ring_slot >= length {
            self.ring_since = slot;
        }
        if !stale.is_empty() {
            for live in self.live.iter_mut().flatten() {
                live.clear(stale.clone());
            }
            self.ring_slot = slot;
        }
    }

    fn begin(&mut self, tier: Tier, slot: u32) {
        if let Some(place) = self.filling.get_mut(tier.index()) {
            place.get_or_insert(slot);
        }
    }

    /// Ends a slot: it becomes a row and part of the next coarser slot.
    fn close(&mut self, tier: Tier, slot: u32) {
        let mut row = Row::default();
        for (id, live) in self.live.iter_mut().enumerate() {
            if let (Some(live), Ok(id)) = (live, Id::try_from(id)) {
                row.push(live.kind, id, live.close(tier));
            }
        }
        if let Some(place) = self.filling.get_mut(tier.index()) {
            *place = None;
        }
        if row.is_empty() {
            return;
        }
        let frame: Arc<[u8]> = frame(Content::Row, tier, slot, 1, &row.encode(tier)).into();
        let closed = Closed { slot, frame };
        if tier == Tier::Minute {
            self.pending.append(tier, slot, closed.frame.clone());
            self.remember_minute(closed);
        } else if let Some(open) = self.open.get_mut(tier.index()) {
            open.push(closed);
        }
        self.feed(tier, slot, &row);
    }

    pub(super) fn remember_minute(&mut self, closed: Closed) {
        if self.minutes.len() >= MEMORY_ROWS {
            self.minutes.pop_front();
        }
        self.minutes.push_back(closed);
    }

    /// Adds a finished slot to the next coarser tier's slot, ending the one before it first.
    pub(super) fn feed(&mut self, finer: Tier, slot: u32, row: &Row) {
        let Some(tier) = finer.next() else { return };
        let coarse = tier.slot(finer.begins(slot));
        if let Some(before) = self.filling.get(tier.index()).copied().flatten().filter(|s| *s != coarse) {
            self.close(tier, before);
            self.seal_if_over(tier, coarse);
        }
        self.begin(tier, coarse);
        for kind in Kind::ALL {
            for (id, figures) in row.of(kind) {
                let seen = finer.begins(slot);
                if let Some(live) = self.live_at(*id, kind, seen) {
                    live.add(tier, figures);
                }
            }
        }
    }

    /// Turns the finished slots of a block into the block once `current` lies in another one.
    fn seal_if_over(&mut self, tier: Tier, current: u32) {
        let span = tier.block_slots();
        let Some(open) = self.open.get_mut(tier.index()) else { return };
        if open.first().is_none_or(|first| first.slot / span == current / span) {
            return;
        }
        let open = std::mem::take(open);
        let Some(first) = open.first().map(|c| c.slot / span * span) else { return };
        let rows: Vec<(u32, Row)> =
            open.iter().filter_map(|c| Some((c.slot.checked_sub(first)?, c.row(tier)?))).collect();
        if let Some(frame) = block::of_rows(tier, first, span, &rows) {
            self.keep_block(tier, first, span, false, frame.into());
        }
    }

    /// Puts a finished block into the table and on the way to the disk.
    pub(super) fn keep_block(&mut self, tier: Tier, first: u32, slots: u32, elsewhere: bool, frame: Arc<[u8]>) {
        let ticket = self.pending.append(tier, first, frame.clone());
        let place = Place::Memory(frame);
        self.blocks.push(Block { tier, first, slots, recorded_elsewhere: elsewhere, place, ticket });
        if self.storage.is_none() {
            self.blocks.shrink();
        }
    }

    fn expire(&mut self, secs: i64) {
        self.blocks.expire(secs);
        for place in &mut self.live {
            let unseen_secs = place.as_ref().map_or(0, |l| secs - l.seen_secs);
            if unseen_secs > FORGET_SECS {
                *place = None;
            } else if let Some(live) = place.as_mut().filter(|_| unseen_secs > RING_SECS) {
                live.drop_rings();
            }
        }
        self.pending.expire(secs);
    }

    /// Every second: closes what is over and gives what is to be written. Perform it with [`Flush::perform`] on a job
    /// thread and hand the result to [`History::flushed`]; until then no other comes.
    pub fn flush(&mut self, now: Now) -> Option<Flush> {
        self.advance(now);
        for ticket in self.pending.give_up() {
            self.blocks.lost(ticket);
        }
        self.pending.flush(now, &self.subjects, false)
    }

    /// The last flush before the process ends: the minute that is being filled, and everything synced.
    pub fn flush_finally(&mut self, now: Now) -> Option<Flush> {
        self.advance(now);
        if let Some(slot) = self.filling.get(Tier::Minute.index()).copied().flatten() {
            self.close(Tier::Minute, slot);
        }
        self.pending.flush(now, &self.subjects, true)
    }

    /// Where flushes are performed; `None` when nothing is kept on a disk.
    pub fn storage(&self) -> Option<Arc<dyn Storage>> {
        self.storage.clone()
    }

    /// Why the last flush failed; `None` when it did not.
    pub fn failure(&self) -> Option<&str> {
        self.pending.failure.as_deref()
    }

    /// Bytes that figures take in memory, for diagnostics.
    pub fn memory_bytes(&self) -> usize {
        let live: usize = self.live.iter().flatten().map(|l| size_of::<Live>() + l.bytes()).sum();
        let rows: usize = self.minutes.iter().chain(self.open.iter().flatten()).map(|c| c.frame.len()).sum();
        live + rows + self.live.capacity() * size_of::<usize>() + self.blocks.bytes()
    }

    /// Takes in what came of a flush.
    pub fn flushed(&mut self, done: &Flushed) {
        for (ticket, at) in &done.placed {
            self.blocks.placed(*ticket, *at);
        }
        self.pending.flushed(done);
    }
}

/// The ring slot a moment lies in, counted since 1970.
pub fn ring_slot(secs: i64) -> u64 {
    u64::try_from(secs / RING_SLOT_SECS).unwrap_or(0)
}

/// Whether a slot is to be closed when `current` is being filled. One ahead may be a small step back of the clock.
fn over(slot: u32, current: u32) -> bool {
    slot < current || slot > current.saturating_add(1)
}

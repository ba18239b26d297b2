//! Reading charts. The owner takes a [`Snapshot`], which costs it microseconds for one guest and a few milliseconds for
//! all; a job turns it into points, reading blocks from the disk as needed.

use super::block;
use super::blocks::{Block, Place};
use super::file::{Storage, file_of};
use super::frame::{HEAD_BYTES, Head, u32_at};
use super::key::{Id, Subjects};
use super::metric::{Kind, MOST_METRICS};
use super::plan::{Base, Bucket, Plan, Point, points};
use super::row::{Figures, Row};
use super::store::{Closed, History, ring_slot};
use super::tier::{RING_SLOT_SECS, RING_SLOTS, Slot, Tier};
use crate::model::Now;
use std::sync::Arc;

/// One subject somebody wants to see.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// `None`: it has no history.
    pub id: Option<Id>,
    pub kind: Kind,
    /// Bit n: its n-th figure is wanted.
    pub columns: u8,
}

struct Subject {
    wanted: Wanted,
    /// Codes of the newest part by column, from the plan's ring slot on.
    codes: Vec<Vec<u32>>,
    /// Where its buckets begin.
    at: usize,
}

/// Everything a chart is made of, apart from the live history.
pub struct Snapshot {
    plan: Plan,
    subjects: Vec<Subject>,
    ring_from: u64,
    rows: Vec<(Tier, Closed)>,
    blocks: Vec<Block>,
    storage: Option<Arc<dyn Storage>>,
}

/// The points of one subject by column; columns that were not wanted are empty.
pub type Series = [Vec<Point>; MOST_METRICS];

/// Figures of Pulse itself go before those that Proxmox recorded.
const OWN: u8 = 1;

impl History {
    /// All subjects' numbers.
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// When the oldest figure was recorded.
    pub fn oldest_secs(&self) -> i64 {
        let ring = self.ring_since as i64 * RING_SLOT_SECS;
        let rows = self.minutes.front().map(|c| Tier::Minute.begins(c.slot));
        let open = Tier::COARSE.into_iter().filter_map(|t| self.open_of(t).first().map(|c| t.begins(c.slot)));
        rows.into_iter().chain(open).chain(self.blocks.oldest_secs()).fold(ring, i64::min)
    }

    fn open_of(&self, tier: Tier) -> &[Closed] {
        self.open.get(tier.index()).map_or(&[], Vec::as_slice)
    }

    /// What is needed to draw `range_secs` before `now` with at most `most_points` a series.
    pub fn snapshot(&self, now: Now, range_secs: i64, most_points: usize, wanted: Vec<Wanted>) -> Snapshot {
        let now_secs = now.unix_secs();
        let plan = Plan::new(now_secs, range_secs, self.oldest_secs(), most_points);
        // Until here coarse slots are finished; what follows comes from the rings, and before them from minutes.
        let base_end = match plan.base {
            Base::Ring => plan.from_secs,
            Base::Tier(tier) => tier.begins(tier.slot(now_secs)).max(plan.from_secs),
        };
        // Slots beyond the newest one still hold what was there an hour before.
        let ring_end = ring_slot(now_secs).min(self.ring_slot);
        let ring_holds = self.ring_since.max((ring_end + 1).saturating_sub(RING_SLOTS as u64));
        let ring_from = ring_slot(base_end + RING_SLOT_SECS - 1).max(ring_holds);
        let ring_from_secs = ring_from as i64 * RING_SLOT_SECS;
        let mut rows: Vec<(Tier, Closed)> = Vec::new();
        let mut take = |tier: Tier, list: &mut dyn Iterator<Item = &Closed>, from: i64, to: i64| {
            let within = |c: &&Closed| (from..to).contains(&tier.begins(c.slot));
            rows.extend(list.filter(within).map(|c| (tier, c.clone())));
        };
        let minutes_from = if plan.base == Base::Tier(Tier::Minute) { plan.from_secs } else { base_end };
        let minutes_to =
            if plan.base == Base::Tier(Tier::Minute) { base_end.max(ring_from_secs) } else { ring_from_secs };
        take(Tier::Minute, &mut self.minutes.iter(), minutes_from, minutes_to);
        if let Base::Tier(tier) = plan.base {
            take(tier, &mut self.open_of(tier).iter(), plan.from_secs, base_end);
        }
        let needed = |b: &&Block| {
            let overlaps = b.tier.begins(b.end()) > plan.from_secs && b.tier.begins(b.first) <= plan.to_secs;
            overlaps && (b.recorded_elsewhere || plan.base == Base::Tier(b.tier))
        };
        let mut blocks: Vec<Block> = self.blocks.iter().filter(needed).cloned().collect();
        // Own figures first, then what Proxmox recorded, the finest before the coarser.
        crate::order::sort_by_key(&mut blocks, |b| (b.recorded_elsewhere, b.tier, b.first));
        let mut at = 0;
        let subjects = wanted.into_iter().map(|w| {
            let live = w.id.and_then(|id| self.live.get(id as usize)?.as_deref());
            let codes = live.filter(|_| ring_from <= ring_end).map_or_else(Vec::new, |live| {
                (0..MOST_METRICS)
                    .map(|c| if w.columns >> c & 1 == 1 { live.codes(c, ring_from, ring_end) } else { Vec::new() })
                    .collect()
            });
            let begins = at;
            at += w.columns.count_ones() as usize * plan.buckets;
            Subject { wanted: w, codes, at: begins }
        });
        Snapshot { plan, subjects: subjects.collect(), ring_from, rows, blocks, storage: self.storage.clone() }
    }
}

impl Snapshot {
    /// The points of each subject, in the order wanted. Blocks on the disk; run it on a job thread.
    pub fn read(self) -> Vec<Series> {
        let cells =
            self.subjects.last().map_or(0, |s| s.at + s.wanted.columns.count_ones() as usize * self.plan.buckets);
        let mut grid = vec![Bucket::default(); cells];
        let mut by_id = vec![];
        for (n, id) in self.subjects.iter().enumerate().filter_map(|(n, s)| Some((n, s.wanted.id?))) {
            by_id.push((id, n));
        }
        crate::order::sort(&mut by_id);
        let find = |id: Id| {
            let at = by_id.binary_search_by_key(&id, |(i, _)| *i).ok()?;
            self.subjects.get(by_id.get(at)?.1)
        };
        for block in self.blocks.iter().filter(|b| !b.recorded_elsewhere) {
            self.read_block(block, OWN, &find, &mut grid);
        }
        for (tier, closed) in &self.rows {
            let Some(row) = closed.row(*tier) else { continue };
            for (id, figures) in Kind::ALL.into_iter().flat_map(|kind| row.of(kind)) {
                if let Some(subject) = find(*id) {
                    self.add(subject, tier.begins(closed.slot), figures, OWN, &mut grid);
                }
            }
        }
        for subject in &self.subjects {
            self.add_ring(subject, &mut grid);
        }
        for block in self.blocks.iter().filter(|b| b.recorded_elsewhere) {
            self.read_block(block, OWN + 1 + block.tier.index() as u8, &find, &mut grid);
        }
        self.subjects.iter().map(|s| self.points_of(s, &grid)).collect()
    }

    fn read_block<'a>(&self, block: &Block, layer: u8, find: &dyn Fn(Id) -> Option<&'a Subject>, grid: &mut [Bucket]) {
        let wanted = |id: Id| find(id).is_some();
        for_each_chunk(block, self.storage.as_deref(), &wanted, &mut |id, figures| {
            let Some(subject) = find(id) else { return };
            for (n, figures) in (0..).zip(figures) {
                self.add(subject, block.tier.begins(block.first.saturating_add(n)), figures, layer, grid);
            }
        });
    }

    /// Adds one slot's figures that begin at `secs`.
    fn add(&self, subject: &Subject, secs: i64, figures: &Figures, layer: u8, grid: &mut [Bucket]) {
        let Some(bucket) = self.plan.bucket(secs) else { return };
        for (nth, column) in columns(&subject.wanted).enumerate() {
            let cell = grid.get_mut(subject.at + nth * self.plan.buckets + bucket);
            let metric = subject.wanted.kind.metrics().get(column);
            if let (Some(cell), Some(slot), Some(metric)) = (cell, figures.get(column), metric) {
                cell.add(*slot, metric.codec(), layer);
            }
        }
    }

    fn add_ring(&self, subject: &Subject, grid: &mut [Bucket]) {
        for (nth, column) in columns(&subject.wanted).enumerate() {
            let Some(metric) = subject.wanted.kind.metrics().get(column) else { continue };
            for (slot, code) in (self.ring_from..).zip(subject.codes.get(column).into_iter().flatten()) {
                let Some(bucket) = self.plan.bucket(slot as i64 * RING_SLOT_SECS) else { continue };
                if let Some(cell) = grid.get_mut(subject.at + nth * self.plan.buckets + bucket) {
                    cell.add(Slot::single(*code), metric.codec(), OWN);
                }
            }
        }
    }

    fn points_of(&self, subject: &Subject, grid: &[Bucket]) -> Series {
        let mut series = Series::default();
        for (nth, column) in columns(&subject.wanted).enumerate() {
            let from = subject.at + nth * self.plan.buckets;
            let buckets = grid.get(from..from + self.plan.buckets).unwrap_or_default();
            if let (Some(place), Some(metric)) = (series.get_mut(column), subject.wanted.kind.metrics().get(column)) {
                *place = points(&self.plan, buckets, metric.codec());
            }
        }
        series
    }
}

fn columns(wanted: &Wanted) -> impl Iterator<Item = usize> + use<> {
    let mask = wanted.columns;
    (0..MOST_METRICS).filter(move |c| mask >> c & 1 == 1)
}

/// All slots of a block as rows, for filling coarser slots again.
pub fn read_block(block: &Block, storage: &dyn Storage, subjects: &Subjects) -> Vec<(u32, Row)> {
    let mut rows: Vec<(u32, Row)> = (0..block.slots).map(|n| (block.first.saturating_add(n), Row::default())).collect();
    for_each_chunk(block, Some(storage), &|_| true, &mut |id, figures| {
        let Some(kind) = subjects.get(id).map(|k| k.kind) else { return };
        for ((_, row), figures) in rows.iter_mut().zip(figures) {
            row.push(kind, id, *figures);
        }
    });
    rows.retain(|(_, row)| !row.is_empty());
    rows
}

/// Gives the figures of each wanted subject of a block that can be read.
fn for_each_chunk(
    block: &Block,
    storage: Option<&dyn Storage>,
    wanted: &dyn Fn(Id) -> bool,
    each: &mut dyn FnMut(Id, &[Figures]),
) {
    let file = file_of(block.tier, block.first);
    let read = |at: usize, bytes: usize| -> Option<Vec<u8>> {
        match &block.place {
            Place::Memory(frame) => frame.get(at..at.checked_add(bytes)?).map(<[u8]>::to_vec),
            Place::Disk { at: start, .. } => storage?.read(&file, start + at as u64, bytes).ok(),
        }
    };
    let mut give = || -> Option<()> {
        let start = read(0, HEAD_BYTES + 4)?;
        let head = Head::read(&start)?;
        let index_bytes = block::index_bytes(u32_at(&start, HEAD_BYTES)?).min(head.body_bytes as usize);
        let places = block::index(&head, &read(HEAD_BYTES, index_bytes)?)?;
        let mine = || places.iter().filter(|p| wanted(p.id));
        let (first, last) = (mine().next()?, mine().last()?);
        // A few subjects are read one by one, many in one go.
        let span = last.at + last.bytes - first.at;
        let bytes: usize = mine().map(|p| p.bytes).sum();
        let whole = if bytes * 4 >= span { read(HEAD_BYTES + first.at, span) } else { None };
        for place in mine() {
            let chunk = match &whole {
                Some(whole) => whole.get(place.at - first.at..).and_then(|w| w.get(..place.bytes)).map(<[u8]>::to_vec),
                None => read(HEAD_BYTES + place.at, place.bytes),
            };
            if let Some(figures) = chunk.and_then(|c| block::chunk(&head, place, &c)) {
                each(place.id, &figures);
            }
        }
        Some(())
    };
    // A block that cannot be read is a gap in the chart; opening counted it.
    give();
}

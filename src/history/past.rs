//! What Proxmox itself recorded before Pulse was there: how its rows become slots, where they are put, and which parts of
//! the past are known to be complete. They lie in blocks of their own that fill gaps only; a sparse row stays sparse.
//!
//! The file `past` holds a frame of a name for each finished stage: its body is the connection, its number how many
//! stages are finished. Asking is the business of `poll`.

use super::block::{self, Builder};
use super::figures::Sample;
use super::file::{PAST, Storage};
use super::frame::{Content, HEAD_BYTES, crc32, frame, next_head};
use super::key::{Id, Key};
use super::metric::Kind;
use super::row::{Figures, NO_FIGURES};
use super::store::History;
use super::tier::{Filling, Slot, Tier};
use crate::order::Map;
use std::io;

/// A part of the past that is fetched as one, in the order of its worth; the names are those of `rrddata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Stage {
    pub const ALL: [Stage; 5] = [Stage::Hour, Stage::Day, Stage::Week, Stage::Month, Stage::Year];

    /// The value of `timeframe`.
    pub fn timeframe(self) -> &'static str {
        match self {
            Stage::Hour => "hour",
            Stage::Day => "day",
            Stage::Week => "week",
            Stage::Month => "month",
            Stage::Year => "year",
        }
    }
    /// How far back it reaches.
    pub fn secs(self) -> i64 {
        match self {
            Stage::Hour => 3_600,
            Stage::Day => 86_400,
            Stage::Week => 7 * 86_400,
            Stage::Month => 30 * 86_400,
            Stage::Year => 366 * 86_400,
        }
    }
    /// Where the part before it, which is finer, ends.
    fn newest_secs(self) -> i64 {
        Stage::ALL.into_iter().rev().find(|s| *s < self).map_or(i64::MIN, Stage::secs)
    }
    /// Where rows lie that are so many seconds apart.
    fn tier(self, step_secs: i64) -> Tier {
        match step_secs {
            i64::MIN..300 if self == Stage::Hour => Tier::Minute,
            i64::MIN..1_800 => Tier::FiveMinutes,
            1_800..14_400 => Tier::HalfHour,
            _ => Tier::FourHours,
        }
    }
}

/// The figures of one row: means of the time that ends at this second.
#[derive(Debug, Clone, Copy)]
pub struct Recorded {
    pub unix_secs: i64,
    pub sample: Sample,
}

/// A subject's slots within one file's span of a tier, packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    stage: Stage,
    tier: Tier,
    first: u32,
    chunk: Vec<u8>,
}

impl Piece {
    pub fn bytes(&self) -> usize {
        self.chunk.len()
    }
}

/// What came of some subjects of one connection.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub subjects: Vec<(Key, Vec<Piece>)>,
    /// So many stages of the connection are complete with this.
    pub complete: Option<usize>,
}

/// Packs the rows of a stage that began to be fetched at `now_secs`. What a finer stage tells as well is left out, and so
/// is what lies in the future.
pub fn pieces(kind: Kind, stage: Stage, rows: &[Recorded], now_secs: i64) -> Vec<Piece> {
    let Some(step) = rows.windows(2).filter_map(step).min() else { return Vec::new() };
    let tier = stage.tier(step);
    let oldest = now_secs.saturating_sub(stage.secs().min(tier.kept_secs()));
    let newest = now_secs.saturating_sub(stage.newest_secs().max(-60));
    let mut slots: Map<u32, [Filling; super::metric::MOST_METRICS]> = Map::new();
    for row in rows.iter().filter(|r| (oldest..newest).contains(&r.unix_secs)) {
        let filling = slots.entry(tier.slot(row.unix_secs)).or_default();
        for ((place, value), metric) in filling.iter_mut().zip(row.sample).zip(kind.metrics()) {
            let code = Slot::single(metric.codec().encode(value));
            if !code.is_gap() {
                place.add(code, value);
            }
        }
    }
    let span = tier.file_slots();
    let mut files: Map<u32, Vec<Figures>> = Map::new();
    for (slot, filling) in &slots {
        let figures = files.entry(slot / span).or_insert_with(|| vec![NO_FIGURES; span as usize]);
        let Some(figures) = figures.get_mut((slot % span) as usize) else { continue };
        for ((place, filling), metric) in figures.iter_mut().zip(filling).zip(kind.metrics()) {
            *place = filling.slot(|v| metric.codec().encode(v));
        }
    }
    let piece = |(file, figures): (u32, Vec<Figures>)| {
        Some(Piece { stage, tier, first: file.saturating_mul(span), chunk: block::chunk_of(&figures)? })
    };
    files.into_iter().filter_map(piece).collect()
}

fn step(two: &[Recorded]) -> Option<i64> {
    let [a, b] = two else { return None };
    b.unix_secs.checked_sub(a.unix_secs).filter(|s| *s > 0)
}

impl History {
    /// How many stages of a connection's past are complete.
    pub fn past_of(&self, instance: &str) -> usize {
        self.past.get(instance).copied().unwrap_or(0)
    }

    /// Takes in what Proxmox recorded of a connection's subjects.
    pub fn take_past(&mut self, instance: &str, batch: &Batch) {
        // Stages that lie in the same tier get blocks of their own.
        let mut blocks: Map<(Tier, u32, Stage), Map<Id, &[u8]>> = Map::new();
        for (key, pieces) in &batch.subjects {
            let Some(id) = self.introduce(key) else { continue };
            for piece in pieces {
                blocks.entry((piece.tier, piece.first, piece.stage)).or_default().insert(id, &piece.chunk);
            }
        }
        for ((tier, first, _), chunks) in blocks {
            let slots = tier.file_slots();
            let mut block = Builder::new(tier, first, slots, true);
            for (id, chunk) in chunks {
                block.push_chunk(id, chunk);
            }
            if let Some(frame) = block.finish() {
                self.keep_block(tier, first, slots, true, frame.into());
            }
        }
        if let Some(stages) = batch.complete {
            self.past.insert(instance.into(), stages);
            self.pending.mark(mark(instance, stages));
        }
    }
}

fn mark(instance: &str, stages: usize) -> Vec<u8> {
    let stages = u32::try_from(stages).unwrap_or(0);
    frame(Content::Name, Tier::Minute, stages, 0, instance.as_bytes())
}

/// Larger than the marks of all connections can be.
const MOST_BYTES: usize = 1 << 20;

/// How many stages are complete, by connection. A damaged mark costs fetching a stage again.
pub(super) fn load(storage: &dyn Storage) -> io::Result<Map<Box<str>, usize>> {
    let mut out = Map::new();
    if storage.length(PAST)? == 0 {
        return Ok(out);
    }
    let bytes = storage.read(PAST, 0, MOST_BYTES)?;
    let mut from = 0;
    while let Some((at, head)) = next_head(&bytes, from) {
        let body = bytes.get(at + HEAD_BYTES..at + head.frame_bytes()).filter(|b| crc32(b) == head.body_crc);
        from = at + body.map_or(HEAD_BYTES, |_| head.frame_bytes());
        if let Some(instance) = body.and_then(|b| std::str::from_utf8(b).ok()) {
            out.insert(instance.into(), head.first as usize);
        }
    }
    Ok(out)
}

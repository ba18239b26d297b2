//! One slot of all subjects: what is appended each minute, and how slots of an unfinished block wait in memory.
//!
//! The body of a row is deflated (zlib's raw format). Inside, for each kind of subject in the order of [`Kind::ALL`]:
//! the number of subjects; their numbers, rising, each as the difference to the one before; a byte for each subject
//! whose bit n says that its n-th figure is known; then for each figure the known subjects' means, lowest bytes first,
//! then the second bytes (amounts have four); then how far each maximum lies above its mean; then, unless the tier is
//! a minute, how far each minimum lies below. Counts, differences and distances are varints: seven bits a byte, low
//! ones first, the eighth bit saying that more follow. Bytes of one meaning lie together because that deflates best.
//! Rows of a minute are what is written most, so they say no more than charts show: percent to 1/150, rates to 0.4 %,
//! and a maximum only when it stands out (a percent point, half as much again, half a percent of an amount), to 1 %.
//! Coarser slots are made from the exact figures, unless a restart came between.

use super::frame::{put_varint, take_varint};
use super::key::Id;
use super::metric::{Codec, Kind, MOST_METRICS};
use super::tier::{Slot, Tier};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use std::io::{Read, Write};

/// A subject's figures in one slot, by column.
pub type Figures = [Slot; MOST_METRICS];
pub const NO_FIGURES: Figures = [Slot::NONE; MOST_METRICS];
/// More than 50,000 subjects need.
const MOST_PLAIN_BYTES: u64 = 16 << 20;

/// Figures of one slot by kind of subject, in rising numbers.
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub kinds: [Vec<(Id, Figures)>; Kind::ALL.len()],
}

impl Row {
    pub fn push(&mut self, kind: Kind, id: Id, figures: Figures) {
        if figures.iter().any(|s| !s.is_gap())
            && let Some(list) = self.kinds.get_mut(kind.index())
        {
            list.push((id, figures));
        }
    }
    pub fn is_empty(&self) -> bool {
        self.kinds.iter().all(Vec::is_empty)
    }
    pub fn of(&self, kind: Kind) -> &[(Id, Figures)] {
        self.kinds.get(kind.index()).map_or(&[], Vec::as_slice)
    }
    pub fn get(&self, kind: Kind, id: Id) -> Option<&Figures> {
        let list = self.of(kind);
        list.binary_search_by_key(&id, |(i, _)| *i).ok().and_then(|at| list.get(at)).map(|(_, f)| f)
    }

    /// The body of a row's frame.
    pub fn encode(&self, tier: Tier) -> Vec<u8> {
        let mut plain = Vec::new();
        for kind in Kind::ALL {
            write_kind(&mut plain, kind, self.of(kind), tier);
        }
        // Rows of coarse tiers stay in memory, for a day at most: being quick counts more there.
        let level = if tier == Tier::Minute { 6 } else { 1 };
        let mut deflate = DeflateEncoder::new(Vec::with_capacity(plain.len()), Compression::new(level));
        // Writing to memory does not fail.
        deflate.write_all(&plain).and_then(|()| deflate.finish()).unwrap_or_default()
    }

    /// Reads a body whose checksum was right; `None` when it makes no sense all the same.
    pub fn decode(body: &[u8], tier: Tier) -> Option<Row> {
        let mut plain = Vec::new();
        DeflateDecoder::new(body).take(MOST_PLAIN_BYTES).read_to_end(&mut plain).ok()?;
        let mut rest = plain.as_slice();
        let mut row = Row::default();
        for (kind, list) in Kind::ALL.into_iter().zip(&mut row.kinds) {
            *list = read_kind(&mut rest, kind, tier)?;
        }
        Some(row)
    }
}

fn write_kind(out: &mut Vec<u8>, kind: Kind, list: &[(Id, Figures)], tier: Tier) {
    put_varint(out, u32::try_from(list.len()).unwrap_or(u32::MAX));
    let mut last = 0;
    for (id, _) in list {
        put_varint(out, id.wrapping_sub(last));
        last = *id;
    }
    for (_, figures) in list {
        out.push(figures.iter().enumerate().fold(0u8, |m, (n, s)| if s.is_gap() { m } else { m | 1 << n }));
    }
    for (column, metric) in kind.metrics().iter().enumerate() {
        let codec = metric.codec();
        let minute = tier == Tier::Minute;
        let known = || {
            let slots = list.iter().filter_map(|(_, f)| f.get(column)).filter(|s| !s.is_gap());
            slots.map(|s| if minute { brief(*s, codec) } else { *s })
        };
        for plane in 0..width(codec) {
            out.extend(known().map(|s| (s.mean >> (8 * plane)) as u8));
        }
        known().for_each(|s| put_varint(out, s.max.saturating_sub(s.mean)));
        if !minute {
            known().for_each(|s| put_varint(out, s.mean.saturating_sub(s.min)));
        }
    }
}

fn read_kind(rest: &mut &[u8], kind: Kind, tier: Tier) -> Option<Vec<(Id, Figures)>> {
    let count = take_varint(rest)? as usize;
    // Each subject takes two bytes at least, so a wrong count cannot make us reserve much.
    if count > rest.len() {
        return None;
    }
    let mut list = Vec::with_capacity(count);
    let mut id: Id = 0;
    for n in 0..count {
        let step = take_varint(rest)?;
        id = id.checked_add(step)?;
        if n > 0 && step == 0 {
            return None;
        }
        list.push((id, NO_FIGURES));
    }
    let (masks, after) = rest.split_at_checked(count)?;
    *rest = after;
    for (column, metric) in kind.metrics().iter().enumerate() {
        let known = || (0..count).filter(|n| masks.get(*n).is_some_and(|m| m >> column & 1 == 1));
        let planes = width(metric.codec());
        let of_kind = known().count();
        let (bytes, after) = rest.split_at_checked(of_kind * planes)?;
        *rest = after;
        for (nth, n) in known().enumerate() {
            let mean = (0..planes).try_fold(0u32, |code, plane| {
                Some(code | u32::from(*bytes.get(plane * of_kind + nth)?) << (8 * plane))
            })?;
            list.get_mut(n)?.1.get_mut(column).map(|s| *s = Slot::single(mean))?;
        }
        for n in known() {
            let above = take_varint(rest)?;
            list.get_mut(n)?.1.get_mut(column).map(|s| s.max = s.mean.saturating_add(above))?;
        }
        if tier != Tier::Minute {
            for n in known() {
                let below = take_varint(rest)?;
                list.get_mut(n)?.1.get_mut(column).map(|s| s.min = s.mean.saturating_sub(below))?;
            }
        }
    }
    Some(list)
}

fn width(codec: Codec) -> usize {
    if codec.narrow() { 2 } else { 4 }
}

/// What a minute's row says of a slot.
fn brief(slot: Slot, codec: Codec) -> Slot {
    let (drop, stands_out) = match codec {
        Codec::Percent => (2, 600),
        Codec::Rate => (if slot.mean < 2_048 { 0 } else { 4 }, 1_024),
        Codec::Amount => (0, 1 << 18),
    };
    let mean = slot.mean >> drop << drop;
    let above = slot.max.saturating_sub(mean);
    Slot { min: mean, mean, max: if above < stands_out { mean } else { mean.saturating_add(coarse(above)) } }
}

/// Rounds to six significant bits.
fn coarse(far: u32) -> u32 {
    let drop = (u32::BITS - far.leading_zeros()).saturating_sub(6);
    let half = (1u32 << drop) >> 1;
    far.saturating_add(half) >> drop << drop
}

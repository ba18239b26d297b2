//! Several slots of all subjects, turned so that one subject's figures lie together: what coarse tiers are kept in.
//!
//! The body of a block's frame is an index and then one chunk a subject. The index is the number of subjects (4 bytes)
//! and for each, in rising numbers: its number (4), the bytes of its chunk (4), the CRC-32 of its chunk (4). The frame's
//! checksum covers the index, each chunk has its own: a damaged byte costs one subject's chunk or, in the index, the
//! block. Chunks follow each other in the order of the index.
//!
//! A chunk is a byte whose bit n says that the n-th figure is known in some slot, and then for each such figure a byte of
//! flags (1: a map of known slots follows, lowest bit first; 2: minima and maxima differ from means; 4: all means are
//! the same), the map, the first mean and the ways from each mean to the next (flag 4: the first only), then with flag 2
//! the distances of all maxima above and of all minima below their means. Numbers are varints.

use super::frame::{Content, HEAD_BYTES, Head, crc32, put_varint, take_varint, u32_at, walk, way};
use super::key::Id;
use super::metric::{Kind, MOST_METRICS};
use super::row::{Figures, NO_FIGURES, Row};
use super::tier::{Slot, Tier};
use crate::order::Map;

const HAS_MAP: u8 = 1;
const HAS_SPREAD: u8 = 2;
const SAME_MEANS: u8 = 4;
const ENTRY_BYTES: usize = 12;
/// No block holds more slots than this.
pub const MOST_BLOCK_SLOTS: u32 = 512;

/// Builds a block's frame. Subjects must come in rising numbers, each with one `Figures` a slot.
pub struct Builder {
    tier: Tier,
    first: u32,
    slots: u32,
    recorded_elsewhere: bool,
    entries: Vec<u8>,
    chunks: Vec<u8>,
    count: u32,
}

impl Builder {
    pub fn new(tier: Tier, first: u32, slots: u32, recorded_elsewhere: bool) -> Builder {
        Builder {
            tier,
            first,
            slots: slots.min(MOST_BLOCK_SLOTS),
            recorded_elsewhere,
            entries: Vec::new(),
            chunks: Vec::new(),
            count: 0,
        }
    }

    pub fn push(&mut self, id: Id, figures: &[Figures]) {
        if let Some(chunk) = chunk_of(figures.get(..self.slots as usize).unwrap_or(figures)) {
            self.push_chunk(id, &chunk);
        }
    }

    /// A chunk that was made before, of as many slots as the block has.
    pub fn push_chunk(&mut self, id: Id, chunk: &[u8]) {
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        for number in [id, length, crc32(chunk)] {
            self.entries.extend_from_slice(&number.to_le_bytes());
        }
        self.chunks.extend_from_slice(chunk);
        self.count += 1;
    }

    /// The frame; `None` when no subject had anything.
    pub fn finish(self) -> Option<Vec<u8>> {
        if self.count == 0 {
            return None;
        }
        let mut index = self.count.to_le_bytes().to_vec();
        index.extend_from_slice(&self.entries);
        let head = Head {
            content: Content::Block,
            tier: self.tier,
            recorded_elsewhere: self.recorded_elsewhere,
            first: self.first,
            slots: self.slots,
            body_bytes: u32::try_from(index.len() + self.chunks.len()).ok()?,
            body_crc: crc32(&index),
        };
        let mut out = Vec::with_capacity(HEAD_BYTES + index.len() + self.chunks.len());
        head.write(&mut out);
        out.extend_from_slice(&index);
        out.extend_from_slice(&self.chunks);
        Some(out)
    }
}

/// Turns rows into a block. Each row comes with its place in the block.
pub fn of_rows(tier: Tier, first: u32, slots: u32, rows: &[(u32, Row)]) -> Option<Vec<u8>> {
    let mut turned: Map<Id, Vec<Figures>> = Map::new();
    for (at, row) in rows {
        for (id, figures) in Kind::ALL.into_iter().flat_map(|kind| row.of(kind)) {
            let all = turned.entry(*id).or_insert_with(|| vec![NO_FIGURES; slots as usize]);
            if let Some(place) = all.get_mut(*at as usize) {
                *place = *figures;
            }
        }
    }
    let mut block = Builder::new(tier, first, slots, false);
    for (id, figures) in &turned {
        block.push(*id, figures);
    }
    block.finish()
}

/// Where one subject's chunk lies, from the start of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub id: Id,
    pub at: usize,
    pub bytes: usize,
    crc: u32,
}

/// Bytes of the index of so many subjects.
pub fn index_bytes(subjects: u32) -> usize {
    4 + subjects as usize * ENTRY_BYTES
}

/// Reads a block's index out of (the beginning of) its body; `None` when it is damaged.
pub fn index(head: &Head, body: &[u8]) -> Option<Vec<Place>> {
    let count = u32_at(body, 0)?;
    let index = body.get(..index_bytes(count))?;
    if crc32(index) != head.body_crc {
        return None;
    }
    let mut at = index.len();
    let mut places = Vec::with_capacity(count as usize);
    for entry in index.get(4..)?.chunks_exact(ENTRY_BYTES) {
        let bytes = u32_at(entry, 4)? as usize;
        places.push(Place { id: u32_at(entry, 0)?, at, bytes, crc: u32_at(entry, 8)? });
        at = at.checked_add(bytes)?;
    }
    (at == head.body_bytes as usize).then_some(places)
}

/// Reads one subject's figures, one entry a slot; `None` when the chunk is damaged.
pub fn chunk(head: &Head, place: &Place, chunk: &[u8]) -> Option<Vec<Figures>> {
    if chunk.len() != place.bytes || crc32(chunk) != place.crc || head.slots > MOST_BLOCK_SLOTS {
        return None;
    }
    let mut figures = vec![NO_FIGURES; head.slots as usize];
    let (&mask, mut rest) = chunk.split_first()?;
    for column in (0..MOST_METRICS).filter(|c| mask >> c & 1 == 1) {
        read_column(&mut rest, &mut figures, column)?;
    }
    Some(figures)
}

/// One subject's chunk; `None` when nothing is known of it.
pub fn chunk_of(figures: &[Figures]) -> Option<Vec<u8>> {
    let mut out = vec![0];
    let mut mask = 0u8;
    for column in 0..MOST_METRICS {
        if figures.iter().filter_map(|f| f.get(column)).any(|s| !s.is_gap()) {
            mask |= 1 << column;
            write_column(&mut out, figures, column);
        }
    }
    *out.first_mut()? = mask;
    (mask != 0).then_some(out)
}

fn write_column(out: &mut Vec<u8>, figures: &[Figures], column: usize) {
    let all = || figures.iter().filter_map(|f| f.get(column));
    let known = || all().filter(|s| !s.is_gap());
    let Some(first) = known().next() else { return };
    let has_map = all().any(Slot::is_gap);
    let has_spread = known().any(|s| s.min != s.mean || s.max != s.mean);
    let same = known().all(|s| s.mean == first.mean);
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.push(flag(has_map, HAS_MAP) | flag(has_spread, HAS_SPREAD) | flag(same, SAME_MEANS));
    if has_map {
        let mut map = vec![0u8; figures.len().div_ceil(8)];
        for (n, _) in all().enumerate().filter(|(_, s)| !s.is_gap()) {
            if let Some(byte) = map.get_mut(n / 8) {
                *byte |= 1 << (n % 8);
            }
        }
        out.extend_from_slice(&map);
    }
    put_varint(out, first.mean);
    if !same {
        let mut last = first.mean;
        for slot in known().skip(1) {
            put_varint(out, way(last, slot.mean));
            last = slot.mean;
        }
    }
    if has_spread {
        known().for_each(|s| put_varint(out, s.max.saturating_sub(s.mean)));
        known().for_each(|s| put_varint(out, s.mean.saturating_sub(s.min)));
    }
}

fn read_column(rest: &mut &[u8], figures: &mut [Figures], column: usize) -> Option<()> {
    let (&flags, after) = rest.split_first()?;
    *rest = after;
    let mut known: Vec<usize> = (0..figures.len()).collect();
    if flags & HAS_MAP != 0 {
        let (map, after) = rest.split_at_checked(figures.len().div_ceil(8))?;
        *rest = after;
        known.retain(|n| map.get(n / 8).is_some_and(|byte| byte >> (n % 8) & 1 == 1));
    }
    let mut mean = take_varint(rest)?;
    for (nth, n) in known.iter().enumerate() {
        if nth > 0 && flags & SAME_MEANS == 0 {
            mean = walk(mean, take_varint(rest)?);
        }
        *figures.get_mut(*n)?.get_mut(column)? = Slot::single(mean);
    }
    if flags & HAS_SPREAD != 0 {
        for n in &known {
            let above = take_varint(rest)?;
            let slot = figures.get_mut(*n)?.get_mut(column)?;
            slot.max = slot.mean.saturating_add(above);
        }
        for n in &known {
            let below = take_varint(rest)?;
            let slot = figures.get_mut(*n)?.get_mut(column)?;
            slot.min = slot.mean.saturating_sub(below);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::metric::GAP;

    fn figures(column: usize, slot: Slot) -> Figures {
        let mut f = NO_FIGURES;
        f[column] = slot;
        f
    }

    #[test]
    fn each_subject_comes_back_as_it_was_also_with_gaps() {
        let steady = vec![figures(0, Slot::single(500)); 12];
        let mut moving: Vec<Figures> =
            (0..12).map(|n| figures(6, Slot { min: n, mean: 60_000 - n * 7, max: 65_000 })).collect();
        moving[4] = NO_FIGURES;
        moving[11] = NO_FIGURES;
        let mut block = Builder::new(Tier::FiveMinutes, 1200, 12, false);
        block.push(3, &steady);
        block.push(4, &[NO_FIGURES; 12]);
        block.push(9, &moving);
        let frame = block.finish().unwrap();
        let head = Head::read(&frame).unwrap();
        let body = &frame[HEAD_BYTES..];
        let places = index(&head, body).unwrap();
        let read = |n: usize| chunk(&head, &places[n], &body[places[n].at..][..places[n].bytes]).unwrap();
        assert_eq!(places.iter().map(|p| p.id).collect::<Vec<_>>(), [3, 9]);
        assert_eq!(read(0), steady);
        assert_eq!(read(1), moving);
        assert!(places[0].bytes < 8, "what does not move costs next to nothing");
        assert_eq!(read(1)[4][6].mean, GAP);
    }

    #[test]
    fn a_damaged_byte_costs_one_chunk_or_the_block_and_is_never_believed() {
        let mut block = Builder::new(Tier::HalfHour, 0, 12, true);
        for id in 0..5 {
            let moving: Vec<Figures> =
                (0..12).map(|n| figures(1, Slot { min: n, mean: 9_000 + n * id, max: 20_000 })).collect();
            block.push(id, &moving);
        }
        let whole = block.finish().unwrap();
        for at in 0..whole.len() {
            let mut frame = whole.clone();
            frame[at] ^= 0x10;
            let Some(head) = Head::read(&frame) else { continue };
            assert!(at >= HEAD_BYTES);
            let body = &frame[HEAD_BYTES..];
            let Some(places) = index(&head, body) else { continue };
            let lost = places.iter().filter(|p| chunk(&head, p, &body[p.at..][..p.bytes]).is_none()).count();
            assert_eq!(lost, 1, "byte {at}");
        }
    }
}

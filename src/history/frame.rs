//! The frame around everything that reaches the disk. A file is a sequence of frames and nothing else; what is torn or
//! damaged is skipped by looking for the next frame, so a damaged byte costs the one record it lies in.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `PuH1` |
//! | 1 | what is inside: `N` a name, `R` a row, `B` a block |
//! | 1 | tier: 0 a minute, 1 five minutes, 2 half an hour, 3 four hours; 0 for names |
//! | 1 | bit 0: figures that Proxmox recorded (back-fill); they fill gaps only |
//! | 1 | 0 |
//! | 4 | names: the subject's number; else the first slot, counted in slots of the tier since 1970 |
//! | 4 | slots |
//! | 4 | bytes of the body |
//! | 4 | CRC-32 of the body; of a block: of its index |
//! | 4 | CRC-32 of the 24 bytes above |
//!
//! The body follows. All numbers are little-endian; CRC-32 is the one of gzip.

use super::tier::Tier;

pub const HEAD_BYTES: usize = 28;
const MAGIC: &[u8; 4] = b"PuH1";
/// Nothing that is written comes near this.
pub const MOST_BODY_BYTES: u32 = 64 << 20;
const MOST_SLOTS: u32 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Name,
    Row,
    Block,
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub content: Content,
    pub tier: Tier,
    pub recorded_elsewhere: bool,
    /// First slot, or a subject's number.
    pub first: u32,
    pub slots: u32,
    pub body_bytes: u32,
    pub body_crc: u32,
}

impl Head {
    /// One past the last slot.
    pub fn end(&self) -> u32 {
        self.first.saturating_add(self.slots)
    }
    pub fn frame_bytes(&self) -> usize {
        HEAD_BYTES + self.body_bytes as usize
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(MAGIC);
        let content = match self.content {
            Content::Name => b'N',
            Content::Row => b'R',
            Content::Block => b'B',
        };
        out.extend_from_slice(&[content, self.tier.index() as u8, u8::from(self.recorded_elsewhere), 0]);
        for number in [self.first, self.slots, self.body_bytes, self.body_crc] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let crc = crc32(out.get(start..).unwrap_or_default());
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// Reads a head; `None` when these bytes are none.
    pub fn read(bytes: &[u8]) -> Option<Head> {
        let bytes = bytes.get(..HEAD_BYTES)?;
        let (said, crc) = bytes.split_at_checked(HEAD_BYTES - 4)?;
        if !said.starts_with(MAGIC) || u32_at(crc, 0)? != crc32(said) {
            return None;
        }
        let content = match said.get(4)? {
            b'N' => Content::Name,
            b'R' => Content::Row,
            b'B' => Content::Block,
            _ => return None,
        };
        let head = Head {
            content,
            tier: Tier::from_index(*said.get(5)?)?,
            recorded_elsewhere: said.get(6)? & 1 == 1,
            first: u32_at(said, 8)?,
            slots: u32_at(said, 12)?,
            body_bytes: u32_at(said, 16)?,
            body_crc: u32_at(said, 20)?,
        };
        (head.body_bytes <= MOST_BODY_BYTES && head.slots <= MOST_SLOTS).then_some(head)
    }
}

/// A whole frame around a body whose checksum covers all of it.
pub fn frame(content: Content, tier: Tier, first: u32, slots: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + body.len());
    let body_bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
    Head { content, tier, recorded_elsewhere: false, first, slots, body_bytes, body_crc: crc32(body) }.write(&mut out);
    out.extend_from_slice(body);
    out
}

/// Where the next frame's head begins at or after `from`. What lies between is damaged.
pub fn next_head(bytes: &[u8], from: usize) -> Option<(usize, Head)> {
    let mut at = from;
    loop {
        let rest = bytes.get(at..)?;
        let found = rest.windows(MAGIC.len()).position(|w| w == MAGIC)?;
        at += found;
        if let Some(head) = Head::read(bytes.get(at..)?) {
            return Some((at, head));
        }
        at += 1;
    }
}

pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Appends a number in groups of seven bits, low ones first.
pub fn put_varint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u32::from(byte & 0x7f);
        number |= part.checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return (shift < 28 || part < 16).then_some(number);
        }
    }
    None
}

/// The way from one code to the next as an unsigned number, small ways in either direction staying small.
pub fn way(from: u32, to: u32) -> u32 {
    let step = to.wrapping_sub(from).cast_signed();
    ((step << 1) ^ (step >> 31)).cast_unsigned()
}

/// Where a way leads.
pub fn walk(from: u32, way: u32) -> u32 {
    from.wrapping_add((way >> 1) ^ (way & 1).wrapping_neg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_their_varints_and_ways() {
        for number in [0, 1, 127, 128, 300, 65_535, u32::MAX - 1, u32::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            assert_eq!(take_varint(&mut bytes.as_slice()), Some(number));
            for from in [0, 5, 1 << 31, u32::MAX] {
                assert_eq!(walk(from, way(from, number)), number);
            }
        }
        assert_eq!(take_varint(&mut [0xff, 0xff, 0xff, 0xff, 0xff, 0x01].as_slice()), None);
        assert_eq!((way(5, 4), way(5, 6)), (1, 2));
    }

    #[test]
    fn the_next_frame_is_found_behind_damage() {
        let one = frame(Content::Row, Tier::Minute, 7, 1, b"one");
        let two = frame(Content::Row, Tier::Minute, 8, 1, b"two");
        let mut file = [one.clone(), two].concat();
        file[9] ^= 0x40;
        let (at, head) = next_head(&file, 0).unwrap();
        assert_eq!((at, head.first), (one.len(), 8));
        assert_eq!(next_head(&file, at + 1), None);
    }
}

//! The last hour in slots of ten seconds: one figure a slot, the newest that came.

use super::metric::GAP;
use super::tier::RING_SLOTS;

/// Slots of one figure, by slot number modulo the length. Nothing is reserved before the first figure comes.
#[derive(Debug, Clone, Default)]
pub enum Ring {
    #[default]
    Empty,
    Narrow(Box<[u16]>),
    Wide(Box<[u32]>),
}

const NARROW_GAP: u16 = u16::MAX;

impl Ring {
    /// Puts a code into a slot; a gap into an empty ring costs nothing.
    pub fn put(&mut self, slot: u64, code: u32, narrow: bool) {
        if matches!(self, Ring::Empty) {
            if code == GAP {
                return;
            }
            *self = if narrow {
                Ring::Narrow(vec![NARROW_GAP; RING_SLOTS].into_boxed_slice())
            } else {
                Ring::Wide(vec![GAP; RING_SLOTS].into_boxed_slice())
            };
        }
        match self {
            Ring::Empty => {}
            Ring::Narrow(codes) => {
                if let Some(place) = codes.get_mut(place(slot)) {
                    *place = u16::try_from(code).unwrap_or(NARROW_GAP);
                }
            }
            Ring::Wide(codes) => {
                if let Some(place) = codes.get_mut(place(slot)) {
                    *place = code;
                }
            }
        }
    }
    pub fn get(&self, slot: u64) -> u32 {
        match self {
            Ring::Empty => GAP,
            Ring::Narrow(codes) => match codes.get(place(slot)) {
                None | Some(&NARROW_GAP) => GAP,
                Some(code) => u32::from(*code),
            },
            Ring::Wide(codes) => codes.get(place(slot)).copied().unwrap_or(GAP),
        }
    }
    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        match self {
            Ring::Empty => 0,
            Ring::Narrow(codes) => size_of_val(&**codes),
            Ring::Wide(codes) => size_of_val(&**codes),
        }
    }
}

fn place(slot: u64) -> usize {
    (slot % RING_SLOTS as u64) as usize
}

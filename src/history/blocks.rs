//! The table of all blocks there are: which slots of which tier lie where.

use super::frame::HEAD_BYTES;
use super::tier::Tier;
use std::sync::Arc;

/// Without a disk, blocks may take this much memory; then the oldest of the largest tier goes.
const MOST_MEMORY_BYTES: usize = 16 << 20;

#[derive(Debug, Clone)]
pub enum Place {
    /// Not on the disk (yet): the whole frame.
    Memory(Arc<[u8]>),
    /// In the tier's file, from this byte on, this many.
    Disk { at: u64, bytes: u32 },
}

#[derive(Debug, Clone)]
pub struct Block {
    pub tier: Tier,
    pub first: u32,
    pub slots: u32,
    /// Fills gaps only.
    pub recorded_elsewhere: bool,
    pub place: Place,
    /// Of the write that brings it to the disk; 0 when it is there.
    pub ticket: u64,
}

impl Block {
    pub fn end(&self) -> u32 {
        self.first.saturating_add(self.slots)
    }
    fn memory_bytes(&self) -> usize {
        match &self.place {
            Place::Memory(frame) => frame.len() + HEAD_BYTES,
            Place::Disk { .. } => 0,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct Blocks {
    list: Vec<Block>,
}

impl Blocks {
    pub fn push(&mut self, block: Block) {
        self.list.push(block);
    }
    pub fn iter(&self) -> impl Iterator<Item = &Block> {
        self.list.iter()
    }
    /// One past the newest slot of a tier that Pulse recorded itself.
    pub fn end(&self, tier: Tier) -> u32 {
        self.of(tier).filter(|b| !b.recorded_elsewhere).map(Block::end).max().unwrap_or(0)
    }
    /// When the oldest slot begins; `None` without blocks.
    pub fn oldest_secs(&self) -> Option<i64> {
        self.list.iter().map(|b| b.tier.begins(b.first)).min()
    }
    pub fn of(&self, tier: Tier) -> impl Iterator<Item = &Block> {
        self.list.iter().filter(move |b| b.tier == tier)
    }
    /// A write is done: its block is read from the disk from now on.
    pub fn placed(&mut self, ticket: u64, at: u64) {
        for block in self.list.iter_mut().filter(|b| b.ticket == ticket) {
            if let Place::Memory(frame) = &block.place {
                block.place = Place::Disk { at, bytes: u32::try_from(frame.len()).unwrap_or(u32::MAX) };
                block.ticket = 0;
            }
        }
    }
    /// A write was given up.
    pub fn lost(&mut self, ticket: u64) {
        self.list.retain(|b| b.ticket != ticket || ticket == 0);
    }
    /// Drops what is past its time.
    pub fn expire(&mut self, now_secs: i64) {
        self.list.retain(|b| b.end() > b.tier.oldest(now_secs));
    }
    /// Bytes of blocks that are in memory, and of the table.
    pub fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Block>() + self.list.iter().map(Block::memory_bytes).sum::<usize>()
    }
    /// Keeps a history without a disk small.
    pub fn shrink(&mut self) {
        while self.bytes() > MOST_MEMORY_BYTES {
            let size = |tier: Tier| self.of(tier).map(Block::memory_bytes).sum::<usize>();
            let Some(largest) = Tier::ALL.into_iter().max_by_key(|t| size(*t)) else { return };
            let oldest = self.list.iter().enumerate().filter(|(_, b)| b.tier == largest).min_by_key(|(_, b)| b.first);
            let Some((at, _)) = oldest else { return };
            self.list.remove(at);
        }
    }
}

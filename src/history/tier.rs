//! The resolutions in which figures are kept, and how fine slots become one coarse slot.
//!
//! | tier | kept | where | lies in |
//! |---|---|---|---|
//! | ten seconds | an hour | memory | rings |
//! | a minute | six hours (four of them also in memory) | disk | rows, one a minute |
//! | five minutes | eight days | disk | blocks of an hour |
//! | half an hour | 31 days | disk | blocks of six hours |
//! | four hours | 366 days | disk | blocks of a day |
//!
//! Each tier is made from the one above it, so a block that was not finished when the process ended is made again
//! from finer slots.

use super::metric::GAP;

/// Seconds of the finest slots.
pub const RING_SLOT_SECS: i64 = 10;
/// Slots of a ring: an hour and a bit, so that a chart of an hour is whole while the next slot is being filled.
pub const RING_SLOTS: usize = 366;

/// A resolution that reaches the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    Minute,
    FiveMinutes,
    HalfHour,
    FourHours,
}

impl Tier {
    pub const ALL: [Tier; 4] = [Tier::Minute, Tier::FiveMinutes, Tier::HalfHour, Tier::FourHours];
    /// The tiers kept as blocks.
    pub const COARSE: [Tier; 3] = [Tier::FiveMinutes, Tier::HalfHour, Tier::FourHours];

    pub fn index(self) -> usize {
        self as usize
    }
    pub fn from_index(index: u8) -> Option<Tier> {
        Tier::ALL.get(usize::from(index)).copied()
    }
    pub fn slot_secs(self) -> i64 {
        match self {
            Tier::Minute => 60,
            Tier::FiveMinutes => 300,
            Tier::HalfHour => 1_800,
            Tier::FourHours => 14_400,
        }
    }
    /// How long slots are kept.
    pub fn kept_secs(self) -> i64 {
        match self {
            Tier::Minute => 6 * 3_600,
            Tier::FiveMinutes => 8 * 86_400,
            Tier::HalfHour => 31 * 86_400,
            Tier::FourHours => 366 * 86_400,
        }
    }
    /// Slots of a full block; rows have one.
    pub fn block_slots(self) -> u32 {
        match self {
            Tier::Minute => 1,
            Tier::FiveMinutes | Tier::HalfHour => 12,
            Tier::FourHours => 6,
        }
    }
    /// Slots of a file, a multiple of a block's; files are deleted whole.
    pub fn file_slots(self) -> u32 {
        match self {
            Tier::Minute => 120,
            Tier::FiveMinutes => 288,
            Tier::HalfHour => 336,
            Tier::FourHours => 360,
        }
    }
    /// The slot a moment lies in, counted since 1970.
    pub fn slot(self, unix_secs: i64) -> u32 {
        u32::try_from(unix_secs.max(0) / self.slot_secs()).unwrap_or(u32::MAX)
    }
    /// When a slot begins.
    pub fn begins(self, slot: u32) -> i64 {
        i64::from(slot).saturating_mul(self.slot_secs())
    }
    /// The tier made from this one.
    pub fn next(self) -> Option<Tier> {
        Tier::ALL.get(self.index() + 1).copied()
    }
    /// The oldest slot that is still kept.
    pub fn oldest(self, now_secs: i64) -> u32 {
        self.slot(now_secs - self.kept_secs())
    }
}

/// What one slot knows of a figure, in codes; all three are gaps or none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub min: u32,
    pub mean: u32,
    pub max: u32,
}

impl Slot {
    pub const NONE: Slot = Slot { min: GAP, mean: GAP, max: GAP };

    pub fn is_gap(&self) -> bool {
        self.mean == GAP
    }
    /// A slot that saw one figure only.
    pub fn single(code: u32) -> Slot {
        Slot { min: code, mean: code, max: code }
    }
}

/// A coarse slot being filled.
#[derive(Debug, Clone, Copy)]
pub struct Filling {
    sum: f64,
    count: u32,
    min: u32,
    max: u32,
}

impl Default for Filling {
    fn default() -> Self {
        Filling { sum: 0.0, count: 0, min: GAP, max: 0 }
    }
}

impl Filling {
    /// Takes in a finer slot and the figure its mean stands for.
    pub fn add(&mut self, slot: Slot, mean: f64) {
        self.sum += mean;
        self.count = self.count.saturating_add(1);
        self.min = self.min.min(slot.min);
        self.max = self.max.max(slot.max);
    }
    /// The slot as it is so far; `encode` is the figure's codec.
    pub fn slot(&self, encode: impl Fn(f64) -> u32) -> Slot {
        if self.count == 0 {
            return Slot::NONE;
        }
        // Rounding must not move the mean outside.
        let mean = encode(self.sum / f64::from(self.count)).clamp(self.min, self.max.max(self.min));
        Slot { min: self.min, mean, max: self.max.max(self.min) }
    }
}

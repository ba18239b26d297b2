//! What of a subject is in memory: the last hour, and the coarse slots being filled.

use super::figures::Sample;
use super::metric::{GAP, Kind, MOST_METRICS};
use super::ring::Ring;
use super::row::{Figures, NO_FIGURES};
use super::tier::{Filling, Slot, Tier};

#[derive(Debug, Clone, Default)]
struct Series {
    ring: Ring,
    filling: [Filling; Tier::ALL.len()],
}

/// One subject that is being recorded.
#[derive(Debug, Clone)]
pub struct Live {
    pub kind: Kind,
    /// When it was last in the state.
    pub seen_secs: i64,
    /// A cycle's figures were recorded since the process began.
    pub recorded: bool,
    series: Box<[Series]>,
}

impl Live {
    pub fn new(kind: Kind, seen_secs: i64) -> Live {
        Live {
            kind,
            seen_secs,
            recorded: false,
            series: vec![Series::default(); kind.metrics().len()].into_boxed_slice(),
        }
    }

    /// Takes in one cycle's figures.
    pub fn record(&mut self, ring_slot: u64, sample: &Sample) {
        for ((series, metric), value) in self.series.iter_mut().zip(self.kind.metrics()).zip(sample) {
            let codec = metric.codec();
            let code = codec.encode(*value);
            if let Some(mean) = codec.decode(code) {
                series.ring.put(ring_slot, code, codec.narrow());
                if let Some(filling) = series.filling.get_mut(Tier::Minute.index()) {
                    filling.add(Slot::single(code), mean);
                }
            }
        }
    }

    /// Takes a finished finer slot into the slot of `tier` that is being filled.
    pub fn add(&mut self, tier: Tier, figures: &Figures) {
        for ((series, metric), slot) in self.series.iter_mut().zip(self.kind.metrics()).zip(figures) {
            let mean = metric.codec().decode(slot.mean);
            if let (Some(mean), Some(filling)) = (mean, series.filling.get_mut(tier.index())) {
                filling.add(*slot, mean);
            }
        }
    }

    /// Ends the slot of `tier` that is being filled.
    pub fn close(&mut self, tier: Tier) -> Figures {
        let mut figures = NO_FIGURES;
        for ((series, metric), place) in self.series.iter_mut().zip(self.kind.metrics()).zip(&mut figures) {
            if let Some(filling) = series.filling.get_mut(tier.index()) {
                *place = std::mem::take(filling).slot(|mean| metric.codec().encode(mean));
            }
        }
        figures
    }

    /// Empties slots of the rings before they are filled anew.
    pub fn clear(&mut self, ring_slots: impl Iterator<Item = u64> + Clone) {
        for series in &mut self.series {
            if !matches!(series.ring, Ring::Empty) {
                ring_slots.clone().for_each(|slot| series.ring.put(slot, GAP, true));
            }
        }
    }

    /// Gives back what the rings take.
    pub fn drop_rings(&mut self) {
        self.series.iter_mut().for_each(|s| s.ring = Ring::Empty);
    }

    /// Copies the codes of a column over ring slots `from..=to`; empty when there never were any.
    pub fn codes(&self, column: usize, from: u64, to: u64) -> Vec<u32> {
        match self.series.get(column).map(|s| &s.ring) {
            None | Some(Ring::Empty) => Vec::new(),
            Some(ring) => (from..=to).map(|slot| ring.get(slot)).collect(),
        }
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.series) + self.series.iter().map(|s| s.ring.bytes()).sum::<usize>()
    }
}

const _: () = assert!(MOST_METRICS <= 8, "a subject's figures are marked in one byte");

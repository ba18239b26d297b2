//! Figures that look alive and are still pure functions of (seed, id, time): hashes and waves.
//! No state, no clock, no random numbers.

use std::f64::consts::TAU;

/// Mixes a seed and up to two ids into 64 well spread bits (the finaliser of SplitMix64).
pub fn hash(seed: u64, a: u64, b: u64) -> u64 {
    let mut z = seed
        .wrapping_add(a.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(b.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add(0x2545_F491_4F6C_DD1D);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The same for a name.
pub fn hash_text(seed: u64, text: &str) -> u64 {
    text.bytes().fold(hash(seed, 0x7E87, 0), |h, b| hash(h, u64::from(b), 1))
}

/// A number in `0.0..1.0` out of a hash.
pub fn unit(h: u64) -> f64 {
    (h >> 11) as f64 / (1u64 << 53) as f64
}

/// A number in `low..high` out of a hash.
pub fn between(h: u64, low: f64, high: f64) -> f64 {
    low + unit(h) * (high - low)
}

/// One of several, chosen by a hash. `choices` must not be empty.
pub fn pick<T>(h: u64, choices: &'static [T]) -> &'static T {
    &choices[(h % choices.len() as u64) as usize]
}

/// Periods in seconds, their share of the swing, and how many times the phase shifts them: a day, then about 83
/// and 7 minutes. The short ones do not divide the long ones, so the curve never repeats visibly; and their shifts
/// are far apart even where the days of two waves agree.
const PARTS: [(f64, f64, f64); 3] = [(86_400.0, 0.6, 1.0), (4_973.0, 0.25, 31.0), (437.0, 0.15, 57.0)];

/// A positive quantity with a daily rhythm and faster ripples. Its integral is known exactly, so a
/// cumulative counter is a function of time and not a sum that somebody has to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wave {
    /// The mean over a long time, in whatever unit the quantity has.
    pub mean: f64,
    /// How far it swings around the mean, `0.0..1.0` of it.
    pub swing: f64,
    /// Shifts the curve, in turns.
    pub phase: f64,
}

impl Wave {
    /// The value at second `t` since 1970.
    pub fn at(&self, t: f64) -> f64 {
        let part = |(period, share, times): (f64, f64, f64)| share * (TAU * (t / period + self.phase * times)).sin();
        self.mean * (1.0 + self.swing * PARTS.into_iter().map(part).sum::<f64>())
    }

    /// The integral over `from..to` (seconds): what a counter grew by when this wave is a rate.
    pub fn over(&self, from: f64, to: f64) -> f64 {
        if to <= from {
            return 0.0;
        }
        let part = |(period, share, times): (f64, f64, f64)| {
            let angle = |t: f64| TAU * (t / period + self.phase * times);
            share * period / TAU * (angle(from).cos() - angle(to).cos())
        };
        self.mean * ((to - from) + self.swing * PARTS.into_iter().map(part).sum::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_grows_by_the_area_under_its_rate() {
        let wave = Wave { mean: 1000.0, swing: 0.8, phase: 0.3 };
        let summed: f64 = (0..36_000).map(|i| wave.at(1_700_000_000.0 + f64::from(i) * 0.1 + 0.05) * 0.1).sum();
        let exact = wave.over(1_700_000_000.0, 1_700_003_600.0);
        assert!((summed - exact).abs() < exact * 1e-4, "{summed} against {exact}");
    }

    #[test]
    fn a_wave_stays_positive_and_inside_its_swing() {
        let wave = Wave { mean: 10.0, swing: 0.9, phase: 0.77 };
        for i in 0..2000 {
            let v = wave.at(1_700_000_000.0 + f64::from(i) * 61.0);
            assert!((1.0..=19.0).contains(&v), "{v}");
        }
    }
}

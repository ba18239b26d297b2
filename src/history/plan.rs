//! From slots of any resolution to the points of one series: which tier answers a range, and how many slots become one
//! bucket. A bucket shows its mean; the points left over show the furthest peaks and dips, so none that matters is lost.

use super::metric::{Codec, GAP};
use super::tier::{RING_SLOT_SECS, RING_SLOTS, Slot, Tier};

/// One point of a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub unix_secs: i64,
    pub value: f64,
}

/// Which slots answer for the older part of a range; the newest part always comes from finer ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    Ring,
    Tier(Tier),
}

/// How a range is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub from_secs: i64,
    pub to_secs: i64,
    pub base: Base,
    pub points: usize,
    /// Seconds of a bucket; buckets lie on multiples of it.
    pub width_secs: i64,
    pub buckets: usize,
}

/// Share of the points that are means, in twentieths; the rest is for peaks.
const MEANS_OF_20: usize = 17;
/// Fewer points than this are no chart.
const LEAST_POINTS: usize = 8;

impl Plan {
    /// `oldest_secs`: nothing is known before; a chart of a week on the first day is as fine as one of that day.
    pub fn new(now_secs: i64, range_secs: i64, oldest_secs: i64, points: usize) -> Plan {
        let range_secs = range_secs.clamp(RING_SLOT_SECS, Tier::FourHours.kept_secs());
        let known = (now_secs - oldest_secs).clamp(RING_SLOT_SECS, range_secs);
        let points = points.max(LEAST_POINTS);
        let means = (points * MEANS_OF_20 / 20).max(1) as i64;
        let ring_secs = (RING_SLOTS as i64 - 2) * RING_SLOT_SECS;
        let base = if known <= ring_secs { Base::Ring } else { Base::Tier(tier_for(known, means)) };
        let slot_secs = match base {
            Base::Ring => RING_SLOT_SECS,
            Base::Tier(tier) => tier.slot_secs(),
        };
        // Slots of ten seconds have no peaks inside, so all points can be means.
        let fits = if base == Base::Ring { points as i64 - 1 } else { means };
        let mut times = (known + slot_secs - 1) / slot_secs;
        times = if times <= fits { 1 } else { (times + means - 1) / means };
        let width_secs = slot_secs * times.max(1);
        let from_secs = (now_secs - range_secs).max(0);
        let first = (now_secs - known).max(0) / width_secs;
        let buckets = usize::try_from(now_secs.max(0) / width_secs - first + 1).unwrap_or(1);
        Plan { from_secs: from_secs.max(first * width_secs), to_secs: now_secs, base, points, width_secs, buckets }
    }

    /// The bucket a moment lies in.
    pub fn bucket(&self, secs: i64) -> Option<usize> {
        if secs < self.from_secs || secs > self.to_secs {
            return None;
        }
        usize::try_from(secs / self.width_secs - self.from_secs / self.width_secs).ok().filter(|b| *b < self.buckets)
    }

    /// When a bucket begins and ends within the range.
    fn span(&self, bucket: usize) -> (i64, i64) {
        let begins = (self.from_secs / self.width_secs + bucket as i64) * self.width_secs;
        (begins.max(self.from_secs), (begins + self.width_secs).min(self.to_secs))
    }
}

/// The coarsest tier that has enough slots, else the finest that reaches back far enough.
fn tier_for(known_secs: i64, means: i64) -> Tier {
    let reaches = |t: &Tier| known_secs <= if *t == Tier::Minute { 4 * 3_600 } else { t.kept_secs() };
    let enough = |t: &Tier| known_secs / t.slot_secs() >= means / 2;
    let tiers = || Tier::ALL.into_iter().filter(reaches);
    tiers().rev().find(enough).or_else(|| tiers().next()).unwrap_or(Tier::FourHours)
}

/// What a bucket has taken in.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    sum: f64,
    count: u32,
    min: u32,
    max: u32,
    layer: u8,
}

impl Default for Bucket {
    fn default() -> Self {
        Bucket { sum: 0.0, count: 0, min: GAP, max: 0, layer: 0 }
    }
}

impl Bucket {
    /// Takes a slot in. Layers are given in the order of trust: once one has filled a bucket, later ones leave it alone.
    pub fn add(&mut self, slot: Slot, codec: Codec, layer: u8) {
        let Some(mean) = codec.decode(slot.mean) else { return };
        if self.count > 0 && self.layer != layer {
            return;
        }
        self.layer = layer;
        self.sum += mean;
        self.count = self.count.saturating_add(1);
        self.min = self.min.min(slot.min);
        self.max = self.max.max(slot.max);
    }
}

/// The points of a series, rising in time, at most as many as planned. Empty buckets have none.
pub fn points(plan: &Plan, buckets: &[Bucket], codec: Codec) -> Vec<Point> {
    let full = || buckets.iter().enumerate().filter(|(_, b)| b.count > 0);
    let mut out: Vec<Point> = Vec::new();
    let mut extremes: Vec<(f64, Point)> = Vec::new();
    for (n, bucket) in full() {
        let (begins, ends) = plan.span(n);
        let mean = bucket.sum / f64::from(bucket.count);
        // A slot of the finest kinds stands where it begins, which is where its figure came.
        let fine = plan.width_secs <= Tier::Minute.slot_secs();
        let middle = if fine { begins } else { begins + (ends - begins) / 2 };
        out.push(Point { unix_secs: middle, value: mean });
        let quarter = (ends - begins) / 4;
        for (code, at) in [(bucket.min, middle.saturating_sub(quarter).max(begins)), (bucket.max, middle + quarter)] {
            let value = codec.decode(code).unwrap_or(mean);
            if at != middle && (value - mean).abs() > noticeable(codec, mean) {
                extremes.push(((value - mean).abs(), Point { unix_secs: at, value }));
            }
        }
    }
    let left = plan.points.saturating_sub(out.len());
    if extremes.len() > left {
        crate::order::sort_by(&mut extremes, |a, b| b.0.total_cmp(&a.0));
        extremes.truncate(left);
    }
    if !extremes.is_empty() {
        out.extend(extremes.into_iter().map(|(_, p)| p));
        crate::order::sort_by_key(&mut out, |p| p.unix_secs);
    }
    out
}

/// A difference that can be seen: half a percent point, or half a percent of an amount.
fn noticeable(codec: Codec, mean: f64) -> f64 {
    match codec {
        Codec::Percent => 0.5,
        Codec::Rate => (mean * 0.05).max(1.0),
        Codec::Amount => mean * 0.005,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_007;

    #[test]
    fn each_range_is_answered_by_a_tier_that_has_enough_slots_and_few_enough() {
        let base = |range: i64| Plan::new(NOW, range, 0, 400).base;
        assert_eq!(base(300), Base::Ring);
        assert_eq!(base(3_600), Base::Ring);
        assert_eq!(base(4 * 3_600), Base::Tier(Tier::Minute));
        assert_eq!(base(12 * 3_600), Base::Tier(Tier::FiveMinutes));
        assert_eq!(base(86_400), Base::Tier(Tier::FiveMinutes));
        assert_eq!(base(7 * 86_400), Base::Tier(Tier::HalfHour));
        assert_eq!(base(30 * 86_400), Base::Tier(Tier::FourHours));
        assert_eq!(base(365 * 86_400), Base::Tier(Tier::FourHours));
        for range in [300, 3_600, 14_400, 43_200, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400] {
            for points in [1, 20, 50, 400] {
                let plan = Plan::new(NOW, range, 0, points);
                assert!(plan.buckets <= points.max(LEAST_POINTS) + 1, "{plan:?}");
            }
        }
    }

    #[test]
    fn on_the_first_day_a_week_is_as_fine_as_what_there_is() {
        assert_eq!(Plan::new(NOW, 7 * 86_400, NOW - 600, 400).base, Base::Ring);
        assert_eq!(Plan::new(NOW, 7 * 86_400, NOW - 7_200, 400).base, Base::Tier(Tier::Minute));
    }

    #[test]
    fn the_furthest_peak_survives_and_points_rise_in_time() {
        let plan = Plan::new(NOW, 7 * 86_400, 0, 100);
        let mut buckets = vec![Bucket::default(); plan.buckets];
        let code = |v: f64| Codec::Percent.encode(v);
        for (n, b) in buckets.iter_mut().enumerate().filter(|(n, _)| n % 9 != 0) {
            let max = if n == 40 { 97.0 } else { 12.0 + (n % 5) as f64 };
            b.add(Slot { min: code(4.0), mean: code(10.0), max: code(max) }, Codec::Percent, 1);
        }
        let points = points(&plan, &buckets, Codec::Percent);
        assert!(points.len() <= 100);
        assert!(points.iter().any(|p| (p.value - 97.0).abs() < 0.01));
        assert!(points.is_sorted_by(|a, b| a.unix_secs < b.unix_secs));
        assert!(points.iter().all(|p| !plan.bucket(p.unix_secs).unwrap().is_multiple_of(9)), "gaps stay gaps");
    }
}

//! When guests are backed up and snapshotted: runs are computed from the plan and the time, never stored.

use super::{DAY, Guest, MIB};
use crate::demo::noise::{between, hash, unit};

/// A snapshot of a guest, kept on its own storage.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub name: String,
    pub description: String,
    pub time: i64,
    pub parent: Option<String>,
    pub vmstate: bool,
}

/// How one guest is backed up.
#[derive(Debug, Clone)]
pub struct Plan {
    pub storage: String,
    /// Seconds after midnight UTC at which its turn comes.
    pub offset_secs: i64,
    /// 1 for daily, 7 for weekly.
    pub every_days: i64,
    /// Backups that retention leaves.
    pub keep: usize,
    /// The last second at which a run may start: a plan that somebody removed.
    pub until: Option<i64>,
    pub encrypted: bool,
    /// The guest has a job of its own, so its tasks carry its number.
    pub alone: bool,
    /// Out of 1,000 runs, how many fail.
    pub failing: u32,
}

/// One run of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub start: i64,
    pub end: i64,
    pub ok: bool,
    pub size: u64,
    pub protected: bool,
}

impl Plan {
    /// The runs up to second `t`, newest first, as many as retention keeps plus those that failed between.
    pub fn runs<'a>(&'a self, guest: &'a Guest, t: i64) -> impl Iterator<Item = Run> + 'a {
        let step = DAY * self.every_days.max(1);
        let last = self.until.unwrap_or(t).min(t);
        // Weekly plans of different guests fall on different days.
        let shift = self.offset_secs + DAY * i64::from(guest.vmid % 7) * i64::from(self.every_days > 1);
        let newest = (last - shift).div_euclid(step);
        (0..self.keep as i64).map(move |back| self.run(guest, (newest - back) * step + shift, t))
    }

    fn run(&self, guest: &Guest, start: i64, now: i64) -> Run {
        let day = start.unsigned_abs();
        let size = (guest.backup_size(start) as f64 * between(hash(guest.seed, day, 1), 0.9, 1.1)) as u64;
        let ok = unit(hash(guest.seed, day, 2)) * 1000.0 >= f64::from(self.failing);
        let duration = 12 + (size / (180 * MIB)) as i64;
        // The oldest month-end copy is often protected by hand.
        let protected = hash(guest.seed, day, 3).is_multiple_of(23) && now - start > 2 * DAY;
        Run { start, end: start + if ok { duration } else { 7 }, ok, size, protected }
    }

    /// Whether a PBS has verified it by second `t`, and how: the verification job runs the day after.
    pub fn verified(&self, guest: &Guest, run: &Run, t: i64) -> Option<bool> {
        (t - run.end > DAY).then(|| !hash(guest.seed, run.start.unsigned_abs(), 4).is_multiple_of(61))
    }
}

impl Guest {
    /// The newest good backup's start at second `t`.
    pub fn last_backup(&self, t: i64) -> Option<Run> {
        self.plan.as_ref().and_then(|plan| plan.runs(self, t).find(|run| run.ok && run.end <= t))
    }
}

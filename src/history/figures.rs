//! What of a state document is worth remembering. A figure that is not known, or belongs to something that does not run,
//! is no figure (NaN): charts show a gap there, never a zero.

use super::metric::{Codec, Kind, MOST_METRICS};
use crate::model::{Datastore, Guest, Node, Now, PbsInstance, Storage, Usage};
use std::time::Duration;

/// Figures in the order of `Kind::metrics`; NaN where nothing is known.
pub type Sample = [f64; MOST_METRICS];

/// Storages are not asked for in every cycle; an older answer than this is no news.
const STORAGE_AGE: Duration = Duration::from_secs(15 * 60);
/// A guest's figure may come from the cycle before, not from longer ago.
const GUEST_AGE_SECS: i64 = 60;

pub fn guest(g: &Guest) -> Option<Sample> {
    if !g.is_running() || g.source_age.is_some_and(|age| age > GUEST_AGE_SECS) {
        return None;
    }
    Some([
        g.cpu * 100.0,
        usage(&g.memory, g.memory_source.as_deref()),
        usage(&g.disk, g.disk_source.as_deref()),
        rate(g.disk_read),
        rate(g.disk_write),
        rate(g.network_in),
        rate(g.network_out),
    ])
}

/// The figures of a subject that was not seen before: rates that are all zero are not known yet.
pub fn at_first_sight(kind: Kind, mut sample: Sample) -> Sample {
    let rates = sample.iter_mut().zip(kind.metrics()).filter(|(_, m)| m.codec() == Codec::Rate).map(|(v, _)| v);
    let mut rates: Vec<&mut f64> = rates.collect();
    if rates.iter().all(|v| **v == 0.0) {
        rates.iter_mut().for_each(|v| **v = f64::NAN);
    }
    sample
}

pub fn node(n: &Node) -> Option<Sample> {
    (n.status == "online")
        .then(|| sample(&[n.cpu * 100.0, usage(&n.memory, n.memory_source.as_deref()), usage(&n.disk, None)]))
}

pub fn storage(s: &Storage, now: Now) -> Option<Sample> {
    let old = s.last_seen.is_some_and(|at| now.wall.since(at) > STORAGE_AGE);
    if !s.active || !s.enabled || s.total <= 0 || old {
        return None;
    }
    Some(sample(&[s.usage, s.used as f64, s.total as f64, s.free as f64]))
}

pub fn pbs(p: &PbsInstance) -> Option<Sample> {
    let memory = if p.memory_total > 0 { p.memory } else { f64::NAN };
    (p.status == "online").then(|| sample(&[p.cpu, memory]))
}

pub fn datastore(d: &Datastore) -> Option<Sample> {
    (d.error.is_empty() && d.total > 0).then(|| sample(&[d.usage, d.used as f64, d.total as f64, d.free as f64]))
}

fn sample(known: &[f64]) -> Sample {
    let mut all = [f64::NAN; MOST_METRICS];
    all.iter_mut().zip(known).for_each(|(place, value)| *place = *value);
    all
}

fn usage(u: &Usage, source: Option<&str>) -> f64 {
    if source == Some("unknown") || u.total <= 0 || u.usage < 0.0 { f64::NAN } else { u.usage }
}

/// Negative rates are how unknown ones are written.
fn rate(bytes: i64) -> f64 {
    if bytes < 0 { f64::NAN } else { bytes as f64 }
}

//! What the owner knows of each connection besides the state: its poller, how polling goes, the last failure.

use crate::model::{Now, Time};
use crate::order::{Map, Pairs};
use crate::poll::{Failure, Kind, Progress, Report, Said, Statistics, Version};
use std::sync::Arc;
use std::time::Duration;

/// A connection by kind and configured name.
pub type Key = (Kind, String);

/// One connection as its last report left it.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    pub reported: bool,
    pub at: Time,
    pub took: Duration,
    pub reachable: bool,
    pub offline: bool,
    pub failure: Option<Failure>,
    pub statistics: Statistics,
    /// What a PVE said last, in its own words.
    pub said: Arc<Said>,
    pub version: Option<Version>,
    /// Reported since the last publication.
    pub fresh: bool,
}

/// All connections that are being polled.
#[derive(Debug, Default)]
pub struct Connections {
    by_key: Map<Key, Connection>,
}

impl Connections {
    /// Expects reports of exactly these connections from now on; gives the keys that are gone.
    pub fn expect(&mut self, wanted: &[Key]) -> Vec<Key> {
        let gone: Vec<Key> = self.by_key.keys().filter(|k| !wanted.contains(k)).cloned().collect();
        self.by_key.retain(|k, _| wanted.contains(k));
        for key in wanted {
            self.by_key.entry(key.clone()).or_default();
        }
        gone
    }

    /// Takes in what a report says of the connection itself. False: nobody expects it (it was deleted meanwhile).
    pub fn note(&mut self, report: &mut Report) -> bool {
        let Some(c) = self.by_key.get_mut(&(report.kind, report.instance.clone())) else {
            return false;
        };
        c.reported = true;
        c.fresh = true;
        c.at = report.at.wall;
        c.took = report.took;
        c.reachable = report.reachable;
        c.offline = report.offline;
        c.failure = report.failure.take();
        c.statistics = std::mem::take(&mut report.statistics);
        c.said = std::mem::take(&mut report.live.said);
        if report.live.version.is_some() {
            c.version = report.live.version.take();
        }
        true
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Connection)> {
        self.by_key.iter()
    }

    pub fn get(&self, kind: Kind, name: &str) -> Option<&Connection> {
        self.by_key.get(&(kind, name.to_owned()))
    }

    /// Every connection has reported since the last publication.
    pub fn all_fresh(&self) -> bool {
        self.by_key.values().all(|c| c.fresh)
    }

    pub fn published(&mut self) {
        for c in self.by_key.values_mut() {
            c.fresh = false;
        }
    }

    /// How far the past of all connections that are being asked for it has come into the charts.
    pub fn past(&self) -> Option<Progress> {
        self.by_key
            .values()
            .filter_map(|c| c.statistics.past)
            .reduce(|a, b| Progress { done: a.done + b.done, total: a.total + b.total })
    }

    /// Requests to all hosts since the start: sent, failed.
    pub fn requests(&self) -> (u64, u64) {
        self.by_key.values().fold((0, 0), |(sent, failed), c| {
            (sent + c.statistics.requests_total, failed + c.statistics.requests_failed)
        })
    }

    /// Seconds the slowest last cycle took.
    pub fn slowest_cycle_secs(&self) -> f64 {
        self.by_key.values().map(|c| c.took.as_secs_f64()).fold(0.0, f64::max)
    }

    /// Seconds of the last cycle by connection.
    pub fn cycle_secs(&self) -> Map<String, f64> {
        self.by_key
            .iter()
            .filter(|(_, c)| c.reported)
            .map(|((_, name), c)| (name.clone(), c.took.as_secs_f64()))
            .mapped()
    }
}

/// When a connection last reported, for the page's "no data" marks.
pub fn silent_secs(connection: &Connection, now: Now) -> u64 {
    now.wall.since(connection.at).as_secs()
}

//! Charts that reach back further than our own history: the older part comes from the PromQL server of `metrics.json`.
//! What it does not give, or when it does not answer, is left out, and the answer says so.

use super::Item;
use crate::export::pull::{self, Far, Span};
use crate::export::settings::Peer;
use crate::history::{Kind, Metric, Series};
use crate::http::Response;
use crate::order::Set;
use crate::owner::{Answer, Core};
use std::time::Instant;

/// A server that failed is left in peace for so long: nobody waits for it with every chart.
const REST_MS: u64 = 60_000;
/// Our own history counts as complete when it lacks no more than this part of the range.
const MISSING: i64 = 20;

/// What is to be asked for.
pub struct Long {
    source: Option<Peer>,
    span: Span,
    only_one: bool,
    /// Why the server is not asked although it should be.
    resting: Option<String>,
}

/// Where the figures came from.
#[derive(Debug, Default)]
pub struct Came {
    from: Option<&'static str>,
    error: Option<String>,
    /// The server was asked just now and failed.
    failed: bool,
}

/// An answer, and why the server failed, if it did.
pub struct Told(Response, Option<String>);

impl Long {
    /// The older part of a range, when there is a server for it and our own history lacks it.
    pub fn of(core: &Core, range_secs: i64, points: usize) -> Long {
        let now = core.now.unix_secs();
        // Without anything recorded the oldest moment is the beginning of time.
        let own = Some(core.history.oldest_secs()).filter(|at| *at > 0).unwrap_or(now);
        let from = now.saturating_sub(range_secs);
        let step = (range_secs / i64::try_from(points.max(1)).unwrap_or(i64::MAX)).max(60);
        let configured = core.exports.settings.history.as_ref().filter(|_| range_secs > 0);
        let lacking = own > from.saturating_add(range_secs / MISSING);
        let (source, resting) = match (&core.exports.source_failed, configured) {
            (Some((until_ms, why)), Some(_)) if lacking && core.now.mono_ms < *until_ms => (None, Some(why.clone())),
            (_, source) => (source.filter(|_| lacking).cloned(), None),
        };
        let names: Set<&str> = core.state.nodes.iter().map(|n| n.instance.as_str()).collect();
        Long { source, span: Span { from, to: now, step }, only_one: names.len() + core.state.pbs.len() == 1, resting }
    }

    /// Puts what the server has before each series. Blocks.
    pub fn fill(&self, items: &[Item], series: &mut Vec<Series>) -> Came {
        let Some(source) = &self.source else {
            return Came { from: self.resting.as_ref().map(|_| "local"), error: self.resting.clone(), failed: false };
        };
        series.resize_with(items.len(), Series::default);
        let until = Instant::now() + pull::DEADLINE;
        for kind in Kind::ALL {
            let mine: Vec<usize> = (0..).zip(items).filter(|(_, i)| i.wanted.kind == kind).map(|(n, _)| n).collect();
            for (column, metric) in kind.metrics().iter().enumerate() {
                if let Err(why) = self.column(source, items, &mine, (column, *metric), series, until) {
                    return Came { from: Some("local"), error: Some(why), failed: true };
                }
            }
        }
        Came { from: Some("remote"), error: None, failed: false }
    }

    /// One figure of all subjects of a kind, in one question.
    fn column(
        &self,
        source: &Peer,
        items: &[Item],
        mine: &[usize],
        (column, metric): (usize, Metric),
        series: &mut [Series],
        until: Instant,
    ) -> Result<(), String> {
        let wanted = |n: &&usize| items.get(**n).is_some_and(|i| i.wanted.columns >> column & 1 == 1);
        let wanted: Vec<(usize, &Far, Kind)> =
            mine.iter().filter(wanted).filter_map(|n| items.get(*n).map(|i| (*n, &i.far, i.wanted.kind))).collect();
        let Some((_, _, kind)) = wanted.first() else { return Ok(()) };
        let ids: Vec<&str> = wanted.iter().map(|(_, far, _)| far.id.as_str()).collect();
        let Some(query) = pull::query(*kind, metric, &ids, self.span.step) else { return Ok(()) };
        let found = pull::ask(source, &query, self.span, until)?;
        for (n, far, _) in wanted {
            let Some(points) = series.get_mut(n).and_then(|s| s.get_mut(column)) else { continue };
            let own_begins = points.first().map_or(i64::MAX, |p| p.unix_secs);
            let older = pull::of(&found, far, self.only_one).iter().filter(|p| p.unix_secs < own_begins);
            let mut all: Vec<_> = older.copied().collect();
            all.append(points);
            *points = all;
        }
        Ok(())
    }
}

impl Came {
    /// The additions to a chart's `stats`.
    pub fn fields(&self) -> String {
        let Some(from) = self.from else { return String::new() };
        let error = self.error.as_ref().map(|why| {
            let text = serde_json::to_string(why).unwrap_or_default();
            format!(",\"historySourceError\":{text}")
        });
        format!(",\"historySource\":\"{from}\"{}", error.unwrap_or_default())
    }
    /// The answer with its header, and what the owner has to know.
    pub fn on(self, response: Response) -> Told {
        let response = match self.from {
            Some(from) => response.with("X-History-Source", from),
            None => response,
        };
        Told(response, self.error.filter(|_| self.failed))
    }
}

/// On the owner's thread: a server that failed rests.
pub fn told(core: &mut Core, Told(response, failure): Told) -> Answer {
    if let Some(why) = failure {
        log::warn!("long charts come from local history: the history source failed: {why}");
        core.exports.source_failed = Some((core.now.mono_ms.saturating_add(REST_MS), why));
    }
    response.into()
}

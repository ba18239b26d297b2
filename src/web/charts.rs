//! Charts over HTTP: `/api/charts` and `/api/storage-charts` in 4.9's shapes (contract state.md 5.2, 5.3, 8.3).
//!
//! Additions: ranges `30d`, `90d`, `1y`, `2y` and `5y`, of which a PromQL server can hold what lies before our own; PBS
//! and datastores; filters `ids=` and `metrics=` (comma lists) and `points=`, the most points a series. A chart of
//! everything has fewer points a series, so that no answer grows beyond a few MB.

mod long;

use super::routes::{Policy, Route};
use crate::export::pull::Far;
use crate::history::{Kind, Metric, Point, Series, Subjects, Wanted};
use crate::http::{Body, Call, Method, Response};
use crate::model::{Guest, Now, State, Storage, Time};
use crate::owner::{Answer, Core};
use crate::poll::Progress;
use std::io::Write;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/charts", Policy::Read, "Charts of guests, nodes and storages", charts).gives(r#"{"type":"object","required":["data","nodeData","storageData","timestamp","stats"],"properties":{"data":{"type":"object"},"nodeData":{"type":"object"},"storageData":{"type":"object"},"timestamp":{"type":"integer"},"stats":{"type":"object"}}}"#)
        .asks(&["range", "points"])
        .also(&[400]),
    Route::new(Method::Get, "/api/storage-charts", Policy::Read, "Charts of storages", storage_charts).gives(r#"{"type":"object"}"#)
        .asks(&["range", "points"])
        .also(&[400]),
];

const DEFAULT_RANGE_SECS: i64 = 3_600;
/// Points of a series when nobody asks for another number, and at most.
const USUAL_POINTS: usize = 400;
const MOST_POINTS: usize = 1_000;
/// Points of all series of one answer; each is about 40 bytes.
const MOST_POINTS_IN_ALL: usize = 200_000;
/// Below this a series is no chart; an answer with very many series grows instead.
const LEAST_POINTS: usize = 20;

/// Where a series stands in the answer.
#[derive(Clone, Copy, PartialEq)]
enum Section {
    Data,
    NodeData,
    StorageData,
}

/// One subject of the answer: the key it has on the wire, and what is shown when nothing was recorded.
struct Item {
    section: Section,
    key: String,
    wanted: Wanted,
    /// Its name in a server that long histories come from.
    far: Far,
    current: Vec<f64>,
}

/// The optional filters.
struct Filter<'a> {
    ids: Option<Vec<&'a str>>,
    metrics: Option<Vec<&'a str>>,
}

impl<'a> Filter<'a> {
    fn of(call: &'a Call) -> Filter<'a> {
        let list = |name: &str| call.query.get(name).map(|text| text.split(',').map(str::trim).collect());
        Filter { ids: list("ids"), metrics: list("metrics") }
    }
    fn wants(&self, key: &str) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(&key))
    }
    /// The columns of a kind that are asked for; `usual` when no metrics are named. Storages' usage is also `disk`.
    fn columns(&self, kind: Kind, usual: &[Metric]) -> u8 {
        let named = |m: &Metric, names: &[&str]| {
            names.iter().any(|n| Metric::from_name(n) == Some(*m) || (*n == "disk" && *m == Metric::Usage))
        };
        kind.metrics().iter().enumerate().fold(0, |mask, (n, m)| {
            let wanted = self.metrics.as_ref().map_or(usual.contains(m), |names| named(m, names));
            if wanted { mask | 1 << n } else { mask }
        })
    }
}

fn charts(core: &mut Core, call: &Call) -> Answer {
    let range_secs = call.query.get("range").and_then(range_word).unwrap_or(DEFAULT_RANGE_SECS);
    let items = items(&core.state, core.history.subjects(), &Filter::of(call));
    let snapshot = snapshot(core, call, range_secs, &items);
    let (now, past) = (core.now, core.connections.past());
    let long = long::Long::of(core, range_secs, points_of(call, &items));
    Answer::job_then(
        "read charts",
        move || {
            let mut series = snapshot.read();
            let came = long.fill(&items, &mut series);
            let answer = document(now, &items, &series, &came, past);
            came.on(answer)
        },
        long::told,
    )
}

fn storage_charts(core: &mut Core, call: &Call) -> Answer {
    let range_secs = call.query.get("range").map_or(Some(DEFAULT_RANGE_SECS), minutes_or_word);
    let filter = Filter::of(call);
    let all = Kind::Storage.metrics();
    let subjects = core.history.subjects();
    let items: Vec<Item> = core
        .state
        .storage
        .iter()
        .filter(|s| filter.wants(&s.id))
        .map(|s| Item {
            section: Section::StorageData,
            key: s.id.clone(),
            wanted: Wanted {
                id: subjects.other(Kind::Storage, &s.instance, &s.id),
                kind: Kind::Storage,
                columns: filter.columns(Kind::Storage, all),
            },
            far: far_storage(s),
            current: Vec::new(),
        })
        .collect();
    let snapshot = range_secs.map(|secs| snapshot(core, call, secs, &items));
    let long = long::Long::of(core, range_secs.unwrap_or(0), points_of(call, &items));
    Answer::job_then(
        "read storage charts",
        move || {
            let mut series = snapshot.map_or_else(Vec::new, |s| s.read());
            let came = long.fill(&items, &mut series);
            came.on(storage_document(&items, &series))
        },
        long::told,
    )
}

/// Everything in the state that has charts and passes the filter.
fn items(state: &State, subjects: &Subjects, filter: &Filter) -> Vec<Item> {
    let mut items = Vec::new();
    type Told<'a> = &'a dyn Fn() -> (Far, Vec<f64>);
    let mut push = |section, key: &str, id, kind: Kind, usual: &[Metric], told: Told| {
        let columns = filter.columns(kind, usual);
        if columns != 0 && filter.wants(key) {
            let wanted = Wanted { id, kind, columns };
            let (far, current) = told();
            items.push(Item { section, key: key.to_owned(), wanted, far, current });
        }
    };
    for g in state.guests() {
        let id = subjects.guest(&g.instance, g.vmid);
        push(Section::Data, &g.id, id, Kind::Guest, Kind::Guest.metrics(), &|| {
            (far(&g.instance, format!("{}/{}", g.r#type, g.vmid)), guest_figures(g))
        });
    }
    for n in &state.nodes {
        let id = subjects.other(Kind::Node, &n.instance, &n.name);
        let current =
            || (far(&n.instance, format!("node/{}", n.name)), vec![n.cpu * 100.0, n.memory.usage, n.disk.usage]);
        push(Section::NodeData, &n.id, id, Kind::Node, Kind::Node.metrics(), &current);
    }
    for s in &state.storage {
        let id = subjects.other(Kind::Storage, &s.instance, &s.id);
        let current = || (far_storage(s), vec![s.usage, s.used as f64, s.total as f64, s.free as f64]);
        push(Section::StorageData, &s.id, id, Kind::Storage, &[Metric::Usage], &current);
    }
    for p in &state.pbs {
        let id = subjects.other(Kind::Pbs, &p.name, "");
        push(Section::NodeData, &p.id, id, Kind::Pbs, Kind::Pbs.metrics(), &|| {
            (far(&p.name, String::new()), vec![p.cpu, p.memory])
        });
        for d in p.datastores.iter().flatten() {
            let id = subjects.other(Kind::Datastore, &p.name, &d.name);
            let key = format!("{}-{}", p.id, d.name);
            let figures = || vec![d.usage, d.used as f64, d.total as f64, d.free as f64];
            let current = || (far(&p.name, d.name.clone()), figures());
            push(Section::StorageData, &key, id, Kind::Datastore, &[Metric::Usage], &current);
        }
    }
    items
}

fn far(instance: &str, id: String) -> Far {
    Far { instance: instance.to_owned(), id }
}

/// A shared storage stands once for each node in what is exported; all say the same.
fn far_storage(s: &Storage) -> Far {
    let node = if s.shared { s.nodes.first().unwrap_or(&s.node) } else { &s.node };
    far(&s.instance, format!("storage/{node}/{}", s.name))
}

fn guest_figures(g: &Guest) -> Vec<f64> {
    let rates = [g.disk_read, g.disk_write, g.network_in, g.network_out];
    let mut all = vec![g.cpu * 100.0, g.memory.usage, g.disk.usage];
    all.extend(rates.map(|r| r as f64));
    all
}

/// Points of each series, at most.
fn points_of(call: &Call, items: &[Item]) -> usize {
    let series: usize = items.iter().map(|i| i.wanted.columns.count_ones() as usize).sum();
    let asked = call.query.get("points").and_then(|p| p.parse().ok()).unwrap_or(USUAL_POINTS).min(MOST_POINTS);
    asked.min((MOST_POINTS_IN_ALL / series.max(1)).max(LEAST_POINTS))
}

fn snapshot(core: &Core, call: &Call, range_secs: i64, items: &[Item]) -> crate::history::Snapshot {
    let points = points_of(call, items);
    core.history.snapshot(core.now, range_secs, points, items.iter().map(|i| i.wanted.clone()).collect())
}

/// The words of the contract and the longer ones.
fn range_word(text: &str) -> Option<i64> {
    const WORDS: [(&str, i64); 13] = [
        ("5m", 300),
        ("15m", 900),
        ("30m", 1_800),
        ("1h", 3_600),
        ("4h", 14_400),
        ("12h", 43_200),
        ("24h", 86_400),
        ("7d", 604_800),
        ("30d", 2_592_000),
        ("90d", 7_776_000),
        ("1y", 31_536_000),
        ("2y", 63_072_000),
        ("5y", 157_680_000),
    ];
    WORDS.into_iter().find(|(word, _)| *word == text).map(|(_, secs)| secs)
}

/// A word, or 4.9's number of minutes. Nothing usable counts as an hour; no minutes at all give no points.
fn minutes_or_word(text: &str) -> Option<i64> {
    if let Some(secs) = range_word(text) {
        return Some(secs);
    }
    let text = text.trim();
    if text.starts_with('-') && text.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) {
        return None;
    }
    let digits: String = text.chars().take_while(char::is_ascii_digit).take(9).collect();
    match digits.parse::<i64>() {
        Ok(0) => None,
        Ok(minutes) => Some(minutes.saturating_mul(60)),
        Err(_) => Some(DEFAULT_RANGE_SECS),
    }
}

/// `{"data":…,"nodeData":…,"storageData":…,"timestamp":…,"stats":…}`.
fn document(now: Now, items: &[Item], series: &[Series], came: &long::Came, past: Option<Progress>) -> Response {
    let now_secs = now.unix_secs();
    let mut oldest = now_secs;
    let mut out: Vec<u8> = Vec::new();
    let sections = [(Section::Data, "data"), (Section::NodeData, "nodeData"), (Section::StorageData, "storageData")];
    for (n, (section, name)) in sections.into_iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"{" } else { b"," });
        put_text(&mut out, name);
        out.extend_from_slice(b":{");
        let mut separator: &[u8] = b"";
        for (item, series) in items.iter().zip(series).filter(|(i, _)| i.section == section) {
            out.extend_from_slice(separator);
            separator = b",";
            put_text(&mut out, &item.key);
            out.push(b':');
            oldest = oldest.min(put_item(&mut out, item, series, now_secs));
        }
        out.push(b'}');
    }
    let past = past.map(|p| format!(",\"past\":{{\"done\":{},\"total\":{}}}", p.done, p.total)).unwrap_or_default();
    let tail = format!(
        ",\"timestamp\":{},\"stats\":{{\"oldestDataTimestamp\":{}{}{past}}}}}\n",
        now_secs.saturating_mul(1000),
        oldest.saturating_mul(1000),
        came.fields()
    );
    out.extend_from_slice(tail.as_bytes());
    Response::new(200, "application/json", Body::Bytes(out)).cacheable()
}

/// One subject's series; gives the oldest moment shown. A series without points shows its current figure.
fn put_item(out: &mut Vec<u8>, item: &Item, series: &Series, now_secs: i64) -> i64 {
    let mut oldest = now_secs;
    let mut separator = b'{';
    for (column, metric) in item.wanted.kind.metrics().iter().enumerate() {
        if item.wanted.columns >> column & 1 == 0 {
            continue;
        }
        out.push(separator);
        separator = b',';
        put_text(out, if *metric == Metric::Usage { "disk" } else { metric.name() });
        out.push(b':');
        let now = [Point { unix_secs: now_secs, value: item.current.get(column).copied().unwrap_or(0.0) }];
        let points = series.get(column).filter(|p| !p.is_empty()).map_or(&now[..], Vec::as_slice);
        oldest = points.first().map_or(oldest, |p| oldest.min(p.unix_secs));
        let mut separator = "[";
        for point in points {
            let ms = point.unix_secs.saturating_mul(1000);
            // Writing to memory does not fail.
            let _ = write!(out, "{separator}{{\"timestamp\":{ms},\"value\":{}}}", rounded(*metric, point.value));
            separator = ",";
        }
        out.push(b']');
    }
    out.push(b'}');
    oldest
}

/// `{"<id>":{"usage":[…],"used":[…],"total":[…],"avail":[…]}}` with RFC 3339 times. `series` is empty when the range
/// holds no moment at all.
fn storage_document(items: &[Item], series: &[Series]) -> Response {
    let mut out: Vec<u8> = b"{".to_vec();
    let none = Series::default();
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        put_text(&mut out, &item.key);
        out.push(b':');
        let series = series.get(n).unwrap_or(&none);
        let mut separator = b'{';
        for (column, metric) in item.wanted.kind.metrics().iter().enumerate() {
            if item.wanted.columns >> column & 1 == 0 {
                continue;
            }
            out.push(separator);
            separator = b',';
            put_text(&mut out, metric.name());
            out.push(b':');
            match series.get(column).map_or(&[][..], Vec::as_slice) {
                [] if item.wanted.id.is_none() => out.extend_from_slice(b"null"),
                points => put_dated(&mut out, *metric, points),
            }
        }
        if separator == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"}\n");
    Response::new(200, "application/json", Body::Bytes(out)).cacheable()
}

fn put_dated(out: &mut Vec<u8>, metric: Metric, points: &[Point]) {
    out.push(b'[');
    for (n, point) in points.iter().enumerate() {
        let at = Time::from_unix(point.unix_secs).rfc3339();
        let separator = if n > 0 { "," } else { "" };
        // Writing to memory does not fail.
        let _ = write!(out, "{separator}{{\"value\":{},\"timestamp\":\"{at}\"}}", rounded(metric, point.value));
    }
    out.push(b']');
}

/// A JSON string.
fn put_text(out: &mut Vec<u8>, text: &str) {
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

/// Percent to two digits, bytes to whole ones: what the codes are good for. Never anything JSON cannot say.
fn rounded(metric: Metric, value: f64) -> f64 {
    let rounded = match metric {
        Metric::Cpu | Metric::Memory | Metric::Disk | Metric::Usage => (value * 100.0).round() / 100.0,
        _ => value.round(),
    };
    if rounded.is_finite() { rounded } else { 0.0 }
}

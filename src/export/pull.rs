//! Long histories from a server that speaks PromQL: what to ask for a figure, and the answer as points. Runs on job
//! threads; knows neither charts nor the state.

use super::peer;
use super::settings::Peer;
use crate::history::{Kind, Metric, Point};
use crate::proxmox::segment;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Everything that one chart asks for.
pub const DEADLINE: Duration = Duration::from_secs(15);
/// One answer: some 130,000 points.
const MOST_ANSWER_BYTES: usize = 4 << 20;
/// More subjects than this are asked for without their names.
const MOST_NAMED: usize = 40;

/// A subject as its series call it: the connection's name, and the exporter's `id` or a datastore's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Far {
    pub instance: String,
    pub id: String,
}

/// A stretch of time, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from: i64,
    pub to: i64,
    pub step: i64,
}

/// One series of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub far: Far,
    pub points: Vec<Point>,
}

/// What to ask for a figure of these subjects; `None` for what is not exported.
pub fn query(kind: Kind, metric: Metric, ids: &[&str], step: i64) -> Option<String> {
    let chosen = if ids.len() <= MOST_NAMED {
        let ids: Vec<String> = ids.iter().map(|id| literal(id)).collect();
        ids.join("|")
    } else {
        ".+".to_owned()
    };
    let label = if kind == Kind::Datastore { "datastore" } else { "id" };
    let select = if kind == Kind::Pbs { String::new() } else { format!("{{{label}=~\"{chosen}\"}}") };
    let mean = |name: &str| format!("avg_over_time({name}{select}[{step}s])");
    let share = |used: &str, of: &str| format!("100*{}/{}", mean(used), mean(of));
    let either = |ours: String, theirs: String| format!("({ours}) or ({theirs})");
    let rate = |ours: &str, theirs: &str| either(mean(ours), format!("rate({theirs}{select}[{step}s])"));
    let figure = match (kind, metric) {
        (Kind::Guest | Kind::Node, Metric::Cpu) => format!("100*{}", mean("pve_cpu_usage_ratio")),
        (Kind::Guest, Metric::Memory) => either(
            share("pulse_guest_memory_usage_bytes", "pulse_guest_memory_size_bytes"),
            share("pve_memory_usage_bytes", "pve_memory_size_bytes"),
        ),
        (Kind::Guest, Metric::Disk) => either(
            share("pulse_guest_disk_usage_bytes", "pulse_guest_disk_size_bytes"),
            share("pve_disk_usage_bytes", "pve_disk_size_bytes"),
        ),
        (Kind::Node, Metric::Memory) => share("pve_memory_usage_bytes", "pve_memory_size_bytes"),
        (Kind::Node, Metric::Disk) | (Kind::Storage, Metric::Usage) => {
            share("pve_disk_usage_bytes", "pve_disk_size_bytes")
        }
        (Kind::Guest, Metric::DiskRead) => rate("pulse_guest_disk_read_bytes_per_second", "pve_disk_read_bytes_total"),
        (Kind::Guest, Metric::DiskWrite) => {
            rate("pulse_guest_disk_write_bytes_per_second", "pve_disk_written_bytes_total")
        }
        (Kind::Guest, Metric::NetIn) => {
            rate("pulse_guest_network_receive_bytes_per_second", "pve_network_receive_bytes_total")
        }
        (Kind::Guest, Metric::NetOut) => {
            rate("pulse_guest_network_transmit_bytes_per_second", "pve_network_transmit_bytes_total")
        }
        (Kind::Storage, Metric::Used) => mean("pve_disk_usage_bytes"),
        (Kind::Storage, Metric::Total) => mean("pve_disk_size_bytes"),
        (Kind::Storage, Metric::Avail) => format!("{}-{}", mean("pve_disk_size_bytes"), mean("pve_disk_usage_bytes")),
        (Kind::Pbs, Metric::Cpu) => format!("100*{}", mean("pbs_host_cpu_usage")),
        (Kind::Pbs, Metric::Memory) => share("pbs_host_memory_used", "pbs_host_memory_total"),
        (Kind::Datastore, Metric::Usage) => share("pbs_used", "pbs_size"),
        (Kind::Datastore, Metric::Used) => mean("pbs_used"),
        (Kind::Datastore, Metric::Total) => mean("pbs_size"),
        (Kind::Datastore, Metric::Avail) => mean("pbs_available"),
        _ => return None,
    };
    // The same figures may be there twice, scraped and pushed.
    Some(format!("avg by (instance, {label}) ({figure})"))
}

/// A text as a regular expression that means nothing but itself, inside a quoted string of PromQL.
fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '/' | ' ' => out.push(c),
            '\n' | '\r' => out.push('.'),
            '"' | '\\' => out.extend(["\\\\\\", if c == '"' { "\"" } else { "\\" }]),
            c if c.is_ascii() => out.extend(["\\\\".to_owned(), c.to_string()]),
            c => out.push(c),
        }
    }
    out
}

/// Asks the server; the error is fit for an answer and the log.
pub fn ask(source: &Peer, promql: &str, span: Span, until: Instant) -> Result<Vec<Found>, String> {
    let base = source.url.trim_end_matches('/');
    let base = base.strip_suffix("/api/v1/query_range").unwrap_or(base);
    let url = format!("{base}/api/v1/query_range");
    let form = format!("query={}&start={}&end={}&step={}", segment(promql), span.from, span.to, span.step);
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    let request = peer::request(source, "POST", &url, "Bearer", &kind, form.as_bytes());
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err("no answer in time".to_owned());
    }
    let body = crate::notify::fetch(&request, left, MOST_ANSWER_BYTES)?;
    answer(&body, span)
}

/// The series of an answer; points outside the span, and what is no number, are left out.
pub fn answer(body: &[u8], span: Span) -> Result<Vec<Found>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "the answer is not JSON".to_owned())?;
    if value.pointer("/data/resultType").and_then(Value::as_str) != Some("matrix") {
        return Err("the answer is not that of a PromQL server".to_owned());
    }
    let list = value.pointer("/data/result").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut found = Vec::new();
    for series in list {
        let label = |name: &str| series.get("metric").and_then(|m| m.get(name)).and_then(Value::as_str);
        let id = label("id").or(label("datastore")).unwrap_or_default().to_owned();
        let far = Far { instance: label("instance").unwrap_or_default().to_owned(), id };
        let values = series.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let point = |pair: &Value| {
            let unix_secs = pair.get(0)?.as_f64().filter(|at| at.abs() < 1e12)? as i64;
            let value: f64 = pair.get(1)?.as_str()?.parse().ok()?;
            ((span.from..=span.to).contains(&unix_secs) && value.is_finite()).then_some(Point { unix_secs, value })
        };
        let points: Vec<Point> = values.iter().filter_map(point).collect();
        if !points.is_empty() {
            found.push(Found { far, points });
        }
    }
    Ok(found)
}

/// The series of a subject. Where there is but one connection, series without its name are its too: those of an
/// exporter that ran before Pulse.
pub fn of<'a>(found: &'a [Found], far: &Far, only_one: bool) -> &'a [Point] {
    let own = found.iter().find(|f| f.far == *far);
    let any = || found.iter().find(|f| only_one && f.far.id == far.id);
    own.or_else(any).map_or(&[], |f| f.points.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_name_few_subjects_and_their_names_are_taken_literally() {
        let one = query(Kind::Guest, Metric::Cpu, &["qemu/100", "lxc/101"], 300).unwrap();
        let expected = "avg by (instance, id) (100*avg_over_time(pve_cpu_usage_ratio{id=~\"qemu/100|lxc/101\"}[300s]))";
        assert_eq!(one, expected);
        let hostile = query(Kind::Storage, Metric::Used, &["storage/a/x\"}) or vector(1)\\"], 60).unwrap();
        assert_eq!(
            hostile,
            "avg by (instance, id) (avg_over_time(pve_disk_usage_bytes{id=~\"storage/a/x\\\\\\\"\\\\}\\\\) or vector\\\\(1\\\\)\\\\\\\\\"}[60s]))"
        );
        let ids: Vec<String> = (0..100).map(|n| format!("qemu/{n}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        assert!(query(Kind::Guest, Metric::NetIn, &ids, 60).unwrap().contains("{id=~\".+\"}"));
        let pbs = "avg by (instance, id) (100*avg_over_time(pbs_host_cpu_usage[60s]))";
        assert_eq!(query(Kind::Pbs, Metric::Cpu, &[""], 60).unwrap(), pbs);
    }

    #[test]
    fn hostile_answers_give_no_points() {
        let span = Span { from: 100, to: 200, step: 10 };
        let text = br#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"instance":"home","id":"qemu/1"},"values":[[99,"1"],[100,"2"],[150.5,"NaN"],[160,"3"],[1e300,"4"],[170],"x"]},
            {"metric":7,"values":{}},{"values":[[150,"+Inf"]]}]}}"#;
        let far = Far { instance: "home".to_owned(), id: "qemu/1".to_owned() };
        let points = vec![Point { unix_secs: 100, value: 2.0 }, Point { unix_secs: 160, value: 3.0 }];
        assert_eq!(answer(text, span).unwrap(), [Found { far: far.clone(), points: points.clone() }]);
        let found = answer(text, span).unwrap();
        let other = Far { instance: "work".to_owned(), ..far };
        assert_eq!((of(&found, &other, false), of(&found, &other, true)), (&[][..], points.as_slice()));
        for bad in [&b"{"[..], b"[]", br#"{"data":{"resultType":"vector"}}"#] {
            assert!(answer(bad, span).is_err());
        }
    }
}

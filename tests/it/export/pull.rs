//! Charts that reach back further than Pulse's own history, drawn from a PromQL server.

use super::desk;
use crate::support::desk::Desk;
use crate::support::folder::Folder;
use crate::support::host::{Asked, Host, Reply, http};
use pulse::model::Now;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const DAY: i64 = 86_400;

fn form(asked: &Asked, name: &str) -> String {
    let pair = asked.body.split('&').find_map(|p| p.strip_prefix(&format!("{name}="))).unwrap().to_owned();
    let mut out = Vec::new();
    let mut bytes = pair.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let hex: Vec<u8> = bytes.by_ref().take(2).collect();
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).unwrap()
}

/// A server that has one point a step for every guest it is asked about: the day of the range, counted from its start.
fn prometheus() -> Host {
    http(|asked| {
        assert_eq!(asked.target, "/prometheus/api/v1/query_range");
        assert_eq!(asked.header("authorization"), "Basic cHVsc2U6czNjcmV0");
        let number = |name: &str| form(asked, name).parse::<i64>().unwrap();
        let (start, end, step) = (number("start"), number("end"), number("step"));
        let query = form(asked, "query");
        let id = if query.contains("storage/pve1/nas") { "storage/pve1/nas" } else { "qemu/100" };
        let points: Vec<String> =
            (0..=(end - start) / step).map(|n| format!("[{},\"{}\"]", start + n * step, n * step / DAY)).collect();
        Reply::json(&format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"instance":"home","id":"{id}"}},"values":[{}]}}]}}}}"#,
            points.join(",")
        ))
    })
}

fn with_source(name: &str, source: &str) -> (Folder, Desk) {
    let folder = Folder::new(name);
    let text = format!(r#"{{"history":{{"source":"{source}","username":"pulse","password":"s3cret"}}}}"#);
    folder.write("metrics.json", text);
    let mut desk = desk(&folder);
    desk.core.state.vms[0].id = "home-pve1-100".to_owned();
    desk.core.state.storage[0].id = "home-nas".to_owned();
    (folder, desk)
}

#[test]
fn a_year_of_charts_comes_from_the_source() {
    let host = prometheus();
    let (_folder, mut desk) = with_source("pull-year", &format!("{}/prometheus/", host.url));
    let now = desk.core.now.unix_secs();
    let charts = desk.get("/api/charts?range=1y&points=365&ids=home-pve1-100&metrics=cpu,netin");
    for metric in ["cpu", "netin"] {
        let points = charts["data"]["home-pve1-100"][metric].as_array().unwrap();
        assert!((364..=367).contains(&points.len()), "{metric}: {}", points.len());
        assert_eq!(points[0]["timestamp"], (now - 365 * DAY) * 1000);
        assert_eq!((&points[0]["value"], &points[300]["value"]), (&0.into(), &300.into()));
    }
    assert_eq!(charts["stats"]["historySource"], "remote");
    let storages = desk.get("/api/storage-charts?range=1y&points=365&ids=home-nas&metrics=used");
    assert_eq!(storages["home-nas"]["used"][200]["value"], 200, "{storages}");
}

#[test]
fn what_pulse_has_itself_is_not_asked_for_and_follows_what_is_older() {
    let host = prometheus();
    let (_folder, mut desk) = with_source("pull-join", &format!("{}/prometheus", host.url));
    let began = desk.core.now;
    let mut state = std::mem::take(&mut desk.core.state);
    state.vms[0].cpu = 0.5;
    for minute in 0..120 {
        desk.core.now = began.plus(Duration::from_secs(minute * 60));
        desk.core.history.record_pve(desk.core.now, &state, "home");
    }
    desk.core.state = state;
    let charts = desk.get("/api/charts?range=1h&ids=home-pve1-100&metrics=cpu");
    assert_eq!(charts["stats"]["historySource"], Value::Null, "an hour is our own: {}", charts["stats"]);
    let charts = desk.get("/api/charts?range=7d&points=500&ids=home-pve1-100&metrics=cpu");
    let points = charts["data"]["home-pve1-100"]["cpu"].as_array().unwrap();
    let times: Vec<i64> = points.iter().map(|p| p["timestamp"].as_i64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] < began.unix_secs() * 1000 - 6 * DAY * 1000, "{times:?}");
    assert_eq!(points.last().unwrap()["value"], 50, "the newest are our own");
    assert_eq!(charts["stats"]["historySource"], "remote");
}

#[test]
fn a_source_that_fails_costs_one_wait_and_the_answer_says_so() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let host = http(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        Reply::status(500, "s3cret broke")
    });
    let (_folder, mut desk) = with_source("pull-fail", &host.url);
    for _ in 0..3 {
        let charts = desk.get("/api/charts?range=1y&ids=home-pve1-100");
        assert_eq!(charts["stats"]["historySource"], "local");
        let why = charts["stats"]["historySourceError"].as_str().unwrap();
        assert!(why.contains("HTTP 500") && !why.contains("s3cret"), "{why}");
        assert!(charts["data"]["home-pve1-100"]["cpu"].is_array());
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "it is left in peace for a minute");
    desk.core.now = Now { mono_ms: desk.core.now.mono_ms + 61_000, ..desk.core.now };
    desk.get("/api/charts?range=1y&ids=home-pve1-100");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

//! Charts begin full: what Proxmox recorded before Pulse was there, asked for once, at its own times and in the units of
//! charts. The rows are recorded ones of real hosts (`tests/data/rrddata`); their times are moved to lie before now.

use crate::support::folder;
use crate::support::host::{self, Asked, Host, Reply};
use crate::support::program::Program;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

fn now_secs() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// The rows of a recording, moved by whole `step`s so that the last ends `before_secs` before now.
fn rows(name: &str, step: i64, before_secs: i64) -> Vec<Value> {
    let path = folder::data("rrddata").join(format!("{name}_rrddata.json"));
    let recording: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut rows = recording["data"].as_array().unwrap().clone();
    let last = rows.last().unwrap()["time"].as_i64().unwrap();
    let by = (now_secs() - before_secs - last).div_euclid(step) * step;
    for row in &mut rows {
        row["time"] = json!(row["time"].as_i64().unwrap() + by);
    }
    rows
}

/// What the host records: rows by path below `nodes/alpha/` and timeframe.
type Recordings = BTreeMap<(&'static str, &'static str), Vec<Value>>;

/// A host of its own with a VM and a container, and when and how often its past was asked for.
struct Lab {
    host: Host,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Lab {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, target)| target.clone()).collect()
    }
}

fn lab(answer: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Lab {
    let asked: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
    let heard = asked.clone();
    let host = host::https(move |call| {
        if let Some(subject) = call.path().strip_suffix("rrddata") {
            heard.lock().unwrap().push((Instant::now(), call.target.clone()));
            let timeframe = call.target.split("timeframe=").nth(1).unwrap().split('&').next().unwrap();
            assert!(call.target.contains("cf=AVERAGE"));
            let subject = subject.trim_start_matches("nodes/alpha/").trim_end_matches('/');
            return answer(subject, timeframe);
        }
        Reply::data(usual(call))
    });
    Lab { host, asked }
}

fn recording_lab(recordings: Recordings) -> Lab {
    lab(move |subject, timeframe| {
        let rows = recordings.iter().find(|((s, t), _)| (*s, *t) == (subject, timeframe)).map(|(_, rows)| rows);
        Reply::data(&json!(rows.cloned().unwrap_or_default()).to_string())
    })
}

fn usual(call: &Asked) -> &'static str {
    match call.path() {
        "cluster/status" => r#"[{"type":"node","name":"alpha","local":1,"online":1,"ip":"127.0.0.1"}]"#,
        "nodes" => {
            r#"[{"node":"alpha","status":"online","cpu":0.01,"maxcpu":4,"mem":1,"maxmem":8,"disk":1,"maxdisk":9,"uptime":99}]"#
        }
        "nodes/alpha/qemu" => {
            r#"[{"vmid":100,"name":"web","status":"stopped","cpus":2,"maxmem":4294967296,"maxdisk":10737418240}]"#
        }
        "nodes/alpha/lxc" => {
            r#"[{"vmid":200,"name":"dns","status":"stopped","cpus":4,"maxmem":8589934592,"maxdisk":67645734912}]"#
        }
        "nodes/alpha/storage" => {
            r#"[{"storage":"local","type":"dir","content":"iso","active":1,"enabled":1,"shared":0,"total":1000,"used":400,"avail":600}]"#
        }
        "storage" => r#"[{"storage":"local","type":"dir","content":"iso"}]"#,
        "nodes/alpha/status" => {
            r#"{"cpu":0.01,"uptime":99,"memory":{"total":8,"used":1,"free":7},"rootfs":{"total":9,"used":1,"free":8}}"#
        }
        _ => "[]",
    }
}

/// A program that polls as often as may be, and the host that it has just been told of.
fn watched(lab: &Lab) -> Program {
    let program = Program::open();
    let (status, said) = program.send("PUT", "/api/config/system", &json!({ "pollingInterval": 5 }));
    assert_eq!(status, 200, "{said}");
    add(&program, lab);
    program
}

fn add(program: &Program, lab: &Lab) {
    let hex: Vec<String> = lab.host.fingerprint.unwrap().iter().map(|b| format!("{b:02X}")).collect();
    let body = json!({
        "type": "pve", "name": "lab", "host": lab.host.url, "verifySSL": true, "fingerprint": hex.join(":"),
        "tokenName": "pulse@pam!watch", "tokenValue": "0f9c64a4-2f3c-4e0e-9d0a-6f9b6d6f4c11",
        "monitorVMs": true, "monitorContainers": true, "monitorStorage": true,
    });
    let (status, said) = program.send("POST", "/api/config/nodes", &body);
    assert_eq!(status, 201, "{said}");
}

/// Waits until the past of the connection is in the charts.
fn filled(program: &Program) {
    program.until("the last stage", || program.log().contains("the past year is in the charts").then_some(()));
}

/// The points of a series of `/api/charts`.
fn series(program: &Program, section: &str, id: &str, metric: &str, range: &str) -> Vec<(i64, f64)> {
    let charts = program.get(&format!("/api/charts?range={range}&ids={id}&metrics={metric}"));
    let points = charts[section][id][metric].as_array().unwrap_or_else(|| panic!("{section} {id} {metric}: {charts}"));
    points.iter().map(|p| (p["timestamp"].as_i64().unwrap() / 1000, p["value"].as_f64().unwrap())).collect()
}

fn share(row: &Value, part: &str, whole: &str) -> Option<f64> {
    Some(row[part].as_f64()? / row[whole].as_f64()? * 100.0)
}

/// Each row's figure stands at its time, and nothing stands between them.
fn same(what: &str, points: &[(i64, f64)], rows: &[Value], began: i64, figure: impl Fn(&Value) -> Option<f64>) {
    // Charts have two decimals of a percentage, and whole bytes per second.
    let most = if matches!(what, "cpu" | "memory" | "disk") { 0.011 } else { 0.51 };
    let expected: BTreeMap<i64, f64> = rows.iter().filter_map(|r| Some((r["time"].as_i64()?, figure(r)?))).collect();
    let shown: BTreeMap<i64, f64> = points.iter().copied().filter(|(t, _)| *t < began).collect();
    assert!(!expected.is_empty() && expected.keys().eq(shown.keys()), "{what}: {expected:?} {shown:?}");
    for (time, value) in expected {
        // And what the codes of the history promise.
        assert!((shown[&time] - value).abs() <= value * 5e-4 + most, "{what} at {time}: {} not {value}", shown[&time]);
    }
}

#[test]
fn recorded_rows_of_pve_8_and_9_stand_in_the_chart_at_their_times_in_its_units() {
    let began = now_secs() - 90;
    let runs = [("pve8_guest", "pve8_node"), ("pve9_lxc", "pve9_node")].map(|(container, node)| {
        let (container, node) = (rows(container, MINUTE, 180), rows(node, MINUTE, 180));
        let vm = rows("pve8_guest", MINUTE, 180);
        let lab = recording_lab(BTreeMap::from([
            (("qemu/100", "hour"), vm.clone()),
            (("lxc/200", "hour"), container.clone()),
            (("", "hour"), node.clone()),
        ]));
        (watched(&lab), lab, vm, container, node)
    });
    for (program, _lab, vm, container, node) in runs {
        filled(&program);
        for range in ["1h", "4h"] {
            let vm_is = |metric: &str, figure: &dyn Fn(&Value) -> Option<f64>| {
                same(metric, &series(&program, "data", "lab-alpha-100", metric, range), &vm, began, figure);
            };
            vm_is("cpu", &|r| Some(r["cpu"].as_f64()? * 100.0));
            vm_is("memory", &|r| share(r, "mem", "maxmem"));
            for rate in ["netin", "netout", "diskread", "diskwrite"] {
                vm_is(rate, &|r| r[rate].as_f64());
            }
            let container_is = |metric: &str, figure: &dyn Fn(&Value) -> Option<f64>| {
                same(metric, &series(&program, "data", "lab-alpha-200", metric, range), &container, began, figure);
            };
            container_is("cpu", &|r| Some(r["cpu"].as_f64()? * 100.0));
            container_is("memory", &|r| share(r, "mem", "maxmem"));
            let node_is = |metric: &str, figure: &dyn Fn(&Value) -> Option<f64>| {
                same(metric, &series(&program, "nodeData", "lab-alpha", metric, range), &node, began, figure);
            };
            node_is("cpu", &|r| Some(r["cpu"].as_f64()? * 100.0));
            node_is("memory", &|r| share(r, "memused", "memtotal"));
            node_is("disk", &|r| share(r, "rootused", "roottotal"));
        }
    }
}

#[test]
fn the_disk_of_a_container_is_known_and_that_of_a_vm_is_not() {
    let (vm, container) = (rows("pve8_guest", MINUTE, 180), rows("pve9_lxc", MINUTE, 180));
    let lab = recording_lab(BTreeMap::from([(("qemu/100", "hour"), vm), (("lxc/200", "hour"), container.clone())]));
    let began = now_secs() - 90;
    let program = watched(&lab);
    filled(&program);
    let disk = series(&program, "data", "lab-alpha-200", "disk", "1h");
    same("disk", &disk, &container, began, |r| share(r, "disk", "maxdisk"));
    // A series without points shows the current figure and nothing else.
    let unknown = series(&program, "data", "lab-alpha-100", "disk", "1h");
    assert!(unknown.iter().all(|(t, _)| *t >= began), "{unknown:?}");
}

#[test]
fn sparse_rows_of_a_year_stay_sparse() {
    let year = rows("pve9_qemu", 21_600, 31 * DAY);
    let lab = recording_lab(BTreeMap::from([(("qemu/100", "year"), year.clone())]));
    let program = watched(&lab);
    filled(&program);
    let points = series(&program, "data", "lab-alpha-100", "cpu", "1y");
    let known: Vec<(i64, f64)> =
        year.iter().filter_map(|r| Some((r["time"].as_i64().unwrap(), r["cpu"].as_f64()? * 100.0))).collect();
    // Buckets of a year's chart are a bit over a day.
    let near = |a: i64, b: i64| (a - b).abs() <= 2 * DAY;
    let past = || points.iter().filter(|(t, _)| *t < now_secs() - 2 * DAY);
    assert!(past().count() >= 4);
    for (time, value) in past() {
        let close: Vec<f64> = known.iter().filter(|(t, _)| near(*t, *time)).map(|(_, v)| *v).collect();
        let (least, most) = close.iter().fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        assert!(*value >= least - 0.01 && *value <= most + 0.01, "{time} {value}: nothing like it was recorded");
    }
    for (time, _) in &known {
        assert!(past().any(|(t, _)| near(*t, *time)), "the row of {time} is not shown");
    }
}

#[test]
fn days_weeks_and_months_of_both_versions_fill_every_range_without_overlap() {
    // A saw tooth that tells which timeframe a point came from: its hundreds are lost, its offset is not.
    let row = |t: i64, offset: f64| json!({"time": t, "cpu": offset / 100.0, "mem": 1.0, "maxmem": 4.0, "netin": 0, "netout": 0, "diskread": 0, "diskwrite": 0, "disk": 0, "maxdisk": 9});
    let make = |step: i64, count: i64, offset: f64| -> Vec<Value> {
        let last = now_secs() / step * step;
        (0..count).map(|n| row(last - (count - 1 - n) * step, offset)).collect()
    };
    let eight =
        [("hour", 60, 70), ("day", 1_800, 70), ("week", 10_800, 70), ("month", 43_200, 70), ("year", 604_800, 70)];
    let nine =
        [("hour", 60, 70), ("day", 60, 1_440), ("week", 1_800, 336), ("month", 1_800, 1_440), ("year", 21_600, 1_460)];
    let of = |n: usize| 10.0 * (n + 1) as f64;
    let runs = [(8, eight), (9, nine)].map(|(version, steps)| {
        let recordings: Recordings = steps
            .iter()
            .enumerate()
            .map(|(n, (frame, step, count))| (("qemu/100", *frame), make(*step, *count, of(n))))
            .collect();
        let lab = recording_lab(recordings);
        (version, watched(&lab), lab)
    });
    for (version, program, _lab) in runs {
        filled(&program);
        let now = now_secs();
        // A point's age says which timeframe is to be seen.
        let due = |t: i64| match now - t {
            ..3_540 => Some(of(0)),
            6_500..82_000 => Some(of(1)),
            97_000..600_000 => Some(of(2)),
            660_000..2_580_000 => Some(of(3)),
            2_780_000.. => Some(of(4)),
            _ => None,
        };
        for (range, least) in [("1h", 55), ("24h", 45), ("7d", 55), ("30d", 60), ("1y", 45)] {
            let points = series(&program, "data", "lab-alpha-100", "cpu", range);
            assert!(points.len() >= least && points.len() <= 400, "PVE {version}, {range}: {} points", points.len());
            let wide = matches!(range, "30d" | "1y");
            for (t, value) in points.iter().filter(|_| !wide) {
                assert!(
                    due(*t).is_none_or(|v| (v - value).abs() < 0.02),
                    "PVE {version}, {range}, {} s ago: {value}",
                    now - t
                );
            }
            // The first point is at the beginning of the range, or where the recording begins.
            let reach = match range {
                "1h" => 3_500,
                "24h" => 84_000,
                "7d" => 590_000,
                "30d" => 2_400_000,
                _ => 29_000_000,
            };
            assert!(now - points[0].0 >= reach, "PVE {version}, {range}: begins {} s ago", now - points[0].0);
        }
    }
}

#[test]
fn a_host_is_asked_once_one_by_one_with_pauses_and_never_again_after_a_restart() {
    let busy = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (b, m) = (busy, most.clone());
    let lab = lab(move |_, _| {
        m.fetch_max(b.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        b.fetch_sub(1, Ordering::SeqCst);
        Reply::data("[]")
    });
    let mut program = watched(&lab).keeping_its_folder();
    filled(&program);
    let asked = lab.asked();
    // Node, storage, VM and container, in five timeframes, the last hour of all first.
    assert_eq!(asked.len(), 4 * 5, "{asked:?}");
    assert!(asked[..4].iter().all(|t| t.contains("timeframe=hour")));
    assert!(asked[16..].iter().all(|t| t.contains("timeframe=year")));
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let times: Vec<Instant> = lab.asked.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert!(times.windows(2).all(|w| w[1] - w[0] >= Duration::from_millis(100)));
    assert_eq!(program.get("/api/diagnostics")["nodes"][0]["polling"]["past"], Value::Null);
    // The marks are synced by the next flush.
    program.until("the marks", || {
        std::fs::read(program.dir.join("data/history/past")).ok()?.ends_with(b"lab").then_some(())
    });
    program.kill();
    let program = Program::on(&program.dir);
    program.until("polling", || (program.get("/api/state")["nodes"].as_array()?.len() == 1).then_some(()));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(lab.asked().len(), 20);
    let dir = program.dir.clone();
    drop(program);
    let _ = std::fs::remove_dir_all(dir);
}

#[test]
fn progress_is_told_while_it_lasts() {
    let lab = lab(|_, _| Reply::data("[]").after(400));
    let program = watched(&lab);
    let told = program.until("progress", || {
        let past = program.get("/api/charts?range=1h")["stats"]["past"].clone();
        past["done"].as_u64().is_some_and(|d| d > 0).then_some(past)
    });
    assert_eq!(told["total"], json!(20));
    assert!(told["done"].as_u64().unwrap() < 20, "{told}");
    filled(&program);
    program.until("the end", || program.get("/api/charts?range=1h")["stats"].get("past").is_none().then_some(()));
}

#[test]
fn a_host_that_refuses_or_is_told_not_to_be_asked_is_left_alone() {
    let refusing = lab(|_, _| Reply::status(403, r#"{"data":null,"message":"Permission check failed"}"#));
    let alone = lab(|_, _| Reply::data("[]"));
    let (program, other) =
        (watched(&refusing), Program::with(&[("DISABLE_AUTH", "true"), ("PULSE_BACKFILL", "false")]));
    add(&other, &alone);
    program.until("the word", || program.log().contains("the past is not to be had").then_some(()));
    std::thread::sleep(Duration::from_secs(11));
    assert_eq!(refusing.asked().len(), 5, "{:?}", refusing.asked());
    assert_eq!(program.log().matches("the past is not to be had").count(), 1);
    other.until("polling", || (other.get("/api/state")["nodes"].as_array()?.len() == 1).then_some(()));
    assert_eq!(alone.asked().len(), 0);
}

#[test]
fn answers_that_fail_are_asked_for_again_and_what_makes_no_sense_harms_nobody() {
    let tries = Arc::new(AtomicUsize::new(0));
    let lab = lab(move |subject, timeframe| match (subject, timeframe) {
        ("qemu/100", "hour") if tries.fetch_add(1, Ordering::SeqCst) == 0 => Reply::status(500, "{}"),
        ("qemu/100", "hour") => Reply::data(&json!(rows("pve8_guest", MINUTE, 180)).to_string()),
        ("lxc/200", "hour") => Reply::data(
            r#"[{"time":"soon","cpu":"x"},{"time":-7,"cpu":1e300,"mem":-1,"maxmem":0},{"time":9e18,"cpu":1},null,[],7]"#,
        ),
        ("", "hour") => Reply::data(r#"{"no":"list"}"#),
        _ => Reply::data("[]"),
    });
    let began = now_secs() - 90;
    let program = watched(&lab);
    filled(&program);
    let cpu = series(&program, "data", "lab-alpha-100", "cpu", "1h");
    assert!(cpu.iter().filter(|(t, _)| *t < began).count() >= 4, "{cpu:?}");
    assert!(series(&program, "data", "lab-alpha-200", "cpu", "1h").iter().all(|(t, _)| *t >= began));
}

//! What survives: the history with its ends, active alerts, the memory of who was told; crashes, bad files, 4.9's files.

use super::bench::{Bench, CPU, START_MS, config, guest, source};
use crate::support::folder::Folder;
use pulse::alerts::history::Query;
use pulse::alerts::level::Level;
use pulse::alerts::outgoing::{Audience, Kind};
use pulse::alerts::{Alerts, Lists, Memory, Poll};
use pulse::model::{Now, State, Time};
use serde_json::{Value, json};
use std::time::Duration;

/// The bench's hosts with a room that keeps things in a folder.
struct Kept {
    folder: Folder,
    room: Alerts,
    state: State,
    now: Now,
    problems: Vec<String>,
}

impl Kept {
    fn new() -> Kept {
        Kept::over(Folder::new("alerts"))
    }
    fn over(folder: Folder) -> Kept {
        let state = Bench::new(json!({})).state;
        let now = Now::simulated(START_MS);
        let (room, problems) = Alerts::open(config(json!({})), folder.path(), now);
        let mut kept = Kept { folder, room, state, now, problems };
        kept.expect();
        kept
    }
    fn expect(&mut self) {
        let sources: Vec<_> = self.state.connection_health.keys().map(|n| source(n)).collect();
        self.room.engine.expect(&sources, &self.state, self.now);
    }
    fn cpu(&mut self, percent: f64) -> &mut Kept {
        self.state.vms[0].cpu = percent / 100.0;
        self
    }
    fn poll(&mut self) {
        self.now = self.now.plus(Duration::from_secs(10));
        for name in self.state.connection_health.keys() {
            self.room.engine.polled(&Poll { source: source(name), reachable: true, brought: Lists::default() });
        }
        self.room.step(&self.state, self.now);
        // The notifications have what they were handed.
        self.room.messages_are_safe(self.now);
    }
    fn incident(&mut self, percent: f64) {
        self.cpu(percent).poll();
        self.cpu(1.0).poll();
        self.now = self.now.plus(Duration::from_secs(600));
    }
    /// Ends as a process does, and starts anew.
    fn restart(self) -> Kept {
        let Kept { folder, mut room, state, now, .. } = self;
        room.finish();
        drop(room);
        let now = Now { mono_ms: 0, ..now };
        let (room, problems) = Alerts::open(config(json!({})), folder.path(), now);
        let mut kept = Kept { folder, room, state, now, problems };
        kept.expect();
        kept
    }
    fn history(&self, query: Query) -> Vec<Value> {
        let list: Value = serde_json::from_slice(&self.room.history(&query)).unwrap();
        list.as_array().unwrap().clone()
    }
    fn all(&self) -> Vec<Value> {
        self.history(Query { limit: 1000, ..Query::default() })
    }
    fn file(&self, name: &str) -> String {
        format!("alerts/{name}")
    }
}

// Row 70: the history knew how things began, never how they ended; up to five minutes were lost on a crash.
#[test]
fn row_70_the_history_has_end_peak_and_acknowledgement_and_survives() {
    let mut k = Kept::new();
    k.cpu(85.0).poll();
    k.cpu(95.0).poll();
    k.room.engine.acknowledge(CPU, "ana", k.now);
    k.cpu(82.0).poll();
    k.cpu(1.0).poll();
    let ended = k.now.wall;
    let check = |k: &Kept| {
        let all = k.all();
        assert_eq!(all.len(), 1);
        let e = &all[0];
        assert_eq!(
            (&e["id"], &e["value"], &e["level"], &e["ackUser"]),
            (&json!(CPU), &json!(95.0), &json!("critical"), &json!("ana"))
        );
        assert_eq!(e["resolvedTime"], json!(ended.rfc3339()));
        assert_eq!(e["lastSeen"], json!(ended.rfc3339()));
        assert_eq!(e["resolvedReason"], "recovered");
        assert_eq!(e["startTime"], json!(Time::from_millis(START_MS + 10_000).rfc3339()));
    };
    check(&k);
    let k = k.restart();
    check(&k);
    assert!(k.problems.is_empty(), "{:?}", k.problems);
}

#[test]
fn what_is_active_is_in_the_history_too_and_is_filtered_the_same() {
    let mut k = Kept::new();
    k.incident(85.0);
    k.incident(95.0);
    k.state.storage[0].usage = 86.0;
    k.poll();
    let ids = |list: Vec<Value>| list.iter().map(|e| e["value"].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(k.all()), [86.0, 95.0, 85.0], "newest first");
    let q = |change: fn(&mut Query)| {
        let mut query = Query { limit: 100, ..Query::default() };
        change(&mut query);
        query
    };
    assert_eq!(ids(k.history(q(|q| q.limit = 2))), [86.0, 95.0]);
    assert_eq!(ids(k.history(q(|q| q.offset = 1))), [95.0, 85.0]);
    assert_eq!(ids(k.history(q(|q| q.severity = Some(Level::Critical)))), [95.0]);
    assert_eq!(ids(k.history(q(|q| q.resource_id = Some("lab-alpha-local".into())))), [86.0]);
    let second = Time::from_millis(START_MS + 600_000);
    let between =
        Query { limit: 9, from: Some(second), to: Some(Time::from_millis(START_MS + 1_200_000)), ..Query::default() };
    assert_eq!(ids(k.history(between)), [95.0]);
}

#[test]
fn deleting_the_history_deletes_the_past_and_ends_no_alert() {
    let mut k = Kept::new();
    k.incident(85.0);
    k.cpu(90.0).poll();
    k.room.delete_history(k.now.wall);
    assert!(k.all().is_empty());
    assert_eq!(k.room.engine.active().len(), 1);
    let mut k = k.restart();
    assert_eq!(k.room.engine.active().len(), 1);
    k.cpu(1.0).poll();
    assert_eq!(k.all().len(), 1, "what ends later is recorded");
}

#[test]
fn what_was_cleared_by_hand_and_then_fine_is_raised_again_also_after_a_crash() {
    let mut k = Kept::new();
    k.cpu(95.0).poll();
    assert!(k.room.engine.clear(CPU, k.now));
    k.poll();
    let mut k = k.restart();
    k.cpu(95.0).poll();
    assert!(k.room.engine.active().is_empty(), "it was never fine");
    k.cpu(1.0).poll();
    let mut k = k.restart();
    k.cpu(95.0).poll();
    assert_eq!(k.room.engine.active().len(), 1);
}

// Row 71: a crash between rename and write lost the main file, and a corrupt one was not replaced by the backup.
#[test]
fn row_71_a_process_that_is_killed_loses_no_transition_and_invents_none() {
    let mut k = Kept::new();
    k.incident(85.0);
    k.cpu(95.0).poll();
    k.room.engine.acknowledge(CPU, "ana", k.now);
    k.poll();
    let k = k.restart();
    let journal = k.folder.read("alerts/alert-journal.log");
    let active = k.folder.read("alerts/active-alerts.json");
    drop(k);
    // The file of active alerts of the moment before, of the moment after, missing, and torn in the middle.
    let cases: [Option<&[u8]>; 4] = [Some(b"[]"), Some(&active), None, Some(&active[..active.len() / 2])];
    for file in cases {
        let folder = Folder::new("alerts");
        std::fs::create_dir_all(folder.path().join("alerts")).unwrap();
        folder.write("alerts/alert-journal.log", &journal);
        if let Some(bytes) = file {
            folder.write("alerts/active-alerts.json", bytes);
        }
        let mut k = Kept::over(folder);
        k.cpu(95.0).poll();
        let active: Vec<_> = k.room.engine.active().into_iter().cloned().collect();
        assert_eq!(active.len(), 1);
        assert_eq!((active[0].id.as_str(), active[0].ack_user.as_str()), (CPU, "ana"));
        assert_eq!(k.all().len(), 2);
    }
}

/// Messages of the next step: what they say, to whom, of which alert.
fn told(k: &mut Kept) -> Vec<(Kind, Audience, String)> {
    let step = k.room.step(&k.state, k.now);
    step.outgoing.iter().map(|o| (o.kind, o.audience, o.items[0].alert.id.clone())).collect()
}

// The end of an alert was on its way when the process was killed: incidents stayed open for ever.
#[test]
fn the_end_of_an_alert_is_told_although_the_process_was_killed_meanwhile() {
    for gathering in [false, true] {
        let mut k = Kept::new();
        k.cpu(95.0).poll();
        if gathering {
            let slow = json!({"schedule": {"groupingWindow": 30, "grouping": {"enabled": true}}});
            k.room.engine.set_config(config(slow));
        }
        k.cpu(1.0);
        k.now = k.now.plus(Duration::from_secs(10));
        for name in k.state.connection_health.keys() {
            k.room.engine.polled(&Poll { source: source(name), reachable: true, brought: Lists::default() });
        }
        let handed_over = told(&mut k);
        assert_eq!(handed_over.is_empty(), gathering);
        // Killed: nobody knows whether what was handed over is safe.
        let mut k = k.restart();
        assert_eq!(told(&mut k), [(Kind::Resolved, Audience::IncidentTools, CPU.to_owned())]);
        k.room.messages_are_safe(k.now);
        let mut k = k.restart();
        assert_eq!(told(&mut k), [], "once it was safe it is not told again");
    }
}

// The first alert of a new installation was lost when the process was killed before it was told: without a memory of who
// was told, everybody was taken for told.
#[test]
fn the_very_first_alert_is_told_although_the_process_was_killed_before() {
    let mut k = Kept::new();
    k.room.engine.set_config(config(json!({"schedule": {"groupingWindow": 30, "grouping": {"enabled": true}}})));
    k.cpu(95.0);
    k.now = k.now.plus(Duration::from_secs(10));
    for name in k.state.connection_health.keys() {
        k.room.engine.polled(&Poll { source: source(name), reachable: true, brought: Lists::default() });
    }
    assert_eq!(told(&mut k), [], "it is gathered");
    let Kept { folder, room, .. } = k;
    drop(room);
    // What a kill leaves that comes between the two files.
    let journal = folder.read("alerts/alert-journal.log");
    assert!(!journal.is_empty());
    let memory = Kept::over(Folder::new("alerts")).restart().folder.read("alerts/alert-memory.json");
    folder.write("alerts/alert-memory.json", memory);
    let mut k = Kept::over(folder);
    k.cpu(95.0);
    k.now = k.now.plus(Duration::from_secs(60));
    for name in k.state.connection_health.keys() {
        k.room.engine.polled(&Poll { source: source(name), reachable: true, brought: Lists::default() });
    }
    assert_eq!(told(&mut k), [(Kind::Firing, Audience::Everyone, CPU.to_owned())]);
}

#[test]
fn a_journal_torn_at_any_byte_is_read_as_far_as_it_goes() {
    let mut k = Kept::new();
    k.incident(85.0);
    k.incident(95.0);
    let k = k.restart();
    let journal = k.folder.read("alerts/alert-journal.log");
    drop(k);
    for cut in (0..journal.len()).step_by(37) {
        let folder = Folder::new("alerts");
        std::fs::create_dir_all(folder.path().join("alerts")).unwrap();
        folder.write("alerts/alert-journal.log", &journal[..cut]);
        let mut k = Kept::over(folder);
        // With the line of its end torn off, the incident goes on; otherwise a new one begins.
        let known = k.all().len() - k.room.engine.active().len();
        k.now = k.now.plus(Duration::from_secs(86_400));
        k.incident(99.0);
        let k = k.restart();
        let all = k.all();
        assert_eq!(all.len(), known + 1, "cut at {cut}: what comes after the tear is kept");
        assert_eq!((&all[0]["value"], &all[0]["resolvedReason"]), (&json!(99.0), &json!("recovered")), "cut at {cut}");
    }
}

#[test]
fn the_history_of_4_9_is_taken_over_once() {
    let old = json!([
        {"alert": {"id": "pve1-101-cpu", "type": "cpu", "level": "warning", "resourceId": "pve1-101", "resourceName": "web",
            "node": "pve1", "instance": "pve1", "message": "VM cpu at 91.2%", "value": 91.23, "threshold": 80,
            "startTime": "2025-08-26T10:10:00.25Z", "lastSeen": "2025-08-26T10:15:20.1Z", "acknowledged": false},
         "timestamp": "2025-08-26T10:10:00.25Z"},
        {"alert": {"id": "broken"}, "timestamp": "2025-08-26T10:10:00Z"},
        {"alert": {"id": "node-offline-pve1-pve1", "type": "connectivity", "level": "critical", "resourceId": "pve1-pve1",
            "resourceName": "pve1", "node": "pve1", "instance": "pve1", "message": "Node 'pve1' is offline", "value": 0,
            "threshold": 0, "startTime": "2025-01-01T00:00:00Z", "lastSeen": "0001-01-01T00:00:00Z", "acknowledged": false},
         "timestamp": "2025-01-01T00:00:00Z"}]);
    let folder = Folder::new("alerts");
    std::fs::create_dir_all(folder.path().join("alerts")).unwrap();
    folder.write("alerts/alert-history.json", old.to_string());
    let k = Kept::over(folder);
    assert_eq!(k.all().len(), 1, "the other one is older than 30 days");
    assert_eq!(k.all()[0]["id"], "pve1-101-cpu");
    assert!(k.folder.has("alerts/alert-history.json"), "4.9 still finds its file");
    k.folder.write("alerts/alert-history.json", "[]");
    let mut k = k.restart();
    assert_eq!(k.all().len(), 1);
    k.room.delete_history(k.now.wall);
    let k = k.restart();
    assert!(k.all().is_empty());
    assert!(!k.folder.has("alerts/alert-history.json"));
}

#[test]
fn active_alerts_of_4_9_go_on_and_4_9_can_read_ours() {
    let active = json!([{"id": CPU, "type": "cpu", "level": "warning", "resourceId": "lab-alpha-101", "resourceName": "guest101",
        "node": "alpha", "instance": "lab", "message": "VM cpu at 85.0%", "value": 85, "threshold": 80,
        "startTime": "2025-08-20T10:10:00.25Z", "lastSeen": "2025-08-26T10:15:20.1Z", "acknowledged": true,
        "ackTime": "2025-08-20T10:12:00Z", "ackUser": "admin", "metadata": {"resourceType": "VM", "clearThreshold": 75},
        "lastEscalation": 1, "escalationTimes": ["2025-08-20T10:25:10Z"]}]);
    let folder = Folder::new("alerts");
    std::fs::create_dir_all(folder.path().join("alerts")).unwrap();
    folder.write("alerts/active-alerts.json", active.to_string());
    let mut k = Kept::over(folder);
    k.cpu(88.0).poll();
    let a = k.room.engine.get(CPU).unwrap().clone();
    assert_eq!((a.acknowledged, a.ack_user.as_str(), a.last_escalation), (true, "admin", 1));
    assert_eq!(a.start_time, Time::parse("2025-08-20T10:10:00.25Z").unwrap());
    k.room.engine.unacknowledge(CPU);
    k.poll();
    let k = k.restart();
    let written: Value = serde_json::from_slice(&k.folder.read(&k.file("active-alerts.json"))).unwrap();
    assert_eq!(written[0]["id"], CPU);
    assert!(written[0].get("ackUser").is_none());
    assert_eq!(written[0]["escalationTimes"], active[0]["escalationTimes"]);
}

#[test]
fn the_history_is_bounded_by_age_and_number() {
    let mut k = Kept::new();
    let incident = |n: i64| pulse::model::Alert {
        id: format!("x-{n}"),
        start_time: Time::from_millis(START_MS + n),
        level: "warning".into(),
        ..pulse::model::Alert::default()
    };
    for n in 0..10_050 {
        let resolved = pulse::alerts::Resolved {
            alert: incident(n),
            at: Time::from_millis(START_MS + n),
            peak: 1.0,
            worst: Level::Warning,
            why: pulse::alerts::Why::Recovered,
        };
        k.room.history.note(&pulse::alerts::Transition::Resolved(resolved), &mut Vec::new());
    }
    assert_eq!(k.room.history.len(), 10_000);
    let newest = k.history(Query { limit: 1, ..Query::default() });
    assert_eq!(newest[0]["id"], "x-10049");
    k.room.history.age(Time::from_millis(START_MS).plus(Duration::from_secs(31 * 86_400)));
    assert!(k.room.history.is_empty());
}

#[test]
fn the_journal_is_written_anew_before_it_grows_without_end() {
    let mut k = Kept::new();
    k.cpu(85.0).poll();
    for _ in 0..1_200 {
        k.room.engine.acknowledge(CPU, "ana", k.now);
        k.room.step(&k.state, k.now);
    }
    let k = k.restart();
    let lines = k.folder.read("alerts/alert-journal.log").iter().filter(|b| **b == b'\n').count();
    assert!(lines < 1_100, "{lines} lines for one alert");
    assert_eq!(k.room.engine.active().len(), 1);
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let mut k = Kept::new();
    k.cpu(95.0).poll();
    k.state.storage[0].usage = 91.0;
    k.poll();
    // The file of active alerts is written within a quarter of an hour.
    k.now = k.now.plus(Duration::from_secs(1_000));
    k.poll();
    let before = k.room.written();
    for n in 0..2_000 {
        k.cpu(91.0 + f64::from(n % 8)).poll();
    }
    assert_eq!(k.room.engine.active().len(), 2);
    assert_eq!(k.room.written(), before, "two active alerts for hours, with other figures each time");
}

#[test]
fn a_thousand_transitions_in_an_hour_cost_a_bounded_number_of_bytes() {
    let mut k = Kept::new();
    // A large installation in trouble: 500 alerts that stay.
    for vmid in 1_000..1_500 {
        let mut guest = guest(vmid, "alpha");
        (guest.r#type, guest.cpu) = ("qemu".into(), 0.95);
        k.state.vms.push(guest.into());
    }
    k.poll();
    assert_eq!(k.room.engine.active().len(), 500);
    let before = k.room.written();
    let mut transitions = 0;
    for n in 0..360 {
        for guest in 0..3 {
            let vm = (n * 3 + guest) % 500;
            k.state.vms[vm + 1].cpu = if (n * 3 + guest) / 500 % 2 == 0 { 0.01 } else { 0.95 };
            transitions += 1;
        }
        k.poll();
    }
    assert!(transitions > 1_000 && k.all().len() > 500);
    let bytes = k.room.written().bytes - before.bytes;
    let each = bytes / transitions;
    println!("{transitions} transitions among 500 alerts: {bytes} bytes, {each} for each");
    assert!(each < 2_000, "{each} bytes for each transition");
}

#[test]
fn the_memory_is_read_as_far_as_it_was_written() {
    let mut k = Kept::new();
    k.cpu(95.0).poll();
    k.state.storage[0].usage = 91.0;
    k.poll();
    let k = k.restart();
    let whole = k.folder.read("alerts/alert-memory.json");
    let ids = |bytes: &[u8]| Memory::read(bytes).unwrap().alerts.into_keys().collect::<Vec<_>>();
    assert_eq!(ids(&whole), ["lab-alpha-101-cpu", "lab-alpha-local-usage"]);
    let last = whole.iter().rposition(|b| *b == b'\n').expect("a document and its changes");
    for cut in last..whole.len() {
        assert_eq!(ids(&whole[..cut]), ["lab-alpha-101-cpu"], "cut at {cut}");
    }
}

//! `/api/alerts/…` as clients see it.

use super::bench::{CPU, guest, node};
use crate::support::desk::Desk;
use crate::support::folder::Folder;
use pulse::http::Method::{Delete, Get, Post, Put};
use pulse::model::Now;
use pulse::poll::{Kind, Live, Report, Slow, Statistics};
use serde_json::{Value, json};
use std::time::Duration;

const CONFIG: &str = "/api/alerts/config";

struct Scene {
    desk: Desk,
    _folder: Folder,
    cpu: f64,
    name: &'static str,
}

/// One connection `lab` with node alpha and guest 101, limits without delay.
fn scene() -> Scene {
    let folder = Folder::new("alert-routes");
    let mut desk = Desk::open(&folder, &[]);
    let plain = json!({"guestDefaults": {"cpu": {"trigger": 80, "clear": 75}}});
    assert_eq!(desk.call(Put, CONFIG, &plain), (200, json!({"status": "success"})));
    let gone = desk.core.connections.expect(&[(Kind::Pve, "lab".to_owned())]);
    assert!(gone.is_empty());
    Scene { desk, _folder: folder, cpu: 0.1, name: "guest101" }
}

impl Scene {
    fn report(&mut self) {
        self.desk.core.now = self.desk.core.now.plus(Duration::from_secs(10));
        let mut vm = guest(101, "alpha");
        vm.cpu = self.cpu;
        vm.name = self.name.to_owned();
        let live = Live { nodes: vec![node("alpha")], vms: vec![vm], ..Live::default() };
        self.desk.core.report(Report {
            instance: "lab".into(),
            kind: Kind::Pve,
            at: self.desk.core.now,
            took: Duration::from_millis(5),
            reachable: true,
            offline: false,
            failure: None,
            live,
            slow: Slow::default(),
            statistics: Statistics::default(),
            past: None,
            endpoints: None,
        });
    }
    fn load(&mut self, percent: f64) {
        self.cpu = percent / 100.0;
        self.report();
    }
    fn get(&mut self, path: &str) -> Value {
        self.desk.get(path)
    }
    fn post(&mut self, path: &str, body: Value) -> (u16, Value) {
        self.desk.call(Post, path, &body)
    }
}

#[test]
fn active_alerts_have_the_full_shape_and_the_state_the_short_one() {
    let mut s = scene();
    assert_eq!(s.get("/api/alerts/active"), json!([]));
    s.load(91.25);
    let list = s.get("/api/alerts/active");
    let now = s.desk.core.now.wall.rfc3339();
    assert_eq!(
        list,
        json!([{"id": CPU, "type": "cpu", "level": "critical", "resourceId": "lab-alpha-101", "resourceName": "guest101",
            "node": "alpha", "instance": "lab", "message": "VM cpu at 91.2%", "value": 91.25, "threshold": 80.0,
            "startTime": now, "lastSeen": now, "acknowledged": false,
            "metadata": {"resourceType": "VM", "clearThreshold": 75.0}}])
    );
    let state = s.get("/api/state");
    assert_eq!(state["activeAlerts"][0]["id"], CPU);
    assert!(state["activeAlerts"][0].get("metadata").is_none());
    s.load(1.0);
    let state = s.get("/api/state");
    assert_eq!(state["activeAlerts"], json!([]));
    assert_eq!(state["recentlyResolved"][0]["resolvedTime"], json!(s.desk.core.now.wall.rfc3339()));
}

#[test]
fn one_alert_is_acknowledged_taken_back_and_cleared() {
    let mut s = scene();
    s.load(85.0);
    assert_eq!(
        s.post("/api/alerts/nothing/acknowledge", json!({})),
        (404, json!({"error": "alert not found: nothing"}))
    );
    assert_eq!(
        s.post(&format!("/api/alerts/{CPU}/acknowledge"), json!({"user": "ana"})),
        (200, json!({"success": true}))
    );
    let a = s.get("/api/alerts/active")[0].clone();
    assert_eq!((&a["acknowledged"], &a["ackUser"]), (&json!(true), &json!("ana")));
    assert_eq!(s.get("/api/state")["activeAlerts"][0]["acknowledged"], true, "at once, not at the next poll");
    assert_eq!(s.post(&format!("/api/alerts/{CPU}/unacknowledge"), json!(null)).0, 200);
    assert!(s.get("/api/alerts/active")[0].get("ackUser").is_none());
    assert_eq!(s.post("/api/alerts/nothing/clear", json!(null)), (200, json!({"success": true})));
    assert_eq!(s.post(&format!("/api/alerts/{CPU}/clear"), json!(null)), (200, json!({"success": true})));
    assert_eq!(s.get("/api/alerts/active"), json!([]));
    s.load(90.0);
    assert_eq!(s.get("/api/alerts/active"), json!([]), "not before it was fine once");
}

// Row 73: an id with a slash could not be named in any way.
#[test]
fn row_73_ids_with_slashes_percents_and_spaces_are_reached() {
    let mut s = scene();
    s.load(85.0);
    let strange = "a/b c%41-cpu";
    let alert = pulse::model::Alert {
        id: strange.into(),
        r#type: "cpu".into(),
        ..s.desk.core.alerts.engine.active()[0].clone()
    };
    s.desk.core.alerts.engine.restore(vec![alert], None, s.desk.core.now);
    for (path, ok) in [
        ("/api/alerts/a%2Fb%20c%2541-cpu/acknowledge", true),
        ("/api/alerts/a/b%20c%2541-cpu/unacknowledge", true),
        ("/api/alerts/a%2Fb%20cA-cpu/acknowledge", false),
        ("/api/alerts/a%2Fb%20c%2541-cpu/clear", true),
    ] {
        assert_eq!(s.post(path, json!({})).0 == 200, ok, "{path}");
    }
    assert!(s.desk.core.alerts.engine.get(strange).is_none());
}

#[test]
fn several_alerts_at_once() {
    let mut s = scene();
    s.load(85.0);
    let (status, body) = s.post("/api/alerts/bulk/acknowledge", json!({"alertIds": [CPU, "b"], "user": "ben"}));
    assert_eq!(
        (status, body),
        (
            200,
            json!({"results": [{"alertId": CPU, "success": true}, {"alertId": "b", "success": false, "error": "alert not found: b"}]})
        )
    );
    assert_eq!(s.get("/api/alerts/active")[0]["ackUser"], "ben");
    let (status, body) = s.post("/api/alerts/bulk/clear", json!({"alertIds": [CPU, "b"]}));
    assert_eq!(
        (status, body),
        (200, json!({"results": [{"alertId": CPU, "success": true}, {"alertId": "b", "success": true}]}))
    );
    for (body, words) in [
        (json!("x"), "Invalid request body"),
        (json!({}), "No alert IDs provided"),
        (json!({"alertIds": []}), "No alert IDs provided"),
    ] {
        for action in ["acknowledge", "clear"] {
            assert_eq!(s.post(&format!("/api/alerts/bulk/{action}"), body.clone()), (400, json!({"error": words})));
        }
    }
}

#[test]
fn wrong_paths_are_not_found_and_a_missing_id_is_said() {
    let mut s = scene();
    assert_eq!(s.post("/api/alerts/acknowledge", json!({})), (400, json!({"error": "Invalid URL"})));
    assert_eq!(s.post("/api/alerts/x/explode", json!({})).0, 404);
    assert_eq!(s.desk.call(Get, "/api/alerts/nowhere", &json!(null)).0 / 100, 4);
}

// Row 75: the public document promises these two.
#[test]
fn row_75_configuration_and_status_in_one_place() {
    let mut s = scene();
    s.load(85.0);
    let all = s.get("/api/alerts/");
    assert_eq!((&all["enabled"], &all["active"][0]["id"]), (&json!(true), &json!(CPU)));
    assert_eq!(all["config"], s.get(CONFIG));
    assert_eq!(s.post("/api/alerts/", json!({"minimumDelta": 4})), (200, json!({"status": "success"})));
    assert_eq!(s.get(CONFIG)["minimumDelta"], 4);
}

#[test]
fn the_configuration_round_trips_and_counts_when_it_is_on_the_disk() {
    let mut s = scene();
    let shown = s.get(CONFIG);
    assert_eq!(s.desk.call(Put, CONFIG, &shown).0, 200);
    assert_eq!(s.get(CONFIG), shown);
    s.load(85.0);
    let before = s.get("/api/alerts/active");
    assert_eq!(s.desk.call(Put, CONFIG, &json!({"timeThreshold": 5})).0, 200);
    assert_eq!(s.get("/api/alerts/active"), before, "saving is no transition");
    let stored: Value = serde_json::from_slice(&s._folder.read("alerts.json")).unwrap();
    assert_eq!(stored["timeThreshold"], 5);
    let (status, body) = s.desk.send(Put, CONFIG, &[], b"{\"enabled\": 3}".to_vec());
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("enabled"));
    assert_eq!(s.get(CONFIG)["timeThreshold"], 5);
}

#[test]
fn a_file_that_cannot_be_read_is_kept_aside_and_reported() {
    let folder = Folder::new("alert-routes");
    folder.write("alerts.json", "{ not json");
    let mut desk = Desk::open(&folder, &[]);
    assert_eq!(desk.get(CONFIG)["storageDefault"]["trigger"], 85);
    assert!(desk.core.config.problems.contains_key("alerts.json"));
    assert_eq!(desk.call(Put, CONFIG, &json!({"minimumDelta": 4})).0, 200);
    assert_eq!(folder.read("alerts.json.broken"), b"{ not json");
    folder.write("alerts.json", "{\"enabled\": \"sometimes\"}");
    let desk = Desk::open(&folder, &[]);
    assert!(desk.core.config.problems.contains_key("alerts.json"), "JSON, but no configuration");
}

#[test]
fn a_file_changed_by_hand_counts_without_a_restart() {
    let mut s = scene();
    s.desk.until("written", |core| core.alerts.engine.config().guest_defaults.cpu.is_some());
    let mut file: Value = serde_json::from_slice(&s._folder.read("alerts.json")).unwrap();
    file["guestDefaults"]["cpu"]["trigger"] = json!(66);
    s._folder.write("alerts.json", file.to_string());
    s.desk.until("in force", |core| core.alerts.engine.config().guest_defaults.cpu.as_ref().unwrap().trigger == 66.0);
    assert_eq!(s.get(CONFIG)["guestDefaults"]["cpu"]["trigger"], 66);
}

#[test]
fn the_history_is_read_with_filters_and_deleted() {
    let mut s = scene();
    for percent in [85.0, 95.0, 88.0] {
        s.load(percent);
        s.load(1.0);
        s.desk.core.now = s.desk.core.now.plus(Duration::from_secs(900));
    }
    let values =
        |list: Value| list.as_array().unwrap().iter().map(|e| e["value"].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(values(s.get("/api/alerts/history")), [88.0, 95.0, 85.0]);
    assert_eq!(values(s.get("/api/alerts/history?limit=1")), [88.0]);
    assert_eq!(values(s.get("/api/alerts/history?limit=1&offset=1")), [95.0]);
    assert_eq!(values(s.get("/api/alerts/history?limit=nonsense&offset=-1")).len(), 3);
    assert_eq!(values(s.get("/api/alerts/history?severity=critical")), [95.0]);
    assert_eq!(values(s.get("/api/alerts/history?resourceId=lab-alpha-101")).len(), 3);
    assert_eq!(values(s.get("/api/alerts/history?resourceId=lab-alpha-102")).len(), 0);
    let start = s.get("/api/alerts/history")[1]["startTime"].as_str().unwrap().to_owned();
    assert_eq!(values(s.get(&format!("/api/alerts/history?startTime={start}"))), [88.0, 95.0]);
    assert_eq!(values(s.get(&format!("/api/alerts/history?endTime={start}"))), [95.0, 85.0]);
    assert_eq!(
        s.desk.call(Delete, "/api/alerts/history", &json!(null)),
        (200, json!({"status": "success", "message": "Alert history cleared"}))
    );
    assert_eq!(s.get("/api/alerts/history"), json!([]));
}

#[test]
fn why_something_alerts_or_not_is_said_in_words() {
    let mut s = scene();
    s.load(85.0);
    let check = |s: &mut Scene, path: &str, kind: &str| {
        let all = s.get(path);
        all["checks"].as_array().unwrap().iter().find(|c| c["type"] == kind).unwrap().clone()
    };
    let cpu = check(&mut s, "/api/alerts/explain/lab-alpha-101", "cpu");
    assert_eq!(
        (&cpu["state"], &cpu["trigger"], &cpu["alertId"], &cpu["origin"]),
        (&json!("alerting"), &json!(80.0), &json!(CPU), &json!("the defaults"))
    );
    let power = check(&mut s, "/api/alerts/explain/lab:101", "powered-off");
    assert_eq!((&power["watched"], &power["because"]), (&json!(false), &json!("it is not watched")));
    let rates = check(&mut s, "/api/alerts/explain/lab-alpha-101", "diskRead");
    assert_eq!(rates["watched"], false);
    let memory = check(&mut s, "/api/alerts/explain/lab-alpha", "memory");
    assert_eq!(
        (&memory["state"], &memory["because"], &memory["value"]),
        (&json!("quiet"), &json!("it is fine"), &json!(10.0))
    );
    s.desk.call(
        Put,
        CONFIG,
        &json!({"overrides": {"lab-alpha-101": {"cpu": {"trigger": 50, "clear": 45, "delay": 600}}}}),
    );
    s.post(&format!("/api/alerts/{CPU}/clear"), json!({}));
    s.report();
    let cpu = check(&mut s, "/api/alerts/explain/lab-alpha-101", "cpu");
    assert_eq!(
        (&cpu["state"], &cpu["origin"], &cpu["delaySeconds"]),
        (&json!("cleared"), &json!("an override"), &json!(600))
    );
    s.load(1.0);
    s.load(60.0);
    let cpu = check(&mut s, "/api/alerts/explain/lab-alpha-101", "cpu");
    assert_eq!(cpu["state"], "pending");
    assert_eq!(s.desk.call(Get, "/api/alerts/explain/nobody", &json!(null)).0, 404);
}

#[test]
fn names_with_quotes_and_line_feeds_stay_whole() {
    let mut s = scene();
    s.name = "we\"b\\\n<x> \u{1F525}";
    s.load(85.0);
    assert_eq!(s.get("/api/alerts/active")[0]["resourceName"], s.name);
    s.load(1.0);
    assert_eq!(s.get("/api/alerts/history")[0]["resourceName"], s.name);
}

#[test]
fn a_deleted_connection_takes_its_alerts_along() {
    let mut s = scene();
    s.load(85.0);
    s.desk.core.now = Now { ..s.desk.core.now };
    s.desk.core.nodes_changed();
    assert_eq!(s.get("/api/alerts/active"), json!([]));
    assert_eq!(s.get("/api/alerts/history")[0]["resolvedReason"], "gone");
}

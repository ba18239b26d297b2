//! The five forms of 4.9's `alerts.json` on the real program: taken over at the start, through HTTP to the file, and there
//! again after a kill.

use crate::support::folder::Folder;
use crate::support::program::Program;
use serde_json::{Value, json};
use std::path::Path;

const CONFIG: &str = "/api/alerts/config";

fn at_least(whole: &Value, part: &Value, at: &str) {
    let Value::Object(keys) = part else {
        return assert_eq!(whole, part, "{at}");
    };
    for (key, value) in keys {
        at_least(&whole[key], value, &format!("{at}.{key}"));
    }
}

fn fresh() -> Value {
    serde_json::from_str(include_str!("../../data/v49/alerts.json")).unwrap()
}

/// Every section in use, with keys that nobody knows.
fn full() -> Value {
    json!({"enabled": true,
        "guestDefaults": {"cpu": {"trigger": 70, "clear": 65}, "networkIn": {"trigger": 120, "clear": 115}},
        "nodeDefaults": {"cpu": {"trigger": 71, "clear": 66}}, "storageDefault": {"trigger": 60, "clear": 55},
        "overrides": {"lab-alpha-101": {"disabled": true}, "lab-alpha-local": {"usage": {"trigger": 95, "clear": 90}, "new": 7}},
        "customRules": [{"id": "r1", "name": "Databases",
            "filterConditions": {"filters": [{"type": "text", "field": "name", "operator": "contains", "value": "db"}], "logicalOperator": "AND"},
            "thresholds": {"memory": {"trigger": 95, "clear": 90}}, "priority": 3, "enabled": true,
            "notifications": {"email": {"enabled": true, "recipients": ["a@b.c"]}},
            "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z"}],
        "schedule": {"quietHours": {"enabled": true, "start": "23:00", "end": "07:00", "timezone": "Europe/Paris",
            "days": {"monday": true, "sunday": false}}, "cooldown": 15, "groupingWindow": 60, "maxAlertsHour": 4,
            "escalation": {"enabled": true, "levels": [{"after": 5, "notify": "email"}]},
            "grouping": {"enabled": true, "window": 60, "byNode": true, "byGuest": true}},
        "aggregation": {"enabled": true},
        "minimumDelta": 3, "suppressionWindow": 7, "hysteresisMargin": 4, "timeThreshold": 20})
}

fn numbers() -> Value {
    json!({"enabled": true, "guestDefaults": {"cpu": 85, "memory": {"trigger": 90, "clear": 88}}, "storageDefault": 70,
        "hysteresisMargin": 10, "overrides": {"lab-alpha-101": {"cpu": 95.5}, "lab-alpha-102": {"memoryLegacy": 60}}})
}

fn days() -> Value {
    let mut file = fresh();
    file["schedule"]["quietHours"] = json!({"enabled": true, "start": "22:00", "end": "06:00", "days": [0, 6]});
    file
}

fn kept(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("data/alerts.json")).unwrap()).unwrap()
}

/// The file is there at the start; the page reads the whole document and saves it without custom rules, as 4.9's does.
fn live_through(file: &[u8], expected: &Value) -> Value {
    let folder = Folder::new("alert-files");
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/alerts.json"), file).unwrap();
    let mut program = Program::on(folder.path());
    let read = program.get(CONFIG);
    at_least(&read, expected, "read");
    let mut page = read.clone();
    page.as_object_mut().unwrap().remove("customRules");
    page["hysteresisMargin"] = json!(6);
    assert_eq!(program.send("PUT", CONFIG, &page), (200, json!({"status": "success"})));
    // What was answered is on disk, whatever happens next.
    program.kill();
    let mut wanted = read;
    wanted["hysteresisMargin"] = json!(6);
    at_least(&kept(folder.path()), &wanted, "file");
    let again = Program::on(folder.path());
    assert_eq!(again.get(CONFIG), wanted, "after a kill");
    wanted
}

#[test]
fn each_form_of_the_file_is_taken_over_saved_by_the_page_and_there_after_a_kill() {
    live_through(fresh().to_string().as_bytes(), &fresh());
    let saved = live_through(full().to_string().as_bytes(), &full());
    assert_eq!(saved["customRules"], full()["customRules"], "the page does not name them, and they stay");
    live_through(
        numbers().to_string().as_bytes(),
        &json!({"guestDefaults": {"cpu": {"trigger": 85, "clear": 75}, "memory": {"trigger": 90, "clear": 88}},
            "storageDefault": {"trigger": 70, "clear": 60},
            "overrides": {"lab-alpha-101": {"cpu": {"trigger": 95.5, "clear": 85.5}},
                "lab-alpha-102": {"memory": {"trigger": 60, "clear": 50}}}}),
    );
    live_through(
        days().to_string().as_bytes(),
        &json!({"overrides": fresh()["overrides"].clone(), "schedule": {"cooldown": 5, "quietHours": {"enabled": true,
            "days": {"sunday": true, "monday": false, "friday": false, "saturday": true}}}}),
    );
}

#[test]
fn a_corrupt_file_gives_the_defaults_and_is_kept() {
    let folder = Folder::new("alert-files");
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    let broken = &full().to_string().into_bytes()[..200];
    std::fs::write(folder.path().join("data/alerts.json"), broken).unwrap();
    let program = Program::on(folder.path());
    let read = program.get(CONFIG);
    at_least(
        &read,
        &json!({"enabled": true, "storageDefault": {"trigger": 85, "clear": 80}, "schedule": {"cooldown": 5}}),
        "",
    );
    assert!(program.log().contains("alerts.json"), "{}", program.log());
    assert_eq!(program.send("PUT", CONFIG, &full()).0, 200);
    at_least(&program.get(CONFIG), &full(), "");
    let files = std::fs::read_dir(folder.path().join("data")).unwrap().map(|e| e.unwrap().path());
    let mut copies = files.filter(|f| f.is_file() && std::fs::read(f).unwrap() == broken);
    assert!(copies.next().is_some(), "what was in the file is not lost");
}

//! `alerts.json` and the configuration routes: everything 4.9 and its predecessors wrote is read, nothing is lost.

use pulse::alerts::Config;
use serde_json::{Value, json};

fn file(value: &Value) -> Config {
    Config::from_file(value.to_string().as_bytes(), "Europe/Berlin").unwrap()
}
fn wire(config: &Config) -> Value {
    serde_json::to_value(config).unwrap()
}
fn put(config: &Config, body: Value) -> Config {
    config.after_put(body.to_string().as_bytes()).unwrap()
}

/// What a fresh 4.9 answers and stores.
fn fresh_4_9() -> Value {
    json!({"enabled": true,
        "guestDefaults": {"cpu": {"trigger": 80, "clear": 75}, "memory": {"trigger": 85, "clear": 80}, "disk": {"trigger": 90, "clear": 85}},
        "nodeDefaults": {"cpu": {"trigger": 80, "clear": 75}, "memory": {"trigger": 85, "clear": 80}, "disk": {"trigger": 90, "clear": 85}},
        "storageDefault": {"trigger": 85, "clear": 80}, "overrides": {},
        "schedule": {"quietHours": {"enabled": false, "start": "", "end": "", "timezone": "", "days": null}, "cooldown": 0,
            "groupingWindow": 0, "maxAlertsHour": 0, "escalation": {"enabled": false, "levels": null},
            "grouping": {"enabled": false, "window": 0, "byNode": false, "byGuest": false}},
        "minimumDelta": 2, "suppressionWindow": 5, "hysteresisMargin": 5, "timeThreshold": 0})
}

/// What 4.9's page stores when everything is used.
fn full_4_9() -> Value {
    json!({"enabled": true,
        "guestDefaults": {"cpu": {"trigger": 70, "clear": 65}, "diskRead": {"trigger": 120, "clear": 115}},
        "nodeDefaults": {"cpu": {"trigger": 71, "clear": 66}},
        "storageDefault": {"trigger": 60, "clear": 55},
        "overrides": {"pve1-101": {"disabled": true}, "pve1-pve1": {"disableConnectivity": true},
            "pve1-pve1-local": {"usage": {"trigger": 95, "clear": 90}, "somethingNew": 7}},
        "customRules": [{"id": "r1", "name": "Databases", "description": "big ones", "filterConditions":
            {"filters": [{"type": "text", "field": "name", "operator": "contains", "value": "db"}], "logicalOperator": "AND"},
            "thresholds": {"memory": {"trigger": 95, "clear": 90}}, "priority": 3, "enabled": true,
            "notifications": {"email": {"enabled": true, "recipients": ["a@b.c"]}},
            "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z"}],
        "schedule": {"quietHours": {"enabled": true, "start": "23:00", "end": "07:00", "timezone": "Europe/Paris",
            "days": {"monday": true, "sunday": false}}, "cooldown": 15, "groupingWindow": 60, "maxAlertsHour": 4,
            "escalation": {"enabled": true, "levels": [{"after": 5, "notify": "email"}]},
            "grouping": {"enabled": true, "window": 60, "byNode": true, "byGuest": true}},
        "minimumDelta": 3, "suppressionWindow": 7, "hysteresisMargin": 4, "timeThreshold": 20})
}

/// Every key of `part` is in `whole` with the same value.
fn assert_contains(whole: &Value, part: &Value, at: &str) {
    match (whole, part) {
        (Value::Object(w), Value::Object(p)) => {
            for (key, value) in p {
                assert_contains(
                    w.get(key).unwrap_or_else(|| panic!("{at}.{key} is missing")),
                    value,
                    &format!("{at}.{key}"),
                );
            }
        }
        (Value::Array(w), Value::Array(p)) if w.len() == p.len() => {
            for (n, (w, p)) in w.iter().zip(p).enumerate() {
                assert_contains(w, p, &format!("{at}[{n}]"));
            }
        }
        _ => assert_eq!(whole, part, "{at}"),
    }
}

// Row 63: a fresh 4.9 answers a schedule of zeros with `days: null`, so nothing is limited and the page guesses.
#[test]
fn row_63_a_fresh_installation_has_a_complete_schedule_and_useful_delays() {
    let fresh = wire(&Config::fresh("Europe/Berlin"));
    assert_contains(
        &fresh["schedule"],
        &json!({"quietHours": {"enabled": false, "start": "22:00", "end": "08:00", "timezone": "Europe/Berlin",
            "days": {"monday": true, "friday": true, "saturday": false}},
            "cooldown": 5, "groupingWindow": 30, "maxAlertsHour": 10,
            "escalation": {"enabled": false, "levels": [{"after": 15, "notify": "email"}, {"after": 30, "notify": "webhook"}, {"after": 60, "notify": "all"}]},
            "grouping": {"enabled": true, "window": 30}}),
        "schedule",
    );
    let mut expected = fresh_4_9();
    expected.as_object_mut().unwrap().remove("schedule");
    assert_contains(&fresh, &expected, "");
    assert!(fresh["guestDefaults"]["cpu"]["delay"].as_i64().unwrap() >= 60, "a moment of load is no alert");
    assert_eq!(fresh["checks"]["smart"]["enabled"], true);
    assert_eq!(fresh["checks"]["powered-off"]["enabled"], false);
}

#[test]
fn a_fresh_file_of_4_9_keeps_its_timing_and_gets_the_schedule_it_never_set() {
    let config = file(&fresh_4_9());
    assert_eq!(config.guest_defaults.cpu.as_ref().unwrap().delay, None, "4.9 fired at once");
    assert_eq!((config.time_threshold, config.schedule.cooldown, config.schedule.gather_secs()), (0, 5, 30));
    let saved = put(&config, json!({"schedule": fresh_4_9()["schedule"].clone()}));
    assert_eq!(saved.schedule.cooldown, 0, "zeros that somebody saves are meant");
    let again = Config::from_file(&saved.to_file(), "UTC").unwrap();
    assert_eq!(again, saved, "and stay after a restart");
}

#[test]
fn a_full_file_is_read_and_written_without_loss() {
    let config = file(&full_4_9());
    assert_contains(&wire(&config), &full_4_9(), "");
    assert_eq!(Config::from_file(&config.to_file(), "UTC").unwrap(), config);
    let text = String::from_utf8(config.to_file()).unwrap();
    assert!(text.contains("\"cooldown\": 15") && text.contains("\"trigger\": 70,"), "whole numbers stay whole for 4.9");
}

// Row 60: `usage` of a storage's override was dropped on saving.
#[test]
fn row_60_usage_overrides_and_unknown_keys_survive_saving() {
    let config = put(&Config::fresh("UTC"), full_4_9());
    let config = put(&config, json!({"aggregation": {"enabled": true}, "flapping": null}));
    let own = &wire(&config)["overrides"]["pve1-pve1-local"];
    assert_eq!(own["usage"], json!({"trigger": 95, "clear": 90}));
    assert_eq!(own["somethingNew"], 7);
    assert_eq!(wire(&config)["aggregation"], json!({"enabled": true}));
}

// Row 64: one old number made the whole file unreadable, and the defaults took its place without a word.
#[test]
fn row_64_numbers_and_day_lists_of_old_are_brought_up_to_date() {
    let old = json!({"guestDefaults": {"cpu": 85, "memory": {"trigger": 90, "clear": 88}}, "storageDefault": 70,
        "hysteresisMargin": 10, "overrides": {"pve1-101": {"cpu": 95.5, "memoryLegacy": 60}},
        "schedule": {"quietHours": {"enabled": true, "start": "22:00", "end": "06:00", "days": [0, 6, "wednesday"]}}});
    for config in [file(&old), put(&Config::fresh("UTC"), old)] {
        let w = wire(&config);
        assert_eq!(w["guestDefaults"]["cpu"], json!({"trigger": 85, "clear": 75}));
        assert_eq!(w["guestDefaults"]["memory"], json!({"trigger": 90, "clear": 88}));
        assert_eq!(w["storageDefault"], json!({"trigger": 70, "clear": 60}));
        assert_eq!(w["overrides"]["pve1-101"]["cpu"], json!({"trigger": 95.5, "clear": 85.5}));
        assert_eq!(w["overrides"]["pve1-101"]["memory"], json!({"trigger": 60, "clear": 50}));
        let days = &w["schedule"]["quietHours"]["days"];
        assert_eq!(
            (&days["sunday"], &days["saturday"], &days["wednesday"], &days["monday"]),
            (&json!(true), &json!(true), &json!(true), &json!(false))
        );
    }
}

// Row 65: saving without customRules, as 4.9's own page does, erased them; a part of the document zeroed the rest.
#[test]
fn row_65_what_a_request_does_not_name_stays() {
    let full = file(&full_4_9());
    let mut body = full_4_9();
    body.as_object_mut().unwrap().remove("customRules");
    assert_eq!(put(&full, body).custom_rules, full.custom_rules);
    assert_eq!(put(&full, json!({})), full);
    assert_eq!(put(&full, json!({"schedule": {"cooldown": 9}})).schedule.max_alerts_hour, 4);
    for explicit in [json!(null), json!([])] {
        let rules = put(&full, json!({ "customRules": explicit })).custom_rules;
        assert!(rules.is_none_or(|r| r.is_empty()));
    }
    let maintenance = json!({"schedule": {"maintenance": [{"name": "x", "from": "2025-01-01T00:00:00Z", "to": "2025-01-02T00:00:00Z"}]}});
    let with = put(&full, maintenance);
    assert_eq!(
        put(&with, full_4_9()).schedule.maintenance.len(),
        1,
        "4.9's page does not know it and does not lose it"
    );
    let mut capital = json!({});
    capital["TimeThreshold"] = json!(7);
    assert_eq!(put(&full, capital).time_threshold, 7, "names count in any case, as in 4.9");
}

#[test]
fn figures_4_9_never_leaves_at_nothing_get_its_defaults() {
    let config = put(
        &Config::fresh("UTC"),
        json!({"storageDefault": {"trigger": 0}, "minimumDelta": 0, "suppressionWindow": -1, "hysteresisMargin": 0}),
    );
    let w = wire(&config);
    assert_eq!(w["storageDefault"], json!({"trigger": 85, "clear": 80}));
    assert_eq!(
        (&w["minimumDelta"], &w["suppressionWindow"], &w["hysteresisMargin"]),
        (&json!(2), &json!(5), &json!(5))
    );
}

#[test]
fn the_noisy_limits_of_old_files_are_switched_off_on_reading_only() {
    let noisy = json!({"guestDefaults": {"diskRead": {"trigger": 150, "clear": 120}, "networkOut": {"trigger": 200, "clear": 1},
        "diskWrite": {"trigger": 151, "clear": 120}}});
    let w = wire(&file(&noisy));
    assert_eq!(w["guestDefaults"]["diskRead"], json!({"trigger": 0, "clear": 0}));
    assert_eq!(w["guestDefaults"]["networkOut"], json!({"trigger": 0, "clear": 0}));
    assert_eq!(w["guestDefaults"]["diskWrite"]["trigger"], 151);
    assert_eq!(wire(&put(&Config::fresh("UTC"), noisy))["guestDefaults"]["diskRead"]["trigger"], 150);
}

#[test]
fn nonsense_is_refused_with_its_place() {
    let fresh = Config::fresh("UTC");
    let refused = |body: &str| fresh.after_put(body.as_bytes()).unwrap_err();
    for body in ["", "{", "[]", "null", "7", "\"x\""] {
        refused(body);
    }
    let cases = [
        (json!({"enabled": "yes"}), "enabled"),
        (json!({"guestDefaults": []}), "guestDefaults"),
        (json!({"guestDefaults": {"cpu": "80"}}), "guestDefaults.cpu"),
        (json!({"guestDefaults": {"cpu": {"trigger": "80"}}}), "guestDefaults.cpu.trigger"),
        (json!({"overrides": {"a": {"disabled": 1}}}), "overrides.a.disabled"),
        (json!({"overrides": 3}), "overrides"),
        (json!({"customRules": {}}), "customRules"),
        (json!({"schedule": {"quietHours": {"days": "monday"}}}), "days"),
        (json!({"schedule": {"quietHours": {"days": [9]}}}), "days"),
        (json!({"schedule": {"escalation": {"levels": [3]}}}), "levels"),
        (json!({"schedule": {"maintenance": [{"from": "tomorrow"}]}}), "from"),
        (json!({"checks": {"smart": {"minLevel": "mild"}}}), "minLevel"),
    ];
    for (body, place) in cases {
        let why = refused(&body.to_string());
        assert!(why.contains(place), "{body}: {why}");
    }
}

#[test]
fn no_number_is_too_strange() {
    let strange = json!({"schedule": {"cooldown": -5, "groupingWindow": 999_999_999, "maxAlertsHour": -1,
        "escalation": {"levels": [{"after": -3}]}}, "timeThreshold": -7,
        "guestDefaults": {"cpu": {"trigger": -5, "clear": 1e300, "delay": 99_999_999_999_i64}}});
    let config = put(&Config::fresh("UTC"), strange);
    assert_eq!((config.schedule.cooldown, config.schedule.max_alerts_hour, config.time_threshold), (0, 0, 0));
    assert_eq!(config.guest_defaults.cpu.as_ref().unwrap().delay, Some(7 * 86_400));
}

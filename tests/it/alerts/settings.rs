//! Which thresholds count for what: defaults, rules, overrides, tags.

use super::bench::{Bench, CPU, brief, guest};
use serde_json::json;

const NONE: [&str; 0] = [];

// Row 60: overrides of storages lost `usage`, those of nodes were ignored, those of PBS were looked up elsewhere.
#[test]
fn row_60_overrides_of_every_kind_count() {
    let at = |trigger: f64| json!({"trigger": trigger, "clear": trigger - 5.0});
    let mut b = Bench::new(json!({"overrides": {
        "lab-alpha-local": {"usage": at(50.0)},
        "lab-alpha": {"memory": at(96.0)},
        "lab-beta": {"disabled": true},
        "pbs-pbs-vault": {"cpu": at(20.0)},
        "pbs-vault-store1": {"usage": at(99.0)},
    }}));
    b.state.storage[0].usage = 55.0;
    b.state.storage[1].usage = 55.0;
    b.state.nodes[0].memory.usage = 92.0;
    b.state.nodes[1].memory.usage = 99.0;
    b.state.pbs[0].cpu = 30.0;
    b.state.pbs[0].datastores.as_mut().unwrap()[0].usage = 95.0;
    b.poll();
    let mut ids = b.ids();
    ids.sort_unstable();
    assert_eq!(ids, ["lab-alpha-local-usage", "pbs-vault-cpu"]);
    b.set(json!({"overrides": {"pbs-vault": {"cpu": at(20.0)}}}));
    assert_eq!(brief(&b.poll()).iter().filter(|t| t.contains("vault-cpu")).count(), 0, "both spellings");
}

#[test]
fn a_node_offline_alert_can_be_switched_off_per_node() {
    let mut b = Bench::new(json!({"overrides": {"lab-beta": {"disableConnectivity": true}}}));
    for n in &mut b.state.nodes {
        n.status = "offline".into();
    }
    b.polls(5);
    assert_eq!(b.ids(), ["node-offline-lab-alpha"]);
    b.set(json!({"nodeDefaults": {"disableConnectivity": true}}));
    assert_eq!(brief(&b.poll()), ["-node-offline-lab-alpha notWatched"]);
}

#[test]
fn an_override_follows_its_guest_through_migration() {
    for key in ["lab-alpha-101", "lab:101"] {
        let mut b = Bench::new(json!({"overrides": {(key): {"cpu": {"trigger": 95, "clear": 90}}}}));
        b.cpu(90.0);
        assert_eq!(brief(&b.poll()), NONE, "{key}");
        b.state.vms = vec![pulse::model::Guest { cpu: 0.9, ..guest(101, "beta") }.into()];
        assert_eq!(brief(&b.poll()), NONE, "{key} on another node");
        b.state.vms.push(pulse::model::Guest { cpu: 0.9, ..guest(1101, "beta") }.into());
        assert_eq!(brief(&b.poll()), ["+lab-beta-1101-cpu"], "another guest");
    }
}

#[test]
fn a_clear_value_that_is_missing_lies_five_below() {
    let mut b = Bench::new(json!({"overrides": {"lab-alpha-101": {"cpu": {"trigger": 60, "clear": 0}}}}));
    b.cpu(61.0).poll();
    b.cpu(56.0);
    assert_eq!(brief(&b.poll()), NONE);
    b.cpu(55.0);
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu"]);
}

#[test]
fn legacy_numbers_of_overrides_count() {
    let mut b = Bench::new(json!({"hysteresisMargin": 10, "overrides": {"lab-alpha-101": {"cpuLegacy": 60}}}));
    b.cpu(60.0).poll();
    assert_eq!((b.alert(CPU).threshold, &b.alert(CPU).metadata["clearThreshold"]), (60.0, &json!(50.0)));
}

fn rule(id: &str, priority: i64, filters: serde_json::Value, operator: &str, cpu: f64) -> serde_json::Value {
    json!({"id": id, "name": id, "priority": priority, "enabled": true, "createdAt": "2025-01-01T00:00:00Z",
        "filterConditions": {"filters": filters, "logicalOperator": operator},
        "thresholds": {"cpu": {"trigger": cpu, "clear": cpu - 5.0}}})
}

#[test]
fn the_best_rule_that_matches_counts_and_overrides_beat_it() {
    let name = |text: &str| json!([{"type": "text", "field": "name", "operator": "contains", "value": text}]);
    let mut b = Bench::new(json!({"customRules": [
        rule("low", 1, name("GUEST"), "AND", 20.0), rule("high", 5, name("guest101"), "AND", 40.0),
        rule("equal", 5, json!([]), "AND", 10.0), rule("negative", -1, json!([]), "AND", 1.0)]}));
    b.cpu(41.0);
    b.state.containers[0].cpu = 0.15;
    b.poll();
    assert_eq!(b.ids().len(), 2);
    assert_eq!(b.alert(CPU).threshold, 40.0, "the first of the highest");
    assert_eq!(b.alert("lab-alpha-201-cpu").threshold, 10.0);
    b.set(json!({"overrides": {"lab-alpha-101": {"cpu": {"trigger": 50, "clear": 45}}}}));
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu"]);
}

#[test]
fn filters_look_at_figures_texts_and_anything() {
    let cases = [
        (json!([{"type": "metric", "field": "Memory", "operator": ">=", "value": 50}]), "AND", true),
        (json!([{"type": "metric", "field": "memory", "operator": "=", "value": 60.4}]), "AND", true),
        (json!([{"type": "metric", "field": "diskread", "operator": ">", "value": 1}]), "AND", true),
        (json!([{"type": "metric", "field": "memory", "operator": "~", "value": 1}]), "AND", false),
        (json!([{"type": "text", "field": "vmid", "value": "-101"}]), "AND", true),
        (json!([{"type": "text", "field": "node", "value": "BETA"}]), "AND", false),
        (json!([{"type": "raw", "rawText": "Running"}]), "AND", true),
        (
            json!([{"type": "text", "field": "node", "value": "beta"}, {"type": "raw", "rawText": "alpha"}]),
            "AND",
            false,
        ),
        (json!([{"type": "text", "field": "node", "value": "beta"}, {"type": "raw", "rawText": "alpha"}]), "OR", true),
        (json!([{"type": "text", "field": "node", "value": "beta"}, {"type": "raw", "rawText": "alpha"}]), "and", true),
    ];
    for (filters, operator, matches) in cases {
        let mut b = Bench::new(json!({"customRules": [rule("r", 1, filters.clone(), operator, 20.0)]}));
        b.vm().memory.usage = 60.0;
        b.vm().disk_read = 2 << 20;
        b.cpu(30.0).poll();
        assert_eq!(b.ids().contains(&CPU), matches, "{filters} {operator}");
    }
}

#[test]
fn a_rule_on_figures_follows_them() {
    let busy = json!([{"type": "metric", "field": "memory", "operator": ">", "value": 50}]);
    let mut b = Bench::new(json!({"customRules": [rule("r", 1, busy, "AND", 20.0)]}));
    b.cpu(30.0);
    assert_eq!(brief(&b.poll()), NONE);
    b.vm().memory.usage = 60.0;
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-cpu"]);
    b.vm().memory.usage = 10.0;
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu"]);
}

// 8.1 row 33: the tags were read, logged and had no effect.
#[test]
fn tags_switch_off_silence_or_relax() {
    let mut b = Bench::new(json!({}));
    b.cpu(94.0).poll();
    assert_eq!(b.told.len(), 1);
    b.vm().tags = vec!["pulse-monitor-only".into()];
    b.cpu(99.0);
    assert_eq!(brief(&b.poll()), NONE, "it goes on");
    b.cpu(1.0).poll();
    b.cpu(85.0).poll();
    assert_eq!((b.ids().len(), b.told.len()), (1, 1), "shown, not told");
    b.vm().tags = vec!["Pulse-Relaxed".into()];
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu"]);
    b.cpu(95.0);
    assert_eq!(brief(&b.poll()), ["+lab-alpha-101-cpu"]);
    b.vm().tags = vec!["pulse-no-alerts".into()];
    assert_eq!(brief(&b.poll()), ["-lab-alpha-101-cpu notWatched"]);
}

#[test]
fn what_is_disabled_is_not_watched_at_all() {
    let mut b =
        Bench::new(json!({"overrides": {"lab-alpha-101": {"disabled": true}, "lab-alpha-local": {"disabled": true}}}));
    b.cpu(99.0);
    b.state.storage[0].usage = 99.0;
    assert_eq!(brief(&b.polls(3)), NONE);
    b.vm().template = true;
    b.set(json!({"overrides": {}}));
    assert_eq!(brief(&b.poll()), ["+lab-alpha-local-usage"], "templates have no load");
}

//! What the documentation and the Grafana files promise is what is exported: fields, their types, names of metrics.

use super::{desk, text};
use crate::support::folder::Folder;
use serde_json::Value;
use std::collections::BTreeSet;

fn read(path: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The YAML block under a heading of docs/metrics.md.
fn block(heading: &str) -> String {
    let doc = read("docs/metrics.md");
    let section = doc.split(&format!("\n## {heading}\n")).nth(1).unwrap().to_owned();
    section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

fn summary() -> Value {
    desk(&Folder::new("docs-summary")).get("/api/summary")
}

/// Where a path of Homepage (`a.b.c`) leads in an object.
fn at<'a>(summary: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(summary, |value, key| &value[key])
}

#[test]
fn every_field_of_the_homepage_block_exists_and_has_a_type_that_its_format_shows() {
    let (summary, block) = (summary(), block("Homepage"));
    assert!(block.contains("type: customapi") && block.contains("/api/summary") && block.contains("X-API-Token:"));
    let mut fields = 0;
    for line in block.lines().filter_map(|l| l.trim().strip_prefix("- { field: ")) {
        let (field, rest) = line.split_once(", label: ").unwrap();
        let (label, format) = rest.trim_end_matches(" }").split_once(", format: ").unwrap();
        assert!(!label.is_empty() && !label.contains(':'), "{line}");
        let value = at(&summary, field);
        let fits = match format {
            "text" => value.is_string(),
            // Homepage reads a number as milliseconds, and a number of seconds here would be a day of 1970.
            "date" | "relativeDate" => value.as_str().is_some_and(|t| pulse::model::Time::parse(t).is_some()),
            "number" | "float" | "percent" | "bytes" | "bitrate" | "size" | "duration" => value.is_number(),
            _ => false,
        };
        assert!(fits, "{field} is {value}, which is nothing for {format}");
        if format == "percent" {
            assert!((0.0..=100.0).contains(&value.as_f64().unwrap()), "{field}");
        }
        fields += 1;
    }
    assert!(fields >= 8, "{block}");
}

#[test]
fn every_template_of_the_home_assistant_block_reads_a_field_of_a_type_that_fits() {
    let (summary, block) = (summary(), block("Home Assistant"));
    let mut sensors = Vec::new();
    for entry in block.split("- name: ").skip(1) {
        let value = |key: &str| {
            let line = entry.lines().find_map(|l| l.trim().strip_prefix(&format!("{key}: ")))?;
            Some(line.trim_matches('"').to_owned())
        };
        let template = value("value_template").unwrap();
        let inside = template.strip_prefix("{{ ").and_then(|t| t.strip_suffix(" }}")).unwrap();
        let names: Vec<&str> =
            inside.split("value_json.").skip(1).map(|t| t.split([' ', '|']).next().unwrap()).collect();
        assert!(!names.is_empty(), "{template}");
        for name in &names {
            assert!(!summary[name].is_null(), "{name} is no field of the summary");
            let number = summary[name].is_number();
            let as_number = value("unit_of_measurement").or(value("state_class")).is_some() || inside.contains("round");
            assert!(!as_number || number, "{name} is {}, not a number", summary[name]);
        }
        if inside.contains("!= '") {
            assert!(summary[names[0]].is_string(), "{template}");
        }
        sensors.push(value("unique_id").unwrap());
    }
    let unique: BTreeSet<&String> = sensors.iter().collect();
    assert!(sensors.len() >= 8 && unique.len() == sensors.len(), "{sensors:?}");
}

/// Names of metrics in an expression: words with one of our prefixes.
fn metrics(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|w| ["pve_", "pbs_", "pulse_"].iter().any(|p| w.starts_with(p)))
}

/// Every family that Pulse has, whether or not there is a series of it at the moment.
fn exported() -> BTreeSet<String> {
    let folder = Folder::new("docs-families");
    folder.write("metrics.json", r#"{"push":[]}"#);
    let mut desk = desk(&folder);
    desk.core.state.pbs.push(pulse::model::PbsInstance { name: "vault".into(), ..Default::default() });
    let pages = ["/metrics", "/metrics/pve?target=home", "/metrics/pbs?target=vault"];
    let all: Vec<String> = pages.iter().map(|target| text(&mut desk, target, &[]).1).collect();
    let families = all.iter().flat_map(|page| page.lines()).filter_map(|l| l.strip_prefix("# TYPE "));
    families.map(|l| l.split(' ').next().unwrap().to_owned()).collect()
}

fn expressions(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if ["expr", "query", "definition"].contains(&key.as_str()) => {
                        out.push(text.clone());
                    }
                    value => expressions(value, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| expressions(value, out)),
        _ => {}
    }
}

#[test]
fn every_metric_of_the_dashboard_the_rules_and_the_documentation_is_exported() {
    let exported = exported();
    let mut used = Vec::new();
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/pulse-dashboard.json")).unwrap();
    expressions(&dashboard, &mut used);
    assert!(used.len() >= 25, "{}", used.len());
    let rules = read("packaging/grafana/pulse-alerts.yml");
    assert!(rules.matches("- alert: ").count() >= 15);
    used.push(rules);
    for text in &used {
        for name in metrics(text) {
            assert!(exported.contains(name), "{name} is not exported");
        }
    }
    // The documentation shortens names with a star.
    let document = read("docs/metrics.md").replace(&block("Home Assistant"), "");
    for name in metrics(&document) {
        let known = exported.iter().any(|e| e == name || (name.ends_with('_') && e.starts_with(name)));
        assert!(known || name.starts_with("pve_qdevice_"), "docs/metrics.md names {name}");
    }
}

#[test]
fn panels_do_not_overlap_and_have_ids_of_their_own() {
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/pulse-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let number = |p: &Value, key: &str| p["gridPos"][key].as_i64().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|p| p["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for (n, a) in panels.iter().enumerate() {
        for b in panels.iter().skip(n + 1) {
            let apart = |at: &str, size: &str| {
                number(a, at) + number(a, size) <= number(b, at) || number(b, at) + number(b, size) <= number(a, at)
            };
            assert!(apart("x", "w") || apart("y", "h"), "{} lies on {}", a["title"], b["title"]);
        }
    }
}

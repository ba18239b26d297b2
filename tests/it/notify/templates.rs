//! Saved templates render as in 4.9, which uses Go's `text/template`; what Go inserts unescaped stays valid JSON here.

use pulse::notify::template::{Target, Template, Value};
use pulse::order::Map;
use serde_json::Value as Json;
use std::time::{Duration, Instant};

fn file(name: &str) -> Json {
    let path = crate::support::folder::data("templates").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The data of a webhook: records with these fields, in which `Value` and `Threshold` are floats.
fn record(json: &Json) -> Value {
    let fields: Map<String, Value> = json
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = match (name.as_str(), value) {
                ("Value" | "Threshold", n) => Value::Float(n.as_f64().unwrap()),
                ("Alerts", Json::Array(list)) => Value::list(list.iter().map(record).collect()),
                (_, other) => Value::from_json(other),
            };
            (name.clone(), value)
        })
        .collect();
    Value::Record(fields.into())
}

fn render(template: &str, data: &Value, target: Target) -> Result<String, String> {
    Template::parse(template).and_then(|t| t.render(data, target)).map_err(|e| e.to_string())
}

#[test]
fn every_saved_template_renders_as_go_renders_it() {
    let data = file("data.json");
    let cases = file("rendered.json");
    let mut wrong = Vec::new();
    for case in cases.as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let got = render(text("template"), &record(&data[text("data")]), Target::Plain);
        if got.as_deref() != Ok(text("output")) {
            wrong.push(format!(
                "{}\n  {}\n  Go   {:?}\n  here {got:?}",
                text("name"),
                text("template"),
                text("output")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.as_array().unwrap().len(), wrong.join("\n"));
}

#[test]
fn valid_json_of_go_is_not_touched_by_the_escaping() {
    let data = file("data.json");
    let mut checked = 0;
    for case in file("rendered.json").as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let is_json = serde_json::from_str::<Json>(text("output")).is_ok();
        if is_json && text("data") != "nasty" && text("output").starts_with('{') {
            let got = render(text("template"), &record(&data[text("data")]), Target::Json);
            assert_eq!(got.as_deref(), Ok(text("output")), "{}", text("name"));
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn what_go_refuses_is_refused_with_a_place() {
    let data = record(&file("data.json")["one"]);
    // Numbers of different kinds compare, and some slips that Go reports are harmless.
    for template in file("refused.json").as_array().unwrap() {
        let template = template.as_str().unwrap();
        let got = render(template, &data, Target::Plain);
        let why = got.expect_err(template);
        assert!(why.starts_with("line 1, column "), "{template}: {why}");
    }
}

#[test]
fn errors_name_line_and_column() {
    let data = record(&file("data.json")["one"]);
    let why = |template: &str| render(template, &data, Target::Json).unwrap_err();
    assert_eq!(why("{\n  \"a\": \"{{.Level | shout}}\"\n}"), "line 2, column 20: function \"shout\" is not defined");
    assert_eq!(why("ä{{.Nope}}"), "line 1, column 4: can't evaluate field Nope: the data has no such field");
    assert_eq!(why("{{if .Level}}\nx"), "line 1, column 3: {{if}} has no {{end}}");
    assert_eq!(why("a\nb {{.Level"), "line 2, column 3: unclosed action");
}

#[test]
fn values_inside_json_strings_are_escaped_once_and_only_there() {
    let nasty = "say \"hi\"\\ to\nC:\\x 🔥 </script>";
    let data = Value::record([
        ("M", Value::text(nasty)),
        ("V", Value::Float(1.5)),
        ("L", Value::list(vec![Value::text(nasty)])),
    ]);
    let same = |template: &str, pointer: &str| {
        let out = render(template, &data, Target::Json).unwrap();
        let json: Json = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{template}: {e}: {out}"));
        assert_eq!(json.pointer(pointer).and_then(Json::as_str), Some(nasty), "{template}: {out}");
    };
    same(r#"{"a":"{{.M}}","v":{{.V}}}"#, "/a");
    same(r#"{"a":"{{js .M}}"}"#, "/a");
    same(r#"{"a":"{{.M | js}}"}"#, "/a");
    same(r#"{"a":"{{jsonString .M}}"}"#, "/a");
    same(r#"{"a":{{json .M}}}"#, "/a");
    same(r#"{"a":"{{printf "%s" .M}}"}"#, "/a");
    same(r#"{"a":"{{range .L}}{{.}}{{end}}"}"#, "/a");
    same(r#"{"a":"{{define "t"}}{{.}}{{end}}{{template "t" .M}}"}"#, "/a");
    same(r#"{"{{.V}}":"x","a":"{{with .M}}{{.}}{{end}}"}"#, "/a");
    let out = render(r#"{"a":"{{json .L}}","b":{{json .L}}}"#, &data, Target::Json).unwrap();
    let json: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(serde_json::from_str::<Json>(json["a"].as_str().unwrap()).unwrap(), json["b"], "JSON in a string");
    let plain = render("text: {{.M}}", &data, Target::Plain).unwrap();
    assert_eq!(plain, format!("text: {nasty}"));
}

#[test]
fn what_the_author_escaped_by_hand_is_left_alone() {
    let data = Value::record([("M", Value::text("a\nb")), ("N", Value::text("x"))]);
    let out = |template: &str| render(template, &data, Target::Json).unwrap();
    assert_eq!(out(r#"{"a":"{{"\\n"}}{{.N}}"}"#), r#"{"a":"\nx"}"#);
    assert_eq!(out(r#"{"a":"{{"\n"}}{{.N}}"}"#), r#"{"a":"\nx"}"#);
    assert_eq!(out(r#"{"a":"{{printf "%s\\n%s" .M .N}}"}"#), r#"{"a":"a\nb\nx"}"#);
    assert_eq!(out(r#"{"a":"{{`\"q\"`}}"}"#), r#"{"a":"\"q\""}"#);
}

#[test]
fn the_helpers_of_later_versions_work() {
    let data = Value::record([("E", Value::text("")), ("P", Value::text("a b/c")), ("N", Value::Int(3))]);
    let out = |template: &str| render(template, &data, Target::Plain).unwrap();
    assert_eq!(out(r#"{{default "none" .E}} {{.E | default "none"}} {{default "none" .P}}"#), "none none a b/c");
    assert_eq!(out("{{urlpath .P}} {{urlquery .P}}"), "a%20b%2Fc a+b%2Fc");
    assert_eq!(out("{{json .}}"), r#"{"E":"","N":3,"P":"a b/c"}"#);
    assert_eq!(out("{{if gt .N 2.5}}numbers of both kinds compare{{end}}"), "numbers of both kinds compare");
}

#[test]
fn no_template_runs_away() {
    let data = record(&file("data.json")["group"]);
    let deep = format!("{}x{}", "{{if true}}".repeat(2000), "{{end}}".repeat(2000));
    let nested = format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000));
    let hostile = [
        r#"{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}"#.to_owned(),
        r#"{{define "a"}}{{template "b" .}}{{template "b" .}}{{end}}{{define "b"}}{{template "a" .}}{{end}}{{template "a" .}}"#.to_owned(),
        "{{range 1000000000}}x{{end}}".to_owned(),
        "{{range 10000}}{{range 10000}}{{end}}{{end}}".to_owned(),
        "{{printf \"%1000000d\" 1}}".to_owned(),
        "{{printf \"%.99999999f\" 1.0}}".to_owned(),
        "{{printf \"%*d\" 999999 1}}".to_owned(),
        "{{$x := \"aaaaaaaaaaaaaaaa\"}}{{range 60}}{{$x = print $x $x}}{{end}}{{$x}}".to_owned(),
        format!("{{{{range 90000}}}}{}{{{{end}}}}", "y".repeat(1000)),
        deep,
        nested,
        "x".repeat(70_000),
    ];
    // As small as the stacks of the threads that render.
    let rendered = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        for template in hostile {
            let began = Instant::now();
            let got = render(&template, &data, Target::Plain);
            assert!(got.is_err(), "{}", template.chars().take(80).collect::<String>());
            assert!(began.elapsed() < Duration::from_secs(3), "{}", template.chars().take(80).collect::<String>());
        }
    });
    rendered.unwrap().join().unwrap();
}

#[test]
fn no_bytes_make_it_panic() {
    let data = record(&file("data.json")["nasty"]);
    let cases = file("rendered.json");
    let mut seed = 7_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below.max(1)
    };
    let pieces =
        ["{{", "}}", "-", "\"", "`", "|", "(", ")", ".", "$x", ":=", "range", "end", "%*d", "'", "\\", "é", "/*", "0x"];
    for case in cases.as_array().unwrap() {
        let template: Vec<char> = case["template"].as_str().unwrap().chars().collect();
        for _ in 0..20 {
            let mut bent = template.clone();
            for _ in 0..=random(2) {
                let at = random(bent.len());
                match random(3) {
                    0 => drop(bent.drain(at..(at + 1 + random(4)).min(bent.len()))),
                    1 => drop(bent.splice(at..at, pieces[random(pieces.len())].chars())),
                    _ => bent.truncate(at),
                }
            }
            let bent: String = bent.into_iter().collect();
            let _ = render(&bent, &data, Target::Json);
        }
    }
}

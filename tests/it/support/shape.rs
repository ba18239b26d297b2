//! Comparing the shape of two JSON documents: every key and type of the reference must be there; more keys are fine.

use serde_json::{Map, Value};

/// What differs, one line each. A list's elements count as one shape; `null`, an empty list or an empty object in the
/// reference accept anything of the same kind.
pub fn differences(reference: &Value, actual: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(reference, actual, "$", &mut found);
    found
}

/// Against a file of `tests/data/reference`.
pub fn assert_like(reference: &str, actual: &Value) {
    let path = super::folder::data("reference").join(format!("{reference}.json"));
    let reference: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let found = differences(&reference, actual);
    assert!(found.is_empty(), "{}:\n{}\n{actual:#}", path.display(), found.join("\n"));
}

fn compare(reference: &Value, actual: &Value, at: &str, found: &mut Vec<String>) {
    match (reference, actual) {
        (Value::Null, _) | (Value::Array(_) | Value::Object(_), Value::Null) => {}
        (Value::Object(r), Value::Object(a)) => {
            for (key, value) in r {
                match a.get(key) {
                    Some(other) => compare(value, other, &format!("{at}.{key}"), found),
                    None => found.push(format!("{at}.{key}: missing")),
                }
            }
        }
        (Value::Array(r), Value::Array(a)) => {
            if let (Some(first), Some(_)) = (r.first(), a.first()) {
                if first.is_object() {
                    compare(&merged(r), &merged(a), &format!("{at}[]"), found);
                } else {
                    compare(first, &a[0], &format!("{at}[]"), found);
                }
            }
        }
        (r, a) if std::mem::discriminant(r) == std::mem::discriminant(a) => {}
        (r, a) => found.push(format!("{at}: {r} expected, {a} found")),
    }
}

fn merged(list: &[Value]) -> Value {
    let mut out = Map::new();
    for (key, value) in list.iter().filter_map(Value::as_object).flatten() {
        let empty =
            out.get(key).is_none_or(|v| v.is_null() || *v == Value::Array(vec![]) || *v == Value::Object(Map::new()));
        if empty {
            out.insert(key.clone(), value.clone());
        }
    }
    Value::Object(out)
}

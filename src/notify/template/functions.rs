//! The functions templates may call, besides `and` and `or`, which do not evaluate all they are given.

use super::printf::{printable, printf};
use super::value::{Origin, Text, Value};
use std::cmp::Ordering;
use std::fmt::Write;

const NAMES: [&str; 26] = [
    "and",
    "or",
    "not",
    "len",
    "index",
    "slice",
    "print",
    "printf",
    "println",
    "html",
    "js",
    "urlquery",
    "urlpath",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "title",
    "upper",
    "lower",
    "default",
    "json",
    "jsonString",
    "toJson",
];

pub(super) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Bytes a text may grow to while it is worked on.
const MOST_TEXT: usize = 512 << 10;

/// Calls a function; the error has no place yet.
pub(super) fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    match apply(name, args)? {
        Value::Text(text) if text.weight() > MOST_TEXT => Err(format!("a text is longer than {} KiB", MOST_TEXT >> 10)),
        other => Ok(other),
    }
}

fn apply(name: &str, args: &[Value]) -> Result<Value, String> {
    let counted = |least: usize, most: usize| {
        if (least..=most).contains(&args.len()) {
            Ok(())
        } else {
            let word = if args.len() < least { "few" } else { "many" };
            Err(format!("too {word} arguments for {name}: {} given", args.len()))
        }
    };
    let first = args.first().unwrap_or(&Value::Nil);
    match name {
        "not" => counted(1, 1).map(|()| Value::Bool(!first.truth())),
        "len" => counted(1, 1).and_then(|()| len(first)),
        "index" => counted(1, 20).and_then(|()| index(args)),
        "slice" => counted(1, 3).and_then(|()| slice(args)),
        "print" => Ok(Value::Text(print(args))),
        "println" => Ok(Value::Text(println(args))),
        "printf" => match first {
            Value::Text(format) => printf(format, args.get(1..).unwrap_or_default()).map(Value::Text),
            _ => Err("printf needs a format in quotes".to_owned()),
        },
        "html" => Ok(escaped_print(args, Origin::Data, go_html)),
        "js" => Ok(escaped_print(args, Origin::Escaped, js)),
        "urlquery" => Ok(escaped_print(args, Origin::Data, |t| url(t, true))),
        "urlpath" => Ok(escaped_print(args, Origin::Data, |t| url(t, false))),
        "eq" => equal_to_any(args).map(Value::Bool),
        "ne" => counted(2, 2).and_then(|()| equal_to_any(args)).map(|e| Value::Bool(!e)),
        "lt" => ordered(name, args, |o| o == Ordering::Less),
        "le" => ordered(name, args, |o| o != Ordering::Greater),
        "gt" => ordered(name, args, |o| o == Ordering::Greater),
        "ge" => ordered(name, args, |o| o != Ordering::Less),
        "title" => counted(1, 1).and_then(|()| change(first, crate::notify::view::title_case)),
        "upper" => counted(1, 1).and_then(|()| change(first, |t| t.to_uppercase())),
        "lower" => counted(1, 1).and_then(|()| change(first, |t| t.to_lowercase())),
        "default" => counted(1, 2).map(|()| args.iter().rev().find(|v| v.truth()).unwrap_or(first).clone()),
        "json" | "toJson" => counted(1, 1).map(|()| Value::text(&first.to_json().to_string())),
        "jsonString" => Ok(escaped_print(args, Origin::Escaped, super::insert::json_inside)),
        _ => Err(format!("function {name:?} is not defined")),
    }
}

fn change(value: &Value, how: impl Fn(&str) -> String) -> Result<Value, String> {
    match value {
        Value::Text(text) => Ok(Value::Text(text.map(how))),
        other => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
    }
}

fn len(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(text) => text.plain().len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(args: &[Value]) -> Result<Value, String> {
    let mut at = args.first().cloned().unwrap_or(Value::Nil);
    for key in args.iter().skip(1) {
        at = match (&at, key) {
            (Value::List(items), Value::Int(n)) => usize::try_from(*n)
                .ok()
                .and_then(|n| items.get(n).cloned())
                .ok_or_else(|| format!("error calling index: index out of range: {n}"))?,
            (Value::Text(text), Value::Int(n)) => {
                let byte = usize::try_from(*n).ok().and_then(|n| text.plain().as_bytes().get(n).copied());
                Value::Int(i64::from(byte.ok_or_else(|| format!("error calling index: index out of range: {n}"))?))
            }
            (Value::Map(map) | Value::Record(map), Value::Text(name)) => {
                map.get(&name.plain()).cloned().unwrap_or(Value::Nil)
            }
            (Value::Nil, _) => return Err("index of untyped nil".to_owned()),
            (other, key) => {
                return Err(format!("cannot index a {} with a {}", other.type_name(), key.type_name()));
            }
        };
    }
    Ok(at)
}

fn slice(args: &[Value]) -> Result<Value, String> {
    let bound = |n: usize, default: usize| match args.get(n) {
        None => Ok(default),
        Some(Value::Int(i)) => usize::try_from(*i).map_err(|_| format!("index out of range: {i}")),
        Some(other) => Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    let range = |length: usize| {
        let (from, to) = (bound(1, 0)?, bound(2, length)?);
        if from <= to && to <= length { Ok((from, to)) } else { Err(format!("index out of range: {from}:{to}")) }
    };
    match args.first() {
        Some(Value::Text(text)) => {
            let plain = text.plain();
            let (from, to) = range(plain.len())?;
            let bytes = plain.as_bytes().get(from..to).unwrap_or_default();
            Ok(Value::Text(Text::of(text.origin(), &String::from_utf8_lossy(bytes))))
        }
        Some(Value::List(items)) => {
            let (from, to) = range(items.len())?;
            Ok(Value::list(items.get(from..to).unwrap_or_default().to_vec()))
        }
        other => Err(format!("can't slice item of type {}", other.map_or("<nil>", Value::type_name))),
    }
}

/// Blanks only between operands of which neither is a text.
fn print(args: &[Value]) -> Text {
    let mut out = Text::default();
    for (n, value) in args.iter().enumerate() {
        let texts = matches!(value, Value::Text(_))
            || n.checked_sub(1).is_some_and(|p| matches!(args.get(p), Some(Value::Text(_))));
        if n > 0 && !texts {
            out.push(&Text::author(" "));
        }
        out.push(&value.printed());
    }
    out
}

fn println(args: &[Value]) -> Text {
    let mut out = Text::default();
    for (n, value) in args.iter().enumerate() {
        if n > 0 {
            out.push(&Text::author(" "));
        }
        out.push(&value.printed());
    }
    out.push(&Text::author("\n"));
    out
}

fn escaped_print(args: &[Value], origin: Origin, how: impl Fn(&str) -> String) -> Value {
    Value::Text(Text::of(origin, &how(&print(args).plain())))
}

/// The first is equal to one of the others.
fn equal_to_any(args: &[Value]) -> Result<bool, String> {
    let [first, others @ ..] = args else { return Err("missing argument for comparison".to_owned()) };
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    let mut any = false;
    for other in others {
        any |= equal(first, other)?;
    }
    Ok(any)
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) => Ok(a.plain() == b.plain()),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => Ok(a == b),
            _ => Err("incompatible types for comparison".to_owned()),
        },
    }
}

fn ordered(name: &str, args: &[Value], fits: impl Fn(Ordering) -> bool) -> Result<Value, String> {
    let [a, b] = args else { return Err(format!("{name} compares two values")) };
    let order = match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some(a.plain().cmp(&b.plain())),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => return Err("incompatible types for comparison".to_owned()),
        },
    };
    Ok(Value::Bool(order.is_some_and(fits)))
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(n) => Some(*n as f64),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

fn go_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            c if matches!(c, '<' | '>' | '&' | '=') || (c as u32) < 0x20 || (!printable(c) && (c as u32) < 0x10000) => {
                let _ = write!(out, "\\u{:04X}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// Percent-encoding of a value in a query (`+` for a blank), or of a segment of a path.
fn url(text: &str, query: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b' ' if query => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(char::from(b)),
            b => {
                let _ = write!(out, "%{b:02X}");
            }
        }
    }
    out
}

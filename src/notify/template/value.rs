//! What templates work on, and how Go prints it.

use crate::order::{Map, Pairs};
use std::fmt::Write;
use std::sync::Arc;

/// A value of the data, or of an expression.
#[derive(Debug, Clone)]
pub enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Text),
    List(Arc<Vec<Value>>),
    /// Any keys; a missing one is nil.
    Map(Arc<Map<String, Value>>),
    /// These fields; a missing one is an error.
    Record(Arc<Map<String, Value>>),
}

/// Where a piece of text comes from, which decides how it is put into a JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Written in the template: whoever wrote it may have escaped it already.
    Author,
    /// From the data: always escaped.
    Data,
    /// Came out of a function that escapes.
    Escaped,
}

/// A text whose pieces remember where they come from.
#[derive(Debug, Clone, Default)]
pub struct Text {
    pieces: Vec<(Origin, Arc<str>)>,
}

impl Text {
    pub fn data(text: &str) -> Text {
        Text::of(Origin::Data, text)
    }
    pub(super) fn author(text: &str) -> Text {
        Text::of(Origin::Author, text)
    }
    pub(super) fn of(origin: Origin, text: &str) -> Text {
        Text { pieces: vec![(origin, Arc::from(text))] }
    }
    pub(super) fn push(&mut self, other: &Text) {
        self.pieces.extend(other.pieces.iter().filter(|(_, text)| !text.is_empty()).cloned());
    }
    /// Bytes, and a little for each piece.
    pub(super) fn weight(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.len() + 16).sum()
    }
    pub(super) fn pieces(&self) -> &[(Origin, Arc<str>)] {
        &self.pieces
    }
    pub(super) fn plain(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_ref()).collect()
    }
    /// The origin of something made from the whole text.
    pub(super) fn origin(&self) -> Origin {
        if self.pieces.iter().all(|(origin, _)| *origin == Origin::Author) { Origin::Author } else { Origin::Data }
    }
    pub(super) fn map(&self, change: impl Fn(&str) -> String) -> Text {
        Text::of(self.origin(), &change(&self.plain()))
    }
}

impl Value {
    pub fn text(text: &str) -> Value {
        Value::Text(Text::data(text))
    }
    pub(super) fn author(text: &str) -> Value {
        Value::Text(Text::author(text))
    }
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }
    pub fn map(items: Map<String, Value>) -> Value {
        Value::Map(Arc::new(items))
    }
    pub fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
        Value::Record(Arc::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).mapped()))
    }

    /// From JSON: whole numbers are ints, as they would be in a Go struct.
    pub fn from_json(value: &serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Nil,
            serde_json::Value::Bool(b) => Value::Bool(*b),
            serde_json::Value::Number(n) => {
                n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap_or(0.0)), Value::Int)
            }
            serde_json::Value::String(text) => Value::text(text),
            serde_json::Value::Array(items) => Value::list(items.iter().map(Value::from_json).collect()),
            serde_json::Value::Object(map) => {
                Value::map(map.iter().map(|(name, value)| (name.clone(), Value::from_json(value))).mapped())
            }
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Nil => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(n) => (*n).into(),
            Value::Float(f) if f.fract() == 0.0 && f.abs() < 1e15 => (*f as i64).into(),
            Value::Float(f) => (*f).into(),
            Value::Text(text) => text.plain().into(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(map) | Value::Record(map) => {
                serde_json::Value::Object(map.iter().map(|(name, value)| (name.clone(), value.to_json())).mapped())
            }
        }
    }

    /// Go's truth: neither zero nor empty.
    pub(super) fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n) => *n != 0,
            Value::Float(f) => *f != 0.0,
            Value::Text(text) => text.pieces.iter().any(|(_, text)| !text.is_empty()),
            Value::List(items) => !items.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Record(_) => true,
        }
    }

    /// The name of Go's type, for errors and `%T`.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "<nil>",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Text(_) => "string",
            Value::List(_) => "[]interface {}",
            Value::Map(_) | Value::Record(_) => "map[string]interface {}",
        }
    }

    /// As `{{.}}` and `%v` print it; nil inside a list is `<nil>`.
    pub(super) fn printed(&self) -> Text {
        match self {
            Value::Text(text) => text.clone(),
            other => Text::of(if other.holds_text() { Origin::Data } else { Origin::Author }, &other.print_plain()),
        }
    }

    fn holds_text(&self) -> bool {
        matches!(self, Value::List(_) | Value::Map(_) | Value::Record(_))
    }

    pub(super) fn print_plain(&self) -> String {
        match self {
            Value::Nil => "<nil>".to_owned(),
            Value::Bool(b) => b.to_string(),
            Value::Int(n) => n.to_string(),
            Value::Float(f) => float(*f),
            Value::Text(text) => text.plain(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(Value::print_plain).collect();
                format!("[{}]", items.join(" "))
            }
            Value::Map(map) | Value::Record(map) => {
                let items: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", v.print_plain())).collect();
                format!("map[{}]", items.join(" "))
            }
        }
    }
}

/// A float as Go's `%v`: the shortest digits that read back as the same number, with an exponent when it is small or
/// has seven digits before the point.
pub(super) fn float(f: f64) -> String {
    if !f.is_finite() {
        return if f.is_nan() {
            "NaN"
        } else if f > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let scientific = format!("{f:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) { format!("{f}") } else { with_exponent(digits, exponent) }
}

/// `d.ddde+XX`: at least two digits of exponent.
pub(super) fn with_exponent(digits: &str, exponent: i32) -> String {
    let mut out = digits.to_owned();
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    out
}

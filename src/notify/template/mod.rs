//! Go's `text/template`, as far as saved webhooks use it (contract state.md 7.7), with bounds: size, depth, steps,
//! output. Text and values in, text out.
//!
//! What differs from Go, on purpose: a text value that lands inside a JSON string is escaped, numbers of different kinds
//! compare, and `call` does not exist. Functions beside Go's own: `title`, `upper`, `lower`, `default`, `json`,
//! `jsonString`, `urlpath`.

mod exec;
mod functions;
mod insert;
mod lex;
mod parse;
mod printf;
mod value;

pub use value::{Text, Value};

use std::fmt;

/// The longest template that is read.
const MOST_BYTES: usize = 64 << 10;

/// A template that was read and can be rendered any number of times.
#[derive(Debug, Clone)]
pub struct Template {
    parsed: parse::Parsed,
}

/// What the output is, which decides about escaping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Text values inside string literals are escaped.
    Json,
    /// Nothing is escaped.
    Plain,
}

/// Where and why a template cannot be read or rendered. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, Error> {
        if text.len() > MOST_BYTES {
            return Err(Error { line: 1, column: 1, message: format!("longer than {} KiB", MOST_BYTES >> 10) });
        }
        parse::parse(text).map(|parsed| Template { parsed }).map_err(|f| f.at(text))
    }

    pub fn render(&self, data: &Value, target: Target) -> Result<String, Error> {
        exec::run(&self.parsed, data, target).map_err(|f| f.at(&self.parsed.source))
    }
}

/// A failure at a byte of the template's text.
#[derive(Debug, Clone, PartialEq)]
struct Failure {
    at: usize,
    message: String,
}

impl Failure {
    fn new(at: usize, message: impl Into<String>) -> Failure {
        Failure { at, message: message.into() }
    }
    fn at(self, text: &str) -> Error {
        let before: String = text.char_indices().take_while(|(n, _)| *n < self.at).map(|(_, c)| c).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Error { line, column, message: self.message }
    }
}

//! Where the output goes: it knows whether the place it has come to is inside a JSON string, and puts values in so that
//! they stay inside.

use super::Target;
use super::value::{Origin, Text};

/// The longest output.
const MOST_BYTES: usize = 512 << 10;

pub(super) struct Output {
    pub text: String,
    target: Target,
    in_string: bool,
    /// The last character was a backslash that belongs to the next one.
    after_backslash: bool,
}

impl Output {
    pub fn new(target: Target) -> Output {
        Output { text: String::new(), target, in_string: false, after_backslash: false }
    }

    /// Text of the template itself.
    pub fn literal(&mut self, text: &str) -> Result<(), String> {
        for c in text.chars() {
            if self.after_backslash {
                self.after_backslash = false;
            } else if c == '"' {
                self.in_string = !self.in_string;
            } else if self.in_string && c == '\\' {
                self.after_backslash = true;
            }
        }
        self.push(text)
    }

    /// The result of an action.
    pub fn value(&mut self, text: &Text) -> Result<(), String> {
        for (origin, piece) in text.pieces() {
            if self.target == Target::Plain || !self.in_string {
                self.literal(piece)?;
                continue;
            }
            match origin {
                Origin::Data => self.push(&json_inside(piece))?,
                Origin::Escaped => self.push(&json_from_js(piece))?,
                // Written by hand: as it is when that is already fit for a JSON string.
                Origin::Author if is_json_inside(piece) => self.push(piece)?,
                Origin::Author => self.push(&json_inside(piece))?,
            }
        }
        Ok(())
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        if self.text.len() + text.len() > MOST_BYTES {
            return Err(format!("the output is longer than {} KiB", MOST_BYTES >> 10));
        }
        self.text.push_str(text);
        Ok(())
    }
}

/// A text as it stands inside a JSON string.
pub(super) fn json_inside(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

fn is_json_inside(text: &str) -> bool {
    serde_json::from_str::<String>(&format!("\"{text}\"")).is_ok()
}

/// What `js` escaped is almost fit: JSON does not know an escaped apostrophe.
fn json_from_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('\'') => out.push('\''),
            Some(next) => {
                out.push('\\');
                out.push(next);
            }
            None => out.push_str("\\\\"),
        }
    }
    out
}

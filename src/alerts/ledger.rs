//! How the memory of alerts gets to the disk: one JSON document, then a line for each change, so that a transition
//! costs bytes for itself and not for everything that is active. Lines begin with a line feed and carry a checksum like
//! the journal's. When the changes outgrow the document it is written anew. Pure.

use super::engine::Engine;
use super::journal::{SUM_DIGITS, sum};
use super::memory::Memory;
use super::telling::SentTimes;
use crate::json::from_value;
use crate::model::Now;
use crate::order;
use serde_json::{Map, Value};

/// Changes may take this much beside what the document takes.
const CHANGES_LEAST: usize = 64 * 1024;
/// Beyond this the wall clock was set, and times that were written are wrong.
const CLOCK_STEP_MS: i64 = 1_000;

/// What is to be done with the file.
#[derive(Debug, PartialEq)]
pub enum Write {
    Nothing,
    Append(Vec<u8>),
    Whole(Vec<u8>),
}

/// What the file holds.
#[derive(Debug, Default)]
pub struct Ledger {
    last: Option<Value>,
    /// The times of messages as the engine has them: as wall times they differ a little each time they are asked for.
    sent: order::Map<String, SentTimes>,
    clock_ms: i64,
    /// Bytes of the document, and of the changes after it.
    whole: usize,
    changes: usize,
}

impl Ledger {
    /// What brings the file up to now. It counts as done.
    pub fn write(&mut self, engine: &Engine, now: Now) -> Write {
        let mut next = serde_json::to_value(engine.memory(now)).unwrap_or_default();
        let sent = engine.sent();
        let clock_ms = now.unix_millis().saturating_sub(i64::try_from(now.mono_ms).unwrap_or(i64::MAX));
        let same_clock = clock_ms.saturating_sub(self.clock_ms).abs() <= CLOCK_STEP_MS;
        let grown = self.changes > self.whole.saturating_add(CHANGES_LEAST);
        let write = match self.last.take().filter(|_| same_clock && !grown) {
            Some(last) => {
                self.keep_times(&last, &mut next, sent);
                let change = difference(&last, &next);
                if change.is_empty() {
                    Write::Nothing
                } else {
                    let line = line(&Value::Object(change));
                    self.changes += line.len();
                    Write::Append(line)
                }
            }
            None => {
                let bytes = serde_json::to_vec(&next).unwrap_or_default();
                (self.whole, self.changes, self.clock_ms) = (bytes.len(), 0, clock_ms);
                Write::Whole(bytes)
            }
        };
        self.last = Some(next);
        if self.sent != *sent {
            self.sent = sent.clone();
        }
        write
    }

    /// What was to be written did not get there: the next write is the whole document.
    pub fn lost(&mut self) {
        self.last = None;
    }

    /// Times that did not change stay as they were written.
    fn keep_times(&self, last: &Value, next: &mut Value, sent: &order::Map<String, SentTimes>) {
        let Some(times) = next.get_mut("sent").and_then(Value::as_object_mut) else { return };
        for (id, written) in times {
            if sent.contains_key(id)
                && self.sent.get(id) == sent.get(id)
                && let Some(old) = last.get("sent").and_then(|l| l.get(id))
            {
                *written = old.clone();
            }
        }
    }
}

/// Reads a file. A line that is torn ends it: nothing is ever appended after one.
pub fn read(bytes: &[u8]) -> Result<Memory, String> {
    let mut lines = bytes.split(|b| *b == b'\n');
    let mut memory: Value = serde_json::from_slice(lines.next().unwrap_or_default()).map_err(|e| e.to_string())?;
    let changes = lines.map_while(|line| {
        let (given, json) = line.split_at_checked(SUM_DIGITS)?;
        let json = json.strip_prefix(b" ").filter(|json| sum(json).as_bytes() == given)?;
        serde_json::from_slice::<Map<String, Value>>(json).ok()
    });
    for change in changes {
        apply(&mut memory, change);
    }
    from_value(memory).map_err(|e| e.to_string())
}

fn line(change: &Value) -> Vec<u8> {
    let json = change.to_string();
    let mut line = vec![b'\n'];
    line.extend_from_slice(sum(json.as_bytes()).as_bytes());
    line.push(b' ');
    line.extend_from_slice(json.as_bytes());
    line
}

/// Of maps the entries that changed (null: gone), of lists how many stay at the front and what follows them.
fn difference(last: &Value, next: &Value) -> Map<String, Value> {
    let mut change = Map::new();
    let Some(next) = next.as_object() else { return change };
    for (name, new) in next {
        let old = last.get(name).unwrap_or(&Value::Null);
        if old == new {
            continue;
        }
        let of_part = match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                let changed = new.iter().filter(|(id, value)| old.get(*id) != Some(value));
                let mut entries: Map<String, Value> = changed.map(|(id, v)| (id.clone(), v.clone())).collect();
                entries.extend(old.keys().filter(|id| !new.contains_key(*id)).map(|id| (id.clone(), Value::Null)));
                entries.into()
            }
            (Value::Array(old), Value::Array(new)) => {
                let kept = old.iter().zip(new).take_while(|(old, new)| old == new).count();
                let mut list = vec![kept.into()];
                list.extend(new.iter().skip(kept).cloned());
                list.into()
            }
            _ => continue,
        };
        change.insert(name.clone(), of_part);
    }
    change
}

fn apply(memory: &mut Value, change: Map<String, Value>) {
    for (name, part) in change {
        match (memory.get_mut(&name), part) {
            (Some(Value::Object(map)), Value::Object(entries)) => {
                for (id, value) in entries {
                    match value {
                        Value::Null => drop(map.remove(&id)),
                        value => drop(map.insert(id, value)),
                    }
                }
            }
            (Some(Value::Array(list)), Value::Array(mut part)) if !part.is_empty() => {
                let kept = part.remove(0).as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                list.truncate(kept);
                list.append(&mut part);
            }
            _ => {}
        }
    }
}

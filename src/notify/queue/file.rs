//! `notify-queue`: what is still to be delivered, what was delivered last, and which events are known. Bytes to values
//! and back.
//!
//! The first line names the format. Each further line is one record: eight hex digits, the CRC-32 of the rest of the
//! line, a blank, then JSON with one key that says what it is: `message`, `delivery`, `entry`, `events`, `next`. Lines
//! whose sum does not fit are skipped, so a torn or damaged file loses what is damaged and nothing else.

use super::log::{Entry, Try};
use crate::model::Time;
use crate::notify::Message;
use crate::order::{Map, Pairs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;

const FORMAT: &str = "pulse-notify-queue 1";
/// Answers are kept in full in memory only.
const ANSWER_CHARS: usize = 256;
/// A line longer than this is not ours.
const LINE_BYTES: usize = 4 << 20;

/// A delivery that has not come to an end.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub id: u64,
    /// `email` or the id of a webhook.
    pub channel: String,
    pub message: Arc<Message>,
    pub created: Time,
    /// Not before this moment.
    pub due: Time,
    pub tries: Vec<Try>,
    /// The write of this process that makes it durable as it is; 0: it was read from the file.
    pub in_write: u64,
}

/// The record of a [`Waiting`]; the message is a record of its own, shared by all channels.
#[derive(Serialize, Deserialize)]
struct Record {
    id: u64,
    channel: String,
    message: String,
    created: Time,
    due: Time,
    tries: Vec<Try>,
}

/// The content of the file.
#[derive(Debug, Default, PartialEq)]
pub struct Content {
    pub waiting: Vec<Waiting>,
    pub entries: Vec<Entry>,
    /// Events told lately, oldest first.
    pub events: Vec<u64>,
    /// The id the next delivery gets.
    pub next: u64,
    /// Lines that could not be read.
    pub damaged: usize,
}

/// The bytes of the file.
pub fn write<'a>(
    waiting: impl Iterator<Item = &'a Waiting> + Clone,
    entries: impl Iterator<Item = &'a Entry>,
    events: impl Iterator<Item = u64>,
    next: u64,
) -> Vec<u8> {
    let mut out = format!("{FORMAT}\n");
    push(&mut out, &Line::Next(next));
    let messages: Map<&str, &Message> = waiting.clone().map(|w| (w.message.key.as_str(), w.message.as_ref())).mapped();
    for message in messages.values() {
        push(&mut out, &Line::Message(message));
    }
    for w in waiting {
        let record = Record {
            id: w.id,
            channel: w.channel.clone(),
            message: w.message.key.clone(),
            created: w.created,
            due: w.due,
            tries: w.tries.clone(),
        };
        push(&mut out, &Line::Delivery(record));
    }
    for entry in entries {
        let mut entry = entry.clone();
        entry.answer = entry.answer.chars().take(ANSWER_CHARS).collect();
        push(&mut out, &Line::Entry(entry));
    }
    // Last, so that a torn file never knows an event whose delivery it lost.
    let events: Vec<String> = events.map(|e| format!("{e:016x}")).collect();
    push(&mut out, &Line::Events(events));
    out.into_bytes()
}

/// One record as it is written.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    Next(u64),
    Message(&'a Message),
    Delivery(Record),
    Entry(Entry),
    Events(Vec<String>),
}

fn push(out: &mut String, line: &Line) {
    // Nothing in a line can fail to be written as JSON; a line without its sum would be left out when it is read.
    let text = serde_json::to_string(line).unwrap_or_default();
    let _ = writeln!(out, "{:08x} {text}", crc(text.as_bytes()));
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Reads the file; what is damaged is counted and left out.
pub fn read(bytes: &[u8]) -> Content {
    let mut content = Content::default();
    let mut messages: Map<String, Arc<Message>> = Map::new();
    let mut records: Vec<Record> = Vec::new();
    let mut lines = bytes.split(|b| *b == b'\n');
    if lines.next() != Some(FORMAT.as_bytes()) {
        content.damaged = usize::from(!bytes.is_empty());
        return content;
    }
    for line in lines.filter(|l| !l.is_empty()) {
        let Some(record) = checked(line) else {
            content.damaged += 1;
            continue;
        };
        let Value::Object(record) = record else { continue };
        for (name, value) in record {
            let taken = match name.as_str() {
                "next" => value.as_u64().map(|n| content.next = n).is_some(),
                "events" => value.as_array().map(|list| content.events = read_events(list)).is_some(),
                "message" => crate::json::from_value::<Message>(value)
                    .map(|m| drop(messages.insert(m.key.clone(), Arc::new(m))))
                    .is_ok(),
                "delivery" => crate::json::from_value(value).map(|r| records.push(r)).is_ok(),
                "entry" => crate::json::from_value(value).map(|e| content.entries.push(e)).is_ok(),
                // Of a later version.
                _ => true,
            };
            content.damaged += usize::from(!taken);
        }
    }
    for r in records {
        let Some(message) = messages.get(&r.message) else {
            content.damaged += 1;
            continue;
        };
        content.next = content.next.max(r.id + 1);
        content.waiting.push(Waiting {
            id: r.id,
            channel: r.channel,
            message: message.clone(),
            created: r.created,
            due: r.due,
            tries: r.tries,
            in_write: 0,
        });
    }
    if content.damaged > 0 {
        // Rather told twice than never.
        content.events.clear();
    }
    content
}

fn read_events(list: &[Value]) -> Vec<u64> {
    list.iter().filter_map(|v| u64::from_str_radix(v.as_str()?, 16).ok()).collect()
}

/// The JSON of a line whose sum fits.
fn checked(line: &[u8]) -> Option<Value> {
    if line.len() > LINE_BYTES {
        return None;
    }
    let (sum, json) = line.split_at_checked(9)?;
    let sum = std::str::from_utf8(sum).ok()?.strip_suffix(' ')?;
    if u32::from_str_radix(sum, 16).ok()? != crc(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

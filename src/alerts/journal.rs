//! The journal of alerts, byte by byte: lines of `<checksum> <JSON>`, each the whole of one incident as it then was. A
//! later line about the same incident replaces the earlier one. Every append begins with a line feed, so that a line a
//! crash has torn never takes the next one with it; lines that do not fit their checksum are left out. Pure.

use crate::model::{Alert, Time};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Longer lines are not ours.
const LINE_MAX: usize = 256 * 1024;
pub const SUM_DIGITS: usize = 16;

/// One incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// With the worst value and level once it is over.
    #[serde(flatten)]
    pub alert: Alert,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_time: Option<Time>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resolved_reason: String,
}

/// A line: the incident and whether it is over (4.9's imported ones are, without anybody knowing when they ended).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub closed: bool,
    pub incident: Incident,
}

/// What a journal holds.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The last line of each incident, by start.
    pub lines: Vec<Line>,
    /// Lines that do not fit their checksum, or nothing but torn.
    pub broken: usize,
    /// Lines that a later one replaced.
    pub replaced: usize,
}

/// A line as it is appended.
pub fn encode(line: &Line, out: &mut Vec<u8>) {
    let Ok(json) = serde_json::to_string(line) else { return };
    out.push(b'\n');
    out.extend_from_slice(sum(json.as_bytes()).as_bytes());
    out.push(b' ');
    out.extend_from_slice(json.as_bytes());
}

pub fn decode(bytes: &[u8]) -> Decoded {
    let mut decoded = Decoded::default();
    let mut place: HashMap<(String, Time), usize> = HashMap::new();
    for text in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let Some(line) = read(text) else {
            decoded.broken += 1;
            continue;
        };
        let key = (line.incident.alert.id.clone(), line.incident.alert.start_time);
        match place.get(&key).and_then(|at| decoded.lines.get_mut(*at)) {
            Some(old) => {
                *old = line;
                decoded.replaced += 1;
            }
            None => {
                place.insert(key, decoded.lines.len());
                decoded.lines.push(line);
            }
        }
    }
    crate::order::sort_by_key(&mut decoded.lines, |l| l.incident.alert.start_time);
    decoded
}

fn read(text: &[u8]) -> Option<Line> {
    if text.len() > LINE_MAX {
        return None;
    }
    let (given, rest) = text.split_at_checked(SUM_DIGITS)?;
    let json = rest.strip_prefix(b" ")?;
    if sum(json).as_bytes() != given {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// The first eight bytes of SHA-256, in hexadecimal.
pub fn sum(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().take(SUM_DIGITS / 2).map(|b| format!("{b:02x}")).collect()
}

/// 4.9's `alert-history.json`: `[{"alert": …, "timestamp": …}]`. Entries that cannot be read are left out.
pub fn decode_old_history(bytes: &[u8]) -> Result<Vec<Alert>, String> {
    #[derive(Deserialize)]
    struct Entry {
        alert: serde_json::Value,
        #[serde(default)]
        timestamp: Option<Time>,
    }
    let entries: Vec<Entry> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let mut alerts: Vec<Alert> = entries
        .into_iter()
        .filter_map(|entry| {
            let mut alert: Alert = crate::json::from_value(entry.alert).ok()?;
            // 4.9 moves the start of node alerts on at each poll; the entry's own time is when it was raised.
            if let Some(raised) = entry.timestamp.filter(|t| t.is_set() && !alert.start_time.is_set()) {
                alert.start_time = raised;
            }
            alert.last_seen = alert.last_seen.max(alert.start_time);
            Some(alert)
        })
        .collect();
    crate::order::sort_by_key(&mut alerts, |a| a.start_time);
    Ok(alerts)
}

/// `active-alerts.json`, which 4.9 writes too.
pub fn decode_active(bytes: &[u8]) -> Result<Vec<Alert>, String> {
    let values: Vec<serde_json::Value> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    Ok(values.into_iter().filter_map(|v| crate::json::from_value(v).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, start: i64, closed: bool) -> Line {
        let alert =
            Alert { id: id.into(), start_time: Time::from_unix(start), message: "x\ny".into(), ..Alert::default() };
        Line { closed, incident: Incident { alert, resolved_time: None, resolved_reason: String::new() } }
    }

    fn journal() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for l in [line("a", 1, false), line("b", 2, false), line("a", 1, true), line("a", 9, false)] {
            encode(&l, &mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn the_last_line_of_an_incident_counts() {
        let decoded = decode(&journal().0);
        let got: Vec<(&str, i64, bool)> = decoded
            .lines
            .iter()
            .map(|l| (l.incident.alert.id.as_str(), l.incident.alert.start_time.unix_secs(), l.closed))
            .collect();
        assert_eq!(got, [("a", 1, true), ("b", 2, false), ("a", 9, false)]);
        assert_eq!((decoded.broken, decoded.replaced), (0, 1));
    }

    #[test]
    fn a_crash_at_any_byte_loses_only_the_line_it_tore_and_what_comes_later_is_read() {
        let (bytes, ends) = journal();
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|e| **e <= cut).count();
            let mut torn = bytes[..cut].to_vec();
            encode(&line("later", 99, false), &mut torn);
            let decoded = decode(&torn);
            assert_eq!(decoded.lines.len() + decoded.replaced, whole + 1, "cut at {cut}");
            assert!(decoded.lines.iter().any(|l| l.incident.alert.id == "later"));
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_line() {
        let (bytes, _) = journal();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            let decoded = decode(&bad);
            assert!(decoded.lines.len() + decoded.replaced >= 2, "at {at}");
        }
    }
}

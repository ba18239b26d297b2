//! What became of each delivery: for `/history` and `webhook-history`. Texts in it are free of secrets.

use crate::json::{json, put};
use crate::model::Time;
use crate::notify::Kind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::VecDeque;

/// Deliveries remembered.
pub const MOST_ENTRIES: usize = 200;
/// `webhook-history` shows this many.
const MOST_SHOWN: usize = 100;
/// Ids of alerts kept of one delivery.
const MOST_IDS: usize = 50;

/// One delivery: still on its way, arrived, or given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub id: u64,
    /// The message's key: copies carry the same.
    pub key: String,
    /// `email` or the id of a webhook.
    pub channel: String,
    pub name: String,
    /// Where to, without secrets.
    pub target: String,
    pub service: String,
    pub kind: Kind,
    pub alert_ids: Vec<String>,
    pub alert_count: u64,
    pub created: Time,
    pub tries: Vec<Try>,
    pub state: State,
    #[serde(default)]
    pub payload_size: usize,
    /// The receiver's own words at the last try.
    #[serde(default)]
    pub answer: String,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Waiting,
    Delivered,
    Failed,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Try {
    pub at: Time,
    /// HTTP status or SMTP code; 0: no answer.
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Entry {
    pub fn set_alert_ids<'a>(&mut self, ids: impl Iterator<Item = &'a str>) {
        self.alert_ids = ids.take(MOST_IDS).map(str::to_owned).collect();
    }

    fn last(&self) -> Option<&Try> {
        self.tries.last()
    }

    /// The item of `/api/notifications/history`.
    pub fn shown(&self) -> Value {
        let last = self.last();
        let mut out = json!({
            "id": self.id,
            "key": self.key,
            "channel": if self.channel == "email" { "email" } else { "webhook" },
            "channelId": self.channel,
            "name": self.name,
            "target": self.target,
            "service": self.service,
            "kind": self.kind,
            "alertIds": self.alert_ids,
            "alertCount": self.alert_count,
            "created": self.created,
            "timestamp": last.map_or(self.created, |t| t.at),
            "attempts": self.tries.len(),
            "tries": self.tries,
            "statusCode": last.map_or(0, |t| t.status),
            "success": self.state == State::Delivered,
            "status": self.state,
            "payloadSize": self.payload_size,
            "response": self.answer,
        });
        if let (Some(error), Some(map)) = (last.and_then(|t| t.error.as_ref()), out.as_object_mut()) {
            put(map, "errorMessage", json!(error));
        }
        out
    }

    /// The item of `webhook-history` (contract state.md 7.8).
    fn as_4_9(&self) -> Value {
        let last = self.last();
        let mut out = json!({
            "webhookName": self.name,
            "webhookUrl": self.target,
            "service": self.service,
            "alertId": self.alert_ids.first().map_or("", String::as_str),
            "timestamp": last.map_or(self.created, |t| t.at),
            "statusCode": last.map_or(0, |t| t.status),
            "success": self.state == State::Delivered,
            "retryAttempts": self.tries.len().saturating_sub(1),
            "payloadSize": self.payload_size,
        });
        if let (Some(error), Some(map)) = (last.and_then(|t| t.error.as_ref()), out.as_object_mut()) {
            put(map, "errorMessage", json!(error));
        }
        out
    }
}

/// The last deliveries that came to an end, oldest first.
#[derive(Debug, Default)]
pub struct Log {
    entries: VecDeque<Entry>,
}

impl Log {
    pub fn push(&mut self, entry: Entry) {
        while self.entries.len() >= MOST_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// `GET /webhook-history`: the last hundred to webhooks, oldest first.
    pub fn webhook_history(&self) -> Vec<Value> {
        let mut out: Vec<Value> =
            self.entries.iter().rev().filter(|e| e.channel != "email").take(MOST_SHOWN).map(Entry::as_4_9).collect();
        out.reverse();
        out
    }
}

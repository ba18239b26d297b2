//! The generic object (contract state.md 7.5): what every service that is not known gets.

use crate::json::json;
use crate::model::{Alert, Time};
use crate::notify::message::{Kind, Message};
use crate::order::Pairs;
use serde_json::{Map, Value};

/// `{"alerts","count","grouped":true,"source","timestamp"}`, as for 4.9's real alerts, also for a single one; what is
/// not simply a new alert says so in `event`.
pub(super) fn grouped(message: &Message, now: Time) -> Value {
    let alerts: Vec<&Alert> = message.items.iter().map(|i| &i.alert).collect();
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("alerts", json!(alerts));
    put("count", json!(message.count()));
    put("grouped", json!(true));
    put("source", json!("pulse-monitoring"));
    put("timestamp", json!(now.unix_secs()));
    put("key", json!(message.key));
    match message.kind {
        Kind::Raised | Kind::Test => {}
        Kind::Escalated => {
            put("event", json!("escalated"));
            put("escalation", json!(message.escalation));
        }
        Kind::Resolved => {
            put("event", json!("resolved"));
            let ends: Map<String, Value> =
                message.items.iter().filter_map(|i| Some((i.alert.id.clone(), json!(i.resolved?)))).mapped();
            put("resolvedTimes", Value::Object(ends));
        }
        Kind::Acknowledged => put("event", json!("acknowledged")),
    }
    if message.more > 0 {
        put("notListed", json!(message.more));
    }
    if message.held > 0 {
        put("heldBack", json!(message.held));
    }
    Value::Object(out)
}

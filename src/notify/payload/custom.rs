//! Payloads from templates of the administrator's own: the data they see, and the check of what comes out.

use super::{Draft, field, generic};
use crate::alerts::outgoing::{Item, Unit};
use crate::model::{Alert, Time};
use crate::notify::message::{Audience, Kind, Message};
use crate::notify::settings::Webhook;
use crate::notify::template::{Target, Template, Value};
use crate::notify::view::{duration_of, heading, plain_text, threshold, value};
use crate::order::{Map, Pairs};
use serde::de::IgnoredAny;

/// Alerts listed in the message of a template that knows only one.
const MOST_LISTED: usize = 50;

/// The request of a template; `None` when its output is blank, which templates use to pick what they send.
pub(super) fn draft(webhook: &Webhook, message: &Message, now: Time) -> Result<Option<Draft>, String> {
    let template = Template::parse(&webhook.template).map_err(|e| e.to_string())?;
    let target = target(webhook);
    let text = template.render(&template_data(webhook, message, now), target).map_err(|e| e.to_string())?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    if target == Target::Json {
        check_json(&text)?;
    }
    Ok(Some(as_text(webhook, text)))
}

/// What goes out when a template fails.
pub(super) fn stand_in(webhook: &Webhook, message: &Message, now: Time) -> Draft {
    match target(webhook) {
        Target::Json => Draft::json(generic::grouped(message, now)),
        Target::Plain => as_text(webhook, format!("{}\n{}", heading(message), plain_text(message, now, MOST_LISTED))),
    }
}

fn as_text(webhook: &Webhook, text: String) -> Draft {
    let content_type = if target(webhook) == Target::Json { "application/json" } else { "text/plain; charset=utf-8" };
    Draft { text: Some((content_type, text)), ..Draft::json(serde_json::Value::Null) }
}

/// JSON unless the webhook's own `Content-Type` says otherwise.
fn target(webhook: &Webhook) -> Target {
    match webhook.header("Content-Type") {
        Some(kind) if !kind.to_ascii_lowercase().contains("json") => Target::Plain,
        _ => Target::Json,
    }
}

fn check_json(text: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|e| format!("the output is not valid JSON: {e}"))
}

/// Whether a webhook's template can be saved: it parses, and renders a sample alert and a sample group to JSON. The
/// error names line and column.
pub fn check_template(webhook: &Webhook) -> Result<(), String> {
    if webhook.template.trim().is_empty() {
        return Ok(());
    }
    let template = Template::parse(&webhook.template).map_err(|e| format!("Invalid template: {e}"))?;
    let group = |count: usize| {
        let items = (1..=count).map(sample).collect();
        Message::new(Kind::Test, Audience::Webhooks, 0, Time::from_unix(1_700_000_180), items)
    };
    for count in [1, 3] {
        let data = template_data(webhook, &group(count), Time::from_unix(1_700_000_180));
        let text = template.render(&data, target(webhook)).map_err(|e| format!("Invalid template: {e}"))?;
        if target(webhook) == Target::Json && !text.trim().is_empty() {
            check_json(&text).map_err(|e| format!("Invalid template: {e}"))?;
        }
    }
    Ok(())
}

/// An alert that has everything, with a name that tests the quoting.
fn sample(n: usize) -> Item {
    let alert = Alert {
        id: format!("pve1-{n}-cpu"),
        r#type: "cpu".to_owned(),
        level: if n == 1 { "warning" } else { "critical" }.to_owned(),
        resource_id: format!("pve1-{n}"),
        resource_name: format!("\"web\\{n}\""),
        node: "pve1".to_owned(),
        instance: "homelab".to_owned(),
        message: "VM cpu at 85.5%".to_owned(),
        value: 85.5,
        threshold: 80.0,
        start_time: Time::from_unix(1_700_000_000),
        ..Alert::default()
    };
    Item {
        alert,
        unit: Unit::Percent,
        host: "https://192.0.2.10:8006".to_owned(),
        tags: vec!["prod".to_owned()],
        worsened: false,
        held: None,
        resolved: None,
    }
}

/// What a template sees (contract state.md 7.7, with `Alerts` and `AlertCount` filled).
pub fn template_data(webhook: &Webhook, message: &Message, now: Time) -> Value {
    let mut fields = Map::new();
    let knows_alerts = webhook.template.contains(".Alerts");
    if let Some(first) = message.items.first() {
        let text = if message.items.len() > 1 && !knows_alerts {
            with_list(message, first)
        } else {
            first.alert.message.clone()
        };
        alert_fields(first, &text, now, &mut fields);
    }
    let alerts = message.items.iter().map(|item| {
        let mut fields = Map::new();
        alert_fields(item, &item.alert.message, now, &mut fields);
        Value::Record(fields.into())
    });
    let alerts: Vec<Value> = alerts.collect();
    let mut own: Map<String, Value> =
        webhook.custom_fields.iter().map(|(name, value)| (name.clone(), Value::from_json(value))).mapped();
    if let Some(key) = webhook.header("routing_key") {
        own.entry("routing_key".to_owned()).or_insert_with(|| Value::text(key));
    }
    let event = match message.kind {
        Kind::Resolved => "resolved",
        Kind::Acknowledged => "acknowledged",
        Kind::Escalated => "escalated",
        Kind::Raised | Kind::Test => "firing",
    };
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("Alerts", Value::list(alerts));
    put("AlertCount", Value::Int(i64::try_from(message.count()).unwrap_or(i64::MAX)));
    put("CustomFields", Value::map(own));
    put("ChatID", Value::text(&field(webhook, "chat_id").unwrap_or_default()));
    put("Mention", Value::text(webhook.mention.trim()));
    put("Timestamp", Value::text(&now.rfc3339()));
    put("Event", Value::text(event));
    put("Key", Value::text(&message.key));
    Value::Record(fields.into())
}

fn alert_fields(item: &Item, message: &str, now: Time, fields: &mut Map<String, Value>) {
    let a = &item.alert;
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    put("ID", Value::text(&a.id));
    put("Level", Value::text(&a.level));
    put("Type", Value::text(&a.r#type));
    put("ResourceName", Value::text(&a.resource_name));
    put("ResourceID", Value::text(&a.resource_id));
    put("Node", Value::text(&a.node));
    put("Instance", Value::text(&item.host));
    put("InstanceName", Value::text(&a.instance));
    put("Message", Value::text(message));
    put("Value", Value::Float(a.value));
    put("Threshold", Value::Float(a.threshold));
    put("ValueFormatted", Value::text(&value(item)));
    put("ThresholdFormatted", Value::text(&threshold(item)));
    put("StartTime", Value::text(&a.start_time.rfc3339()));
    put("Duration", Value::text(&duration_of(item, now)));
    put("Tags", Value::list(item.tags.iter().map(|t| Value::text(t)).collect()));
}

/// 4.9's list behind the first alert's message.
fn with_list(message: &Message, first: &Item) -> String {
    let mut text = format!("{}\n\n\u{1f514} All {} alerts:", first.alert.message, message.count());
    for item in message.items.iter().take(MOST_LISTED) {
        text.push_str(&format!("\n\u{2022} {}: {}", item.alert.resource_name, value(item)));
    }
    let hidden = message.count().saturating_sub(MOST_LISTED as u64);
    if hidden > 0 {
        text.push_str(&format!("\n\u{2022} and {hidden} more"));
    }
    text
}

//! Receivers that keep each incident until they are told of its end: PagerDuty, Alertmanager, healthchecks.

use super::{Draft, field};
use crate::alerts::outgoing::Item;
use crate::json::json;
use crate::model::Time;
use crate::notify::message::{Kind, Message};
use crate::notify::settings::Webhook;
use crate::notify::view::{cut, duration_of, heading, line, link, plain_text, remarks, threshold, value};
use crate::order::Pairs;
use serde_json::{Map, Value};

/// PagerDuty's limit for the summary.
const SUMMARY: usize = 1024;
/// healthchecks.io keeps 100 kB of a body.
const PING_BODY: usize = 10_000;

/// Events API v2: one event for one alert; the alert's id joins trigger, acknowledge and resolve.
pub(super) fn pagerduty(webhook: &Webhook, message: &Message, now: Time) -> Result<Draft, String> {
    let routing_key =
        field(webhook, "routing_key").ok_or("PagerDuty needs the integration key as header routing_key")?;
    let item = message.items.first().ok_or("the message has no alert")?;
    let a = &item.alert;
    let action = match message.kind {
        Kind::Resolved => "resolve",
        Kind::Acknowledged => "acknowledge",
        _ => "trigger",
    };
    let mut event = json!({ "routing_key": routing_key, "event_action": action, "dedup_key": cut(&a.id, 255) });
    if action != "trigger" {
        return Ok(Draft::json(event));
    }
    let mut summary = line(message, item);
    for remark in remarks(message, 1) {
        summary = format!("{summary}; {remark}");
    }
    let severity = match a.level.as_str() {
        "critical" => "critical",
        "warning" => "warning",
        _ => "info",
    };
    let or_pulse = |text: &str| if text.trim().is_empty() { "pulse".to_owned() } else { cut(text, 255) };
    let details = json!({
        "alert_id": a.id, "resource_type": a.r#type, "current_value": value(item), "threshold": threshold(item),
        "duration": duration_of(item, now), "instance": item.host,
    });
    event["payload"] = json!({
        "summary": cut(if summary.trim().is_empty() { "Pulse alert" } else { &summary }, SUMMARY),
        "timestamp": now,
        "severity": severity,
        "source": or_pulse(&a.node),
        "component": or_pulse(&a.resource_name),
        "group": a.r#type,
        "class": a.r#type,
        "custom_details": details,
    });
    event["client"] = json!("Pulse Monitoring");
    if let Some(link) = link(item) {
        event["client_url"] = json!(link);
        event["links"] = json!([{ "href": link, "text": "View in Proxmox" }]);
    }
    Ok(Draft::json(event))
}

/// The webhook of Alertmanager, version 4. An address that ends in `/api/v2/alerts` is an Alertmanager itself, which
/// takes the list alone.
pub(super) fn alertmanager(webhook: &Webhook, message: &Message) -> Draft {
    let alerts: Vec<Value> = message.items.iter().map(|i| alertmanager_alert(message, i)).collect();
    if webhook.url.split('?').next().is_some_and(|u| u.trim_end_matches('/').ends_with("/api/v2/alerts")) {
        let own = alerts.into_iter().map(|mut a| {
            if let Value::Object(map) = &mut a {
                map.remove("status");
                map.remove("fingerprint");
                if !message.is_resolved() {
                    map.remove("endsAt");
                }
            }
            a
        });
        return Draft::json(Value::Array(own.collect()));
    }
    let status = if message.is_resolved() { "resolved" } else { "firing" };
    Draft::json(json!({
        "version": "4",
        "groupKey": format!("{{}}:{{pulse=\"{}\"}}", message.key),
        "truncatedAlerts": message.more,
        "status": status,
        "receiver": if webhook.name.is_empty() { "pulse" } else { &webhook.name },
        "groupLabels": {},
        "commonLabels": common(&alerts, "labels"),
        "commonAnnotations": common(&alerts, "annotations"),
        "externalURL": message.items.iter().find_map(link).unwrap_or_default(),
        "alerts": alerts,
    }))
}

fn alertmanager_alert(message: &Message, item: &Item) -> Value {
    let a = &item.alert;
    let labels: Map<String, Value> = [
        ("alertname", format!("Pulse{}", crate::notify::view::title_case(&a.r#type))),
        ("severity", a.level.clone()),
        ("alert_id", a.id.clone()),
        ("resource", a.resource_name.clone()),
        ("resource_id", a.resource_id.clone()),
        ("node", a.node.clone()),
        ("pulse_instance", a.instance.clone()),
        ("type", a.r#type.clone()),
    ]
    .into_iter()
    .filter(|(_, v)| !v.is_empty())
    .map(|(k, v)| (k.to_owned(), json!(v)))
    .mapped();
    let digest = ring::digest::digest(&ring::digest::SHA256, a.id.as_bytes());
    let fingerprint: String = digest.as_ref().iter().take(8).map(|b| format!("{b:02x}")).collect();
    json!({
        "status": if message.is_resolved() { "resolved" } else { "firing" },
        "labels": labels,
        "annotations": { "summary": line(message, item), "description": a.message, "value": value(item), "threshold": threshold(item) },
        "startsAt": a.start_time,
        "endsAt": if message.is_resolved() { item.resolved.unwrap_or(message.at) } else { Time::UNSET },
        "generatorURL": link(item).unwrap_or_default(),
        "fingerprint": fingerprint,
    })
}

/// The pairs all alerts share.
fn common(alerts: &[Value], key: &str) -> Value {
    let mut maps = alerts.iter().filter_map(|a| a.get(key)?.as_object());
    let Some(mut out) = maps.next().cloned() else { return json!({}) };
    for map in maps {
        out.retain(|name, value| map.get(name) == Some(value));
    }
    Value::Object(out)
}

/// healthchecks.io: a ping is good, `/fail` is not; the body is kept for people.
pub(super) fn healthchecks(webhook: &Webhook, message: &Message, now: Time) -> Draft {
    let (address, query) = webhook.url.split_once('?').map_or((webhook.url.as_str(), ""), |(a, q)| (a, q));
    let address = address.trim_end_matches('/');
    let mark = if query.is_empty() { "" } else { "?" };
    let url = format!("{address}{}{mark}{query}", if message.is_resolved() { "" } else { "/fail" });
    let text = cut(&format!("{}\n{}", heading(message), plain_text(message, now, 100)), PING_BODY);
    Draft { url: Some(url), text: Some(("text/plain; charset=utf-8", text)), ..Draft::json(Value::Null) }
}

//! Push services: Gotify, ntfy, Pushover, Apprise.

use super::{Draft, field, query_value, without_nulls, without_query};
use crate::json::{json, put};
use crate::model::Time;
use crate::notify::message::{Kind, Message};
use crate::notify::settings::Webhook;
use crate::notify::view::{cut, duration_of, heading, link, markdown, plain_text};
use serde_json::{Map, Value};

const MOST_LINES: usize = 30;

/// 0: good news, 1: warning, 2: critical.
fn severity(message: &Message) -> usize {
    match (message.kind, message.levels().0) {
        (Kind::Resolved | Kind::Acknowledged, _) => 0,
        (_, 0) => 1,
        _ => 2,
    }
}

fn by_severity<T: Copy>(message: &Message, good: T, warning: T, critical: T) -> T {
    match severity(message) {
        0 => good,
        1 => warning,
        _ => critical,
    }
}

pub(super) fn gotify(message: &Message, now: Time) -> Draft {
    let text = plain_text(message, now, MOST_LINES);
    let lines: Vec<String> = text.lines().map(|l| markdown(&cut(l, 500))).collect();
    let mut extras = Map::new();
    put(&mut extras, "client::display", json!({ "contentType": "text/markdown" }));
    if let Some(url) = message.items.iter().find_map(link) {
        put(&mut extras, "client::notification", json!({ "click": { "url": url } }));
    }
    if let [item] = message.items.as_slice() {
        let a = &item.alert;
        let facts = json!({
            "id": a.id, "level": a.level, "type": a.r#type, "resource_name": a.resource_name, "node": a.node,
            "value": a.value, "threshold": a.threshold, "duration": duration_of(item, now), "instance": item.host,
        });
        extras.insert("pulse::alert".to_owned(), facts);
    }
    Draft::json(json!({
        // Two blanks before the end of a line keep it a line in Markdown.
        "message": lines.join("  \n"),
        "title": heading(message),
        "priority": by_severity(message, 2, 5, 10),
        "extras": extras,
    }))
}

/// ntfy's JSON form goes to the server's root, with the topic inside.
pub(super) fn ntfy(webhook: &Webhook, message: &Message, now: Time) -> Result<Draft, String> {
    let (scheme, rest) = webhook.url.split_once("://").ok_or("the ntfy URL is not a URL")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (path, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
    let (base, in_path) =
        path.trim_end_matches('/').rsplit_once('/').map_or(("", path.trim_end_matches('/')), |(b, t)| (b, t));
    let topic = field(webhook, "topic")
        .or_else(|| (!in_path.is_empty()).then(|| crate::http::percent_decode(in_path, false)))
        .ok_or("the ntfy URL has no topic, e.g. https://ntfy.sh/my-topic")?;
    let slash = if base.is_empty() { String::new() } else { format!("{base}/") };
    let kept = query.map(|q| without_query(&format!("?{q}"), &["topic"])).filter(|q| q.len() > 1).unwrap_or_default();
    let url = format!("{scheme}://{authority}/{slash}{kept}");
    let tag = by_severity(message, "white_check_mark", "warning", "rotating_light");
    let body = without_nulls(json!({
        "topic": topic,
        "title": cut(&heading(message), 250),
        "message": cut(&plain_text(message, now, MOST_LINES), 1000),
        "priority": by_severity(message, 3, 4, 5),
        "tags": [tag],
        "click": message.items.iter().find_map(link),
    }));
    Ok(Draft { url: Some(url), ..Draft::json(body) })
}

/// Pushover's fields may stand in the address, in headers or in the webhook's own fields.
pub(super) fn pushover(webhook: &Webhook, message: &Message, now: Time) -> Result<Draft, String> {
    let needed = |name: &str, other: &str| {
        field(webhook, name)
            .or_else(|| field(webhook, other))
            .ok_or_else(|| format!("Pushover needs the field {name:?}"))
    };
    let text = plain_text(message, now, MOST_LINES);
    let asked = field(webhook, "priority").and_then(|p| p.parse::<i64>().ok()).map(|p| p.clamp(-2, 2));
    let priority = asked.unwrap_or(by_severity(message, -1, 0, 1));
    let mut body = without_nulls(json!({
        "token": needed("token", "app_token")?,
        "user": needed("user", "user_token")?,
        "title": cut(&heading(message), 250),
        "message": cut(if text.is_empty() { "Pulse" } else { &text }, 1000),
        "priority": priority,
        "url": message.items.iter().find_map(link).map(|l| cut(l, 500)),
        "url_title": message.items.iter().find_map(link).map(|_| "View in Proxmox"),
        "sound": field(webhook, "sound"),
        "device": field(webhook, "device"),
    }));
    if priority == 2 {
        // It must say how often and how long to ask for an acknowledgement.
        body["retry"] = json!(60);
        body["expire"] = json!(3600);
    }
    let url = without_query(&webhook.url, &["token", "user", "priority", "sound", "device"]);
    Ok(Draft { url: Some(url), ..Draft::json(body) })
}

pub(super) fn apprise(webhook: &Webhook, message: &Message, now: Time) -> Draft {
    let body = without_nulls(json!({
        "title": cut(&heading(message), 250),
        "body": cut(&plain_text(message, now, MOST_LINES), 8000),
        "type": by_severity(message, "success", "warning", "failure"),
        "format": "text",
        "tag": field(webhook, "tag"),
        "urls": field(webhook, "urls"),
    }));
    let tagged = query_value(&webhook.url, "tag").is_some();
    let url: Option<String> = tagged.then(|| without_query(&webhook.url, &["tag"]));
    let mut draft = Draft { url, ..Draft::json(body) };
    if let Value::Object(map) = &mut draft.body
        && map.get("urls").is_some_and(|u| u.as_str() == Some(""))
    {
        map.remove("urls");
    }
    draft
}

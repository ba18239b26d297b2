//! What each service is sent for a message (contract state.md 7.5 and 7.6; field rules of the services themselves).
//! From values to a request; nothing is sent here.

mod catalogue;
mod chat;
mod custom;
mod generic;
mod incident;
mod push;
mod teams;

pub use catalogue::catalogue;
pub use custom::check_template;

use super::message::Message;
use super::send::HttpRequest;
use super::settings::{Heartbeat, Webhook, is_secret_name};
use crate::json::json;
use crate::model::Time;
use crate::order::Pairs;
use serde_json::Value;

/// The picture 4.9's messages carry.
pub(crate) const LOGO: &str = "https://raw.githubusercontent.com/rcourtman/Pulse/main/frontend-modern/public/logo.svg";
/// Alerts up to which a template that knows only one of them is sent once for each.
const SEPARATE: usize = 5;

/// What a service needs beside the usual: filled by its own function.
struct Draft {
    body: Value,
    /// Instead of the webhook's own address.
    url: Option<String>,
    /// Before the webhook's own headers.
    headers: Vec<(&'static str, String)>,
    method: &'static str,
    /// Text instead of JSON.
    text: Option<(&'static str, String)>,
    failure_words: Option<&'static str>,
}

impl Draft {
    fn json(body: Value) -> Draft {
        Draft { body, url: None, headers: Vec::new(), method: "POST", text: None, failure_words: None }
    }
}

/// Whether a webhook's receiver keeps each incident until it is told of the end.
pub fn keeps_incidents(webhook: &Webhook) -> bool {
    matches!(webhook.service.as_str(), "pagerduty" | "alertmanager" | "healthchecks")
        && webhook.template.trim().is_empty()
}

/// Whether a webhook's receiver has a use for "somebody took charge".
pub fn takes_acknowledgements(webhook: &Webhook) -> bool {
    webhook.service == "pagerduty" && webhook.template.trim().is_empty()
}

/// The requests a message makes: one, unless the receiver has to get each alert for itself.
pub fn split(webhook: &Webhook, message: Message) -> Vec<Message> {
    let own_template = !webhook.template.trim().is_empty();
    let apart = if own_template {
        message.items.len() <= SEPARATE && !webhook.template.contains(".Alerts")
    } else {
        webhook.service == "pagerduty"
    };
    if !apart || message.items.len() < 2 {
        return vec![message];
    }
    let last = message.items.len() - 1;
    let each = message.items.iter().enumerate().map(|(n, item)| {
        let (more, held) = if n == last { (message.more, message.held) } else { (0, 0) };
        let one = Message::new(message.kind, message.audience, message.escalation, message.at, vec![item.clone()]);
        Message { more, held, ..one }
    });
    each.collect()
}

/// The request for a message, or `None` when the administrator's template makes nothing of it. `now` is the moment of
/// the attempt.
pub fn request(webhook: &Webhook, message: &Message, now: Time) -> Result<Option<HttpRequest>, String> {
    let draft = if webhook.template.trim().is_empty() {
        built_in(webhook, message, now)?
    } else {
        match custom::draft(webhook, message, now) {
            Ok(Some(draft)) => draft,
            Ok(None) => return Ok(None),
            Err(why) => {
                // A message in another form is better than none.
                log::warn!(
                    "failed to render the template of webhook {}: {why}; sending its content plainly",
                    webhook.name
                );
                custom::stand_in(webhook, message, now)
            }
        }
    };
    Ok(Some(finish(webhook, message, draft)))
}

fn built_in(webhook: &Webhook, message: &Message, now: Time) -> Result<Draft, String> {
    let draft = match webhook.service.as_str() {
        "discord" => chat::discord(webhook, message, now),
        "slack" => chat::slack(webhook, message, now),
        "mattermost" => chat::mattermost(webhook, message, now),
        "telegram" => chat::telegram(webhook, message, now)?,
        "matrix" => chat::matrix(webhook, message, now)?,
        "teams" => teams::card(message, now),
        "teams-adaptive" => teams::adaptive(message, now),
        "pagerduty" => incident::pagerduty(webhook, message, now)?,
        "alertmanager" => incident::alertmanager(webhook, message),
        "healthchecks" => incident::healthchecks(webhook, message, now),
        "gotify" => push::gotify(message, now),
        "ntfy" => push::ntfy(webhook, message, now)?,
        "pushover" => push::pushover(webhook, message, now)?,
        "apprise" => push::apprise(webhook, message, now),
        _ => Draft::json(generic::grouped(message, now)),
    };
    Ok(draft)
}

/// Headers in the order in which later ones win: ours, the service's, the administrator's.
fn finish(webhook: &Webhook, message: &Message, draft: Draft) -> HttpRequest {
    let (content_type, body) = match draft.text {
        Some((content_type, text)) => (content_type, text.into_bytes()),
        None => ("application/json", draft.body.to_string().into_bytes()),
    };
    let mut headers = vec![
        ("Content-Type".to_owned(), content_type.to_owned()),
        ("User-Agent".to_owned(), "Pulse-Monitoring/2.0".to_owned()),
        // A receiver that sees this twice has seen the message.
        ("X-Pulse-Delivery".to_owned(), message.key.clone()),
    ];
    headers.extend(draft.headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
    for (name, value) in webhook.headers.iter().flatten() {
        // It is a field of the payload; 4.9 sends it as a header, too, and gives it away.
        let is_field = matches!(webhook.service.as_str(), "pagerduty") && name.eq_ignore_ascii_case("routing_key");
        if !is_field {
            headers.push((name.clone(), value.expose().to_owned()));
        }
    }
    let method =
        if webhook.method.trim().is_empty() || draft.method != "POST" { draft.method } else { webhook.method.trim() };
    HttpRequest {
        method: method.to_ascii_uppercase(),
        url: draft.url.unwrap_or_else(|| webhook.url.clone()),
        headers,
        body,
        skip_verify: webhook.skip_verify,
        secrets: webhook.secrets().into_iter().map(str::to_owned).collect(),
        failure_words: draft.failure_words,
    }
}

/// The heartbeat's request.
pub fn heartbeat(heartbeat: &Heartbeat, summary: &Value) -> HttpRequest {
    let mut headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("User-Agent".to_owned(), "Pulse-Monitoring/2.0".to_owned()),
    ];
    headers.extend(heartbeat.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())));
    let secret_headers = heartbeat.headers.iter().filter(|(name, _)| is_secret_name(name));
    let mut secrets = vec![heartbeat.url.clone()];
    secrets.extend(secret_headers.map(|(_, value)| value.expose().to_owned()));
    HttpRequest {
        method: heartbeat.method.clone(),
        url: heartbeat.url.clone(),
        headers,
        body: if heartbeat.method == "GET" { Vec::new() } else { summary.to_string().into_bytes() },
        skip_verify: false,
        secrets,
        failure_words: None,
    }
}

/// The value of a field of the webhook: from its own fields, from a header of that name, or from its address.
fn field(webhook: &Webhook, name: &str) -> Option<String> {
    let own = webhook.custom_fields.get(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    let found = own.or_else(|| webhook.header(name).map(str::to_owned)).or_else(|| query_value(&webhook.url, name));
    found.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

fn query_value(url: &str, name: &str) -> Option<String> {
    let query = url.split('#').next()?.split_once('?')?.1;
    crate::http::Query::parse(query).get(name).map(str::to_owned)
}

/// The address without one parameter of its query.
fn without_query(url: &str, names: &[&str]) -> String {
    let Some((before, query)) = url.split_once('?') else { return url.to_owned() };
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !names.contains(&pair.split('=').next().unwrap_or_default())).collect();
    if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) }
}

/// An object without the keys whose value is null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, v)| !v.is_null()).mapped()),
        other => other,
    }
}

/// Label-value pairs as objects with these two keys.
fn pairs(facts: Vec<super::view::Fact>, key: &str, escape: impl Fn(&str) -> String) -> Vec<Value> {
    facts.into_iter().map(|(label, value)| json!({ key: label, "value": escape(&value) })).collect()
}

//! Microsoft Teams: the older MessageCard, and the Adaptive Card that Workflows take.

use super::{Draft, pairs, without_nulls};
use crate::json::json;
use crate::model::Time;
use crate::notify::message::{Kind, Message};
use crate::notify::view::{cut, facts, heading, line, link, markdown, remarks, title};
use serde_json::Value;

/// Alerts on one card; Teams refuses cards over 28 kB.
const MOST_CARDS: usize = 10;
/// Teams answers 200 with these words when it could not show the card.
const FAILED: &str = "Webhook message delivery failed";

fn worst(message: &Message) -> &'static str {
    match (message.kind, message.levels()) {
        (Kind::Resolved | Kind::Acknowledged, _) => "good",
        (_, (0, 0)) => "good",
        (_, (0, _)) => "warning",
        _ => "critical",
    }
}

pub(super) fn card(message: &Message, now: Time) -> Draft {
    let colour = match worst(message) {
        "critical" => "FF0000",
        "warning" => "FFA500",
        _ => "00FF00",
    };
    let escape = |text: &str| markdown(&cut(text, 200));
    let mut sections: Vec<Value> = Vec::new();
    for item in message.items.iter().take(MOST_CARDS) {
        let mut list = pairs(facts(item, now), "name", escape);
        if let Some(link) = link(item) {
            list.push(json!({ "name": "Instance", "value": link }));
        }
        sections.push(json!({
            "activityTitle": title(message, item),
            "activitySubtitle": markdown(&cut(&line(message, item), 500)),
            "facts": list,
            "markdown": true,
        }));
    }
    for remark in remarks(message, message.items.len().min(MOST_CARDS)) {
        sections.push(json!({ "text": markdown(&remark), "markdown": true }));
    }
    let target = message.items.iter().find_map(link);
    let action = target.map(
        |uri| json!([{ "@type": "OpenUri", "name": "View in Proxmox", "targets": [{ "os": "default", "uri": uri }] }]),
    );
    let summary = match message.items.as_slice() {
        [item] => format!("{} - {}", heading(message), item.alert.resource_name),
        _ => heading(message),
    };
    let body = without_nulls(json!({
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": colour,
        "summary": cut(&summary, 200),
        "sections": sections,
        "potentialAction": action,
    }));
    Draft { failure_words: Some(FAILED), ..Draft::json(body) }
}

pub(super) fn adaptive(message: &Message, now: Time) -> Draft {
    let colour = match worst(message) {
        "critical" => "Attention",
        "warning" => "Warning",
        _ => "Good",
    };
    let mut body = vec![json!({
        "type": "TextBlock", "text": heading(message), "weight": "Bolder", "size": "Large", "color": colour, "wrap": true,
    })];
    for item in message.items.iter().take(MOST_CARDS) {
        body.push(json!({
            "type": "TextBlock", "text": markdown(&cut(&line(message, item), 500)), "wrap": true, "spacing": "Small",
        }));
        let named = facts(item, now)
            .into_iter()
            .map(|(label, value)| (if label == "Value" { "Current Value" } else { label }, value));
        let mut list = pairs(named.collect(), "title", |v| markdown(&cut(v, 200)));
        list.push(json!({ "title": "Alert ID", "value": markdown(&cut(&item.alert.id, 200)) }));
        body.push(json!({ "type": "FactSet", "facts": list }));
    }
    for remark in remarks(message, message.items.len().min(MOST_CARDS)) {
        body.push(json!({ "type": "TextBlock", "text": markdown(&remark), "wrap": true, "isSubtle": true }));
    }
    let actions = message
        .items
        .iter()
        .find_map(link)
        .map(|url| json!([{ "type": "Action.OpenUrl", "title": "View in Proxmox", "url": url }]));
    let content = without_nulls(json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": actions,
    }));
    let body = json!({
        "type": "message",
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "content": content }],
    });
    Draft { failure_words: Some(FAILED), ..Draft::json(body) }
}

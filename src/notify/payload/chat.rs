//! Chats: Discord, Slack, Mattermost, Telegram, Matrix. Lengths are the services' own limits with room to spare.

use super::{Draft, LOGO, field, pairs, without_nulls, without_query};
use crate::alerts::outgoing::Item;
use crate::json::json;
use crate::model::Time;
use crate::notify::message::{Kind, Message};
use crate::notify::settings::Webhook;
use crate::notify::view::{counts, cut, facts, heading, html, line, link, markdown, plain_text, remarks, title};
use serde_json::Value;

/// Embeds and attachments that chats show at once.
const MOST_CARDS: usize = 10;
/// Lines of a list in one chat message.
const MOST_LINES: usize = 20;

/// Red, orange, green: 4.9's colours for Discord, as numbers.
fn colour(message: &Message, item: &Item) -> u32 {
    match (message.kind, item.alert.level.as_str()) {
        (Kind::Resolved, _) => 0x2E_CC71,
        (_, "critical") => 15_158_332,
        (_, "warning") => 15_105_570,
        _ => 3_447_003,
    }
}

/// A line over the cards of a group; empty for a single alert without remarks.
fn above(message: &Message, shown: usize, escape: fn(&str) -> String) -> String {
    let mut parts = Vec::new();
    if message.count() > 1 {
        parts.push(format!("{} alerts: {}", message.count(), counts(message)));
        let hidden = message.items.iter().skip(shown).take(MOST_LINES);
        let names: Vec<String> = hidden.map(|i| escape(&cut(&i.alert.resource_name, 40))).collect();
        if !names.is_empty() {
            parts.push(format!("not shown: {}", names.join(", ")));
        }
    }
    parts.extend(remarks(message, shown));
    cut(&parts.join("; "), 1500)
}

/// Ten embeds of at most 500 characters stay below Discord's 6,000.
pub(super) fn discord(webhook: &Webhook, message: &Message, now: Time) -> Draft {
    let single = message.items.len() == 1;
    let (text, name) = if single { (2000, 250) } else { (200, 60) };
    let embeds = message.items.iter().take(MOST_CARDS).map(|item| {
        let fields: Vec<Value> = facts(item, now)
            .into_iter()
            .map(|(label, value)| json!({ "name": label, "value": markdown(&cut(&value, name)), "inline": true }))
            .collect();
        without_nulls(json!({
            "title": title(message, item),
            "description": markdown(&cut(&line(message, item), text)),
            "url": link(item),
            "color": colour(message, item),
            "fields": fields,
            "timestamp": now,
            "footer": { "text": "Pulse Monitoring", "icon_url": LOGO },
        }))
    });
    let embeds: Vec<Value> = embeds.collect();
    let mut content = above(message, MOST_CARDS.min(message.items.len()), markdown);
    let mention = webhook.mention.trim();
    if !mention.is_empty() && message.kind != Kind::Resolved {
        content = format!("{} {content}", cut(mention, 200)).trim().to_owned();
    }
    // Nothing in a name may call people; a mention that was configured may.
    let parse: &[&str] = if mention.is_empty() { &[] } else { &["users", "roles", "everyone"] };
    Draft::json(without_nulls(json!({
        "username": "Pulse Monitoring",
        "avatar_url": LOGO,
        "content": if content.is_empty() { Value::Null } else { json!(content) },
        "embeds": embeds,
        "allowed_mentions": { "parse": parse },
    })))
}

pub(super) fn slack(webhook: &Webhook, message: &Message, now: Time) -> Draft {
    use crate::notify::view::slack as escape;
    let summary = match message.items.as_slice() {
        [item] => format!("{} - {}", heading(message), item.alert.resource_name),
        _ => heading(message),
    };
    let plain = |text: &str, most: usize| json!({ "type": "plain_text", "text": cut(text, most), "emoji": true });
    let marked = |text: String| json!({ "type": "mrkdwn", "text": text });
    let mut blocks = vec![json!({ "type": "header", "text": plain(&summary, 150) })];
    for item in message.items.iter().take(MOST_CARDS) {
        blocks.push(json!({ "type": "section", "text": marked(escape(&cut(&line(message, item), 1000))) }));
        let fields: Vec<Value> = facts(item, now)
            .into_iter()
            .map(|(label, value)| marked(format!("*{label}:*\n{}", escape(&cut(&value, 300)))))
            .collect();
        blocks.push(json!({ "type": "section", "fields": fields }));
        let mut context = Vec::new();
        if let Some(link) = link(item) {
            context.push(marked(format!("<{}|Proxmox>", escape(link))));
        }
        context.push(marked(format!("Alert ID: {}", escape(&cut(&item.alert.id, 300)))));
        blocks.push(json!({ "type": "context", "elements": context }));
    }
    let above = above(message, MOST_CARDS.min(message.items.len()), escape);
    if !above.is_empty() {
        blocks.push(json!({ "type": "context", "elements": [marked(above)] }));
    }
    let mut text = escape(&cut(&summary, 1000));
    if !webhook.mention.trim().is_empty() && message.kind != Kind::Resolved {
        let mention = cut(webhook.mention.trim(), 200);
        blocks.insert(1, json!({ "type": "section", "text": marked(mention.clone()) }));
        text = format!("{mention} {text}");
    }
    Draft::json(json!({ "text": text, "blocks": blocks }))
}

/// Mattermost takes Slack's older form: a text and attachments.
pub(super) fn mattermost(webhook: &Webhook, message: &Message, now: Time) -> Draft {
    // A name with an @ must not call people.
    let escape = |text: &str| markdown(text).replace('@', "@\u{200b}");
    let attachments: Vec<Value> = message
        .items
        .iter()
        .take(MOST_CARDS)
        .map(|item| {
            let mut fields = pairs(facts(item, now), "title", |v| escape(&cut(v, 300)));
            for field in &mut fields {
                field["short"] = json!(true);
            }
            without_nulls(json!({
                "fallback": cut(&line(message, item), 300),
                "color": format!("#{:06X}", colour(message, item)),
                "title": title(message, item),
                "title_link": link(item),
                "text": escape(&cut(&line(message, item), 1000)),
                "fields": fields,
            }))
        })
        .collect();
    let above = above(message, MOST_CARDS.min(message.items.len()), markdown);
    let mut text = format!("**{}** {}", markdown(&heading(message)), above.replace('@', "@\u{200b}"));
    if !webhook.mention.trim().is_empty() && message.kind != Kind::Resolved {
        text = format!("{} {text}", cut(webhook.mention.trim(), 200));
    }
    Draft::json(
        json!({ "username": "Pulse Monitoring", "icon_url": LOGO, "text": text.trim(), "attachments": attachments }),
    )
}

/// Telegram's HTML, because its Markdown breaks on names with an underscore. The chat is in the address, as in 4.9.
pub(super) fn telegram(webhook: &Webhook, message: &Message, now: Time) -> Result<Draft, String> {
    let chat =
        field(webhook, "chat_id").ok_or("the Telegram URL has no chat_id, e.g. …/sendMessage?chat_id=-100123")?;
    let number = chat.strip_prefix('-').unwrap_or(&chat);
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let is_name = chat
        .strip_prefix('@')
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    if !(is_number || is_name) {
        return Err("the Telegram chat_id is neither a number nor a @name".to_owned());
    }
    let sign = if message.is_resolved() { "\u{2705}" } else { "\u{1f6a8}" };
    let mut text = format!("{sign} <b>{}</b>\n\n", html(&heading(message)));
    match message.items.as_slice() {
        [item] => {
            text.push_str(&html(&cut(&line(message, item), 1500)));
            text.push_str("\n\n<b>Details:</b>\n");
            for (label, value) in facts(item, now) {
                text.push_str(&format!("\u{2022} {label}: {}\n", html(&cut(&value, 200))));
            }
            if let Some(link) = link(item) {
                text.push_str(&format!("\n<a href=\"{}\">View in Pulse</a>\n", html(link)));
            }
        }
        items => {
            for item in items.iter().take(MOST_LINES) {
                text.push_str(&format!("\u{2022} {}\n", html(&cut(&line(message, item), 120))));
            }
        }
    }
    for remark in remarks(message, message.items.len().min(MOST_LINES)) {
        text.push_str(&format!("{}\n", html(&remark)));
    }
    let mut body = json!({
        "chat_id": chat,
        "text": text.trim_end(),
        "parse_mode": "HTML",
        "disable_web_page_preview": true,
    });
    if let Some(thread) = field(webhook, "message_thread_id").and_then(|t| t.parse::<i64>().ok()) {
        body["message_thread_id"] = json!(thread);
    }
    let url = without_query(&webhook.url, &["chat_id", "message_thread_id"]);
    Ok(Draft { url: Some(url), ..Draft::json(body) })
}

/// A room's send address; the transaction id is the message's key, so the server itself drops copies.
pub(super) fn matrix(webhook: &Webhook, message: &Message, now: Time) -> Result<Draft, String> {
    let (address, query) = webhook.url.split_once('?').map_or((webhook.url.as_str(), ""), |(a, q)| (a, q));
    let address = address.trim_end_matches('/');
    let base = match address.find("/send/m.room.message") {
        Some(at) => address.get(..at).unwrap_or(address),
        None => address,
    };
    if !base.contains("/rooms/") {
        return Err("the Matrix URL has no room: …/_matrix/client/v3/rooms/<room id>".to_owned());
    }
    let url = format!("{base}/send/m.room.message/{}{}{query}", message.key, if query.is_empty() { "" } else { "?" });
    let text = cut(&format!("{}\n{}", heading(message), plain_text(message, now, MOST_LINES)), 8000);
    let mut rich = format!("<strong>{}</strong>", html(&heading(message)));
    for item in message.items.iter().take(MOST_LINES) {
        rich.push_str(&format!("<br>{}", html(&cut(&line(message, item), 300))));
    }
    for remark in remarks(message, message.items.len().min(MOST_LINES)) {
        rich.push_str(&format!("<br>{}", html(&remark)));
    }
    let body = json!({
        "msgtype": if message.is_resolved() { "m.notice" } else { "m.text" },
        "body": text,
        "format": "org.matrix.custom.html",
        "formatted_body": rich,
        "m.mentions": {},
    });
    Ok(Draft { url: Some(url), method: "PUT", ..Draft::json(body) })
}

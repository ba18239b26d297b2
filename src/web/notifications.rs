//! What is configured about notifications and what was delivered: `/api/notifications/…` (contract state.md 7.1 and 8.5).
//! Tests by hand are in `notification_tests`.

use super::notification_tests as tests;
use super::routes::{Limit, Policy, Route};
use crate::alerts::Config;
use crate::config::{Change, DataFile, EMAIL, WEBHOOKS};
use crate::http::{Call, Method, Response};
use crate::json::{json, put};
use crate::notify::settings::{PROVIDERS, Settings, Webhook, check_url};
use crate::notify::{Parts, catalogue, check_template};
use crate::order::Pairs;
use crate::owner::{Answer, Core};
use serde_json::Value;

const HOOK: &str = r#"{"type":"object","required":["name","url"],"properties":{"name":{"type":"string"},"url":{"type":"string"},"method":{"type":"string"},"service":{"type":"string"},"enabled":{"type":"boolean"},"template":{"type":"string"},"headers":{"type":"object","additionalProperties":{"type":"string"}}}}"#;
const MAIL: &str = r#"{"type":"object","properties":{"enabled":{"type":"boolean"},"provider":{"type":"string"},"server":{"type":"string"},"port":{"type":"integer"},"username":{"type":"string"},"password":{"type":"string"},"tls":{"type":"boolean"},"startTLS":{"type":"boolean"},"to":{"type":"array","items":{"type":"string"}},"from":{"type":"string"}}}"#;

#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/notifications/", Policy::Read, "Everything that is configured about notifications", summary).gives(r#"{"type":"object","required":["email","webhooks","enabled","cooldown","groupingWindow","routes","heartbeat","queue"],"properties":{"email":{"type":"object"},"webhooks":{"type":"array"},"enabled":{"type":"boolean"},"cooldown":{"type":"integer"},"groupingWindow":{"type":"integer"},"routes":{"type":"array"},"heartbeat":{"type":"object"},"queue":{"type":"object"}}}"#),
    Route::new(Method::Post, "/api/notifications/", Policy::Manage, "Change parts of it", change_some).takes(r#"{"type":"object"}"#),
    Route::new(Method::Put, "/api/notifications/", Policy::Manage, "Change parts of it", change_some).takes(r#"{"type":"object"}"#),
    Route::new(Method::Get, "/api/notifications/email", Policy::Read, "How mail is sent", email).gives(r#"{"type":"object","required":["enabled","provider","server","port","username","password","from","tls","startTLS"],"properties":{"enabled":{"type":"boolean"},"provider":{"type":"string"},"server":{"type":"string"},"port":{"type":"integer"},"username":{"type":"string"},"password":{"type":"string"},"from":{"type":"string"},"tls":{"type":"boolean"},"startTLS":{"type":"boolean"}}}"#),
    Route::new(Method::Put, "/api/notifications/email", Policy::Manage, "Replace how mail is sent", put_email).gives(r#"{"type":"object","required":["status"],"properties":{"status":{"type":"string"}}}"#).takes(MAIL),
    Route::new(Method::Get, "/api/notifications/email-providers", Policy::Read, "Presets of mail providers", providers).gives(r#"{"type":"array","items":{"type":"object","required":["name","smtpHost","smtpPort","tls","startTLS"],"properties":{"name":{"type":"string"},"smtpHost":{"type":"string"},"smtpPort":{"type":"integer"},"tls":{"type":"boolean"},"startTLS":{"type":"boolean"}}}}"#),
    Route::new(Method::Get, "/api/notifications/webhooks", Policy::Read, "All webhooks", webhooks).gives(r#"{"type":"array","items":{"type":"object","required":["id","name","url","method","enabled","service"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"url":{"type":"string"},"method":{"type":"string"},"enabled":{"type":"boolean"},"service":{"type":"string"}}}}"#),
    Route::new(Method::Post, "/api/notifications/webhooks", Policy::Manage, "Add a webhook", add_webhook).gives(r#"{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}"#).takes(HOOK),
    Route::new(Method::Put, "/api/notifications/webhooks/{id}", Policy::Manage, "Change a webhook", put_webhook).gives(r#"{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}"#).takes(HOOK),
    Route::new(Method::Delete, "/api/notifications/webhooks/{id}", Policy::Manage, "Remove a webhook", delete_webhook).gives(r#"{"type":"object","required":["status"],"properties":{"status":{"type":"string"}}}"#),
    Route::new(Method::Get, "/api/notifications/webhook-templates", Policy::Read, "Services on offer", templates).gives(r#"{"type":"array","items":{"type":"object","required":["service","name"],"properties":{"service":{"type":"string"},"name":{"type":"string"}}}}"#),
    Route::new(Method::Get, "/api/notifications/webhook-history", Policy::Read, "The last deliveries to webhooks", webhook_history).gives(r#"{"type":"array","items":{"type":"object"}}"#),
    Route::new(Method::Get, "/api/notifications/history", Policy::Read, "The last deliveries, newest first", history).gives(r#"{"type":"array","items":{"type":"object"}}"#).asks(&["limit"]),
    Route::new(Method::Post, "/api/notifications/webhooks/test", Policy::Manage, "Try a webhook that need not be saved", tests::webhook).takes(HOOK),
    Route::new(Method::Post, "/api/notifications/test", Policy::Manage, "Try one channel or all", tests::channels).takes(r#"{"type":"object"}"#).limited(Limit::TestMail),
    Route::new(Method::Post, "/api/test-notification", Policy::Manage, "Send a sample event to all WebSocket clients", tests::socket),
];

/// Webhooks that may be configured.
const MOST_WEBHOOKS: usize = 100;
/// Deliveries shown without a limit of the caller's.
const HISTORY: usize = 100;

fn summary(core: &mut Core, call: &Call) -> Answer {
    let s = core.notify.settings();
    let beat = core.notify.heartbeat_state();
    let (waiting, in_flight, refused) = core.notify.counts();
    let mut heartbeat = s.heartbeat.shown();
    if beat.at.is_set() {
        heartbeat["lastSent"] = json!(beat.at);
        heartbeat["lastStatus"] = json!(beat.status);
        heartbeat["lastError"] = json!(beat.error);
    }
    Response::json(&json!({
        "email": s.email.shown(),
        "webhooks": shown(s, call),
        "enabled": s.enabled,
        "cooldown": core.alerts.engine.config().schedule.cooldown,
        "groupingWindow": core.alerts.engine.config().schedule.gather_secs(),
        "routes": s.routes.iter().map(|r| r.to_value()).collect::<Vec<_>>(),
        "heartbeat": heartbeat,
        "queue": { "waiting": waiting, "inFlight": in_flight, "refused": refused },
    }))
    .into()
}

fn shown(settings: &Settings, call: &Call) -> Vec<Value> {
    settings.webhooks.iter().map(|w| w.shown(call.who.manage)).collect()
}

fn email(core: &mut Core, _: &Call) -> Answer {
    Response::json(&core.notify.settings().email.shown()).into()
}

fn providers(_: &mut Core, _: &Call) -> Answer {
    Response::json(&PROVIDERS[..]).cacheable().into()
}

fn webhooks(core: &mut Core, call: &Call) -> Answer {
    Response::json(&shown(core.notify.settings(), call)).into()
}

fn templates(_: &mut Core, _: &Call) -> Answer {
    let list: Vec<Value> = catalogue().iter().map(|c| c.shown()).collect();
    Response::json(&list).cacheable().into()
}

fn webhook_history(core: &mut Core, _: &Call) -> Answer {
    Response::json(&core.notify.webhook_history()).into()
}

fn history(core: &mut Core, call: &Call) -> Answer {
    let limit = call.query.get("limit").and_then(|l| l.parse().ok()).filter(|l| *l > 0).unwrap_or(HISTORY);
    Response::json(&core.notify.history(limit)).into()
}

fn put_email(core: &mut Core, call: &Call) -> Answer {
    let next = call.json::<Value>().and_then(|body| core.notify.latest().email.replaced_by(body));
    match next {
        Ok(email) => {
            let next = Settings { email, ..(**core.notify.latest()).clone() };
            save(core, next, Parts { email: true, webhooks: false }, success())
        }
        Err(why) => Response::error(400, &why).into(),
    }
}

/// A body with any of `email`, `webhooks`, `enabled`, `routes`, `heartbeat`, and of the alerts' `cooldown` (minutes) and
/// `groupingWindow` (seconds); what is absent stays.
fn change_some(core: &mut Core, call: &Call) -> Answer {
    let read = call.json::<Value>().and_then(|body| {
        changed(core.notify.latest(), body.clone())?;
        Ok((paced(core.alerts.config.latest(), &body)?, body))
    });
    match read {
        Ok((Some(config), body)) => {
            let then = |core: &mut Core, outcome: Result<(), String>| match outcome {
                Ok(()) => save_some(core, body),
                Err(why) => super::nodes::not_saved(&why).into(),
            };
            core.save_alerts(config, Box::new(then))
        }
        Ok((None, body)) => save_some(core, body),
        Err(why) => Response::error(400, &why).into(),
    }
}

fn save_some(core: &mut Core, body: Value) -> Answer {
    match changed(core.notify.latest(), body) {
        Ok((next, parts)) => save(core, next, parts, success()),
        Err(why) => Response::error(400, &why).into(),
    }
}

/// The alert configuration with the pace that a body names; `None`: it names none.
fn paced(before: &Config, body: &Value) -> Result<Option<Config>, String> {
    let number = |name: &str, most: i64| match body.get(name) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(n) if (0..=most).contains(&n) => Ok(Some(n)),
            _ => Err(format!("{name}: a whole number from 0 to {most} expected")),
        },
    };
    let (cooldown, window) = (number("cooldown", 10_080)?, number("groupingWindow", 86_400)?);
    if cooldown.is_none() && window.is_none() {
        return Ok(None);
    }
    let mut next = before.clone();
    next.schedule.cooldown = cooldown.unwrap_or(next.schedule.cooldown);
    if let Some(secs) = window {
        next.schedule.grouping_window = secs;
        next.schedule.grouping.window = secs;
        next.schedule.grouping.enabled = secs > 0;
    }
    Ok(Some(next))
}

fn changed(before: &Settings, body: Value) -> Result<(Settings, Parts), String> {
    let Value::Object(mut body) = body else { return Err("Invalid request body: an object expected".to_owned()) };
    let mut next = before.clone();
    let mut parts = Parts::default();
    if let Some(patch) = body.remove("email") {
        next.email = next.email.merged_with(patch)?;
        parts.email = true;
    }
    if let Some(list) = body.remove("webhooks") {
        let Value::Array(list) = list else { return Err("webhooks: a list expected".to_owned()) };
        next.webhooks = list.into_iter().map(|w| merged(before, w)).collect::<Result<_, _>>()?;
        parts.webhooks = true;
    }
    let beside: serde_json::Map<String, Value> =
        body.into_iter().filter(|(name, _)| ["enabled", "routes", "heartbeat"].contains(&name.as_str())).mapped();
    if !beside.is_empty() {
        next.set_beside(Value::Object(beside))?;
        parts.email = true;
    }
    if next.webhooks.len() > MOST_WEBHOOKS {
        return Err(format!("at most {MOST_WEBHOOKS} webhooks"));
    }
    let mut ids: Vec<&str> = next.webhooks.iter().map(|w| w.id.as_str()).collect();
    crate::order::sort(&mut ids);
    ids.dedup();
    if ids.len() < next.webhooks.len() || ids.contains(&"") || ids.contains(&"email") {
        return Err("each webhook needs an id of its own".to_owned());
    }
    Ok((next, parts))
}

/// A webhook of a list: changes the stored one of the same id.
fn merged(before: &Settings, value: Value) -> Result<Webhook, String> {
    let stored = value.get("id").and_then(Value::as_str).and_then(|id| before.webhook(id));
    let webhook = match stored {
        Some(stored) => stored.changed_by(value)?,
        None => Webhook::from_body(value)?,
    };
    checked(webhook, stored)
}

/// A webhook that may be saved. What was saved before and is not changed is not questioned.
fn checked(webhook: Webhook, before: Option<&Webhook>) -> Result<Webhook, String> {
    check_url(&webhook.url).map_err(|why| format!("Invalid webhook URL: {why}"))?;
    let uri = webhook.url.parse::<ureq::http::Uri>().ok();
    let ip = uri.as_ref().and_then(|u| u.host()?.trim_start_matches('[').trim_end_matches(']').parse().ok());
    if let Some(why) = ip.and_then(crate::notify::forbidden) {
        return Err(format!("Invalid webhook URL: {why}"));
    }
    if before.is_none_or(|b| (&b.template, &b.headers) != (&webhook.template, &webhook.headers)) {
        check_template(&webhook)?;
    }
    Ok(webhook)
}

fn add_webhook(core: &mut Core, call: &Call) -> Answer {
    let body = match call.json::<Value>() {
        Ok(body) => body,
        Err(why) => return Response::error(400, &why).into(),
    };
    let mut next = (**core.notify.latest()).clone();
    let webhook = match Webhook::from_body(body.clone()).and_then(|w| checked(w, None)) {
        Ok(mut webhook) => {
            if webhook.id.is_empty() {
                webhook.id = format!("webhook-{}", core.now.wall.0);
            }
            webhook
        }
        Err(why) => return Response::error(400, &why).into(),
    };
    let refused = match webhook.id.as_str() {
        _ if next.webhooks.len() >= MOST_WEBHOOKS => Some(format!("at most {MOST_WEBHOOKS} webhooks")),
        "email" => Some("\"email\" cannot be the id of a webhook".to_owned()),
        id if next.webhook(id).is_some() => Some(format!("a webhook with the id {id} exists")),
        _ => None,
    };
    if let Some(why) = refused {
        return Response::error(400, &why).into();
    }
    let echo = echo(body, &webhook.id);
    next.webhooks.push(webhook);
    save(core, next, Parts { email: false, webhooks: true }, Response::json(&echo))
}

fn put_webhook(core: &mut Core, call: &Call) -> Answer {
    let id = call.param(0);
    let mut next = (**core.notify.latest()).clone();
    let Some(stored) = next.webhooks.iter_mut().find(|w| w.id == id) else { return not_found(id) };
    let body = match call.json::<Value>() {
        Ok(body) => body,
        Err(why) => return Response::error(400, &why).into(),
    };
    match stored.changed_by(body.clone()).and_then(|w| checked(w, Some(stored))) {
        Ok(webhook) => *stored = webhook,
        Err(why) => return Response::error(400, &why).into(),
    }
    save(core, next, Parts { email: false, webhooks: true }, Response::json(&echo(body, id)))
}

fn delete_webhook(core: &mut Core, call: &Call) -> Answer {
    let id = call.param(0);
    let mut next = (**core.notify.latest()).clone();
    if next.webhook(id).is_none() {
        return not_found(id);
    }
    next.webhooks.retain(|w| w.id != id);
    save(core, next, Parts { email: false, webhooks: true }, success())
}

/// 4.9 answers what it was sent, with the id.
fn echo(body: Value, id: &str) -> Value {
    match body {
        Value::Object(mut map) => {
            put(&mut map, "id", json!(id));
            Value::Object(map)
        }
        other => other,
    }
}

fn success() -> Response {
    Response::json(&json!({ "status": "success" }))
}

fn not_found(id: &str) -> Answer {
    Response::error(404, &format!("webhook not found: {id}")).into()
}

/// Writes what changed and answers when it is durable and in force. A file that could not be read at start is not
/// overwritten: what it holds would be lost.
fn save(core: &mut Core, next: Settings, parts: Parts, answer: Response) -> Answer {
    let mut changes = Vec::new();
    for (file, wanted) in [(EMAIL, parts.email), (WEBHOOKS, parts.webhooks)] {
        if !wanted {
            continue;
        }
        if let Some(problem) = core.config.problems.get(file.name) {
            let why = format!("failed to change {}: repair or remove it first: {problem}", file.name);
            return Response::error(500, &why).into();
        }
        changes.push(Change { file, content: Some(bytes(&next, file)), turn: None });
    }
    if changes.is_empty() {
        return answer.into();
    }
    core.notify.stage(next.clone());
    let saved = move |core: &mut Core, outcome: Result<(), String>| {
        core.notify.settle(&next, parts, outcome.is_ok(), core.now);
        match outcome {
            Ok(()) => {
                core.deliver();
                answer.into()
            }
            Err(why) => super::nodes::not_saved(&why).into(),
        }
    };
    Answer::Save(changes, Box::new(saved))
}

fn bytes(settings: &Settings, file: DataFile) -> Vec<u8> {
    if file == EMAIL { settings.email_file() } else { settings.webhooks_file() }
}

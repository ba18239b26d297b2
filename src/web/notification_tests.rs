//! Tests of channels by hand (contract state.md 7.9 and 8.5): one attempt with exactly what a real alert would send,
//! answered with the receiver's own words.

use crate::alerts::outgoing::{Item, Unit};
use crate::http::{Call, Response, socket as wire};
use crate::model::{Alert, Time};
use crate::notify::settings::{Email, Webhook, check_url};
use crate::notify::{Audience, Job, Kind, Message, Sent, TEST_DEADLINE, Target};
use crate::owner::{Answer, Core};
use serde_json::{Map, Value, json};

/// Channels tried at once by "all".
const AT_ONCE: usize = 16;

/// One channel to try.
struct Trial {
    target: Target,
    message: Message,
    job: Job,
}

impl Trial {
    fn mail(email: Email, message: Message, at: Time) -> Trial {
        Trial { target: Target::mail(&email), job: Job::try_mail(email, message.clone(), at), message }
    }
    fn webhook(webhook: Webhook, message: Message, at: Time) -> Trial {
        Trial { target: Target::webhook(&webhook), job: Job::try_webhook(webhook, message.clone(), at), message }
    }
}

/// An alert like a real one; `value` over `threshold`, raised two minutes ago.
fn sample(core: &Core, id: String, resource: &str, node: &str, figures: (f64, f64)) -> Message {
    let (value, threshold) = figures;
    let began = Time(core.now.wall.0.saturating_sub(120_000_000_000));
    let alert = Alert {
        id,
        r#type: "cpu".to_owned(),
        level: "warning".to_owned(),
        resource_id: "test-resource".to_owned(),
        resource_name: resource.to_owned(),
        node: node.to_owned(),
        instance: "pulse-monitoring".to_owned(),
        message: format!("This is a test: VM cpu at {value:.1}%"),
        value,
        threshold,
        start_time: began,
        last_seen: core.now.wall,
        metadata: Map::from_iter([("resourceType".to_owned(), json!("VM"))]),
        ..Alert::default()
    };
    let host = core.state.nodes.first().map(|n| n.host.clone()).unwrap_or_default();
    let item = Item { alert, unit: Unit::Percent, host, tags: Vec::new(), worsened: false, held: None, resolved: None };
    Message::new(Kind::Test, Audience::All, 0, core.now.wall, vec![item])
}

/// `POST /webhooks/test`: a webhook that need not be saved. Hidden values of a saved one count as what is stored.
pub fn webhook(core: &mut Core, call: &Call) -> Answer {
    let body = match call.json::<Value>() {
        Ok(body) => body,
        Err(why) => return Response::error(400, &why).into(),
    };
    let stored = body.get("id").and_then(Value::as_str).and_then(|id| core.notify.latest().webhook(id)).cloned();
    let webhook = match stored {
        Some(stored) => stored.changed_by(body),
        None => Webhook::from_body(body),
    };
    let nothing_sent = |why: &str| {
        Response::json_status(400, &json!({ "error": why, "response": "", "status": 0, "success": false })).into()
    };
    let webhook = match webhook {
        Ok(webhook) => webhook,
        Err(why) => return nothing_sent(&why),
    };
    if let Err(why) = check_url(&webhook.url) {
        return nothing_sent(&format!("Invalid webhook URL: {why}"));
    }
    if let Err(why) = crate::notify::check_template(&webhook) {
        return nothing_sent(&why);
    }
    let id = format!("test-{}", core.now.wall.unix_millis());
    let message = sample(core, id, "Test VM", "pve-node-01", (85.5, 80.0));
    let trial = Trial::webhook(webhook, message, core.now.wall);
    let work = move || {
        let sent = trial.job.run_within(TEST_DEADLINE).sent().clone();
        (trial, sent)
    };
    Answer::job_then("test webhook", work, |core, (trial, sent)| {
        core.notify.tried(&trial.target, &trial.message, &sent, core.now);
        let mut out = json!({ "status": sent.status, "response": sent.answer, "success": sent.ok() });
        if let Some(error) = &sent.error {
            out["error"] = json!(error);
        }
        Response::json_status(if sent.ok() { 200 } else { 400 }, &out).into()
    })
}

/// `POST /test`: `method` (or `type`) `email` or `webhook`; without one, or with `all`, every enabled channel.
pub fn channels(core: &mut Core, call: &Call) -> Answer {
    let body = match call.body.iter().all(u8::is_ascii_whitespace) {
        true => Value::Null,
        false => match call.json::<Value>() {
            Ok(body) => body,
            Err(why) => return Response::error(400, &why).into(),
        },
    };
    let word = |name: &str| body.get(name).and_then(Value::as_str).filter(|w| !w.is_empty());
    let trials = match word("method").or_else(|| word("type")) {
        None | Some("all") => all(core),
        Some("email") => mail(core, body.get("config").filter(|c| !c.is_null())).map(|t| vec![t]),
        Some("webhook") => one_webhook(core, word("webhookId")).map(|t| vec![t]),
        Some(other) => Err((400, format!("unknown notification method: {other}"))),
    };
    match trials {
        Ok(trials) => run(trials),
        Err((status, why)) => Response::error(status, &why).into(),
    }
}

type Refused = (u16, String);

fn all(core: &Core) -> Result<Vec<Trial>, Refused> {
    let settings = core.notify.settings().clone();
    let mut trials = Vec::new();
    if settings.email.enabled {
        trials.push(saved_mail(core)?);
    }
    for webhook in settings.webhooks.iter().filter(|w| w.enabled).take(AT_ONCE - 1) {
        trials.push(of_saved(core, webhook));
    }
    if trials.is_empty() {
        return Err((400, "no notification channels are enabled".to_owned()));
    }
    Ok(trials)
}

fn mail_sample(core: &Core) -> Message {
    sample(core, format!("test-alert-{}", core.now.wall.unix_millis()), "Test Resource", "test-node", (95.5, 90.0))
}

fn saved_mail(core: &Core) -> Result<Trial, Refused> {
    let email = core.notify.settings().email.clone();
    if !email.enabled {
        return Err((400, "email notifications are not enabled".to_owned()));
    }
    if let Some(why) = email.incomplete() {
        return Err((400, why.to_owned()));
    }
    Ok(Trial::mail(email, mail_sample(core), core.now.wall))
}

/// With a configuration that is not saved: a blank password is the stored one, but only towards the stored server and
/// user.
fn mail(core: &Core, config: Option<&Value>) -> Result<Trial, Refused> {
    let Some(config) = config else { return saved_mail(core) };
    let stored = &core.notify.settings().email;
    let email = stored.replaced_by(config.clone()).map_err(|why| (400, why))?;
    if !email.enabled {
        return Err((400, "email notifications are not enabled in the provided configuration".to_owned()));
    }
    if let Some(why) = email.incomplete() {
        return Err((400, why.to_owned()));
    }
    let blank = config.get("password").and_then(Value::as_str).unwrap_or_default().is_empty();
    let elsewhere = !email.server.eq_ignore_ascii_case(&stored.server) || email.username != stored.username;
    if blank && elsewhere && !email.username.is_empty() && !stored.password.is_empty() {
        return Err((400, "the stored password belongs to another server or user: enter the password".to_owned()));
    }
    Ok(Trial::mail(email, mail_sample(core), core.now.wall))
}

fn one_webhook(core: &Core, id: Option<&str>) -> Result<Trial, Refused> {
    let settings = core.notify.settings();
    if let Some(id) = id {
        let webhook = settings.webhook(id).ok_or_else(|| (404, "Webhook not found".to_owned()))?;
        return Ok(of_saved(core, webhook));
    }
    if settings.webhooks.is_empty() {
        return Err((400, "no webhooks configured".to_owned()));
    }
    let first = settings.webhooks.iter().find(|w| w.enabled);
    first.map(|w| of_saved(core, w)).ok_or_else(|| (400, "no enabled webhooks found".to_owned()))
}

fn of_saved(core: &Core, webhook: &Webhook) -> Trial {
    let message = sample(core, format!("test-webhook-{}", webhook.id), "Test Resource", "test-node", (85.5, 80.0));
    Trial::webhook(webhook.clone(), message, core.now.wall)
}

/// Tries all at once and answers for each; any failure makes the answer a 400 with its reason.
fn run(trials: Vec<Trial>) -> Answer {
    let work = move || {
        let sent: Vec<Sent> = std::thread::scope(|scope| {
            let threads: Vec<_> = trials.iter().map(|t| scope.spawn(|| t.job.run_within(TEST_DEADLINE))).collect();
            let lost = || Sent { error: Some("internal error".to_owned()), ..Sent::default() };
            threads.into_iter().map(|t| t.join().map_or_else(|_| lost(), |o| o.sent().clone())).collect()
        });
        trials.into_iter().zip(sent).collect::<Vec<_>>()
    };
    Answer::job_then("test channels", work, |core, tried| {
        let mut results = Vec::new();
        let mut failures = Vec::new();
        for (trial, sent) in &tried {
            core.notify.tried(&trial.target, &trial.message, sent, core.now);
            let mut result = json!({
                "channel": trial.target.channel, "name": trial.target.name, "success": sent.ok(),
                "status": sent.status, "response": sent.answer,
            });
            if let Some(error) = &sent.error {
                result["error"] = json!(error);
                failures.push(if tried.len() == 1 { error.clone() } else { format!("{}: {error}", trial.target.name) });
            }
            results.push(result);
        }
        if failures.is_empty() {
            let message = "Test notification sent";
            return Response::json(&json!({ "status": "success", "message": message, "results": results })).into();
        }
        Response::json_status(400, &json!({ "error": failures.join("; "), "results": results })).into()
    })
}

/// `POST /api/test-notification`: 4.9's sample event (contract rest.md 5.28).
pub fn socket(core: &mut Core, _: &Call) -> Answer {
    let data = json!({
        "type": "pve", "host": "test-node.example.com", "name": "Test Node", "tokenId": "test-token", "hasToken": true,
    });
    let frame = wire::message("node_auto_registered", &data, Some(Time::from_unix(core.now.unix_secs()).rfc3339()));
    core.hub.broadcast_event(&frame);
    Response::json(&json!({ "status": "notification sent" })).into()
}

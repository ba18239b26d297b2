//! `/api/alerts/…` (contract state.md 6.1, rest.md 5.29): configuration, active alerts, history, what people do with
//! alerts, and why something alerts or not.

use super::routes::{Policy, Route};
use crate::alerts::explain::explain;
use crate::alerts::history::{ENTRIES_MAX, Query};
use crate::alerts::level::Level;
use crate::http::{Body, Call, Method, Response};
use crate::json::json;
use crate::model::Time;
use crate::owner::{Answer, Core};
use serde::Deserialize;
use serde_json::Value;

const USUAL_LIMIT: usize = 100;
/// Alerts one bulk request may name.
const BULK_MAX: usize = 5_000;
/// A name longer than this is cut.
const USER_MAX: usize = 100;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/alerts/", Policy::Read, "Alert configuration and active alerts", overview).gives(r#"{"type":"object","required":["config","active","enabled"],"properties":{"config":{"type":"object"},"active":{"type":"array"},"enabled":{"type":"boolean"}}}"#),
    Route::new(Method::Post, "/api/alerts/", Policy::Manage, "Change the alert configuration", put_config).gives(r#"{"type":"object"}"#).takes(r#"{"type":"object"}"#),
    Route::new(Method::Get, "/api/alerts/config", Policy::Read, "The alert configuration", config).gives(r#"{"type":"object"}"#),
    Route::new(Method::Put, "/api/alerts/config", Policy::Manage, "Change the alert configuration", put_config).gives(r#"{"type":"object"}"#).takes(r#"{"type":"object"}"#),
    Route::new(Method::Get, "/api/alerts/active", Policy::Read, "Active alerts, newest first", active).gives(r#"{"type":"array","items":{"type":"object","required":["id","type","level","resourceId","message","startTime","acknowledged"],"properties":{"id":{"type":"string"},"type":{"type":"string"},"level":{"type":"string"},"resourceId":{"type":"string"},"message":{"type":"string"},"startTime":{"type":"string"},"acknowledged":{"type":"boolean"}}}}"#),
    Route::new(Method::Get, "/api/alerts/history", Policy::Read, "Past and active alerts, newest first", history).gives(r#"{"type":"array","items":{"type":"object","required":["id","type","level","resourceId","message","startTime","acknowledged"],"properties":{"id":{"type":"string"},"type":{"type":"string"},"level":{"type":"string"},"resourceId":{"type":"string"},"message":{"type":"string"},"startTime":{"type":"string"},"acknowledged":{"type":"boolean"}}}}"#)
        .asks(&["limit", "offset", "startTime", "endTime", "severity", "resourceId"]),
    Route::new(Method::Delete, "/api/alerts/history", Policy::Manage, "Delete the alert history", delete_history),
    Route::new(
        Method::Get,
        "/api/alerts/explain/{resourceId...}",
        Policy::Read,
        "Why a resource alerts or does not",
        why,
    ),
    Route::new(
        Method::Post,
        "/api/alerts/preview",
        Policy::Read,
        "What a configuration would have raised in the last hours",
        super::alert_preview::answer,
    )
    .takes(r#"{"type":"object"}"#),
    Route::new(Method::Post, "/api/alerts/bulk/acknowledge", Policy::Manage, "Acknowledge several alerts", bulk_ack)
        .takes(r#"{"type":"object","required":["alertIds"],"properties":{"alertIds":{"type":"array","items":{"type":"string"}},"user":{"type":"string"}}}"#),
    Route::new(Method::Post, "/api/alerts/bulk/clear", Policy::Manage, "Clear several alerts", bulk_clear)
        .takes(r#"{"type":"object","required":["alertIds"],"properties":{"alertIds":{"type":"array","items":{"type":"string"}}}}"#),
    Route::new(Method::Post, "/api/alerts/{id}/acknowledge", Policy::Manage, "Acknowledge an alert", act),
    Route::new(Method::Post, "/api/alerts/{id}/unacknowledge", Policy::Manage, "Take an acknowledgement back", act),
    Route::new(Method::Post, "/api/alerts/{id}/clear", Policy::Manage, "End an alert by hand", act),
    // Ids whose slashes were not encoded.
    Route::new(Method::Post, "/api/alerts/{path...}", Policy::Manage, "Act on an alert whose id has slashes", act),
];

fn overview(core: &mut Core, _: &Call) -> Answer {
    let engine = &core.alerts.engine;
    Response::json(&json!({
        "config": **engine.config(),
        "active": engine.active(),
        "enabled": engine.config().enabled,
    }))
    .into()
}

fn config(core: &mut Core, _: &Call) -> Answer {
    Response::json(&**core.alerts.engine.config()).into()
}

fn put_config(core: &mut Core, call: &Call) -> Answer {
    let next = match core.alerts.config.latest().after_put(&call.body) {
        Ok(next) => next,
        Err(why) => return Response::error(400, &why).into(),
    };
    core.save_alerts(
        next,
        Box::new(|_, outcome| match outcome {
            Ok(()) => Response::json(&json!({ "status": "success" })).into(),
            Err(detail) => {
                let body = json!({ "error": "Failed to save the alert configuration", "detail": detail });
                Response::json_status(500, &body).into()
            }
        }),
    )
}

fn active(core: &mut Core, _: &Call) -> Answer {
    Response::json(&core.alerts.engine.active()).cacheable().into()
}

fn history(core: &mut Core, call: &Call) -> Answer {
    let number = |name: &str| call.query.get(name).and_then(|text| text.trim().parse::<usize>().ok());
    let moment = |name: &str| call.query.get(name).and_then(read_moment);
    let query = Query {
        limit: number("limit").filter(|n| *n > 0).unwrap_or(USUAL_LIMIT).min(2 * ENTRIES_MAX),
        offset: number("offset").unwrap_or(0),
        from: moment("startTime"),
        to: moment("endTime"),
        severity: call.query.get("severity").and_then(Level::parse),
        resource_id: call.query.get("resourceId").filter(|id| !id.is_empty()).map(str::to_owned),
    };
    let bytes = core.alerts.history(&query);
    Response::new(200, "application/json", Body::Bytes(bytes)).cacheable().into()
}

/// RFC 3339, or seconds or milliseconds since 1970.
fn read_moment(text: &str) -> Option<Time> {
    /// Seconds beyond this are milliseconds: the year 5138.
    const SECONDS_MAX: i64 = 100_000_000_000;
    match text.trim().parse::<i64>() {
        Ok(number) if number.abs() < SECONDS_MAX => Some(Time::from_unix(number)),
        Ok(number) => Some(Time::from_millis(number)),
        // In a query `+02:00` arrives as ` 02:00` when the client did not encode it.
        Err(_) => Time::parse(&text.trim().replace(' ', "+")).filter(|t| t.is_set()),
    }
}

fn delete_history(core: &mut Core, _: &Call) -> Answer {
    core.alerts.delete_history(core.now.wall);
    Response::json(&json!({ "status": "success", "message": "Alert history cleared" })).into()
}

fn why(core: &mut Core, call: &Call) -> Answer {
    let id = call.param(0);
    match explain(&core.alerts.engine, &core.state, id, core.now) {
        Some(explanation) => Response::json(&explanation).into(),
        None => Response::error(404, &format!("resource not found: {id}")).into(),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Action {
    Acknowledge,
    Unacknowledge,
    Clear,
}

impl Action {
    fn parse(word: &str) -> Option<Action> {
        Some(match word {
            "acknowledge" => Action::Acknowledge,
            "unacknowledge" => Action::Unacknowledge,
            "clear" => Action::Clear,
            _ => return None,
        })
    }
}

/// The id is what stands between `/api/alerts/` and the action, with its slashes encoded or not.
fn act(core: &mut Core, call: &Call) -> Answer {
    let rest = call.raw_path.strip_prefix("/api/alerts/").unwrap_or_default();
    let (raw_id, word) = rest.rsplit_once('/').unwrap_or(("", rest));
    let Some(action) = Action::parse(word) else { return Response::error(404, "Not found").into() };
    if raw_id.is_empty() {
        return Response::error(400, "Invalid URL").into();
    }
    let id = crate::http::percent_decode(raw_id, false);
    let user = user_of(call, body_user(call));
    let found = carry_out(core, action, &id, &user);
    core.step_alerts();
    // Clearing what is not there has always succeeded.
    if !found && action != Action::Clear {
        return Response::error(404, &format!("alert not found: {id}")).into();
    }
    Response::json(&json!({ "success": true })).into()
}

fn carry_out(core: &mut Core, action: Action, id: &str, user: &str) -> bool {
    let engine = &mut core.alerts.engine;
    match action {
        Action::Acknowledge => engine.acknowledge(id, user, core.now),
        Action::Unacknowledge => engine.unacknowledge(id),
        Action::Clear => engine.clear(id, core.now),
    }
}

/// `{"user": …}` of a body that may be anything.
fn body_user(call: &Call) -> Option<String> {
    let value: Value = serde_json::from_slice(&call.body).ok()?;
    value.get("user")?.as_str().map(str::to_owned)
}

/// Who is logged in; else whom the request names; else 4.9's `admin`.
fn user_of(call: &Call, named: Option<String>) -> String {
    let actor = Some(call.who.actor.clone()).filter(|a| !a.is_empty() && a != "anonymous");
    let user = actor.or(named.filter(|n| !n.trim().is_empty())).unwrap_or_else(|| "admin".to_owned());
    user.chars().filter(|c| !c.is_control()).take(USER_MAX).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bulk {
    #[serde(default)]
    alert_ids: Option<Vec<String>>,
    #[serde(default)]
    user: Option<String>,
}

fn bulk_ack(core: &mut Core, call: &Call) -> Answer {
    bulk(core, call, Action::Acknowledge)
}

fn bulk_clear(core: &mut Core, call: &Call) -> Answer {
    bulk(core, call, Action::Clear)
}

fn bulk(core: &mut Core, call: &Call, action: Action) -> Answer {
    let Ok(request) = serde_json::from_slice::<Bulk>(&call.body) else {
        return Response::error(400, "Invalid request body").into();
    };
    let ids = request.alert_ids.unwrap_or_default();
    if ids.is_empty() {
        return Response::error(400, "No alert IDs provided").into();
    }
    if ids.len() > BULK_MAX {
        return Response::error(400, &format!("At most {BULK_MAX} alert IDs")).into();
    }
    let user = user_of(call, request.user);
    let outcome = |id: String, found: bool| match found || action == Action::Clear {
        true => json!({ "alertId": id, "success": true }),
        false => json!({ "alertId": id, "success": false, "error": format!("alert not found: {id}") }),
    };
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        let found = carry_out(core, action, &id, &user);
        results.push(outcome(id, found));
    }
    core.step_alerts();
    Response::json(&json!({ "results": results })).into()
}

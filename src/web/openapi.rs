//! `/api/openapi.json`: the API described in OpenAPI 3.1, made from the very table that routes and guards.

use super::router;
use super::routes::{Limit, Policy, Route};
use crate::http::{Call, Method, Response, Shared};
use crate::json::json;
use crate::owner::{Answer, Core};
use crate::update::VERSION;
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};

pub const ROUTES: &[Route] =
    &[Route::new(Method::Get, "/api/openapi.json", Policy::Open, "This description", show)
        .gives(r#"{"type":"object"}"#)];

fn show(_: &mut Core, _: &Call) -> Answer {
    // The table is fixed when the program is built, so the document is written once.
    static DOCUMENT: OnceLock<Arc<Shared>> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| Arc::new(Shared::new(document().to_string().into_bytes())));
    Response::shared_json(document.clone()).into()
}

/// The whole description.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in router::routes() {
        let path = paths.entry(path_of(route)).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pulse",
            "version": VERSION,
            "description": "Watches Proxmox VE and Proxmox Backup Server. Every failure is JSON with a key error.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": { "Error": {
                "type": "object",
                "required": ["error"],
                "properties": {
                    "error": { "type": "string" },
                    "code": { "type": "string" },
                    "status_code": { "type": "integer" },
                    "timestamp": { "type": "integer" },
                    "message": { "type": "string" },
                },
            } },
            "securitySchemes": {
                "token": { "type": "apiKey", "in": "header", "name": "X-API-Token" },
                "bearer": { "type": "http", "scheme": "bearer" },
                "query": { "type": "apiKey", "in": "query", "name": "token" },
                "basic": { "type": "http", "scheme": "basic" },
                "session": { "type": "apiKey", "in": "cookie", "name": "pulse_session" },
                "csrf": { "type": "apiKey", "in": "header", "name": "X-CSRF-Token" },
                "recovery": { "type": "apiKey", "in": "header", "name": "X-Recovery-Token" },
            },
        },
    })
}

/// `{rest...}` is a plain place to OpenAPI.
fn path_of(route: &Route) -> String {
    route.path.replace("...}", "}")
}

fn operation(route: &Route) -> Value {
    let mut out = json!({
        "operationId": id_of(route),
        "summary": route.summary,
        "tags": [tag_of(route)],
        "security": security(route),
        "responses": responses(route),
    });
    let mut parameters: Vec<Value> = places(route).map(|name| parameter(name, "path")).collect();
    parameters.extend(route.asks.iter().map(|name| parameter(name, "query")));
    if let (false, Some(out)) = (parameters.is_empty(), out.as_object_mut()) {
        out.insert("parameters".to_owned(), parameters.into());
    }
    if let (Some(schema), Some(out)) = (schema(route.takes), out.as_object_mut()) {
        let body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        out.insert("requestBody".to_owned(), body);
    }
    out
}

fn parameter(name: &str, place: &str) -> Value {
    json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": "string" } })
}

/// `getApiConfigNodesId`: unique, because method and path are.
fn id_of(route: &Route) -> String {
    let mut id = route.method.as_str().to_ascii_lowercase();
    for word in path_of(route).split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
        let mut letters = word.chars();
        id.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        id.push_str(letters.as_str());
    }
    if route.path.len() > 1 && route.path.ends_with('/') {
        id.push_str("All");
    }
    id
}

fn tag_of(route: &Route) -> &str {
    let mut words = route.path.split('/').filter(|w| !w.is_empty());
    match words.next() {
        Some("api") => words.next().unwrap_or("api"),
        Some(other) => other,
        None => "page",
    }
}

fn places(route: &Route) -> impl Iterator<Item = &str> {
    let inside = |part: &'static str| part.strip_prefix('{')?.strip_suffix('}');
    route.path.split('/').filter_map(inside).map(|name| name.trim_end_matches("..."))
}

fn schema(text: &str) -> Option<Value> {
    if text.is_empty() { None } else { serde_json::from_str(text).ok() }
}

/// What a route takes; a list is "one of", an object in it "all of".
fn security(route: &Route) -> Value {
    let session = if route.method.is_safe() { json!({ "session": [] }) } else { json!({ "session": [], "csrf": [] }) };
    let known = json!([{ "token": [] }, { "bearer": [] }, { "query": [] }, { "basic": [] }, session]);
    match route.policy {
        Policy::Open | Policy::FirstRun => json!([]),
        Policy::Local => json!([{}, { "recovery": [] }]),
        Policy::Read | Policy::Scrape | Policy::Manage | Policy::Export => known,
    }
}

fn words(status: u16) -> &'static str {
    match status {
        101 => "The connection is a WebSocket now",
        201 => "Created",
        204 => "Done, and nothing to say",
        302 => "Somewhere else; see Location",
        400 => "The request cannot be understood",
        401 => "Who asks is not known",
        404 => "There is no such thing",
        409 => "It is there already, or something else is under way",
        _ => "It cannot be done",
    }
}

fn responses(route: &Route) -> Value {
    let mut out = Map::new();
    let done = match schema(route.gives) {
        Some(schema) => json!({ "description": "Done", "content": { "application/json": { "schema": schema } } }),
        None => json!({ "description": "Done" }),
    };
    out.insert("200".to_owned(), done);
    let mut failure = |status: &str, text: &str| {
        let schema = json!({ "schema": { "$ref": "#/components/schemas/Error" } });
        let mut content = json!({ "application/json": schema });
        // Outside /api/ who does not ask for JSON is told in plain words.
        if let (false, Some(kinds)) = (route.path.starts_with("/api/"), content.as_object_mut()) {
            kinds.insert("text/plain".to_owned(), json!({ "schema": { "type": "string" } }));
        }
        out.insert(status.to_owned(), json!({ "description": text, "content": content }));
    };
    if !route.method.is_safe() {
        failure("400", "The request cannot be understood");
    }
    if !matches!(route.policy, Policy::Open | Policy::Local) {
        failure("401", "Who asks is not known");
    }
    if route.policy != Policy::Open || !route.method.is_safe() {
        failure("403", "Who asks may not do this, the CSRF token is wrong, or logins are locked");
    }
    if places(route).next().is_some() {
        failure("404", "There is no such thing");
    }
    if route.limit != Limit::None {
        failure("429", "Asked too often; Retry-After says when to come back");
    }
    failure("500", "Something went wrong here");
    for status in route.also.iter().filter(|s| **s >= 400) {
        failure(&status.to_string(), words(*status));
    }
    for status in route.also.iter().filter(|s| **s < 400) {
        out.insert(status.to_string(), json!({ "description": words(*status) }));
    }
    Value::Object(out)
}

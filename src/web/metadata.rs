//! What people attach to guests: links, descriptions, tags, notes (contract rest.md 5.8). Which entry belongs to which
//! guest is decided in `config`.

use super::routes::{Policy, Route};
use crate::config::{GuestMetadata, GuestNote};
use crate::http::Body;
use crate::http::{Call, Method, Response};
use crate::json::json;
use crate::model::Guest;
use crate::owner::{Answer, Core};

const ALL: &str = "/api/guests/metadata";
const ALL_SLASH: &str = "/api/guests/metadata/";
const ONE: &str = "/api/guests/metadata/{id...}";

const GUEST: &str = r#"{"type":"object","properties":{"consoleUrl":{"type":"string"},"notes":{"type":"string"}}}"#;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, ALL, Policy::Read, "What is attached to all guests", all).gives(r#"{"type":"object"}"#),
    Route::new(Method::Get, ALL_SLASH, Policy::Read, "What is attached to all guests", all)
        .gives(r#"{"type":"object"}"#),
    Route::new(Method::Put, ALL_SLASH, Policy::Manage, "Asks for an id", id_required),
    Route::new(Method::Post, ALL_SLASH, Policy::Manage, "Asks for an id", id_required),
    Route::new(Method::Delete, ALL_SLASH, Policy::Manage, "Asks for an id", id_required),
    Route::new(Method::Get, ONE, Policy::Read, "What is attached to a guest", one)
        .gives(r#"{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}"#),
    Route::new(Method::Put, ONE, Policy::Manage, "Attach to a guest, replacing what was there", put).takes(GUEST),
    Route::new(Method::Post, ONE, Policy::Manage, "Attach to a guest, replacing what was there", put).takes(GUEST),
    Route::new(Method::Delete, ONE, Policy::Manage, "Remove what is attached to a guest", remove).also(&[204]),
];

/// Every guest there is, for finding entries by the other ids of a guest.
fn guests(core: &Core) -> Vec<&Guest> {
    core.state.guests().collect()
}

fn all(core: &mut Core, _: &Call) -> Answer {
    Response::json(&core.config.guests.get().to_wire(&guests(core))).cacheable().into()
}

fn one(core: &mut Core, call: &Call) -> Answer {
    let id = call.param(0);
    let body = match core.config.guests.get().get(id, &guests(core)) {
        Some(note) => note.to_wire(id),
        None => GuestNote::default().to_wire(id),
    };
    Response::json(&body).into()
}

fn id_required(_: &mut Core, _: &Call) -> Answer {
    Response::error(400, "Guest ID required").into()
}

fn put(core: &mut Core, call: &Call) -> Answer {
    let id = call.param(0).to_owned();
    let note = match GuestNote::read(&call.body) {
        Ok(note) => note,
        Err(words) => return Response::error(400, &words).into(),
    };
    let shown = note.to_wire(&id);
    let mut next = GuestMetadata::clone(core.config.guests.latest());
    if let Err(words) = next.put(&id, note, &guests(core)) {
        return Response::error(400, &words).into();
    }
    core.save_guests(
        next,
        Box::new(move |_, outcome| match outcome {
            Ok(()) => Response::json(&shown).into(),
            Err(detail) => failed("Failed to save metadata", &detail),
        }),
    )
}

fn remove(core: &mut Core, call: &Call) -> Answer {
    let mut next = GuestMetadata::clone(core.config.guests.latest());
    next.remove(call.param(0), &guests(core));
    if next == **core.config.guests.latest() {
        return gone();
    }
    core.save_guests(
        next,
        Box::new(|_, outcome| match outcome {
            Ok(()) => gone(),
            Err(detail) => failed("Failed to delete metadata", &detail),
        }),
    )
}

fn gone() -> Answer {
    Response { status: 204, headers: Vec::new(), body: Body::Bytes(Vec::new()), cacheable: false }.into()
}

fn failed(words: &str, detail: &str) -> Answer {
    Response::json_status(500, &json!({ "error": words, "detail": detail })).into()
}

//! From a call to its handler: the one table of routes decides.

use super::routes::Route;
use super::{assets, metadata, nodes, settings, state, transfer};
use crate::http::{Call, Method, Response};
use crate::owner::{Answer, Core};

/// Every area's routes.
const AREAS: &[&[Route]] = &[state::ROUTES, nodes::ROUTES, settings::ROUTES, metadata::ROUTES, transfer::ROUTES];

/// Answers a call.
pub fn handle(core: &mut Core, mut call: Call) -> Answer {
    if call.path == "/ws" {
        return Response::new(101, "text/plain", crate::http::Body::Static(b"")).into();
    }
    let mut other_method = false;
    for route in AREAS.iter().copied().flatten() {
        if let Some(params) = matches(route.path, &call.path) {
            if route.method == call.method || (call.method == Method::Head && route.method == Method::Get) {
                call.params = params;
                call.who.read = true;
                return (route.handler)(core, &call);
            }
            other_method = true;
        }
    }
    if other_method {
        return Response::error(405, "Method not allowed").into();
    }
    assets::serve(&call).unwrap_or_else(|| Response::error(404, "404 page not found")).into()
}

fn matches(pattern: &str, path: &str) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let mut rest = path;
    for part in pattern.split('/').skip(1) {
        rest = rest.strip_prefix('/')?;
        if part.ends_with("...}") {
            return (!rest.is_empty()).then(|| {
                params.push(rest.to_owned());
                params
            });
        }
        let end = rest.find('/').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if part.starts_with('{') {
            if word.is_empty() {
                return None;
            }
            params.push(word.to_owned());
        } else if part != word {
            return None;
        }
        rest = after;
    }
    rest.is_empty().then_some(params)
}

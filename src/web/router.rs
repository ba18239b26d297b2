//! One table for all areas: what a method and a path lead to. Nothing here knows who asks; `guard` is handed the very
//! route that was found, so the path that is guarded is the path that is served.

use super::routes::Route;
use crate::http::{Call, Method, Response, percent_decode};
use crate::owner::{Answer, Core};

/// The route tables of all areas, one a line.
#[rustfmt::skip]
pub const AREAS: &[&[Route]] = &[
    super::state::ROUTES,
    super::charts::ROUTES,
    super::nodes::ROUTES,
    super::settings::ROUTES,
    super::metadata::ROUTES,
    super::transfer::ROUTES,
    super::sockets::ROUTES,
    super::alerts::ROUTES,
    super::notifications::ROUTES,
    super::login::ROUTES,
    super::account::ROUTES,
    super::security::ROUTES,
    super::recovery::ROUTES,
    super::openapi::ROUTES,
    super::setup::ROUTES,
    super::updates::ROUTES,
    super::discover::ROUTES,
    super::diagnostics::ROUTES,
    super::metrics::ROUTES,
];

/// Every route there is.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    AREAS.iter().copied().flatten()
}

/// Answers one request: guard, handler, headers.
pub fn handle(core: &mut Core, call: Call) -> Answer {
    let way = find(call.method, &call.raw_path);
    super::guard::enter(core, call, way, serve)
}

/// What is behind the guard.
fn serve(core: &mut Core, mut call: Call, way: Way) -> Answer {
    match way {
        Way::Route(route, params) => {
            call.params = params;
            (route.handler)(core, &call)
        }
        Way::Page => super::assets::serve(&call).unwrap_or_else(|| dead_end(&Way::Nowhere, &call, 0)).into(),
        way => dead_end(&way, &call, core.now.unix_secs()).into(),
    }
}

/// Where a method and a path lead.
#[derive(Clone)]
pub enum Way {
    Route(&'static Route, Vec<String>),
    /// The path is known, the method is not; these are.
    WrongMethod(Vec<&'static Route>),
    /// The same place under its proper path.
    Moved(String),
    /// A path of ours under which there is nothing.
    Nowhere,
    /// Not an API path: the page and its files.
    Page,
}

/// Finds the way of a path as it was sent (without query). HEAD goes where GET goes.
pub fn find(method: Method, raw_path: &str) -> Way {
    let raw_path = if raw_path.is_empty() { "/" } else { raw_path };
    let segments = split(raw_path);
    if let Some(clean) = cleaned(&segments) {
        return Way::Moved(clean);
    }
    let wanted = if method == Method::Head { Method::Get } else { method };
    let mut known = Vec::new();
    let mut best: Option<(&'static Route, Vec<String>)> = None;
    for route in routes() {
        let Some(params) = matches(route.path, &segments) else { continue };
        if route.method != wanted {
            known.push(route);
        } else if best.as_ref().is_none_or(|(b, _)| rank(route.path) < rank(b.path)) {
            best = Some((route, params));
        }
    }
    match best {
        Some((route, params)) => Way::Route(route, params),
        None if !known.is_empty() => Way::WrongMethod(known),
        None if is_page(&segments) => Way::Page,
        None => match with_slash(&segments) {
            true => Way::Moved(encode(&segments) + "/"),
            false => Way::Nowhere,
        },
    }
}

/// The decoded segments: a `%2F` inside one is part of a name, never a border.
fn split(raw_path: &str) -> Vec<String> {
    raw_path.strip_prefix('/').unwrap_or(raw_path).split('/').map(|s| percent_decode(s, false)).collect()
}

/// The path without empty, `.` and `..` segments, when it has any (a slash at the end is none).
fn cleaned(segments: &[String]) -> Option<String> {
    let is_odd = |(at, s): (usize, &String)| s == "." || s == ".." || (s.is_empty() && at + 1 < segments.len());
    if !segments.iter().enumerate().any(is_odd) {
        return None;
    }
    let mut clean: Vec<String> = Vec::new();
    for segment in segments {
        match segment.as_str() {
            "" | "." => {}
            ".." => drop(clean.pop()),
            _ => clean.push(segment.clone()),
        }
    }
    let folder = matches!(segments.last().map(String::as_str), Some("" | "." | ".."));
    let slash = if folder && !clean.is_empty() { "/" } else { "" };
    Some(encode(&clean) + slash)
}

/// A path that is safe in a `Location` header: one slash in front, nothing but plain characters.
fn encode(segments: &[String]) -> String {
    let mut out = String::from("/");
    for (at, segment) in segments.iter().enumerate() {
        if at > 0 {
            out.push('/');
        }
        out += &escape(segment);
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for &b in text.as_bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'@' => out.push(b.into()),
            _ => out += &format!("%{b:02X}"),
        }
    }
    out
}

/// The values of the pattern's places, when the path fits.
fn matches(pattern: &str, segments: &[String]) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let mut rest = segments.iter();
    let mut parts = pattern.strip_prefix('/').unwrap_or(pattern).split('/');
    loop {
        match (parts.next(), rest.next()) {
            (None, None) => return Some(params),
            (None, Some(_)) | (Some(_), None) => return None,
            (Some(part), Some(segment)) => match place(part) {
                Place::Literal if part == segment => {}
                Place::One if !segment.is_empty() => params.push(segment.clone()),
                Place::Rest if !segment.is_empty() => {
                    let mut all = segment.clone();
                    for more in rest.by_ref() {
                        all.push('/');
                        all.push_str(more);
                    }
                    params.push(all);
                }
                _ => return None,
            },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Literal,
    One,
    Rest,
}

fn place(part: &str) -> Place {
    match part.strip_prefix('{') {
        Some(name) if name.ends_with("...}") => Place::Rest,
        Some(_) => Place::One,
        None => Place::Literal,
    }
}

/// Literal segments win over `{x}`, `{x}` over `{rest...}`, from the left.
fn rank(pattern: &str) -> Vec<Place> {
    pattern.split('/').map(place).collect()
}

/// Some route is this path with a slash at its end (`/api/storage` of `/api/storage/`).
fn with_slash(segments: &[String]) -> bool {
    let mut slashed = segments.to_vec();
    slashed.push(String::new());
    routes().any(|r| r.path.ends_with('/') && matches(r.path, &slashed).is_some())
}

/// Everything that is not under `/api/`, `/ws` or `/socket.io/` belongs to the page (`/api` itself too, as in 4.9).
fn is_page(segments: &[String]) -> bool {
    match segments {
        [only] => !only.starts_with("ws"),
        [first, ..] => !(matches!(first.as_str(), "api" | "socket.io") || first.starts_with("ws")),
        [] => true,
    }
}

/// What a way answers that leads to no handler. The page is not among them.
fn dead_end(way: &Way, call: &Call, unix_secs: i64) -> Response {
    match way {
        Way::Moved(to) => moved(to, call),
        Way::WrongMethod(known) => wrong_method(known, unix_secs),
        _ => Response::error(404, "404 page not found"),
    }
}

fn moved(to: &str, call: &Call) -> Response {
    let mut to = to.to_owned();
    for (at, (name, value)) in call.query.all().iter().enumerate() {
        to.push(if at == 0 { '?' } else { '&' });
        to += &format!("{}={}", escape(name), escape(value));
    }
    Response::json_status(301, &crate::json::json!({ "location": to })).with("Location", to)
}

/// 4.9's texts: a route with a single method names it.
fn wrong_method(known: &[&'static Route], unix_secs: i64) -> Response {
    let mut allow: Vec<&str> = Vec::new();
    for route in known {
        if !allow.contains(&route.method.as_str()) {
            allow.push(route.method.as_str());
        }
    }
    let message = match allow.as_slice() {
        [only] => format!("Only {only} method is allowed"),
        _ => "Method not allowed".to_owned(),
    };
    if allow.contains(&"GET") {
        allow.push("HEAD");
    }
    allow.push("OPTIONS");
    Response::coded_error(405, "method_not_allowed", &message, unix_secs).with("Allow", allow.join(", "))
}

//! The way to a WebSocket: `/ws`, and the small part of Socket.IO that 4.9 speaks (contract rest.md 14). The door asks
//! here with the request that wants to become a socket; 101 lets it.

use super::headers;
use super::hub::SESSION_HEADER;
use super::routes::{Limit, Policy, Route};
use crate::auth::audit::Outcome;
use crate::auth::entry;
use crate::auth::peer::{self, parse_address};
use crate::http::{Body, Call, Method, Response};
use crate::owner::{Answer, Core};

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/ws", Policy::Read, "WebSocket: the whole state, then what changes", socket)
        .limited(Limit::Socket)
        .also(&[101, 400]),
    Route::new(Method::Get, "/socket.io/", Policy::Read, "Socket.IO shim", shim)
        .limited(Limit::Socket)
        .also(&[101, 302, 400]),
    Route::new(Method::Get, "/socket.io/{rest...}", Policy::Read, "Socket.IO shim", shim)
        .limited(Limit::Socket)
        .also(&[101, 302, 400]),
];

/// Where 4.9 sends who asks it for Socket.IO's own script.
const SCRIPT: &str = "https://cdn.socket.io/4.8.1/socket.io.min.js";

fn socket(core: &mut Core, call: &Call) -> Answer {
    let wants = call.header("upgrade").is_some_and(|u| u.eq_ignore_ascii_case("websocket"));
    if !wants {
        return Response::error(400, "Bad Request").into();
    }
    if !may_open(core, call) {
        let entry = entry("websocket", call, &call.who.actor, Outcome::Failure, "Origin not allowed", core.now);
        core.doors.note_seldom(entry, call.peer, core.now);
        return Response::error(403, "Forbidden").into();
    }
    Response::new(101, "text/plain; charset=utf-8", Body::Static(b"")).with(SESSION_HEADER, call.who.key.clone()).into()
}

fn shim(core: &mut Core, call: &Call) -> Answer {
    if call.path.contains("socket.io.js") {
        return Response::text(302, "").with("Location", SCRIPT).into();
    }
    match call.query.get("transport") {
        Some("websocket") => socket(core, call),
        Some("polling") => polling(core, call).into(),
        _ => Response::text(302, "").with("Location", "/ws").into(),
    }
}

/// 4.9's handshake: it names a session that leads nowhere, and clients then upgrade.
fn polling(core: &Core, call: &Call) -> Response {
    let body = if call.query.get("sid").is_some() {
        "6".to_owned()
    } else {
        let sid = core.now.wall.0;
        format!(r#"0{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":60000}}"#)
    };
    Response::new(200, "text/plain; charset=UTF-8", Body::Bytes(body.into_bytes()))
}

/// Whether the page that asks may have a socket. No `Origin`: not a browser. The host asked itself, and listed origins:
/// yes. Any other: never with what a browser sends by itself (a cookie, Basic, a proxy's sign-on), because then any
/// website could read the state of a visitor's network; otherwise as 4.9 has it, pages of private hosts.
fn may_open(core: &Core, call: &Call) -> bool {
    let settings = &core.config.settings;
    let Some(origin) = call.header("origin") else { return true };
    let asked = peer::origin(call, &settings.trusted_proxies);
    if headers::is_same_origin(origin, &asked.host) || headers::is_listed(settings, origin) {
        return true;
    }
    let by_itself = ["session:", "account:", "proxy:", "recovery:"].iter().any(|kind| call.who.key.starts_with(kind));
    if by_itself {
        return false;
    }
    headers::is_any_listed(settings) || settings.allowed_origins.is_empty() && is_private_origin(origin)
}

/// `localhost`, a private address, or a short name under `.local` or `.lan`.
fn is_private_origin(origin: &str) -> bool {
    let Some((_, host)) = origin.split_once("://") else { return false };
    if let Some(ip) = parse_address(host) {
        return peer::is_private(ip);
    }
    let name = host.split(':').next().unwrap_or("").to_ascii_lowercase();
    let labels = name.split('.').count();
    name == "localhost" || (labels <= 3 && (name.ends_with(".local") || name.ends_with(".lan")))
}

#[cfg(test)]
mod tests {
    use super::is_private_origin;

    #[test]
    fn private_hosts_are_known_by_address_or_name() {
        for yes in [
            "http://localhost:5173",
            "http://192.168.1.4",
            "https://[fd00::2]:8443",
            "http://nas.lan",
            "http://a.b.local:80",
        ] {
            assert!(is_private_origin(yes), "{yes}");
        }
        for no in [
            "null",
            "https://evil.example",
            "http://8.8.8.8",
            "http://a.b.c.local",
            "http://localhost.evil.example",
            "http://lan",
        ] {
            assert!(!is_private_origin(no), "{no}");
        }
    }
}

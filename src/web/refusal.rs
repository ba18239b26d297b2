//! How a request is turned away: the texts and statuses of 4.9, one body each, always an `error` in it.

use crate::auth::identify::{How, Known};
use crate::http::{Body, Call, Response};
use crate::json::json;
use crate::owner::Core;
use std::time::Duration;

/// Nobody is known, or what was given is wrong (contract rest.md 1.6: this body has no newline).
pub fn not_known(core: &Core, call: &Call) -> Response {
    let api = call.path.starts_with("/api/") || call.header("accept").is_some_and(|a| a.contains("application/json"));
    if !api {
        return Response::text(401, "Authentication required\n");
    }
    if core.doors.is_token_only(&core.config.settings) {
        return Response::error(401, "API token required")
            .with("WWW-Authenticate", "Bearer realm=\"API Token Required\"");
    }
    Response::new(401, "application/json", Body::Static(br#"{"error":"Authentication required"}"#))
}

/// The right to do this is missing.
pub fn denied(core: &Core, call: &Call, known: &Known) -> Response {
    match known.how {
        How::Stranger => Response::error(
            403,
            "This Pulse has no credentials yet and answers only private networks; set it up first, or set \
             PULSE_TRUSTED_NETWORKS",
        ),
        How::Proxy => Response::error(403, "Admin role required: you may read but not change anything"),
        How::Token => Response::error(403, "This API token lacks the scope for this request"),
        _ if known.who.authenticated => Response::error(403, "You may not do this"),
        _ => not_known(core, call),
    }
}

/// Export and import have texts of their own (5.19); `API_TOKEN` in one makes 4.9's page ask for it.
pub fn no_export(core: &Core, call: &Call, known: &Known) -> Response {
    if matches!(known.how, How::Proxy | How::Token) {
        return denied(core, call, known);
    }
    if core.doors.is_unclaimed(&core.config.settings) {
        let what = if call.path.ends_with("import") { "Import" } else { "Export" };
        return Response::error(403, &format!("{what} requires authentication on public networks"));
    }
    Response::error(401, "Unauthorized - please log in or provide API token (API_TOKEN)")
}

/// Too many wrong passwords, on a request with a Basic header (2.10).
pub fn locked(core: &Core, left_ms: u64) -> Response {
    Response::json_status(
        403,
        &json!({
            "error": "Account temporarily locked",
            "message": format!("Too many failed attempts. Please try again in {} minutes.", minutes(left_ms)),
            "lockedUntil": core.now.plus(Duration::from_millis(left_ms)).wall,
        }),
    )
    .with("Retry-After", left_ms.div_ceil(1000).to_string())
}

/// Whole minutes, at least one.
pub fn minutes(ms: u64) -> u64 {
    ms.div_ceil(60_000).max(1)
}

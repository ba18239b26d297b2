//! Which limit counts a request (contract rest.md 2.9, with the public document's numbers), and the answer over it.
//! Routes name their class; no path is ever searched for words (in 4.9 a guest called `ws` fell to five a minute).

use super::router::Way;
use super::routes::Limit;
use crate::auth::audit::Outcome;
use crate::auth::entry;
use crate::auth::limits::{Rate, Refused};
use crate::auth::peer::counted;
use crate::http::{Call, Response};
use crate::owner::Core;
use std::time::Duration;

const GENERAL: Rate = Rate::per_minute(500);

/// Counts a request in the general limit and in that of its class.
pub fn count(core: &mut Core, call: &Call, way: &Way) -> Result<(), Response> {
    let class = match way {
        Way::Page => return Ok(()),
        Way::Route(route, _) => route.limit,
        _ => Limit::General,
    };
    if class == Limit::None {
        return Ok(());
    }
    let own = match class {
        Limit::Auth => Some(("auth", Rate::per_minute(10), "Too many requests. Please wait before trying again.")),
        Limit::Export => Some(("export", Rate::per_minute(5), "Rate limit exceeded. Please try again later.")),
        Limit::TestMail => Some(("test mail", Rate::per_minute(10), "Rate limit exceeded. Please try again later.")),
        Limit::UpdateCheck => {
            Some(("update check", Rate::per_hour(10), "Rate limit exceeded. Please try again later."))
        }
        Limit::Socket => Some(("socket", Rate::per_minute(30), "Rate limit exceeded. Please try again later.")),
        Limit::General | Limit::None => None,
    };
    take(core, call, "general", GENERAL, "Rate limit exceeded")?;
    own.map_or(Ok(()), |(kind, rate, message)| take(core, call, kind, rate, message))
}

fn take(core: &mut Core, call: &Call, kind: &'static str, rate: Rate, message: &str) -> Result<(), Response> {
    let peer = counted(call.peer);
    core.doors.limits.take(kind, peer, rate, core.now.mono_ms).map_err(|refused| {
        let details = if kind == "auth" { "Auth rate limit exceeded" } else { "Rate limit exceeded" };
        let entry = entry("rate_limit", call, "", Outcome::Failure, details, core.now);
        core.doors.note_seldom(entry, call.peer, core.now);
        over(core, call, refused, message)
    })
}

/// 429. The login form of 4.9 shows `message` and falls back to Basic when the body is no JSON.
fn over(core: &Core, call: &Call, refused: Refused, message: &str) -> Response {
    let body = if call.path == "/api/login" {
        crate::json::json!({ "error": "rate_limit", "message": message })
    } else {
        crate::json::json!({ "error": message })
    };
    let reset = core.now.plus(Duration::from_secs(refused.retry_secs)).wall.rfc3339();
    Response::json_status(429, &body)
        .with("Retry-After", refused.retry_secs.to_string())
        .with("X-RateLimit-Limit", refused.limit.to_string())
        .with("X-RateLimit-Remaining", "0")
        .with("X-RateLimit-Reset", reset)
}

//! Logging in and out (contract rest.md 5.20). A password is compared on the thread for heavy work.

use super::headers;
use super::refusal::minutes;
use super::routes::{Limit, Policy, Route};
use crate::auth::audit::Outcome;
use crate::auth::credentials::{Check, bcrypt_matches};
use crate::auth::lockout::{Attempts, LOCK_MS, MOST_ATTEMPTS};
use crate::auth::{entry, peer};
use crate::config::Secret;
use crate::config::fields::Fields;
use crate::http::{Call, Method, Response};
use crate::json::json;
use crate::owner::{Answer, Core};
use std::time::Duration;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Post, "/api/login", Policy::Open, "Log in with user name and password", login)
        .also(&[401])
        .limited(Limit::Auth)
        .takes(r#"{"type":"object","required":["username","password"],"properties":{"username":{"type":"string"},"password":{"type":"string"}}}"#)
        .gives(r#"{"type":"object","properties":{"success":{"type":"boolean"},"message":{"type":"string"}}}"#),
    Route::new(Method::Post, "/api/logout", Policy::Read, "End the session", logout).limited(Limit::Auth),
];

fn login(core: &mut Core, call: &Call) -> Answer {
    let read = || -> Result<_, String> {
        let mut f = Fields::of_body(&call.body)?;
        let user = f.text("username")?.unwrap_or_default();
        Ok((user, Secret::new(f.text("password")?.unwrap_or_default())))
    };
    let Ok((user, password)) = read() else {
        return Response::coded_error(400, "invalid_request", "Invalid request body", core.now.unix_secs()).into();
    };
    if let Some(left_ms) = core.doors.locked_ms(call.peer, core.now) {
        core.doors.note(entry("login", call, &user, Outcome::Failure, "Account locked", core.now));
        return locked(core, left_ms).into();
    }
    if !core.doors.credentials.has_account() {
        return decided(core, call, &user, false);
    }
    let (right_user, check) = core.doors.credentials.check(&user, password.expose());
    let call = call.clone();
    match check {
        Check::Known(right) => decided(core, &call, &user, right_user && right),
        Check::Bcrypt(hash) => Answer::heavy_then(
            "compare a password",
            move || bcrypt_matches(password.expose(), &hash),
            move |core, right| decided(core, &call, &user, right_user & right),
        ),
    }
}

fn decided(core: &mut Core, call: &Call, user: &str, right: bool) -> Answer {
    // Comparisons that were under way when the lock fell do not count as further tries.
    if let Some(left_ms) = core.doors.locked_ms(call.peer, core.now) {
        return locked(core, left_ms).into();
    }
    if !right {
        let attempts = core.doors.login_failed(call.peer, user, core.now);
        core.doors.note(entry("login", call, user, Outcome::Failure, "Invalid credentials", core.now));
        return wrong(attempts).into();
    }
    core.doors.login_succeeded(call.peer);
    let ticket = match core.doors.begin_session(user, call, core.now) {
        Ok(ticket) => ticket,
        Err(e) => return Response::error(500, &e).into(),
    };
    core.doors.note(entry("login", call, user, Outcome::Success, "Successful login", core.now));
    let settings = &core.config.settings;
    let [session, csrf] = headers::session_cookies(&ticket, &peer::origin(call, &settings.trusted_proxies), settings);
    Response::json(&json!({ "message": "Successfully logged in", "success": true }))
        .with("Set-Cookie", session)
        .with("Set-Cookie", csrf)
        .with("Cache-Control", "no-store")
        .into()
}

fn locked(core: &Core, left_ms: u64) -> Response {
    let left = minutes(left_ms);
    Response::json_status(
        403,
        &json!({
            "error": "account_locked",
            "message": format!("Too many failed attempts. Account is locked for {left} more minutes."),
            "lockedUntil": core.now.plus(Duration::from_millis(left_ms)).wall,
            "remainingMinutes": left,
        }),
    )
    .with("Retry-After", left_ms.div_ceil(1000).to_string())
}

fn wrong(attempts: Attempts) -> Response {
    if attempts.locked() {
        let time = format!("{} minutes", minutes(LOCK_MS));
        return Response::json_status(
            401,
            &json!({
                "error": "invalid_credentials",
                "message": format!("Invalid username or password. Account is now locked for {time}."),
                "locked": true,
                "lockoutDuration": time,
                "attempts": attempts.used,
                "remaining": 0,
                "maxAttempts": MOST_ATTEMPTS,
            }),
        );
    }
    let left = attempts.remaining;
    let plural = if left == 1 { "attempt" } else { "attempts" };
    Response::json_status(
        401,
        &json!({
            "error": "invalid_credentials",
            "message": format!("Invalid username or password. You have {left} {plural} remaining."),
            "attempts": attempts.used,
            "remaining": left,
            "maxAttempts": MOST_ATTEMPTS,
        }),
    )
}

fn logout(core: &mut Core, call: &Call) -> Answer {
    if let Some(id) = &call.who.session {
        core.doors.sessions.end(id);
        core.close_ended_sockets();
    }
    core.doors.note(entry("logout", call, &call.who.actor, Outcome::Success, "", core.now));
    let settings = &core.config.settings;
    let [session, csrf] = headers::ended_cookies(&peer::origin(call, &settings.trusted_proxies), settings);
    Response::json(&json!({ "message": "Successfully logged out", "success": true }))
        .with("Set-Cookie", session)
        .with("Set-Cookie", csrf)
        .into()
}

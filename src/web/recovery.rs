//! Getting back in when the password is lost (contract rest.md 5.27): from this machine, or with a one-time token that
//! was made on it. The route is reachable while every login is locked.

use super::routes::{Limit, Policy, Route};
use crate::auth::audit::Outcome;
use crate::auth::entry;
use crate::auth::recovery::{Recovery, is_from_here};
use crate::config::RECOVERY;
use crate::config::fields::Fields;
use crate::http::{Call, Method, Response};
use crate::json::json;
use crate::owner::{Answer, Core};

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/security/recovery", Policy::Local, "Whether recovery mode is on", show)
        .limited(Limit::Auth),
    Route::new(Method::Post, "/api/security/recovery", Policy::Local, "Switch recovery mode, make a recovery token", act)
        .limited(Limit::Auth)
        .takes(r#"{"type":"object","required":["action"],"properties":{"action":{"enum":["disable_auth","enable_auth","generate_token"]},"duration":{"type":"integer","minimum":1,"maximum":60}}}"#),
];

fn show(core: &mut Core, _: &Call) -> Answer {
    Response::json(&json!({
        "message": "Recovery endpoint accessible from localhost only",
        "recovery_mode": core.doors.recovery.is_on(core.now),
    }))
    .into()
}

fn act(core: &mut Core, call: &Call) -> Answer {
    let read = || -> Result<_, String> {
        let mut f = Fields::of_body(&call.body)?;
        Ok((f.text("action")?.unwrap_or_default(), f.int("duration")?.unwrap_or(0)))
    };
    let Ok((action, minutes)) = read() else {
        return Response::error(400, "Invalid request").into();
    };
    match action.as_str() {
        "generate_token" => new_token(core, call, minutes),
        "disable_auth" => switch(core, call, true),
        "enable_auth" if core.doors.recovery.is_on(core.now) => switch(core, call, false),
        "enable_auth" => said(false, "Failed to disable recovery mode: it is not on"),
        _ => said(false, "Invalid action. Use 'disable_auth' or 'enable_auth'"),
    }
}

fn said(success: bool, message: &str) -> Answer {
    Response::json(&json!({ "success": success, "message": message })).into()
}

fn new_token(core: &mut Core, call: &Call, minutes: i64) -> Answer {
    if !is_from_here(call) {
        return Response::error(403, "Token generation only allowed from localhost").into();
    }
    let minutes = u64::try_from(minutes).ok().filter(|m| (1..=60).contains(m)).unwrap_or(15);
    match core.doors.recovery.new_token(minutes, core.now) {
        Err(e) => Response::error(500, &e).into(),
        Ok(token) => {
            core.doors.note(entry("recovery_token", call, &call.who.actor, Outcome::Success, "", core.now));
            Response::json(&json!({
                "success": true,
                "token": token,
                "expires_in_minutes": minutes,
                "message": format!("Recovery token generated. Valid for {minutes} minutes."),
            }))
            .with("Cache-Control", "no-store")
            .into()
        }
    }
}

fn switch(core: &mut Core, call: &Call, on: bool) -> Answer {
    let flag = on.then(|| Recovery::flag(core.now));
    let call = call.clone();
    core.save(RECOVERY, flag, move |core, outcome| {
        let details = if on { "Recovery mode on" } else { "Recovery mode off" };
        if let Err(e) = outcome {
            log::error!("failed to switch recovery mode: {e}");
            core.doors.note(entry("recovery", &call, &call.who.actor, Outcome::Failure, details, core.now));
            return said(false, "Failed to switch recovery mode: the data directory cannot be written");
        }
        core.doors.recovery.switch(on, core.now);
        core.doors.note(entry("recovery", &call, &call.who.actor, Outcome::Success, details, core.now));
        core.close_ended_sockets();
        said(
            true,
            if on {
                "Recovery mode enabled for one hour: requests from this machine need no credentials."
            } else {
                "Recovery mode disabled: credentials are needed again."
            },
        )
    })
}

//! Changing the account and the main token: first set-up, password, token (contract rest.md 5.22 to 5.24). Each change is
//! written to `.env` first and counts when it is durable; 4.9 did it the other way round and lost tokens.

use super::refusal;
use super::routes::{Limit, Policy, Route};
use crate::auth::audit::Outcome;
use crate::auth::credentials::{Check, bcrypt_hash, bcrypt_matches, password_problem, user_problem};
use crate::auth::digest::{Hash, random_hex};
use crate::auth::entry;
use crate::config::fields::Fields;
use crate::config::{ENV, Secret};
use crate::http::{Call, Method, Response};
use crate::json::json;
use crate::owner::{Answer, Core};
use crate::update;
use serde_json::Value;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Post, "/api/security/quick-setup", Policy::FirstRun, "First set-up of user and token", quick_setup)
        .limited(Limit::Auth)
        .takes(r#"{"type":"object","required":["username","password"],"properties":{"username":{"type":"string"},"password":{"type":"string","minLength":8,"maxLength":72},"apiToken":{"type":"string"},"generateApiToken":{"type":"boolean"},"pollingInterval":{"type":"integer"},"setupCode":{"type":"string"}}}"#)
        .gives(r#"{"type":"object","properties":{"success":{"type":"boolean"},"skipped":{"type":"boolean"},"message":{"type":"string"},"apiToken":{"type":"string"}}}"#),
    Route::new(Method::Post, "/api/security/change-password", Policy::Manage, "Change the password", change_password)
        .limited(Limit::Auth)
        .takes(r#"{"type":"object","required":["currentPassword","newPassword"],"properties":{"currentPassword":{"type":"string"},"newPassword":{"type":"string","minLength":8,"maxLength":72}}}"#),
    Route::new(Method::Post, "/api/security/regenerate-token", Policy::Manage, "Replace the API token", regenerate_token)
        .limited(Limit::Auth)
        .gives(r#"{"type":"object","properties":{"success":{"type":"boolean"},"token":{"type":"string"},"message":{"type":"string"}}}"#),
];

const SKIPPED: &str = "Password authentication is already configured. Please remove existing security first if you want \
                       to reconfigure.";
const BUSY: &str = "Another change of the credentials is being saved, try again in a second";

/// Writes variables into `.env`; `then` runs when they are durable and in force, or have failed.
fn save_env(
    core: &mut Core,
    vars: &[(&str, &str)],
    then: impl FnOnce(&mut Core, Result<(), String>) -> Answer + Send + 'static,
) -> Answer {
    // Two changes from the same text would undo each other.
    if !core.doors.begin_change() {
        return Response::error(409, BUSY).into();
    }
    let bytes = core.config.environment().data.with_vars(vars);
    core.save(ENV, Some(bytes), move |core, outcome| {
        core.doors.end_change();
        let auth = core.config.settings.auth.clone();
        core.doors.configure(&auth);
        core.tend_doors();
        then(core, outcome)
    })
}

/// What a first set-up asks for.
struct Wanted {
    user: String,
    password: Secret,
    token: Option<Secret>,
    /// Pulse chose the token, so it has to be told.
    tell_token: bool,
    polling_secs: Option<i64>,
}

fn quick_setup(core: &mut Core, call: &Call) -> Answer {
    if core.doors.credentials.has_account() {
        return skipped();
    }
    if !core.doors.is_unclaimed(&core.config.settings) && !call.who.export {
        return Response::error(403, "Setting up an account takes a token that may do everything").into();
    }
    let wanted = match wanted(call) {
        Ok(wanted) => wanted,
        Err(refused) => return refused.into(),
    };
    let call = call.clone();
    let password = wanted.password.clone();
    let work = move || (bcrypt_hash(password.expose()), update::deployment());
    Answer::heavy_then("hash the password", work, move |core, (hash, deployment)| {
        // Another set-up may have been faster.
        if core.doors.credentials.has_account() {
            return skipped();
        }
        match hash {
            Ok(hash) => set_up(core, call, wanted, &hash, deployment),
            Err(e) => Response::error(500, &e).into(),
        }
    })
}

fn skipped() -> Answer {
    Response::json(&json!({ "success": true, "skipped": true, "message": SKIPPED })).into()
}

fn wanted(call: &Call) -> Result<Wanted, Response> {
    let bad = |_| Response::error(400, "Invalid request body");
    let mut f = Fields::of_body(&call.body).map_err(bad)?;
    let user = f.text("username").map_err(bad)?.unwrap_or_default();
    let password = f.text("password").map_err(bad)?.unwrap_or_default();
    let given = f.text("apiToken").map_err(bad)?.unwrap_or_default();
    let generate = f.flag("generateApiToken").map_err(bad)?;
    let polling_secs = f.int("pollingInterval").map_err(bad)?.filter(|secs| *secs > 0);
    if user.is_empty() || password.is_empty() || (given.is_empty() && generate.is_none()) {
        return Err(Response::error(400, "Username, password, and API token are required"));
    }
    if let Some(problem) = password_problem(&password).or_else(|| user_problem(&user)) {
        return Err(Response::error(400, problem));
    }
    let tell_token = given.is_empty() && generate == Some(true);
    let token = match (given.is_empty(), tell_token) {
        (false, _) if given.trim().len() < 16 => {
            return Err(Response::error(400, "The API token must have at least 16 characters"));
        }
        (false, _) => Some(given.trim().to_owned()),
        (true, true) => Some(random_hex(24).map_err(|e| Response::error(500, &e))?),
        (true, false) => None,
    };
    Ok(Wanted { user, password: Secret::new(password), token: token.map(Secret::new), tell_token, polling_secs })
}

fn set_up(core: &mut Core, call: Call, wanted: Wanted, hash: &Secret, deployment: update::Deployment) -> Answer {
    let token_hash = wanted.token.as_ref().map(|t| Hash::of(t.expose()).hex());
    let mut vars = vec![("PULSE_AUTH_USER", wanted.user.as_str()), ("PULSE_AUTH_PASS", hash.expose())];
    if let Some(hash) = &token_hash {
        vars.push(("API_TOKEN", hash));
    }
    vars.push(("ENABLE_AUDIT_LOG", "true"));
    let mut answer = set_up_answer(core, deployment);
    if let (true, Some(token)) = (wanted.tell_token, &wanted.token) {
        for name in ["apiToken", "token"] {
            answer.insert(name.to_owned(), token.expose().into());
        }
    }
    let (user, polling_secs) = (wanted.user.clone(), wanted.polling_secs);
    save_env(core, &vars, move |core, outcome| {
        if let Err(e) = outcome {
            log::error!("failed to save the credentials: {e}");
            core.doors.note(entry("quick_setup", &call, &user, Outcome::Failure, "Not saved", core.now));
            return Response::error(500, "Failed to save security configuration").into();
        }
        core.doors.note(entry("quick_setup", &call, &user, Outcome::Success, "Credentials set up", core.now));
        let done = Response::json(&Value::Object(answer)).with("Cache-Control", "no-store");
        let Some(secs) = polling_secs else { return done.into() };
        let mut system = (**core.config.system.latest()).clone();
        system.polling_interval = secs;
        core.save_system(
            system,
            Box::new(move |_, outcome| {
                if let Err(e) = outcome {
                    log::error!("failed to save the polling interval: {e}");
                }
                done.into()
            }),
        )
    })
}

/// The words of 4.9 about where the credentials are.
fn set_up_answer(core: &Core, deployment: update::Deployment) -> serde_json::Map<String, Value> {
    let settings = &core.config.settings;
    let method = match (settings.docker, settings.systemd) {
        (true, _) => "docker",
        (false, true) => "systemd-nonroot",
        (false, false) => "manual",
    };
    let file = settings.data_dir.join(ENV.name);
    let answer = json!({
        "success": true,
        "method": method,
        "deploymentType": deployment.as_str(),
        "serviceName": SERVICE,
        "envFile": file.display().to_string(),
        "requiresManualRestart": false,
        "message": "Security enabled immediately! Your settings are saved and active.",
        "note": "Nothing has to be restarted. Keep the API token: it is shown only once.",
    });
    match answer {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    }
}

/// The name of the systemd unit that the packages install.
const SERVICE: &str = "pulse";

fn change_password(core: &mut Core, call: &Call) -> Answer {
    let secs = core.now.unix_secs();
    let coded = move |status, code, message: &str| Response::coded_error(status, code, message, secs);
    let read = || -> Result<_, String> {
        let mut f = Fields::of_body(&call.body)?;
        let current = Secret::new(f.text("currentPassword")?.unwrap_or_default());
        Ok((current, Secret::new(f.text("newPassword")?.unwrap_or_default())))
    };
    let Ok((current, new)) = read() else {
        return coded(400, "invalid_request", "Invalid request body").into();
    };
    if let Some(problem) = password_problem(new.expose()) {
        return coded(400, "invalid_password", problem).into();
    }
    if !core.doors.credentials.has_account() {
        return coded(400, "invalid_request", "Password authentication is not configured").into();
    }
    if let Some(left_ms) = core.doors.locked_ms(call.peer, core.now) {
        return refusal::locked(core, left_ms).into();
    }
    let user = core.doors.credentials.user().to_owned();
    let (_, check) = core.doors.credentials.check(&user, current.expose());
    let call = call.clone();
    let work = move || {
        let right = match check {
            Check::Known(right) => right,
            Check::Bcrypt(hash) => bcrypt_matches(current.expose(), &hash),
        };
        right.then(|| bcrypt_hash(new.expose()))
    };
    Answer::heavy_then("change the password", work, move |core, hash| match hash {
        None => {
            core.doors.login_failed(call.peer, &user, core.now);
            let note = entry("password_change", &call, &user, Outcome::Failure, "Current password is wrong", core.now);
            core.doors.note(note);
            coded(401, "unauthorized", "Current password is incorrect").into()
        }
        Some(Err(e)) => coded(500, "hash_error", &e).into(),
        Some(Ok(hash)) => put_password(core, call, user, &hash),
    })
}

fn put_password(core: &mut Core, call: Call, user: String, hash: &Secret) -> Answer {
    let vars = [("PULSE_AUTH_USER", user.clone()), ("PULSE_AUTH_PASS", hash.expose().to_owned())];
    let vars: Vec<(&str, &str)> = vars.iter().map(|(name, value)| (*name, value.as_str())).collect();
    save_env(core, &vars, move |core, outcome| {
        let saved = outcome.is_ok();
        let (outcome, details) =
            if saved { (Outcome::Success, "Password changed") } else { (Outcome::Failure, "Not saved") };
        core.doors.note(entry("password_change", &call, &user, outcome, details, core.now));
        if !saved {
            let secs = core.now.unix_secs();
            return Response::coded_error(500, "config_error", "Failed to save the new password", secs).into();
        }
        Response::json(&json!({
            "success": true,
            "message": "Password changed. It counts at once; all sessions have ended.",
            "requiresRestart": false,
            "serviceName": SERVICE,
        }))
        .into()
    })
}

fn regenerate_token(core: &mut Core, call: &Call) -> Answer {
    if !call.who.export {
        return Response::error(403, "Replacing the API token takes a login, or a token that may do everything").into();
    }
    let token = match random_hex(32) {
        Ok(token) => token,
        Err(e) => return Response::error(500, &e).into(),
    };
    let hash = Hash::of(&token).hex();
    let call = call.clone();
    save_env(core, &[("API_TOKEN", &hash)], move |core, outcome| {
        let saved = outcome.is_ok();
        let (outcome, details) = if saved { (Outcome::Success, "") } else { (Outcome::Failure, "Not saved") };
        core.doors.note(entry("token_regenerate", &call, &call.who.actor, outcome, details, core.now));
        if !saved {
            return Response::error(500, "Failed to save the new token; the present one still counts").into();
        }
        Answer::job("say how Pulse was installed", move || {
            Response::json(&json!({
                "success": true,
                "token": token,
                "deploymentType": update::deployment().as_str(),
                "requiresRestart": false,
                "message": "New API token generated. It counts at once and is shown only this time.",
            }))
            .with("Cache-Control", "no-store")
        })
    })
}

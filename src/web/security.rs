//! What is known about security, and its small switches: status, locks, restart, named tokens, the audit log
//! (contract rest.md 5.21, 5.25, 5.26).

use super::routes::{Limit, Policy, Route};
use crate::auth::audit::Outcome;
use crate::auth::peer::{is_private, parse_address};
use crate::auth::tokens::{Scope, Token, Tokens, Wish};
use crate::auth::{TOKENS, entry, peer, proxy};
use crate::config::fields::Fields;
use crate::http::{Call, Method, Response};
use crate::json::json;
use crate::model::Time;
use crate::owner::{After, Answer, Core, Event, Task};
use serde_json::Value;
use std::time::Duration;

pub const ROUTES: &[Route] = &[
    Route::new(Method::Get, "/api/security/status", Policy::Open, "How this Pulse is protected", status)
        .limited(Limit::None),
    Route::new(Method::Post, "/api/security/reset-lockout", Policy::Manage, "Lift the lock of a user or address", reset)
        .limited(Limit::Auth)
        .takes(r#"{"type":"object","required":["identifier"],"properties":{"identifier":{"type":"string"}}}"#),
    Route::new(Method::Post, "/api/security/apply-restart", Policy::Manage, "Restart Pulse under systemd", restart)
        .limited(Limit::Auth),
    Route::new(Method::Get, "/api/security/tokens", Policy::Manage, "The named API tokens, without their text", tokens)
        .gives(r#"{"type":"object","properties":{"tokens":{"type":"array","items":{"type":"object"}}}}"#),
    Route::new(Method::Post, "/api/security/tokens", Policy::Manage, "A new named API token", add_token)
        .takes(r#"{"type":"object","required":["name","scopes"],"properties":{"name":{"type":"string"},"scopes":{"type":"array","items":{"enum":["read","manage","export","scrape"]}},"expiresInDays":{"type":"integer"},"expires":{"type":"string","format":"date-time"}}}"#)
        .gives(r#"{"type":"object","properties":{"success":{"type":"boolean"},"token":{"type":"string"},"info":{"type":"object"}}}"#),
    Route::new(Method::Delete, "/api/security/tokens", Policy::Manage, "Revoke the token of ?id=", revoke_token).asks(&["id"]).also(&[404]),
    Route::new(Method::Delete, "/api/security/tokens/{id}", Policy::Manage, "Revoke a named API token", revoke_token),
    Route::new(Method::Get, "/api/security/audit", Policy::Manage, "The newest security events", audit)
        .gives(r#"{"type":"object","properties":{"events":{"type":"array","items":{"type":"object"}}}}"#),
];

fn status(core: &mut Core, call: &Call) -> Answer {
    let settings = core.config.settings.clone();
    let (auth, doors) = (&settings.auth, &core.doors);
    let token = doors.has_token();
    let hint = match doors.credentials.token_hash().map(|h| h.hex()) {
        // Only to somebody who is known: it helps to recognise a stolen file.
        Some(hex) if call.who.authenticated => {
            format!("{}...{}", hex.get(..4).unwrap_or(""), hex.get(hex.len() - 4..).unwrap_or(""))
        }
        _ => String::new(),
    };
    if auth.disabled {
        return Response::json(&json!({
            "configured": false,
            "disabled": true,
            "message": "Authentication is disabled via DISABLE_AUTH environment variable",
            "apiTokenConfigured": token,
            "apiTokenHint": hint,
            "hasAuthentication": false,
        }))
        .into();
    }
    let unclaimed = doors.is_unclaimed(&settings);
    let private = is_private(call.peer);
    let in_list = |list: &Vec<crate::config::Cidr>| list.iter().any(|range| range.contains(call.peer));
    let signed_on = auth.proxy.as_ref().and_then(|p| proxy::signed_on(p, call));
    Response::json(&json!({
        "hasAuthentication": !unclaimed || auth.required,
        "requiresAuth": token,
        "apiTokenConfigured": token,
        "apiTokenHint": hint,
        // Credentials count at once here; 4.9 sometimes waited for a restart.
        "configuredButPendingRestart": false,
        "exportProtected": token || !auth.allow_unprotected_export,
        "unprotectedExportAllowed": auth.allow_unprotected_export,
        "hasAuditLogging": auth.audit_log,
        "credentialsEncrypted": core.config.problems.keys().all(|file| *file != crate::config::KEY_FILE),
        "hasHTTPS": call.tls,
        "clientIP": call.peer.to_string(),
        "isPrivateNetwork": private,
        "publicAccess": !private,
        "isTrustedNetwork": settings.trusted_networks.as_ref().map_or(private, in_list),
        "hasProxyAuth": auth.proxy.is_some(),
        "proxyAuthLogoutURL": auth.proxy.as_ref().map_or("", |p| p.logout_url.as_str()),
        "proxyAuthUsername": signed_on.as_ref().map_or("", |s| s.user.as_str()),
        "proxyAuthIsAdmin": signed_on.as_ref().is_some_and(|s| s.admin),
        "hasAccount": doors.credentials.has_account(),
        "tokenOnly": doors.is_token_only(&settings),
        "authenticated": call.who.authenticated,
        "username": if call.who.authenticated { call.who.actor.as_str() } else { "" },
        "canManage": call.who.manage,
        "canExport": call.who.export,
        "recoveryMode": doors.recovery.is_on(core.now),
    }))
    .into()
}

fn reset(core: &mut Core, call: &Call) -> Answer {
    let secs = core.now.unix_secs();
    let Ok(identifier) = Fields::of_body(&call.body).and_then(|mut f| f.text("identifier")) else {
        return Response::coded_error(400, "invalid_request", "Invalid request body", secs).into();
    };
    let identifier = identifier.unwrap_or_default();
    let identifier = identifier.trim();
    if identifier.is_empty() {
        return Response::coded_error(400, "missing_identifier", "Identifier is required", secs).into();
    }
    core.doors.lockout.reset(parse_address(identifier).map(peer::counted), identifier);
    let details = format!("Lockout reset for: {identifier}");
    core.doors.note(entry("lockout_reset", call, &call.who.actor, Outcome::Success, &details, core.now));
    Response::json(&json!({ "message": format!("Lockout reset for {identifier}"), "success": true })).into()
}

/// Ends the process for systemd to start it again. Nothing needs it: settings count at once.
fn restart(core: &mut Core, call: &Call) -> Answer {
    if !core.config.settings.systemd {
        let message = "Automatic restart is only available when running under systemd. Please restart Pulse manually.";
        return Response::json(&json!({ "success": false, "message": message })).into();
    }
    core.doors.note(entry("restart", call, &call.who.actor, Outcome::Success, "", core.now));
    let events = core.jobs.events();
    let end = move || {
        // The answer goes out first.
        std::thread::sleep(Duration::from_secs(1));
        let _ = events.send(Event::Signal(signal_hook::consts::SIGTERM));
        After::Reply(Response::text(200, ""))
    };
    core.jobs.submit_long(Task { name: "restart", work: Box::new(end) });
    Response::json(&json!({ "success": true, "message": "Restarting Pulse to apply security settings..." })).into()
}

fn tokens(core: &mut Core, _: &Call) -> Answer {
    let list: Vec<Value> = core.doors.tokens.iter().map(|t| shown(t, core.now.wall)).collect();
    Response::json(&json!({ "tokens": list, "mainToken": core.doors.credentials.has_token() })).into()
}

fn shown(token: &Token, now: Time) -> Value {
    let moment = |t: Time| if t.is_set() { json!(t) } else { Value::Null };
    json!({
        "id": token.id,
        "name": token.name,
        "hint": format!("...{}", token.hint),
        "scopes": token.scopes,
        "created": token.created,
        "expires": moment(token.expires),
        "expired": token.expires.is_set() && token.expires <= now,
        "lastUsed": moment(token.last_used),
    })
}

fn wish(call: &Call, now: Time) -> Result<Wish, String> {
    let mut f = Fields::of_body(&call.body)?;
    let name = f.text("name")?.unwrap_or_default();
    let scopes = f.texts("scopes")?.unwrap_or_default();
    let scope = |text: &String| match text.to_ascii_lowercase().as_str() {
        "read" => Ok(Scope::Read),
        "manage" => Ok(Scope::Manage),
        "export" => Ok(Scope::Export),
        "scrape" => Ok(Scope::Scrape),
        _ => Err("a scope must be read, manage, export or scrape".to_owned()),
    };
    let scopes = scopes.iter().map(scope).collect::<Result<Vec<_>, _>>()?;
    let days = f.int("expiresInDays")?;
    let expires = match (f.text("expires")?, days) {
        (Some(text), _) => Time::parse(&text).ok_or("expires must be an RFC 3339 time")?,
        (None, Some(days @ 1..=3650)) => Time::from_unix(now.unix_secs() + days * 86_400),
        (None, None) => Time::UNSET,
        (None, Some(_)) => return Err("expiresInDays must be between 1 and 3650".to_owned()),
    };
    Ok(Wish { name, scopes, expires })
}

fn add_token(core: &mut Core, call: &Call) -> Answer {
    let wish = match wish(call, core.now.wall) {
        Ok(wish) => wish,
        Err(why) => return Response::error(400, &format!("Invalid request body: {why}")).into(),
    };
    if wish.scopes.contains(&Scope::Export) && !call.who.export {
        return Response::error(403, "Only who may export can give that right to a token").into();
    }
    match core.doors.tokens.with(wish, core.now) {
        Err(why) => Response::error(400, &why).into(),
        Ok((next, token, text)) => {
            let answer = json!({ "success": true, "token": text, "info": shown(&token, core.now.wall) });
            put_tokens(core, call, "token_create", token.name, next, answer)
        }
    }
}

fn revoke_token(core: &mut Core, call: &Call) -> Answer {
    let in_body = || Fields::of_body(&call.body).ok().and_then(|mut f| f.text("id").ok().flatten());
    let id = match call.param(0) {
        "" => call.query.get("id").map(str::to_owned).or_else(in_body).unwrap_or_default(),
        id => id.to_owned(),
    };
    let Some((next, gone)) = core.doors.tokens.without(&id) else {
        return Response::error(404, "There is no token of that id").into();
    };
    let others = core.doors.credentials.has_some_account()
        || core.doors.credentials.has_token()
        || core.config.settings.has_credentials();
    if next.is_empty() && !others {
        let why = "This is the only credential; without it everybody could change Pulse. Set up a password first";
        return Response::error(409, why).into();
    }
    put_tokens(core, call, "token_revoke", gone.name, next, json!({ "success": true }))
}

/// Saves the tokens, then lets them count.
fn put_tokens(core: &mut Core, call: &Call, action: &'static str, name: String, next: Tokens, answer: Value) -> Answer {
    if !core.doors.begin_change() {
        return Response::error(409, "Another change of the credentials is being saved, try again in a second").into();
    }
    let call = call.clone();
    core.save(TOKENS, Some(next.to_bytes()), move |core, outcome| {
        core.doors.end_change();
        let mut note = entry(action, &call, &call.who.actor, Outcome::Success, "", core.now);
        note.target = name;
        if let Err(e) = outcome {
            log::error!("failed to save the API tokens: {e}");
            core.doors.note(crate::auth::audit::Entry { outcome: Outcome::Failure, ..note });
            return Response::error(500, "Failed to save the API tokens").into();
        }
        core.doors.set_tokens(next);
        core.doors.note(note);
        core.close_ended_sockets();
        Response::json(&answer).with("Cache-Control", "no-store").into()
    })
}

/// Entries of one answer at most.
const MOST_EVENTS: usize = 1_000;

fn audit(core: &mut Core, call: &Call) -> Answer {
    let most = call.query.get("limit").and_then(|n| n.parse().ok()).unwrap_or(100).min(MOST_EVENTS);
    let lost = core.doors.lost_entries();
    match core.doors.audit.reader() {
        Err(why) => Response::error(503, why).into(),
        Ok(reader) => Answer::job("read the audit log", move || match reader.newest(most) {
            Ok(events) => Response::json(&json!({ "events": events, "lost": lost })),
            Err(e) => Response::error(500, &e),
        }),
    }
}

//! Nothing reaches a handler but through here: who asks, how often, what the route demands, CSRF, cross-site requests.
//! Judges with what `auth` knows; decides nothing about routes.

use super::headers::{self, Extra};
use super::limits;
use super::router::Way;
use super::routes::{Policy, Route};
use super::{assets, refusal};
use crate::auth::audit::{Entry, Log, Outcome};
use crate::auth::credentials::{Check, bcrypt_matches};
use crate::auth::digest::same_secret;
use crate::auth::entry;
use crate::auth::identify::{self, Claim, How, Identity, Known};
use crate::auth::peer::{self, Origin};
use crate::auth::recovery::is_from_here;
use crate::http::{Body, Call, Method, Query, Response};
use crate::owner::{Answer, Core};

/// What is behind the guard.
pub type Inside = fn(&mut Core, Call, Way) -> Answer;

/// A request on its way in.
struct Visit {
    call: Call,
    way: Way,
    origin: Origin,
    extra: Extra,
    inside: Inside,
}

/// Paths without the CSRF check: a login cannot be forged into anything (4.9 blocked it by a stale cookie), and the
/// answer of the other shows a code only to whoever can read it. Other sites are refused on both all the same.
const WITHOUT_CSRF: [&str; 2] = ["/api/login", "/api/setup-script-url"];

/// Lets a request in, or answers it at the door.
pub fn enter(core: &mut Core, mut call: Call, way: Way, inside: Inside) -> Answer {
    let settings = core.config.settings.clone();
    let origin = peer::origin(&call, &settings.trusted_proxies);
    call.peer = origin.peer;
    call.tls = origin.https;
    let unknown_proxy = !origin.proxied && peer::is_private(call.tcp_peer) && call.header("x-forwarded-for").is_some();
    if unknown_proxy && core.doors.first_unknown_proxy() {
        log::warn!(
            "requests come through a proxy at {}: all its clients count as one; set PULSE_TRUSTED_PROXIES={} to tell them apart",
            call.tcp_peer,
            call.tcp_peer
        );
    }
    let extra = Extra::of(&settings, &call);
    if call.method == Method::Options {
        return extra.on(Response::new(200, "text/plain; charset=utf-8", Body::Static(b""))).into();
    }
    if let Err(refused) = limits::count(core, &call, &way) {
        return extra.on(refused).into();
    }
    let visit = Visit { call, way, origin, extra, inside };
    if matches!(visit.way, Way::Page) && is_public_page(&visit.call) {
        return inside(core, visit.call, visit.way).map(|response| visit.extra.on(response));
    }
    match identify::identify(&mut core.doors, &settings, &visit.call, core.now) {
        Identity::Known(known) => admit(core, visit, known),
        Identity::WrongToken if is_open(&visit.way) && !settings.auth.disabled => {
            admit(core, visit, identify::nobody())
        }
        Identity::WrongToken => {
            let entry = entry("token", &visit.call, "", Outcome::Failure, "Invalid API token", core.now);
            core.doors.note_seldom(entry, visit.call.peer, core.now);
            visit.extra.on(Response::error(401, "Invalid API token")).into()
        }
        Identity::Claim(claim) => prove(core, visit, claim),
    }
}

/// Compares a Basic password elsewhere and goes on from there.
fn prove(core: &mut Core, visit: Visit, claim: Claim) -> Answer {
    // Reading what is open, logging in and recovery need no credentials: a wrong one there costs nothing and locks nobody.
    let needs_none = matches!(&visit.way, Way::Route(r, _)
        if r.policy == Policy::Local || (r.policy == Policy::Open && r.method.is_safe()));
    if needs_none || is_login(&visit.way) {
        return admit(core, visit, identify::nobody());
    }
    if let Some(left_ms) = core.doors.locked_ms(visit.call.peer, core.now) {
        return visit.extra.on(refusal::locked(core, left_ms)).into();
    }
    let (right_user, check) = core.doors.credentials.check(&claim.user, claim.password.expose());
    match check {
        Check::Known(right) => proven(core, visit, claim, right_user && right),
        Check::Bcrypt(hash) => {
            let place = core.doors.comparison(claim.digest);
            let password = claim.password.clone();
            let compare = move || *place.get_or_init(|| bcrypt_matches(password.expose(), &hash));
            Answer::heavy_then("compare a password", compare, move |core, right| {
                core.doors.compared(&claim.digest);
                proven(core, visit, claim, right_user & right)
            })
        }
    }
}

fn proven(core: &mut Core, visit: Visit, claim: Claim, right: bool) -> Answer {
    let (now, peer) = (core.now, visit.call.peer);
    if let Some(left_ms) = core.doors.locked_ms(peer, now) {
        return visit.extra.on(refusal::locked(core, left_ms)).into();
    }
    if !right {
        core.doors.login_failed(peer, &claim.user, now);
        core.doors.note(entry("login", &visit.call, &claim.user, Outcome::Failure, "Invalid credentials", now));
        return visit.extra.on(refusal::not_known(core, &visit.call)).into();
    }
    if !core.doors.is_remembered(&claim.digest, now) {
        core.doors.login_succeeded(peer);
        core.doors.remember(claim.digest, now);
        core.doors.note_seldom(
            entry("login", &visit.call, &claim.user, Outcome::Success, "Basic auth login", now),
            peer,
            now,
        );
    }
    let known = identify::with_password(&core.doors, &claim.user);
    admit(core, visit, known)
}

/// Somebody is known: may they do this?
fn admit(core: &mut Core, mut visit: Visit, mut known: Known) -> Answer {
    name_the_method(&mut visit.extra, &known);
    if let Some(csrf) = identify::csrf_of(&known.who)
        && visit.call.cookie("pulse_csrf") != Some(csrf.as_str())
    {
        let cookie = headers::csrf_cookie(&csrf, &visit.origin, &core.config.settings);
        visit.extra.put("Set-Cookie", cookie);
    }
    let verdict = match &visit.way {
        Way::Route(route, _) => permit(core, &visit, route, &mut known),
        _ if known.who.read => Ok(()),
        Way::WrongMethod(routes) if routes.iter().any(|r| r.policy == Policy::Open) => Ok(()),
        _ => Err(refusal::denied(core, &visit.call, &known)),
    };
    if let Err(refused) = verdict {
        return visit.extra.on(refused).into();
    }
    let Visit { mut call, way, extra, inside, .. } = visit;
    call.who = known.who;
    let trace = trace(core, &call, &way);
    inside(core, call, way).map(move |response| {
        if let Some((log, note)) = trace {
            let done = response.status < 400;
            log.note(Entry { outcome: if done { Outcome::Success } else { Outcome::Failure }, ..note });
        }
        extra.on(response)
    })
}

/// The audit entry of a change of the configuration, written with its outcome. Routes of security write their own;
/// acknowledging an alert and naming a guest are no matter of security.
fn trace(core: &Core, call: &Call, way: &Way) -> Option<(Log, Entry)> {
    let Way::Route(route, _) = way else { return None };
    let action = match route.policy {
        Policy::Manage if !route.method.is_safe() => "change",
        Policy::Export if route.path.ends_with("/import") => "import",
        Policy::Export => "export",
        _ => return None,
    };
    let own_or_none = ["/api/security/", "/api/alerts/", "/api/guests/"];
    if own_or_none.iter().any(|start| route.path.starts_with(start)) {
        return None;
    }
    let method = route.method.as_str();
    Some((core.doors.audit.clone(), entry(action, call, &call.who.actor, Outcome::Success, method, core.now)))
}

/// The route's policy, then what keeps other sites out.
fn permit(core: &mut Core, visit: &Visit, route: &Route, known: &mut Known) -> Result<(), Response> {
    let call = &visit.call;
    let allowed = match route.policy {
        Policy::Open => true,
        Policy::Read => known.who.read,
        Policy::Scrape => known.who.read || known.who.scrape,
        Policy::Manage => known.who.manage,
        Policy::Export => known.who.export,
        Policy::FirstRun => return first_run(core, visit, known),
        Policy::Local => return local(core, visit, known),
    };
    if !allowed {
        return Err(match route.policy {
            Policy::Export => refusal::no_export(core, call, known),
            _ => refusal::denied(core, call, known),
        });
    }
    if route.method.is_safe() {
        return Ok(());
    }
    match not_forged(core, visit, known) {
        // Open to everybody, so the forged credential is merely not counted.
        Err(_) if route.policy == Policy::Open && !WITHOUT_CSRF.contains(&route.path) => {
            known.who = crate::http::Who { actor: identify::ANONYMOUS.to_owned(), ..Default::default() };
            Ok(())
        }
        other => other,
    }
}

/// The request was meant by whoever sends it: the CSRF token for sessions, no other site for what browsers send alone.
fn not_forged(core: &mut Core, visit: &Visit, known: &Known) -> Result<(), Response> {
    let call = &visit.call;
    let exempt = matches!(&visit.way, Way::Route(r, _) if WITHOUT_CSRF.contains(&r.path));
    if known.how == How::Session && !exempt {
        let form = || call.header("content-type").filter(|t| t.starts_with("application/x-www-form-urlencoded"));
        let in_form = || form().and_then(|_| Some(Query::parse(std::str::from_utf8(&call.body).ok()?)));
        let given = call.header("x-csrf-token").map(str::to_owned);
        let given = given.or_else(|| in_form()?.get("csrf_token").map(str::to_owned)).unwrap_or_default();
        let right = identify::csrf_of(&known.who).is_some_and(|csrf| same_secret(&given, &csrf));
        if !right {
            let entry = entry("csrf_failure", call, &known.who.actor, Outcome::Failure, "Invalid CSRF token", core.now);
            core.doors.note_seldom(entry, call.peer, core.now);
            return Err(Response::error(403, "CSRF token validation failed"));
        }
        return Ok(());
    }
    if (known.how.is_ambient() || exempt) && is_from_another_site(core, visit) {
        let entry = entry("cross_site", call, &known.who.actor, Outcome::Failure, "Request of another site", core.now);
        core.doors.note_seldom(entry, call.peer, core.now);
        return Err(Response::error(403, "CSRF protection: a request of another site is not accepted"));
    }
    Ok(())
}

/// Whether a browser sends this for a page that is not ours. `Sec-Fetch-Site` is the browser's own word; without it the
/// origin must be the host asked, unless the kind of request makes browsers ask first (and then we do not agree).
fn is_from_another_site(core: &Core, visit: &Visit) -> bool {
    let call = &visit.call;
    let origin = call.header("origin");
    if origin.is_some_and(|o| headers::is_listed(&core.config.settings, o)) {
        return false;
    }
    match call.header("sec-fetch-site") {
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => {
            let json = call.header("content-type").is_some_and(|t| t.trim_start().starts_with("application/json"));
            let asked_first = json || call.method != Method::Post;
            origin.is_some_and(|o| !asked_first && !headers::is_same_origin(o, &visit.origin.host))
        }
    }
}

/// First set-up: nobody may take over an instance that has any credential, nor an open one from outside.
fn first_run(core: &mut Core, visit: &Visit, known: &Known) -> Result<(), Response> {
    let settings = core.config.settings.clone();
    if core.doors.credentials.has_account() && !known.who.manage {
        // The handler says that there is nothing to set up; it does nothing else for a stranger.
        return Ok(());
    }
    if !core.doors.is_unclaimed(&settings) {
        if !known.who.manage {
            return Err(refusal::denied(core, &visit.call, known));
        }
        return not_forged(core, visit, known);
    }
    let code = visit.call.header("x-setup-code").map(str::to_owned).or_else(|| code_in_body(&visit.call));
    let has_code = code.is_some_and(|given| core.doors.is_bootstrap(&given));
    if !has_code && !known.who.manage && !peer::is_private(visit.call.peer) {
        let entry =
            entry("quick_setup", &visit.call, "", Outcome::Failure, "Neither private network nor code", core.now);
        core.doors.note_seldom(entry, visit.call.peer, core.now);
        return Err(Response::error(
            403,
            "First set-up is only possible from a private network, or with the code in Pulse's log (header X-Setup-Code)",
        ));
    }
    not_forged(core, visit, known)
}

fn code_in_body(call: &Call) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&call.body).ok()?;
    body.get("setupCode")?.as_str().map(str::to_owned)
}

/// Only from this machine, or with a one-time recovery token.
fn local(core: &mut Core, visit: &Visit, known: &mut Known) -> Result<(), Response> {
    let call = &visit.call;
    let token = call.header("x-recovery-token").map(str::to_owned);
    let by_token = token.is_some_and(|given| core.doors.recovery.take_token(&given, core.now));
    if !by_token && !is_from_here(call) {
        let entry = entry("recovery", call, &known.who.actor, Outcome::Failure, "Neither local nor token", core.now);
        core.doors.note_seldom(entry, call.peer, core.now);
        return Err(Response::error(403, "Recovery endpoint requires localhost access or valid recovery token"));
    }
    if by_token || call.method.is_safe() {
        return Ok(());
    }
    not_forged(core, visit, &Known { how: How::Recovery, ..known.clone() })
}

/// 4.9 says in headers how a request got in (contract rest.md 2.2 to 2.4).
fn name_the_method(extra: &mut Extra, known: &Known) {
    match known.how {
        How::Disabled => extra.put("X-Auth-Disabled", "true"),
        How::Recovery => extra.put("X-Auth-Recovery", "true"),
        How::Token => extra.put("X-Auth-Method", "api-token"),
        How::Proxy => {
            extra.put("X-Auth-Method", "proxy");
            let printable = known.who.actor.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            if printable && known.who.actor != identify::ANONYMOUS {
                extra.put("X-Authenticated-User", known.who.actor.clone());
            }
        }
        _ => {}
    }
}

fn is_open(way: &Way) -> bool {
    matches!(way, Way::Route(r, _) if r.policy == Policy::Open)
}

fn is_login(way: &Way) -> bool {
    matches!(way, Way::Route(r, _) if r.path == "/api/login")
}

/// Files of the page, and the page itself for a browser that follows a link: it holds no data and asks for a login.
/// Anything else under a page path is 401 without credentials, as in 4.9.
fn is_public_page(call: &Call) -> bool {
    let is_index = matches!(call.path.as_str(), "" | "/" | "/index.html");
    let is_file = call.path.rsplit('/').next().is_some_and(|name| name.contains('.')) && assets::serve(call).is_some();
    is_index || is_file || call.header("accept").is_some_and(|a| a.contains("text/html"))
}

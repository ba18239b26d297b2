//! Who a request comes from: the credentials in it, in 4.9's order (contract rest.md 2.2). What it may then do is the
//! guard's question.

use super::digest::Hash;
use super::peer::is_private;
use super::recovery::is_from_here;
use super::tokens::Scope;
use super::{Doors, proxy, sessions};
use crate::config::{Settings, base64};
use crate::http::{Call, Who};
use crate::model::Now;

/// How somebody came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// `DISABLE_AUTH`.
    Disabled,
    /// Recovery mode, from this machine.
    Recovery,
    Proxy,
    /// Nothing is configured and the peer is in a private network.
    Unclaimed,
    /// Nothing is configured and the peer is a stranger from elsewhere.
    Stranger,
    Token,
    Session,
    Basic,
    /// Only tokens are configured and none was given: reading is open.
    TokenOnly,
    Nobody,
}

impl How {
    /// A browser sends it by itself, also when another site makes it ask.
    pub fn is_ambient(self) -> bool {
        !matches!(self, How::Token | How::Session)
    }
}

/// A request whose sender is settled.
#[derive(Debug, Clone)]
pub struct Known {
    pub who: Who,
    pub how: How,
}

/// A user and password that are still to be compared.
#[derive(Clone)]
pub struct Claim {
    pub user: String,
    pub password: crate::config::Secret,
    pub digest: Hash,
}

pub enum Identity {
    Known(Known),
    Claim(Claim),
    /// A token was given, and it opens nothing.
    WrongToken,
}

/// The actor when nobody is known.
pub const ANONYMOUS: &str = "anonymous";

/// Settles who asks. Costs microseconds; a password comes back as a claim.
pub fn identify(doors: &mut Doors, settings: &Settings, call: &Call, now: Now) -> Identity {
    let auth = &settings.auth;
    let token = given_token(call).map(|given| doors.token(given, now));
    let is_wrong = matches!(token, Some(None)) && doors.has_token();
    if auth.disabled {
        return match token.flatten() {
            Some(opened) => token_opens(doors, opened),
            None if is_wrong => Identity::WrongToken,
            None => disabled(doors, settings, call, now),
        };
    }
    if doors.recovery.is_on(now) && is_from_here(call) {
        return known("recovery", everything(), How::Recovery, "recovery:".to_owned());
    }
    if let Some(user) = auth.proxy.as_ref().and_then(|p| proxy::signed_on(p, call)) {
        let rights = Who { authenticated: true, read: true, manage: user.admin, export: user.admin, ..Who::default() };
        return known(&user.user, rights, How::Proxy, "proxy:".to_owned());
    }
    if doors.is_unclaimed(settings) {
        return unclaimed(settings, call);
    }
    if let Some(opened) = token.flatten() {
        return token_opens(doors, opened);
    }
    let token_only = doors.is_token_only(settings);
    if token_only && is_wrong {
        return Identity::WrongToken;
    }
    if let Some(known) = session(doors, call, now) {
        return Identity::Known(known);
    }
    if doors.credentials.has_account()
        && let Some((user, password)) = basic(call)
    {
        let digest = doors.digest(&user, &password);
        return match doors.is_remembered(&digest, now) {
            true => Identity::Known(with_password(doors, &user)),
            false => Identity::Claim(Claim { user, password: crate::config::Secret::new(password), digest }),
        };
    }
    if token_only {
        return known("", Who { read: true, ..Who::default() }, How::TokenOnly, String::new());
    }
    Identity::Known(nobody())
}

/// Nobody in particular.
pub fn nobody() -> Known {
    Known { who: Who { actor: ANONYMOUS.to_owned(), ..Who::default() }, how: How::Nobody }
}

/// Somebody whose user name and password are right.
pub fn with_password(doors: &Doors, user: &str) -> Known {
    let key = format!("account:{}", doors.account_digest().hex());
    let who = Who { actor: user.to_owned(), key, ..everything() };
    Known { who, how: How::Basic }
}

fn known(actor: &str, who: Who, how: How, key: String) -> Identity {
    let actor = if actor.is_empty() { ANONYMOUS.to_owned() } else { actor.to_owned() };
    Identity::Known(Known { who: Who { actor, key, ..who }, how })
}

fn everything() -> Who {
    Who { authenticated: true, read: true, manage: true, export: true, ..Who::default() }
}

/// Everybody may do everything, except that configured credentials still protect export and import (2.3).
fn disabled(doors: &Doors, settings: &Settings, call: &Call, now: Now) -> Identity {
    let logged_in = session(doors, call, now).is_some();
    let export = logged_in || doors.is_unclaimed(settings) && may_export(settings, call);
    known("", Who { authenticated: false, export, ..everything() }, How::Disabled, String::new())
}

/// An instance nobody has set up: open to its own network, not to the world.
fn unclaimed(settings: &Settings, call: &Call) -> Identity {
    let near = is_private(call.peer)
        || settings.trusted_networks.as_ref().is_some_and(|list| list.iter().any(|range| range.contains(call.peer)));
    let who = if near { everything() } else { Who::default() };
    let who = Who { authenticated: false, export: may_export(settings, call), ..who };
    known("", who, if near { How::Unclaimed } else { How::Stranger }, String::new())
}

fn may_export(settings: &Settings, call: &Call) -> bool {
    is_private(call.peer) || settings.auth.allow_unprotected_export
}

fn token_opens(doors: &Doors, opened: super::Opened) -> Identity {
    let manage = opened.may(Scope::Manage);
    let who = Who {
        authenticated: true,
        read: manage || opened.may(Scope::Read),
        manage,
        export: opened.may(Scope::Export),
        scrape: opened.may(Scope::Scrape),
        ..Who::default()
    };
    let key = match (opened.id.as_str(), doors.credentials.token_hash()) {
        ("", Some(hash)) => format!("main:{}", hash.hex()),
        (id, _) => format!("token:{id}"),
    };
    known(&opened.name, who, How::Token, key)
}

fn session(doors: &Doors, call: &Call, now: Now) -> Option<Known> {
    let id = call.cookie("pulse_session")?;
    let user = doors.sessions.user(id, now)?;
    let key = format!("session:{}", Hash::of(id).hex());
    let who = Who { actor: user.to_owned(), session: Some(id.to_owned()), key, ..everything() };
    Some(Known { who, how: How::Session })
}

/// The CSRF token that fits a session's cookie.
pub fn csrf_of(who: &Who) -> Option<String> {
    who.session.as_deref().map(sessions::csrf)
}

/// `X-API-Token`, `Authorization: Bearer`, `?token=`: the first that is not empty.
pub fn given_token(call: &Call) -> Option<&str> {
    let bearer = || scheme(call, "bearer");
    let given = call.header("x-api-token").map(str::trim).filter(|t| !t.is_empty());
    given.or_else(bearer).or_else(|| call.query.get("token")).filter(|t| !t.is_empty())
}

fn scheme<'a>(call: &'a Call, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = call.header("authorization")?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
}

/// User and password of a Basic header.
pub fn basic(call: &Call) -> Option<(String, String)> {
    let bytes = base64::decode(scheme(call, "basic")?.as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

//! Password logins: a ticket that is good for two hours and renewed after a hundred minutes.

use super::client::{check_status, from_ureq};
use super::error::clean;
use super::rows::rows;
use super::{Error, Kind};
use std::io::Read;
use std::time::Duration;

/// PVE and PBS take a ticket for 2 hours; renewing early keeps a slow cycle from running into the end.
const RENEW_AFTER_MS: u64 = 100 * 60 * 1000;
/// A ticket answer is about 1 kB.
const ANSWER_LIMIT: u64 = 64 << 10;

#[derive(Clone)]
pub(super) struct Ticket {
    /// `PVEAuthCookie=…`
    pub cookie: String,
    born_ms: u64,
}

impl Ticket {
    pub fn is_fresh(&self, mono_ms: u64) -> bool {
        mono_ms.saturating_sub(self.born_ms) < RENEW_AFTER_MS
    }
}

rows! {
    struct Reply {
        data: maybe<Answer>,
    }

    struct Answer {
        ticket: text,
        need_tfa: boolean = "NeedTFA",
    }
}

/// `POST /access/ticket`.
pub(super) fn log_in(
    agent: &ureq::Agent,
    url: &str,
    kind: Kind,
    user: &str,
    secret: &str,
    within: Duration,
    mono_ms: u64,
) -> Result<Ticket, Error> {
    let form = [("username", user), ("password", secret)];
    let sent = agent.post(url).config().timeout_global(Some(within)).build().send_form(form);
    let mut response = sent.map_err(from_ureq)?;
    match check_status(&mut response) {
        Err(Error::Status(code @ (400 | 401 | 403), text)) => {
            let why = if text.is_empty() { "user name or password refused".to_owned() } else { text };
            return Err(Error::Login(code, why));
        }
        other => other?,
    }
    let mut body = Vec::new();
    let read = response.body_mut().as_reader().take(ANSWER_LIMIT).read_to_end(&mut body);
    read.map_err(|e| from_ureq(e.into()))?;
    let reply: Reply = serde_json::from_slice(&body).map_err(|e| Error::Body(clean(&e.to_string(), 160)))?;
    let Some(answer) = reply.data.0 else { return Err(Error::Login(200, "no ticket came back".into())) };
    if answer.need_tfa == Some(true) || answer.ticket.contains(":!tfa!") {
        return Err(Error::Login(200, "the user needs a second factor: use an API token".into()));
    }
    if answer.ticket.is_empty() || !answer.ticket.chars().all(|c| c.is_ascii_graphic() && c != ';' && c != ',') {
        return Err(Error::Login(200, "no ticket came back".into()));
    }
    let name = match kind {
        Kind::Pve => "PVEAuthCookie",
        Kind::Pbs => "PBSAuthCookie",
    };
    Ok(Ticket { cookie: format!("{name}={}", percent_encode(&answer.ticket)), born_ms: mono_ms })
}

/// Cookie values are percent-encoded on the Proxmox side's own pages.
fn percent_encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!*'()@:/+=".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

//! Mail: a message becomes text and HTML in one MIME document, and goes over SMTP within a deadline.

mod body;
mod compose;
mod domain;
mod session;
mod stream;

pub use compose::{Composed, compose, subject};

use super::job::{Retry, Sent};
use super::message::Message;
use super::send::{clean, resolve};
use super::settings::{Email, Transport, scrub};
use crate::config::base64;
use crate::model::Time;
use crate::proxmox::{Tls, tls_config};
use session::{Login, Session};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use stream::Wire;

/// One address of a server gets this long to accept the connection, if the deadline allows.
const CONNECT: Duration = Duration::from_secs(10);

/// Why mail could not be sent, before secrets are taken out.
struct Failure {
    /// The server's code; 0: it said nothing.
    code: u16,
    words: String,
    retry: Retry,
}

impl Failure {
    fn later(words: impl Into<String>) -> Failure {
        Failure { code: 0, words: words.into(), retry: Retry::Later }
    }
    fn never(words: impl Into<String>) -> Failure {
        Failure { code: 0, words: words.into(), retry: Retry::No }
    }
}

/// Sends a message to all recipients as one mail; blocks no longer than `within`.
pub fn send(email: &Email, message: &Message, now: Time, within: Duration) -> Sent {
    if let Some(why) = email.incomplete() {
        return Sent::failed(why, Retry::No);
    }
    let mail = match compose(email, message, now) {
        Ok(mail) => mail,
        Err(why) => return Sent::failed(format!("failed to send email: {why}"), Retry::No),
    };
    let bytes = mail.bytes.len();
    let mut sent = match deliver(email, &mail, Instant::now() + within) {
        Ok((code, answer)) => Sent { status: code, answer, ..Sent::default() },
        Err(f) => Sent {
            status: f.code,
            answer: if f.code == 0 { String::new() } else { f.words.clone() },
            error: Some(format!("failed to send email: {}", f.words)),
            retry: f.retry,
            ..Sent::default()
        },
    };
    sent.payload_bytes = bytes;
    let password = email.password.expose();
    let encoded = [base64::encode(password.as_bytes()), base64::encode(&session::plain(email.login_name(), password))];
    let secrets = [password, &encoded[0], &encoded[1]];
    sent.answer = clean(scrub(&sent.answer, &secrets).as_bytes());
    sent.error = sent.error.map(|e| clean(scrub(&e, &secrets).as_bytes()));
    sent
}

/// The server's last answer: code and words.
fn deliver(email: &Email, mail: &Composed, until: Instant) -> Result<(u16, String), Failure> {
    let transport = email.transport();
    let login = login(email);
    let tcp = connect(&email.server, email.effective_port(), until)?;
    let ours = session::our_name(tcp.local_addr().ok().map(|a| a.ip()));
    let mut wire = Wire::plain(tcp, until);
    if transport == Transport::Tls {
        wire = secured(wire, email, true)?;
    }
    let mut session = Session::greeted(wire, &ours)?;
    let wants_upgrade = match transport {
        Transport::Tls | Transport::Plain => false,
        Transport::StartTls => true,
        Transport::Opportunistic => session.offers("STARTTLS"),
    };
    if wants_upgrade {
        // Without a login, encryption to whoever answers is still better than none.
        let verify = transport == Transport::StartTls || login.is_some();
        session = session.start_tls(&ours, |wire| secured(wire, email, verify))?;
    }
    if let Some(login) = login {
        let in_clear = !session.is_encrypted() && transport != Transport::Plain && !is_local(&email.server);
        if in_clear {
            return Err(Failure::never(
                "the server offers no encryption, and the password is not sent in clear text; \
                 choose security \"none\" to allow it",
            ));
        }
        session.log_in(&login)?;
    }
    session.send(mail)
}

fn login(email: &Email) -> Option<Login<'_>> {
    let user = email.login_name();
    (!user.is_empty() && !email.password.is_empty()).then(|| Login { user, password: email.password.expose() })
}

fn is_local(server: &str) -> bool {
    let ip = server.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    server.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

fn connect(server: &str, port: u16, until: Instant) -> Result<TcpStream, Failure> {
    let left = |most: Duration| until.saturating_duration_since(Instant::now()).min(most);
    let addresses = resolve(server, port, left(CONNECT))
        .map_err(|why| if why.contains("may not be called") { Failure::never(why) } else { Failure::later(why) })?;
    let mut last = None;
    for address in addresses {
        let within = left(CONNECT);
        if within.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, within) {
            Ok(tcp) => return Ok(tcp),
            Err(e) => last = Some(format!("failed to connect to {server}:{port}: {e}")),
        }
    }
    Err(Failure::later(last.unwrap_or_else(|| format!("failed to connect to {server}:{port}: no answer in time"))))
}

fn secured(wire: Wire, email: &Email, verify: bool) -> Result<Wire, Failure> {
    let policy = if email.skip_verify || !verify { Tls::Off } else { Tls::Verify };
    let config = tls_config(policy).map_err(|e| Failure::never(e.to_string()))?;
    wire.secured(config, &email.server)
}

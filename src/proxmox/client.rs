//! One host's API: requests with deadlines and bounded bodies, over kept-alive connections.
//!
//! A client is shared by the threads of a cycle for [`Client::get`]. Logging in changes it, so only its owner can do
//! that ([`Client::ready`]): a login can never happen twice at once.

use super::access::Place;
use super::connector::{RememberingResolver, TlsConnector};
use super::error::clean;
use super::lenient::{Answer, Envelope};
use super::rows::Slot;
use super::ticket::{self, Ticket};
use super::{Access, Auth, Error, Kind, Tls, tls};
use serde::de::DeserializeSeed;
use std::io::{self, Read};
use std::time::Duration;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};

/// The longest answer of an ordinary list, in bytes after decompression.
pub const LIST_LIMIT: usize = 16 << 20;
/// The longest list of backups of a namespace (about 100,000 snapshots); it is decoded while it arrives.
pub const BACKUP_LIMIT: usize = 64 << 20;
/// Answers up to this size are read whole and then decoded, which is fastest.
const WHOLE: u64 = 4 << 20;
/// What is read of the body of an error.
const ERROR_LIMIT: u64 = 4 << 10;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// See the module. A clone shares the connections and has a copy of the ticket.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    /// `https://host:8006/api2/json`
    api: String,
    kind: Kind,
    credential: Credential,
    timeout: Duration,
}

#[derive(Clone)]
enum Credential {
    /// Value of the `Authorization` header.
    Token(String),
    Password {
        user: String,
        secret: String,
        ticket: Option<Ticket>,
    },
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.api)
    }
}

impl Client {
    /// Prepares a client; nothing is asked yet. Fails when the address cannot be read.
    pub fn new(kind: Kind, access: &Access) -> Result<Client, Error> {
        let place = Place::parse(&access.base_url)?;
        let credential = match &access.auth {
            Auth::Password { user, secret } => {
                Credential::Password { user: user.clone(), secret: secret.clone(), ticket: None }
            }
            token => Credential::Token(header_value(token.header(kind).unwrap_or_default())?),
        };
        Ok(Client {
            agent: agent(&place, access, true)?,
            api: format!("{}/api2/json", place.url()),
            kind,
            credential,
            timeout: access.timeout,
        })
    }

    /// The longest an ordinary request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Makes sure that requests can be made: with a password, logs in when there is no ticket or it is old.
    /// Says whether it had to ask for that. `mono_ms` is the monotonic clock.
    pub fn ready(&mut self, mono_ms: u64) -> Result<bool, Error> {
        let Credential::Password { user, secret, ticket } = &mut self.credential else { return Ok(false) };
        if ticket.as_ref().is_some_and(|t| t.is_fresh(mono_ms)) {
            return Ok(false);
        }
        let url = format!("{}/access/ticket", self.api);
        *ticket = None;
        *ticket = Some(ticket::log_in(&self.agent, &url, self.kind, user, secret, self.timeout, mono_ms)?);
        Ok(true)
    }

    /// Forgets the ticket after a 401, so that the next [`Client::ready`] logs in. False when there is nothing to
    /// forget: the 401 then is about the token.
    pub fn forget_ticket(&mut self) -> bool {
        match &mut self.credential {
            Credential::Token(_) => false,
            Credential::Password { ticket, .. } => ticket.take().is_some(),
        }
    }

    /// Asks for `path` (below `/api2/json/`, already encoded) and gives the `data` of the answer.
    pub fn get<T: Answer>(&self, path: &str, within: Duration) -> Result<T, Error> {
        self.get_bounded(path, within, LIST_LIMIT)
    }

    /// As [`Client::get`] with a limit of its own for the answer, in bytes.
    pub fn get_bounded<T: Answer>(&self, path: &str, within: Duration, limit: usize) -> Result<T, Error> {
        answer(|slot| self.fill(path, within, limit, slot))
    }

    /// Asks without logging in first, to see whether anybody is there: a 401 is as good an answer as any.
    pub fn reach<T: Answer>(&self, path: &str, within: Duration) -> Result<T, Error> {
        match self.credential {
            Credential::Password { ticket: None, .. } => answer(|slot| {
                let sent = self.send(path, within, None).map_err(from_ureq)?;
                read(sent, LIST_LIMIT, slot)
            }),
            _ => self.get(path, within),
        }
    }

    /// Logs in if needed, asks, and after a 401 logs in once more: for single questions outside a cycle.
    pub fn ask<T: Answer>(&mut self, path: &str, mono_ms: u64) -> Result<T, Error> {
        self.ready(mono_ms)?;
        match self.get(path, self.timeout) {
            Err(Error::Status(401, _)) if self.forget_ticket() => {
                self.ready(mono_ms)?;
                self.get(path, self.timeout)
            }
            other => other,
        }
    }

    /// Asks, and once more when the connection was gone.
    fn fill(&self, path: &str, within: Duration, limit: usize, slot: Slot<'_>) -> Result<(), Error> {
        let credential = match &self.credential {
            Credential::Token(value) => ("Authorization", value),
            Credential::Password { ticket: Some(ticket), .. } => ("Cookie", &ticket.cookie),
            Credential::Password { ticket: None, .. } => return Err(Error::Login(401, "not logged in".into())),
        };
        let sent = match self.send(path, within, Some(credential)) {
            // A kept-alive connection that the host closed at this very moment; nothing is wrong with the host.
            Err(e) if is_lost(&e) => self.send(path, within, Some(credential)),
            other => other,
        };
        let sent = sent.map_err(|e| match is_lost(&e) {
            true => Error::Connect("the host closed the connection".into()),
            false => from_ureq(e),
        });
        read(sent?, limit, slot)
    }

    fn send(&self, path: &str, within: Duration, credential: Option<(&str, &String)>) -> Result<Response, ureq::Error> {
        let mut request = self.agent.get(format!("{}/{path}", self.api));
        if let Some((name, value)) = credential {
            request = request.header(name, value);
        }
        request.config().timeout_global(Some(within)).build().call()
    }
}

type Response = ureq::http::Response<ureq::Body>;

/// The one generic step: a place for the answer, which `fill` fills.
fn answer<T: Answer>(fill: impl FnOnce(Slot<'_>) -> Result<(), Error>) -> Result<T, Error> {
    let mut answer = T::default();
    fill(answer.slot())?;
    Ok(answer)
}

/// The answer of a request, if it is a good one.
fn read(mut response: Response, limit: usize, slot: Slot<'_>) -> Result<(), Error> {
    check_status(&mut response)?;
    // An honest head saves the reading; a dishonest one is caught while it is read.
    if response.body().content_length().is_some_and(|length| length > limit as u64) {
        return Err(Error::TooLarge(limit));
    }
    decode(&mut response.body_mut().as_reader(), limit, slot)
}

/// An agent for a host that nothing is known of: straight to it, whatever certificate it shows.
pub(crate) fn stranger(base_url: &str, timeout: Duration) -> Result<ureq::Agent, Error> {
    let auth = Auth::Password { user: String::new(), secret: String::new() };
    let access = Access { base_url: base_url.to_owned(), auth, tls: Tls::Off, timeout };
    agent(&Place::parse(base_url)?, &access, false)
}

fn agent(place: &Place, access: &Access, proxied: bool) -> Result<ureq::Agent, Error> {
    let connect = access.timeout.min(CONNECT_TIMEOUT);
    // A proxy never helps to reach this machine. SOCKS is not built in.
    let proxy = ureq::Proxy::try_from_env().filter(|p| {
        use ureq::ProxyProtocol::{Http, Https};
        proxied && matches!(p.protocol(), Http | Https) && !place.is_loopback()
    });
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .user_agent(concat!("Pulse/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        .timeout_connect(Some(connect))
        .timeout_resolve(Some(connect))
        // Eight threads of a cycle at most; buffers small, because every idle connection keeps its own.
        .max_idle_connections(8)
        .max_idle_connections_per_host(8)
        .max_idle_age(Duration::from_secs(90))
        .input_buffer_size(16 << 10)
        .output_buffer_size(4 << 10)
        .max_response_header_size(32 << 10)
        .build();
    let connector = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default());
    let connector = connector.chain(TlsConnector(tls::config(access.tls)?));
    Ok(ureq::Agent::with_parts(config, connector, RememberingResolver::new()))
}

fn header_value(value: String) -> Result<String, Error> {
    if value.chars().all(|c| c.is_ascii() && !c.is_ascii_control()) {
        Ok(value)
    } else {
        Err(Error::Login(401, "the token has characters that cannot be sent".into()))
    }
}

/// Success, or the error that the status stands for.
pub(super) fn check_status(response: &mut Response) -> Result<(), Error> {
    let code = response.status().as_u16();
    match code {
        200..=299 => Ok(()),
        300..=399 => {
            let to = response.headers().get("location").and_then(|v| v.to_str().ok()).unwrap_or("elsewhere");
            Err(Error::Redirect(code, clean(to, 200)))
        }
        _ => {
            let mut text = Vec::new();
            let _ = response.body_mut().as_reader().take(ERROR_LIMIT).read_to_end(&mut text);
            Err(Error::Status(code, error_text(&text)))
        }
    }
}

/// The words of an error answer: PVE's `message` or `errors`, PBS's plain text. HTML says nothing.
fn error_text(body: &[u8]) -> String {
    if let Ok(said) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body) {
        if let Some(message) = said.get("message").and_then(|m| m.as_str()) {
            return clean(message, 200);
        }
        let each = said.get("errors").and_then(|e| e.as_object()).into_iter().flatten();
        let words: Vec<String> = each.take(5).map(|(k, v)| format!("{k}: {}", v.as_str().unwrap_or("?"))).collect();
        return clean(&words.join(", "), 200);
    }
    let text = String::from_utf8_lossy(body);
    if text.trim_start().starts_with(['<', '{']) { String::new() } else { clean(&text, 200) }
}

/// Decodes `{"data": …}`: short answers from memory, long ones while they arrive. Never reads past `limit`.
fn decode(body: &mut dyn Read, limit: usize, slot: Slot<'_>) -> Result<(), Error> {
    let mut body = Bounded { inner: body, left: limit, failed: None };
    let mut start = Vec::new();
    let read = (&mut body).take(WHOLE).read_to_end(&mut start);
    if let Err(e) = read {
        return Err(body.failed.take().unwrap_or_else(|| from_ureq(e.into())).or_limit(limit));
    }
    let decoded = if (start.len() as u64) < WHOLE {
        fill_from(serde_json::Deserializer::from_slice(&start), slot)
    } else {
        let whole = io::Cursor::new(start).chain(io::BufReader::with_capacity(64 << 10, &mut body));
        fill_from(serde_json::Deserializer::from_reader(io::BufReader::with_capacity(64 << 10, whole)), slot)
    };
    decoded.map_err(|e| body.failed.take().unwrap_or_else(|| Error::Body(clean(&e.to_string(), 160))).or_limit(limit))
}

/// Decodes an answer from wherever it comes; nothing may follow it.
fn fill_from<'de, R: serde_json::de::Read<'de>>(
    mut from: serde_json::Deserializer<R>,
    slot: Slot<'_>,
) -> Result<(), serde_json::Error> {
    Envelope(slot).deserialize(&mut from)?;
    from.end()
}

impl Error {
    /// Fills the limit into the marker that the bounded reader leaves.
    fn or_limit(self, limit: usize) -> Error {
        if self == Error::TooLarge(0) { Error::TooLarge(limit) } else { self }
    }
}

/// A reader that stops at a limit and remembers why it stopped, since serde_json turns every cause into words.
struct Bounded<'a> {
    inner: &'a mut dyn Read,
    left: usize,
    failed: Option<Error>,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = match self.inner.read(buf) {
            Ok(got) => got,
            Err(e) => {
                let kind = e.kind();
                self.failed = Some(from_ureq(e.into()));
                return Err(kind.into());
            }
        };
        match self.left.checked_sub(got) {
            Some(left) => self.left = left,
            None => {
                self.failed = Some(Error::TooLarge(0));
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        Ok(got)
    }
}

/// The connection went away before anything was answered.
fn is_lost(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error, ureq::Error::Io(e) if matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

/// ureq's error as this room's: by variant, by `io::ErrorKind`, by the rustls error inside.
pub(super) fn from_ureq(error: ureq::Error) -> Error {
    use ureq::Error as U;
    match error {
        U::Io(e) => from_io(&e),
        U::Rustls(e) => tls::failed(&e),
        U::Tls(why) => Error::Tls { fingerprint: None, reason: why.into() },
        U::Timeout(stage) => Error::Timeout(stage_name(stage)),
        U::HostNotFound => Error::Connect("the name is not known".into()),
        U::ConnectionFailed | U::ConnectProxyFailed(_) | U::InvalidProxyUrl => {
            Error::Connect("no connection came about".into())
        }
        U::BadUri(_) | U::Http(_) | U::RequireHttpsOnly(_) => Error::Address("it does not make a URL".into()),
        U::StatusCode(code) => Error::Status(code, String::new()),
        U::TooManyRedirects | U::RedirectFailed => Error::Redirect(302, "elsewhere".into()),
        U::LargeResponseHeader(_, limit) => Error::TooLarge(limit),
        U::BodyExceedsLimit(limit) => Error::TooLarge(usize::try_from(limit).unwrap_or(usize::MAX)),
        other => Error::Body(clean(&other.to_string(), 160)),
    }
}

fn from_io(error: &io::Error) -> Error {
    if let Some(inner) = error.get_ref() {
        if let Some(e) = inner.downcast_ref::<rustls::Error>() {
            return tls::failed(e);
        }
        if let Some(U::Timeout(stage)) = inner.downcast_ref::<U>() {
            return Error::Timeout(stage_name(*stage));
        }
        if let Some(U::Decompress(..)) = inner.downcast_ref::<U>() {
            return Error::Body("it is not valid gzip".into());
        }
    }
    use io::ErrorKind as K;
    use ureq::Error as U;
    match error.kind() {
        K::TimedOut | K::WouldBlock => Error::Timeout("the connection stalled"),
        K::ConnectionRefused => Error::Connect("connection refused".into()),
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => Error::Connect("connection reset".into()),
        K::UnexpectedEof => Error::Body("it ends too early".into()),
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown | K::AddrNotAvailable => {
            Error::Connect("no route to the host".into())
        }
        _ => Error::Connect(clean(&error.to_string(), 120)),
    }
}

/// Which deadline a request ran into.
fn stage_name(stage: ureq::Timeout) -> &'static str {
    use ureq::Timeout as T;
    match stage {
        T::Resolve => "the name look-up took too long",
        T::Connect => "connecting took too long",
        T::SendRequest | T::SendBody => "the host did not take the request",
        T::RecvResponse => "the host did not answer",
        T::RecvBody => "the answer did not end",
        _ => "the request took too long",
    }
}

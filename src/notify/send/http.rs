//! One HTTP request: deadline, certificate policy, checked addresses, redirects within the host only, and an answer that
//! says whether it arrived, in the receiver's own words.

use super::{ANSWER_BYTES, address, clean};
use crate::notify::job::{Retry, Sent};
use crate::notify::settings::{masked_url, scrub};
use crate::proxmox::{Tls, TlsConnector, tls_config};
use std::io::{self, Read};
use std::time::{Duration, Instant};
use ureq::config::Config;
use ureq::http::header::{HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, TcpConnector};
use ureq::{Agent, Body};

/// Redirects followed, within one host.
const REDIRECTS: usize = 3;
const HEAD_BYTES: usize = 16 << 10;
/// What the administrator's headers cannot change: they belong to the connection.
const OURS: [&str; 5] = ["host", "content-length", "connection", "transfer-encoding", "te"];

/// What goes to a receiver.
#[derive(Clone, Default)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    /// In this order; a later one replaces an earlier one of the same name.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub skip_verify: bool,
    /// Texts that must not be shown, wherever the receiver echoes them.
    pub secrets: Vec<String>,
    /// Words of an answer with status 200 that still mean failure (Teams answers so).
    pub failure_words: Option<&'static str>,
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HttpRequest({} {}, {} bytes)", self.method, masked_url(&self.url), self.body.len())
    }
}

impl HttpRequest {
    fn hide(&self, text: &str) -> String {
        let secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        scrub(text, &secrets)
    }
}

/// Sends and waits for the answer, no longer than `within`.
pub fn http(request: &HttpRequest, within: Duration) -> Sent {
    let mut sent = exchange(request, Instant::now() + within);
    sent.payload_bytes = request.body.len();
    sent.answer = request.hide(&sent.answer);
    sent.error = sent.error.map(|e| request.hide(&e));
    sent
}

/// Asks for a document of at most `most_bytes`. The error is free of secrets.
pub fn fetch(request: &HttpRequest, within: Duration, most_bytes: usize) -> Result<Vec<u8>, String> {
    let hidden = |why: String| request.hide(&why);
    let response = respond(request, Instant::now() + within).map_err(|s| hidden(s.error.unwrap_or_default()))?;
    if !response.status().is_success() {
        let sent = answer(request, response);
        return Err(hidden(format!("HTTP {}: {}", sent.status, sent.answer.chars().take(200).collect::<String>())));
    }
    let mut body = Vec::new();
    let read = response.into_body().into_reader().take(most_bytes as u64 + 1).read_to_end(&mut body);
    read.map_err(|e| hidden(format!("failed to read the answer: {e}")))?;
    if body.len() > most_bytes { Err(format!("the answer is larger than {most_bytes} bytes")) } else { Ok(body) }
}

fn exchange(request: &HttpRequest, until: Instant) -> Sent {
    match respond(request, until) {
        Ok(response) => answer(request, response),
        Err(sent) => sent,
    }
}

/// The answer's head, behind redirects.
fn respond(request: &HttpRequest, until: Instant) -> Result<Response<Body>, Sent> {
    let agent = agent(request.skip_verify).map_err(|why| Sent::failed(why, Retry::No))?;
    let invalid = |e: ureq::http::uri::InvalidUri| Sent::failed(format!("invalid URL: {e}"), Retry::No);
    let mut url: Uri = request.url.parse().map_err(invalid)?;
    for _ in 0..=REDIRECTS {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Sent::failed("request failed: no answer in time", Retry::Later));
        }
        let response = once(&agent, request, &url, left)?;
        if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        url = target(&url, response.headers())
            .map_err(|why| Sent { status: response.status().as_u16(), ..Sent::failed(why, Retry::No) })?;
    }
    Err(Sent::failed(format!("redirected more than {REDIRECTS} times"), Retry::No))
}

fn agent(skip_verify: bool) -> Result<Agent, String> {
    let tls = tls_config(if skip_verify { Tls::Off } else { Tls::Verify }).map_err(|e| e.to_string())?;
    let config = Config::builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(HEAD_BYTES)
        .max_idle_connections(0)
        .allow_non_standard_methods(true)
        .user_agent("")
        .accept("*/*")
        .build();
    let connector = ().chain(TcpConnector::default()).chain(TlsConnector(tls));
    Ok(Agent::with_parts(config, connector, CheckedResolver))
}

fn once(agent: &Agent, request: &HttpRequest, url: &Uri, within: Duration) -> Result<Response<Body>, Sent> {
    let refused = |e: &dyn std::fmt::Display| Sent::failed(format!("request cannot be made: {e}"), Retry::No);
    let method: Method = request.method.parse().map_err(|e| refused(&e))?;
    let mut builder = Request::builder().method(method.clone()).uri(url.clone());
    let headers = builder.headers_mut().ok_or_else(|| refused(&"invalid URL"))?;
    for (name, value) in &request.headers {
        let name: HeaderName = name.trim().parse().map_err(|_| refused(&format!("invalid header name {name:?}")))?;
        if OURS.contains(&name.as_str()) {
            continue;
        }
        let value: HeaderValue =
            value.trim().parse().map_err(|_| refused(&format!("the value of header {name} is invalid")))?;
        headers.insert(name, value);
    }
    let failed = |e: ureq::Error| from_ureq(&e);
    if method == Method::GET || method == Method::HEAD {
        let ready = builder.body(()).map_err(|e| refused(&e))?;
        let ready = agent.configure_request(ready).timeout_global(Some(within)).build();
        return agent.run(ready).map_err(failed);
    }
    let ready = builder.body(request.body.as_slice()).map_err(|e| refused(&e))?;
    let ready = agent.configure_request(ready).timeout_global(Some(within)).build();
    agent.run(ready).map_err(failed)
}

/// Where a redirect leads, if it stays on the host: another host must not get the message or the credentials.
fn target(from: &Uri, headers: &HeaderMap) -> Result<Uri, String> {
    let location = headers.get(LOCATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let joined = if location.starts_with('/') && !location.starts_with("//") {
        let authority = from.authority().map_or("", |a| a.as_str());
        format!("{}://{authority}{location}", from.scheme_str().unwrap_or("http"))
    } else {
        location.to_owned()
    };
    let to: Uri = joined.parse().map_err(|_| "redirected to an address that cannot be read".to_owned())?;
    let port = |u: &Uri| u.port_u16().unwrap_or(if u.scheme_str() == Some("https") { 443 } else { 80 });
    let same_host = to.host().zip(from.host()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b));
    let upgrade =
        (from.scheme_str(), to.scheme_str()) == (Some("http"), Some("https")) && port(from) == 80 && port(&to) == 443;
    if same_host && (upgrade || (from.scheme() == to.scheme() && port(from) == port(&to))) {
        return Ok(to);
    }
    Err(format!("redirected to {}, which is another place: enter the final URL instead", masked_url(&to.to_string())))
}

/// What the receiver said.
fn answer(request: &HttpRequest, response: Response<Body>) -> Sent {
    let status = response.status();
    let asked = retry_after_header(response.headers());
    let mut body = Vec::new();
    // What cannot be read of the body changes nothing: the status has been said.
    let _ = response.into_body().into_reader().take(ANSWER_BYTES as u64).read_to_end(&mut body);
    let answer = clean(&body);
    let mut sent = Sent { status: status.as_u16(), answer, ..Sent::default() };
    let says_failed = request.failure_words.is_some_and(|words| sent.answer.contains(words));
    if status.is_success() && !says_failed {
        return sent;
    }
    let short: String = sent.answer.chars().take(300).collect();
    sent.error = Some(format!("Webhook returned HTTP {}: {short}", status.as_u16()));
    sent.retry = match status.as_u16() {
        429 | 503 => asked.or_else(|| retry_after_body(&body)).map_or(Retry::Later, Retry::AfterSecs),
        408 | 425 | 500..=599 => Retry::Later,
        _ if says_failed => Retry::Later,
        _ => Retry::No,
    };
    sent
}

/// `Retry-After` as seconds (Discord sends fractions) or as a date.
fn retry_after_header(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(secs) = text.parse::<f64>().ok().and_then(whole_secs) {
        return Some(secs);
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let secs = at.as_second().saturating_sub(jiff::Timestamp::now().as_second());
    Some(u64::try_from(secs).unwrap_or(0))
}

/// Discord's and Telegram's other way to say it.
fn retry_after_body(body: &[u8]) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let at = value.get("retry_after").or_else(|| value.pointer("/parameters/retry_after"))?;
    whole_secs(at.as_f64()?)
}

fn whole_secs(secs: f64) -> Option<u64> {
    (secs.is_finite() && (0.0..1e9).contains(&secs)).then(|| secs.ceil() as u64)
}

/// A failure without an answer. The words start as 4.9's do.
fn from_ureq(error: &ureq::Error) -> Sent {
    let retry = match error {
        ureq::Error::Io(e) if e.kind() == io::ErrorKind::PermissionDenied => Retry::No,
        ureq::Error::Io(e) if e.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => Retry::No,
        ureq::Error::Rustls(_) | ureq::Error::BadUri(_) | ureq::Error::Http(_) => Retry::No,
        _ => Retry::Later,
    };
    let words = match error {
        ureq::Error::Io(e) => e.to_string(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        other => other.to_string(),
    };
    Sent::failed(format!("request failed: {words}"), retry)
}

/// Gives only addresses that may be called; the connection goes to one of them and to no other.
#[derive(Debug)]
struct CheckedResolver;

impl Resolver for CheckedResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let found = address::resolve(host, port, *timeout.after).map_err(|why| {
            let kind = if why.contains("may not be called") {
                io::ErrorKind::PermissionDenied
            } else {
                io::ErrorKind::NotFound
            };
            ureq::Error::Io(io::Error::new(kind, why))
        })?;
        let mut out = DefaultResolver::default().empty();
        // The array is ureq's and holds 16.
        for address in found.into_iter().take(16) {
            out.push(address);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_host() {
        let from: Uri = "http://a.lan/hook".parse().unwrap();
        let to = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().unwrap());
            target(&from, &headers).map(|u| u.to_string())
        };
        assert_eq!(to("/hook/").unwrap(), "http://a.lan/hook/");
        assert_eq!(to("https://A.lan/hook").unwrap(), "https://A.lan/hook");
        for other in ["https://b.lan/hook?token=secret", "//b.lan/", "http://a.lan:81/", "", "http://a.lan.evil/"] {
            assert!(to(other).is_err(), "{other}");
        }
        assert!(!to("https://b.lan/hook?token=secret").unwrap_err().contains("secret"));
        let secure: Uri = "https://a.lan/hook".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, "http://a.lan/hook".parse().unwrap());
        assert!(target(&secure, &headers).is_err(), "never from TLS to clear text");
    }

    #[test]
    fn receivers_say_in_several_ways_when_to_come_back() {
        let header = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            retry_after_header(&headers)
        };
        assert_eq!(header("30"), Some(30));
        assert_eq!(header("0.25"), Some(1));
        assert_eq!(header("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(header("soon"), None);
        assert_eq!(retry_after_body(br#"{"message":"slow down","retry_after":1.3}"#), Some(2));
        assert_eq!(retry_after_body(br#"{"ok":false,"parameters":{"retry_after":17}}"#), Some(17));
        assert_eq!(retry_after_body(b"nonsense"), None);
    }
}

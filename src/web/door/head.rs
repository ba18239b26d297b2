//! The head of a request: strict where two readers could disagree (RFC 9112), with the status for each refusal.

use super::Limits;
use crate::http::Method;

/// Why a request is refused: status and words. The connection is closed after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub message: &'static str,
}

pub const fn refuse(status: u16, message: &'static str) -> Refusal {
    Refusal { status, message }
}

/// How the body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// A head that was understood.
#[derive(Debug, Clone)]
pub struct Head {
    pub method: Method,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub framing: Framing,
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Bytes of the head, its blank line included.
    pub length: usize,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
    /// A WebSocket handshake (RFC 6455, 4.1).
    pub fn is_upgrade(&self) -> bool {
        self.method == Method::Get
            && self.header("upgrade").is_some_and(|v| v.trim().eq_ignore_ascii_case("websocket"))
            && self.header("connection").is_some_and(|v| has_word(v, "upgrade"))
    }
}

/// Parses the bytes read so far. `Ok(None)`: the head is not complete yet.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Option<Head>, Refusal> {
    if bytes.starts_with(b"PRI * HTTP/2") {
        return Err(refuse(505, "HTTP/2 is not spoken here"));
    }
    let mut slots = vec![httparse::EMPTY_HEADER; limits.headers];
    let mut request = httparse::Request::new(&mut slots);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() >= limits.head_bytes => {
            return Err(refuse(431, "The request head is too large"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(refuse(431, "Too many headers")),
        Err(httparse::Error::Version) => return Err(refuse(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here")),
        Err(_) => return Err(refuse(400, "The request is not HTTP")),
    };
    if length > limits.head_bytes {
        return Err(refuse(431, "The request head is too large"));
    }
    // A bare line feed inside a head is read differently by others: refused, as RFC 9112 2.2 allows.
    let head = bytes.get(..length).unwrap_or_default();
    if head.iter().enumerate().any(|(i, b)| *b == b'\n' && (i == 0 || head.get(i - 1) != Some(&b'\r'))) {
        return Err(refuse(400, "Header lines must end with CR LF"));
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(refuse(400, "The request line is incomplete"));
    };
    let mut headers = Vec::with_capacity(request.headers.len());
    for header in request.headers.iter() {
        headers.push((header.name.to_owned(), String::from_utf8_lossy(header.value).trim().to_owned()));
    }
    finish(method, target, version, headers, length).map(Some)
}

fn finish(
    method: &str,
    target: &str,
    version: u8,
    headers: Vec<(String, String)>,
    length: usize,
) -> Result<Head, Refusal> {
    let target = origin_form(target)?;
    let count = |name: &str| headers.iter().filter(|(k, _)| k.eq_ignore_ascii_case(name)).count();
    let hosts = count("host");
    if hosts > 1 || (version == 1 && hosts == 0) {
        return Err(refuse(400, "Exactly one Host header is needed"));
    }
    let framing = framing(version, &headers)?;
    let connection = headers.iter().filter(|(k, _)| k.eq_ignore_ascii_case("connection")).map(|(_, v)| v.as_str());
    let words: Vec<&str> = connection.collect();
    let close = words.iter().any(|v| has_word(v, "close"));
    let keep = words.iter().any(|v| has_word(v, "keep-alive"));
    let expects = headers.iter().find(|(k, _)| k.eq_ignore_ascii_case("expect")).map(|(_, v)| v.to_ascii_lowercase());
    if expects.as_deref().is_some_and(|e| e != "100-continue") {
        return Err(refuse(417, "Only 100-continue can be expected"));
    }
    Ok(Head {
        method: Method::parse(method),
        target,
        keep_alive: !close && (version == 1 || keep),
        expects_continue: expects.is_some() && version == 1,
        framing,
        headers,
        length,
    })
}

/// The target as a path: absolute forms lose scheme and host, `*` is only for OPTIONS.
fn origin_form(target: &str) -> Result<String, Refusal> {
    if target.starts_with('/') {
        return Ok(target.to_owned());
    }
    if target == "*" {
        return Ok("/".to_owned());
    }
    for scheme in ["http://", "https://"] {
        if target.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)) {
            let rest = target.get(scheme.len()..).unwrap_or_default();
            return Ok(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/").to_owned());
        }
    }
    Err(refuse(400, "The request target is not a path"))
}

fn framing(version: u8, headers: &[(String, String)]) -> Result<Framing, Refusal> {
    let all = |name: &str| {
        headers.iter().filter(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
    };
    let lengths = all("content-length");
    let codings = all("transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(Framing::None),
        ([length], []) => {
            if length.is_empty() || length.len() > 15 || !length.bytes().all(|b| b.is_ascii_digit()) {
                return Err(refuse(400, "Content-Length is not a number"));
            }
            length.parse().map(Framing::Length).map_err(|_| refuse(400, "Content-Length is not a number"))
        }
        ([], [coding]) if version == 1 && coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        ([], _) => Err(refuse(411, "Only the chunked transfer coding is understood; send Content-Length")),
        _ => Err(refuse(400, "The length of the body is given twice")),
    }
}

/// Whether a comma list has a word, without regard to case.
pub fn has_word(list: &str, word: &str) -> bool {
    list.split(',').any(|w| w.trim().eq_ignore_ascii_case(word))
}

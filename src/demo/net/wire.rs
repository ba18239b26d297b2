//! HTTP/1.1 as far as a Proxmox daemon needs it: reading one bounded request, writing one answer.

use crate::demo::access::{Proof, percent_decode};
use std::io::{ErrorKind, Read, Write};

/// Longest request head and body that are read.
const HEAD_BYTES: usize = 16 * 1024;
const BODY_BYTES: usize = 64 * 1024;

/// A request, parsed.
pub struct Request {
    pub method: String,
    /// Decoded, with its `/api2/json` prefix, without the query.
    pub path: String,
    /// Query and form parameters, decoded.
    pub given: Vec<(String, String)>,
    pub proof: Proof,
    pub keep_alive: bool,
}

/// Why no request came.
pub enum Ended {
    /// The client closed, or was silent for too long between requests.
    Quietly,
    /// It sent something that is no request; answer 400 and close.
    Malformed,
}

/// Reads the next request; what was read beyond it stays in `buffer`.
pub fn read(stream: &mut impl Read, buffer: &mut Vec<u8>) -> Result<Request, Ended> {
    loop {
        if let Some((request, consumed)) = parse(buffer)? {
            buffer.drain(..consumed.min(buffer.len()));
            return Ok(request);
        }
        if buffer.len() > HEAD_BYTES + BODY_BYTES {
            return Err(Ended::Malformed);
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => return Err(Ended::Quietly),
            Ok(n) => buffer.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Ended::Quietly),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, Ended> {
    let mut slots = [httparse::EMPTY_HEADER; 48];
    let mut head = httparse::Request::new(&mut slots);
    let start = match head.parse(bytes) {
        Ok(httparse::Status::Complete(n)) => n,
        Ok(httparse::Status::Partial) if bytes.len() <= HEAD_BYTES => return Ok(None),
        _ => return Err(Ended::Malformed),
    };
    let header = |name: &str| {
        let found = head.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        found.map(|h| String::from_utf8_lossy(h.value).trim().to_owned())
    };
    let length = match header("content-length").map(|v| v.parse::<usize>()) {
        None => 0,
        Some(Ok(length)) if length <= BODY_BYTES => length,
        Some(_) => return Err(Ended::Malformed),
    };
    let Some(body) = bytes.get(start..start + length) else { return Ok(None) };
    let target = head.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut given = pairs(query);
    if header("content-type").is_some_and(|t| t.starts_with("application/json")) {
        given.extend(json_pairs(body));
    } else {
        given.extend(pairs(&String::from_utf8_lossy(body)));
    }
    let connection = header("connection").unwrap_or_default().to_ascii_lowercase();
    let request = Request {
        method: head.method.unwrap_or("GET").to_owned(),
        path: percent_decode(path),
        given,
        proof: Proof { authorization: header("authorization"), cookie: header("cookie") },
        keep_alive: head.version == Some(1) && connection != "close",
    };
    Ok(Some((request, start + length)))
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |part: &str| percent_decode(&part.replace('+', " "));
    let pair = |p: &str| p.split_once('=').map_or((decode(p), String::new()), |(n, v)| (decode(n), decode(v)));
    text.split('&').filter(|p| !p.is_empty()).map(pair).collect()
}

fn json_pairs(body: &[u8]) -> Vec<(String, String)> {
    let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(body) else { return Vec::new() };
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    map.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// An answer before it is written.
pub struct Reply {
    pub status: u16,
    /// Proxmox VE puts its error text here.
    pub reason: String,
    pub kind: &'static str,
    pub extra: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn ok(body: Vec<u8>) -> Reply {
        let kind = "application/json;charset=UTF-8";
        Reply { status: 200, reason: "OK".to_owned(), kind, extra: String::new(), body }
    }
    /// The head, with a promised length that a fault may choose to break.
    pub fn head(&self, date: &str, length: u64, keep_alive: bool) -> Vec<u8> {
        let connection = if keep_alive { "Keep-Alive" } else { "close" };
        let Reply { status, reason, kind, extra, .. } = self;
        // A reason must stay on its line.
        let reason = reason.replace(['\r', '\n'], " ");
        format!(
            "HTTP/1.1 {status} {reason}\r\nCache-Control: max-age=0\r\nConnection: {connection}\r\nDate: {date}\r\n\
             Pragma: no-cache\r\nServer: pve-api-daemon/3.0\r\nContent-Length: {length}\r\nContent-Type: {kind}\r\n\
             {extra}\r\n"
        )
        .into_bytes()
    }
    /// Writes head and body at once.
    pub fn write(&self, stream: &mut impl Write, date: &str, keep_alive: bool) -> std::io::Result<()> {
        let mut bytes = self.head(date, self.body.len() as u64, keep_alive);
        bytes.extend_from_slice(&self.body);
        stream.write_all(&bytes)?;
        stream.flush()
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub fn date(t: i64) -> String {
    let Ok(stamp) = jiff::Timestamp::from_second(t) else { return String::new() };
    stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

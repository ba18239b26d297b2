//! Handing a complete request to tiny_http over the private Unix socket, and taking its answer.
//!
//! tiny_http sees only a request of our own making: the client's head travels inside one header, encoded, so no header
//! of a client can confuse it, and none can pretend to be ours.
//!
//! The connections are made once, before the door opens, and kept: at most that many requests are in flight, and
//! tiny_http neither accepts a connection nor starts a thread later, when descriptors or threads may have run out
//! (its accept loop would end for ever).

use super::budget::{Budget, Held};
use super::head::Head;
use crate::http::Response;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The header that carries the client's head, base64 of [`encode`].
pub const HEAD_HEADER: &str = "X-Pulse-Head";
/// The only bytes of that header that are no client's head: the pool tries a connection.
pub const TRIAL: &str = "-";
/// How long a request waits for one of the connections.
const QUEUE_TIME: Duration = Duration::from_secs(15);
/// A handler has 60 s; a little more for the way back.
const ANSWER_TIME: Duration = Duration::from_secs(75);
const TRIAL_TIME: Duration = Duration::from_secs(10);
const ANSWER_HEAD_BYTES: usize = 64 * 1024;

/// An answer ready to be written to a client.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// What a large body takes of the answers' budget until it is sent.
    _held: Option<Held>,
}

impl Answer {
    pub fn error(status: u16, message: &str) -> Answer {
        Answer::of(&Response::error(status, message))
    }
    pub fn of(response: &Response) -> Answer {
        Answer {
            status: response.status,
            headers: response.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
            body: response.body.as_slice().to_vec(),
            _held: None,
        }
    }
    pub fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The way to the workers: connections that are free, and where they come back to.
pub struct Upstream {
    free: Receiver<UnixStream>,
    back: Sender<UnixStream>,
    alive: AtomicUsize,
    answers: Budget,
    closed: Arc<AtomicBool>,
}

impl Upstream {
    /// Makes `count` connections and sees each of them answered before the next: tiny_http may otherwise leave one
    /// waiting for the end of another.
    pub fn open(socket: &Path, count: usize, answers: Budget, closed: Arc<AtomicBool>) -> Result<Upstream, String> {
        let (back, free) = bounded(count);
        for _ in 0..count {
            let fail = |e: String| format!("failed to reach the HTTP server inside: {e}");
            let mut stream = UnixStream::connect(socket).map_err(|e| fail(e.to_string()))?;
            set_times(&stream, TRIAL_TIME).map_err(fail)?;
            let trial = format!("GET / HTTP/1.1\r\nHost: pulse\r\n{HEAD_HEADER}: {TRIAL}\r\n\r\n");
            stream.write_all(trial.as_bytes()).map_err(|e| fail(e.to_string()))?;
            receive(&mut stream, &answers).map_err(fail)?;
            set_times(&stream, ANSWER_TIME).map_err(fail)?;
            back.send(stream).map_err(|e| fail(e.to_string()))?;
        }
        Ok(Upstream { free, back, alive: AtomicUsize::new(count), answers, closed })
    }

    /// Sends one request and waits for its answer; what fails in between is a 503 for the client.
    pub fn ask(&self, head: &Head, body: &[u8], peer: IpAddr, tls: bool) -> Answer {
        let Ok(mut stream) = self.free.recv_timeout(QUEUE_TIME) else { return busy() };
        match exchange(&mut stream, head, body, peer, tls, &self.answers) {
            Ok(answer) => {
                // There is room for each of them.
                let _ = self.back.send(stream);
                answer
            }
            Err(_) if self.closed.load(Ordering::Relaxed) => busy(),
            Err(e) => {
                log::error!("failed to pass a request on: {e}");
                if self.alive.fetch_sub(1, Ordering::Relaxed) <= 1 {
                    // A process that cannot answer must not look alive; systemd starts it again.
                    log::error!("no connection to the HTTP server inside is left");
                    std::process::exit(70);
                }
                busy()
            }
        }
    }
}

fn busy() -> Answer {
    Answer::error(503, "Pulse is too busy to answer, try again in a few seconds").with("Retry-After", "5")
}

fn set_times(stream: &UnixStream, time: Duration) -> Result<(), String> {
    let set = stream.set_read_timeout(Some(time)).and_then(|()| stream.set_write_timeout(Some(time)));
    set.map_err(|e| e.to_string())
}

fn exchange(
    stream: &mut UnixStream,
    head: &Head,
    body: &[u8],
    peer: IpAddr,
    tls: bool,
    answers: &Budget,
) -> Result<Answer, String> {
    let request = format!(
        "POST / HTTP/1.1\r\nHost: pulse\r\nContent-Length: {}\r\n{HEAD_HEADER}: {}\r\n\r\n",
        body.len(),
        crate::config::base64::encode(encode(head, peer, tls).as_bytes())
    );
    stream.write_all(request.as_bytes()).and_then(|()| stream.write_all(body)).map_err(|e| e.to_string())?;
    receive(stream, answers)
}

/// Lines: peer, `tls` or `plain`, method, target, then `name: value` for each header.
fn encode(head: &Head, peer: IpAddr, tls: bool) -> String {
    let mut out = format!("{peer}\n{}\n{}\n{}", if tls { "tls" } else { "plain" }, head.method.as_str(), head.target);
    for (name, value) in &head.headers {
        // A line feed cannot be in a value: the head was split at them.
        out.push('\n');
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
    }
    out
}

/// Reads one answer, whole: whatever becomes of it, the connection must be at the beginning of the next.
fn receive(stream: &mut UnixStream, answers: &Budget) -> Result<Answer, String> {
    let mut bytes = Vec::with_capacity(8 * 1024);
    let (status, headers, length, at) = loop {
        let mut part = [0u8; 8 * 1024];
        let n = stream.read(&mut part).map_err(|e| e.to_string())?;
        if n == 0 {
            return Err("the worker closed without an answer".to_owned());
        }
        bytes.extend_from_slice(part.get(..n).unwrap_or_default());
        if let Some(found) = parse(&bytes)? {
            break found;
        }
        if bytes.len() > ANSWER_HEAD_BYTES {
            return Err("the answer's head is too large".to_owned());
        }
    };
    let mut body = bytes.split_off(at.min(bytes.len()));
    let missing = length.checked_sub(body.len()).ok_or("more came than one answer")?;
    let mut held = answers.hold();
    let mut rest = stream.take(missing as u64);
    if !held.grow_to(length) {
        let dropped = std::io::copy(&mut rest, &mut std::io::sink()).map_err(|e| e.to_string())?;
        return if dropped == missing as u64 { Ok(busy()) } else { Err("the answer was cut off".to_owned()) };
    }
    body.reserve_exact(missing);
    rest.read_to_end(&mut body).map_err(|e| e.to_string())?;
    if body.len() != length {
        return Err("the answer was cut off".to_owned());
    }
    Ok(Answer { status, headers, body, _held: Some(held) })
}

/// Status, headers for the client, length of the body, and where it begins.
type Parsed = (u16, Vec<(String, String)>, usize, usize);

/// The head of an answer; `None`: not complete yet.
fn parse(bytes: &[u8]) -> Result<Option<Parsed>, String> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut slots);
    let httparse::Status::Complete(at) = response.parse(bytes).map_err(|e| e.to_string())? else { return Ok(None) };
    let mut headers = Vec::with_capacity(response.headers.len());
    let mut length = 0;
    for h in response.headers.iter() {
        let value = String::from_utf8_lossy(h.value).into_owned();
        match h.name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(|_| "its length is not a number")?,
            "connection" | "transfer-encoding" | "server" => {}
            _ => headers.push((h.name.to_owned(), value)),
        }
    }
    Ok(Some((response.code.unwrap_or(500), headers, length, at)))
}

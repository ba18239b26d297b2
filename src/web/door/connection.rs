//! One client: request after request until it closes, asks to close, goes idle or breaks the rules.

use super::accept::Shared;
use super::body::{self, Allowance, Failure};
use super::head::{self, Framing, Head, Refusal, refuse};
use super::stream::Stream;
use super::upstream::Answer;
use crate::http::{Call, Method};
use crate::owner::Event;
use crate::web::hub;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const READ_BYTES: usize = 8 * 1024;
/// The owner answers at once; only a dead one takes longer.
const OWNER_TIME: Duration = Duration::from_secs(10);

/// Serves a connection until it ends.
pub fn serve(mut stream: Stream, peer: IpAddr, shared: &Shared) {
    let mut buffer = Vec::new();
    while !shared.closed.load(Ordering::Relaxed) {
        let head = match read_head(&mut stream, &mut buffer, shared) {
            Ok(Some(head)) => head,
            Ok(None) => return stream.close(),
            Err(refusal) => return end_with(&mut stream, &refusal, shared),
        };
        if head.is_upgrade() && is_socket_path(&head.target) {
            if head.framing != Framing::None {
                return end_with(&mut stream, &refuse(400, "A handshake has no body"), shared);
            }
            return upgrade(stream, buffer, &head, peer, shared);
        }
        match one(&mut stream, &mut buffer, &head, peer, shared) {
            Ok(true) => {}
            Ok(false) => return stream.close(),
            Err(Failure::Refused(refusal)) => return end_with(&mut stream, &refusal, shared),
            Err(Failure::Gone) => return,
        }
    }
    stream.close();
}

/// Plain HTTP came to a TLS port.
pub fn wrong_scheme(mut stream: Stream, shared: &Shared) {
    let mut buffer = Vec::new();
    let refusal = match read_head(&mut stream, &mut buffer, shared) {
        Ok(Some(head)) => {
            if let Some(host) = head.header("host").filter(|h| h.bytes().all(|b| b.is_ascii_graphic())) {
                let location = format!("https://{host}{}", head.target);
                if location.bytes().all(|b| b.is_ascii_graphic()) {
                    let answer = format!(
                        "HTTP/1.1 308 Permanent Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    );
                    let _ = stream.write_patiently(answer.as_bytes(), shared.limits.write_time);
                    return stream.close();
                }
            }
            refuse(400, "This port speaks HTTPS")
        }
        Ok(None) => return,
        Err(_) => refuse(400, "This port speaks HTTPS"),
    };
    end_with(&mut stream, &refusal, shared);
}

/// Reads until a head is complete. `Ok(None)`: the client closed, or stayed idle.
fn read_head(stream: &mut Stream, buffer: &mut Vec<u8>, shared: &Shared) -> Result<Option<Head>, Refusal> {
    let limits = &shared.limits;
    let mut deadline = Instant::now() + if buffer.is_empty() { limits.idle_time } else { limits.head_time };
    let mut started = !buffer.is_empty();
    loop {
        // Blank lines before a request are allowed (RFC 9112 2.2) and must not count for ever.
        let blank = buffer.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count().min(4);
        buffer.drain(..blank);
        if !buffer.is_empty()
            && let Some(head) = head::parse(buffer, limits)?
        {
            buffer.drain(..head.length);
            return Ok(Some(head));
        }
        let mut bytes = [0u8; READ_BYTES];
        match stream.read_until(&mut bytes, deadline) {
            Ok(0) => return Ok(None),
            Ok(n) => {
                if !started {
                    started = true;
                    deadline = Instant::now() + limits.head_time;
                }
                buffer.extend_from_slice(bytes.get(..n).unwrap_or_default());
            }
            Err(e) if e.kind() == io::ErrorKind::TimedOut && started => {
                return Err(refuse(408, "The request head came too slowly"));
            }
            Err(_) => return Ok(None),
        }
    }
}

/// One request and its answer. `Ok(true)`: the connection stays.
fn one(stream: &mut Stream, buffer: &mut Vec<u8>, head: &Head, peer: IpAddr, shared: &Shared) -> Result<bool, Failure> {
    let limits = &shared.limits;
    let limit = if head.target.starts_with("/api/config/import") { limits.import_bytes } else { limits.body_bytes };
    if head.expects_continue && head.framing != Framing::None {
        if let Framing::Length(length) = head.framing
            && length > limit as u64
        {
            return Err(refuse(413, "The request body is too large").into());
        }
        if buffer.is_empty() {
            stream.write_patiently(b"HTTP/1.1 100 Continue\r\n\r\n", limits.write_time).map_err(|_| Failure::Gone)?;
        }
    }
    let slack = Duration::from_secs((limit / (128 * 1024)) as u64);
    let mut held = shared.bodies.hold();
    let deadline = Instant::now() + limits.body_time + slack;
    let allowance = Allowance { bytes: limit, deadline, held: &mut held };
    let body = body::read(stream, buffer, head.framing, allowance)?;
    let answer = shared.upstream.ask(head, &body, peer, stream.is_tls());
    drop((body, held));
    let keep = head.keep_alive && !shared.closed.load(Ordering::Relaxed);
    send(stream, &answer, head.method == Method::Head, keep, limits.write_time).map_err(|_| Failure::Gone)?;
    Ok(keep)
}

fn send(stream: &mut Stream, answer: &Answer, head_only: bool, keep: bool, patience: Duration) -> io::Result<()> {
    let mut out = Vec::with_capacity(512 + if head_only { 0 } else { answer.body.len().min(16 * 1024) });
    write!(out, "HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status))?;
    for (name, value) in &answer.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    if answer.status != 204 && answer.status != 304 {
        write!(out, "Content-Length: {}\r\n", answer.body.len())?;
    }
    out.extend_from_slice(if keep { b"Connection: keep-alive\r\n\r\n" } else { b"Connection: close\r\n\r\n" });
    if head_only || answer.status == 204 || answer.status == 304 {
        return stream.write_patiently(&out, patience);
    }
    if answer.body.len() <= 16 * 1024 {
        out.extend_from_slice(&answer.body);
        return stream.write_patiently(&out, patience);
    }
    stream.write_patiently(&out, patience)?;
    stream.write_patiently(&answer.body, patience)
}

/// Says why, then closes: after a broken request nobody knows where the next one begins.
fn end_with(stream: &mut Stream, refusal: &Refusal, shared: &Shared) {
    let answer = Answer::error(refusal.status, refusal.message);
    let _ = send(stream, &answer, false, false, shared.limits.write_time.min(Duration::from_secs(5)));
    stream.close();
}

fn is_socket_path(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path == "/ws" || path.starts_with("/socket.io/")
}

/// Asks the owner whether this client may have a WebSocket, and hands the stream to the hub.
fn upgrade(mut stream: Stream, rest: Vec<u8>, head: &Head, peer: IpAddr, shared: &Shared) {
    let patience = shared.limits.write_time;
    let Some(accept) = hub::accept_key(head.header("sec-websocket-version"), head.header("sec-websocket-key")) else {
        let answer = Answer::error(400, "Bad Request").with("Sec-WebSocket-Version", "13");
        let _ = send(&mut stream, &answer, false, false, patience);
        return stream.close();
    };
    let call = Call::new(Method::Get, &head.target, head.headers.clone(), Vec::new(), peer, stream.is_tls());
    let (reply, answer) = crossbeam_channel::bounded(1);
    if shared.events.send(Event::Request(Box::new(call), reply)).is_err() {
        return stream.close();
    }
    let response = match answer.recv_timeout(OWNER_TIME) {
        Ok(response) => response,
        Err(_) => return end_with(&mut stream, &refuse(503, "Pulse is not ready"), shared),
    };
    if response.status != 101 {
        let _ = send(&mut stream, &Answer::of(&response), false, false, patience);
        return stream.close();
    }
    let hello = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    if stream.write_patiently(hello.as_bytes(), patience).is_err() {
        return;
    }
    let key =
        response.headers.iter().find(|(n, _)| *n == hub::SESSION_HEADER).map(|(_, v)| v.clone()).unwrap_or_default();
    hub::serve(stream, rest, key, &shared.events);
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Answer",
    }
}

//! One client: TLS, request after request, each answered from the scene of that moment or spoilt by a fault.

use super::director::{Call, Message, Ruling};
use super::wire::{self, Ended, Reply, Request};
use crate::demo::fault::Fault;
use crate::demo::{answer, ask::Refusal};
use crossbeam_channel::{Sender, bounded};
use rustls::{ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// How long a client may be silent; the real daemons close idle connections too.
const IDLE: Duration = Duration::from_secs(30);
const STALLED: Duration = Duration::from_secs(30);

/// Where a connection came in, and whom it asks.
#[derive(Clone)]
pub struct Post {
    pub host: usize,
    pub endpoint: usize,
    /// Whether it is a Proxmox Backup Server.
    pub pbs: bool,
    pub inbox: Sender<Message>,
}

/// Serves a client until it leaves, errs, or the director closes its socket.
pub fn serve(stream: TcpStream, post: &Post) {
    let Ok(copy) = stream.try_clone() else { return };
    let (reply, answer) = bounded(1);
    let opened = Message::Opened { host: post.host, endpoint: post.endpoint, stream: copy, reply };
    if post.inbox.send(opened).is_err() {
        return;
    }
    let Ok(admission) = answer.recv() else { return };
    if let Ok(tls) = ServerConnection::new(admission.tls) {
        converse(stream, tls, post);
    }
    // The director may be gone already.
    let _sent = post.inbox.send(Message::Closed { id: admission.id });
}

fn converse(stream: TcpStream, tls: ServerConnection, post: &Post) {
    let ready = stream.set_nodelay(true).is_ok()
        && stream.set_read_timeout(Some(IDLE)).is_ok()
        && stream.set_write_timeout(Some(STALLED)).is_ok();
    if !ready {
        return;
    }
    let mut stream = StreamOwned::new(tls, stream);
    let mut buffer = Vec::new();
    loop {
        match wire::read(&mut stream, &mut buffer) {
            Ok(request) => match respond(&mut stream, &request, post) {
                Some(Next::Another) => {}
                Some(Next::Farewell) => break,
                None => return,
            },
            Err(Ended::Quietly) => break,
            Err(Ended::Malformed) => {
                let mut reply = Reply::ok(Vec::new());
                (reply.status, reply.reason) = (400, "Bad Request".to_owned());
                let _written = reply.write(&mut stream, &wire::date(0), false);
                break;
            }
        }
    }
    stream.conn.send_close_notify();
    // One attempt: a flush would wait for the end of a handshake that may never come.
    let _written = stream.conn.write_tls(&mut stream.sock);
}

/// What follows an answer.
enum Next {
    Another,
    Farewell,
}

/// Answers one request; `None` ends the connection at once, without TLS's farewell.
fn respond(stream: &mut Tls, request: &Request, post: &Post) -> Option<Next> {
    let path = request.path.strip_prefix("/api2/json").or_else(|| request.path.strip_prefix("/api2/extjs"));
    let path = path.unwrap_or(&request.path);
    let (route, complaint) = answer::route_of(post.pbs, &request.method, path, &request.given);
    let call = Call {
        host: post.host,
        endpoint: post.endpoint,
        method: request.method.clone(),
        path: path.to_owned(),
        pattern: route.unwrap_or_else(|| path.to_owned()),
        query: without_secrets(&request.given),
    };
    let (reply, ruling) = bounded(1);
    post.inbox.send(Message::Asked { call, complaint, reply }).ok()?;
    let Ruling { scene, fault } = ruling.recv().ok()?;
    let date = wire::date(scene.time(post.host));
    let honest = || answer::answer(&scene, post.host, post.endpoint, path, request);
    match fault {
        None => honest().write(stream, &date, request.keep_alive).ok()?,
        Some(fault) => {
            spoil(stream, fault, honest, &Manner { date: &date, keep_alive: request.keep_alive, pbs: post.pbs })?
        }
    }
    Some(if request.keep_alive { Next::Another } else { Next::Farewell })
}

fn without_secrets(given: &[(String, String)]) -> String {
    let shown = given.iter().filter(|(name, _)| name != "password" && name != "otp");
    shown.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// How answers are written on this connection.
struct Manner<'a> {
    date: &'a str,
    keep_alive: bool,
    pbs: bool,
}

/// Does what a fault says; `None` ends the connection.
fn spoil(stream: &mut Tls, fault: Fault, honest: impl Fn() -> Reply, manner: &Manner) -> Option<()> {
    let Manner { date, keep_alive, pbs } = *manner;
    match fault {
        Fault::Status { code, message } => {
            answer::refuse(&Refusal::new(code, message), pbs).write(stream, date, keep_alive).ok()
        }
        Fault::Delay(pause) => {
            std::thread::sleep(pause);
            honest().write(stream, date, keep_alive).ok()
        }
        Fault::Hang => {
            // Ends when the client or the director closes the socket.
            stream.sock.set_read_timeout(None).ok()?;
            let mut sink = [0; 256];
            while stream.sock.read(&mut sink).is_ok_and(|n| n > 0) {}
            None
        }
        Fault::Truncated => {
            let mut reply = honest();
            reply.body.truncate(reply.body.len() / 2);
            reply.write(stream, date, keep_alive).ok()
        }
        Fault::CutShort => {
            let reply = honest();
            stream.write_all(&reply.head(date, reply.body.len() as u64, keep_alive)).ok()?;
            stream.write_all(reply.body.get(..reply.body.len() / 2)?).ok()?;
            None
        }
        Fault::Huge { bytes } => flood(stream, bytes, date),
        Fault::Drip(pause) => drip(stream, &honest(), pause, date, keep_alive),
        Fault::Redirect { location } => {
            let mut reply = Reply::ok(Vec::new());
            (reply.status, reply.reason) = (302, "Found".to_owned());
            reply.extra = format!("Location: {location}\r\n");
            reply.write(stream, date, keep_alive).ok()
        }
        Fault::Reset => {
            reset_on_close(&stream.sock);
            None
        }
        Fault::Html => {
            let mut reply = Reply::ok(b"<!DOCTYPE html><html><body>Sign in</body></html>".to_vec());
            reply.kind = "text/html";
            reply.write(stream, date, keep_alive).ok()
        }
    }
}

/// A body of so many bytes: a JSON list that goes on and on.
fn flood(stream: &mut Tls, bytes: u64, date: &str) -> Option<()> {
    let reply = Reply::ok(Vec::new());
    stream.write_all(&reply.head(date, bytes, true)).ok()?;
    stream.write_all(b"{\"data\":[0").ok()?;
    let chunk = b",1".repeat(32 * 1024);
    let mut left = bytes.saturating_sub(10);
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(chunk.len()).min(chunk.len());
        stream.write_all(chunk.get(..n)?).ok()?;
        left -= n as u64;
    }
    stream.flush().ok()
}

fn drip(stream: &mut Tls, reply: &Reply, pause: Duration, date: &str, keep_alive: bool) -> Option<()> {
    stream.write_all(&reply.head(date, reply.body.len() as u64, keep_alive)).ok()?;
    for byte in &reply.body {
        stream.write_all(std::slice::from_ref(byte)).ok()?;
        stream.flush().ok()?;
        std::thread::sleep(pause);
    }
    Some(())
}

/// Makes the coming close a reset instead of an orderly end, and takes the socket out of use at once.
fn reset_on_close(socket: &TcpStream) {
    use std::os::fd::AsRawFd;
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = std::mem::size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` lives; the option's value and size belong together.
    unsafe {
        let value = std::ptr::from_ref(&linger).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size);
    }
}

//! tiny_http's side: workers take requests from the private socket, ask the owner, and answer.

use super::compress;
use super::upstream::{HEAD_HEADER, TRIAL, Upstream};
use super::{Limits, budget::Budget};
use crate::http::{Body, Call, Method, Response};
use crate::owner::Event;
use crossbeam_channel::{Sender, bounded};
use std::io::Read;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Handlers that wait for a job (a test mail, a host that does not answer) hold a worker; the rest must go on.
const WORKERS: usize = 16;
const STACK_BYTES: usize = 192 * 1024;
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// tiny_http and its workers; dropping it ends them.
pub struct Workers {
    server: Arc<tiny_http::Server>,
    listener: UnixListener,
    closed: Arc<AtomicBool>,
}

/// Starts tiny_http on a socket in a folder that only this user can enter, its workers, and the connections to them.
/// The folder is gone again when all are made: nobody else can ever connect, and a killed process leaves nothing.
pub fn start(
    run_dir: &Path,
    events: &Sender<Event>,
    limits: Limits,
    closed: &Arc<AtomicBool>,
) -> Result<(Workers, Upstream), String> {
    let folder = Folder(own_folder(run_dir)?);
    let path = folder.0.join("http");
    let fail = |e: std::io::Error| format!("failed to make the socket {}: {e}", path.display());
    let listener = UnixListener::bind(&path).map_err(fail)?;
    let server = tiny_http::Server::from_listener(listener.try_clone().map_err(fail)?, None)
        .map_err(|e| format!("failed to start the HTTP server: {e}"))?;
    let workers = Workers { server: Arc::new(server), listener, closed: closed.clone() };
    for n in 0..WORKERS {
        let (server, events, closed) = (workers.server.clone(), events.clone(), closed.clone());
        thread::Builder::new()
            .name(format!("http-{n}"))
            .stack_size(STACK_BYTES)
            .spawn(move || work(&server, &events, &limits, &closed))
            .map_err(|e| format!("failed to start an HTTP worker: {e}"))?;
    }
    let upstream = Upstream::open(&path, WORKERS, Budget::new(limits.answers_bytes), closed.clone())?;
    Ok((workers, upstream))
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Its accept loop ends with the socket, and each waiting worker is woken once.
        // SAFETY: shutdown takes two integers; the descriptor is open as long as `listener` lives.
        unsafe { libc::shutdown(self.listener.as_raw_fd(), libc::SHUT_RDWR) };
        for _ in 0..WORKERS {
            self.server.unblock();
        }
    }
}

/// Removed when dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn own_folder(run_dir: &Path) -> Result<PathBuf, String> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let dir = run_dir.join(format!(".pulse-{}-{n}", std::process::id()));
    // A folder of a process that is gone and had our number; never one that lives.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&dir)
        .map_err(|e| format!("failed to make the folder {}: {e}", dir.display()))?;
    Ok(dir)
}

fn work(server: &tiny_http::Server, events: &Sender<Event>, limits: &Limits, closed: &AtomicBool) {
    loop {
        let request = match server.recv() {
            Ok(request) => request,
            Err(_) if closed.load(Ordering::Relaxed) => return,
            Err(e) => {
                // Its accept loop is over for good: a process that cannot answer must not look alive.
                log::error!("the HTTP server ended: {e}");
                std::process::exit(70);
            }
        };
        // A request that is dropped in a panic is answered with 500 by tiny_http; the worker goes on.
        if catch_unwind(AssertUnwindSafe(|| one(request, events, limits))).is_err() {
            log::error!("an HTTP worker panicked over a request");
        }
    }
}

fn one(mut request: tiny_http::Request, events: &Sender<Event>, limits: &Limits) {
    if request.headers().iter().any(|h| h.field.equiv(HEAD_HEADER) && h.value.as_str() == TRIAL) {
        return answer(request, Response::new(204, "text/plain", Body::Static(b"")));
    }
    let response = match read(&mut request, limits) {
        Ok(call) => {
            let encoding = call.header("accept-encoding").unwrap_or_default().to_owned();
            let none_match = call.header("if-none-match").unwrap_or_default().to_owned();
            compress::ready(fit(ask(call, events), limits), &encoding, &none_match)
        }
        Err(message) => Response::error(400, message),
    };
    answer(request, response);
}

/// What may go to a client as an answer. A 101 is for the door alone: it names the session, and came here by a request
/// that is nearly a handshake (no `Connection: Upgrade`, an encoded path).
fn fit(response: Response, limits: &Limits) -> Response {
    if response.status < 200 {
        return Response::error(400, "Bad Request").with("Sec-WebSocket-Version", "13");
    }
    if response.body.as_slice().len() > limits.answer_bytes {
        return Response::error(500, "The answer is too large");
    }
    response
}

fn ask(call: Call, events: &Sender<Event>) -> Response {
    let (reply, answer) = bounded(1);
    if events.send(Event::Request(Box::new(call), reply)).is_err() {
        return Response::error(503, "Pulse is ending");
    }
    answer.recv_timeout(ANSWER_TIME).unwrap_or_else(|_| Response::error(503, "This took too long; try again"))
}

/// The client's request, from the header the door wrote.
fn read(request: &mut tiny_http::Request, limits: &Limits) -> Result<Call, &'static str> {
    const BROKEN: &str = "The request was not passed on whole";
    let header = request.headers().iter().find(|h| h.field.equiv(HEAD_HEADER)).ok_or(BROKEN)?;
    let decoded = crate::config::base64::decode(header.value.as_str().as_bytes()).map_err(|_| BROKEN)?;
    let text = String::from_utf8(decoded).map_err(|_| BROKEN)?;
    let mut lines = text.split('\n');
    let peer: IpAddr = lines.next().and_then(|l| l.parse().ok()).ok_or(BROKEN)?;
    let tls = lines.next() == Some("tls");
    let method = Method::parse(lines.next().ok_or(BROKEN)?);
    let target = lines.next().ok_or(BROKEN)?.to_owned();
    let headers = lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let mut body = Vec::new();
    let most = limits.import_bytes.max(limits.body_bytes) as u64 + 1;
    request.as_reader().take(most).read_to_end(&mut body).map_err(|_| BROKEN)?;
    Ok(Call::new(method, &target, headers, body, peer, tls))
}

fn answer(request: tiny_http::Request, response: Response) {
    let headers = response
        .headers
        .iter()
        .filter_map(|(name, value)| tiny_http::Header::from_bytes(name.as_bytes(), header_value(value).as_bytes()).ok())
        .collect();
    // tiny_http announces the length of a body that these two statuses may not have, and then sends none.
    let body = if matches!(response.status, 204 | 304) { b"".as_slice() } else { response.body.as_slice() };
    // With a known length and no threshold tiny_http never falls back to chunks, which the door would have to undo.
    let answer =
        tiny_http::Response::new(tiny_http::StatusCode(response.status), headers, body, Some(body.len()), None)
            .with_chunked_threshold(usize::MAX);
    if let Err(e) = request.respond(answer) {
        log::debug!("failed to pass an answer back: {e}");
    }
}

/// A header value is one line of visible ASCII, whatever a handler put into it.
fn header_value(value: &str) -> String {
    value.chars().filter(|c| (' '..='~').contains(c)).collect()
}

//! The accept loop: it survives every error, counts connections in all and per address, and gives each a small thread.

use super::stream::Stream;
use super::tls::Acceptor;
use super::upstream::Upstream;
use super::{Limits, connection};
use crate::owner::Event;
use crossbeam_channel::{Receiver, Sender, unbounded};
use rustls::{ServerConnection, StreamOwned};
use std::collections::HashMap;
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const STACK_BYTES: usize = 160 * 1024;
/// With no free descriptor or thread there is nothing to do but wait for some to come back.
const BREATH: Duration = Duration::from_millis(50);
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 45\r\nRetry-After: 5\r\nConnection: close\r\n\r\n{\"error\":\"Too many connections, retry later\"}";

/// What every connection's thread needs.
pub struct Shared {
    pub upstream: Upstream,
    pub events: Sender<Event>,
    pub limits: Limits,
    pub closed: Arc<AtomicBool>,
}

/// Starts the loop on a thread of its own.
pub fn start(
    listener: TcpListener,
    tls: Option<Acceptor>,
    upstream: Upstream,
    events: Sender<Event>,
    limits: Limits,
    closed: Arc<AtomicBool>,
) -> Result<(), String> {
    let shared = Arc::new(Shared { upstream, events, limits, closed });
    thread::Builder::new()
        .name("accept".into())
        .stack_size(STACK_BYTES)
        .spawn(move || run(&listener, tls, &shared))
        .map(drop)
        .map_err(|e| format!("failed to start the accept thread: {e}"))
}

fn run(listener: &TcpListener, mut tls: Option<Acceptor>, shared: &Arc<Shared>) {
    let (ended, endings) = unbounded();
    let mut open = Open { all: 0, by_address: HashMap::new() };
    let mut complained = None;
    while !shared.closed.load(Ordering::Relaxed) {
        let (socket, peer) = match listener.accept() {
            Ok((socket, peer)) => (socket, peer.ip().to_canonical()),
            Err(e) if is_of_one_connection(&e) => continue,
            Err(e) => {
                complain(&mut complained, &format!("failed to accept a connection: {e}"));
                thread::sleep(BREATH);
                continue;
            }
        };
        open.settle(&endings);
        if shared.closed.load(Ordering::Relaxed) {
            return;
        }
        if !open.admits(peer, &shared.limits) {
            turn_away(socket);
            continue;
        }
        let config = tls.as_mut().map(Acceptor::current);
        let (shared, ended_) = (shared.clone(), ended.clone());
        let thread = thread::Builder::new().name("client".into()).stack_size(STACK_BYTES).spawn(move || {
            let _end = Ended { address: peer, to: ended_ };
            // A panic here is somebody else's code on one client's bytes: that client is dropped, nothing else.
            if catch_unwind(AssertUnwindSafe(|| begin(socket, peer, config, &shared))).is_err() {
                log::error!("a connection of {peer} ended in a panic");
            }
        });
        match thread {
            Ok(_) => open.add(peer),
            Err(e) => {
                complain(&mut complained, &format!("failed to start a thread for a connection: {e}"));
                thread::sleep(BREATH);
            }
        }
    }
}

/// The peer went away before it was accepted: nothing of ours is wrong.
fn is_of_one_connection(e: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(e.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Logs at most once a minute.
fn complain(last: &mut Option<Instant>, message: &str) {
    if last.is_none_or(|at| at.elapsed() > Duration::from_secs(60)) {
        *last = Some(Instant::now());
        log::error!("{message}; trying on");
    }
}

fn turn_away(mut socket: TcpStream) {
    if socket.set_nonblocking(true).is_ok() {
        let _ = socket.write(BUSY);
    }
}

fn begin(socket: TcpStream, peer: IpAddr, tls: Option<Arc<rustls::ServerConfig>>, shared: &Shared) {
    let _ = socket.set_nodelay(true);
    let Some(config) = tls else {
        connection::serve(Stream::Plain(socket), peer, shared);
        return;
    };
    let first = match first_byte(&socket, shared.limits.head_time) {
        Some(byte) => byte,
        None => return,
    };
    // 0x16 is a TLS handshake record; anything else is somebody who typed http://.
    if first != 0x16 {
        connection::wrong_scheme(Stream::Plain(socket), shared);
        return;
    }
    match ServerConnection::new(config) {
        Ok(conn) => connection::serve(Stream::Tls(Box::new(StreamOwned::new(conn, socket))), peer, shared),
        Err(e) => log::warn!("failed to begin TLS with {peer}: {e}"),
    }
}

fn first_byte(socket: &TcpStream, patience: Duration) -> Option<u8> {
    socket.set_read_timeout(Some(patience)).ok()?;
    let mut byte = [0u8; 1];
    match socket.peek(&mut byte) {
        Ok(1) => byte.first().copied(),
        _ => None,
    }
}

/// Tells the accept loop that a connection's thread is over, however it ended.
struct Ended {
    address: IpAddr,
    to: Sender<IpAddr>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.to.send(self.address);
    }
}

struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Open {
    fn settle(&mut self, endings: &Receiver<IpAddr>) {
        for address in endings.try_iter() {
            self.all = self.all.saturating_sub(1);
            if let Some(n) = self.by_address.get_mut(&address) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    self.by_address.remove(&address);
                }
            }
        }
    }
    fn admits(&self, address: IpAddr, limits: &Limits) -> bool {
        self.all < limits.connections
            && self.by_address.get(&address).copied().unwrap_or(0) < limits.connections_per_address
    }
    fn add(&mut self, address: IpAddr) {
        self.all += 1;
        *self.by_address.entry(address).or_insert(0) += 1;
    }
}

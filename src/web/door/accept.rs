//! The accept loop: it survives every error, counts connections in all and per address, and gives each a small thread.

use super::budget::Budget;
use super::stream::Stream;
use super::tls::Acceptor;
use super::upstream::Upstream;
use super::{Limits, connection};
use crate::owner::Event;
use crossbeam_channel::{Receiver, Sender, unbounded};
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
    pub bodies: Budget,
}

/// Starts the loop on a thread of its own.
pub fn start(listener: TcpListener, tls: Option<Acceptor>, shared: Shared) -> Result<(), String> {
    let shared = Arc::new(shared);
    thread::Builder::new()
        .name("accept".into())
        .stack_size(STACK_BYTES)
        .spawn(move || run(&listener, tls, &shared))
        .map(drop)
        .map_err(|e| format!("failed to start the accept thread: {e}"))
}

fn run(listener: &TcpListener, mut tls: Option<Acceptor>, shared: &Arc<Shared>) {
    let (ended, endings) = unbounded();
    let mut open = Open { all: 0, by_network: HashMap::new() };
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
        if !open.admits(network(peer), &shared.limits) {
            turn_away(socket);
            continue;
        }
        let config = tls.as_mut().map(Acceptor::current);
        let (shared, ended_) = (shared.clone(), ended.clone());
        let thread = thread::Builder::new().name("client".into()).stack_size(STACK_BYTES).spawn(move || {
            let _end = Ended { network: network(peer), to: ended_ };
            // A panic here is somebody else's code on one client's bytes: that client is dropped, nothing else.
            if catch_unwind(AssertUnwindSafe(|| begin(socket, peer, config, &shared))).is_err() {
                log::error!("a connection of {peer} ended in a panic");
            }
        });
        match thread {
            Ok(_) => open.add(network(peer)),
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
    let Some(config) = tls else { return connection::serve(Stream::plain(socket), peer, shared) };
    let deadline = Instant::now() + shared.limits.head_time;
    match first_byte(&socket, shared.limits.head_time) {
        // A TLS handshake record; anything else is somebody who typed http://.
        Some(0x16) => match Stream::tls(socket, config, deadline) {
            Ok(stream) => connection::serve(stream, peer, shared),
            Err(e) => log::debug!("no TLS with {peer}: {e}"),
        },
        Some(_) => connection::wrong_scheme(Stream::plain(socket), shared),
        None => {}
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

/// Whose connections are counted together: an IPv6 host has a whole network of 64 bits to come from.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::from((u128::from(v6) >> 64 << 64).to_be_bytes()),
        other => other,
    }
}

/// Tells the accept loop that a connection's thread is over, however it ended.
struct Ended {
    network: IpAddr,
    to: Sender<IpAddr>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.to.send(self.network);
    }
}

struct Open {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

impl Open {
    fn settle(&mut self, endings: &Receiver<IpAddr>) {
        for network in endings.try_iter() {
            self.all = self.all.saturating_sub(1);
            if let Some(n) = self.by_network.get_mut(&network) {
                *n = n.saturating_sub(1);
                if *n == 0 {
                    self.by_network.remove(&network);
                }
            }
        }
    }
    fn admits(&self, network: IpAddr, limits: &Limits) -> bool {
        self.all < limits.connections
            && self.by_network.get(&network).copied().unwrap_or(0) < limits.connections_per_address
    }
    fn add(&mut self, network: IpAddr) {
        self.all += 1;
        *self.by_network.entry(network).or_insert(0) += 1;
    }
}

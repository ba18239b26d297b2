//! The door: one port for REST, page and WebSocket, plain or TLS.
//!
//! tiny_http reads requests and writes answers, but it has no deadlines, no limits and trusts what it reads. So every
//! connection comes through here first: heads are read under a deadline and limits, framing is checked strictly,
//! bodies are bounded, and only complete requests go on, over a private Unix socket, to tiny_http's workers, which ask
//! the owner. `/ws` never reaches tiny_http: its stream is handed to the hub.

mod accept;
mod body;
mod budget;
mod compress;
mod connection;
mod descriptors;
pub mod head;
mod stream;
mod tls;
mod upstream;
mod workers;

pub use compress::takes_gzip;
pub use stream::Stream;

use crate::owner::Event;
use crossbeam_channel::Sender;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the door needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    pub bind: IpAddr,
    /// 0: any free port.
    pub port: u16,
    /// Certificate and key files (PEM); read again when they change.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// A folder for the private socket; one of our own is made inside.
    pub run_dir: PathBuf,
    pub limits: Limits,
}

/// Bounds of one connection and of all.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub connections: usize,
    /// Of one IPv4 address or one IPv6 network of 64 bits (a host has all of it).
    pub connections_per_address: usize,
    pub head_bytes: usize,
    pub headers: usize,
    pub body_bytes: usize,
    /// Of a configuration import.
    pub import_bytes: usize,
    /// Of one answer.
    pub answer_bytes: usize,
    /// Of all bodies that are being received, together.
    pub bodies_bytes: usize,
    /// Of all answers that wait for their clients to take them, together.
    pub answers_bytes: usize,
    /// From the first byte of a head to its last.
    pub head_time: Duration,
    pub body_time: Duration,
    /// Without a request on a kept connection.
    pub idle_time: Duration,
    /// Without progress while a client reads its answer.
    pub write_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 1024,
            connections_per_address: 512,
            head_bytes: 16 * 1024,
            headers: 64,
            body_bytes: 1024 * 1024,
            import_bytes: 32 * 1024 * 1024,
            answer_bytes: 32 * 1024 * 1024,
            bodies_bytes: 64 * 1024 * 1024,
            answers_bytes: 64 * 1024 * 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            write_time: Duration::from_secs(20),
        }
    }
}

/// An open door; closing it ends the listening, what is under way may finish.
pub struct Door {
    address: SocketAddr,
    closed: Arc<AtomicBool>,
    _workers: workers::Workers,
}

impl Door {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // The accept loop sleeps in `accept`: a connection of our own wakes it.
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() && ip.is_ipv4() => IpAddr::from([127, 0, 0, 1]),
            ip if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let wake = SocketAddr::new(ip, self.address.port());
        let _ = std::net::TcpStream::connect_timeout(&wake, Duration::from_millis(200));
    }
}

/// Opens the door: requests become [`Event::Request`], WebSockets [`Event::Socket`].
pub fn open(config: Config, events: Sender<Event>) -> Result<Door, String> {
    let wanted = SocketAddr::new(config.bind, config.port);
    let listener = TcpListener::bind(wanted).map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "failed to listen on {wanted}: the port is in use; stop the other program or set PORT to a free one"
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("failed to listen on {wanted}: not permitted; ports below 1024 need the capability to bind them")
        }
        _ => format!("failed to listen on {wanted}: {e}"),
    })?;
    let address = listener.local_addr().map_err(|e| format!("failed to listen on {wanted}: {e}"))?;
    let tls = match &config.tls {
        Some((certificate, key)) => Some(tls::Acceptor::load(certificate, key)?),
        None => None,
    };
    let mut limits = config.limits;
    limits.connections = descriptors::connections(limits.connections);
    let closed = Arc::new(AtomicBool::new(false));
    let (workers, upstream) = workers::start(&config.run_dir, &events, limits, &closed)?;
    let door = Door { address, closed: closed.clone(), _workers: workers };
    let shared = accept::Shared { upstream, events, limits, closed, bodies: budget::Budget::new(limits.bodies_bytes) };
    accept::start(listener, tls, shared)?;
    Ok(door)
}

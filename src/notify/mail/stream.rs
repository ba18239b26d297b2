//! A connection to a mail server that ends at its deadline, whatever the server does: every read and write gets only
//! the time that is left.

use super::Failure;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// TCP with a deadline.
struct Timed {
    tcp: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(Some(self.left()?))?;
        self.tcp.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(Some(self.left()?))?;
        self.tcp.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// The connection, in clear or in TLS.
pub(super) struct Wire(Inner);

enum Inner {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Wire {
    pub fn plain(tcp: TcpStream, until: Instant) -> Wire {
        Wire(Inner::Plain(Timed { tcp, until }))
    }

    pub fn is_encrypted(&self) -> bool {
        matches!(self.0, Inner::Tls(_))
    }

    /// Does the handshake.
    pub fn secured(self, config: Arc<ClientConfig>, server: &str) -> Result<Wire, Failure> {
        let Inner::Plain(mut timed) = self.0 else { return Ok(self) };
        let bare = server.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| Failure::never("the server's name cannot be in a certificate"))?;
        let mut conn = ClientConnection::new(config, name).map_err(|e| Failure::never(format!("TLS: {e}")))?;
        while conn.is_handshaking() {
            conn.complete_io(&mut timed).map_err(|e| handshake_failure(&e))?;
        }
        Ok(Wire(Inner::Tls(Box::new(StreamOwned::new(conn, timed)))))
    }
}

/// A certificate stays wrong; anything else may be better soon.
fn handshake_failure(error: &io::Error) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            Failure::never(format!("the server's certificate was refused: {why}"))
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            Failure::never("the server does not speak TLS on this port (is STARTTLS meant?)")
        }
        _ if is_timeout(error) => Failure::later("TLS: no answer in time"),
        _ => Failure::later(format!("TLS: {error}")),
    }
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(timed) => timed.read(buffer),
            Inner::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(timed) => timed.write(bytes),
            Inner::Tls(stream) => stream.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Inner::Plain(timed) => timed.flush(),
            Inner::Tls(stream) => stream.flush(),
        }
    }
}

//! One client's connection, plain or TLS, with deadlines for blocking reads and writes.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Slower readers than this are holding a thread, not reading.
const LEAST_BYTES_PER_SEC: u64 = 16 * 1024;

/// A socket whose reads and writes end at one moment, however little comes each time. The deadline sits below TLS,
/// because rustls reads until a whole record is there: a byte now and then would win time for ever above it.
pub struct Socket {
    tcp: TcpStream,
    /// `None`: the socket does not block (or blocks without end, which nobody asks for).
    deadline: Option<Instant>,
}

impl Socket {
    fn left(&self) -> io::Result<Option<Duration>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // Less than the kernel's clock can tell would mean "no timeout".
        Ok(Some(left.max(Duration::from_millis(1))))
    }
}

/// What a socket with a timeout reports as "would block" is its deadline.
fn timed<T>(result: io::Result<T>, left: Option<Duration>) -> io::Result<T> {
    match result {
        Err(e) if left.is_some() && e.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
        other => other,
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left()?;
        if left.is_some() {
            self.tcp.set_read_timeout(left)?;
        }
        timed(self.tcp.read(buffer), left)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left()?;
        if left.is_some() {
            self.tcp.set_write_timeout(left)?;
        }
        timed(self.tcp.write(bytes), left)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// The connection.
pub enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

impl Stream {
    pub fn plain(tcp: TcpStream) -> Stream {
        Stream::Plain(Socket { tcp, deadline: None })
    }

    /// Shakes hands before `deadline`.
    pub fn tls(tcp: TcpStream, config: Arc<ServerConfig>, deadline: Instant) -> io::Result<Stream> {
        let mut socket = Socket { tcp, deadline: Some(deadline) };
        let mut conn = ServerConnection::new(config).map_err(io::Error::other)?;
        while conn.is_handshaking() {
            if let Err(e) = conn.complete_io(&mut socket) {
                // The alert says to the client what it did wrong.
                let _ = conn.write_tls(&mut socket);
                return Err(e);
            }
        }
        Ok(Stream::Tls(Box::new(StreamOwned::new(conn, socket))))
    }

    fn socket(&self) -> &Socket {
        match self {
            Stream::Plain(s) => s,
            Stream::Tls(s) => &s.sock,
        }
    }

    fn until(&mut self, deadline: Option<Instant>) {
        match self {
            Stream::Plain(s) => s.deadline = deadline,
            Stream::Tls(s) => s.sock.deadline = deadline,
        }
    }

    pub fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// Reads some bytes before `deadline`; `TimedOut` after it.
    pub fn read_until(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        self.until(Some(deadline));
        loop {
            match self.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Writes everything; fails when the client takes nothing for `patience`, or too little in all.
    pub fn write_patiently(&mut self, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
        let last = Instant::now() + patience + Duration::from_secs(bytes.len() as u64 / LEAST_BYTES_PER_SEC);
        while !bytes.is_empty() {
            self.until(Some(last.min(Instant::now() + patience)));
            match self.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.flush()
    }

    /// From here on reads and writes return `WouldBlock` (WebSocket threads poll).
    pub fn set_nonblocking(&mut self) -> io::Result<()> {
        self.until(None);
        self.socket().tcp.set_nonblocking(true)
    }

    /// TLS has bytes that wait for the socket.
    pub fn wants_write(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Tls(s) => s.conn.wants_write(),
        }
    }

    /// Says goodbye so that the client sees the whole answer, not a reset.
    pub fn close(&mut self) {
        self.until(Some(Instant::now() + Duration::from_millis(500)));
        if let Stream::Tls(s) = self {
            s.conn.send_close_notify();
            let _ = s.flush();
        }
        let socket = self.socket();
        let _ = socket.tcp.shutdown(Shutdown::Write);
        // What the client still sends would make the kernel answer with a reset that can overtake our last bytes.
        let _ = socket.tcp.set_nonblocking(false);
        let _ = socket.tcp.set_read_timeout(Some(Duration::from_millis(200)));
        let mut waste = [0u8; 4096];
        for _ in 0..64 {
            match (&socket.tcp).read(&mut waste) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket().tcp.as_raw_fd()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(s) => s.read(buffer),
            Stream::Tls(s) => s.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(s) => s.write(bytes),
            Stream::Tls(s) => s.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(s) => s.flush(),
            Stream::Tls(s) => s.flush(),
        }
    }
}

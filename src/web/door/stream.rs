//! One client's connection, plain or TLS, with deadlines for blocking reads and writes.

use rustls::{ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

/// The connection; TLS handshakes happen inside the first read or write.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(s) => s,
            Stream::Tls(s) => &s.sock,
        }
    }

    pub fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// Reads some bytes before `deadline`; `TimedOut` after it.
    pub fn read_until(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                other => return other,
            }
        }
    }

    /// Writes everything; fails when the client takes nothing for `patience`, or too little in all.
    pub fn write_patiently(&mut self, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
        /// Slower readers than this are holding a thread, not reading.
        const LEAST_BYTES_PER_SEC: u32 = 4 * 1024;
        let all = Duration::from_secs((bytes.len() as u64) / u64::from(LEAST_BYTES_PER_SEC));
        let deadline = Instant::now() + patience + all;
        self.socket().set_write_timeout(Some(patience))?;
        while !bytes.is_empty() {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
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
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.socket().set_read_timeout(None)?;
        self.socket().set_write_timeout(None)?;
        self.socket().set_nonblocking(true)
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
        if let Stream::Tls(s) = self {
            s.conn.send_close_notify();
            let _ = s.flush();
        }
        let socket = self.socket();
        let _ = socket.shutdown(std::net::Shutdown::Write);
        // What the client still sends would make the kernel answer with a reset that can overtake our last bytes.
        let _ = socket.set_read_timeout(Some(Duration::from_millis(200)));
        let mut waste = [0u8; 4096];
        for _ in 0..64 {
            match (&mut &*socket).read(&mut waste) {
                Ok(n) if n > 0 => {}
                _ => break,
            }
        }
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket().as_raw_fd()
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

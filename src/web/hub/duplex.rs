//! A stream whose writes wait in an ordered queue: control frames of tungstenite and shared frames never interleave.

use crate::web::door::Stream;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Control answers a client can make us queue before it reads any.
const CONTROL_BYTES: usize = 64 * 1024;

enum Chunk {
    Own(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(b) => b,
            Chunk::Shared(b) => b,
        }
    }
}

pub struct Duplex {
    pub stream: Stream,
    /// Bytes read with the request's head; they come first.
    early: Vec<u8>,
    out: VecDeque<Chunk>,
    sent_of_first: usize,
    own_bytes: usize,
}

impl Duplex {
    pub fn new(stream: Stream, early: Vec<u8>) -> Duplex {
        Duplex { stream, early, out: VecDeque::new(), sent_of_first: 0, own_bytes: 0 }
    }

    /// Queues an encoded frame.
    pub fn push(&mut self, frame: Arc<[u8]>) {
        self.out.push_back(Chunk::Shared(frame));
    }

    pub fn is_idle(&self) -> bool {
        self.out.is_empty() && !self.stream.wants_write()
    }

    /// Writes what the socket takes; true when something went out.
    pub fn drain(&mut self) -> io::Result<bool> {
        let mut progress = false;
        while let Some(chunk) = self.out.front() {
            let rest = chunk.bytes().get(self.sent_of_first..).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    progress = true;
                    self.sent_of_first += n;
                    if self.sent_of_first >= chunk.bytes().len() {
                        if let Chunk::Own(b) = chunk {
                            self.own_bytes = self.own_bytes.saturating_sub(b.len());
                        }
                        self.out.pop_front();
                        self.sent_of_first = 0;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(progress),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        match self.stream.flush() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(progress),
            Err(e) => Err(e),
            Ok(()) => Ok(progress),
        }
    }
}

impl Read for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.early.is_empty() {
            return self.stream.read(buffer);
        }
        let n = self.early.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.early.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.own_bytes + bytes.len() > CONTROL_BYTES {
            return Err(io::Error::other("the client asks for more answers than it reads"));
        }
        self.own_bytes += bytes.len();
        self.out.push_back(Chunk::Own(bytes.to_vec()));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! The body of a request, read whole under a deadline and a limit, plain or chunked.

use super::head::{Framing, Refusal, refuse};
use super::stream::Stream;
use std::io;
use std::time::Instant;

const READ_BYTES: usize = 16 * 1024;
/// A chunk's size line, extensions included.
const CHUNK_LINE_BYTES: usize = 256;
/// Trailers are read and dropped.
const TRAILER_BYTES: usize = 4 * 1024;

/// What went wrong: the client is told, or it is gone.
pub enum Failure {
    Refused(Refusal),
    Gone,
}

/// Reads the body. `buffer` holds what was read beyond the head; afterwards what was read beyond the body.
pub fn read(
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    framing: Framing,
    limit: usize,
    deadline: Instant,
) -> Result<Vec<u8>, Failure> {
    let mut source = Source { stream, buffer, deadline };
    match framing {
        Framing::None => Ok(Vec::new()),
        Framing::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > limit {
                return Err(Failure::Refused(refuse(413, "The request body is too large")));
            }
            source.take(length)
        }
        Framing::Chunked => chunked(&mut source, limit),
    }
}

fn chunked(source: &mut Source, limit: usize) -> Result<Vec<u8>, Failure> {
    let bad = || Failure::Refused(refuse(400, "The chunked body is broken"));
    let mut body = Vec::new();
    loop {
        let line = source.line(CHUNK_LINE_BYTES)?;
        let digits = line.split(|b| *b == b';').next().unwrap_or_default();
        if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(bad());
        }
        let text = std::str::from_utf8(digits).map_err(|_| bad())?;
        let size = usize::from_str_radix(text, 16).map_err(|_| bad())?;
        if size == 0 {
            let mut trailers = 0;
            loop {
                let line = source.line(TRAILER_BYTES)?;
                trailers += line.len();
                if line.is_empty() {
                    return Ok(body);
                }
                if trailers > TRAILER_BYTES {
                    return Err(bad());
                }
            }
        }
        if body.len().saturating_add(size) > limit {
            return Err(Failure::Refused(refuse(413, "The request body is too large")));
        }
        body.extend_from_slice(&source.take(size)?);
        if source.take(2)? != b"\r\n" {
            return Err(bad());
        }
    }
}

struct Source<'a> {
    stream: &'a mut Stream,
    buffer: &'a mut Vec<u8>,
    deadline: Instant,
}

impl Source<'_> {
    fn more(&mut self) -> Result<(), Failure> {
        let mut bytes = [0u8; READ_BYTES];
        match self.stream.read_until(&mut bytes, self.deadline) {
            Ok(0) => Err(Failure::Gone),
            Ok(n) => {
                self.buffer.extend_from_slice(bytes.get(..n).unwrap_or_default());
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                Err(Failure::Refused(refuse(408, "The request body came too slowly")))
            }
            Err(_) => Err(Failure::Gone),
        }
    }

    /// Exactly `length` bytes. Memory grows with what arrives, never with what is announced.
    fn take(&mut self, length: usize) -> Result<Vec<u8>, Failure> {
        while self.buffer.len() < length {
            self.more()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(self.buffer, rest))
    }

    /// A line without its CR LF.
    fn line(&mut self, most: usize) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(at) = self.buffer.iter().position(|b| *b == b'\n') {
                let mut line = self.take(at + 1)?;
                line.pop();
                return if line.pop() == Some(b'\r') {
                    Ok(line)
                } else {
                    Err(Failure::Refused(refuse(400, "The chunked body is broken")))
                };
            }
            if self.buffer.len() > most {
                return Err(Failure::Refused(refuse(400, "The chunked body is broken")));
            }
            self.more()?;
        }
    }
}

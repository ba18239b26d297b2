//! The body of a request, read whole under a deadline and limits, plain or chunked.

use super::budget::Held;
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

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

/// How much a body may be, and until when it may take.
pub struct Allowance<'a> {
    pub bytes: usize,
    pub deadline: Instant,
    /// What the bodies of all connections together may hold.
    pub held: &'a mut Held,
}

/// Reads the body. `buffer` holds what was read beyond the head; afterwards what was read beyond the body.
pub fn read(
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    framing: Framing,
    allowance: Allowance,
) -> Result<Vec<u8>, Failure> {
    let mut source = Source { stream, buffer, at: 0, allowance };
    let mut body = Vec::new();
    match framing {
        Framing::None => {}
        Framing::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            source.append(&mut body, length)?;
        }
        Framing::Chunked => source.append_chunks(&mut body)?,
    }
    source.finish();
    Ok(body)
}

/// What comes next from the client: first what is in the buffer from `at` on, then the stream.
struct Source<'a> {
    stream: &'a mut Stream,
    buffer: &'a mut Vec<u8>,
    at: usize,
    allowance: Allowance<'a>,
}

impl Source<'_> {
    fn ready(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    fn more(&mut self) -> Result<(), Failure> {
        // Only what is used up is dropped, and only here: chunks of one byte must not move the buffer each.
        self.finish();
        let mut bytes = [0u8; READ_BYTES];
        match self.stream.read_until(&mut bytes, self.allowance.deadline) {
            Ok(0) => Err(Failure::Gone),
            Ok(n) => {
                self.buffer.extend_from_slice(bytes.get(..n).unwrap_or_default());
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                Err(refuse(408, "The request body came too slowly").into())
            }
            Err(_) => Err(Failure::Gone),
        }
    }

    /// Forgets what was used.
    fn finish(&mut self) {
        self.buffer.drain(..self.at.min(self.buffer.len()));
        self.at = 0;
    }

    /// Adds exactly `length` bytes. Memory grows with what arrives, never with what is announced.
    fn append(&mut self, body: &mut Vec<u8>, length: usize) -> Result<(), Failure> {
        if body.len().saturating_add(length) > self.allowance.bytes {
            return Err(refuse(413, "The request body is too large").into());
        }
        let mut missing = length;
        while missing > 0 {
            let part = self.ready().get(..missing).unwrap_or(self.ready());
            let n = part.len();
            body.extend_from_slice(part);
            if !self.allowance.held.grow_to(body.len()) {
                return Err(refuse(503, "Too much is being sent at once, try again in a minute").into());
            }
            self.at += n;
            missing -= n;
            if missing > 0 {
                self.more()?;
            }
        }
        Ok(())
    }

    fn append_chunks(&mut self, body: &mut Vec<u8>) -> Result<(), Failure> {
        loop {
            let size = self.chunk_size()?;
            if size == 0 {
                return self.skip_trailers();
            }
            self.append(body, size)?;
            if !self.line(0)?.is_empty() {
                return Err(broken());
            }
        }
    }

    fn chunk_size(&mut self) -> Result<usize, Failure> {
        let line = self.line(CHUNK_LINE_BYTES)?;
        let digits = line.split(|b| *b == b';').next().unwrap_or_default();
        if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(broken());
        }
        let text = std::str::from_utf8(digits).map_err(|_| broken())?;
        usize::from_str_radix(text, 16).map_err(|_| broken())
    }

    fn skip_trailers(&mut self) -> Result<(), Failure> {
        let mut left = TRAILER_BYTES;
        loop {
            let length = self.line(left)?.len();
            if length == 0 {
                return Ok(());
            }
            left = left.checked_sub(length).ok_or_else(broken)?;
        }
    }

    /// A line of at most `most` bytes, without its CR LF.
    fn line(&mut self, most: usize) -> Result<Vec<u8>, Failure> {
        loop {
            let window = self.ready().len().min(most + 2);
            let ready = self.ready().get(..window).unwrap_or_default();
            if let Some(end) = ready.iter().position(|b| *b == b'\n') {
                // A line feed alone ends lines for some and not for others.
                let line = ready.get(..end).and_then(|l| l.strip_suffix(b"\r")).ok_or_else(broken)?.to_vec();
                self.at += end + 1;
                return Ok(line);
            }
            if window == most + 2 {
                return Err(broken());
            }
            self.more()?;
        }
    }
}

fn broken() -> Failure {
    refuse(400, "The chunked body is broken").into()
}

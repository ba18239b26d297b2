//! Handing a complete request to tiny_http over the private Unix socket, and taking its answer.
//!
//! tiny_http sees only a request of our own making: the client's head travels inside one header, encoded, so no header
//! of a client can confuse it, and none can pretend to be ours.

use super::head::Head;
use crate::http::Response;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// The header that carries the client's head, base64 of [`encode`].
pub const HEAD_HEADER: &str = "X-Pulse-Head";
/// A handler has 60 s; a little more for the way back.
const ANSWER_TIME: Duration = Duration::from_secs(75);
const ANSWER_HEAD_BYTES: usize = 64 * 1024;
const ANSWER_BYTES: u64 = 256 * 1024 * 1024;

/// An answer ready to be written to a client.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn error(status: u16, message: &str) -> Answer {
        Answer::of(&Response::error(status, message))
    }
    pub fn of(response: &Response) -> Answer {
        Answer {
            status: response.status,
            headers: response.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
            body: response.body.as_slice().to_vec(),
        }
    }
    pub fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The way to the workers.
pub struct Upstream {
    socket: PathBuf,
}

impl Upstream {
    pub fn new(socket: PathBuf) -> Upstream {
        Upstream { socket }
    }

    /// Sends one request and waits for its answer; what fails in between is a 503 for the client.
    pub fn ask(&self, head: &Head, body: &[u8], peer: IpAddr, tls: bool) -> Answer {
        match self.exchange(head, body, peer, tls) {
            Ok(answer) => answer,
            Err(e) => {
                log::warn!("failed to pass a request on: {e}");
                Answer::error(503, "Pulse is too busy to answer, try again in a few seconds")
            }
        }
    }

    fn exchange(&self, head: &Head, body: &[u8], peer: IpAddr, tls: bool) -> Result<Answer, String> {
        let text = |e: std::io::Error| e.to_string();
        let mut socket = UnixStream::connect(&self.socket).map_err(text)?;
        socket.set_read_timeout(Some(ANSWER_TIME)).map_err(text)?;
        socket.set_write_timeout(Some(Duration::from_secs(10))).map_err(text)?;
        let mut request = format!(
            "POST / HTTP/1.1\r\nHost: pulse\r\nConnection: close\r\nContent-Length: {}\r\n{HEAD_HEADER}: {}\r\n\r\n",
            body.len(),
            crate::config::base64::encode(encode(head, peer, tls).as_bytes())
        )
        .into_bytes();
        request.extend_from_slice(body);
        socket.write_all(&request).map_err(text)?;
        receive(&mut socket)
    }
}

/// Lines: peer, `tls` or `plain`, method, target, then `name: value` for each header.
fn encode(head: &Head, peer: IpAddr, tls: bool) -> String {
    let mut out = format!("{peer}\n{}\n{}\n{}", if tls { "tls" } else { "plain" }, head.method.as_str(), head.target);
    for (name, value) in &head.headers {
        // A line feed cannot be in a value: the head was split at them.
        out.push('\n');
        out.push_str(name);
        out.push_str(": ");
        out.push_str(value);
    }
    out
}

fn receive(socket: &mut UnixStream) -> Result<Answer, String> {
    let mut bytes = Vec::with_capacity(8 * 1024);
    let (status, headers, length, at) = loop {
        let mut part = [0u8; 8 * 1024];
        let n = socket.read(&mut part).map_err(|e| e.to_string())?;
        if n == 0 {
            return Err("the worker closed without an answer".to_owned());
        }
        bytes.extend_from_slice(part.get(..n).unwrap_or_default());
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut slots);
        match response.parse(&bytes).map_err(|e| e.to_string())? {
            httparse::Status::Complete(at) => {
                let mut headers = Vec::new();
                let mut length = None;
                for h in response.headers.iter() {
                    let value = String::from_utf8_lossy(h.value).into_owned();
                    match h.name.to_ascii_lowercase().as_str() {
                        "content-length" => length = value.parse::<u64>().ok(),
                        "connection" | "transfer-encoding" | "server" => {}
                        _ => headers.push((h.name.to_owned(), value)),
                    }
                }
                break (response.code.unwrap_or(500), headers, length, at);
            }
            httparse::Status::Partial if bytes.len() > ANSWER_HEAD_BYTES => {
                return Err("the answer's head is too large".to_owned());
            }
            httparse::Status::Partial => {}
        }
    };
    let mut body = bytes.split_off(at);
    let want = length.unwrap_or(0);
    if want > ANSWER_BYTES {
        return Err("the answer is too large".to_owned());
    }
    let missing = want.saturating_sub(body.len() as u64);
    body.reserve_exact(usize::try_from(missing).unwrap_or(0));
    if missing > 0 {
        socket.take(missing).read_to_end(&mut body).map_err(|e| e.to_string())?;
        if (body.len() as u64) < want {
            return Err("the answer was cut off".to_owned());
        }
    }
    Ok(Answer { status, headers, body })
}

//! A receiver of webhooks on loopback that answers by a script and keeps what it was sent.

use crossbeam_channel::{Receiver as Inbox, Sender, unbounded};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How one request is answered.
#[derive(Clone)]
pub enum Reply {
    /// Status, extra header lines, body.
    Answer(u16, &'static [&'static str], String),
    /// The connection is closed without a word.
    Close,
    /// Nothing is said until the receiver ends.
    Hang,
    /// One byte of the head each 50 ms, without an end.
    Drip,
}

pub fn says(status: u16, body: &str) -> Reply {
    Reply::Answer(status, &[], body.to_owned())
}

#[derive(Debug)]
pub struct Got {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

pub struct Receiver {
    pub address: SocketAddr,
    got: Inbox<Got>,
    ended: Arc<AtomicBool>,
}

impl Receiver {
    /// Answers by the script; its last entry answers all that follows.
    pub fn start(script: Vec<Reply>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, got) = unbounded();
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (reply, tell, over) = (script[n.min(script.len() - 1)].clone(), tell.clone(), over.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &reply, &tell, &over));
            }
        });
        Receiver { address, got, ended }
    }
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
    /// The next request, within ten seconds.
    pub fn next(&self) -> Got {
        self.got.recv_timeout(Duration::from_secs(10)).expect("no request came")
    }
    pub fn is_quiet(&self) -> bool {
        self.got.is_empty()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// What came is told before it is answered: afterwards the next request could be told first.
fn serve(stream: TcpStream, reply: &Reply, tell: &Sender<Got>, over: &AtomicBool) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length =
        headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("content-length")).map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    tell.send(Got { line: line.trim_end().to_owned(), headers, body }).ok()?;
    answer(stream, reply, over);
    Some(())
}

fn answer(mut stream: TcpStream, reply: &Reply, over: &AtomicBool) {
    match reply {
        Reply::Answer(status, lines, body) => {
            let mut head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
            for line in *lines {
                head.push_str(&format!("{line}\r\n"));
            }
            let _ = write!(stream, "{head}\r\n{body}");
        }
        Reply::Close => {}
        Reply::Hang | Reply::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Drip: ");
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(50));
                let more = if matches!(reply, Reply::Drip) { stream.write_all(b"x") } else { Ok(()) };
                if more.is_err() {
                    return;
                }
            }
        }
    }
}

//! A mail server on loopback that does what a scene needs: TLS in both ways, logins, refusals, silence.

use crossbeam_channel::{Receiver as Inbox, Sender, unbounded};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What the server is like.
#[derive(Clone, Default)]
pub struct Manner {
    /// TLS from the first byte.
    pub implicit: bool,
    pub starttls: bool,
    /// Logins offered, e.g. `PLAIN LOGIN`.
    pub auth: &'static str,
    /// EHLO is not known.
    pub old: bool,
    /// Replies instead of the usual ones, by the beginning of the command (`MAIL`, `.` for the end of the message,
    /// empty for the greeting).
    pub instead: Vec<(&'static str, &'static str)>,
    /// The connection is dropped at this command.
    pub drops_at: Option<&'static str>,
    /// At this command the server says nothing, a byte now and then, or a line without an end.
    pub stalls_at: Option<(&'static str, Stall)>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Stall {
    Silent,
    Drip,
    Flood,
}

/// What the server saw of one connection.
#[derive(Debug, Default)]
pub struct Seen {
    /// Commands; those in TLS begin with `tls `.
    pub commands: Vec<String>,
    /// The message as it came, without the final dot.
    pub mail: Vec<u8>,
}

pub struct Peer {
    pub address: SocketAddr,
    seen: Inbox<Seen>,
}

impl Peer {
    pub fn start(manner: Manner) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, seen) = unbounded();
        std::thread::spawn(move || {
            let tls = tls();
            // A few connections are more than any scene makes; then the thread ends.
            for stream in listener.incoming().take(8) {
                serve(stream.unwrap(), &manner, &tls, &tell);
            }
        });
        Peer { address, seen }
    }
    pub fn port(&self) -> u16 {
        self.address.port()
    }
    pub fn seen(&self) -> Seen {
        self.seen.recv_timeout(Duration::from_secs(10)).expect("nobody connected")
    }
}

fn tls() -> Arc<ServerConfig> {
    let made = rcgen::generate_simple_self_signed(vec!["mail.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap())
}

enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Line {
    fn secured(self, tls: &Arc<ServerConfig>) -> Line {
        match self {
            Line::Plain(tcp) => Line::Tls(Box::new(StreamOwned::new(ServerConnection::new(tls.clone()).unwrap(), tcp))),
            other => other,
        }
    }
    fn say(&mut self, text: &str) -> Option<()> {
        self.write(format!("{text}\r\n").as_bytes())
    }
    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        match self {
            Line::Plain(tcp) => tcp.write_all(bytes).ok(),
            Line::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()).ok(),
        }
    }
    /// A line, without its end.
    fn hear(&mut self) -> Option<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            let read = match self {
                Line::Plain(tcp) => tcp.read(&mut byte),
                Line::Tls(stream) => stream.read(&mut byte),
            };
            if read.ok()? == 0 {
                return None;
            }
            line.push(byte[0]);
            if line.ends_with(b"\r\n") {
                line.truncate(line.len() - 2);
                return Some(line);
            }
        }
    }
}

fn serve(stream: TcpStream, manner: &Manner, tls: &Arc<ServerConfig>, tell: &Sender<Seen>) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut seen = Seen::default();
    let mut line = Line::Plain(stream);
    if manner.implicit {
        line = line.secured(tls);
    }
    let _ = talk(line, manner, tls, &mut seen);
    let _ = tell.send(seen);
}

fn talk(mut line: Line, manner: &Manner, tls: &Arc<ServerConfig>, seen: &mut Seen) -> Option<()> {
    let instead = |command: &str| {
        manner
            .instead
            .iter()
            .find(|(c, _)| if c.is_empty() { command.is_empty() } else { command.starts_with(c) })
            .map(|(_, r)| *r)
    };
    stall(&mut line, manner, "")?;
    line.say(instead("").unwrap_or("220 mail.example ready"))?;
    loop {
        let command = String::from_utf8(line.hear()?).ok()?;
        seen.commands.push(if matches!(line, Line::Tls(_)) { format!("tls {command}") } else { command.clone() });
        if manner.drops_at.is_some_and(|at| command.starts_with(at)) {
            return None;
        }
        stall(&mut line, manner, &command)?;
        if let Some(reply) = instead(&command) {
            line.say(reply)?;
            continue;
        }
        match command.split(' ').next().unwrap() {
            "EHLO" if manner.old => line.say("502 what is EHLO")?,
            "EHLO" => {
                line.say("250-mail.example")?;
                line.say("250-8BITMIME")?;
                if manner.starttls && matches!(line, Line::Plain(_)) {
                    line.say("250-STARTTLS")?;
                }
                if !manner.auth.is_empty() {
                    line.say(&format!("250-AUTH {}", manner.auth))?;
                }
                line.say("250 SIZE 1000000")?;
            }
            "STARTTLS" => {
                line.say("220 go ahead")?;
                line = line.secured(tls);
            }
            "AUTH" if command.starts_with("AUTH PLAIN ") => line.say("235 welcome")?,
            "AUTH" => {
                for _ in 0..2 {
                    line.say("334 VXNlcm5hbWU6")?;
                    let answer = String::from_utf8(line.hear()?).ok()?;
                    seen.commands.push(answer);
                }
                line.say("235 welcome")?;
            }
            "DATA" => data(&mut line, manner, seen, instead(".").unwrap_or("250 2.0.0 queued as 4711"))?,
            "QUIT" => return line.say("221 bye"),
            _ => line.say("250 ok")?,
        }
    }
}

fn data(line: &mut Line, manner: &Manner, seen: &mut Seen, reply: &str) -> Option<()> {
    line.say("354 end with a dot")?;
    loop {
        let part = line.hear()?;
        if manner.drops_at == Some("the middle of the message") && seen.mail.len() > 200 {
            return None;
        }
        if part == b"." {
            stall(line, manner, ".")?;
            return line.say(reply);
        }
        seen.mail.extend_from_slice(part.strip_prefix(b".").unwrap_or(&part));
        seen.mail.extend_from_slice(b"\r\n");
    }
}

/// Until the client is gone.
fn stall(line: &mut Line, manner: &Manner, command: &str) -> Option<()> {
    let Some((at, how)) = manner.stalls_at else { return Some(()) };
    if !(at == command || (!at.is_empty() && command.starts_with(at))) {
        return Some(());
    }
    for _ in 0..100_000 {
        match how {
            Stall::Silent => return line.hear().map(|_| ()),
            Stall::Drip => {
                line.write(b"2")?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Stall::Flood => line.write(&[b'2'; 4096])?,
        }
    }
    None
}

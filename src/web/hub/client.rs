//! The life of one WebSocket client.

use super::duplex::Duplex;
use crate::http::socket::{Client, Inbox, Said, SocketEvent};
use crate::owner::Event;
use crate::web::door::Stream;
use crossbeam_channel::Sender;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tungstenite::protocol::{Role, WebSocketConfig, frame::CloseFrame, frame::coding::CloseCode};
use tungstenite::{Error, Message, WebSocket};

const MESSAGE_BYTES: usize = 64 * 1024;
/// A control ping this often; any frame of the client proves that it lives.
const PING_EVERY: Duration = Duration::from_secs(25);
const SILENCE: Duration = Duration::from_secs(60);
/// Without a byte taken by the client.
const NO_PROGRESS: Duration = Duration::from_secs(30);
/// What a client may ask in a second before it is let wait.
const MESSAGES_PER_SEC: u32 = 50;
/// Closing after the authorisation ended (4.9's page reconnects and meets the login).
const SESSION_ENDED: u16 = 4401;

/// The answer to a handshake's key; `None` when it is not a handshake of version 13.
pub fn accept_key(version: Option<&str>, key: Option<&str>) -> Option<String> {
    let key = key?.trim();
    let good = version?.trim() == "13" && key.len() == 24 && key.is_ascii();
    good.then(|| tungstenite::handshake::derive_accept_key(key.as_bytes()))
}

/// Serves a client whose handshake is done, until it or the owner ends it.
pub fn serve(mut stream: Stream, early: Vec<u8>, session: String, events: &Sender<Event>) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let Some(wake) = eventfd() else { return };
    if stream.set_nonblocking().is_err() {
        return;
    }
    let (client, inbox) = Client::new(id, session, wake);
    if events.send(Event::Socket(SocketEvent::Connected(client))).is_err() {
        return;
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .max_message_size(Some(MESSAGE_BYTES))
        .max_frame_size(Some(MESSAGE_BYTES))
        .write_buffer_size(0);
    let socket = WebSocket::from_raw_socket(Duplex::new(stream, early), Role::Server, Some(config));
    let mut life = Life {
        id,
        socket,
        events,
        inbox,
        heard: Instant::now(),
        moved: Instant::now(),
        pinged: Instant::now(),
        second: (Instant::now(), 0),
    };
    if let Err(e) = life.run() {
        log::debug!("a WebSocket ended: {e}");
    }
    // Gone must arrive even when the owner is busy: its queue is unbounded for a moment, never lost.
    let _ = events.send(Event::Socket(SocketEvent::Gone(id)));
    life.socket.get_mut().stream.close();
}

/// A wake-up that can be polled beside the socket.
fn eventfd() -> Option<OwnedFd> {
    // SAFETY: eventfd takes two integers and gives a new descriptor or -1; it is owned from here on.
    unsafe {
        let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
    }
}

struct Life<'a> {
    id: u64,
    socket: WebSocket<Duplex>,
    events: &'a Sender<Event>,
    inbox: Inbox,
    heard: Instant,
    moved: Instant,
    pinged: Instant,
    second: (Instant, u32),
}

impl Life<'_> {
    fn run(&mut self) -> Result<(), String> {
        loop {
            self.hear()?;
            self.fetch();
            let idle_before = self.socket.get_ref().is_idle();
            if self.socket.get_mut().drain().map_err(|e| e.to_string())? || idle_before {
                self.moved = Instant::now();
            }
            if self.inbox.closing.load(Ordering::Relaxed) {
                return self.part(CloseCode::from(SESSION_ENDED), "session ended");
            }
            let now = Instant::now();
            if now.duration_since(self.heard) > SILENCE {
                return Err("it was silent for too long".to_owned());
            }
            if now.duration_since(self.moved) > NO_PROGRESS {
                return Err("it takes nothing".to_owned());
            }
            if now.duration_since(self.pinged) > PING_EVERY {
                self.pinged = now;
                self.control(Message::Ping(Default::default()))?;
                continue;
            }
            self.wait()?;
        }
    }

    /// Takes what the owner has for this client, one frame at a time, so that a slow client gets the newest state.
    fn fetch(&mut self) {
        if !self.socket.get_ref().is_idle() {
            return;
        }
        if let Ok(frame) = self.inbox.events.try_recv() {
            self.socket.get_mut().push(frame);
        } else if let Ok(frame) = self.inbox.state.try_recv() {
            self.socket.get_mut().push(frame);
        }
    }

    fn hear(&mut self) -> Result<(), String> {
        loop {
            match self.socket.read() {
                Ok(message) => {
                    self.heard = Instant::now();
                    self.count()?;
                    if let Message::Text(text) = message
                        && let Some(said) = understand(text.as_str())
                    {
                        let event = Event::Socket(SocketEvent::Said(self.id, said));
                        self.events.send(event).map_err(|_| "Pulse is ending".to_owned())?;
                    }
                }
                Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => {
                    // A close of the client is answered in the queue: send that before leaving.
                    let _ = self.socket.get_mut().drain();
                    return Err(e.to_string());
                }
            }
            if self.socket.get_mut().drain().is_err() {
                return Err("the connection broke".to_owned());
            }
        }
    }

    fn count(&mut self) -> Result<(), String> {
        let now = Instant::now();
        if now.duration_since(self.second.0) >= Duration::from_secs(1) {
            self.second = (now, 0);
        }
        self.second.1 += 1;
        if self.second.1 > MESSAGES_PER_SEC * 4 {
            return Err("it says too much".to_owned());
        }
        if self.second.1 > MESSAGES_PER_SEC {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn control(&mut self, message: Message) -> Result<(), String> {
        match self.socket.send(message) {
            Ok(()) => Ok(()),
            Err(Error::Io(e)) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(e.to_string()),
        }
    }

    fn part(&mut self, code: CloseCode, reason: &'static str) -> Result<(), String> {
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = self.socket.close(Some(frame));
        let _ = self.socket.get_mut().drain();
        Ok(())
    }

    /// Sleeps until the client sends, takes more, the owner has something, or a second has passed.
    fn wait(&mut self) -> Result<(), String> {
        let duplex = self.socket.get_ref();
        let idle = duplex.is_idle();
        if idle && (!self.inbox.events.is_empty() || !self.inbox.state.is_empty()) {
            return Ok(());
        }
        let interest = if idle { libc::POLLIN } else { libc::POLLIN | libc::POLLOUT };
        let mut fds = [
            libc::pollfd { fd: duplex.stream.as_raw_fd(), events: interest, revents: 0 },
            libc::pollfd { fd: self.inbox.wake.as_raw_fd(), events: libc::POLLIN, revents: 0 },
        ];
        // SAFETY: `fds` is an array of two initialised entries that outlives the call.
        let ready = unsafe { libc::poll(fds.as_mut_ptr(), 2, 1000) };
        if ready < 0 {
            let e = io::Error::last_os_error();
            return if e.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(e.to_string()) };
        }
        let mut count = [0u8; 8];
        let _ = io::Read::read(&mut &*self.inbox.wake, &mut count);
        Ok(())
    }
}

/// What matters of a client's message; everything else is ignored, as the contract says.
fn understand(text: &str) -> Option<Said> {
    let message: serde_json::Value = serde_json::from_str(text).ok()?;
    match message.get("type")?.as_str()? {
        "ping" => Some(Said::Ping),
        "requestData" => Some(Said::RequestData),
        "subscribe" => Some(Said::Deltas(message.pointer("/data/deltas")?.as_bool()?)),
        _ => None,
    }
}

//! The vocabulary of WebSockets between the threads that serve them and the owner: a client's handle, what clients say,
//! and the hub, the owner's list of them. Frames are encoded once and shared; nobody waits for a slow client.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Events that may wait for one client; the newest are dropped beyond it.
const EVENTS_WAITING: usize = 64;

/// A text frame as it goes over the wire (RFC 6455 5.2: final, unmasked), shared by all clients.
pub type Frame = Arc<[u8]>;

/// Encodes a text as one frame.
pub fn text_frame(text: &[u8]) -> Frame {
    let mut out = Vec::with_capacity(text.len() + 10);
    out.push(0x81);
    match text.len() {
        n if n < 126 => out.push(n as u8),
        n if n <= usize::from(u16::MAX) => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
    out.into()
}

/// `{"type": kind, "data": …}` as a frame; with `timestamp` where the contract has one.
pub fn message<T: serde::Serialize>(kind: &str, data: &T, timestamp: Option<String>) -> Frame {
    let mut document = crate::json::json!({ "type": kind, "data": data });
    if let (Some(timestamp), Some(map)) = (timestamp, document.as_object_mut()) {
        map.insert("timestamp".to_owned(), timestamp.into());
    }
    text_frame(document.to_string().as_bytes())
}

/// What a client said, as far as anybody cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Ping,
    RequestData,
    /// From now on deltas instead of whole states, or back.
    Deltas(bool),
}

/// What the socket threads tell the owner.
pub enum SocketEvent {
    Connected(Client),
    Said(u64, Said),
    Gone(u64),
}

/// The owner's handle of one client.
pub struct Client {
    pub id: u64,
    /// What authorised it: closed when that ends (session hash, token id); empty when nothing was needed.
    pub session: String,
    deltas: bool,
    state: Sender<Frame>,
    /// The same queue's other end: taking out the old state makes room for the new one.
    stale: Receiver<Frame>,
    events: Sender<Frame>,
    closing: Arc<AtomicBool>,
    wake: Arc<File>,
}

/// The socket thread's end of a client.
pub struct Inbox {
    pub state: Receiver<Frame>,
    pub events: Receiver<Frame>,
    pub closing: Arc<AtomicBool>,
    pub wake: Arc<File>,
}

impl Client {
    /// A client and its thread's end; `wake` is an eventfd the thread polls.
    pub fn new(id: u64, session: String, wake: OwnedFd) -> (Client, Inbox) {
        let (state, stale) = bounded(1);
        let (events, waiting) = bounded(EVENTS_WAITING);
        let closing = Arc::new(AtomicBool::new(false));
        let wake = Arc::new(File::from(wake));
        let inbox = Inbox { state: stale.clone(), events: waiting, closing: closing.clone(), wake: wake.clone() };
        (Client { id, session, deltas: false, state, stale, events, closing, wake }, inbox)
    }

    fn wake(&self) {
        // An eventfd takes eight bytes at once; when it is full it is awake already.
        let _ = (&*self.wake).write(&1u64.to_ne_bytes());
    }

    /// Latest wins: a state that was not taken yet is replaced.
    fn send_state(&self, frame: Frame) {
        let _ = self.stale.try_recv();
        let _ = self.state.try_send(frame);
        self.wake();
    }

    fn send_event(&self, frame: Frame) {
        let _ = self.events.try_send(frame);
        self.wake();
    }

    fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.wake();
    }
}

/// All clients; lives in the owner.
#[derive(Default)]
pub struct Hub {
    clients: Vec<Client>,
}

impl Hub {
    /// A new client: it gets the greeting and then the whole state.
    pub fn connected(&mut self, client: Client, welcome: Frame, initial: Frame) {
        client.send_event(welcome);
        client.send_event(initial);
        self.clients.push(client);
    }
    pub fn gone(&mut self, id: u64) {
        self.clients.retain(|c| c.id != id);
    }
    pub fn count(&self) -> usize {
        self.clients.len()
    }
    /// Whether anybody wants whole states, and whether anybody wants deltas.
    pub fn wants(&self) -> (bool, bool) {
        (self.clients.iter().any(|c| !c.deltas), self.clients.iter().any(|c| c.deltas))
    }
    pub fn set_deltas(&mut self, id: u64, on: bool) {
        if let Some(c) = self.clients.iter_mut().find(|c| c.id == id) {
            c.deltas = on;
        }
    }
    pub fn broadcast_state(&self, full: Option<&Frame>, delta: Option<&Frame>) {
        for c in &self.clients {
            if let Some(frame) = if c.deltas { delta } else { full } {
                c.send_state(frame.clone());
            }
        }
    }
    pub fn broadcast_event(&self, frame: &Frame) {
        for c in &self.clients {
            c.send_event(frame.clone());
        }
    }
    pub fn send_state(&self, id: u64, frame: Frame) {
        if let Some(c) = self.clients.iter().find(|c| c.id == id) {
            c.send_state(frame);
        }
    }
    pub fn send_event(&self, id: u64, frame: Frame) {
        if let Some(c) = self.clients.iter().find(|c| c.id == id) {
            c.send_event(frame);
        }
    }
    /// Ends the sockets whose authorisation has ended.
    pub fn close_where(&mut self, ended: impl Fn(&str) -> bool) {
        self.clients.retain(|c| {
            let end = ended(&c.session);
            if end {
                c.close();
            }
            !end
        });
    }
}

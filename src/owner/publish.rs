//! When a new state goes out, and the bytes of it: serialised once for everybody, and only when somebody asks.

use super::delta;
use crate::http::Shared;
use crate::http::socket::{Frame, message, text_frame};
use crate::model::{Now, State};
use std::sync::Arc;

/// Reports of connections that poll in step come within this time; then one publication serves all.
const GATHER_MS: u64 = 2_000;
/// A publication at least this often, so that clients see that Pulse lives.
const KEEP_ALIVE_MS: u64 = 10_000;

/// What has been published, and what waits to be.
#[derive(Default)]
pub struct Publisher {
    /// Counts publications; deltas carry it.
    seq: u64,
    dirty_since_ms: Option<u64>,
    last_ms: u64,
    /// `/api/state` of this moment, until something changes.
    state_json: Option<Arc<Shared>>,
    /// The state as clients with deltas have it.
    previous: Option<State>,
}

/// The frames of one publication; each is built only when somebody wants it.
pub struct Frames {
    pub full: Option<Frame>,
    pub delta: Option<Frame>,
}

impl Publisher {
    /// Something in the state changed at `now`.
    pub fn touch(&mut self, now: Now) {
        self.state_json = None;
        self.dirty_since_ms.get_or_insert(now.mono_ms);
    }

    /// Something changed that clients must see at once (an acknowledgement, a resolution).
    pub fn urge(&mut self) {
        self.state_json = None;
        self.dirty_since_ms = Some(0);
    }

    /// Whether it is time to publish: all connections reported, or the first change has waited long enough,
    /// or nothing was sent for the keep-alive time.
    pub fn due(&self, now: Now, all_fresh: bool) -> bool {
        match self.dirty_since_ms {
            Some(since) => all_fresh || now.mono_ms >= since + GATHER_MS || since == 0,
            None => now.mono_ms >= self.last_ms + KEEP_ALIVE_MS,
        }
    }

    /// The bytes of `/api/state`.
    pub fn state_json(&mut self, state: &State) -> Arc<Shared> {
        if let Some(bytes) = &self.state_json {
            return bytes.clone();
        }
        let mut bytes = serde_json::to_vec(state).unwrap_or_else(|e| {
            log::error!("failed to write the state document: {e}");
            b"{}".to_vec()
        });
        bytes.push(b'\n');
        let document = Arc::new(Shared::new(bytes));
        self.state_json = Some(document.clone());
        document
    }

    /// A frame with the whole state, e.g. `rawData`; `seq` beside `data` tells pages where deltas go on.
    pub fn full_frame(&mut self, kind: &str, state: &State) -> Frame {
        let document = self.state_json(state);
        let body = document.bytes();
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let mut frame = Vec::with_capacity(body.len() + 64);
        frame.extend_from_slice(format!("{{\"type\":\"{kind}\",\"seq\":{},\"data\":", self.seq).as_bytes());
        frame.extend_from_slice(body);
        frame.push(b'}');
        text_frame(&frame)
    }

    /// Publishes: gives the frames wanted and remembers what clients with deltas now have.
    pub fn publish(&mut self, state: &State, now: Now, want_full: bool, want_delta: bool) -> Frames {
        self.dirty_since_ms = None;
        self.last_ms = now.mono_ms;
        self.seq += 1;
        let full = want_full.then(|| self.full_frame("rawData", state));
        let delta = match (&self.previous, want_delta) {
            (Some(previous), true) => {
                let data = delta::between(previous, state, self.seq);
                Some(message("delta", &data, None))
            }
            // The first publication with such a client: it starts from a whole state.
            (None, true) => Some(self.full_frame("rawData", state)),
            _ => None,
        };
        self.previous = want_delta.then(|| state.clone());
        Frames { full, delta }
    }

    /// A client with deltas came: the next delta must start from what it is shown now.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

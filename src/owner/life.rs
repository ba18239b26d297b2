//! What happens by itself: each second's tick, publications, signals from the system.

use super::Core;
use crate::http::socket::{self, Said, SocketEvent};
use crate::json::json;

/// 4.9 counts a poll cycle every ten seconds, whatever is configured.
const CYCLE_SECS: u64 = 10;
/// The application-level ping of the contract (state.md 3.3).
const PING_SECS: u64 = 30;

impl Core {
    /// Once a second.
    pub fn tick(&mut self) {
        let uptime = (self.now.mono_ms - self.started.mono_ms) / 1000;
        let cycles = i64::try_from(uptime / CYCLE_SECS + 1).unwrap_or(i64::MAX);
        if self.state.stats.polling_cycles != cycles {
            self.state.stats.polling_cycles = cycles;
            self.state.stats.uptime = i64::try_from(uptime).unwrap_or(i64::MAX);
            self.state.last_update = self.now.wall;
            self.publisher.touch(self.now);
        }
        self.tend_doors();
        if uptime.is_multiple_of(PING_SECS) && self.hub.count() > 0 {
            let ping = socket::message("ping", &json!({ "timestamp": self.now.unix_secs() }), None);
            self.hub.broadcast_event(&ping);
        }
        self.keep_history();
        self.step_alerts();
        self.deliver();
        self.push_figures();
        self.step_discovery();
    }

    /// Sends the state to the clients when it is time.
    pub fn publish_if_due(&mut self) {
        if !self.publisher.due(self.now, self.connections.all_fresh()) {
            return;
        }
        self.connections.published();
        self.settle();
        let (full, delta) = self.hub.wants();
        let frames = self.publisher.publish(&self.state, self.now, full, delta);
        self.hub.broadcast_state(frames.full.as_ref(), frames.delta.as_ref());
    }

    /// A WebSocket client came, spoke or went.
    pub fn socket(&mut self, event: SocketEvent) {
        match event {
            SocketEvent::Connected(client) => {
                self.settle();
                let welcome = socket::message("welcome", &json!({ "message": "Connected to Pulse WebSocket" }), None);
                let initial = self.publisher.full_frame("initialState", &self.state);
                self.hub.connected(client, welcome, initial);
            }
            SocketEvent::Said(id, Said::Ping) => {
                let pong = socket::message("pong", &json!({ "timestamp": self.now.unix_secs() }), None);
                self.hub.send_event(id, pong);
            }
            SocketEvent::Said(id, Said::RequestData) => {
                self.settle();
                let frame = self.publisher.full_frame("rawData", &self.state);
                self.hub.send_state(id, frame);
            }
            SocketEvent::Said(id, Said::Deltas(on)) => self.hub.set_deltas(id, on),
            SocketEvent::Gone(id) => self.hub.gone(id),
        }
        self.state.stats.web_socket_clients = i64::try_from(self.hub.count()).unwrap_or(0);
    }

    /// A signal came; true: the process is to end.
    pub fn signal(&mut self, signal: i32) -> bool {
        if signal == signal_hook::consts::SIGHUP {
            self.config.writer.look();
        }
        let ends = matches!(signal, signal_hook::consts::SIGTERM | signal_hook::consts::SIGINT);
        if ends {
            self.discovery.stop();
        }
        ends
    }
}

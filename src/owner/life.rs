//! What happens by itself: each second's tick, publications, signals from the system.

use super::Core;

/// 4.9 counts a poll cycle every ten seconds, whatever is configured.
const CYCLE_SECS: u64 = 10;

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
    }

    /// Sends the state to the clients when it is time.
    pub fn publish_if_due(&mut self) {
        if !self.publisher.due(self.now, self.connections.all_fresh()) {
            return;
        }
        self.connections.published();
        self.settle();
        let frames = self.publisher.publish(&self.state, self.now, false, false);
        let _ = (frames.full, frames.delta);
    }

    /// A signal came; true: the process is to end.
    pub fn signal(&mut self, signal: i32) -> bool {
        matches!(signal, signal_hook::consts::SIGTERM | signal_hook::consts::SIGINT)
    }
}

//! Everything that answers are computed from, as one immutable value: a change makes a new scene.

use super::access::Access;
use super::spec::Clock;
use super::world::World;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone)]
pub struct Scene {
    pub world: Arc<World>,
    pub clock: Clock,
    /// One for each host.
    pub access: Vec<Access>,
    /// SHA-256 fingerprints of the certificates, by host and node.
    pub fingerprints: Vec<Vec<String>>,
}

impl Clock {
    /// Seconds since 1970. The only place in the simulator that reads a clock.
    pub fn read(self) -> i64 {
        match self {
            Clock::Frozen(t) => t,
            Clock::Real => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            }
        }
    }
}

impl Scene {
    /// The simulation's time, seconds since 1970.
    pub fn base_time(&self) -> i64 {
        self.clock.read()
    }
    /// What the clock of a host shows.
    pub fn time(&self, host: usize) -> i64 {
        self.base_time() + self.world.hosts.get(host).map_or(0, |h| h.skew_secs())
    }
}

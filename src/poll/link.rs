//! The ways to one instance: which endpoint is asked, when another takes over, when a broken one is tried again.
//!
//! Only a broken way speaks against an endpoint (no connection, TLS, no answer in time): an error that comes as an
//! answer is an answer. While nothing at all answers, nothing is concluded about a single endpoint: it may as well be
//! our own network, so all are tried again with the next cycle.

use super::fanout;
use super::report::{Endpoint, EndpointState};
use super::target::Target;
use super::worker::Clock;
use crate::model::{Now, Time};
use crate::proxmox::pve::VersionAnswer;
use crate::proxmox::{Access, Client, Error, Kind, Tls};
use std::time::{Duration, Instant};

/// First pause before a broken endpoint is tried again; doubles up to the longest.
const PAUSE_MS: u64 = 10_000;
const PAUSE_MAX_MS: u64 = 180_000;
/// A probe only asks whether somebody is there.
const PROBE: Duration = Duration::from_secs(3);
/// Members of one cluster that are remembered.
const ENDPOINTS_MAX: usize = 64;

/// One endpoint.
struct Door {
    url: String,
    access: Access,
    /// Made when first needed.
    client: Option<Client>,
    /// `None` until tried.
    healthy: Option<bool>,
    last_ok: Time,
    last_error: Option<String>,
    failures: u32,
    retry_at_ms: u64,
}

impl Door {
    fn new(access: Access) -> Door {
        Door {
            url: access.base_url.clone(),
            access,
            client: None,
            healthy: None,
            last_ok: Time::UNSET,
            last_error: None,
            failures: 0,
            retry_at_ms: 0,
        }
    }

    fn client(&mut self, kind: Kind) -> Result<&mut Client, Error> {
        if self.client.is_none() {
            self.client = Some(Client::new(kind, &self.access)?);
        }
        self.client.as_mut().ok_or_else(|| Error::Address("no client".into()))
    }

    fn works(&mut self, now: Now) {
        (self.healthy, self.failures, self.last_error) = (Some(true), 0, None);
        self.last_ok = now.wall;
    }

    fn fails(&mut self, now: Now, error: &Error) {
        self.healthy = Some(false);
        self.last_error = Some(error.to_string());
        let pause = PAUSE_MS.saturating_mul(1 << self.failures.min(5)).min(PAUSE_MAX_MS);
        // Spread by the name, so that the members of a cluster are not all tried in the same cycle.
        let spread = self.url.bytes().fold(0u64, |sum, b| sum.wrapping_mul(31).wrapping_add(u64::from(b))) % 3000;
        self.retry_at_ms = now.mono_ms + pause + spread;
        self.failures = self.failures.saturating_add(1);
    }
}

/// All endpoints of an instance. The first is the configured one.
pub(super) struct Link {
    kind: Kind,
    doors: Vec<Door>,
    current: usize,
}

impl Link {
    pub fn new(target: &Target) -> Link {
        let mut link = Link { kind: target.kind, doors: vec![Door::new(target.access.clone())], current: 0 };
        link.learn(&target.endpoints);
        link
    }

    /// Takes in the members of the cluster. Known ones keep their state; the configured one always stays.
    pub fn learn(&mut self, members: &[Endpoint]) {
        let Some(first) = self.doors.first() else { return };
        let base = first.access.clone();
        let current = self.doors.get(self.current).map(|d| d.url.clone()).unwrap_or_default();
        let mut doors: Vec<Door> = Vec::new();
        let mut known = std::mem::take(&mut self.doors);
        doors.push(known.remove(0));
        for member in members.iter().filter(|m| !m.url.is_empty() && m.url != base.base_url).take(ENDPOINTS_MAX) {
            let Some(tls) = rule(base.tls, member.fingerprint) else { continue };
            let access = Access { base_url: member.url.clone(), tls, ..base.clone() };
            let same = known.iter().position(|d| d.access == access);
            doors.push(same.map_or_else(|| Door::new(access), |at| known.swap_remove(at)));
        }
        self.current = doors.iter().position(|d| d.url == current).unwrap_or(0);
        self.doors = doors;
    }

    /// There is more than one way.
    pub fn has_others(&self) -> bool {
        self.doors.len() > 1
    }
    /// Where requests go.
    pub fn client(&self) -> Option<&Client> {
        self.doors.get(self.current)?.client.as_ref()
    }
    pub fn url(&self) -> &str {
        self.doors.get(self.current).map_or("", |d| &d.url)
    }

    /// Makes the current endpoint ready to be asked; logs in where that is needed. Says whether it did.
    pub fn ready(&mut self, now: Now) -> Result<bool, Error> {
        let kind = self.kind;
        match self.doors.get_mut(self.current) {
            Some(door) => door.client(kind)?.ready(now.mono_ms),
            None => Err(Error::Address("no endpoint".into())),
        }
    }

    /// After a 401: false when a new login cannot help.
    pub fn forget_ticket(&mut self) -> bool {
        self.doors.get_mut(self.current).and_then(|d| d.client.as_mut()).is_some_and(Client::forget_ticket)
    }

    /// The current endpoint answered.
    pub fn works(&mut self, now: Now) {
        if let Some(door) = self.doors.get_mut(self.current) {
            door.works(now);
        }
    }

    /// The way to the current endpoint is broken. Tries all others at once and takes the first in order that answers.
    /// False when none does.
    pub fn fail_over(&mut self, clock: &Clock, error: &Error, until: Instant) -> bool {
        let now = clock.now();
        if let Some(door) = self.doors.get_mut(self.current) {
            door.fails(now, error);
        }
        let others: Vec<usize> = (0..self.doors.len()).filter(|at| *at != self.current).collect();
        let answered = self.probe(clock, &others, until);
        if let Some(at) = answered.first() {
            self.current = *at;
            return true;
        }
        // It may as well be our own network: none of them shall wait longer for that.
        for door in &mut self.doors {
            (door.failures, door.retry_at_ms) = (0, now.mono_ms);
        }
        false
    }

    /// Tries broken endpoints whose pause is over, one in a cycle, and goes back to the configured one when it works.
    /// Gives the number of requests made.
    pub fn recheck(&mut self, clock: &Clock, until: Instant) -> usize {
        let now = clock.now();
        let due = |d: &Door| d.healthy == Some(false) && d.retry_at_ms <= now.mono_ms;
        let Some(at) = (0..self.doors.len()).find(|at| *at != self.current && self.doors.get(*at).is_some_and(due))
        else {
            return 0;
        };
        if self.probe(clock, &[at], until).contains(&0) {
            self.current = 0;
        }
        1
    }

    /// Asks endpoints whether they are there; notes and gives those that are, in order.
    fn probe(&mut self, clock: &Clock, which: &[usize], until: Instant) -> Vec<usize> {
        let kind = self.kind;
        for at in which {
            if let Some(door) = self.doors.get_mut(*at) {
                let _ = door.client(kind);
            }
        }
        let doors = &self.doors;
        let within = PROBE.min(until.saturating_duration_since(Instant::now()));
        let results = fanout::run(
            which,
            until,
            || clock.is_stopped(),
            |at| {
                let client = doors.get(*at).and_then(|d| d.client.as_ref());
                match client.map(|c| c.reach::<VersionAnswer>("version", within)) {
                    Some(Err(e)) if e.is_transport() => Err(e),
                    Some(_) => Ok(()),
                    None => Err(Error::Address("no client".into())),
                }
            },
        );
        let now = clock.now();
        let mut answered = Vec::new();
        for (at, result) in which.iter().zip(results) {
            let Some(door) = self.doors.get_mut(*at) else { continue };
            match result {
                Some(Ok(())) => {
                    door.works(now);
                    answered.push(*at);
                }
                Some(Err(error)) => door.fails(now, &error),
                None => {}
            }
        }
        answered
    }

    pub fn states(&self) -> Vec<EndpointState> {
        let state = |(at, d): (usize, &Door)| EndpointState {
            url: d.url.clone(),
            healthy: d.healthy.unwrap_or(true),
            current: at == self.current,
            last_ok: d.last_ok,
            last_error: d.last_error.clone(),
        };
        self.doors.iter().enumerate().map(state).collect()
    }
}

/// The certificate rule for a member. The cluster tells each member's fingerprint over a connection that is trusted,
/// so that is what is pinned; certificates of members are rarely made out for the address they are asked at. Under a
/// pin, a member without a known fingerprint cannot be trusted.
fn rule(base: Tls, fingerprint: Option<[u8; 32]>) -> Option<Tls> {
    match (base, fingerprint) {
        (Tls::Off, _) => Some(Tls::Off),
        (_, Some(pin)) => Some(Tls::Pin(pin)),
        (Tls::Verify, None) => Some(Tls::Verify),
        (Tls::Pin(_), None) => None,
    }
}
